"""The whole recipe: corpus -> arrays -> codecs -> denoiser -> model folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from raggesture.encoders.registry import audio_encoder, text_encoder
from raggesture.models.checkpoint import Model, ModelManifest, Storage, save_model
from raggesture.models.denoiser import DenoiserConfig
from raggesture.models.mixing import Mixing
from raggesture.training.cache import cached_dataset
from raggesture.training.codecs import CodecTraining, train_codecs
from raggesture.training.curves import CurvePoint
from raggesture.training.dataset import MotionDataset
from raggesture.training.denoiser import DenoiserTraining, train_denoiser


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to train. The denoiser's latent, text, audio and speaker sizes are taken from the codec and the data, whatever ``denoiser`` says."""

    codec: CodecTraining
    denoiser: DenoiserConfig
    training: DenoiserTraining
    name: str = "starter"
    text_encoder: str = "minilm"
    audio_encoder: str = "prosody"
    mixing: Mixing = Mixing()  # noqa: RUF009 - frozen
    temperature: float = 1.0
    provenance: str = ""
    licence: str = ""
    storage: Storage = "float16"

    def fitted(self, dataset: MotionDataset) -> DenoiserConfig:
        """The denoiser's configuration with the sizes of the data."""
        return replace(
            self.denoiser,
            latent_dim=self.codec.codec.latent_dim,
            text_dim=int(dataset.text.shape[1]),
            audio_dim=int(dataset.audio.shape[1]),
            n_speakers=max(len(dataset.speakers), 1),
        )


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """The corpus's training arrays and, if it has them, those held out."""

    train: MotionDataset
    held_out: MotionDataset | None


def read_data(root: Path, cache: Path, recipe: Recipe, held_out: str | None = "test", progress: Callable[[str], None] | None = None) -> TrainingData:
    """Arrays of the split ``train`` and of a held-out split of a BEAT2-layout corpus, through the cache."""
    text, audio = text_encoder(recipe.text_encoder), audio_encoder(recipe.audio_encoder)
    train = cached_dataset(root, "train", cache, text, audio, progress=progress)
    held = None if held_out is None else cached_dataset(root, held_out, cache, text, audio, speakers=train.speakers, progress=progress)
    return TrainingData(train, held)


def train_model(
    data: TrainingData,
    recipe: Recipe,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    resume: bool = False,
    progress: Callable[[CurvePoint, float], None] | None = None,
) -> Model:
    """Fit the codecs, train the denoiser, and write the model to ``folder / recipe.name``; the run's state and curve lie in ``folder / "run"``."""
    codec = train_codecs(data.train, recipe.codec)
    config = recipe.fitted(data.train)
    held_out = None if data.held_out is None else data.held_out.to(device)
    denoiser = train_denoiser(data.train.to(device), codec, config, recipe.training, held_out=held_out, folder=folder / "run", resume=resume, progress=progress)
    manifest = ModelManifest(
        name=recipe.name,
        text_encoder=data.train.text_encoder,
        audio_encoder=data.train.audio_encoder,
        speakers=data.train.speakers,
        denoiser=config,
        codec=recipe.codec.codec,
        mixing=recipe.mixing,
        temperature=recipe.temperature,
        provenance=recipe.provenance,
        licence=recipe.licence,
    )
    model = Model(denoiser.to("cpu"), codec.to("cpu"), manifest)
    save_model(model, folder / recipe.name, storage=recipe.storage, force=True)
    return model
