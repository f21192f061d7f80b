"""Ranking exemplars for a query: a sum of named terms, computed over columns.

Every term is a table over few names (kinds, words, speakers) or a function of one number (prominence), so that an event's score
is a few look-ups: exact for all events, a few milliseconds for a hundred thousand.
Source: METHOD part I (d) "Common rules" and "llm" (2 for the type, 5 for the word, 3 for a similar word, 1 for the speaker,
prominence closeness). The published scores to the letter: ``raggesture.retrieval.released``.
Differs from the released code: similar words are rewarded (there, 3/(1+2s) falls with the similarity s, which compares
spellings); prominence counts at most ``Weights.prominence`` instead of 4, so that it cannot outweigh the word; the exemplar
that is scored is the one that is used (there, another label of its window may replace it).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import CHUNK_FRAMES, frame_of_seconds
from raggesture.retrieval.event_table import EventTable
from raggesture.retrieval.words import clean_word
from raggesture.types import Exemplar, Hit, Query

EDGE_FRAMES = 2 * CHUNK_FRAMES
"""Room wanted on either side of a stroke, so that whole chunks around it lie inside its clip."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The most that each term can add to a score."""

    kind: float = 2.0
    word: float = 5.0
    similarity: float = 3.0
    speaker: float = 1.0
    prominence: float = 1.0


class Searchable(Protocol):
    """What ranking needs of an index: columns, words' cosines, and exemplars by row."""

    @property
    def events(self) -> EventTable:
        """The columns."""

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """(N,) which events may be found."""

    @property
    def exemplars(self) -> Sequence[Exemplar]:
        """The events as objects, by row."""

    @property
    def clip_frames(self) -> dict[str, int]:
        """Model frames of every clip."""

    def narrowed(self, query: Query, weights: Weights, limit: int, exclude: Collection[str] = ()) -> Searchable:
        """An index that holds at least the ``limit`` best for ``query``: itself, or what a server leaves of it."""

    def word_number(self, word: str) -> int:
        """Place of a cleaned word in the vocabulary, -1 where it is not there or empty."""

    def vocabulary_similarities(self, word: str) -> NDArray[np.float32]:
        """(V,) cosine in [0, 1] between a word and each of the vocabulary."""


def closeness(prominence: NDArray[np.float64], wanted: float) -> NDArray[np.float64]:
    """1 / (1 + 2 |difference|) of (N,) prominences, 0 where unknown. Source: METHOD (d), there times 4."""
    near = prominence - wanted
    np.abs(near, out=near)
    near *= 2.0
    near += 1.0
    np.reciprocal(near, out=near)
    near[np.isnan(near)] = 0.0
    return near


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """The terms of one query as tables: ``kind`` (K,), ``words`` (V,), ``speaker`` a code (-1: none), ``same`` the query's own word's number (-1: none).

    ``words`` is the word's term where the word is the same, else the similarity's: exactly the same word takes the place of a similar one.
    """

    events: EventTable
    weights: Weights
    kind: NDArray[np.float64]
    words: NDArray[np.float64] | None
    same: int
    speaker: int
    prominence: float | None

    @classmethod
    def of(cls, query: Query, index: Searchable, weights: Weights) -> Scorer:
        """Tables for a query; the similarity of words is computed only where it counts."""
        events = index.events
        word = clean_word(query.word)
        same = index.word_number(word)
        words: NDArray[np.float64] | None = None
        if weights.similarity and word:
            words = weights.similarity * index.vocabulary_similarities(word).astype(np.float64)
            if same >= 0:
                words[same] = weights.word
        kind = np.array([weights.kind * (name == query.kind) for name in events.kinds])
        speaker = events.speakers.index(query.speaker) if query.speaker in events.speakers and query.speaker else -1
        return cls(events, weights, kind, words, same, speaker, query.prominence if weights.prominence else None)

    def scores(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """Scores of some rows, the terms added in the order in which ``terms`` names them."""
        events = self.events
        total: NDArray[np.float64] = self.kind[events.kind[rows]]
        if self.words is not None:
            total += self.words[events.word_number[rows]]
        elif self.same >= 0:
            total += self.weights.word * (events.word_number[rows] == self.same)
        if self.speaker >= 0:
            total += self.weights.speaker * (events.speaker[rows] == self.speaker)
        if self.prominence is not None:
            total += self.weights.prominence * closeness(events.prominence[rows], self.prominence)
        return total

    def terms(self, row: int) -> dict[str, float]:
        """The terms of one row that are not 0."""
        events, weights = self.events, self.weights
        number = int(events.word_number[row])
        same = number == self.same
        near = 0.0
        if self.prominence is not None:
            near = 1.0 / (1.0 + 2.0 * abs(float(events.prominence[row]) - self.prominence))
        found = {
            "kind": float(self.kind[events.kind[row]]),
            "word": weights.word * same,
            "similarity": 0.0 if same or self.words is None else float(self.words[number]),
            "speaker": weights.speaker * (self.speaker >= 0 and int(events.speaker[row]) == self.speaker),
            "prominence": 0.0 if np.isnan(near) else weights.prominence * near,
        }
        return {name: value for name, value in found.items() if value}


def top(scores: NDArray[np.float64], limit: int) -> NDArray[np.int64]:
    """Places of the ``limit`` highest scores, best first; equal scores keep their order."""
    if len(scores) <= limit:
        return np.argsort(-scores, kind="stable")
    least = np.partition(scores, len(scores) - limit)[len(scores) - limit]
    above = np.flatnonzero(scores > least)
    equal = np.flatnonzero(scores == least)[: limit - len(above)]
    return np.concatenate([above[np.argsort(-scores[above], kind="stable")], equal])


def wanted_rows(query: Query, index: Searchable, exclude: Collection[str] = ()) -> NDArray[np.bool_]:
    """(N,) which events may answer a query: of its kind, or, where it names a gesture, of that gesture alone."""
    events = index.events
    column, names, name = (events.gesture, events.gestures, query.gesture) if query.gesture else (events.kind, events.kinds, query.kind)
    if name not in names:
        return np.zeros(len(events), bool)
    wanted: NDArray[np.bool_] = column == names.index(name)
    wanted &= index.allowed
    if exclude:
        wanted &= ~np.isin(events.clip, [k for k, clip in enumerate(events.clips) if clip in exclude])
    return wanted


def hits_of(query: Query, index: Searchable, scorer: Scorer, rows: NDArray[np.int64]) -> tuple[Hit, ...]:
    """Hits of rows that are already in order."""
    hits = []
    for row in rows.tolist():
        terms = scorer.terms(row)
        hits.append(Hit(query, index.exemplars[row], sum(terms.values()), terms))
    return tuple(hits)


def by_terms(query: Query, index: Searchable, weights: Weights | None = None, *, exclude: Collection[str] = (), limit: int = 10) -> tuple[Hit, ...]:
    """Rank the exemplars of the query's kind.

    A query that names a gesture is answered with that gesture alone, whatever its kind. Equal scores keep the order of the
    index. No hit is an answer.

    Args:
        weights: the most each term can add (default ``Weights()``). exclude: clips not to be used. limit: how many hits at most.

    Returns:
        Hits, best first; the terms of each sum to its score.
    """
    weights = weights or Weights()
    index = index.narrowed(query, weights, limit, exclude)
    rows = np.flatnonzero(wanted_rows(query, index, exclude))
    if not len(rows):
        return ()
    scorer = Scorer.of(query, index, weights)
    return hits_of(query, index, scorer, rows[top(scorer.scores(rows), limit)])


def best(hits: Sequence[Hit], index: Searchable, room_frames: int = EDGE_FRAMES) -> Hit | None:
    """The first hit whose stroke has ``room_frames`` of its clip on both sides; the first of all where none has; None without hits."""
    frames = index.clip_frames
    for hit in hits:
        stroke = frame_of_seconds(hit.exemplar.stroke)
        if room_frames <= stroke < frames.get(hit.exemplar.clip, 0) - room_frames:
            return hit
    return hits[0] if hits else None
