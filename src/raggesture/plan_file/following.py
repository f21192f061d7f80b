"""Following a plan that was given: what it names is kept, what it leaves out is found and placed anew. Speech of any length, windows wherever they start."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from raggesture.clock import chunk_of_frame, frame_of_seconds
from raggesture.errors import InputError
from raggesture.options import GenerateOptions
from raggesture.plan_file.checks import refuse_another_speech
from raggesture.plan_file.data import GivenPlan, PlanMade, seconds
from raggesture.plan_file.exemplars import hit_of_gesture, ranked
from raggesture.plan_file.slots import fixed_slots
from raggesture.plan_file.words import Said, doubt_of, query_of_gesture
from raggesture.planning import RUNNERS_UP, Plan
from raggesture.plugins.hookspecs import Retriever
from raggesture.retrieval.index import Index
from raggesture.retrieval.place import place
from raggesture.retrieval.query import without_itself
from raggesture.types import Cues, Drop, Hit, Query, Speech

_LOG = logging.getLogger("raggesture")
_FEWEST_CHUNKS = 2


def follow(
    given: GivenPlan, speech: Speech, cues: Cues, options: GenerateOptions, retriever: Retriever, index: Index | None, starts: Sequence[int], here: PlanMade
) -> Plan:
    """The plan of a file, ready to be made into motion. Weights are the file's own: ``options.weight`` does not count.

    Args:
        retriever: ranks exemplars for gestures that name none; it is not asked which words want a gesture.
        starts: first model frame of every window. here: the model and the index at hand.

    Raises:
        InputError: the plan is for another speech, or one of its gestures cannot be made as it says; the message has its address.
    """
    refuse_another_speech(given, speech)
    notes = _notes(given, options, here)
    speaker = speech.speaker or options.speaker
    gestures = given.file.gesture
    said = Said.of(speech)
    queries = tuple(query_of_gesture(gesture, given.at(k), said, cues, speaker) for k, gesture in enumerate(gestures))
    for number, gesture in enumerate(gestures):
        if doubt := doubt_of(gesture, said):
            _LOG.warning("%s: %s; the times are followed", given.at(number), doubt)
    _refuse_twice(given, queries)
    slots = fixed_slots(given, queries, speech.duration_s, starts, min(_FEWEST_CHUNKS, options.chunks))
    if index is None or not queries:
        return Plan(queries, (None,) * len(queries), {}, (), tuple(Drop(q, "there is no index") for q in queries), notes)
    index.learn_words([query.word for query in queries])
    searched, note = without_itself(index, speech)
    notes += (note,) if note else ()
    found = [ranked(query, retriever, searched) for query in queries]
    hits = tuple(hit_of_gesture(*each, searched) for each in zip(gestures, map(given.at, range(len(gestures))), queries, found, strict=True))
    others = {q: _others(hit, hits_of_q) for q, hit, hits_of_q in zip(queries, hits, found, strict=True)}
    placements, drops = place(queries, hits, duration_s=speech.duration_s, starts=starts, clip_frames=index.clip_frames, chunks=options.chunks, fixed=slots)
    _tell_drops(given, queries, drops, slots)
    return Plan(queries, hits, others, placements, drops, notes)


def _others(chosen: Hit | None, found: Sequence[Hit]) -> list[Hit]:
    return [hit for hit in found if chosen is None or hit.exemplar != chosen.exemplar][:RUNNERS_UP]


def _notes(given: GivenPlan, options: GenerateOptions, here: PlanMade) -> tuple[str, ...]:
    """What the trace says of the plan; what does not fit is warned of as well."""
    made, count = given.file.made, len(given.file.gesture)
    notes = [
        f"followed the plan {Path(given.where).name} with {count} gesture{'' if count == 1 else 's'}" + (f", sha256 {given.sha256}" if given.sha256 else "")
    ]
    warnings = [
        f"made with another {what}, {name or 'unnamed'} (sha256 {theirs[:12]}...) instead of {ours_name or 'unnamed'} (sha256 {ours[:12]}...)"
        for what, name, theirs, ours_name, ours in (
            ("model", made.model, made.model_sha256, here.model, here.model_sha256),
            ("index", made.index, made.index_sha256, here.index, here.index_sha256),
        )
        if theirs and ours and theirs != ours
    ]
    if options.weight != 1.0 and count:
        warnings.append(f"its own weights are followed; --weight {options.weight:g} is not used")
    for warning in warnings:
        _LOG.warning("%s: %s", given.where, warning)
    notes += [f"the plan: {warning}" for warning in warnings]
    return (*notes, *(() if count else ("the plan holds no gesture: the motion is ungrounded",)))


def _refuse_twice(given: GivenPlan, queries: Sequence[Query]) -> None:
    """Two gestures on one word that want the same second: one of them could not be made."""
    by_word: dict[tuple[float, float, int], list[int]] = {}
    for number, query in enumerate(queries):
        by_word.setdefault((round(query.start, 3), round(query.end, 3), chunk_of_frame(frame_of_seconds(query.stroke_s))), []).append(number)
    for numbers in by_word.values():
        if len(numbers) > 1:
            one, other = numbers[:2]
            word, start = queries[one].word, seconds(queries[one].start)
            raise InputError(f"{given.where}: gestures {one + 1} and {other + 1}: both are on {word!r} at {start}; expected one for a word - remove one")


def _tell_drops(given: GivenPlan, queries: Sequence[Query], drops: Sequence[Drop], slots: dict[int, tuple[int, int]]) -> None:
    """A gesture whose place was fixed must be made; the others are warned of."""
    numbers = {id(query): number for number, query in enumerate(queries)}
    for drop in drops:
        number = numbers[id(drop.query)]
        if number in slots:
            raise InputError(f"{given.at(number)} ({drop.query.word!r}): {drop.reason}; expected one that fills its slot - leave slot out, or choose another")
        _LOG.warning("%s (%r): is not made: %s", given.at(number), drop.query.word, drop.reason)
