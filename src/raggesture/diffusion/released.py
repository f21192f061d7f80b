"""The released code's inversion and guided loop, faults included, held by the goldens and reached through the profile ``released``.

Arrays here run **clean to noisy** as there: entry i belongs to spaced step i, 0 is the cleanest. Source: METHOD part I (c) and part II 1-3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from raggesture.diffusion.ddim import Denoise, Guide, eps_of
from raggesture.diffusion.noise import NoiseSchedule


def invert(denoise: Denoise, x_0: Tensor, schedule: NoiseSchedule) -> Tensor:
    """DDIM inversion as released: (K, B, T, D), entry i is at the level of step i + 1, the last is pure predicted noise."""
    x, states = x_0, []
    for step in range(schedule.n_steps - 1, -1, -1):
        abar_next = schedule.abar(step - 1) if step > 0 else 0.0
        predicted = denoise(x, schedule.timestep(step))
        x = math.sqrt(abar_next) * predicted + math.sqrt(1.0 - abar_next) * eps_of(x, predicted, schedule.abar(step))
        states.append(x)
    return torch.stack(states)


@dataclass(frozen=True, slots=True, eq=False)
class ReleasedGuidance:
    """What the released guided loop does before each call of the denoiser.

    ``inverted``: (K, B, T, D) entries of ``invert`` pasted into zeros, entry i used at spaced step i. ``iterations`` and ``lr``: gradient steps on the mean
    squared error over all elements. ``noise``: (K, T, D) or (K, B, T, D). ``first``: (B, T, D) pasted in the noisiest step only (the previous window in
    long form). ``overwrite``: the released fault, the guided positions are replaced by re-noised entries; False gives what the loop
    would do without the shadowed variable.
    """

    schedule: NoiseSchedule
    inverted: Tensor
    iterations: Sequence[int]
    lr: float
    noise: Tensor
    first: Tensor | None = None
    overwrite: bool = True

    def __call__(self, step: int, x: Tensor) -> Tensor:
        """Return x as the released loop hands it to the denoiser at ``step`` (step 0 noisiest)."""
        i = self.schedule.n_steps - 1 - step
        if step == 0:
            return x if self.first is None else replace_nonzero(self.schedule, self.first, self.noise, step, x)
        entry = self.inverted[i]
        guided = (entry != 0).any(-1, keepdim=True).to(x.dtype)
        for _ in range(self.iterations[i]):  # one by one: float32 rounds each of these tiny steps
            x = x - self.lr * (2.0 / x.numel() * (x * guided - entry) * guided)
        return replace_nonzero(self.schedule, entry, self.noise, step, x) if self.overwrite else x


def replace_nonzero(schedule: NoiseSchedule, known: Tensor, noise: Tensor, step: int, x: Tensor) -> Tensor:
    """Replace the values of x where ``known`` is not zero by ``known`` noised to the level of ``step``; ``noise`` is indexed by spaced step."""
    i = schedule.n_steps - 1 - step
    return torch.where(known != 0, schedule.at_step(known, noise[i].expand_as(known), step), x)


def outpaint(schedule: NoiseSchedule, known: Tensor, noise: Tensor) -> Guide:
    """The released outpainting: ``replace_nonzero`` at every step."""

    def guide(step: int, x: Tensor) -> Tensor:
        return replace_nonzero(schedule, known, noise, step, x)

    return guide
