"""Contours of prominence: how the weight of the voice rises and falls around an instant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 12
BIN_S = 0.25
SAMPLES = 5
HALF_S = BINS * BIN_S / 2
LEAST_KNOWN = BINS // 2
_ROWS_AT_ONCE = 10_000

Floats = NDArray[np.float64]
Contours = NDArray[np.float32]


def contours(place: NDArray[np.int32], instant: Floats, clip: NDArray[np.int32], start: Floats, end: Floats, prominence: Floats) -> Contours:
    """Contours (N, BINS) around N instants, each in the clip ``place``; W words (``clip``, ``start``, ``end``, ``prominence``) by clip and time.

    A bin is the mean, over SAMPLES moments, of the prominence of the word that is being spoken, 0 in a pause; NaN where a word's prominence is unknown.
    A row in which no word with a prominence is spoken, or more than half of which is unknown, is NaN throughout.
    """
    found = np.full((len(instant), BINS), np.nan, np.float32)
    if not len(start):
        return found
    span = float(max(end.max(), instant.max(initial=0.0))) + 2 * HALF_S + 1.0  # clips laid one after another, too far apart to meet
    begins = clip * span + start
    offsets = (np.arange(BINS * SAMPLES) + 0.5) * (BIN_S / SAMPLES) - HALF_S
    for first in range(0, len(instant), _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        moment = instant[rows, None] + offsets
        word = np.searchsorted(begins, place[rows, None] * span + moment, "right") - 1
        spoken = (word >= 0) & (clip[word] == place[rows, None]) & (moment < end[word])
        bins = np.where(spoken, prominence[word], 0.0).reshape(-1, BINS, SAMPLES).mean(axis=2)
        heard = (spoken & ~np.isnan(prominence[word])).any(axis=1) & ((~np.isnan(bins)).sum(axis=1) >= LEAST_KNOWN)
        found[rows] = np.where(heard[:, None], bins, np.nan)
    return found


def distances(shapes: Contours, wanted: Contours) -> Floats:
    """Root of the mean squared difference (N,) over the bins known in both; NaN where there is none."""
    difference = shapes - wanted
    known = ~np.isnan(difference)
    count = known.sum(axis=1)
    total = np.square(np.where(known, difference, 0.0)).sum(axis=1, dtype=np.float64)
    return np.sqrt(np.divide(total, count, out=np.full(len(shapes), np.nan), where=count > 0))
