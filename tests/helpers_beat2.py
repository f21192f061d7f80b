"""Small corpora in BEAT2's layout made in code, and encoders that cost nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from raggesture.corpus.clip import GestureLabel
from raggesture.corpus.take import Take, write_split, write_take
from raggesture.motion import Motion
from raggesture.types import Relation, Transcript, Word


class LengthText:
    """A word's vector is its length, its number, and ones."""

    name, dim, per_window = "length", 4, False

    def __init__(self, *, per_window: bool = False) -> None:
        self.per_window = per_window

    def words(self, transcript: Transcript) -> np.ndarray:
        rows = [[len(word.text), k, 1, 1] for k, word in enumerate(transcript.words)]
        return np.array(rows, np.float32).reshape(-1, self.dim)

    def sentences(self, texts: Sequence[str]) -> np.ndarray:
        return np.ones((len(texts), self.dim), np.float32) / 2


class MeanAudio:
    """At 15 Hz (or 3 vectors a window), the mean of the samples."""

    name, dim, rate_hz, per_window = "mean", 2, 15.0, False

    def __init__(self, *, per_window: bool = False) -> None:
        self.per_window = per_window

    def encode(self, wave: np.ndarray) -> np.ndarray:
        frames = 3 if self.per_window else len(wave) * 15 // 16000
        pieces = np.array_split(wave[: len(wave) // max(frames, 1) * frames], frames) if frames else []
        return np.array([[piece.mean(), np.abs(piece).max()] for piece in pieces], np.float32).reshape(-1, 2)


def tiny_take(name: str, seconds: float = 14.0, seed: int = 0) -> Take:
    """A body that sways, a voice that hums, a word every 0.8 s, two gestures and one relation."""
    rng = np.random.default_rng(seed)
    frames = round(seconds * 30)
    phase = np.arange(frames)[:, None, None] * rng.uniform(0.02, 0.2, (1, 55, 3)) + rng.uniform(0, 6, (1, 55, 3))
    translation = np.array([0.1, 0.9, 0.2]) + 0.002 * rng.normal(size=(frames, 3)).cumsum(0)
    expression = np.zeros((frames, 100))
    expression[:, :3] = 0.2 * np.sin(phase[:, 0])
    motion = Motion((0.3 * np.sin(phase)).astype(np.float32), translation.astype(np.float32), expression.astype(np.float32))
    t = np.arange(round(seconds * 16000)) / 16000
    wave = (0.3 * np.sin(2 * np.pi * (110 + 10 * seed) * t) * (0.6 + 0.4 * np.sin(7 * t))).astype(np.float32)
    texts = ["so", "big", "because", "we", "went", "there", "again"]
    words = tuple(Word(texts[k % 7], round(0.3 + 0.8 * k, 3), round(0.3 + 0.8 * k + 0.5, 3)) for k in range(int((seconds - 1) / 0.8)))
    relation = Relation("because", "Contingency.Cause", words[0].start, words[4].end, words[2].start, words[2].end, "so big", "we went")
    labels = (GestureLabel("big", "iconic", "big", 1.0, 2.0, 1.4, 1.6, 1.1, 1.9), GestureLabel("there", "deictic", "there", 4.0, 5.0, 4.5, 4.6, 4.2, 4.9))
    return Take(name, motion, wave, Transcript(words), (relation,), labels, tuple(0.1 * (k % 5) for k in range(len(words))))


NAMES = ("2_scott_0_1_1", "3_lu_0_1_1", "2_scott_0_2_2", "3_lu_0_2_2")


def tiny_corpus(root: Path, names: Sequence[str] = NAMES, seconds: float = 14.0) -> Path:
    """Write takes, all for training but the last."""
    for seed, name in enumerate(names):
        write_take(root, tiny_take(name, seconds + seed, seed))
    write_split(root, [(name, "train" if name != names[-1] or len(names) == 1 else "test") for name in names])
    return root
