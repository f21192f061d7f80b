"""The metric motion-statistics: each row by which real takes were described."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import ClassVar

import numpy as np
from pydantic import BaseModel

from raggesture.metrics.clip import EvaluatedClip
from raggesture.metrics.measured import Array, Combined, Measurements, clip_values, means
from raggesture.metrics.motion_statistics import MotionStatistics, motion_statistics
from raggesture.metrics.of_distribution import NoOptions
from raggesture.motion import Motion
from raggesture.plugins.hookspecs import Metric, hookimpl

_AT = {"finger_turn_rad_s": (50, 90), "jaw_opening_rad": (50, 95), "still_share": (), "peaks_per_min": ()}
_PLACES = ("wrist_up_m", "wrist_forward_m", "wrist_side_m", "wrist_distance_m")


def _labels() -> tuple[str, ...]:
    labels: list[str] = []
    for row in fields(MotionStatistics):
        at = _AT.get(row.name, (5, 50, 95) if row.name in _PLACES else (50, 90, 99))
        labels += [f"{row.name} {percent}%" for percent in at] or [row.name]
    return tuple(labels)


LABELS = _labels()


def _numbers(motion: Motion) -> Array:
    found = asdict(motion_statistics(motion))
    return np.concatenate([np.atleast_1d(np.asarray(value, np.float64)) for value in found.values()])


class MotionStatisticsMetric:
    """Speeds, stillness, heights and turns."""

    name: ClassVar[str] = "motion-statistics"
    unit: ClassVar[str] = "in each row's name"
    direction: ClassVar[str] = "reference"
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "ours; the rows by which three takes of a real speaker were described, always on mannequin-x"
    meaning: ClassVar[str] = "Whether hands, head, trunk and feet move as fast and as far as the references do; nothing of when or why."
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """All rows of each side."""
        found = [_numbers(motion) for motion, _ in clip.sides]
        return clip_values(found[0], found[1] if len(found) > 1 else np.full(len(LABELS), math.nan))

    def combine(self, measured: Measurements) -> Combined:
        """Means over clips."""
        return means(measured, LABELS)


@hookimpl
def raggesture_metrics() -> list[type[Metric]]:
    """The metric of this module."""
    return [MotionStatisticsMetric]
