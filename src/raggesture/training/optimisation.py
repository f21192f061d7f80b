"""How a network is trained: length of the run, optimiser, learning rate, precision, what is written and when.

The defaults are the published ones: Adam at 1e-4 without decay, warm-up, clipping or averaging, half a cosine per iteration down to a millionth of the
rate. Source: METHOD part I (b) "Training".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, get_args

import torch
from torch import nn

from raggesture.errors import ConfigError, did_you_mean

Optimizer = Literal["adam", "adamw"]
Precision = Literal["float32", "bfloat16", "float16"]
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_T = TypeVar("_T", bound="Optimisation")


@dataclass(frozen=True, slots=True)
class Progress:
    """Steps done and seconds spent on them."""

    step: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Optimisation:
    """Exactly one of ``steps``, ``minutes`` and ``epochs`` bounds the run; the learning rate falls to ``final_rate`` of itself at its end.

    ``batch``: samples a step, of all processes together. ``warmup``: share of the run in which the rate rises. ``clip``: largest norm of the gradient, 0
    for none. ``ema_decay``: of the average of the weights, which is what is kept; 0 keeps the weights themselves. ``weight_decay``: of matrices.
    ``keep_best``: give back the weights of the best measurement on the held-out corpus instead of the last. ``precision``: inside the network; weights stay
    float32. ``compile``: torch.compile. ``*_every``: in steps; ``validate_every`` 0 for never.
    """

    steps: int | None = None
    minutes: float | None = None
    epochs: float | None = None
    batch: int = 128
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    warmup: float = 0.0
    final_rate: float = 1e-6
    clip: float = 0.0
    ema_decay: float = 0.0
    keep_best: bool = False
    precision: Precision = "float32"
    compile: bool = False
    report_every: int = 50
    measure_every: int = 500
    save_every: int = 500
    validate_every: int = 0
    held_out_windows: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        bounds = (self.steps, self.minutes, self.epochs)
        if sum(bound is not None for bound in bounds) != 1:
            raise ConfigError(f"training: steps {self.steps}, minutes {self.minutes}, epochs {self.epochs}; expected exactly one of them - give one")
        if any(bound is not None and bound <= 0 for bound in bounds) or self.batch < 1 or min(self.report_every, self.measure_every, self.save_every) < 1:
            raise ConfigError(f"training: length {next(b for b in bounds if b is not None)}, batch {self.batch}; expected positive numbers - correct them")
        for name, value, known in (("optimizer", self.optimizer, get_args(Optimizer)), ("precision", self.precision, get_args(Precision))):
            if value not in known:
                raise ConfigError(f"training.{name}: {value!r}; {did_you_mean(value, known)}")

    def share_done(self, progress: Progress) -> float:
        """Share of the run that lies behind, 0 to 1."""
        done = progress.step / self.steps if self.steps is not None else progress.seconds / (60.0 * (self.minutes or math.inf))
        return min(done, 1.0)

    def rate_at(self, share: float) -> float:
        """Learning rate after a share of the run: linear warm-up, then half a cosine down to ``final_rate`` of the full rate."""
        if share < self.warmup:
            return self.learning_rate * (0.02 + 0.98 * share / self.warmup)
        fall = 0.5 * (1.0 + math.cos(math.pi * (share - self.warmup) / (1.0 - self.warmup)))
        return self.learning_rate * (self.final_rate + (1.0 - self.final_rate) * fall)

    @property
    def dtype(self) -> torch.dtype:
        """Of the arithmetic inside the network."""
        return _DTYPES[self.precision]


def in_steps(options: _T, samples_per_epoch: int) -> _T:
    """The same options with epochs counted as steps."""
    if options.epochs is None:
        return options
    return replace(options, steps=max(1, math.ceil(options.epochs * samples_per_epoch / options.batch)), epochs=None)


def make_optimizer(module: nn.Module, options: Optimisation) -> torch.optim.Optimizer:
    """Adam or AdamW over a module's parameters; vectors (biases, norms) are not decayed."""
    parameters = [value for value in module.parameters() if value.requires_grad]
    groups = [
        {"params": [value for value in parameters if value.ndim >= 2], "weight_decay": options.weight_decay},
        {"params": [value for value in parameters if value.ndim < 2], "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    return kind([group for group in groups if group["params"]], lr=options.learning_rate, betas=options.betas, fused=True)
