"""Where the hands go when they do nothing: hanging, held at the waist, or one before the other, changing over time. Both hands rest together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.corpus.starter.ik import Side
from raggesture.corpus.starter.style import Style

Floats = NDArray[np.float64]
_HANGING = np.array([0.11, -0.53, -0.06])
_WAIST = np.array([0.09, -0.38, 0.21])
_FOLDED = np.array([-0.05, -0.41, 0.19])
_SHARES = {"hanging": (0.86, 0.03), "mixed": (0.74, 0.05), "waist": (0.60, 0.08)}
"""Of hanging hands and of folded ones; the rest is at the waist."""


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """One rest pose: wrist places (3,) m per side in the chest frame (mirrored-left), palm and shape names."""

    left: Floats
    right: Floats
    palm: str
    shape: str
    finger: str = ""

    def place(self, side: Side) -> Floats:
        """The wrist's place of one side."""
        return self.left if side == "left" else self.right


def draw_rest(rng: np.random.Generator, style: Style) -> Rest:
    """One of the speaker's rest poses."""
    hanging, folded = _SHARES[style.rest]
    draw = rng.random()
    both = rng.standard_normal(3)
    if draw < hanging:
        spread = np.array([0.015, 0.02, 0.045])
        left, right = (_HANGING + both * spread + 0.7 * rng.standard_normal(3) * spread for _ in range(2))
        return Rest(left, right, "in", "relaxed")
    if draw < hanging + folded:
        spread = np.array([0.008, 0.03, 0.02])
        step = float(rng.choice((-1.0, 1.0))) * np.array([0.02, 0.03, 0.03])  # one hand lies before the other
        left, right = (_FOLDED + both * spread + sign * step for sign in (1.0, -1.0))
        return Rest(left, right, "in+up", "cup")
    spread = np.array([0.03, 0.035, 0.03])
    left, right = (_WAIST + both * spread + 0.7 * rng.standard_normal(3) * spread for _ in range(2))
    return Rest(left, right, "in" if rng.random() < 0.6 else "in+up", "relaxed")
