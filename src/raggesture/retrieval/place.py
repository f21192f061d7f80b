"""Where hits go: disjoint slots of chunks, in the order of the words, each exemplar's stroke on its word.

A *slot* is a run of two or three chunks of one window that holds the word's chunk. The exemplar's window is cut from its clip
so that the stroke falls on the word's frame, hence the same chunks of it are injected. Of all ways to share the chunks
the cheapest is taken (dynamic programming): as few queries dropped as possible (among close words the lighter goes), then slots as long and as
centred on their stroke as possible; never one chunk, which alone puts only half of the strokes on their word.
Source: METHOD part I (e); TRAINING "Placement", the measurements behind two chunks: the next one if the stroke lies late in its chunk, else the previous.
Differs from the released code: queries are placed in time order; the stroke lies on its frame instead of somewhere in a
second; a slot always holds its word; what is dropped is reported.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias

from raggesture.clock import CHUNK_FRAMES, MODEL_FPS, WINDOW_CHUNKS, chunk_of_frame, frame_of_seconds, frames_of_seconds
from raggesture.types import Drop, Hit, Placement, Query

MAX_SHIFT_FRAMES = 7
"""A stroke may be moved by up to half a second where its clip begins or ends; beyond, the query is dropped."""

MIN_CHUNKS, MAX_CHUNKS = 2, 3
"""Chunks of a slot. Source: TRAINING "Placement": .57 of the strokes within a frame by one chunk, .96 by two."""

_MISSING_CHUNK = 3.0
_SHIFTED_FRAME = 0.2
_DROPPED = 1000.0
_KEPT = 1e12


@dataclass(frozen=True, slots=True)
class _Slot:
    """A possible place of a hit: chunks counted over the whole speech, and what it costs."""

    window: int
    first: int
    stop: int
    shift: int
    cost: float


_Choices: TypeAlias = "tuple[_Slot | None, _Choices] | None"
"""What was chosen for a request, and what for those before it."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A hit with its place in the caller's list, the frame of its word's stroke and its possible slots."""

    number: int
    hit: Hit
    frame: int
    slots: tuple[_Slot, ...]
    fixed: bool = False

    @property
    def drop_cost(self) -> float:
        """Dropping any costs more than any slot; among two, the lighter and worse found goes. What is fixed stays."""
        if self.fixed:
            return _KEPT
        score = max(self.hit.score, 0.0)
        return _DROPPED + 50.0 * self.hit.query.weight + 10.0 * score / (1.0 + score)


def owner_of(chunk: int, starts: Sequence[int], *, leapfrog: bool = False) -> int | None:
    """The window in which a chunk of the speech is free: the first made that sees it (later ones hold it from there); None beyond them all.

    Args:
        starts: first model frame of every window, ascending. leapfrog: every second window is made first, instead of one after the other.
    """
    seen = range(bisect_left(starts, CHUNK_FRAMES * (chunk - WINDOW_CHUNKS + 1)), bisect_left(starts, CHUNK_FRAMES * (chunk + 1)))
    return min(seen, key=lambda window: (window % 2 if leapfrog else 0, window), default=None)


def _shift(first_frame: int, last_frame: int, frames: int) -> int | None:
    """Smallest move that brings ``[first_frame, last_frame)`` inside ``[0, frames)``; None if it does not fit."""
    if last_frame - first_frame > frames:
        return None
    return max(0, -first_frame) - max(0, last_frame - frames)


def _slots(hit: Hit, frame: int, starts: Sequence[int], clip_frames: int, chunks: int, leapfrog: bool) -> tuple[_Slot, ...]:
    own = chunk_of_frame(frame)
    window = owner_of(own, starts, leapfrog=leapfrog)
    source = frame_of_seconds(hit.exemplar.stroke)
    found = []
    for length in range(MIN_CHUNKS, chunks + 1):
        for first in range(own - length + 1, own + 1):
            if window is None or any(owner_of(chunk, starts, leapfrog=leapfrog) != window for chunk in (first, first + length - 1)):
                continue
            begin = source + first * CHUNK_FRAMES - frame  # frame of the clip that falls on the slot's first frame
            shift = _shift(begin, begin + length * CHUNK_FRAMES, clip_frames)
            if shift is None or abs(shift) > MAX_SHIFT_FRAMES:
                continue
            off_centre = abs((first + length / 2) * CHUNK_FRAMES - frame) / CHUNK_FRAMES
            cost = _MISSING_CHUNK * (chunks - length) + off_centre + _SHIFTED_FRAME * abs(shift)
            found.append(_Slot(window, first, first + length, shift, cost))
    return tuple(sorted(found, key=lambda slot: (slot.cost, slot.first)))


def _fixed_slot(hit: Hit, frame: int, window: int | None, clip_frames: int, chunks: tuple[int, int]) -> tuple[_Slot, ...]:
    """The one slot that was asked for; nothing where the exemplar's clip does not reach round it."""
    first, stop = chunks
    begin = frame_of_seconds(hit.exemplar.stroke) + first * CHUNK_FRAMES - frame
    shift = _shift(begin, begin + (stop - first) * CHUNK_FRAMES, clip_frames)
    if window is None or shift is None or abs(shift) > MAX_SHIFT_FRAMES:
        return ()
    return (_Slot(window, first, stop, shift, 0.0),)


def _share(requests: Sequence[_Request]) -> list[_Slot | None]:
    """A slot or None for each request (in time order), disjoint and in order, at the least total cost."""
    firsts = [min((slot.first for slot in request.slots), default=0) for request in requests]
    reach = list(accumulate(reversed(firsts), min))[::-1]  # no slot of this request or a later one begins before
    # best[end] = (cost, choices) of the cheapest way in which the last slot ends at or before chunk `end`; choices: the last one, and those before it
    best: dict[int, tuple[float, _Choices]] = {0: (0.0, None)}
    for request, earliest in zip(requests, reach, strict=True):
        following: dict[int, tuple[float, _Choices]] = {}
        for end, (cost, choices) in sorted(_told_apart(best, earliest).items()):
            options: list[tuple[int, float, _Slot | None]] = [(end, request.drop_cost, None)]
            options += [(slot.stop, slot.cost, slot) for slot in request.slots if slot.first >= end]
            for stop, more, slot in options:
                if stop not in following or cost + more < following[stop][0] - 1e-9:
                    following[stop] = (cost + more, (slot, choices))
        best = following
    chosen: list[_Slot | None] = []
    last = min(best.values(), key=lambda way: way[0])[1]
    while last is not None:
        chosen.append(last[0])
        last = last[1]
    return chosen[::-1]


def _told_apart(best: Mapping[int, tuple[float, _Choices]], earliest: int) -> dict[int, tuple[float, _Choices]]:
    """Of all ways that end before anything that is still to come, the cheapest stands for all: so the number of ways does not grow with the speech."""
    cheapest: int | None = None
    for end in sorted(end for end in best if end <= earliest):
        if cheapest is None or best[end][0] < best[cheapest][0] - 1e-9:
            cheapest = end
    return {end: way for end, way in best.items() if end > earliest or end == cheapest}


def _placement(request: _Request, slot: _Slot, starts: Sequence[int]) -> Placement:
    start = starts[slot.window]
    target = slice(slot.first - chunk_of_frame(start), slot.stop - chunk_of_frame(start))
    source_frame = frame_of_seconds(request.hit.exemplar.stroke) - (request.frame - start) + slot.shift
    return Placement(request.hit, slot.window, target, target, source_frame, -slot.shift)


def place(
    queries: Sequence[Query],
    hits: Sequence[Hit | None],
    *,
    duration_s: float,
    starts: Sequence[int],
    clip_frames: Mapping[str, int],
    chunks: int = 2,
    leapfrog: bool = False,
    fixed: Mapping[Query, tuple[int, int]] | None = None,
) -> tuple[tuple[Placement, ...], tuple[Drop, ...]]:
    """Place the hit of each query.

    Args:
        queries: in any order. hits: one per query, None where nothing was found. duration_s: of the speech.
        starts: first model frame of each window, multiples of a chunk; a chunk that two windows see belongs to the first that is made (``owner_of``).
        clip_frames: model frames of every clip of the index. chunks: wanted length of a slot, 2 or 3; where words are close a slot of three becomes one of two.
        fixed: chunks of the speech, first and stop, that are a query's own: disjoint, each of one window and with its stroke.

    Returns:
        Placements in time order and drops in the order of the queries; together as many as queries. ``shift_frames`` is the
        exemplar's stroke minus the query's, 0 unless the clip's border forbids.
    """
    frames = max(frames_of_seconds(duration_s, MODEL_FPS), 1)
    reasons: dict[int, str] = {}
    requests: list[_Request] = []
    kept = fixed or {}
    for number, (query, hit) in enumerate(zip(queries, hits, strict=True)):
        frame = frame_of_seconds(query.stroke_s)
        if hit is None:
            asked = f"gesture {query.gesture!r}" if query.gesture else f"kind {query.kind!r} that is near enough"
            reasons[number] = f"the retriever found no exemplar of {asked}"
        elif frame >= frames:
            reasons[number] = f"its stroke at {query.stroke_s:.2f} s lies beyond the speech's {duration_s:.2f} s"
        elif query in kept:
            window = owner_of(kept[query][0], starts, leapfrog=leapfrog)
            if own := _fixed_slot(hit, frame, window, clip_frames.get(hit.exemplar.clip, 0), kept[query]):
                requests.append(_Request(number, hit, frame, own, fixed=True))
            else:
                reasons[number] = f"its exemplar in {hit.exemplar.clip!r} lies too close to the border of its clip for its slot"
        elif slots := _slots(hit, frame, starts, clip_frames.get(hit.exemplar.clip, 0), chunks, leapfrog):
            requests.append(_Request(number, hit, frame, slots))
        else:
            reasons[number] = f"its exemplar in {hit.exemplar.clip!r} lies too close to the border of its clip for {MIN_CHUNKS} seconds around its stroke"
    requests.sort(key=lambda request: (request.frame, request.number))
    chosen = _share(requests)
    placements = []
    for request, slot in zip(requests, chosen, strict=True):
        if slot is None:
            reasons[request.number] = f"no second left: other words take the chunks around it, and it needs {MIN_CHUNKS}"
        else:
            placements.append(_placement(request, slot, starts))
    return tuple(placements), tuple(Drop(queries[number], reasons[number]) for number in sorted(reasons))
