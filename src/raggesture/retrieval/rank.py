"""Ranking exemplars for a query: a sum of named terms, computed over columns.

Source: METHOD part I (d) "Common rules" and "llm" (2 for the type, 5 for the word, 3 for a similar word, 1 for the speaker,
prominence closeness).
Differs from the released code: similar words are rewarded (there, 3/(1+2s) falls with the similarity s, which compares
spellings); prominence counts at most ``Weights.prominence`` instead of 4, so that it cannot outweigh the word; the exemplar
that is scored is the one that is used (there, another label of its window may replace it).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import CHUNK_FRAMES, frame_of_seconds
from raggesture.retrieval.index import Index, clean_word
from raggesture.types import Hit, Query

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


def _closeness(query: Query, prominence: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + 2 |difference|), 0 where either is unknown. Source: METHOD (d), there times 4."""
    if query.prominence is None:
        return np.zeros(len(prominence))
    return np.nan_to_num(1.0 / (1.0 + 2.0 * np.abs(prominence - query.prominence)), nan=0.0)


def _terms(query: Query, index: Index, weights: Weights) -> Mapping[str, NDArray[np.float64]]:
    """Each term for each exemplar, (N,). Exactly the same word takes the place of a similar one."""
    columns = index.columns
    word = clean_word(query.word)
    same = (columns.word == word) & bool(word)
    alike = index.word_similarities(query.word) if weights.similarity and word else np.zeros(len(columns.word))
    speaker = (columns.speaker == query.speaker) & bool(query.speaker)
    return {
        "kind": weights.kind * (columns.kind == query.kind),
        "word": weights.word * same,
        "similarity": weights.similarity * np.where(same, 0.0, alike),
        "speaker": weights.speaker * speaker,
        "prominence": weights.prominence * _closeness(query, columns.prominence),
    }


def by_terms(query: Query, index: Index, weights: Weights | None = None, *, exclude: Collection[str] = (), limit: int = 10) -> tuple[Hit, ...]:
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
    columns = index.columns
    wanted = index.allowed & (columns.gesture == query.gesture if query.gesture else columns.kind == query.kind)
    if exclude:
        wanted = wanted & ~np.isin(columns.clip, list(exclude))
    if not wanted.any():
        return ()
    terms = _terms(query, index, weights)
    score = sum(terms.values(), start=np.zeros(len(wanted)))
    rows = np.flatnonzero(wanted)
    best = rows[np.argsort(-score[rows], kind="stable")[:limit]]
    hits = []
    for row in best.tolist():
        parts = {name: float(values[row]) for name, values in terms.items() if values[row]}
        hits.append(Hit(query, index.exemplars[row], sum(parts.values()), parts))
    return tuple(hits)


def best(hits: Sequence[Hit], index: Index, room_frames: int = EDGE_FRAMES) -> Hit | None:
    """The first hit whose stroke has ``room_frames`` of its clip on both sides; the first of all where none has; None without hits."""
    frames = index.clip_frames
    for hit in hits:
        stroke = frame_of_seconds(hit.exemplar.stroke)
        if room_frames <= stroke < frames.get(hit.exemplar.clip, 0) - room_frames:
            return hit
    return hits[0] if hits else None
