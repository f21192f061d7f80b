"""Train the published auto-encoder of one body part.

The release holds the auto-encoders' network and weights, not how they were trained. The loss here is the usual one of motion VAEs (MLD; EMAGE):
the squared error of the features, of their velocity and of their acceleration, and the divergence of the posterior from a standard normal distribution.
Every weight is an option. Source: METHOD part I (b) "Auto-encoder".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from raggesture.body.features import PartFeatures
from raggesture.body.joints import Part
from raggesture.clock import WINDOW_CHUNKS
from raggesture.models.vae import TransformerVae, VaeConfig
from raggesture.training.dataset import MotionDataset
from raggesture.training.denoiser import corpus_setting, published_windows
from raggesture.training.loop import Measured, Outcome, Report, train
from raggesture.training.optimisation import Optimisation
from raggesture.training.processes import Processes


@dataclass(frozen=True, slots=True)
class VaeTraining(Optimisation):
    """How to train an auto-encoder. The weights are those of the terms of the loss; ``acceleration`` and ``velocity`` are per frame at 15 fps."""

    reconstruction: float = 1.0
    velocity: float = 1.0
    acceleration: float = 1.0
    kl: float = 1e-4


def divergence(mean: Tensor, raw: Tensor, kind: str) -> Tensor:
    """KL divergence of the posterior from N(0, 1), the mean over all dimensions; ``raw`` is what ``TransformerVae.distribution`` gives."""
    log_variance = raw if kind == "normal" else 2.0 * (nn.functional.softplus(raw) + 1e-8).log()
    return 0.5 * (log_variance.exp() + mean.square() - 1.0 - log_variance).mean()


def motion_error(decoded: Tensor, wanted: Tensor, options: VaeTraining) -> Tensor:
    """Weighted squared errors of features (B, F, n), of their first and of their second difference along F."""
    gap = decoded - wanted
    velocity, acceleration = gap.diff(dim=1), gap.diff(n=2, dim=1)
    terms = (options.reconstruction * gap.square().mean(), options.velocity * velocity.square().mean(), options.acceleration * acceleration.square().mean())
    return terms[0] + terms[1] + terms[2]


class VaeObjective(nn.Module):
    """An auto-encoder with its loss."""

    def __init__(self, vae: TransformerVae, options: VaeTraining) -> None:
        super().__init__()
        self.vae, self.options = vae, options

    def forward(self, features: Tensor, noise: Tensor) -> Tensor:
        """features (B, F, n), noise (B, C, D) of N(0, 1) -> the mean loss. One pass through the encoder."""
        mean, raw = self.vae.distribution(features)
        mean, raw = mean.float(), raw.float()
        kind = self.vae.config.vae_dist
        spread = (0.5 * raw).exp() if kind == "normal" else nn.functional.softplus(raw) + 1e-8
        decoded = self.vae.decode(mean + spread * noise).float()
        return motion_error(decoded, features, self.options) + self.options.kl * divergence(mean, raw, kind)


@dataclass(frozen=True, slots=True, eq=False)
class VaeTask:
    """An auto-encoder to train, for ``loop.train``. ``held``: features (H, F, n) of held-out windows, or None."""

    objective: VaeObjective
    dataset: MotionDataset
    part: Part
    device: torch.device
    held: Tensor | None
    name: str = field(default="vae", init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"vae {self.part}")

    @property
    def setting(self) -> Mapping[str, Any]:
        """The network and the corpus."""
        return {"part": self.part, "vae": self.objective.vae.config.to_json(), **corpus_setting(self.dataset)}

    @property
    def samples_per_epoch(self) -> int:
        """As many as there are published windows."""
        return published_windows(self.dataset)

    def draw(self, count: int, rows: slice, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Windows of the part, and the posterior's noise."""
        clip, start = self.dataset.draw(count, generator)
        noise = torch.randn((count, WINDOW_CHUNKS, self.objective.vae.latent_dim), generator=generator)
        features = self.dataset.motion_windows(clip[rows], start[rows], 0).part(self.part)
        return features.to(self.device), noise[rows].to(self.device)

    @torch.no_grad()
    def measure(self) -> Measured:
        """Loss at the posterior's mean, and squared error over the features' variance, on held-out windows."""
        if self.held is None:
            return Measured()
        loss, error, count = 0.0, 0.0, 0
        for rows in torch.split(self.held, 32):
            features = rows.to(self.device)
            decoded = self.objective.vae.decode(self.objective.vae.encode(features)).float()
            loss += float(motion_error(decoded, features, self.objective.options)) * len(rows)
            error += float((decoded - features).square().mean()) * len(rows)
            count += len(rows)
        centred = self.held - self.held.mean(dim=(0, 1))
        return Measured(loss / count, math.nan, error / count / max(float(centred.square().mean()), 1e-12))

    def validate(self) -> float:
        """Nothing is sampled."""
        return math.nan


def vae_task(dataset: MotionDataset, part: Part, config: VaeConfig, options: VaeTraining, device: torch.device, held_out: MotionDataset | None) -> VaeTask:
    """A task with fresh weights from the options' seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        vae = TransformerVae(config)
    held = None
    if held_out is not None:
        clip, start = held_out.draw(options.held_out_windows, torch.Generator().manual_seed(20_260_101))
        windows: PartFeatures = held_out.motion_windows(clip, start, 0)
        held = windows.part(part).cpu()
    return VaeTask(VaeObjective(vae, options).to(device), dataset, part, device, held)


def train_vae(
    dataset: MotionDataset,
    part: Part,
    config: VaeConfig,
    options: VaeTraining,
    *,
    held_out: MotionDataset | None = None,
    folder: Path | None = None,
    resume: bool = False,
    progress: Report | None = None,
    processes: Processes | None = None,
) -> tuple[TransformerVae, Outcome]:
    """Train and return the auto-encoder of a part in eval mode, and what the run says of itself. See ``loop.train``."""
    processes = processes or Processes()
    task = vae_task(dataset, part, config, options, processes.device, held_out)
    outcome = train(task, options, processes, folder=folder, resume=resume, progress=progress)
    return task.objective.vae, outcome
