"""Which word gets which gesture, and where: a retriever asked, its hits placed. No latents here, no motion.

Source: RAG-Gesture section 3.3; METHOD part I (d) and (e).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from raggesture.options import GenerateOptions
from raggesture.plugins.hookspecs import Retriever
from raggesture.retrieval.fallback import ask
from raggesture.retrieval.index import Index
from raggesture.retrieval.place import place
from raggesture.retrieval.place_published import place_published
from raggesture.retrieval.product import voice_of
from raggesture.retrieval.query import without_itself
from raggesture.retrieval.rank import best
from raggesture.types import Cues, Drop, Hit, Placement, Query, Speech

RUNNERS_UP = 3
_NAMED = 5
"""So many words are named where none got a gesture."""
_LOG = logging.getLogger("raggesture")


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What was asked, found and placed. ``hits[k]`` belongs to ``queries[k]``; placements and drops are together as many as queries."""

    queries: tuple[Query, ...]
    hits: tuple[Hit | None, ...]
    runners_up: Mapping[Query, Sequence[Hit]]
    placements: tuple[Placement, ...]
    drops: tuple[Drop, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """What was asked and found, before anything is placed. ``hits[k]`` belongs to ``queries[k]``."""

    queries: tuple[Query, ...] = ()
    hits: tuple[Hit | None, ...] = ()
    runners_up: Mapping[Query, Sequence[Hit]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def joined(self, more: Searched) -> Searched:
        """This and ``more`` after it."""
        return Searched(self.queries + more.queries, self.hits + more.hits, {**self.runners_up, **more.runners_up}, self.notes + more.notes)

    def parted(self, chosen: Callable[[Query], bool]) -> tuple[Searched, Searched]:
        """Those whose query is chosen (with the notes), and the others."""
        rows = ([], [])  # type: tuple[list[int], list[int]]
        for row, query in enumerate(self.queries):
            rows[not chosen(query)].append(row)
        parts = [Searched(tuple(self.queries[k] for k in own), tuple(self.hits[k] for k in own), self._others(own)) for own in rows]
        return replace(parts[0], notes=self.notes), parts[1]

    def moved(self, by_s: float) -> Searched:
        """The same with all times of the speech moved."""
        queries = tuple(query_at(query, by_s) for query in self.queries)
        hits = tuple(None if hit is None else replace(hit, query=query) for query, hit in zip(queries, self.hits, strict=True))
        asked = zip(self.queries, queries, strict=True)
        others = {after: [replace(hit, query=after) for hit in self.runners_up[before]] for before, after in asked if before in self.runners_up}
        return Searched(queries, hits, others, self.notes)

    def _others(self, rows: Sequence[int]) -> dict[Query, Sequence[Hit]]:
        asked = [self.queries[k] for k in rows]
        return {query: self.runners_up[query] for query in asked if query in self.runners_up}


def query_at(query: Query, by_s: float) -> Query:
    """A query moved in time."""
    stroke = None if query.stroke is None else query.stroke + by_s
    return replace(query, start=query.start + by_s, end=query.end + by_s, stroke=stroke)


def search(speech: Speech, cues: Cues, options: GenerateOptions, retriever: Retriever, index: Index | None, voice: str) -> Searched:
    """Ask ``retriever`` which words of a speech, or of a section of one, want which gesture, and rank the index for each.

    Args:
        voice: fingerprint of the whole recording (``retrieval.product.voice_of``): a clip never retrieves itself.

    Raises:
        ServiceError: the retriever's service does not answer, and ``options.retriever_fallback`` is ``fail``.
    """
    answer = ask(retriever, speech, cues, options.retriever_fallback)
    asked = tuple(replace(q, weight=q.weight * options.weight, speaker=q.speaker or options.speaker) for q in answer.queries)
    notes: tuple[str, ...] = (answer.note,) if answer.note else ()
    if index is None or not asked:
        return Searched(asked, (None,) * len(asked), {}, notes)
    index.learn_words([query.word for query in asked])
    searched, note = without_itself(index, voice)
    ranked = [tuple(retriever.rank(query, searched)) for query in asked]
    hits = tuple(best(found, searched) for found in ranked)
    others = {q: [h for h in found if h is not hit][:RUNNERS_UP] for q, found, hit in zip(asked, ranked, hits, strict=True)}
    return Searched(asked, hits, others, (*notes, note) if note else notes)


def place_found(
    found: Searched,
    duration_s: float,
    starts: Sequence[int],
    options: GenerateOptions,
    index: Index | None,
    *,
    leapfrog: bool = False,
    fixed: Mapping[Query, tuple[int, int]] | None = None,
) -> Plan:
    """Place what was found.

    Args:
        starts: first model frame of every window. leapfrog: in which order they are made (``retrieval.place.owner_of``).
        fixed: slots that a plan has given to queries (``retrieval.place.place``).
    """
    if index is None:
        return Plan(found.queries, found.hits, found.runners_up, (), tuple(Drop(q, "there is no index") for q in found.queries), found.notes)
    frames = index.clip_frames
    if options.placement == "released" and not fixed:
        placements, drops = place_published(found.queries, found.hits, starts=starts, clip_frames=frames)
        return Plan(found.queries, found.hits, found.runners_up, placements, drops, found.notes)
    placements, drops = place(
        found.queries, found.hits, duration_s=duration_s, starts=starts, clip_frames=frames, chunks=options.chunks, leapfrog=leapfrog, fixed=fixed
    )
    return Plan(found.queries, found.hits, found.runners_up, placements, drops, found.notes)


def make_plan(speech: Speech, cues: Cues, options: GenerateOptions, retriever: Retriever, index: Index | None, starts: Sequence[int]) -> Plan:
    """Ask ``retriever`` which words want which gesture, rank the index for each, place the best.

    Args:
        starts: first model frame of every window.

    Raises:
        ServiceError: the retriever's service does not answer, and ``options.retriever_fallback`` is ``fail``.
    """
    plan = place_found(search(speech, cues, options, retriever, index, voice_of(speech.wave)), speech.duration_s, starts, options, index)
    if index is None or not plan.queries or any(plan.hits):
        return plan
    words = ", ".join(sorted({repr(query.word) for query in plan.queries})[:_NAMED])
    note = f"no gesture was placed: {retriever.name} found none for {words}; the motion is the model's own (-R least_similarity=0 takes any)"
    _LOG.warning(note)
    return replace(plan, notes=(*plan.notes, note))
