"""Exponential moving average of a module's weights: what is kept of a training run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """Average of the parameters after each step; the decay grows with the number of steps, so that a short run is not held back by its start."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, Tensor] = {name: value.detach().clone() for name, value in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take in the weights after ``step`` (1, 2, ...)."""
        decay = min(self.decay, (1.0 + step) / (10.0 + step))
        values = [value.detach() for _, value in module.named_parameters()]
        torch._foreach_lerp_(list(self.weights.values()), values, 1.0 - decay)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Put the averages into a module of the same shape."""
        put_weights(module, self.weights)


@torch.no_grad()
def put_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy named values into a module's parameters."""
    for name, value in module.named_parameters():
        value.copy_(weights[name])


@contextmanager
def averaged(module: nn.Module, ema: Ema | None) -> Iterator[None]:
    """The module in eval mode and with its averages, if there are any; afterwards as it was."""
    training = module.training
    kept = None if ema is None else {name: value.detach().clone() for name, value in module.named_parameters()}
    if ema is not None:
        ema.copy_to(module)
    module.eval()
    try:
        yield
    finally:
        module.train(training)
        if kept is not None:
            put_weights(module, kept)
