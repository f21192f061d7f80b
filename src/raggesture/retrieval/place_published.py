"""Hits placed by the published rule, so that the pipeline can do what the released code does: whole seconds of a window of the published grid.

Where a stroke falls is chance, within half a second and more; words that cross a window's border are lost; of close words the later ones of the list
are pushed behind or dropped. The rule itself is ``raggesture.retrieval.released_place``, held by the goldens; ``raggesture.retrieval.place`` is ours.
Source: METHOD part I (a) "Retrieval database" and (e), part II 13, 16. Differs from the released code: what is dropped is reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raggesture.clock import CHUNK_FRAMES, WINDOW_CHUNKS, WINDOW_FRAMES, frame_of_seconds, seconds_of_frame
from raggesture.retrieval.released_place import Span, place_released
from raggesture.retrieval.weighting import grid
from raggesture.types import GESTURE_KINDS, Drop, Exemplar, Hit, Placement, Query


def window_of(exemplar: Exemplar, clip_frames: int) -> int | None:
    """First model frame of the first window of the published database that holds the whole annotation; None where none does."""
    inside = (k for k in grid(clip_frames) if seconds_of_frame(k) <= exemplar.start and exemplar.end <= seconds_of_frame(k + WINDOW_FRAMES))
    return next(inside, None)


def place_published(
    queries: Sequence[Query], hits: Sequence[Hit | None], *, starts: Sequence[int], clip_frames: Mapping[str, int]
) -> tuple[tuple[Placement, ...], tuple[Drop, ...]]:
    """Place the hit of each query, in the order of the list; arguments and result as ``raggesture.retrieval.place.place`` has them."""
    reasons: dict[int, str] = {}
    windows: dict[int, list[int]] = {}
    for number, (query, hit) in enumerate(zip(queries, hits, strict=True)):
        here = _window_holding(query, starts)
        if hit is None:
            reasons[number] = f"the retriever found no exemplar of kind {query.kind!r}"
        elif here is None:
            reasons[number] = "it crosses a window's border, where the published code loses words"
        elif window_of(hit.exemplar, clip_frames.get(hit.exemplar.clip, 0)) is None:
            reasons[number] = f"no window of the published grid holds its exemplar in {hit.exemplar.clip!r} whole"
        else:
            windows.setdefault(here, []).append(number)
    placements: list[Placement] = []
    for window, numbers in sorted(windows.items()):
        found = _placed(window, [(k, queries[k], hit) for k in numbers if (hit := hits[k]) is not None], starts[window], clip_frames)
        placements += [placement for _, placement in sorted(found.items(), key=lambda each: each[1].target.start)]
        reasons |= {number: "no second left: words before it in the list pushed it out of the window" for number in numbers if number not in found}
    return tuple(placements), tuple(Drop(queries[number], reasons[number]) for number in sorted(reasons))


def _window_holding(query: Query, starts: Sequence[int]) -> int | None:
    """The first window that holds the whole word."""
    spans = ((number, seconds_of_frame(start), seconds_of_frame(start + WINDOW_FRAMES)) for number, start in enumerate(starts))
    return next((number for number, begin, end in spans if begin <= query.start and query.end <= end), None)


def _placed(window: int, asked: Sequence[tuple[int, Query, Hit]], start: int, clip_frames: Mapping[str, int]) -> dict[int, Placement]:
    """Number of a query -> its placement in one window."""
    begin = seconds_of_frame(start)
    spans: list[Span] = [(query.start - begin, query.end - begin) for _, query, _ in asked]
    cuts = [window_of(hit.exemplar, clip_frames[hit.exemplar.clip]) or 0 for _, _, hit in asked]
    found: list[Span | None] = [
        (max(hit.exemplar.start - seconds_of_frame(cut), 0.0), hit.exemplar.end - seconds_of_frame(cut)) for (_, _, hit), cut in zip(asked, cuts, strict=True)
    ]
    placed = {}
    kinds = {hit.query.kind in GESTURE_KINDS for _, _, hit in asked}
    for pasted in place_released("llm" if True in kinds else "discourse", spans, found).pasted:
        number, query, hit = asked[pasted.point]
        source, target, cut = slice(*pasted.source), slice(*pasted.target), cuts[pasted.point]
        stroke = frame_of_seconds(hit.exemplar.stroke) - cut + CHUNK_FRAMES * (target.start - source.start)
        placed[number] = Placement(hit, window, target, source, cut, stroke - (frame_of_seconds(query.stroke_s) - start))
    assert all(p.target.stop <= WINDOW_CHUNKS for p in placed.values())
    return placed
