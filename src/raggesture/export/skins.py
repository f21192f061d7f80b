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

from raggesture.body.joints import N_EXPRESSIONS, N_JOINTS, PARENTS
from raggesture.body.skeleton import rest_joints
from raggesture.errors import ModelError
from raggesture.export.wooden import wooden

_N_BETAS = 300
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
        raise ModelError(f"{path}: no such file; expected SMPL-X's model file, SMPLX_NEUTRAL_2020.npz - check the path")
    try:
        with np.load(path, allow_pickle=False) as archive:  # official files hold pickled dictionaries too; those are never opened
            missing = [name for name in names if name not in archive]
            if missing:
                raise ModelError(f"{path}: no array {missing[0]!r}, found {sorted(archive)}; expected SMPL-X's model file - use SMPLX_NEUTRAL_2020.npz")
            return {name: archive[name] for name in names}
    except (ValueError, OSError, zipfile.BadZipFile, EOFError, TypeError, AttributeError) as fault:
        why = "it is no zip archive of plain arrays" if "allow_pickle" in str(fault) else fault
        raise ModelError(f"{path}: cannot be read as npz ({why}); expected SMPL-X's model file without pickles - use the .npz, not the .pkl") from fault


def smplx_skin(path: Path) -> Skin:
    """The mean body of an SMPL-X model file (npz), with its expression directions. No pickle is ever loaded.

    Raises:
        ModelError: the file is missing, not an npz, or holds other shapes than SMPL-X's.
    """
    arrays = _arrays(path)
    vertices, faces = arrays["v_template"], arrays["f"]
    count = len(vertices)
    expected = {"v_template": (count, 3), "f": (len(faces), 3), "weights": (count, N_JOINTS), "J_regressor": (N_JOINTS, count)}
    for name, shape in expected.items():
        if arrays[name].shape != shape or arrays[name].dtype.kind not in "fiu":
            raise ModelError(f"{path}: {name} is {arrays[name].shape} {arrays[name].dtype}; expected numbers {shape} - use SMPLX_NEUTRAL_2020.npz")
    directions = arrays["shapedirs"]
    if directions.shape[:2] != (count, 3) or directions.ndim != 3 or directions.shape[2] < _N_BETAS + N_EXPRESSIONS:
        raise ModelError(f"{path}: shapedirs {directions.shape}; expected ({count}, 3, 400), 300 shapes and 100 expressions - use SMPLX_NEUTRAL_2020.npz")
    if arrays["kintree_table"].shape != (2, N_JOINTS) or tuple(arrays["kintree_table"][0, 1:].astype(np.int64)) != PARENTS[1:]:
        raise ModelError(f"{path}: kintree_table is not the tree of SMPL-X's 55 joints; expected it to be - use SMPLX_NEUTRAL_2020.npz")
    places, triangles = vertices.astype(np.float64), faces.astype(np.int64)
    joints, weights = bound(np.broadcast_to(np.arange(N_JOINTS), (count, N_JOINTS)), arrays["weights"].astype(np.float64))
    rest = arrays["J_regressor"].astype(np.float64) @ places
    expressions = directions[:, :, _N_BETAS : _N_BETAS + N_EXPRESSIONS].astype(np.float64)
    return Skin(rest, places, vertex_normals(places, triangles), triangles, joints, weights, expressions)
