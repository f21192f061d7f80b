"""Which word gets which gesture, and where: a retriever asked, its hits placed. No latents here, no motion.

Source: RAG-Gesture section 3.3; METHOD part I (d) and (e).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from raggesture.options import GenerateOptions
from raggesture.plugins.hookspecs import Retriever
from raggesture.retrieval.fallback import ask
from raggesture.retrieval.index import Index
from raggesture.retrieval.place import place
from raggesture.retrieval.place_published import place_published
from raggesture.retrieval.query import without_itself
from raggesture.retrieval.rank import best
from raggesture.types import Cues, Drop, Hit, Placement, Query, Speech

RUNNERS_UP = 3


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What was asked, found and placed. ``hits[k]`` belongs to ``queries[k]``; placements and drops are together as many as queries."""

    queries: tuple[Query, ...]
    hits: tuple[Hit | None, ...]
    runners_up: Mapping[Query, Sequence[Hit]]
    placements: tuple[Placement, ...]
    drops: tuple[Drop, ...]
    notes: tuple[str, ...] = ()


def make_plan(speech: Speech, cues: Cues, options: GenerateOptions, retriever: Retriever, index: Index | None, starts: Sequence[int]) -> Plan:
    """Ask ``retriever`` which words want which gesture, rank the index for each, place the best.

    Args:
        starts: first model frame of every window.

    Raises:
        ServiceError: the retriever's service does not answer, and ``options.retriever_fallback`` is ``fail``.
    """
    answer = ask(retriever, speech, cues, options.retriever_fallback)
    asked = tuple(replace(q, weight=q.weight * options.weight, speaker=q.speaker or options.speaker) for q in answer.queries)
    notes: tuple[str, ...] = (answer.note,) if answer.note else ()
    if index is None or not asked:
        return Plan(asked, (None,) * len(asked), {}, (), tuple(Drop(q, "there is no index") for q in asked), notes)
    index.learn_words([query.word for query in asked])
    searched, note = without_itself(index, speech)
    notes += (note,) if note else ()
    ranked = [tuple(retriever.rank(query, searched)) for query in asked]
    hits = tuple(best(found, searched) for found in ranked)
    others = {q: [h for h in found if h is not hit][:RUNNERS_UP] for q, found, hit in zip(asked, ranked, hits, strict=True)}
    if options.placement == "released":
        return Plan(asked, hits, others, *place_published(asked, hits, starts=starts, clip_frames=index.clip_frames), notes)
    placements, drops = place(asked, hits, duration_s=speech.duration_s, starts=starts, clip_frames=index.clip_frames, chunks=options.chunks)
    return Plan(asked, hits, others, placements, drops, notes)
