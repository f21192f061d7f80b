"""A metric: how far the hands go from the body."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from raggesture.metrics.clip import EvaluatedClip
from raggesture.metrics.measured import Array, Combined, Measurements, clip_values, means

_CHEST, _WRISTS = 9, (20, 21)


class ReachOptions(BaseModel):
    """Which distance stands for a clip."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    percentile: float = Field(95.0, ge=0, le=100, description="Percentile over the frames of the farther wrist's distance.")


class Reach:
    """Distance of the farther wrist from the chest, at a high percentile of the frames."""

    name: ClassVar[str] = "reach"
    unit: ClassVar[str] = "m"
    direction: ClassVar[str] = "reference"
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "raggesture-example"
    meaning: ClassVar[str] = "How much room the hands take; nothing of what they do there."
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = ReachOptions

    def __init__(self, options: ReachOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """The clip's distance, and its reference's if it has one."""
        found = [self._of(joints) for _, joints in clip.sides]
        return clip_values(found[0], found[1] if len(found) > 1 else math.nan)

    def _of(self, joints: Array) -> float:
        away = np.linalg.norm(joints[:, list(_WRISTS)] - joints[:, [_CHEST]], axis=-1).max(axis=1)
        return float(np.percentile(away, self._options.percentile))

    def combine(self, measured: Measurements) -> Combined:
        """Mean over clips."""
        return means(measured, limits=(0, math.inf))
