"""A tiny corpus and toy encoders made in code, for the tests of retrieval."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import MODEL_FPS, frames_of_seconds
from raggesture.corpus.clip import Clip, GestureLabel
from raggesture.motion import Motion
from raggesture.types import Relation, Transcript, Word


class ToyText:
    """Vectors from letter pairs: words with common letters are alike."""

    name = "toy-text"
    dim = 16
    per_window = False

    def __init__(self) -> None:
        self.asked: list[str] = []

    def _vector(self, text: str) -> NDArray[np.float32]:
        vector = np.zeros(self.dim, np.float32)
        for pair in zip(f" {text}", f"{text} ", strict=True):
            vector[hashlib.sha256("".join(pair).encode()).digest()[0] % self.dim] += 1
        return vector

    def words(self, transcript: Transcript) -> NDArray[np.float32]:
        return np.array([self._vector(word.text) for word in transcript.words], np.float32).reshape(-1, self.dim)

    def sentences(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        vectors = np.array([self._vector(text) for text in texts], np.float32).reshape(-1, self.dim)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


class ToyAudio:
    name = "toy-audio"
    dim = 3
    rate_hz = 15.0
    per_window = False

    def encode(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        frames = frames_of_seconds(len(wave) / 16000, MODEL_FPS)
        return np.stack([np.arange(frames), np.ones(frames), np.zeros(frames)], axis=1).astype(np.float32)


def make_motion(frames: int, seed: int = 0, stroke_frame: int | None = None) -> Motion:
    """Slow sway; a fast lift of the right arm that ends at ``stroke_frame``."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None, None] / MODEL_FPS
    rotations = 0.05 * np.sin(time + rng.uniform(0, 6, (1, 55, 3)))
    if stroke_frame is not None:
        rise = np.clip((np.arange(frames) - (stroke_frame - 4)) / 4, 0, 1)
        rotations[:, 17, 2] += 1.2 * rise * (3 - 2 * rise) * rise
    expression = np.zeros((frames, 100))
    expression[:, [2, 40]] = rng.uniform(-1, 1, (frames, 2))
    translation = np.stack([np.linspace(0, 0.3, frames), np.full(frames, 1.3), np.zeros(frames)], axis=1)
    return Motion(rotations, translation, expression, MODEL_FPS)


def make_clip(name: str, words: str, labels: Sequence[tuple[str, str, str]], speaker: str = "ann", seed: int = 0, wave: Path | None = None) -> Clip:
    """A clip with one word a second; ``labels`` are (word, kind, gesture) with the stroke in the middle of the word."""
    spoken = tuple(Word(text, k + 0.2, k + 0.8) for k, text in enumerate(words.split()))
    found = []
    for text, kind, gesture in labels:
        word = next(each for each in spoken if each.text == text)
        found.append(GestureLabel(text, kind, gesture, word.start, word.end, (word.start + word.end) / 2))
    relations = tuple(Relation(w.text, "Comparison.Contrast", max(w.start - 1, 0), w.end + 1, w.start, w.end) for w in spoken if w.text == "but")
    prominence = tuple(0.5 + 0.1 * k for k in range(len(spoken)))
    return Clip(name, speaker, make_motion(15 * len(spoken), seed), Transcript(spoken), relations, tuple(found), prominence, wave)


def toy_corpus() -> tuple[Clip, ...]:
    """Three clips, two speakers, iconic, deictic, metaphoric and beat gestures and one relation."""
    return (
        make_clip(
            "1_ann_0_1_1",
            "a huge mountain stood there but small birds came over the round hill today ok",
            [("huge", "iconic", "big"), ("there", "deictic", "there"), ("small", "iconic", "small"), ("round", "iconic", "round")],
        ),
        make_clip(
            "1_ann_0_2_2",
            "you had one idea and i had some thought of it all the way down here",
            [("you", "deictic", "you"), ("idea", "metaphoric", "idea"), ("thought", "metaphoric", "idea"), ("all", "beat", "")],
            seed=1,
        ),
        make_clip(
            "2_bob_0_1_1", "so the huge thing was mountainous and there it goes", [("huge", "iconic", "big"), ("mountainous", "iconic", "tall")], "bob", 2
        ),
    )
