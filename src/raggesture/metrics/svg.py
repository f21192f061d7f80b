"""Small drawings as SVG text for the report's page: two distributions, and an interval with a mark. Colours come from the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_WIDE, _HIGH, _BINS = 260, 64, 24
_SPAN_WIDE, _SPAN_HIGH = 120, 14


def _finite(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    array = np.asarray(list(values), np.float64)
    return array[np.isfinite(array)]


def _number(value: float) -> str:
    return f"{value:.4g}"


def histogram(ours: Sequence[float], theirs: Sequence[float], what: str) -> str:
    """Results filled, references as a line, on one axis; empty where there is nothing to draw. ``what`` must be escaped already."""
    results, references = _finite(ours), _finite(theirs)
    every = np.concatenate([results, references])
    if not len(results):
        return ""
    low, high = float(every.min()), float(every.max())
    if high <= low:
        low, high = low - 0.5, high + 0.5
    counts = [np.histogram(side, bins=_BINS, range=(low, high))[0] for side in (results, references)]
    top = max(int(side.max(initial=0)) for side in counts) or 1
    step = _WIDE / _BINS
    bars = "".join(
        f'<rect class="ours" x="{k * step:.1f}" y="{_HIGH * (1 - n / top):.1f}" width="{step - 1:.1f}" height="{_HIGH * n / top:.1f}"/>'
        for k, n in enumerate(counts[0])
        if n
    )
    line = ""
    if len(references):
        points = " ".join(f"{(k + side) * step:.1f},{_HIGH * (1 - n / top):.1f}" for k, n in enumerate(counts[1]) for side in (0, 1))
        line = f'<polyline class="theirs" points="{points}"/>'
    axis = f'<text x="0" y="{_HIGH + 12}">{_number(low)}</text><text x="{_WIDE}" y="{_HIGH + 12}" text-anchor="end">{_number(high)}</text>'
    return f'<svg class="histogram" viewBox="0 -2 {_WIDE} {_HIGH + 16}" width="{_WIDE}" role="img" aria-label="{what}">{bars}{line}{axis}</svg>'


def span(value: float, low: float, high: float, mark: float, bounds: tuple[float, float]) -> str:
    """A figure with its interval as dot and line, and ``mark`` (the references, or 0) as a tick, between ``bounds``."""
    first, last = bounds
    if not math.isfinite(value) or not last > first:
        return ""

    def x(at: float) -> float:
        return 4 + (_SPAN_WIDE - 8) * (min(max(at, first), last) - first) / (last - first)

    middle = _SPAN_HIGH / 2
    parts = []
    if math.isfinite(mark):
        parts.append(f'<line class="theirs" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="1" y2="{_SPAN_HIGH - 1}"/>')
    if math.isfinite(low) and math.isfinite(high):
        parts.append(f'<line class="span" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{middle}" y2="{middle}"/>')
    parts.append(f'<circle class="ours" cx="{x(value):.1f}" cy="{middle}" r="3"/>')
    return f'<svg class="span" viewBox="0 0 {_SPAN_WIDE} {_SPAN_HIGH}" width="{_SPAN_WIDE}" aria-hidden="true">{"".join(parts)}</svg>'


def bounds_of(values: Sequence[float]) -> tuple[float, float]:
    """A range that holds all finite values with a margin."""
    known = _finite(values)
    if not len(known):
        return (0.0, 0.0)
    low, high = float(known.min()), float(known.max())
    margin = 0.08 * (high - low) or max(abs(low) * 0.1, 1e-9)
    return (low - margin, high + margin)
