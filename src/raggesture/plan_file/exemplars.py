"""From a gesture of a plan to a hit: the exemplar it names, or the retriever's best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from raggesture.errors import InputError, did_you_mean
from raggesture.plan_file.data import PlanExemplar, PlanGesture, seconds
from raggesture.retrieval.rank import Scorer, Weights, best, hits_of
from raggesture.types import Hit, Query

if TYPE_CHECKING:
    from raggesture.plugins.hookspecs import Retriever
    from raggesture.retrieval.index import Index

_ROUNDED_S = 0.0051
"""Strokes may be copied from what ``index search`` prints, which has two decimals."""


def ranked(query: Query, retriever: Retriever, index: Index) -> tuple[Hit, ...]:
    """The retriever's hits; the index' own where the retriever has none, as it may know only the kinds that it asks for itself."""
    return tuple(retriever.rank(query, index)) or index.search(query)


def hit_of_gesture(gesture: PlanGesture, at: str, query: Query, found: Sequence[Hit], index: Index) -> Hit | None:
    """The hit of one gesture; None where the index has nothing for it.

    Args:
        at: the gesture's address. found: what ``ranked`` gave for ``query``.

    Raises:
        InputError: a clip or a stroke that the index does not hold, a kind or a gesture that it does not know.
    """
    named = gesture.chosen
    if named is not None:
        row = row_of(named, f"{at}: {f'other {gesture.use}' if gesture.use else 'exemplar'}", index)
        scored = next((hit for hit in found if hit.exemplar.row == row), None)
        return scored or hits_of(query, index, Scorer.of(query, index, Weights()), np.array([row]))[0]
    if not found:
        _check_known(gesture, at, index)
    return best(found, index)


def row_of(named: PlanExemplar, at: str, index: Index) -> int:
    """Row of the event that a clip and a stroke in it name; of several at one instant, the one whose word and kind are said."""
    events = index.events
    if named.clip not in events.clips:
        raise InputError(f"{at}: clip {named.clip!r} is not in the index; {did_you_mean(named.clip, events.clips)} - correct it, or leave the exemplar out")
    rows = np.flatnonzero(events.clip == events.clips.index(named.clip))
    if not len(rows):
        raise InputError(f"{at}: clip {named.clip!r} has no gesture; expected a clip with one - name another, or leave the exemplar out")
    off = np.abs(events.stroke[rows] - named.stroke)
    near = [int(row) for row in rows[off <= _ROUNDED_S]]
    if not near:
        other = index.exemplars[int(rows[off.argmin()])]
        what = f"{other.word!r}, {other.kind}" + (f" {other.gesture!r}" if other.gesture else "")
        raise InputError(f"{at}: clip {named.clip!r} has no stroke at {seconds(named.stroke)}; nearest {seconds(other.stroke)} ({what}) - correct it")

    def unlike(row: int) -> tuple[int, float]:
        event = index.exemplars[row]
        differing = (event.word != named.word) + (event.kind != named.kind) + (event.gesture != named.gesture)
        return differing, abs(event.stroke - named.stroke)

    return min(near, key=unlike)


def _check_known(gesture: PlanGesture, at: str, index: Index) -> None:
    key, asked, known = ("gesture", gesture.gesture, index.events.gestures) if gesture.gesture else ("kind", gesture.kind, index.events.kinds)
    if asked not in known:
        names = did_you_mean(asked, [name for name in known if name])
        raise InputError(f"{at}: {key} {asked!r}: the index has none; {names} - correct it, or name an exemplar")
