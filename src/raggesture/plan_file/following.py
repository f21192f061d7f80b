"""Following a plan that was given: what it names is kept, what it leaves out is found and placed anew. Speech of any length, windows wherever they start."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from raggesture.clock import chunk_of_frame, frame_of_seconds
from raggesture.errors import InputError
from raggesture.options import GenerateOptions
from raggesture.plan_file.checks import refuse_another_speech
from raggesture.plan_file.data import GivenPlan, PlanMade, seconds
from raggesture.plan_file.exemplars import hit_of_gesture, ranked
from raggesture.plan_file.slots import Slot, fixed_slots
from raggesture.plan_file.words import Said, doubt_of, query_of_gesture
from raggesture.planning import RUNNERS_UP, Plan, Searched, place_found
from raggesture.plugins.hookspecs import Retriever
from raggesture.retrieval.index import Index
from raggesture.retrieval.place import MIN_CHUNKS
from raggesture.retrieval.product import voice_of
from raggesture.retrieval.query import without_itself
from raggesture.types import Cues, Drop, Hit, Query, Speech

_LOG = logging.getLogger("raggesture")


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What a plan asks for, and the slots (chunks of the whole speech) that it gives to some of its queries; ``queries[k]`` is of its gesture k."""

    found: Searched
    fixed: Mapping[Query, Slot]


def find_given(
    given: GivenPlan, said: Said, cues: Cues, options: GenerateOptions, retriever: Retriever, index: Index | None, starts: Sequence[int], here: PlanMade,
    *, voice: str, speaker: str = "", leapfrog: bool = False,
) -> Followed:  # fmt: skip
    """Queries and hits of a plan, for ``planning.place_found``. Weights are the file's own: ``options.weight`` does not count.

    Args:
        said: the words of the whole speech, and cues of the same. retriever: ranks exemplars for gestures that name none; it is not asked for words.
        starts: first model frame of every window. here: the model and the index at hand. voice: fingerprint of the recording. speaker: whose voice.
        leapfrog: in which order windows are made.

    Raises:
        InputError: a gesture cannot be made as the plan says; the message has its address.
    """
    gestures, ways = given.file.gesture, speaker or options.speaker
    queries = tuple(query_of_gesture(gesture, given.at(k), said, cues, ways) for k, gesture in enumerate(gestures))
    for number, gesture in enumerate(gestures):
        if doubt := doubt_of(gesture, said):
            _LOG.warning("%s: %s; the times are followed", given.at(number), doubt)
    _refuse_twice(given, queries)
    fixed = fixed_slots(given, queries, said.duration_s, starts, MIN_CHUNKS, leapfrog=leapfrog)
    notes = _notes(given, options, here)
    if index is None or not queries:
        return Followed(Searched(queries, (None,) * len(queries), {}, notes), fixed)
    index.learn_words([query.word for query in queries])
    searched, note = without_itself(index, voice)
    ranks = [ranked(query, retriever, searched) for query in queries]
    hits = tuple(hit_of_gesture(*each, searched) for each in zip(gestures, map(given.at, range(len(gestures))), queries, ranks, strict=True))
    others = {query: _others(hit, found) for query, hit, found in zip(queries, hits, ranks, strict=True)}
    return Followed(Searched(queries, hits, others, (*notes, note) if note else notes), fixed)


def follow(
    given: GivenPlan, speech: Speech, cues: Cues, options: GenerateOptions, retriever: Retriever, index: Index | None, starts: Sequence[int], here: PlanMade
) -> Plan:
    """The plan of a file for a speech that is at hand whole, ready to be made into motion. Arguments as ``find_given``.

    Raises:
        InputError: the plan is for another speech, or one of its gestures cannot be made as it says; the message has its address.
    """
    refuse_another_speech(given, speech)
    followed = find_given(given, Said.of(speech), cues, options, retriever, index, starts, here, voice=voice_of(speech.wave), speaker=speech.speaker)
    plan = place_found(followed.found, speech.duration_s, starts, options, index, fixed=followed.fixed)
    if index is not None:
        tell_drops(given, followed, plan.drops)
    return plan


def tell_drops(given: GivenPlan, followed: Followed, drops: Sequence[Drop]) -> None:
    """Warn of what could not be placed.

    Raises:
        InputError: a gesture whose slot the plan gives cannot be made there.
    """
    numbers = {query: number for number, query in enumerate(followed.found.queries)}
    for drop in drops:
        at = f"{given.at(numbers[drop.query])} ({drop.query.word!r})"
        if drop.query in followed.fixed:
            raise InputError(f"{at}: {drop.reason}; expected one that fills its slot - leave slot out, or choose another")
        _LOG.warning("%s: is not made: %s", at, drop.reason)


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
