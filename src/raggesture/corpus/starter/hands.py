"""Hand shapes: finger flexion per shape, turned into the rotation vectors of SMPL-X's fifteen finger joints.

Fingers flex about `up x bone`, one axis per joint; a plain -z axis would splay the little finger. The zero hand is flat and
slightly spread, as in BEAT2 (``flat_hand_mean=True``). Order: index, middle, pinky, ring, thumb.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from raggesture.body.joints import PARENTS
from raggesture.body.skeleton import rest_joints
from raggesture.body.turn import unit

Floats = NDArray[np.float64]
_FIRST = 25
_RELAXED = ((0.14, 0.32, 0.13), (0.53, 0.17, 0.08), (0.42, 0.32, 0.08), (0.34, 0.32, 0.11))
_FIST = (1.35, 1.6, 0.9)
_FLAT = (0.05, 0.08, 0.05)
_CUP = (0.35, 0.45, 0.30)
_T_REST = ((0.26, 0.25, 0.10), (-0.30, 0.08, -0.20), (0.30, 0.15, 0.15))
_T_FIST = ((0.85, 0.28, -0.09), (-0.50, 0.03, 0.05), (0.54, 0.05, -0.28))
_T_PINCH = ((0.51, 0.51, -0.15), (-0.24, 0.16, -0.42), (0.51, 0.23, 0.16))
_T_OUT = ((0.10, 0.10, 0.25), (-0.20, 0.0, 0.10), (0.10, 0.0, 0.10))
_T_UP = ((-0.10, -0.15, 0.45), (-0.10, 0.0, 0.25), (0.0, 0.0, 0.15))
_LOOSE = (0.55, 0.60, 0.35)

_SHAPES: dict[str, tuple[tuple[tuple[float, float, float], ...], tuple[tuple[float, float, float], ...], float]] = {
    # flexion (MCP, PIP, DIP) of index, middle, pinky, ring; rotation vectors of the thumb; spread rad
    "relaxed": (_RELAXED, _T_REST, 0.0),
    "flat": ((_FLAT,) * 4, _T_REST, 0.0),
    "spread": (((0.0, 0.08, 0.05),) * 4, _T_OUT, 0.20),
    "cup": ((_CUP,) * 4, _T_REST, 0.06),
    "fist": ((_FIST,) * 4, _T_FIST, 0.0),
    "point": (((0.02, 0.05, 0.03), _FIST, _FIST, _FIST), _T_FIST, 0.0),
    "pinch": (((0.77, 1.07, 0.64), _LOOSE, (0.40, 0.50, 0.30), _LOOSE), _T_PINCH, 0.0),
    "thumb": ((_FIST,) * 4, _T_UP, 0.0),
    "ring": (((0.70, 0.95, 0.55), (0.10, 0.15, 0.10), (0.0, 0.1, 0.1), (0.05, 0.12, 0.1)), _T_PINCH, 0.12),
    "two": (((0.02, 0.05, 0.03), (0.02, 0.05, 0.03), _FIST, _FIST), _T_FIST, 0.10),
}
_SPREAD = (-1.0, -0.25, 1.2, 0.45)


@cache
def _axes() -> Floats:
    """(15, 3) flexion axes of the left hand's joints; the thumb's rows are not used."""
    rest = np.asarray(rest_joints(), np.float64)
    bones = np.zeros((15, 3))
    for k in range(15):
        joint = _FIRST + k
        bones[k] = rest[joint + 1] - rest[joint] if k % 3 < 2 else rest[joint] - rest[PARENTS[joint]]
    axes = unit(np.cross(np.array([0.0, 1.0, 0.0]), bones))
    axes.setflags(write=False)
    return axes


@cache
def shape_rotations(shape: str) -> Floats:
    """(45,) rotation vectors rad of the left hand for a shape's name; the right hand is its mirror (x, -y, -z). Read-only."""
    flexion, thumb, spread = _SHAPES[shape]
    out = np.zeros((15, 3))
    for finger in range(4):
        for k in range(3):
            out[3 * finger + k] = _axes()[3 * finger + k] * flexion[finger][k]
        out[3 * finger, 1] += spread * _SPREAD[finger]
    out[12:] = thumb
    flat = out.reshape(45)
    flat.setflags(write=False)
    return flat


@cache
def flexion_basis() -> Floats:
    """(4, 45): one unit of whole-finger flexion for index, middle, pinky, ring; liveliness is laid along these. Read-only."""
    basis = np.zeros((4, 15, 3))
    for finger in range(4):
        for k, share in enumerate((1.0, 0.9, 0.5)):
            basis[finger, 3 * finger + k] = _axes()[3 * finger + k] * share
    flat = basis.reshape(4, 45)
    flat.setflags(write=False)
    return flat
