"""Bodies to hang on the 55 joints of an animation file: the wooden mannequin, or a user's SMPL-X model file.

A skin is what linear blend skinning needs and no more. SMPL-X's pose-dependent correctives (``posedirs``) are left out, because no exchange
format has them; the expression's directions become morph targets. The body is the mean one.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raggesture.body.joints import N_JOINTS, PARENTS
from raggesture.body.skeleton import rest_joints
from raggesture.errors import InputError
from raggesture.export.wooden import wooden

_DIRECTIONS = ((300, 100), (10, 10))
"""Directions of shape and of expression in a model file: of 2020, and of the one before."""
_WANTED = "use SMPLX_NEUTRAL_2020.npz, which its authors give out after registration, under a licence of their own"
_INFLUENCES = 4
_WEIGHT_ONE = 65535

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Skin:
    """A body in the rest pose.

    ``rest`` (55, 3) m joints; ``vertices``, ``normals`` (V, 3) m; ``faces`` (N, 3); ``joints``, ``weights`` (V, 4), weights as 16-bit numbers
    that sum to 65535; ``expressions`` (V, 3, E) m per unit of each expression coefficient, E = 0 for a body without a face.
    """

    rest: Floats
    vertices: Floats
    normals: Floats
    faces: NDArray[np.int64]
    joints: NDArray[np.uint8]
    weights: NDArray[np.uint16]
    expressions: Floats


def vertex_normals(vertices: Floats, faces: NDArray[np.int64]) -> Floats:
    """(V, 3) unit normals, each the mean of its faces' weighted by their area; up where a vertex has no face."""
    corners = vertices[faces]  # (N, 3, 3)
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])  # (N, 3)
    sums = np.stack([np.bincount(faces.ravel(), np.repeat(areas[:, axis], 3), len(vertices)) for axis in range(3)], axis=1)  # (V, 3)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    normals: Floats = np.where(length > 0, sums / np.where(length > 0, length, 1), (0.0, 1.0, 0.0))
    return normals


def bound(joints: NDArray[np.integer], weights: Floats) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """The four strongest influences of each vertex.

    Args:
        joints: (V, K) and weights (V, K) >= 0 of any sum; a joint may occur twice in a row.
    Returns:
        (V, 4) joints, each once (0 where its weight is 0), and weights that sum to 65535.
    """
    dense = np.zeros((len(joints), N_JOINTS))
    np.add.at(dense, (np.arange(len(joints))[:, None], joints), weights)
    strongest = np.argsort(-dense, axis=1, kind="stable")[:, :_INFLUENCES]
    kept = np.take_along_axis(dense, strongest, 1)
    whole = np.rint(kept / kept.sum(axis=1, keepdims=True) * _WEIGHT_ONE).astype(np.int64)
    whole[:, 0] += _WEIGHT_ONE - whole.sum(axis=1)
    return np.where(whole > 0, strongest, 0).astype(np.uint8), whole.astype(np.uint16)


def wooden_skin() -> Skin:
    """The wooden mannequin on the project's own rest joints. It has no face."""
    body = wooden()
    joints, weights = bound(body.joints, body.weights.astype(np.float64))
    normals = vertex_normals(body.vertices, body.faces)
    return Skin(rest_joints().astype(np.float64), body.vertices, normals, body.faces, joints, weights, np.zeros((len(body.vertices), 3, 0)))


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    names = ("v_template", "f", "weights", "J_regressor", "shapedirs", "kintree_table")
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected SMPL-X's model file - {_WANTED}")
    try:
        with np.load(path, allow_pickle=False) as archive:  # official files hold pickled dictionaries too; those are never opened
            missing = [name for name in names if name not in archive]
            if missing:
                raise InputError(f"{path}: no array {missing[0]!r}, found {sorted(archive)}; expected SMPL-X's model file - {_WANTED}")
            return {name: archive[name] for name in names}
    except (ValueError, OSError, zipfile.BadZipFile, EOFError, TypeError, AttributeError) as fault:
        why = "it is no zip archive of plain arrays" if "allow_pickle" in str(fault) else fault
        raise InputError(f"{path}: cannot be read as npz ({why}); expected SMPL-X's model file without pickles - use the .npz, not the .pkl") from fault


def _checked(path: Path) -> dict[str, NDArray[np.generic]]:
    """The file's arrays, if they make a body."""
    arrays = _arrays(path)
    count, triangles = (arrays[name].shape[0] if arrays[name].ndim else 0 for name in ("v_template", "f"))
    expected = {"v_template": (count, 3), "f": (triangles, 3), "weights": (count, N_JOINTS), "J_regressor": (N_JOINTS, count), "kintree_table": (2, N_JOINTS)}
    for name, shape in expected.items():
        if arrays[name].shape != shape or arrays[name].dtype.kind not in "fiu" or not np.isfinite(arrays[name].astype(np.float64)).all():
            raise InputError(f"{path}: {name} is {arrays[name].shape} {arrays[name].dtype}; expected finite numbers {shape} - {_WANTED}")
    if tuple(arrays["kintree_table"][0, 1:].astype(np.int64)) != PARENTS[1:]:
        raise InputError(f"{path}: kintree_table is not the tree of SMPL-X's 55 joints; expected it to be - {_WANTED}")
    faces = arrays["f"].astype(np.int64)
    if not faces.size or faces.min() < 0 or faces.max() >= count:
        raise InputError(f"{path}: faces between vertices that are not there; expected 0 to {count - 1} - {_WANTED}")
    if (arrays["weights"].astype(np.float64).clip(0).sum(axis=1) <= 0).any():
        raise InputError(f"{path}: weights bind a vertex to no joint; expected every row to have a weight above 0 - {_WANTED}")
    return arrays


def _expressions(path: Path, directions: NDArray[np.generic], count: int) -> Floats:
    known = directions.ndim == 3 and directions.shape[:2] == (count, 3) and directions.dtype.kind in "fiu"
    spans = [slice(shapes, shapes + moods) for shapes, moods in _DIRECTIONS if known and directions.shape[2] >= shapes + moods]
    if not spans:
        raise InputError(f"{path}: shapedirs {directions.shape}; expected ({count}, 3, 400), 300 shapes and 100 expressions - {_WANTED}")
    return directions[:, :, spans[0]].astype(np.float64)


def smplx_skin(path: Path) -> Skin:
    """The mean body of an SMPL-X model file (npz), with its expression directions. No pickle is ever loaded.

    Raises:
        InputError: the file is missing, not an npz, or holds other shapes than SMPL-X's.
    """
    arrays = _checked(path)
    places, faces = arrays["v_template"].astype(np.float64), arrays["f"].astype(np.int64)
    expressions = _expressions(path, arrays["shapedirs"], len(places))
    joints, weights = bound(np.broadcast_to(np.arange(N_JOINTS), (len(places), N_JOINTS)), arrays["weights"].astype(np.float64).clip(0))
    rest = arrays["J_regressor"].astype(np.float64) @ places
    return Skin(rest, places, vertex_normals(places, faces), faces, joints, weights, expressions)
