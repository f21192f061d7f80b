"""Teach a gesture planner from labels: cross-entropy of every frame's distribution over the gestures' strokes. See ``models/planner.py``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from raggesture.clock import WINDOW_FRAMES
from raggesture.models.planner import GesturePlanner
from raggesture.training.dataset import MotionDataset
from raggesture.training.denoiser import corpus_setting, published_windows
from raggesture.training.loop import Measured, Outcome, Report, train
from raggesture.training.optimisation import Optimisation, Optimizer
from raggesture.training.processes import Processes
from raggesture.training.strokes import Strokes

NEAR_FRAMES = 3
"""A stroke counts as named where its gesture has more chance than any other within this many frames."""


@dataclass(frozen=True, slots=True)
class PlannerTraining(Optimisation):
    """How to teach a planner: a small network that learns from few strokes, hence the decay and the best weights."""

    batch: int = 64
    optimizer: Optimizer = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.05
    clip: float = 1.0
    keep_best: bool = True


def plan_loss(logits: Tensor, gesture: Tensor, share: Tensor) -> Tensor:
    """Mean over frames of the cross-entropy with "none" for 1 - share and the gesture for share; logits (B, F, 1 + G), others (B, F)."""
    chances = logits.float().log_softmax(-1)
    of_gesture = chances.gather(-1, gesture[..., None] + 1)[..., 0]
    return -(share * of_gesture + (1 - share) * chances[..., 0]).mean()


@torch.no_grad()
def named(logits: Tensor, gesture: Tensor, share: Tensor) -> tuple[int, int]:
    """Of the strokes in a batch: how many have the most likely gesture within ``NEAR_FRAMES``, and how many there are."""
    chances = logits.float().softmax(-1)[..., 1:]
    near = nn.functional.avg_pool1d(chances.transpose(1, 2), 2 * NEAR_FRAMES + 1, 1, NEAR_FRAMES, count_include_pad=True).transpose(1, 2)
    there = share >= 0.5
    right = near.argmax(-1)[there] == gesture[there]
    return int(right.sum()), int(there.sum())


class PlannerObjective(nn.Module):
    """A planner with its loss."""

    def __init__(self, planner: GesturePlanner) -> None:
        super().__init__()
        self.planner = planner

    def forward(self, text: Tensor, audio: Tensor, gesture: Tensor, share: Tensor) -> Tensor:
        """The mean loss of a batch of windows."""
        return plan_loss(self.planner(text, audio), gesture, share)


@dataclass(frozen=True, slots=True, eq=False)
class TaughtFrom:
    """A dataset and the strokes of its clips."""

    dataset: MotionDataset
    strokes: Strokes

    def windows(self, clip: Tensor, start: Tensor, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Text, audio, gesture and share of windows, on ``device``."""
        conditions = self.dataset.conditions(clip, start)
        gesture, share = self.strokes.windows(self.dataset, clip, start, WINDOW_FRAMES)
        return conditions.text.to(device), conditions.audio.to(device), gesture.to(device), share.to(device)


@dataclass(frozen=True, slots=True, eq=False)
class PlannerTask:
    """A planner to teach, for ``loop.train``. ``held``: fixed held-out windows, in batches."""

    objective: PlannerObjective
    source: TaughtFrom
    options: PlannerTraining
    held: tuple[tuple[Tensor, Tensor, Tensor, Tensor], ...]
    device: torch.device
    name: str = field(default="planner", init=False)

    @property
    def setting(self) -> Mapping[str, Any]:
        """The network and the corpus."""
        shapes = {name: list(value.shape) for name, value in self.objective.named_parameters()}
        return {"planner": shapes, "gestures": list(self.source.strokes.gestures), **corpus_setting(self.source.dataset)}

    @property
    def samples_per_epoch(self) -> int:
        """As many as there are published windows."""
        return published_windows(self.source.dataset)

    def draw(self, count: int, rows: slice, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Windows and their strokes."""
        clip, start = self.source.dataset.draw(count, generator)
        text, audio, gesture, share = self.source.windows(clip[rows], start[rows], self.device)
        return text, audio, gesture, share

    @torch.no_grad()
    def measure(self) -> Measured:
        """Loss on held-out windows, and the share of their strokes whose gesture is not the most likely one."""
        if not self.held:
            return Measured()
        loss, right, count = 0.0, 0, 0
        for text, audio, gesture, share in self.held:
            logits = self.objective.planner(text, audio)
            loss += float(plan_loss(logits, gesture, share))
            hits, strokes = named(logits, gesture, share)
            right, count = right + hits, count + strokes
        return Measured(loss / len(self.held), math.nan, 1 - right / max(count, 1))

    def validate(self) -> float:
        """Nothing is sampled."""
        return math.nan


def standardise(planner: GesturePlanner, dataset: MotionDataset, windows: int = 512) -> None:
    """Set the planner's mean and spread of words' vectors from windows of a dataset."""
    clip, start = dataset.draw(windows, torch.Generator().manual_seed(20_260_102))
    text = dataset.conditions(clip, start).text
    spoken = text[text.any(-1)]
    if len(spoken) > 1:
        planner.text_mean.copy_(spoken.mean(0))
        planner.text_std.copy_(spoken.std(0).clamp_min(1e-4 * float(spoken.std()) + 1e-8))


def train_planner(
    planner: GesturePlanner,
    source: TaughtFrom,
    options: PlannerTraining,
    *,
    held_out: TaughtFrom | None = None,
    folder: Path | None = None,
    resume: bool = False,
    progress: Report | None = None,
    processes: Processes | None = None,
) -> Outcome:
    """Teach ``planner`` in place and say what came of it. See ``loop.train``."""
    processes = processes or Processes()
    standardise(planner, source.dataset)
    held: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    if held_out is not None:
        clip, start = held_out.dataset.draw(options.held_out_windows, torch.Generator().manual_seed(20_260_101))
        held = [held_out.windows(clip[at : at + 64], start[at : at + 64], processes.device) for at in range(0, len(clip), 64)]
    task = PlannerTask(PlannerObjective(planner).to(processes.device), source, options, tuple(held), processes.device)
    return train(task, options, processes, folder=folder, resume=resume, progress=progress)
