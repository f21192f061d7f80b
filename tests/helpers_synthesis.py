"""A model that takes a second to make, and a pipeline around it: real codec, random denoiser, the toy corpus' index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from helpers_retrieval import ToyAudio, ToyText, toy_corpus
from raggesture.models.checkpoint import Model, ModelManifest
from raggesture.models.codec_config import CodecConfig
from raggesture.models.denoiser import Denoiser, DenoiserConfig
from raggesture.pipeline import Pipeline
from raggesture.retrieval.index import Index
from raggesture.retrieval.rank import by_terms
from raggesture.trace import Identity
from raggesture.training.codecs import CodecTraining, train_codecs
from raggesture.training.dataset import build_dataset
from raggesture.types import Cues, Hit, Query, Speech, Transcript, Word

LATENTS = 8
SPEAKERS = ("ann", "bob")


def tiny_model() -> Model:
    """The codec knows the toy corpus; the denoiser listens to its conditions but has learned nothing."""
    codec_config = CodecConfig(latent_dim=LATENTS)
    dataset = build_dataset(toy_corpus(), ToyText(), ToyAudio())
    codec = train_codecs(dataset, CodecTraining(codec_config, fit_windows=24, statistics_windows=24))
    config = DenoiserConfig(
        latent_dim=LATENTS, text_dim=ToyText.dim, audio_dim=ToyAudio.dim, n_speakers=2, width=16, layers=1, heads=2, ff_dim=32, time_dim=16,
        condition_dim=8, conditioning="chunks", attention="softmax", modulation="adaln",
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        denoiser = Denoiser(config)
        torch.nn.init.normal_(denoiser.out.weight, std=0.2)
    manifest = ModelManifest("tiny", "toy-text", "toy-audio", SPEAKERS, config, codec_config, licence="none")
    return Model(denoiser.eval().requires_grad_(False), codec, manifest)


def toy_index(folder: Path) -> Index:
    return Index.build(toy_corpus(), folder, text_encoder=ToyText(), audio_encoder=ToyAudio())


def toy_pipeline(folder: Path) -> Pipeline:
    return Pipeline(tiny_model(), toy_index(folder), (Identity("tiny", "0"), Identity("toy", "1")), (ToyText(), ToyAudio()))


def toy_speech(duration_s: float, words: str = "a huge mountain over there you had one idea", speaker: str = "") -> Speech:
    """A hum, and one word a second over it as long as there is room."""
    wave = 0.1 * np.sin(2 * np.pi * 150 * np.arange(round(duration_s * 16000)) / 16000)
    spoken = tuple(Word(text, k + 0.2, k + 0.8) for k, text in enumerate(words.split()) if k + 0.8 <= duration_s)
    return Speech("toy", wave.astype(np.float32), Transcript(spoken), speaker)


class Asking:
    """A retriever that asks for the words it was given: (word number, kind)."""

    name = "asking"

    def __init__(self, *words: tuple[int, str], weight: float = 1.0, beyond: bool = False) -> None:
        self._words, self._weight, self._beyond = words, weight, beyond

    def queries(self, speech: Speech, cues: Cues) -> Sequence[Query]:
        spoken = speech.transcript.words
        asked = [Query(spoken[k].text, kind, spoken[k].start, spoken[k].end, self._weight) for k, kind in self._words if k < len(spoken)]
        return [*asked, Query("late", "iconic", speech.duration_s + 1, speech.duration_s + 2, self._weight)] if self._beyond else asked

    def rank(self, query: Query, index: Index) -> Sequence[Hit]:
        return by_terms(query, index)


class Rates:
    """A schedule with the rates it was given, or one rate at every step."""

    name = "given"

    def __init__(self, rates: Any) -> None:
        self._rates = rates

    def rates(self, n_steps: int) -> tuple[float, ...]:
        return (self._rates,) * n_steps if isinstance(self._rates, float) else tuple(self._rates)
