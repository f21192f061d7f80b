"""Exponential moving average of a module's weights: what is kept of a training run."""

from __future__ import annotations

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
        for name, value in module.named_parameters():
            value.copy_(self.weights[name])
