"""Clips made in code, for contract tests of metrics: bodies that swing, a hum that swells, labels, something injected, a second take. No weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raggesture.body.joints import JOINTS_OF_PART, N_EXPRESSIONS, N_JOINTS
from raggesture.clock import MOTION_FPS, SAMPLE_RATE_HZ
from raggesture.corpus.clip import GestureLabel
from raggesture.metrics.bodies import MannequinBody
from raggesture.metrics.clip import EvaluatedClip, Injected
from raggesture.metrics.indexed_gestures import IndexedGestures
from raggesture.metrics.kit import MeasuringKit
from raggesture.metrics.protocols import EvaluationProtocol
from raggesture.motion import Motion
from raggesture.retrieval.index import Index
from raggesture.trace import Identity, Trace
from raggesture.types import Speech, Transcript, Word

_BLOCK = 16


def _rows(motion: Motion) -> NDArray[np.float64]:
    """Means of a few rotations over blocks of frames, in place of an autoencoder."""
    usable = motion.frames // _BLOCK * _BLOCK
    rows: NDArray[np.float64] = motion.rotations[:usable, 12:16].reshape(-1, _BLOCK, 12).mean(axis=1).astype(np.float64)
    return rows


def sample_kit() -> MeasuringKit:
    """Features and speeds that need no weights."""
    return MeasuringKit(_rows, "sample", "0" * 64, np.full(N_JOINTS, 0.2), "sample")


def swinging(seed: int, frames: int) -> Motion:
    """Every joint swings at a rate of its own, the root sways."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None, None] / MOTION_FPS
    rate, phase = rng.uniform(0.3, 1.5, (1, N_JOINTS, 3)), rng.uniform(0, 6, (1, N_JOINTS, 3))
    rotations = (0.2 * np.sin(2 * np.pi * rate * time + phase)).astype(np.float32)
    sway = (0.02 * np.sin(2 * np.pi * 0.2 * time[:, 0])).astype(np.float32) * np.array([1, 0, 1], np.float32)
    expression = (0.1 * np.sin(time[:, :, 0] + np.arange(N_EXPRESSIONS))).astype(np.float32)
    return Motion(rotations, sway, expression, float(MOTION_FPS))


def sample_speech(name: str, seconds: float, rate_hz: float) -> Speech:
    """A hum with bursts, and a word on each."""
    at = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    bursts = np.exp(-(((at * rate_hz) % 1 - 0.3) ** 2) / 0.005)
    wave = (0.3 * np.sin(2 * np.pi * 150 * at) * bursts).astype(np.float32)
    words = tuple(Word(f"word{k}", k / rate_hz, (k + 0.8) / rate_hz) for k in range(int(seconds * rate_hz)))
    return Speech(name, wave, Transcript(words), "speaker-a")


def sample_clips(index: Index | None = None, count: int = 4, frames: int = 150) -> tuple[EvaluatedClip, ...]:
    """Clips that have all that a metric can need (an index only where one is given)."""
    gestures = None if index is None else IndexedGestures(index, *index.identity)
    clips = []
    for k in range(count):
        name, seconds = f"{k}_speaker-a_0_{k}_{k}", frames / MOTION_FPS
        speech = sample_speech(name, seconds, 1.1 + 0.3 * k)
        motion, reference = swinging(k, frames), swinging(100 + k, frames)
        mask = np.zeros((frames, N_JOINTS), bool)
        mask[30:60, list(JOINTS_OF_PART["upper"])] = True
        labels = (GestureLabel("word1", "iconic", "sample_big", 1.0, 2.0, 1.5, 1.7, 1.1, 2.0, 0.7), GestureLabel("word2", "beat", "", 2.0, 3.0, score=0.1))
        trace = Trace.of(speech=speech, index=None if gestures is None else Identity(gestures.name, gestures.sha256))
        clips.append(
            EvaluatedClip(
                name, motion, EvaluationProtocol(), MannequinBody(), sample_kit(), reference, speech.wave, speech.transcript, labels, trace, gestures,
                Injected(reference, mask), (swinging(200 + k, frames),), gestures is not None,
            )
        )  # fmt: skip
    return tuple(clips)
