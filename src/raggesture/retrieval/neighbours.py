"""Searching a large index without scoring every event: candidates that can win, then their exact scores.

A score is a sum of a word's term, a speaker's and a prominence's, so the best events for one word are those of the query's speaker, or of
anybody, that are nearest in prominence. Events lie sorted by kind and word (and speaker) and prominence; for each of the nearest words,
found in a graph of the vocabulary (hnswlib), a few on either side of the query's prominence are scored. Words that cannot reach the best
hits any more are left out; where a word beyond the nearest still could, all events of the speaker, or all, are scored. What can be missed
are words that the graph overlooks: ``recall_report`` says how often.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from raggesture.retrieval.rank import Scorer, Searchable, Weights, by_terms, hits_of, top
from raggesture.retrieval.words import clean_word
from raggesture.types import GESTURE_KINDS, Hit, Query

NEAREST_WORDS = 128
"""So many words of the vocabulary are looked at."""
EXACT_WORDS = 2048
"""Up to so many words are compared one by one; beyond, the graph finds the nearest."""
_FIRST_WORDS = 24
_FAR = 1e6
_SEED = 20260101


class WordGraph(Searchable, Protocol):
    """An index whose vocabulary can be searched for the words nearest to a vector."""

    def word_vector(self, word: str) -> NDArray[np.float32]:
        """(D,) unit vector of a word."""

    @property
    def word_table(self) -> NDArray[np.float32]:
        """(V, D) unit vectors of the vocabulary."""


class VocabularyIndex(WordGraph, Protocol):
    """Such an index that also names its words."""

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The distinct words, cleaned."""


class _Order:
    """Rows sorted by a group and, within it, by prominence (unknown last), so that the nearest of a group are found by bisection."""

    def __init__(self, group: NDArray[np.int64], prominence: NDArray[np.float64]) -> None:
        near = np.nan_to_num(np.clip(prominence, -_FAR / 2, _FAR / 2), nan=_FAR)
        self.rows = np.lexsort((near, group)).astype(np.int32)
        self.near = near[self.rows]
        self.groups, self.starts = np.unique(group[self.rows], return_index=True)
        self.stops = np.append(self.starts[1:], len(group))

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return sum(each.nbytes for each in (self.rows, self.near, self.groups, self.starts, self.stops))

    def nearest(self, groups: NDArray[np.int64], prominence: float | None, each: int) -> NDArray[np.int64]:
        """Rows of some groups that are nearest to a prominence, ``each`` on either side (the first of a group without one)."""
        if not len(self.groups):
            return np.zeros(0, np.int64)
        places = np.searchsorted(self.groups, groups).clip(0, len(self.groups) - 1)
        places = places[self.groups[places] == groups]
        start, stop = self.starts[places], self.stops[places]
        middle = start if prominence is None else self._bisect(start, stop, prominence)
        first, last = np.maximum(start, middle - each), np.minimum(stop, middle + each)
        last = np.where(prominence is None, np.minimum(stop, start + each), last)
        spread = first[:, None] + np.arange(2 * each)
        chosen: NDArray[np.int64] = self.rows[spread[spread < last[:, None]]].astype(np.int64)
        return chosen

    def all_of(self, group: int) -> NDArray[np.int64]:
        """All rows of a group."""
        place = int(np.searchsorted(self.groups, group))
        if place == len(self.groups) or self.groups[place] != group:
            return np.zeros(0, np.int64)
        chosen: NDArray[np.int64] = self.rows[self.starts[place] : self.stops[place]].astype(np.int64)
        return chosen

    def _bisect(self, start: NDArray[np.int64], stop: NDArray[np.int64], wanted: float) -> NDArray[np.int64]:
        low, high = start.copy(), stop.copy()
        for _ in range(int(np.max(stop - start, initial=1)).bit_length()):
            middle = (low + high) >> 1
            below = (low < high) & (self.near[np.minimum(middle, len(self.near) - 1)] < wanted)
            low, high = np.where(below, middle + 1, low), np.where(below, high, np.minimum(high, middle))
        return low


class Neighbours:
    """Sorted rows and a graph of the vocabulary of one index; ``search`` answers as ``rank.by_terms`` does, almost always the same."""

    def __init__(self, index: WordGraph, *, graph: Any = None) -> None:
        events = index.events
        self._index = index
        kind, speaker = events.kind.astype(np.int64), events.speaker.astype(np.int64)
        self._words, self._voices = max(len(index.word_table), 1), max(len(events.speakers), 1)
        word = kind * self._words + events.word_number
        self._of_word = _Order(word, events.prominence)
        self._of_word_and_speaker = _Order(word * self._voices + speaker, events.prominence)
        self._of_speaker = _Order(kind * self._voices + speaker, events.prominence)
        self._of_kind = _Order(kind, events.prominence)
        self._graph = graph if graph is not None or self._words <= EXACT_WORDS else _graph(index.word_table)

    @property
    def nbytes(self) -> int:
        """Memory of the sorted rows (the graph of words not counted)."""
        return sum(order.nbytes for order in (self._of_word, self._of_word_and_speaker, self._of_speaker, self._of_kind))

    def _near_words(self, vector: NDArray[np.float32]) -> NDArray[np.int64]:
        """Numbers of the words nearest to a vector."""
        if self._graph is None:
            return np.arange(self._words)
        numbers, _ = self._graph.knn_query(vector[None], k=min(NEAREST_WORDS, self._words), num_threads=1)
        return np.asarray(numbers[0], np.int64)

    def _word_terms(self, word: str, same: int, weights: Weights, others: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64], float]:
        """(V,) the word's term, 0 where it was not computed; numbers of the nearest words; the most that the term can be for any other.

        The terms of the words ``others`` are computed as well.
        """
        nearest = self._near_words(self._index.word_vector(word))
        terms = np.zeros(self._words)
        self._add_terms(terms, np.union1d(nearest, others), word, weights)
        most = float(terms[nearest].min()) if len(nearest) < self._words else -np.inf
        if same >= 0:
            terms[same] = weights.word
            nearest = np.union1d(nearest, [same])
        return terms, nearest, most

    def _add_terms(self, terms: NDArray[np.float64], numbers: NDArray[np.int64], word: str, weights: Weights) -> None:
        """Compute the term of some words into ``terms``."""
        terms[numbers] = weights.similarity * np.clip(self._index.word_table[numbers] @ self._index.word_vector(word), 0.0, 1.0)

    def _anywhere(self, kind: int, scorer: Scorer, limit: int) -> NDArray[np.int64]:
        """The best rows of a kind by speaker and prominence alone."""
        rows = self._of_kind.nearest(np.array([kind]), scorer.prominence, limit)
        if scorer.speaker < 0:
            return rows
        return np.union1d(rows, self._of_speaker.nearest(np.array([kind * self._voices + scorer.speaker]), scorer.prominence, limit))

    def _of_words(self, kind: int, words: NDArray[np.int64], scorer: Scorer, limit: int) -> NDArray[np.int64]:
        """The best rows of a kind for each of some words."""
        groups = kind * self._words + words
        rows = self._of_word.nearest(groups, scorer.prominence, limit)
        if scorer.speaker < 0:
            return rows
        return np.concatenate([rows, self._of_word_and_speaker.nearest(groups * self._voices + scorer.speaker, scorer.prominence, limit)])

    def _candidates(self, kind: int, scorer: Scorer, rows: NDArray[np.int64], words: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
        """Rows that may be among the best: ``rows``, and those of the words that can still reach the best of them."""
        weights = scorer.weights
        most = weights.kind + weights.speaker * (scorer.speaker >= 0) + weights.prominence * (scorer.prominence is not None)
        bound = most + (scorer.words[words] if scorer.words is not None else np.full(len(words), weights.word))
        order = np.argsort(-bound, kind="stable")
        found = np.unique(np.concatenate([rows, self._of_words(kind, words[order[:_FIRST_WORDS]], scorer, limit)]))
        rest = order[_FIRST_WORDS:]
        rest = rest[bound[rest] > _least(scorer.scores(found), limit)]
        return np.union1d(found, self._of_words(kind, words[rest], scorer, limit)) if len(rest) else found

    def search(self, query: Query, weights: Weights | None = None, *, exclude: Collection[str] = (), limit: int = 10) -> tuple[Hit, ...]:
        """As ``rank.by_terms``. A query for one gesture, and an index narrowed to some exemplars, are answered by scoring all of them."""
        index, chosen = self._index, weights or Weights()
        events = index.events
        if query.gesture or exclude or query.kind not in events.kinds or not index.allowed.all():
            return by_terms(query, index, chosen, exclude=exclude, limit=limit)
        kind, word = events.kinds.index(query.kind), clean_word(query.word)
        scorer = Scorer.of(query, index, replace(chosen, similarity=0.0))
        rows, most = self._anywhere(kind, scorer, limit), -np.inf
        words = np.array([scorer.same] if scorer.same >= 0 else [], np.int64)
        if word and chosen.similarity:
            terms, words, most = self._word_terms(word, scorer.same, chosen, np.unique(events.word_number[rows]).astype(np.int64))
            scorer = replace(scorer, weights=chosen, words=terms)
        rows = self._candidates(kind, scorer, rows, words, limit)
        other = chosen.kind + most + chosen.prominence * (scorer.prominence is not None)  # what an event of a word that was not looked at can reach
        if scorer.speaker >= 0 and other + chosen.speaker > _least(scorer.scores(rows), limit):
            rows = self._with_all_of_speaker(kind, scorer, rows, word)
        if other > _least(scorer.scores(rows), limit):
            return by_terms(query, index, chosen, limit=limit)
        return hits_of(query, index, scorer, rows[top(scorer.scores(rows), limit)])

    def _with_all_of_speaker(self, kind: int, scorer: Scorer, rows: NDArray[np.int64], word: str) -> NDArray[np.int64]:
        """Rows and all of the query's speaker and kind, whose words' terms are computed into the scorer's table."""
        more = np.union1d(rows, self._of_speaker.all_of(kind * self._voices + scorer.speaker))
        if scorer.words is not None:
            numbers = np.unique(self._index.events.word_number[more]).astype(np.int64)
            numbers = numbers[(scorer.words[numbers] == 0.0) & (numbers != scorer.same)]
            self._add_terms(scorer.words, numbers, word, scorer.weights)
        return more


def _least(scores: NDArray[np.float64], limit: int) -> float:
    """The ``limit``-th highest score; minus infinity where there are fewer."""
    return float(np.partition(scores, len(scores) - limit)[len(scores) - limit]) if len(scores) >= limit else -np.inf


@dataclass(frozen=True, slots=True)
class RecallReport:
    """What searching by neighbours finds and costs. Times are medians of one query on one thread.

    ``recall``: share of the exact best ten that are found (an event of equal score counts); ``*_bytes``: what each way keeps in memory.
    """

    events: int
    queries: int
    recall: float
    exact_ms: float
    neighbours_ms: float
    build_s: float
    columns_bytes: int
    neighbours_bytes: int


def sample_queries(index: Searchable, vocabulary: Sequence[str], count: int, seed: int) -> tuple[Query, ...]:
    """Queries as a speech would ask: word and kind of one event, speaker and prominence of another."""
    rng, events = np.random.default_rng(seed), index.events
    usable = np.flatnonzero(np.isin(events.kind, [k for k, name in enumerate(events.kinds) if name in GESTURE_KINDS]))
    if not len(usable):
        return ()
    found = []
    for row, other in rng.choice(usable, (count, 2)).tolist():
        prominence = float(events.prominence[other])
        word, kind, speaker = vocabulary[events.word_number[row]], events.kinds[events.kind[row]], events.speakers[events.speaker[other]]
        found.append(Query(word, kind, 0.0, 0.0, prominence=None if np.isnan(prominence) else prominence, speaker=speaker))
    return tuple(found)


def recall_report(index: VocabularyIndex, n_queries: int = 100, seed: int = 0, *, neighbours: Neighbours | None = None) -> RecallReport:
    """Search for the same queries both ways. Times are for information; they depend on the machine and what else it does."""
    began = time.perf_counter()
    searcher = neighbours or Neighbours(index)
    build_s = time.perf_counter() - began
    exact_s, near_s, shared = [], [], []
    for query in sample_queries(index, index.vocabulary, n_queries, seed):
        index.word_vector(query.word)  # encoding is no part of searching
        start = time.perf_counter()
        exact = by_terms(query, index)
        middle = time.perf_counter()
        near = searcher.search(query)
        near_s.append(time.perf_counter() - middle)
        exact_s.append(middle - start)
        if exact:
            shared.append(sum(hit.score >= exact[-1].score - 1e-6 for hit in near) / len(exact))
    columns = [getattr(index.events, name) for name in ("kind", "gesture", "speaker", "clip", "word_number", "prominence")]
    return RecallReport(
        events=len(index.events), queries=len(shared), recall=float(np.mean(shared)) if shared else 1.0,
        exact_ms=1000 * float(np.median(exact_s)) if exact_s else 0.0, neighbours_ms=1000 * float(np.median(near_s)) if near_s else 0.0, build_s=build_s,
        columns_bytes=sum(column.nbytes for column in columns) + index.word_table.nbytes, neighbours_bytes=searcher.nbytes,
    )  # fmt: skip


def _graph(vectors: NDArray[np.float32]) -> Any:
    """Graph of the vocabulary; one thread and a seed: the same each time."""
    import hnswlib

    graph = hnswlib.Index("cosine", vectors.shape[1])
    graph.init_index(len(vectors), M=16, ef_construction=100, random_seed=_SEED)
    graph.add_items(vectors, num_threads=1)
    graph.set_ef(NEAREST_WORDS)
    return graph
