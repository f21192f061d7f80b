"""Events as a large corpus would have them, without its motion: words by Zipf's law, vectors in topics, 25 speakers, kinds and senses."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raggesture.retrieval.event_table import EventTable, Exemplars
from raggesture.retrieval.rank import Weights
from raggesture.types import Query

KINDS = ("beat", "deictic", "iconic", "metaphoric", "Contingency.Cause.Reason", "Comparison.Contrast", "Expansion.Conjunction", "Temporal.Synchrony")
SHARES = (0.35, 0.12, 0.18, 0.15, 0.05, 0.05, 0.07, 0.03)
DIM = 384


def words_of(events: int) -> int:
    """Distinct words of so many events (Heaps' law, as English speech has them)."""
    return min(int(20 * events**0.53), events)


def spell(number: int) -> str:
    """A pronounceable word of two to five syllables for a number."""
    text = ""
    for _ in range(2 + number % 3):
        number, consonant = divmod(number, 14)
        number, vowel = divmod(number, 5)
        text += "bdfgklmnprstvz"[consonant] + "aeiou"[vowel]
    return text + (str(number) if number else "")


@dataclass
class SyntheticIndex:
    """What ranking needs of an index."""

    events: EventTable
    vocabulary: tuple[str, ...]
    word_table: NDArray[np.float32]
    allowed: NDArray[np.bool_]
    path: Path = field(default=Path("synthetic"))

    def __post_init__(self) -> None:
        self.exemplars = Exemplars(self.events)
        self._place = {word: k for k, word in enumerate(self.vocabulary)}

    @property
    def clip_frames(self) -> dict[str, int]:
        return dict(zip(self.events.clips, self.events.clip_frames.tolist(), strict=True))

    def narrowed(self, query: Query, weights: Weights, limit: int, exclude: Collection[str] = ()) -> SyntheticIndex:
        return self

    def word_number(self, word: str) -> int:
        return self._place.get(word, -1)

    def word_vector(self, word: str) -> NDArray[np.float32]:
        return self.word_table[self._place[word]]

    def vocabulary_similarities(self, word: str) -> NDArray[np.float32]:
        return np.clip(self.word_table @ self.word_vector(word), 0.0, 1.0)


def synthetic_index(events: int, seed: int = 0) -> SyntheticIndex:
    """An index of so many events; the same every time."""
    rng = np.random.default_rng(seed)
    vocabulary = tuple(dict.fromkeys(spell(k) for k in range(words_of(events))))
    topics = rng.standard_normal((len(vocabulary) // 40 + 1, DIM), np.float32)
    vectors = topics[rng.integers(0, len(topics), len(vocabulary))] + 0.9 * rng.standard_normal((len(vocabulary), DIM), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weight = 1.0 / (np.arange(len(vocabulary)) + 2.7)
    word = rng.choice(len(vocabulary), events, p=weight / weight.sum()).astype(np.int32)
    clips = max(events // 400, 25)
    clip = np.sort(rng.integers(0, clips, events)).astype(np.int32)
    of_clip = rng.integers(0, 25, clips).astype(np.int32)
    start = rng.uniform(1, 500, events)
    length = rng.uniform(0.2, 1.0, events)
    prominence = np.where(rng.random(events) < 0.05, np.nan, rng.gamma(3.0, 0.35, events))
    table = EventTable(
        clip=clip, speaker=of_clip[clip], kind=rng.choice(len(KINDS), events, p=SHARES).astype(np.int32),
        gesture=rng.integers(0, 60, events).astype(np.int32), spelling=word, word_number=word, start=start, end=start + length, stroke=start + length / 2,
        prominence=prominence, hand=rng.integers(0, 4, events).astype(np.uint8), derived=np.zeros(events, np.uint8), sentence=np.full(events, -1, np.int32),
        window=np.full(events, -1, np.int32), clip_number=np.arange(clips, dtype=np.int32), clip_frames=np.full(clips, 9000, np.int32), clip_speaker=of_clip,
        clips=tuple(f"clip_{k}" for k in range(clips)), speakers=tuple(f"speaker_{k}" for k in range(25)), kinds=KINDS,
        gestures=("", *(f"gesture_{k}" for k in range(59))), spellings=vocabulary,
    )  # fmt: skip
    return SyntheticIndex(table, vocabulary, vectors, np.ones(events, bool))
