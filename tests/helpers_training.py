"""Small clips, encoders and settings that training is tested with; scripts in other processes import them too."""

from __future__ import annotations

from typing import Any

import numpy as np

from raggesture.corpus.clip import Clip
from raggesture.models.codec import BodyCodec
from raggesture.models.codec_config import CodecConfig
from raggesture.models.denoiser import DenoiserConfig
from raggesture.motion import Motion
from raggesture.training.codecs import CodecTraining, train_codecs
from raggesture.training.dataset import MotionDataset, build_dataset
from raggesture.training.denoiser import DenoiserTraining
from raggesture.types import Transcript, Word

LATENTS = 12
OURS: dict[str, Any] = {
    "optimizer": "adamw", "learning_rate": 1e-3, "betas": (0.9, 0.99), "weight_decay": 0.01, "warmup": 0.03, "final_rate": 0.0, "clip": 1.0,
    "ema_decay": 0.999, "timesteps": "spread",
}  # fmt: skip
"""The packaged model's settings; the defaults are the published ones."""
OPTIONS = DenoiserTraining(steps=8, batch=4, report_every=2, measure_every=4, save_every=4, held_out_windows=6, **OURS)
SMALL = DenoiserConfig(
    latent_dim=LATENTS, text_dim=4, audio_dim=3, n_speakers=2, width=16, layers=1, heads=2, ff_dim=32, time_dim=16, condition_dim=8, conditioning="chunks"
)


class FakeText:
    name, dim, per_window = "fake-text", 4, False

    def words(self, transcript: Transcript) -> np.ndarray:
        return np.array([[len(word.text), 1, 0, 0] for word in transcript.words], np.float32)

    def sentences(self, texts: list[str]) -> np.ndarray:
        return np.ones((len(texts), 4), np.float32) / 2


class FakeAudio:
    name, dim, rate_hz, per_window = "fake-audio", 3, 15.0, False

    def encode(self, wave: np.ndarray) -> np.ndarray:
        return np.ones((wave.shape[0] * 15 // 16000, 3), np.float32)


def make_clip(name: str, frames: int, seed: int, speaker: str = "ann") -> Clip:
    rng = np.random.default_rng(seed)
    phase = np.arange(frames)[:, None, None] * rng.uniform(0.1, 0.5, (1, 55, 3)) + rng.uniform(0, 6, (1, 55, 3))
    rotations = (0.3 * np.sin(phase)).astype(np.float32)
    translation = (np.array([0.1, 0.9, 0.0]) + 0.01 * rng.normal(size=(frames, 3)).cumsum(0)).astype(np.float32)
    motion = Motion(rotations, translation, rng.normal(0, 0.3, (frames, 100)).astype(np.float32), 15.0)
    return Clip(name, speaker, motion, Transcript((Word("hello", 1.0, 1.5), Word("you", 2.0, 2.2))))


def small_dataset() -> MotionDataset:
    return build_dataset([make_clip("a", 200, 0), make_clip("b", 90, 1, "bob"), make_clip("c", 400, 2)], FakeText(), FakeAudio())


def one_window(seed: int = 0) -> MotionDataset:
    return build_dataset([make_clip("a", 150, seed)], FakeText(), FakeAudio())


def small_codec(dataset: MotionDataset) -> BodyCodec:
    return train_codecs(dataset, CodecTraining(CodecConfig(latent_dim=LATENTS), fit_windows=40, statistics_windows=60))
