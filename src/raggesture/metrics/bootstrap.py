"""Intervals by resampling clips: what the figures would be, had other clips of the same kind been recorded.

Conventions: 95 %, percentiles of the draws, moved by the mean by which the draws miss the figure (a Frechet distance of resampled clips is too large, a
mean is not), and kept inside what the figure can be. Clips are drawn, not frames: frames of one clip are alike. The generator is seeded and nobody else's.
Source: Efron and Tibshirani 1993.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from raggesture.metrics.measured import Combined, Counts, Figures, Floats

LEVEL = 0.95
FEWEST = 3
"""Of fewer clips there is no interval."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From ``low`` to ``high``; both NaN where there is none."""

    low: float = math.nan
    high: float = math.nan

    @property
    def known(self) -> bool:
        """Whether there is one."""
        return math.isfinite(self.low) and math.isfinite(self.high)


def drawn_counts(clips: int, draws: int, seed: int) -> Floats:
    """(draws, clips): how often each clip was drawn; rows sum to ``clips``."""
    rng = np.random.default_rng(seed)
    out = np.zeros((draws, clips))
    for row in out:
        np.add.at(row, rng.integers(0, clips, clips), 1)
    return out


def interval_of(drawn: Floats, figure: float, limits: tuple[float, float] = (-math.inf, math.inf)) -> Interval:
    """The interval of a figure from (draws,) figures of resampled clips; none where the figure or most draws are not numbers."""
    known = drawn[np.isfinite(drawn)]
    if not math.isfinite(figure) or len(known) < max(2, len(drawn) // 2):
        return Interval()
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) + (figure - known.mean())
    return Interval(float(np.clip(low, *limits)), float(np.clip(high, *limits)))


def intervals(combined: Combined, figures: Figures, clips: int, seed: int) -> Mapping[str, tuple[Interval, Interval]]:
    """Label -> the interval of the results' figure and of the references'."""
    if not combined.interval or clips < FEWEST:
        return {label: (Interval(), Interval()) for label in figures}
    draws = [combined.figures(counts) for counts in drawn_counts(clips, combined.draws, seed)]
    return {label: (_of(draws, label, 0, figures, combined), _of(draws, label, 1, figures, combined)) for label in figures}


def _of(draws: list[Figures], label: str, side: int, figures: Figures, combined: Combined) -> Interval:
    return interval_of(np.array([draw[label][side] for draw in draws]), figures[label][side], combined.limits)


def difference(first: Combined, second: Combined, clips: int, seed: int) -> Mapping[str, tuple[float, Interval]]:
    """Label -> second minus first with its interval: both sides see the same draws of the same clips, in the same order."""
    ones: Counts = np.ones(clips)
    here, there = first.figures(ones), second.figures(ones)
    gaps = {label: there[label][0] - here[label][0] for label in here if label in there}
    if clips < FEWEST or not (first.interval and second.interval):
        return {label: (gap, Interval()) for label, gap in gaps.items()}
    draws = [(first.figures(counts), second.figures(counts)) for counts in drawn_counts(clips, min(first.draws, second.draws), seed)]
    return {label: (gap, interval_of(np.array([b[label][0] - a[label][0] for a, b in draws]), gap)) for label, gap in gaps.items()}
