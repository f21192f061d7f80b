"""Hand shapes (``shapes.toml``): finger flexion per shape, turned into the rotation vectors of SMPL-X's fifteen finger joints.

Fingers flex about `up x bone`, one axis per joint; a plain -z axis would splay the little finger. The zero hand is flat and
slightly spread, as in BEAT2 (``flat_hand_mean=True``). Order: index, middle, pinky, ring, thumb.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tomli
from numpy.typing import NDArray

from raggesture.body.joints import PARENTS
from raggesture.body.skeleton import rest_joints
from raggesture.body.turn import unit

Floats = NDArray[np.float64]
_FIRST = 25
_Rows = tuple[tuple[float, float, float], ...]
_SPREAD = (-1.0, -0.25, 1.2, 0.45)


@dataclass(frozen=True, slots=True)
class Shape:
    """Flexion (knuckle, middle, tip) rad of index, middle, little, ring; rotation vectors rad of the thumb's joints; ``spread`` rad."""

    fingers: _Rows
    thumb: _Rows
    spread: float


def _rows(values: Any, count: int) -> _Rows:
    rows = tuple((float(a), float(b), float(c)) for a, b, c in values)
    return rows * count if len(rows) == 1 else rows


@cache
def load_shapes() -> dict[str, Shape]:
    """The shapes that come with the program, by name."""
    tables = tomli.loads((Path(__file__).parent / "shapes.toml").read_text("utf-8"))
    thumbs = tables["thumb"]
    return {
        name: Shape(_rows(table["fingers"], 4), _rows(thumbs[table["thumb"]], 1), float(table.get("spread", 0.0))) for name, table in tables["shape"].items()
    }


SHAPES = tuple(load_shapes())
"""Names of the shapes."""


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
    made = load_shapes()[shape]
    out = np.zeros((15, 3))
    for finger in range(4):
        for k in range(3):
            out[3 * finger + k] = _axes()[3 * finger + k] * made.fingers[finger][k]
        out[3 * finger, 1] += made.spread * _SPREAD[finger]
    out[12:] = made.thumb
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
