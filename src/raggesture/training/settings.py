"""From the tables ``[model]`` and ``[training]`` to what trains."""

from __future__ import annotations

from typing import Any

from raggesture.body.joints import FEATURES_OF_PART, PARTS
from raggesture.config import Settings
from raggesture.config_model import CodecTable, DenoiserTable, RunTable
from raggesture.models.codec_config import CodecConfig
from raggesture.models.denoiser_config import DenoiserConfig
from raggesture.models.mixing import Mixing
from raggesture.models.vae import VaeConfig
from raggesture.training.codecs import CodecTraining
from raggesture.training.denoiser import DenoiserTraining
from raggesture.training.evaluation import FgdTraining
from raggesture.training.planner import PlannerTraining
from raggesture.training.recipe import Recipe
from raggesture.training.vae import VaeTraining


def options_of(table: RunTable) -> dict[str, Any]:
    """A run's table as arguments of its class: ``length`` becomes steps, minutes or epochs."""
    values = table.model_dump()
    number, unit = str(values.pop("length")).split()
    values[unit] = int(float(number)) if unit == "steps" else float(number)
    return values


def codec_of(table: CodecTable) -> CodecConfig:
    """The codec's configuration."""
    vaes: tuple[VaeConfig, ...] = ()
    if table.kind == "transformer":
        vaes = tuple(VaeConfig(FEATURES_OF_PART[part], table.latent_dim, **table.vae.model_dump()) for part in PARTS)
    return CodecConfig(table.kind, table.latent_dim, table.context_frames, vaes)


def denoiser_of(table: DenoiserTable, latent_dim: int) -> DenoiserConfig:
    """The denoiser's configuration; the sizes of text, audio and speakers are the data's, and 1 here."""
    return DenoiserConfig(latent_dim=latent_dim, text_dim=1, audio_dim=1, n_speakers=1, **table.model_dump())


def recipe_of(settings: Settings, *, name: str, provenance: str = "", licence: str = "") -> Recipe:
    """The recipe that a profile describes.

    Raises: ModelError or ConfigError for sizes that contradict each other.
    """
    model, training = settings.model, settings.training
    codec = CodecTraining(codec_of(model.codec), model.codec.fit_windows, model.codec.statistics_windows, training.denoiser.seed)
    return Recipe(
        codec,
        denoiser_of(model.denoiser, model.codec.latent_dim),
        DenoiserTraining(**options_of(training.denoiser)),
        VaeTraining(**options_of(training.vae)),
        PlannerTraining(**options_of(training.planner)),
        name=name,
        text_encoder=model.text_encoder,
        audio_encoder=model.audio_encoder,
        rules=settings.compat.rules(),
        mixing=Mixing(**model.mixing.model_dump()),
        temperature=model.temperature,
        decides=model.decides,
        provenance=provenance,
        licence=licence,
        storage=model.storage,
    )


def kit_of(settings: Settings) -> FgdTraining:
    """How the weights that measure are trained."""
    return FgdTraining(**options_of(settings.training.fgd))
