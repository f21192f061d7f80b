"""DPM-Solver++(2M): from noise to clean latents in few steps, and back up. DDIM's move, with the predicted x_0 carried on along its last change.

The exponential integrator of the probability flow in data-prediction form: between two levels ``x_0`` is a line in half the logarithm of signal over
noise instead of a constant, whose slope is that of the last two predictions. With a constant it is DDIM. Source: Lu et al. 2022, "DPM-Solver++",
algorithm 2; TRAINING "Few steps". Nothing of this is in the released code.
"""

from __future__ import annotations

import torch
from torch import Tensor

from raggesture.diffusion.ddim import Denoise, Guide, Observe, eps_of, move
from raggesture.diffusion.noise import NoiseSchedule


def sample(denoise: Denoise, x_T: Tensor, schedule: NoiseSchedule, *, guide: Guide | None = None, observe: Observe | None = None) -> Tensor:
    """Denoise ``x_T`` (B, T, D) at the level of step 0 down to clean latents.

    The first step has no past and the last one arrives: both are DDIM's.

    Args:
        denoise: the bound denoiser. x_T: start latents. guide: moves x before the denoiser at every step. observe: sees every step.

    Returns: x_0 (B, T, D).
    """
    x, before = x_T, None
    for step in range(schedule.n_steps):
        if guide is not None:
            x = guide(step, x)
        x_0 = denoise(x, schedule.timestep(step))
        meant = x_0 if before is None or step == schedule.n_steps - 1 else _ahead(x_0, before, schedule, step - 1, step, step + 1)
        x = move(x, meant, schedule.abar(step), schedule.abar(step + 1))
        before = x_0
        if observe is not None:
            observe(step, x, x_0)
    return x


def invert(denoise: Denoise, x_0: Tensor, schedule: NoiseSchedule) -> Tensor:
    """Carry clean latents up to the schedule's noisiest level and keep the latent at the level of every step.

    The same integrator run backwards: each move's ``x_0`` is carried on from the two predictions below it. The first move, from clean to the least
    noisy step, asks at that step's timestep.

    Returns: (K, B, T, D); entry k is the latent at the noise level of step k (step 0 noisiest), so ``result[0]`` starts ``sample``.
    """
    last = schedule.n_steps - 1
    x = schedule.at_step(x_0, eps_of(x_0, denoise(x_0, schedule.timestep(last)), schedule.abar(last)), last)
    levels, before = [x], None
    for step in range(last, 0, -1):
        found = denoise(x, schedule.timestep(step))
        meant = found if before is None else _ahead(found, before, schedule, step + 1, step, step - 1)
        x = move(x, meant, schedule.abar(step), schedule.abar(step - 1))
        levels.append(x)
        before = found
    return torch.stack(levels[::-1])


def _ahead(here: Tensor, before: Tensor, schedule: NoiseSchedule, past: int, step: int, to: int) -> Tensor:
    """The prediction in the middle of the way from ``step`` to step ``to``, on the line through those at ``past`` and ``step``."""
    way, last_way = schedule.log_snr(to) - schedule.log_snr(step), schedule.log_snr(step) - schedule.log_snr(past)
    return here + (here - before) * (way / (2.0 * last_way))
