"""Inpainting: at every step the known tokens are replaced by their clean latents noised to that step's level.

Source: METHOD part I (c) "Outpainting". Differs from the released code: known tokens are a mask, not "any value that is not zero", and
``paste`` puts the clean latents back at the end.
"""

from __future__ import annotations

import torch
from torch import Tensor

from raggesture.diffusion.noise import NoiseSchedule
from raggesture.errors import ConfigError


class Inpaint:
    """A guide that replaces the masked tokens by ``known`` at each step's level."""

    def __init__(self, known: Tensor, mask: Tensor, noise: Tensor, schedule: NoiseSchedule) -> None:
        """Hold what is known.

        Args:
            known: (B, T, D) clean latents. mask: (B, T) bool. noise: (K, B, T, D) one draw per step, or (B, T, D) the same at every step
            (then the known tokens follow one straight path). schedule: the sampler's.
        """
        if mask.dtype != torch.bool or mask.shape != known.shape[:2]:
            raise ConfigError(f"inpaint: mask {tuple(mask.shape)} {mask.dtype}; expected bool {tuple(known.shape[:2])} - correct it")
        if noise.ndim == 4 and noise.shape[0] != schedule.n_steps:
            raise ConfigError(f"inpaint: noise for {noise.shape[0]} steps; expected {schedule.n_steps} - draw as many as the sampler has")
        self._known, self._mask, self._noise, self._schedule = known, mask[..., None], noise, schedule

    def __call__(self, step: int, x: Tensor) -> Tensor:
        """Return x (B, T, D) with the known tokens at the level of ``step``."""
        noise = self._noise[step] if self._noise.ndim == 4 else self._noise
        return torch.where(self._mask, self._schedule.at_step(self._known, noise, step), x)


def paste(x_0: Tensor, known: Tensor, mask: Tensor) -> Tensor:
    """Put the clean known tokens into sampled latents: ``known`` where ``mask`` (B, T), else ``x_0``."""
    return torch.where(mask[..., None], known, x_0)
