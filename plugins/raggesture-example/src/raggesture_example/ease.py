"""Guidance that fades smoothly."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class EaseOptions(BaseModel):
    """How strongly, how long."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    rate: float = Field(1.0, ge=0, le=1, description="Rate at the noisiest step.")
    hold: float = Field(0.5, ge=0, le=1, description="Share of the steps at that rate.")
    until: float = Field(0.8, ge=0, le=1, description="Share of the steps after which nothing is guided.")


class Ease:
    """Holds its rate for a while, then lets go along half a cosine: no step at which the model is suddenly free."""

    name: ClassVar[str] = "ease"
    Options: ClassVar[type[BaseModel]] = EaseOptions

    def __init__(self, options: EaseOptions) -> None:
        self._options = options

    def rates(self, n_steps: int) -> tuple[float, ...]:
        """Return one rate in [0, 1] per step, noisiest first."""
        return tuple(self._options.rate * self._share((step + 0.5) / n_steps) for step in range(n_steps))

    def _share(self, progress: float) -> float:
        hold, until = self._options.hold, self._options.until
        if progress >= until:
            return 0.0
        if progress <= hold:
            return 1.0
        return 0.5 + 0.5 * math.cos(math.pi * (progress - hold) / (until - hold))
