"""Train the denoiser on a corpus's latents.

x_0 are the latents of windows drawn at any frame, the noise is Gaussian, the loss is the squared error of x_0 (divided by 1 - abar for v-prediction,
which makes it the error of the network's own output), separators do not count; text, audio and speaker are taken away together from a tenth of the
samples. Transformer codecs give a sample of their posterior, as published. Source: METHOD part I (b) "Training".
Differs from the released code (only as options, all off by default): timesteps spread evenly over each batch, weights of parts and of dimensions, noise on
the conditions, AdamW, warm-up, clipping and an average of the weights (TRAINING "The denoiser").
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from raggesture.body.joints import PARTS, LatentLayout
from raggesture.clock import CHUNK_FRAMES, WINDOW_CHUNKS
from raggesture.diffusion.loss import x0_loss
from raggesture.diffusion.noise import N_TIMESTEPS, NoiseSchedule, published
from raggesture.errors import ConfigError, did_you_mean
from raggesture.models.codec import BodyCodec
from raggesture.models.conditions import Conditions
from raggesture.models.denoiser import Denoiser, DenoiserConfig
from raggesture.models.planner import GesturePlanner
from raggesture.models.vae import TransformerVae
from raggesture.training.dataset import MotionDataset
from raggesture.training.loop import CURVE_FILE, STATE_FILE, Measured, Outcome, Report, train
from raggesture.training.optimisation import Optimisation
from raggesture.training.processes import Processes

__all__ = ["CURVE_FILE", "STATE_FILE", "Batch", "BatchSource", "DenoiserObjective", "DenoiserTask", "DenoiserTraining", "HeldOut", "train_denoiser"]

NOISY_TIMESTEP = 800
PUBLISHED_STRIDE = 5
"""Model frames between the published windows: what an epoch counts in."""
Timesteps = Literal["uniform", "spread"]
Validate = Callable[[Denoiser], float]
"""FGD of a denoiser's samples."""


@dataclass(frozen=True, slots=True)
class DenoiserTraining(Optimisation):
    """How to train a denoiser; the defaults are the published ones.

    ``timesteps``: drawn uniformly, or spread evenly over each batch (the same distribution with less variance). ``part_weights``: weight of upper, hands,
    face and lower in the loss. ``spread_power``: a latent dimension's error counts by its spread before normalisation to this power (0: all alike, 2: as it
    moves the body). ``condition_noise``: noise on text and audio, one draw a second, in units of their spread; it keeps a window's words from being a
    fingerprint of its motion.
    """

    condition_dropout: float = 0.1
    timesteps: Timesteps = "uniform"
    part_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    spread_power: float = 0.0
    condition_noise: float = 0.0

    def __post_init__(self) -> None:
        Optimisation.__post_init__(self)
        if self.timesteps not in get_args(Timesteps):
            raise ConfigError(f"training.timesteps: {self.timesteps!r}; {did_you_mean(self.timesteps, get_args(Timesteps))}")


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Everything random about one step: x_0 (B, T, D), conditions, t (B,), eps (B, T, D), conditioned (B,)."""

    x_0: Tensor
    conditions: Conditions
    t: Tensor
    eps: Tensor
    conditioned: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class BatchSource:
    """Draws batches of one corpus; all randomness comes from the generator that is passed in, on the CPU. The codec's device is where batches lie."""

    dataset: MotionDataset
    codec: BodyCodec

    def draw(
        self,
        count: int,
        generator: torch.Generator,
        dropout: float = 0.0,
        condition_noise: float = 0.0,
        *,
        timesteps: Timesteps = "spread",
        rows: slice = slice(None),
        sampled: bool = False,
    ) -> Batch:
        """Windows, timesteps, noise, and whose condition is taken away or blurred.

        Args:
            rows: of the batch of ``count``; all are drawn, these are made. sampled: transformer codecs give a sample of their posterior, not its mean.
        """
        clip, start = self.dataset.draw(count, generator)
        device, dim = self.codec.latent_mean.device, self.codec.latent_dim
        if timesteps == "spread":
            offset = torch.rand(1, generator=generator, dtype=torch.float64)
            spread = (torch.randperm(count, generator=generator) + offset) / count
            t = (spread * N_TIMESTEPS).long().clamp_max(N_TIMESTEPS - 1)
        else:
            t = torch.randint(0, N_TIMESTEPS, (count,), generator=generator)
        eps = torch.randn((count, LatentLayout().tokens, dim), generator=generator)
        conditioned = torch.rand(count, generator=generator) >= dropout
        if condition_noise > 0:  # its spread is the whole batch's
            conditions = blurred(self.dataset.conditions(clip, start), condition_noise, generator).take(rows)
        else:
            conditions = self.dataset.conditions(clip[rows], start[rows])
        posterior = torch.randn((count, len(PARTS), WINDOW_CHUNKS, dim), generator=generator)[rows] if sampled and _is_sampled(self.codec) else None
        x_0 = self._latents(clip[rows], start[rows], posterior)
        return Batch(x_0, conditions.to(device), t[rows].to(device), eps[rows].to(device), conditioned[rows].to(device))

    @torch.no_grad()
    def _latents(self, clip: Tensor, start: Tensor, noise: Tensor | None) -> Tensor:
        codec, device = self.codec, self.codec.latent_mean.device
        features = self.dataset.motion_windows(clip, start, codec.context_frames).to(device)
        if noise is None:
            return codec.encode(features)
        raw = []
        for k, (part, tensor) in enumerate(features):
            vae = codec.part(part)
            assert isinstance(vae, TransformerVae)
            raw.append(vae.posterior(tensor, noise[:, k].to(device)))
        return normalised(torch.stack(raw, dim=1), codec)


def _is_sampled(codec: BodyCodec) -> bool:
    return all(isinstance(codec.part(part), TransformerVae) for part in PARTS)


def normalised(raw: Tensor, codec: BodyCodec) -> Tensor:
    """Raw latents (B, 4, C, D) as the sequence (B, T, D) that ``BodyCodec.encode`` makes."""
    layout = LatentLayout(raw.shape[2])
    sequence = raw.new_zeros(raw.shape[0], layout.tokens, codec.latent_dim)
    for k, part in enumerate(PARTS):
        sequence[:, layout.span(part)] = (raw[:, k] - codec.latent_mean[k]) / codec.latent_std[k]
    return sequence


def blurred(conditions: Conditions, size: float, generator: torch.Generator) -> Conditions:
    """Add Gaussian noise that is constant over each second, ``size`` times each track's spread; text stays zero where nobody speaks."""
    tracks = []
    for track, spoken in ((conditions.text, conditions.text.any(-1, keepdim=True)), (conditions.audio, None)):
        batch, frames, width = track.shape
        noise = torch.randn(batch, -(-frames // CHUNK_FRAMES), width, generator=generator).to(track.device)
        noise = noise.repeat_interleave(CHUNK_FRAMES, dim=1)[:, :frames]
        if spoken is None:
            tracks.append(track + size * track.std(dim=(0, 1)) * noise)
        else:
            spread = (track.square().sum() / (spoken.sum().clamp_min(1) * width)).sqrt()
            tracks.append(track + size * spread * noise * spoken)
    return Conditions(tracks[0], tracks[1], conditions.speaker)


def loss_mask(layout: LatentLayout, weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)) -> Tensor:
    """(1, T): a part's weight on its tokens, 0 on separators."""
    mask = torch.zeros(1, layout.tokens)
    for part, weight in zip(PARTS, weights, strict=True):
        mask[:, layout.span(part)] = weight
    return mask


def spread_weights(codec: BodyCodec, layout: LatentLayout, power: float) -> Tensor:
    """(T, D) root of each dimension's weight in the loss: its spread before normalisation to ``power``, with a mean of 1 over each part."""
    root = torch.ones(layout.tokens, codec.latent_dim, device=codec.latent_std.device)
    for k, part in enumerate(PARTS):
        weight = codec.latent_std[k] ** power
        root[layout.span(part)] = (weight / weight.mean()).sqrt()
    return root


def batch_loss(denoiser: Denoiser, batch: Batch, schedule: NoiseSchedule, mask: Tensor, root: Tensor | None = None) -> Tensor:
    """The loss of one batch, a scalar; ``root`` (T, D) of ``spread_weights``, or None for 1."""
    noisy = schedule.at_timestep(batch.x_0, batch.eps, batch.t)
    predicted = denoiser(noisy, batch.t, denoiser.prepare(batch.conditions), batch.conditioned)
    predicted, wanted = (predicted.float(), batch.x_0) if root is None else (predicted.float() * root, batch.x_0 * root)
    return x0_loss(predicted, wanted, mask.expand(batch.x_0.shape[:2]), denoiser.loss_weight(batch.t))


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Fixed batches of a held-out corpus with fixed noise, to measure the averaged weights on."""

    batches: tuple[Batch, ...]

    @classmethod
    def of(cls, source: BatchSource, windows: int, size: int) -> HeldOut:
        """Draw them once, from a seed of their own."""
        generator = torch.Generator().manual_seed(20_260_101)
        return cls(tuple(source.draw(min(size, windows - at), generator) for at in range(0, windows, size)))

    @torch.no_grad()
    def measure(self, denoiser: Denoiser, schedule: NoiseSchedule, mask: Tensor) -> tuple[float, float]:
        """Loss over all timesteps, and over those from 800 up (NaN where there are none)."""
        total, count, noisy, noisy_count = 0.0, 0, 0.0, 0
        for batch in self.batches:
            predicted = denoiser(schedule.at_timestep(batch.x_0, batch.eps, batch.t), batch.t, denoiser.prepare(batch.conditions), None)
            weights = mask.expand(batch.x_0.shape[:2])
            error = ((predicted - batch.x_0).square().mean(-1) * weights).sum(1) / weights.sum(1) * denoiser.loss_weight(batch.t)  # (B,)
            late = batch.t >= NOISY_TIMESTEP
            total, count = total + float(error.sum()), count + error.numel()
            noisy, noisy_count = noisy + float(error[late].sum()), noisy_count + int(late.sum())
        return total / max(count, 1), noisy / noisy_count if noisy_count else math.nan


class DenoiserObjective(nn.Module):
    """The denoiser with its loss: what is run in parallel and compiled. ``root`` (T, D) or None."""

    mask: Tensor
    root: Tensor | None

    def __init__(self, denoiser: Denoiser, mask: Tensor, root: Tensor | None = None) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.schedule = published()
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("root", root, persistent=False)

    def forward(self, x_0: Tensor, text: Tensor, audio: Tensor, speaker: Tensor, t: Tensor, eps: Tensor, conditioned: Tensor) -> Tensor:
        """The mean loss of a batch."""
        batch = Batch(x_0, Conditions(text, audio, speaker), t, eps, conditioned)
        return batch_loss(self.denoiser, batch, self.schedule, self.mask, self.root)


@dataclass(frozen=True, slots=True, eq=False)
class DenoiserTask:
    """A denoiser to train, for ``loop.train``."""

    objective: DenoiserObjective
    source: BatchSource
    options: DenoiserTraining
    held_out: HeldOut | None
    fgd: Validate | None = None
    name: str = field(default="denoiser", init=False)

    @property
    def setting(self) -> Mapping[str, Any]:
        """The network, the corpus and the codec."""
        codec = round(float(self.source.codec.latent_std.double().sum()), 4)
        return {"denoiser": self.objective.denoiser.config.to_json(), "codec": codec, **corpus_setting(self.source.dataset)}

    @property
    def samples_per_epoch(self) -> int:
        """As many as there are published windows."""
        return published_windows(self.source.dataset)

    def draw(self, count: int, rows: slice, generator: torch.Generator) -> tuple[Tensor, ...]:
        """A batch as tensors."""
        options = self.options
        made = self.source.draw(
            count, generator, options.condition_dropout, options.condition_noise, timesteps=options.timesteps, rows=rows, sampled=True
        )  # fmt: skip
        return made.x_0, made.conditions.text, made.conditions.audio, made.conditions.speaker, made.t, made.eps, made.conditioned

    def measure(self) -> Measured:
        """Loss on held-out windows."""
        if self.held_out is None:
            return Measured()
        return Measured(*self.held_out.measure(self.objective.denoiser, self.objective.schedule, self.objective.mask))

    def validate(self) -> float:
        """FGD of samples for held-out speech."""
        return math.nan if self.fgd is None else self.fgd(self.objective.denoiser)


def corpus_setting(dataset: MotionDataset) -> dict[str, Any]:
    """What tells one corpus from another when a run is resumed."""
    return {"clips": hashlib.sha256("\n".join(dataset.names).encode()).hexdigest()[:16], "frames": dataset.frames}


def published_windows(dataset: MotionDataset) -> int:
    """How many windows of ten seconds every fifth frame the published data set would have of the same clips."""
    frames = dataset.bounds[1:] - dataset.bounds[:-1]
    return int(((frames - WINDOW_CHUNKS * CHUNK_FRAMES).clamp_min(0) // PUBLISHED_STRIDE + 1).sum())


def denoiser_task(
    dataset: MotionDataset,
    codec: BodyCodec,
    config: DenoiserConfig,
    options: DenoiserTraining,
    *,
    held_out: MotionDataset | None = None,
    fgd: Validate | None = None,
    planner: GesturePlanner | None = None,
) -> DenoiserTask:
    """A task with fresh weights from the options' seed; the codec's device is where it computes. ``planner``: taught before, and taught no further."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        denoiser = Denoiser(config)
    if planner is not None:
        denoiser.planned_conditions.planner.load_state_dict(planner.state_dict())
        denoiser.planned_conditions.freeze_planner()
    root = spread_weights(codec, denoiser.layout, options.spread_power) if options.spread_power else None
    objective = DenoiserObjective(denoiser, loss_mask(denoiser.layout, options.part_weights), root).to(codec.latent_mean.device)
    measured = None if held_out is None else HeldOut.of(BatchSource(held_out, codec), options.held_out_windows, min(options.batch, 64))
    return DenoiserTask(objective, BatchSource(dataset, codec), options, measured, fgd)


def train_denoiser(
    dataset: MotionDataset,
    codec: BodyCodec,
    config: DenoiserConfig,
    options: DenoiserTraining,
    *,
    held_out: MotionDataset | None = None,
    folder: Path | None = None,
    resume: bool = False,
    progress: Report | None = None,
    processes: Processes | None = None,
    fgd: Validate | None = None,
    planner: GesturePlanner | None = None,
) -> tuple[Denoiser, Outcome]:
    """Train and return the denoiser whose weights are kept, in eval mode, and what the run says of itself. See ``loop.train``.

    Args:
        fgd: measures samples every ``options.validate_every`` steps. planner: see ``denoiser_task``.
    """
    processes = processes or Processes()
    task = denoiser_task(dataset, codec.to(processes.device), config, options, held_out=held_out, fgd=fgd, planner=planner)
    outcome = train(task, options, processes, folder=folder, resume=resume, progress=progress)
    return task.objective.denoiser, outcome
