"""The published rule as the pipeline reaches it ([compat] placement)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raggesture.clock import CHUNK_FRAMES, WINDOW_CHUNKS, frame_of_seconds
from raggesture.retrieval.place_published import place_published, window_of
from raggesture.retrieval.released_place import place_released
from raggesture.types import Exemplar, Hit, Query

FRAMES = {"c": 600, "short": 140}


def hit(query: Query, start: float, end: float, clip: str = "c") -> Hit:
    return Hit(query, Exemplar(clip, "ann", "w", "iconic", start, end, (start + end) / 2), 5.0, {})


def test_the_window_is_the_first_of_the_published_grid_that_holds_the_gesture() -> None:
    query = Query("w", "iconic", 1, 2)
    assert window_of(hit(query, 3.0, 4.0).exemplar, 600) == 0
    assert window_of(hit(query, 9.5, 10.5).exemplar, 600) == 75
    assert window_of(hit(query, 39.0, 39.9).exemplar, 600) == 450
    assert window_of(hit(query, 3.0, 14.0).exemplar, 600) is None and window_of(hit(query, 3.0, 4.0).exemplar, 140) is None


def test_chunks_are_the_rules_own() -> None:
    query = Query("w", "iconic", 12.0, 12.4)
    (placement,), drops = place_published([query], [hit(query, 9.5, 10.5)], starts=(0, 135), clip_frames=FRAMES)
    (pasted,) = place_released("llm", [(3.0, 3.4)], [(4.5, 5.5)]).pasted
    assert drops == () and placement.window == 1 and placement.source_frame == 75
    assert (placement.source, placement.target) == (slice(*pasted.source), slice(*pasted.target))
    made = frame_of_seconds(10.0) - 75 + CHUNK_FRAMES * (placement.target.start - placement.source.start)
    assert placement.shift_frames == made - (frame_of_seconds(query.stroke_s) - 135)


def test_losses_are_said() -> None:
    spans = {"border": (18.8, 19.3), "none": (1, 2), "short": (3, 3.2), "b": (9, 9.4), "a": (8, 8.4)}
    queries = [Query(word, "iconic", start, end) for word, (start, end) in spans.items()]
    hits = [hit(queries[0], 3, 4), None, hit(queries[2], 3, 4, "short"), hit(queries[3], 3, 4), hit(queries[4], 3, 4)]
    placements, drops = place_published(queries, hits, starts=(0, 135), clip_frames=FRAMES)
    told = {drop.query.word: drop.reason for drop in drops}
    assert [p.hit.query.word for p in placements] == ["b"] and set(told) == {"border", "none", "short", "a"}
    assert "border" in told["border"] and "no exemplar" in told["none"] and "published grid" in told["short"]
    assert "pushed it out" in told["a"], "a later word of the list goes behind the one before it"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 27), st.floats(0.1, 1.5), st.floats(0, 38), st.floats(0.1, 1.5)), max_size=8))
def test_every_query_is_placed_or_dropped_with_a_reason(cases: list[tuple[float, float, float, float]]) -> None:
    queries = [Query(f"w{k}", "iconic", start, start + length) for k, (start, length, _, _) in enumerate(cases)]
    hits = [hit(q, start, start + length) for q, (_, _, start, length) in zip(queries, cases, strict=True)]
    placements, drops = place_published(queries, hits, starts=(0, 135, 270), clip_frames=FRAMES)
    assert sorted([p.hit.query.word for p in placements] + [d.query.word for d in drops]) == sorted(q.word for q in queries)
    assert all(d.reason for d in drops)
    taken: dict[int, int] = {}
    for placement in placements:
        assert placement.target.stop - placement.target.start == placement.source.stop - placement.source.start > 0
        assert taken.get(placement.window, 0) <= placement.target.start < placement.target.stop <= WINDOW_CHUNKS and placement.source.stop <= WINDOW_CHUNKS
        taken[placement.window] = placement.target.stop


def test_source_and_target_may_differ() -> None:
    import torch

    from raggesture.synthesis import Insertion, Synthesizer

    levels = torch.arange(2 * 43, dtype=torch.float32).reshape(2, 1, 43, 1)
    anchors, weights = Synthesizer.anchors(None, levels, [Insertion(0, 0, slice(5, 7), 0.5, source=slice(1, 3))], 1)  # type: ignore[arg-type]
    assert anchors.latents[0, 0, [5, 6, 16, 17], 0].tolist() == [1.0, 2.0, 12.0, 13.0]
    assert anchors.mask.sum() == 4 and weights[0, 5] == pytest.approx(0.5)
