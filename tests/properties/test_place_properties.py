"""Placement, whatever is asked: slots disjoint, in order, inside a window, holding their stroke; nothing is lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from raggesture.clock import CHUNK_FRAMES, WINDOW_CHUNKS, frame_of_seconds, frames_of_seconds
from raggesture.retrieval.place import MAX_SHIFT_FRAMES, MIN_CHUNKS, owner_of, place
from raggesture.types import Drop, Exemplar, Hit, Placement, Query

Case = tuple[float, list[Query], list[Hit | None], int]
CLIPS = {"long": 900, "short": 40, "tiny": 12}


def starts_of(duration_s: float) -> tuple[int, ...]:
    chunks = max(-(-frames_of_seconds(duration_s, 15) // CHUNK_FRAMES), 1)
    return tuple(135 * k for k in range(max(1, -(-(chunks - 1) // 9))))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    duration = draw(st.floats(0.5, 45))
    queries, hits = [], []
    for k in range(draw(st.integers(0, 14))):
        start = draw(st.floats(0, duration + 1))
        query = Query(f"w{k}", "iconic", start, start + draw(st.floats(0, 0.8)), weight=draw(st.sampled_from([0.0, 0.5, 1.0])))
        clip = draw(st.sampled_from([*CLIPS, "unknown"]))
        stroke = draw(st.floats(0, (CLIPS.get(clip, 30) - 1) / 15))
        exemplar = Exemplar(clip, "ann", "w", "iconic", max(stroke - 0.2, 0), stroke + 0.2, stroke)
        queries.append(query)
        hits.append(draw(st.sampled_from([Hit(query, exemplar, draw(st.floats(0, 12)), {}), None])) if draw(st.booleans()) else Hit(query, exemplar, 2.0, {}))
    return duration, queries, hits, draw(st.sampled_from([2, 3]))


def run(case: Case) -> tuple[Sequence[Placement], Sequence[Drop], tuple[int, ...]]:
    duration, queries, hits, chunks = case
    starts = starts_of(duration)
    placements, drops = place(queries, hits, duration_s=duration, starts=starts, clip_frames=CLIPS, chunks=chunks)
    return placements, drops, starts


@settings(max_examples=200, deadline=None)
@given(cases())
def test_placements_hold_together(case: Case) -> None:
    placements, drops, starts = run(case)
    check_nothing_is_lost(case, placements, drops)
    check_slots(case, placements, starts)
    check_strokes(placements, starts)


def check_nothing_is_lost(case: Case, placements: Sequence[Placement], drops: Sequence[Drop]) -> None:
    assert sorted([id(p.hit.query) for p in placements] + [id(d.query) for d in drops]) == sorted(id(q) for q in case[1])
    assert all(drop.reason for drop in drops)


def check_slots(case: Case, placements: Sequence[Placement], starts: tuple[int, ...]) -> None:
    """Slots are disjoint, in order and inside their window."""
    taken: dict[int, int] = defaultdict(int)
    last = 0
    for placement in placements:
        assert placement.target == placement.source
        assert 0 <= placement.target.start < placement.target.stop <= WINDOW_CHUNKS
        assert MIN_CHUNKS <= placement.target.stop - placement.target.start <= case[3]
        assert placement.window == 0 or placement.target.start >= 1  # chunk 0 is held from the window before
        first = starts[placement.window] // CHUNK_FRAMES + placement.target.start
        assert first >= last
        last = first + placement.target.stop - placement.target.start
        for chunk in range(first, last):
            taken[chunk] += 1
    assert set(taken.values()) <= {1}


def check_strokes(placements: Sequence[Placement], starts: tuple[int, ...]) -> None:
    """A stroke is in its slot, on its frame, and the exemplar inside its clip."""
    for placement in placements:
        frame = frame_of_seconds(placement.hit.query.stroke_s) - starts[placement.window]
        stroke = frame_of_seconds(placement.hit.exemplar.stroke) - placement.source_frame
        assert placement.target.start <= frame // CHUNK_FRAMES < placement.target.stop
        assert stroke - frame == placement.shift_frames
        assert placement.target.start <= stroke // CHUNK_FRAMES < placement.target.stop
        assert abs(placement.shift_frames) <= MAX_SHIFT_FRAMES
        first = placement.source_frame + placement.source.start * CHUNK_FRAMES
        last = placement.source_frame + placement.source.stop * CHUNK_FRAMES
        assert first >= 0
        assert last <= CLIPS[placement.hit.exemplar.clip]


@settings(max_examples=60, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_the_queries_does_not_matter(case: Case, random: object) -> None:
    duration, queries, hits, chunks = case
    by_query = {id(q): h for q, h in zip(queries, hits, strict=True)}
    shuffled = list(queries)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    placements, _, _ = run(case)
    again, _, _ = run((duration, shuffled, [by_query[id(q)] for q in shuffled], chunks))
    assert len(again) == len(placements)


@st.composite
def crowds(draw: st.DrawFn) -> Case:
    """Words on top of each other, exemplars far from their clips' borders: only the words compete."""
    duration = draw(st.floats(4, 30))
    exemplar = Exemplar("long", "ann", "w", "iconic", 29.8, 30.2, 30.0)
    queries, hits = [], []
    for k in range(draw(st.integers(2, 9))):
        start = draw(st.floats(0, duration - 0.1))
        queries.append(Query(f"w{k}", "iconic", start, start, weight=draw(st.sampled_from([0.25, 0.5, 1.0]))))
        hits.append(Hit(queries[-1], exemplar, 5.0, {}))
    return duration, queries, hits, draw(st.sampled_from([2, 3]))


def pairs_of(query: Query, starts: tuple[int, ...]) -> list[tuple[int, int]]:
    """Every slot of two chunks (of the whole speech) that a query could have, by the rule itself: it holds its stroke, and one window owns both."""
    own = frame_of_seconds(query.stroke_s) // CHUNK_FRAMES
    owned = [(start // CHUNK_FRAMES + (number > 0), start // CHUNK_FRAMES + WINDOW_CHUNKS) for number, start in enumerate(starts)]
    return [(first, first + 2) for first in (own - 1, own) if any(low <= first and first + 2 <= high for low, high in owned)]


def most_served(queries: Sequence[Query], starts: tuple[int, ...]) -> int:
    """How many could be served at best: try everything."""

    def served(rest: list[Query], end: int) -> int:
        if not rest:
            return 0
        best = served(rest[1:], end)
        for first, stop in pairs_of(rest[0], starts):
            if first >= end:
                best = max(best, 1 + served(rest[1:], stop))
        return best

    return served(sorted(queries, key=lambda query: query.stroke_s), 0)


@settings(max_examples=150, deadline=None)
@given(crowds())
def test_close_words_share_fairly(case: Case) -> None:
    """As many are served as could be (so nobody has three while a neighbour that needs one of them has none), and the lighter one goes first."""
    placements, drops, starts = run(case)
    assert len(placements) == most_served(case[1], starts)
    weights = {frame_of_seconds(p.hit.query.stroke_s) // CHUNK_FRAMES: p.hit.query.weight for p in placements}
    for drop in drops:
        assert "no second left" in drop.reason
        rival = weights.get(frame_of_seconds(drop.query.stroke_s) // CHUNK_FRAMES)
        assert rival is None or rival >= drop.query.weight, "of two words in one second the lighter goes"


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0, 44.9))
def test_a_word_alone_always_gets_two(stroke: float) -> None:
    """Also at the borders of windows, in the first second and in the last."""
    query = Query("w", "iconic", stroke, stroke)
    hit = Hit(query, Exemplar("long", "ann", "w", "iconic", 29.8, 30.2, 30.0), 5.0, {})
    for chunks in (2, 3):
        placements, drops = place([query], [hit], duration_s=45.0, starts=starts_of(45.0), clip_frames=CLIPS, chunks=chunks)
        assert drops == () and placements[0].shift_frames == 0
        assert 2 <= placements[0].target.stop - placements[0].target.start <= chunks


@given(
    starts=st.lists(st.integers(0, 60), min_size=1, max_size=12, unique=True).map(lambda chunks: tuple(15 * chunk for chunk in sorted(chunks))),
    chunk=st.integers(0, 80),
    leapfrog=st.booleans(),
)
def test_the_owner_of_a_second_is_the_first_made_window_that_sees_it(starts: tuple[int, ...], chunk: int, leapfrog: bool) -> None:
    seen = [k for k, start in enumerate(starts) if 0 <= chunk - start // 15 < 10]
    wanted = min(seen, key=lambda k: (k % 2 if leapfrog else 0, k), default=None)
    assert owner_of(chunk, starts, leapfrog=leapfrog) == wanted
