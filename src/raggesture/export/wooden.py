"""mannequin-x's wooden body as a skinned mesh on SMPL-X's joints, in the rest pose with flat hands. It has no face."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from raggesture.body.joints import N_JOINTS
from raggesture.resources import wheel_file

_SKIN_INFLUENCES = 4


@dataclass(frozen=True, slots=True, eq=False)
class Wooden:
    """``vertices`` (V, 3) m, ``faces`` (N, 3), ``joints`` and ``weights`` (V, 4), weights as bytes that sum to 255.

    ``parts`` are (joint ball?, first vertex, vertices).
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    joints: NDArray[np.uint8]
    weights: NDArray[np.uint8]
    parts: tuple[tuple[bool, int, int], ...]


@cache
def wooden() -> Wooden:
    """The wooden body. Its arrays are shared: do not write to them."""
    from mannequin import Mannequin

    body = Mannequin("wooden", flat_hand_mean=True)
    vertices = np.asarray(body.vertices(body.rest_pose()), np.float64)  # (V, 3)
    with np.load(wheel_file("mannequin", "assets/wooden.npz", distribution="mannequin-x"), allow_pickle=False) as asset:
        joints, weights = _strongest(asset["skin_joint_indices"], asset["skin_weights"], asset["skin_rigid_joint_indices"])
        names, starts, counts = asset["skin_part_names"], asset["skin_part_vertex_starts"], asset["skin_part_vertex_counts"]
    parts = tuple((str(name).startswith("joint"), int(start), int(count)) for name, start, count in zip(names, starts, counts, strict=True))
    return Wooden(vertices, np.asarray(body.faces, np.int64), joints, weights, parts)


def _strongest(joints: NDArray[np.int16], weights: NDArray[np.float32], rigid: NDArray[np.int16]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The four strongest influences, joints renumbered to SMPL-X's 55, weights as bytes that sum to 255."""
    strongest = np.argsort(-weights, axis=1, kind="stable")[:, :_SKIN_INFLUENCES]
    joints, weights = np.take_along_axis(joints, strongest, 1).copy(), np.take_along_axis(weights, strongest, 1).astype(np.float64)
    whole = rigid >= 0
    joints[whole] = rigid[whole, None]
    weights[whole] = (1.0, 0.0, 0.0, 0.0)
    quantised_weights = np.rint(weights / weights.sum(axis=1, keepdims=True) * 255).astype(np.int64)
    quantised_weights[:, 0] += 255 - quantised_weights.sum(axis=1)
    # mannequin-x: 22 body joints, two hand roots that stay at the wrists, 30 finger joints; SMPL-X: jaw and eyes between
    renumbered = np.array([*range(22), 20, 21, *range(25, N_JOINTS)], np.uint8)
    return renumbered[joints], quantised_weights.astype(np.uint8)
