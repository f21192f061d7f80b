"""Metrics of the body: ldlj, footing, hand-penetration, root-drift."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import BaseModel

from raggesture.metrics.clip import EvaluatedClip
from raggesture.metrics.measured import Array, Combined, Measurements, clip_values, means
from raggesture.metrics.of_distribution import NoOptions
from raggesture.metrics.physics import DEEP_M, WRISTS, footing, hand_depth, log_dimensionless_jerk, root_drift
from raggesture.plugins.hookspecs import Metric, hookimpl


class LogDimensionlessJerk:
    """Smoothness of both wrists."""

    name: ClassVar[str] = "ldlj"
    unit: ClassVar[str] = "1, log"
    direction: ClassVar[str] = "reference"
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Hogan and Sternad 2009; Balasubramanian et al. 2015"
    meaning: ClassVar[str] = "Jerk of the wrists whatever their speed (higher: smoother); trembling lowers it, a robot has it high. Compare equal lengths only."
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """Each side's figure; a side that never moves has none."""
        found = [log_dimensionless_jerk(joints[:, list(WRISTS)], motion.fps) for motion, joints in clip.sides]
        return clip_values(found[0], found[1] if len(found) > 1 else math.nan)

    def combine(self, measured: Measurements) -> Combined:
        """Mean over the clips that move."""
        still = int(np.isnan(measured.table("value", 1)).sum())
        return means(measured, note=f"{still} clips without: the wrists do not move" if still else "")


class FootingMetric:
    """Are feet on the floor, and do they slide there."""

    name: ClassVar[str] = "footing"
    unit: ClassVar[str] = "contact: share of frames; slide: m/s"
    direction: ClassVar[str] = "reference"
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "ours; toes within 5 cm of the lowest"
    meaning: ClassVar[str] = "Feet that stand and do not glide; the floor is guessed from the motion, and a statue has it perfect."
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """Both numbers of each side, with the body where its translation puts it."""
        found = [footing(joints + motion.translation[:, None], motion.fps) for motion, joints in clip.sides]
        pairs = [np.array([each.contact, each.slide_m_s]) for each in found]
        return clip_values(pairs[0], pairs[1] if len(pairs) > 1 else np.full(2, math.nan))

    def combine(self, measured: Measurements) -> Combined:
        """Means over clips."""
        return means(measured, ("contact", "slide"), limits=(0, math.inf))


class HandPenetration:
    """Hands inside the body or each other."""

    name: ClassVar[str] = "hand-penetration"
    unit: ClassVar[str] = "share: of frames; depth: mm, mean of all frames"
    direction: ClassVar[str] = "lower"
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "ours; capsules around bones"
    meaning: ClassVar[str] = (
        "How often a hand is more than a centimetre inside trunk, head, thigh or the other arm; coarse (no skin), and folded hands can count: see the "
        "references' own."
    )
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """Share and depth of each side."""
        found = [hand_depth(joints) for _, joints in clip.sides]
        pairs = [np.array([(depth > DEEP_M).mean(), 1000 * depth.mean()]) for depth in found]
        return clip_values(pairs[0], pairs[1] if len(pairs) > 1 else np.full(2, math.nan), clip.motion.frames)

    def combine(self, measured: Measurements) -> Combined:
        """Means over frames."""
        return means(measured, ("share", "depth"), limits=(0, math.inf))


class RootDrift:
    """How far the body wanders."""

    name: ClassVar[str] = "root-drift"
    unit: ClassVar[str] = "m"
    direction: ClassVar[str] = "reference"
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "ours"
    meaning: ClassVar[str] = "Horizontal distance of the root from where it began, at the end and at the most; people sway and step: nearer to the references."
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """Both distances of each side."""
        found = [root_drift(motion.translation) for motion, _ in clip.sides]
        pairs = [np.array([each.end_m, each.farthest_m]) for each in found]
        return clip_values(pairs[0], pairs[1] if len(pairs) > 1 else np.full(2, math.nan))

    def combine(self, measured: Measurements) -> Combined:
        """Means over clips."""
        return means(measured, ("end", "farthest"), limits=(0, math.inf))


@hookimpl
def raggesture_metrics() -> list[type[Metric]]:
    """The metrics of this module."""
    return [LogDimensionlessJerk, FootingMetric, HandPenetration, RootDrift]
