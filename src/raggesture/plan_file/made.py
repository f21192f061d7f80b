"""From a plan that was made to the file that a person edits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from raggesture.clock import chunk_of_frame, frame_of_seconds
from raggesture.plan_file.data import PlanDropped, PlanExemplar, PlanFile, PlanGesture, PlanMade, PlanSpeech
from raggesture.plan_file.slots import seconds_of_slot
from raggesture.trace import SpeechFact
from raggesture.types import Drop, Hit, Placement, Speech

if TYPE_CHECKING:
    from raggesture.planning import Plan


def plan_file_of(plan: Plan, speech: Speech, starts: Sequence[int], made: PlanMade) -> PlanFile:
    """The file of a plan: what was placed in time order, then what was dropped.

    Times are rounded to the millisecond, to more where that would change their frame: followed unedited, the file gives the same placements.

    Args:
        starts: first model frame of every window.
    """
    return plan_file_for(plan, SpeechFact.of(speech), starts, made)


def plan_file_for(plan: Plan, fact: SpeechFact, starts: Sequence[int], made: PlanMade) -> PlanFile:
    """The same for a speech that is not at hand whole."""
    gestures = tuple(_gesture(place, plan.runners_up.get(place.hit.query, ()), starts) for place in plan.placements)
    return PlanFile(PlanSpeech(fact.name, _rounded(fact.duration_s), fact.sha256), made, gestures, tuple(_dropped(drop) for drop in plan.drops))


def _rounded(value: float, of_what: Callable[[float], int] = lambda _: 0) -> float:
    """To the millisecond, or to as many decimals as keep ``of_what`` of it."""
    return next((short for digits in (3, 4, 5, 6, 9) if of_what(short := round(value, digits)) == of_what(value)), value)


def _gesture(place: Placement, others: Sequence[Hit], starts: Sequence[int]) -> PlanGesture:
    query, base = place.hit.query, chunk_of_frame(starts[place.window])
    return PlanGesture(
        word=query.word,
        kind=query.kind,
        gesture=query.gesture,
        start=_rounded(query.start),
        end=_rounded(query.end),
        stroke=_rounded(query.stroke_s, frame_of_seconds),
        weight=query.weight,
        parts=query.parts,
        slot=seconds_of_slot((base + place.target.start, base + place.target.stop)),
        prominence=None if query.prominence is None else _rounded(query.prominence),
        exemplar=_exemplar(place.hit),
        other=tuple(_exemplar(hit) for hit in others),
    )


def _exemplar(hit: Hit) -> PlanExemplar:
    found = hit.exemplar
    return PlanExemplar(
        clip=found.clip,
        stroke=_rounded(found.stroke, frame_of_seconds),
        start=_rounded(found.start),
        end=_rounded(found.end),
        word=found.word,
        kind=found.kind,
        gesture=found.gesture,
        speaker=found.speaker,
        score=_rounded(hit.score),
    )


def _dropped(drop: Drop) -> PlanDropped:
    query = drop.query
    return PlanDropped(query.word, query.kind, _rounded(query.start), _rounded(query.end), drop.reason)
