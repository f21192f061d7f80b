"""Which scores a built-in retriever ranks by: ours over exemplars, or the published ones over windows (``-R weighting=released``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from raggesture.clock import CHUNK_FRAMES, MODEL_FPS, WINDOW_FRAMES, seconds_of_frame
from raggesture.retrieval.filters import Filter, FilterOptions
from raggesture.retrieval.rank import Weights, by_terms
from raggesture.retrieval.released import Mark, Method, Point, Window, WindowDatabase
from raggesture.retrieval.words import clean_word
from raggesture.types import GESTURE_KINDS, Hit, Query

if TYPE_CHECKING:
    from raggesture.retrieval.index import Index

STRIDE_FRAMES = 5
KEPT = 15
"""The published database keeps every fifteenth of the windows that begin every fifth frame."""


class RankingOptions(FilterOptions):
    """``weighting``: ``default``, or ``released`` for the published scores over windows; and the filters.

    ``least_similarity``: under ``default``, a hit for another word than the query's counts only if the cosine of the two is at least this; a wrong
    gesture is worse than none. Of the packaged index's words, the nearest of another family has the same gesture in 4 of 34 cases below 0.44, in a fifth
    between that and 0.55, in half above. ``lexicon``: under ``default``, a word that the packaged lexicon serves by a gesture of the query's kind, which
    the index names too, gets that gesture as if it were its own word.
    """

    weighting: Literal["default", "released"] = "default"
    least_similarity: float = Field(default=0.44, ge=0, le=1)
    lexicon: bool = True


def grid(frames: int) -> range:
    """First frames of the windows of a clip that the published database holds."""
    usable = MODEL_FPS * (frames // CHUNK_FRAMES)
    return range(0, max(usable - WINDOW_FRAMES + 1, 0), STRIDE_FRAMES * KEPT)


def windows_of(index: Index) -> Iterator[Window]:
    """The windows of an index as the published database would hold them: annotations and words that lie wholly inside, seconds of the window.

    Of an index whose filters leave exemplars out, those are left out of the windows.
    """
    events = index.events
    rows_of: dict[int, list[int]] = {}
    for row in np.flatnonzero(index.allowed).tolist():
        rows_of.setdefault(int(events.clip[row]), []).append(row)
    for number, name in enumerate(events.clips):
        exemplars = [(row, index.exemplars[row]) for row in rows_of.get(number, ())]
        if not exemplars:
            continue
        clip = index.clip(name)
        vectors = index.word_features(clip)
        spans = np.array([(word.start, word.end) for word in clip.transcript.words]).reshape(-1, 2)
        for first in grid(clip.frames):
            begin, end = seconds_of_frame(first), seconds_of_frame(first + WINDOW_FRAMES)
            inside = [(row, e) for row, e in exemplars if begin <= e.start and e.end <= end and int(events.window[row]) in (-1, first)]
            marks = [(e.kind in GESTURE_KINDS, Mark(e.word, e.kind, e.start - begin, e.end - begin, row, e.prominence)) for row, e in inside]
            words = np.flatnonzero((spans[:, 0] >= begin) & (spans[:, 1] <= end))
            tokens: NDArray[np.float32] = vectors[words] if len(vectors) else np.zeros((0, index.manifest.text_dim), np.float32)
            relations, labels = (tuple(mark for gesture, mark in marks if gesture is wanted) for wanted in (False, True))
            yield Window(f"{name}/{first // STRIDE_FRAMES}", clip.speaker, relations, labels, tokens)


class Ranking:
    """How one retriever ranks. The published windows are made once per index, when they are first asked for.

    Differs from the released code, under ``released``: a query knows its word but not the text round it, so that windows of equal score keep the order
    of their names, where there the longer or louder text goes first.
    """

    def __init__(self, method: Method, options: RankingOptions, weights: Weights) -> None:
        self._method, self._weights = method, weights
        self._released = options.weighting == "released"
        self._filter = Filter(options)
        self._by_lexicon = options.lexicon and weights.word > 0
        self._least = options.least_similarity * weights.similarity
        self._kept: tuple[Index, WindowDatabase] | None = None

    def _served(self, query: Query, index: Index) -> list[Hit]:
        """Exemplars of the gesture that the lexicon has for the query's word, scored like the word's own."""
        if not self._by_lexicon:
            return []
        from raggesture.corpus.starter.lexicon_file import load_lexicon  # it loads torch, which naming the retrievers must not

        served = load_lexicon().for_word(clean_word(query.word))  # a gesture of a relation is triggered by a connective, not by its word alone
        names = [gesture.name for gesture in served if gesture.kind == query.kind and not gesture.relations and gesture.name in index.events.gestures]
        hits = []
        for hit in (hit for name in names for hit in by_terms(replace(query, gesture=name), index, self._weights)):
            terms = {name: value for name, value in hit.terms.items() if name not in ("word", "similarity")} | {"gesture": self._weights.word}
            terms = dict(hit.terms) if "word" in hit.terms else terms
            hits.append(Hit(query, hit.exemplar, sum(terms.values()), terms))
        return hits

    def _near(self, hit: Hit) -> bool:
        """Whether a hit's word is the query's, or near enough to it, or words do not count."""
        return not hit.query.word or not self._weights.similarity or "word" in hit.terms or hit.terms.get("similarity", 0.0) >= self._least

    def __call__(self, query: Query, index: Index) -> tuple[Hit, ...]:
        """Hits, best first."""
        narrowed = self._filter(index)
        if query.gesture:
            return by_terms(query, narrowed, self._weights)
        if not self._released:
            near = [hit for hit in by_terms(query, narrowed, self._weights) if self._near(hit)]
            served = self._served(query, narrowed)
            rows = {hit.exemplar.row for hit in served}
            return tuple(sorted([*served, *(hit for hit in near if hit.exemplar.row not in rows)], key=lambda hit: -hit.score))
        if self._kept is None or self._kept[0].events is not narrowed.events or not np.array_equal(self._kept[0].allowed, narrowed.allowed):
            self._kept = (narrowed, WindowDatabase(windows_of(narrowed)))
        point = Point(query.word, query.kind, query.speaker, query.prominence, np.zeros((0, narrowed.manifest.text_dim), np.float32))
        found: dict[int, Hit] = {}
        for choice in self._kept[1].rank(self._method, point):  # two windows that overlap may bring the same exemplar
            found.setdefault(choice.mark.row, Hit(query, narrowed.exemplars[choice.mark.row], choice.score, choice.terms))
        return tuple(found.values())
