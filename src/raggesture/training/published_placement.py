"""An event placed as the published code would: the exemplar as a stretch of a ten-second window of its clip's grid, moved by whole seconds.

Source: METHOD part I (e); the rule is ``raggesture.retrieval.place_published``.
"""

from __future__ import annotations

from raggesture.retrieval.index import Index
from raggesture.retrieval.place_published import place_published
from raggesture.retrieval.rank import best, by_terms
from raggesture.training.figures import Event, query_of
from raggesture.types import Placement


def published_event(event: Event, index: Index, chunks: int = 2) -> Placement | None:
    """Where the published rule puts the gesture that an event asks for; ``chunks`` is not asked: the rule pads the annotation itself."""
    query = query_of(event, named=True)
    placements, _ = place_published((query,), (best(by_terms(query, index), index),), starts=(0,), clip_frames=index.clip_frames)
    return placements[0] if placements else None
