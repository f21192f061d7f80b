"""The tables ``[model]`` and ``[training]`` of a profile: what is trained, and how. Their defaults are the published ones.

Fields carry the names of the classes that they become (``models.denoiser_config.DenoiserConfig``, ``training.optimisation.Optimisation`` ...); a test holds
names and defaults together. Imports no torch. Source: METHOD part I (b).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Weight = Annotated[float, Field(ge=0)]
_LENGTH = re.compile(r"(\d+(?:\.\d+)?) (steps|minutes|epochs)")


class Table(BaseModel):
    """A table: frozen, strict, no unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class DenoiserTable(Table):
    """``[model.denoiser]``: sizes and choices; those of the data (encoders, speakers) are filled in later."""

    width: Positive = 512
    layers: Positive = 8
    heads: Positive = 16
    ff_dim: Positive = 1024
    time_dim: Positive = 2048
    condition_dim: Positive = 64
    planner_dim: Positive = 128
    attention: Literal["linear", "softmax"] = "linear"
    modulation: Literal["stylization", "adaln"] = "stylization"
    conditioning: Literal["frames", "chunks", "joint-chunks", "planned-chunks"] = "frames"
    prediction: Literal["x0", "v"] = "x0"
    masked_tokens: tuple[int, ...] = (10, 21, 32)
    dropout: Share = 0.0


class VaeTable(Table):
    """``[model.codec.vae]``: the published auto-encoder, alike for all parts; of its two decoders the one that gives the 44 million parameters."""

    num_layers: Positive = 8
    num_heads: Positive = 4
    ff_size: Positive = 1024
    dropout: Share = 0.1
    transformer_activation: Literal["gelu", "relu"] = "gelu"
    transformer_normalize_before: bool = False
    decoder_arch: Literal["encoder_decoder", "all_encoder"] = "all_encoder"
    position_embedding: Literal["learned", "sine"] = "learned"
    vae_dist: Literal["normal", "multivariate_normal"] = "normal"


class CodecTable(Table):
    """``[model.codec]``: motion to latents and back. ``statistics_windows`` 0: latents are not normalised, as published."""

    kind: Literal["conv", "transformer"] = "transformer"
    latent_dim: Positive = 512
    context_frames: Annotated[int, Field(ge=0)] = 7
    fit_windows: Positive = 1200
    statistics_windows: Annotated[int, Field(ge=0)] = 0
    vae: VaeTable = VaeTable()


class MixingTable(Table):
    """``[model.mixing]``: how predictions with and without speech are mixed when sampling."""

    kind: Literal["constant", "published"] = "published"
    scale: float = 1.0
    coarse: float = 6.5
    text: float = 0.52351
    none: float = -0.28419
    per_part_scale: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    guided_scale: float | None = None


class Model(Table):
    """``[model]``: a model to be trained."""

    text_encoder: str = "bert"
    audio_encoder: str = "wav2vec2"
    temperature: Annotated[float, Field(ge=0.5, le=2)] = 1.0
    decides: bool = False
    storage: Literal["float32", "float16"] = "float32"
    denoiser: DenoiserTable = DenoiserTable()
    codec: CodecTable = CodecTable()
    mixing: MixingTable = MixingTable()


class RunTable(Table):
    """What every run has. ``length``: "500 epochs", "39 minutes" or "15000 steps"."""

    length: str = "500 epochs"
    batch: Positive = 128
    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    betas: tuple[Share, Share] = (0.9, 0.999)
    weight_decay: Weight = 0.0
    warmup: Share = 0.0
    final_rate: Annotated[float, Field(ge=0, le=1)] = 1e-6
    clip: Weight = 0.0
    ema_decay: Share = 0.0
    keep_best: bool = False
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    compile: bool = False
    report_every: Positive = 50
    measure_every: Positive = 500
    save_every: Positive = 500
    validate_every: Annotated[int, Field(ge=0)] = 0
    held_out_windows: Positive = 128
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    @field_validator("length")
    @classmethod
    def _is_a_length(cls, value: str) -> str:
        if not _LENGTH.fullmatch(value) or float(value.split()[0]) <= 0:
            raise ValueError('a length such as "500 epochs", "39 minutes" or "15000 steps"')
        return value


class DenoiserRun(RunTable):
    """``[training.denoiser]``."""

    condition_dropout: Share = 0.1
    timesteps: Literal["uniform", "spread"] = "uniform"
    part_weights: tuple[Weight, Weight, Weight, Weight] = (1.0, 1.0, 1.0, 1.0)
    spread_power: Weight = 0.0
    condition_noise: Weight = 0.0


class VaeRun(RunTable):
    """``[training.vae]``: one run a part. Its weights are ours: the release does not say how its auto-encoders were trained."""

    reconstruction: Weight = 1.0
    velocity: Weight = 1.0
    acceleration: Weight = 1.0
    kl: Weight = 1e-4


class PlannerRun(RunTable):
    """``[training.planner]``: which gesture falls where, learnt from labels before the denoiser (``planned-chunks``); ours."""

    length: str = "1500 steps"
    batch: Positive = 64
    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    weight_decay: Weight = 0.05
    warmup: Share = 0.05
    clip: Weight = 1.0
    keep_best: bool = True


class FgdRun(RunTable):
    """``[training.fgd]``: the feature autoencoder of FGD; ours."""

    length: str = "2000 steps"
    batch: Positive = 64
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3


class Training(Table):
    """``[training]``: one table for each thing that is trained."""

    denoiser: DenoiserRun = DenoiserRun()
    vae: VaeRun = VaeRun()
    planner: PlannerRun = PlannerRun()
    fgd: FgdRun = FgdRun()
