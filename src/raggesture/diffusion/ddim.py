"""DDIM: from noise to clean latents in K deterministic steps, and back up.

The denoiser is a callable ``denoise(x, t) -> x_0`` with x (B, T, D) and t an original timestep. Nothing here draws random numbers.
Source: Song et al. 2021, "Denoising Diffusion Implicit Models", equation 12 with sigma 0; METHOD part I (c).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from raggesture.diffusion.noise import NoiseSchedule

Denoise = Callable[[Tensor, int], Tensor]
"""(x_t (B, T, D), original timestep) -> x_0 (B, T, D)."""
Guide = Callable[[int, Tensor], Tensor]
"""(step, x_t) -> x_t, applied before the denoiser sees it. Step 0 is the noisiest."""
Observe = Callable[[int, Tensor, Tensor], None]
"""Called after each step with (step, the state after it, the predicted x_0)."""


def eps_of(x: Tensor, x_0: Tensor, abar: float) -> Tensor:
    """The noise that makes ``x`` out of ``x_0`` at level ``abar``: ``(x / sqrt(abar) - x_0) / sqrt(1 / abar - 1)``."""
    return (x * math.sqrt(1.0 / abar) - x_0) / math.sqrt(1.0 / abar - 1.0)


def move(x: Tensor, x_0: Tensor, abar: float, abar_to: float) -> Tensor:
    """Carry ``x`` from level ``abar`` to level ``abar_to`` along its predicted ``x_0`` and noise (eta 0)."""
    return math.sqrt(abar_to) * x_0 + math.sqrt(1.0 - abar_to) * eps_of(x, x_0, abar)


def sample(denoise: Denoise, x_T: Tensor, schedule: NoiseSchedule, *, guide: Guide | None = None, observe: Observe | None = None) -> Tensor:
    """Denoise ``x_T`` (B, T, D) at the level of step 0 down to clean latents.

    Args:
        denoise: the bound denoiser. x_T: start latents. guide: moves x before the denoiser at every step. observe: sees every step.

    Returns: x_0 (B, T, D).

    Differs from the released code: no random number is drawn (there one unused tensor per step).
    """
    x = x_T
    for step in range(schedule.n_steps):
        if guide is not None:
            x = guide(step, x)
        x_0 = denoise(x, schedule.timestep(step))
        x = move(x, x_0, schedule.abar(step), schedule.abar(step + 1))
        if observe is not None:
            observe(step, x, x_0)
    return x


def invert(denoise: Denoise, x_0: Tensor, schedule: NoiseSchedule) -> Tensor:
    """Carry clean latents up to the schedule's noisiest level and keep the latent at the level of every step.

    Each move uses the noise predicted where it starts (DDIM run backwards). The first one, from clean to the least noisy step, has no
    level of its own to predict at: the denoiser is asked at that step's timestep.

    Returns: (K, B, T, D); entry k is the latent at the noise level of step k (step 0 noisiest), so ``result[0]`` starts ``sample``.

    Differs from the released code: entry k is at the level of step k (there one level off), and the last move ends at the schedule's
    noisiest level (there at pure predicted noise, because the next abar is taken as 0).
    """
    last = schedule.n_steps - 1
    x = x_0
    predicted = denoise(x, schedule.timestep(last))
    x = schedule.at_step(x_0, eps_of(x, predicted, schedule.abar(last)), last)
    levels = [x]
    for step in range(last, 0, -1):
        x = move(x, denoise(x, schedule.timestep(step)), schedule.abar(step), schedule.abar(step - 1))
        levels.append(x)
    return torch.stack(levels[::-1])
