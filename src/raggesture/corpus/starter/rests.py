"""Where the hands go when they do nothing: hanging or held at the waist, changing over time. Both hands rest together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.corpus.starter.ik import Side
from raggesture.corpus.starter.style import Style

Floats = NDArray[np.float64]
_HANGING = np.array([0.08, -0.50, 0.05])
_WAIST = np.array([0.08, -0.37, 0.22])
_HANGING_SHARE = {"hanging": 0.65, "mixed": 0.45, "waist": 0.30}


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
    hanging = rng.random() < _HANGING_SHARE[style.rest]
    centre = _HANGING if hanging else _WAIST
    spread = np.array([0.015, 0.02, 0.04]) if hanging else np.array([0.03, 0.035, 0.03])
    both = rng.standard_normal(3) * spread
    left, right = (centre + both + 0.7 * rng.standard_normal(3) * spread for _ in range(2))
    return Rest(left, right, "in" if hanging or rng.random() < 0.6 else "in+up", "relaxed")
