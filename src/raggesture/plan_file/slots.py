"""The slots that a plan fixes: whole seconds, inside one window, round the stroke, none twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from raggesture.clock import CHUNK_FRAMES, MODEL_FPS, chunk_of_frame, chunks_of_frames, frame_of_seconds, frames_of_seconds, seconds_of_frame
from raggesture.errors import InputError
from raggesture.plan_file.data import GivenPlan, PlanGesture, seconds
from raggesture.retrieval.place import MAX_CHUNKS, owner_of
from raggesture.types import Query

Slot = tuple[int, int]
"""First chunk and the one after the last, counted over the whole speech."""
_ELSE = "correct it, or leave slot out to have it placed anew"


def fixed_slots(
    given: GivenPlan, queries: Sequence[Query], duration_s: float, starts: Sequence[int], least: int, *, leapfrog: bool = False
) -> dict[Query, Slot]:
    """The slots that gestures of a plan name, by their queries.

    Args:
        queries: those of the gestures, in the plan's order. starts: first model frame of every window. least: fewest chunks of a slot.
        leapfrog: in which order windows are made (``retrieval.place.owner_of``).

    Raises:
        InputError: a slot that is not whole seconds, too short or long, outside the speech, across a border of windows, without its stroke, or
            taken by another gesture.
    """
    slots = {}
    for number, (gesture, query) in enumerate(zip(given.file.gesture, queries, strict=True)):
        if gesture.slot is not None:
            slot = _chunks(gesture, given.at(number), duration_s, least)
            _check_window(slot, given.at(number), [owner_of(chunk, starts, leapfrog=leapfrog) for chunk in range(*slot)])
            _check_stroke(slot, given.at(number), query)
            slots[number] = slot
    _check_disjoint(given, slots)
    return {queries[number]: slot for number, slot in slots.items()}


def _shown(slot: Slot) -> str:
    return f"slot [{float(slot[0])}, {float(slot[1])}]"


def _chunks(gesture: PlanGesture, at: str, duration_s: float, least: int) -> Slot:
    first_s, last_s = gesture.slot or (0.0, 0.0)
    whole = f"slot [{first_s}, {last_s}]"
    if first_s != round(first_s) or last_s != round(last_s):
        raise InputError(f"{at}: {whole}: is not in whole seconds; expected such as [1.0, 3.0] - {_ELSE}")
    slot = (round(first_s), round(last_s))
    length = slot[1] - slot[0]
    if length < 1:
        raise InputError(f"{at}: {whole}: does not end after its start; expected {least} to {MAX_CHUNKS} seconds - {_ELSE}")
    if not least <= length <= MAX_CHUNKS:
        why = ", of one second a gesture loses its stroke" if length < least else ""
        raise InputError(f"{at}: {whole}: lasts {length} s; expected {least} to {MAX_CHUNKS}{why} - {_ELSE}")
    if slot[0] >= max(chunks_of_frames(frames_of_seconds(duration_s, MODEL_FPS)), 1):
        raise InputError(f"{at}: {whole} is past the end of the speech, {seconds(duration_s)} - {_ELSE}")
    return slot


def _check_window(slot: Slot, at: str, owners: Sequence[int | None]) -> None:
    if owners[-1] is None:
        raise InputError(f"{at}: {_shown(slot)}: goes on after the last window of the model; expected an earlier end - {_ELSE}")
    border = next((chunk for chunk, (a, b) in zip(range(slot[0] + 1, slot[1]), pairwise(owners), strict=True) if a != b), None)
    if border is not None:
        raise InputError(
            f"{at}: {_shown(slot)}: crosses {border} s, where one window of the model gives way to the next, and a gesture is made in one; "
            f"expected it to end there or to begin there - {_ELSE}"
        )


def _check_stroke(slot: Slot, at: str, query: Query) -> None:
    if not slot[0] <= chunk_of_frame(frame_of_seconds(query.stroke_s)) < slot[1]:
        raise InputError(f"{at}: {_shown(slot)}: does not hold its stroke at {seconds(query.stroke_s)}; expected the seconds round it - {_ELSE}")


def _check_disjoint(given: GivenPlan, slots: Mapping[int, Slot]) -> None:
    order = sorted(slots, key=lambda number: (slots[number], number))
    for first, second in pairwise(order):
        if slots[second][0] < slots[first][1]:
            one, other = sorted((first, second))
            words = [given.file.gesture[number].word for number in (one, other)]
            raise InputError(
                f"{given.where}: gestures {one + 1} ({words[0]!r}) and {other + 1} ({words[1]!r}): {_shown(slots[one])} and {_shown(slots[other])} overlap; "
                "expected seconds of their own - leave one slot out to have it placed anew"
            )


def seconds_of_slot(slot: Slot) -> tuple[float, float]:
    """The slot as a plan has it."""
    return seconds_of_frame(slot[0] * CHUNK_FRAMES), seconds_of_frame(slot[1] * CHUNK_FRAMES)
