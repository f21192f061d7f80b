"""Where the released code puts what it found: whole chunks of one window, points in list order, later ones pushed behind.

Source: METHOD part I (e). Kept for comparison with the published system and its goldens; ``raggesture.retrieval.place`` is what we do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import CHUNK_FRAMES, MODEL_FPS, WINDOW_CHUNKS, WINDOW_FRAMES, WINDOW_SECONDS
from raggesture.retrieval.released import Method

TOKENS = 4 * WINDOW_CHUNKS + 3
"""Upper body, hands, face, lower body with translation, a separator between each two."""
INJECTED_PARTS = (0, 1)
"""Of upper body, hands, face and lower body: those that are pasted."""
_LONG_S = 0.9
"""A gesture longer than this is padded less, unless it is a connective's."""
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Pasted:
    """Chunks ``source`` of what was found for point ``point`` go to chunks ``target`` of the window; equally many."""

    point: int
    source: tuple[int, int]
    target: tuple[int, int]


@dataclass(frozen=True, slots=True)
class ReleasedPlacement:
    """``pasted`` in list order; ``listed`` are the points that the released log names, dropped ones too."""

    pasted: tuple[Pasted, ...]
    listed: tuple[int, ...]


def _frame(seconds: float) -> int:
    return int(min(max(seconds, 0.0), float(WINDOW_SECONDS)) * MODEL_FPS)


def _source(method: Method, found: Span) -> tuple[int, int] | None:
    """Chunks of what was found, padded; None where it is empty."""
    start, end = found
    short = method == "discourse" or end - start <= _LONG_S
    first, last = (_frame(start - 0.666), _frame(end + 0.333)) if short else (_frame(start - 0.2), _frame(end + 0.1))
    if first == last:
        return None
    if last == WINDOW_FRAMES:
        last, first = WINDOW_FRAMES - 1, max(0, first - 1)
    return first // CHUNK_FRAMES, last // CHUNK_FRAMES + 1


def _wanted(middle: int, length: int) -> tuple[int, int]:
    """Chunks round the middle one: an odd run lies one chunk early; moved inside the window."""
    before = 0 if length <= 2 else length // 2 + length % 2
    start = min(max(middle - before, 0), WINDOW_CHUNKS - length)
    return start, start + length


def place_released(method: Method, asked: Sequence[Span], found: Sequence[Span | None]) -> ReleasedPlacement:
    """Place what was found for each point, in the order of the list.

    Args:
        asked, found: (start, end) in seconds of the query's and of the found window; None where nothing was found.
    """
    pasted: list[Pasted] = []
    listed: list[int] = []
    previous = -1
    for point, (query, retrieved) in enumerate(zip(asked, found, strict=True)):
        if retrieved is None or query[0] > query[1]:
            continue
        listed.append(point)
        source = _source(method, retrieved)
        if source is None:
            continue
        middle = (_frame(query[0]) + _frame(query[1])) // 2 // CHUNK_FRAMES
        start, end = _wanted(middle, source[1] - source[0])
        if start < previous:
            start, end = previous, previous + source[1] - source[0]
        kept = min(end, WINDOW_CHUNKS) - start
        if kept <= 0:
            continue
        pasted.append(Pasted(point, (source[0], source[0] + kept), (start, start + kept)))
        previous = start + kept
    return ReleasedPlacement(tuple(pasted), tuple(listed))


def token_sources(pasted: Sequence[Pasted], parts: Sequence[int] = INJECTED_PARTS) -> NDArray[np.int64]:
    """(T, 2) the point and the token of its window that each token of the latent sequence comes from, -1 where it is empty."""
    sources = np.full((TOKENS, 2), -1, np.int64)
    for each in pasted:
        for part in parts:
            first = part * (WINDOW_CHUNKS + 1)
            length = each.target[1] - each.target[0]
            at = slice(first + each.target[0], first + each.target[1])
            sources[at, 0] = each.point
            sources[at, 1] = first + each.source[0] + np.arange(length)
    return sources
