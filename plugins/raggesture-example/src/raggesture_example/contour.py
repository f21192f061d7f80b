"""By prosody alone: the exemplar round which the voice rises and falls as it does here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from raggesture.types import Cues, Hit, Query, Speech
from raggesture_example.emphasis import Emphasis, EmphasisOptions
from raggesture_example.shape import BIN_S, BINS, HALF_S, Contours, contours, distances

if TYPE_CHECKING:
    from raggesture.retrieval.index import Index

_KEPT_QUERIES = 10_000
_Asked = tuple[str, float, float, float]


class ContourOptions(EmphasisOptions):
    """When, what, and what counts beside the contour."""

    same_kind: bool = Field(False, description="Only exemplars of the kind asked for; else the voice alone decides.")
    speaker: float = Field(0.0, ge=0, le=1, description="What an exemplar of the preferred speaker gains; the contour gives 1 at most.")
    limit: int = Field(10, ge=1, description="Hits for one query, at most.")


class Contour:
    """The exemplar whose prominence contour, 1.5 s before to 1.5 s after its stroke, is nearest to the query's.

    Asks as ``emphasis`` does. Prominence is relative to its speech already (1: a word stressed as words usually are), so contours are
    compared as they are: a flat murmur and a storm of the same shape are not alike, which they would be after z-normalisation.
    """

    name: ClassVar[str] = "contour"
    Options: ClassVar[type[ContourOptions]] = ContourOptions

    def __init__(self, options: ContourOptions) -> None:
        self._options = options
        self._emphasis = Emphasis(EmphasisOptions(**{name: getattr(options, name) for name in EmphasisOptions.model_fields}))
        self._heard: OrderedDict[_Asked, Contours] = OrderedDict()
        self._made: tuple[Any, Contours] | None = None

    def queries(self, speech: Speech, cues: Cues) -> Sequence[Query]:
        """Return one query for each word chosen, in time order, and keep the contour round each for ``rank``."""
        asked = self._emphasis.queries(speech, cues)
        spoken = list(zip(speech.transcript.words, cues.prominence, strict=False))
        times = np.array([(word.start, word.end, prominence) for word, prominence in spoken], np.float64).reshape(-1, 3)
        one_clip = np.zeros(max(len(asked), len(spoken)), np.int32)
        strokes = np.array([query.stroke_s for query in asked], np.float64)
        shapes = contours(one_clip[: len(asked)], strokes, one_clip[: len(spoken)], times[:, 0], times[:, 1], times[:, 2])
        for query, shape in zip(asked, shapes, strict=True):
            self._heard[_asked(query)] = shape
            self._heard.move_to_end(_asked(query))
        while len(self._heard) > _KEPT_QUERIES:
            self._heard.popitem(last=False)
        return asked

    def rank(self, query: Query, index: Index) -> Sequence[Hit]:
        """Rank by the contour (1 / (1 + distance)) and, if asked, the speaker; no hit where the index knows no prominence, or the query none.

        A query that did not come from ``queries`` (``index search``) knows one word: only the bins in which that is spoken are compared.
        """
        wanted = self._heard.get(_asked(query), _lone(query))
        events = index.events
        near = 1.0 / (1.0 + distances(self._contours(index, events), wanted))
        can = index.allowed & ~np.isnan(near)
        if self._options.same_kind:
            can &= events.kind == (events.kinds.index(query.kind) if query.kind in events.kinds else -1)
        rows = np.flatnonzero(can)
        own = events.speakers.index(query.speaker) if query.speaker and query.speaker in events.speakers else -1
        gain = self._options.speaker * (events.speaker[rows] == own)
        order = np.argsort(-(near[rows] + gain), kind="stable")[: self._options.limit]
        hits = []
        for row, more in zip(rows[order].tolist(), gain[order].tolist(), strict=True):
            terms = {"contour": float(near[row])} | ({"speaker": more} if more else {})
            hits.append(Hit(query, index.exemplars[row], sum(terms.values()), terms))
        return hits

    def _contours(self, index: Index, events: Any) -> Contours:
        """Contours (N, BINS) of an index's exemplars: 48 bytes each, made once for an opened index and all views of it."""
        if self._made is None or self._made[0] is not events:
            words = index.word_prominence()
            self._made = (events, contours(events.clip, events.stroke, words.clip, words.start, words.end, words.prominence))
        return self._made[1]


def _asked(query: Query) -> _Asked:
    """What tells queries apart; the pipeline may change weight and speaker on the way to ``rank``."""
    return query.word, query.start, query.end, query.stroke_s


def _lone(query: Query) -> Contours:
    """All that a query says by itself: its word's prominence while it is spoken."""
    middles = (np.arange(BINS) + 0.5) * BIN_S - HALF_S + query.stroke_s
    at = (middles >= query.start - BIN_S / 2) & (middles <= query.end + BIN_S / 2)
    return np.where(at, np.nan if query.prominence is None else query.prominence, np.nan).astype(np.float32)
