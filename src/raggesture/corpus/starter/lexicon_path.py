"""Paths of the lexicon: arcs, circles and the like, sampled into points. Data of a file in, points out."""

from __future__ import annotations

import math
from dataclasses import dataclass

from raggesture.corpus.starter.lexicon import Vec

PATHS = ("arc", "circle", "line", "zigzag", "bounce", "spiral", "eight")
_STEPS = 9
_SPIRAL_START = 0.15


@dataclass(frozen=True, slots=True)
class Path:
    """A path of the hand. ``start`` to ``end`` (arm lengths) with ``bulge`` across; circles, spirals and eights turn about ``start``.

    ``bulge`` and ``second`` are the half axes of a circle; ``turns``: of a circle, or how many zigzags or bounces.
    """

    kind: str
    start: Vec
    end: Vec
    bulge: Vec
    second: Vec
    turns: float

    @property
    def steps(self) -> int:
        """How many points show it."""
        return max(_STEPS, int(8 * abs(self.turns)) + 1)

    def at(self, u: float) -> Vec:
        """The point at ``u``, from 0 to 1 (and beyond it for what turns)."""
        if self.kind in ("circle", "spiral", "eight"):
            angle = 2 * math.pi * self.turns * u
            grown = _SPIRAL_START + (1 - _SPIRAL_START) * u if self.kind == "spiral" else 1.0
            across = math.sin(2 * angle) if self.kind == "eight" else math.cos(angle)
            return _add(self.start, _add(_scale(self.bulge, grown * across), _scale(self.second, grown * math.sin(angle))))
        middle = _add(_scale(self.start, 1 - u), _scale(self.end, u))
        return _add(middle, _scale(self.bulge, _along(self.kind, u, self.turns)))


def _along(kind: str, u: float, turns: float) -> float:
    """Sideways displacement in units of ``bulge``."""
    if kind == "arc":
        return math.sin(math.pi * u)
    if kind == "zigzag":
        return math.sin(2 * math.pi * turns * u)
    if kind == "bounce":
        return abs(math.sin(math.pi * turns * u))
    return 0.0


def _add(a: Vec, b: Vec) -> Vec:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def _scale(a: Vec, k: float) -> Vec:
    return (a[0] * k, a[1] * k, a[2] * k)
