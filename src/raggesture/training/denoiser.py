"""Train the denoiser on a corpus's latents.

x_0 are the normalised latents of windows drawn at any frame, t is uniform, the noise is Gaussian, the loss is the squared error of x_0 (divided by
1 - abar for v-prediction, which makes it the error of the network's own output), separators do not count; text, audio and speaker are taken away
together from a tenth of the samples. Source: METHOD part I (b) "Training"; TRAINING "The denoiser" for AdamW 1e-3, cosine, EMA and clipping.
Differs from the released code: AdamW, warm-up, clipping and an average of the weights; timesteps are spread evenly over each batch; a run is
bounded by steps or by minutes and resumes to the same curve (with ``steps``).
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from raggesture.body.joints import PARTS, LatentLayout
from raggesture.clock import CHUNK_FRAMES
from raggesture.diffusion.loss import x0_loss
from raggesture.diffusion.noise import N_TIMESTEPS, NoiseSchedule, published
from raggesture.errors import ConfigError, ModelError
from raggesture.models.codec import BodyCodec
from raggesture.models.conditions import Conditions
from raggesture.models.denoiser import Denoiser, DenoiserConfig
from raggesture.training.curves import CurvePoint, append_point, drop_after
from raggesture.training.dataset import MotionDataset
from raggesture.training.ema import Ema
from raggesture.training.state import BestWeights, Progress, TrainingState

STATE_FILE = "state.safetensors"
CURVE_FILE = "curve.csv"
BEST_FILE = "best.safetensors"
NOISY_TIMESTEP = 800


@dataclass(frozen=True, slots=True)
class DenoiserTraining:
    """How to train. Exactly one of ``steps`` and ``minutes`` bounds the run; the learning rate falls to 0 at its end.

    ``part_weights``: weight of upper, hands, face and lower in the loss. ``spread_power``: a latent dimension's error counts by its spread before
    normalisation to this power (0: all alike, 2: as it moves the body). ``condition_noise``: noise on text and audio, one draw a second, in units of
    their spread; it keeps a window's words from being a fingerprint of its motion. ``keep_best``: return the averaged weights of the best
    measurement on the held-out corpus instead of the last. ``autocast``: bfloat16 inside the network (slower than float32 on CPUs
    without bf16 instructions). ``held_out_windows``: how many fixed windows of the held-out corpus are measured.
    """

    steps: int | None = None
    minutes: float | None = None
    batch: int = 64
    learning_rate: float = 1e-3
    warmup: float = 0.03
    weight_decay: float = 0.01
    clip: float = 1.0
    condition_dropout: float = 0.1
    ema_decay: float = 0.999
    part_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    spread_power: float = 0.0
    condition_noise: float = 0.0
    keep_best: bool = False
    autocast: bool = False
    report_every: int = 50
    measure_every: int = 500
    save_every: int = 500
    held_out_windows: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ConfigError(f"training: steps {self.steps}, minutes {self.minutes}; expected exactly one of them - give one")
        if (self.steps or self.minutes or 0) <= 0 or self.batch < 1:
            raise ConfigError(f"training: steps {self.steps}, minutes {self.minutes}, batch {self.batch}; expected positive numbers - correct them")

    def share_done(self, progress: Progress) -> float:
        """Share of the run that lies behind, 0 to 1."""
        done = progress.step / self.steps if self.steps is not None else progress.seconds / (60.0 * (self.minutes or 1.0))
        return min(done, 1.0)

    def rate_at(self, share: float) -> float:
        """Learning rate after a share of the run: linear warm-up, then half a cosine down to 0."""
        if share < self.warmup:
            return self.learning_rate * (0.02 + 0.98 * share / self.warmup)
        return self.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (share - self.warmup) / (1.0 - self.warmup)))


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
    """Draws batches of one corpus; all randomness comes from the generator that is passed in, on the CPU."""

    dataset: MotionDataset
    codec: BodyCodec

    def draw(self, count: int, generator: torch.Generator, dropout: float = 0.0, condition_noise: float = 0.0) -> Batch:
        """Windows, timesteps spread evenly over the batch, noise, and whose condition is taken away or blurred."""
        clip, start = self.dataset.draw(count, generator)
        device = self.dataset.upper.device
        x_0 = self.codec.encode(self.dataset.motion_windows(clip, start, self.codec.context_frames))
        offset = torch.rand(1, generator=generator, dtype=torch.float64)
        spread = (torch.randperm(count, generator=generator) + offset) / count
        t = (spread * N_TIMESTEPS).long().clamp_max(N_TIMESTEPS - 1)
        eps = torch.randn(x_0.shape, generator=generator)
        conditioned = torch.rand(count, generator=generator) >= dropout
        conditions = self.dataset.conditions(clip, start)
        if condition_noise > 0:
            conditions = blurred(conditions, condition_noise, generator)
        return Batch(x_0, conditions, t.to(device), eps.to(device), conditioned.to(device))


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


def batch_loss(denoiser: Denoiser, batch: Batch, schedule: NoiseSchedule, mask: Tensor, autocast: bool = False, root: Tensor | None = None) -> Tensor:
    """The loss of one batch, a scalar; ``root`` (T, D) of ``spread_weights``, or None for 1."""
    noisy = schedule.at_timestep(batch.x_0, batch.eps, batch.t)
    with torch.autocast(noisy.device.type, dtype=torch.bfloat16, enabled=autocast):
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


def _optimizer(denoiser: Denoiser, options: DenoiserTraining) -> torch.optim.AdamW:
    matrices = [value for value in denoiser.parameters() if value.ndim >= 2]
    vectors = [value for value in denoiser.parameters() if value.ndim < 2]
    groups = [{"params": matrices, "weight_decay": options.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=options.learning_rate, betas=(0.9, 0.99), fused=True)


def _setting(config: DenoiserConfig, options: DenoiserTraining, source: BatchSource) -> str:
    names = hashlib.sha256("\n".join(source.dataset.names).encode()).hexdigest()[:16]
    data = {"clips": names, "frames": source.dataset.frames, "codec": round(float(source.codec.latent_std.double().sum()), 4)}
    return json.dumps({"denoiser": config.to_json()} | asdict(options) | data, sort_keys=True)


class _Run:
    """One training run: its moving parts and its clock."""

    def __init__(self, source: BatchSource, config: DenoiserConfig, options: DenoiserTraining) -> None:
        self.source, self.options = source, options
        device = source.dataset.upper.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            self.denoiser = Denoiser(config).to(device)
            self.averaged = Denoiser(config).to(device).eval()
        self.generator = torch.Generator().manual_seed(options.seed)
        self.ema = Ema(self.denoiser, options.ema_decay)
        self.optimizer = _optimizer(self.denoiser, options)
        self.state = TrainingState(self.denoiser, self.ema, self.optimizer, self.generator)
        self.setting = _setting(config, options, source)
        self.schedule = published()
        self.mask = loss_mask(self.denoiser.layout, options.part_weights).to(device)
        self.best: BestWeights | None = None
        self.root = spread_weights(source.codec, self.denoiser.layout, options.spread_power) if options.spread_power else None
        self.progress = Progress()

    def step(self) -> tuple[float, float]:
        """One step of gradient descent: (loss, norm of the gradient)."""
        began = time.perf_counter()
        rate = self.options.rate_at(self.options.share_done(self.progress))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch = self.source.draw(self.options.batch, self.generator, self.options.condition_dropout, self.options.condition_noise)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.options.seed + self.progress.step)  # the network's own dropout, if it has any
            loss = batch_loss(self.denoiser, batch, self.schedule, self.mask, self.options.autocast, self.root)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.denoiser.parameters(), self.options.clip)
        self.optimizer.step()
        done = self.progress.step + 1
        self.ema.update(self.denoiser, done)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ModelError(f"training: loss {value} at step {done}; expected a finite number - lower the learning rate")
        self.progress = Progress(done, self.progress.seconds + time.perf_counter() - began)
        return value, float(norm)

    def average(self) -> Denoiser:
        """The averaged weights as a module."""
        self.ema.copy_to(self.averaged)
        return self.averaged

    def keep(self, held_out: float, folder: Path | None) -> None:
        """Remember the averaged weights if no measurement was better."""
        if not self.options.keep_best or math.isnan(held_out) or (self.best is not None and held_out >= self.best.held_out):
            return
        self.best = BestWeights(held_out, self.progress.step, {name: value.clone() for name, value in self.ema.weights.items()})
        if folder is not None:
            self.best.save(folder / BEST_FILE, self.setting)

    def result(self) -> Denoiser:
        """The averaged weights of the best measurement, or of the end."""
        if self.best is not None:
            self.ema.weights = self.best.weights
        return self.average().eval().requires_grad_(False)


def train_denoiser(
    dataset: MotionDataset,
    codec: BodyCodec,
    config: DenoiserConfig,
    options: DenoiserTraining,
    *,
    held_out: MotionDataset | None = None,
    folder: Path | None = None,
    resume: bool = False,
    progress: Callable[[CurvePoint, float], None] | None = None,
) -> Denoiser:
    """Train and return the averaged denoiser in eval mode. The device is the dataset's.

    Args:
        folder: where the state and the curve (CSV) are kept; nothing is written when None. resume: go on from the folder's state if there is one.
        progress: told each point of the curve and the share of the run that is done.
    Raises:
        ModelError: the folder's state belongs to another run, or the loss is no longer finite.
    """
    codec = codec.to(dataset.upper.device)
    run = _Run(BatchSource(dataset, codec), config, options)
    measured = None if held_out is None else HeldOut.of(BatchSource(held_out.to(dataset.upper.device), codec), options.held_out_windows, options.batch)
    if folder is not None:
        _begin(run, folder, resume)
    losses: list[float] = []
    clock = run.progress
    while options.share_done(run.progress) < 1.0:
        loss, norm = run.step()
        losses.append(loss)
        at, last = run.progress.step, options.share_done(run.progress) >= 1.0
        if at % options.report_every == 0 or last:
            figures = (math.nan, math.nan)
            if measured is not None and (at % options.measure_every == 0 or last):
                figures = measured.measure(run.average(), run.schedule, run.mask)
                run.keep(figures[0], folder)
            seconds = max(run.progress.seconds - clock.seconds, 1e-9)
            rate = float(run.optimizer.param_groups[0]["lr"])
            point = CurvePoint(at, run.progress.seconds / 60, sum(losses) / len(losses), rate, norm, *figures, (at - clock.step) / seconds)
            losses, clock = [], run.progress
            if folder is not None:
                append_point(folder / CURVE_FILE, point)
            if progress is not None:
                progress(point, options.share_done(run.progress))
        if folder is not None and (at % options.save_every == 0 or last):
            run.state.save(folder / STATE_FILE, run.progress, run.setting)
    return run.result()


def _begin(run: _Run, folder: Path, resume: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if resume and (folder / STATE_FILE).is_file():
        run.progress = run.state.restore(folder / STATE_FILE, run.setting)
        drop_after(folder / CURVE_FILE, run.progress.step)
        run.best = BestWeights.load(folder / BEST_FILE, run.setting, run.progress.step)
    else:
        for name in (STATE_FILE, CURVE_FILE, BEST_FILE):
            (folder / name).unlink(missing_ok=True)
