"""Placement by hand: which chunks, what gives way, and what is said of it."""

from __future__ import annotations

import pytest

from raggesture.clock import frame_of_seconds
from raggesture.retrieval.place import place
from raggesture.types import Drop, Exemplar, Hit, Placement, Query

FRAMES = {"c": 600}


def ask(
    *strokes: float, exemplar_stroke: float = 20.0, duration: float = 10.0, starts: tuple[int, ...] = (0,), chunks: int = 2
) -> tuple[list[Placement], list[Drop]]:
    queries = [Query(f"w{s}", "iconic", s, s, stroke=s) for s in strokes]
    hits = [Hit(q, Exemplar("c", "ann", "w", "iconic", 0, 40, exemplar_stroke), 5.0, {}) for q in queries]
    placements, drops = place(queries, hits, duration_s=duration, starts=starts, clip_frames=FRAMES, chunks=chunks)
    return list(placements), list(drops)


@pytest.mark.parametrize("phase", range(15))
def test_the_next_chunk_if_late_else_the_previous(phase: int) -> None:
    ((placement,), _) = ask(4 + (phase + 0.1) / 15)
    assert placement.target == (slice(4, 6) if phase >= 8 else slice(3, 5))
    assert placement.shift_frames == 0
    assert placement.source_frame == 300 - (60 + phase)


def test_three_chunks() -> None:
    assert ask(4.7, chunks=3)[0][0].target == slice(3, 6)
    placements, drops = ask(2.2, 4.1, 6.2, 8.1, chunks=3)
    assert drops == [] and sorted(p.target.stop - p.target.start for p in placements) == [2, 2, 3, 3], "close words share ten seconds"


def test_the_first_and_last_second_stay_in_the_window() -> None:
    assert ask(0.1)[0][0].target == slice(0, 2)
    assert ask(9.9)[0][0].target == slice(8, 10)


def test_close_words_share() -> None:
    placements, drops = ask(4.2, 5.1)
    assert [p.target for p in placements] == [slice(3, 5), slice(5, 7)]
    placements, drops = ask(4.8, 5.8)
    assert drops == []
    assert [p.target for p in placements] == [slice(3, 5), slice(5, 7)]
    placements, drops = ask(4.5, 5.5, 6.5)
    assert [p.target for p in placements] == [slice(3, 5), slice(5, 7)], "three words in three seconds: two are served whole"
    assert len(drops) == 1 and "no second left" in drops[0].reason


def test_two_words_in_one_second_cannot_both_be_served() -> None:
    light = Query("light", "iconic", 4.1, 4.1, weight=0.3)
    heavy = Query("heavy", "iconic", 4.6, 4.6)
    exemplar = Exemplar("c", "ann", "w", "iconic", 0, 40, 20.0)
    hits = [Hit(q, exemplar, 5.0, {}) for q in (light, heavy)]
    placements, drops = place([light, heavy], hits, duration_s=10, starts=[0], clip_frames=FRAMES)
    assert [p.hit.query.word for p in placements] == ["heavy"]
    assert [d.query.word for d in drops] == ["light"]
    assert "other words" in drops[0].reason


def test_the_shared_second_belongs_to_the_window_before() -> None:
    placements, _ = ask(9.7, 10.3, duration=19, starts=(0, 135))
    assert [(p.window, p.target) for p in placements] == [(0, slice(8, 10)), (1, slice(1, 3))]
    assert placements[1].source_frame == 300 - (frame_of_seconds(10.3) - 135)


@pytest.mark.parametrize(("exemplar_stroke", "shift"), [(0.2, -4), (39.9, 6), (20.0, 0)])
def test_at_the_border_of_its_clip_an_exemplar_moves_as_little_as_it_must(exemplar_stroke: float, shift: int) -> None:
    (placement,), _ = ask(4.5, exemplar_stroke=exemplar_stroke)
    stroke = frame_of_seconds(exemplar_stroke) - placement.source_frame
    assert stroke - frame_of_seconds(4.5) == placement.shift_frames == shift
    first = placement.source_frame + 15 * placement.source.start
    assert first >= 0
    assert first + 15 * (placement.source.stop - placement.source.start) <= 600


def test_too_near_to_the_border_is_a_drop() -> None:
    queries = [Query("w", "iconic", 4.9, 4.9)]
    hits = [Hit(queries[0], Exemplar("t", "ann", "w", "iconic", 0, 1, 0.1), 5.0, {})]
    placements, drops = place(queries, hits, duration_s=10, starts=[0], clip_frames={"t": 15}, chunks=2)
    assert placements == ()
    assert "border" in drops[0].reason


def test_drops_say_why() -> None:
    queries = [Query("a", "iconic", 1, 2, gesture="juggle"), Query("b", "Temporal.X", 3, 4), Query("c", "iconic", 30, 31)]
    hits = [None, None, Hit(queries[2], Exemplar("c", "ann", "w", "iconic", 0, 40, 20.0), 5.0, {})]
    placements, drops = place(queries, hits, duration_s=10, starts=[0], clip_frames=FRAMES)
    assert placements == ()
    assert ["juggle" in drops[0].reason, "Temporal.X" in drops[1].reason, "beyond" in drops[2].reason] == [True] * 3


def test_what_is_fixed_stays_and_the_others_go_round_it() -> None:
    queries = [Query(f"w{s}", "iconic", s, s, stroke=s) for s in (2.5, 3.5, 4.5, 5.5)]
    hits = [Hit(q, Exemplar("c", "ann", "w", "iconic", 0, 40, 20.0), 5.0, {}) for q in queries]
    placements, drops = place(queries, hits, duration_s=10, starts=[0], clip_frames=FRAMES, fixed={queries[1]: (2, 5)})
    assert [(p.hit.query.word, p.target) for p in placements] == [("w3.5", slice(2, 5)), ("w5.5", slice(5, 7))]
    assert [d.query.word for d in drops] == ["w2.5", "w4.5"] and all("other words" in d.reason for d in drops)
    assert placements[0].source_frame == 300 - 52 and placements[0].shift_frames == 0


def test_a_fixed_slot_that_its_clip_does_not_fill_is_a_drop() -> None:
    query = Query("w", "iconic", 4.9, 4.9)
    placements, drops = place(
        [query], [Hit(query, Exemplar("c", "ann", "w", "iconic", 0, 1, 0.4), 5.0, {})], duration_s=10, starts=[0], clip_frames=FRAMES, fixed={query: (3, 5)}
    )
    assert placements == () and "border" in drops[0].reason


def test_no_queries() -> None:
    assert place([], [], duration_s=10, starts=[0], clip_frames={}) == ((), ())
