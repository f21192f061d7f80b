"""Bodies to hang on the 55 joints of an animation file: the wooden mannequin, or a user's SMPL-X model file.

A skin is what linear blend skinning needs and no more. SMPL-X's pose-dependent correctives (``posedirs``) are left out, because no exchange
format has them; the expression's directions become morph targets. The body is the mean one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raggesture.body.joints import N_JOINTS
from raggesture.body.skeleton import rest_joints
from raggesture.body.smplx_file import read_smplx_file
from raggesture.export.wooden import wooden

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


def smplx_skin(path: Path) -> Skin:
    """The mean body of an SMPL-X model file (npz), with its expression directions. No pickle is ever loaded.

    Raises:
        ModelError: see ``read_smplx_file``.
    """
    found = read_smplx_file(path)
    places, faces = found.v_template.astype(np.float64), found.f.astype(np.int64)
    joints, weights = bound(np.broadcast_to(np.arange(N_JOINTS), (len(places), N_JOINTS)), found.weights.astype(np.float64).clip(0))
    rest = found.J_regressor.astype(np.float64) @ places
    return Skin(rest, places, vertex_normals(places, faces), faces, joints, weights, found.expressions.astype(np.float64))
