"""An event placed as the published code would: the exemplar as a stretch of a ten-second window of its clip's grid, moved by whole seconds.

Source: METHOD part I (a) "Retrieval database" and (e); the rule is ``raggesture.retrieval.released_place``, held by the goldens.
"""

from __future__ import annotations

from raggesture.clock import CHUNK_FRAMES, WINDOW_FRAMES, frame_of_seconds, seconds_of_frame
from raggesture.retrieval.index import Index
from raggesture.retrieval.rank import best, by_terms
from raggesture.retrieval.released_place import place_released
from raggesture.training.figures import Event, query_of
from raggesture.types import Exemplar, Placement

DATABASE_STRIDE_FRAMES = 75


def window_of(exemplar: Exemplar, clip_frames: int) -> int | None:
    """First model frame of the first window of the published database that holds the whole gesture; None where none does."""
    for start in range(0, clip_frames - WINDOW_FRAMES + 1, DATABASE_STRIDE_FRAMES):
        if seconds_of_frame(start) <= exemplar.start and exemplar.end <= seconds_of_frame(start + WINDOW_FRAMES):
            return start
    return None


def published_event(event: Event, index: Index, chunks: int = 2) -> Placement | None:
    """Where the published rule puts the gesture that an event asks for; ``chunks`` is not asked: the rule pads the annotation itself."""
    query = query_of(event, named=True)
    hit = best(by_terms(query, index), index)
    if hit is None:
        return None
    start = window_of(hit.exemplar, index.clip_frames[hit.exemplar.clip])
    if start is None:
        return None
    begin = seconds_of_frame(start)
    found = (max(hit.exemplar.start - begin, 0.0), hit.exemplar.end - begin)
    pasted = place_released("llm", [(query.start, query.end)], [found]).pasted
    if not pasted:
        return None
    source, target = slice(*pasted[0].source), slice(*pasted[0].target)
    moved = start + CHUNK_FRAMES * (source.start - target.start)
    shift = frame_of_seconds(hit.exemplar.stroke) - moved - frame_of_seconds(query.stroke_s)
    return Placement(hit, 0, target, target, moved, shift)
