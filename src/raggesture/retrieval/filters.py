"""Filters that every built-in retriever offers: whose exemplars, of which kinds, made with which hand.

``-R speaker=scott -R kinds=iconic,deictic -R hand=right``. Kinds narrow what is asked, speaker and hand what is found. No hit is an
answer; a name that the index does not know is an error, since it is a slip of the pen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from raggesture.errors import ConfigError, did_you_mean
from raggesture.retrieval.facts import HANDS
from raggesture.types import Query

if TYPE_CHECKING:
    from raggesture.retrieval.index import Index


class FilterOptions(BaseModel):
    """``speaker``: only exemplars of this speaker; ``kinds``: only queries of these kinds; ``hand``: only gestures made with it ("" = any)."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    speaker: str = ""
    kinds: tuple[str, ...] = Field(default=())
    hand: Literal["", "left", "right", "both"] = ""


def of_kinds(queries: Sequence[Query], kinds: Sequence[str]) -> tuple[Query, ...]:
    """Queries of these kinds; a first-level sense stands for all below it (``Contingency`` for ``Contingency.Cause``). None named: all."""
    return tuple(query for query in queries if not kinds or any(query.kind == kind or query.kind.startswith(f"{kind}.") for kind in kinds))


def check_kinds(kinds: Sequence[str], known: Sequence[str]) -> None:
    """Raise ConfigError for a kind that the retriever never asks for."""
    for kind in kinds:
        if kind not in known:
            raise ConfigError(f"kinds: {kind!r} is none that this retriever asks for; {did_you_mean(kind, known)} - name one of these")


class Filter:
    """Narrows an index by speaker and hand; the last narrowed view is kept, as one index is asked many times."""

    def __init__(self, options: FilterOptions) -> None:
        self._options = options
        self._view: tuple[Index, Index] | None = None

    def __call__(self, index: Index) -> Index:
        """The index with the wanted exemplars alone; the index itself where nothing is to be filtered.

        Raises:
            ConfigError: no exemplar of the index is by that speaker.
        """
        if not (self._options.speaker or self._options.hand):
            return index
        if self._view is None or self._view[0] is not index:
            self._view = (index, self._narrowed(index))
        return self._view[1]

    def _narrowed(self, index: Index) -> Index:
        events, speaker, hand = index.events, self._options.speaker, self._options.hand
        if speaker and speaker not in events.speakers:
            raise ConfigError(f"speaker: {speaker!r} is not in {index.path}; {did_you_mean(speaker, events.speakers)} - name one of its own")
        if speaker:
            index = index.only(events.speaker == events.speakers.index(speaker))
        return index.only(events.hand == HANDS.index(hand)) if hand else index
