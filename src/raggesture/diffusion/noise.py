"""The noise schedule: how much signal is left at each timestep, and which timesteps a sampler visits.

Conventions: *timestep* t in 0..999 of the training process (0 is nearly clean); *step* k in 0..K-1 of a sampler, **step 0 is the
noisiest**. ``timesteps`` is stored ascending, so step k is ``timesteps[K - 1 - k]``. Source: METHOD part I (c).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from raggesture.errors import ConfigError

N_TIMESTEPS = 1000
BETA_START, BETA_END = 0.00085, 0.012
PUBLISHED_SECTIONS = "15,15,8,6,6"
PUBLISHED_STEPS = 50


@dataclass(frozen=True, slots=True, eq=False)
class NoiseSchedule:
    """``alphas_cumprod``: (1000,) float64, signal's variance at each timestep. ``timesteps``: (K,) int64 ascending, those a sampler visits."""

    alphas_cumprod: Tensor
    timesteps: Tensor

    def __post_init__(self) -> None:
        t = self.timesteps
        if t.ndim != 1 or t.numel() == 0 or bool((t[1:] <= t[:-1]).any()) or int(t[0]) < 0 or int(t[-1]) >= self.alphas_cumprod.numel():
            raise ConfigError(f"timesteps: {t.tolist()}; expected ascending whole numbers in 0..{self.alphas_cumprod.numel() - 1} - correct them")

    @property
    def n_steps(self) -> int:
        """K, the number of sampling steps."""
        return int(self.timesteps.numel())

    def timestep(self, step: int) -> int:
        """Original timestep of ``step`` (step 0 is the noisiest)."""
        return int(self.timesteps[self.n_steps - 1 - step])

    def abar(self, step: int) -> float:
        """Cumulative product of alphas at the level of ``step``; ``step == n_steps`` is the clean level, 1."""
        return 1.0 if step == self.n_steps else float(self.alphas_cumprod[self.timestep(step)])

    def log_snr(self, step: int) -> float:
        """Half the logarithm of signal over noise at the level of ``step``, ``log(sqrt(abar) / sqrt(1 - abar))``; infinite at the clean level."""
        abar = self.abar(step)
        return 0.5 * math.log(abar / (1.0 - abar)) if abar < 1.0 else math.inf

    def at_step(self, x_0: Tensor, eps: Tensor, step: int) -> Tensor:
        """Noise clean latents to the level of ``step``: ``sqrt(abar) x_0 + sqrt(1 - abar) eps``."""
        abar = self.abar(step)
        return math.sqrt(abar) * x_0 + math.sqrt(1.0 - abar) * eps

    def at_timestep(self, x_0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """Noise clean latents (B, T, D) to one original timestep per sample, ``t`` (B,) int64 (training)."""
        abar = self.alphas_cumprod.to(t.device)[t].reshape(-1, *[1] * (x_0.ndim - 1))
        x_t: Tensor = abar.sqrt().to(x_0.dtype) * x_0 + (1.0 - abar).sqrt().to(x_0.dtype) * eps
        return x_t


def betas() -> Tensor:
    """(1000,) float64: the square of a line between the square roots of the first and last beta."""
    return torch.linspace(BETA_START**0.5, BETA_END**0.5, N_TIMESTEPS, dtype=torch.float64) ** 2


def alphas_cumprod() -> Tensor:
    """(1000,) float64: cumulative products of ``1 - beta``."""
    return torch.cumprod(1.0 - betas(), dim=0)


def _section(start: int, size: int, count: int) -> list[int]:
    """``count`` timesteps from the first to the last of a section; the stride is added up in floating point and each sum rounded."""
    stride = (size - 1) / (count - 1) if count > 1 else 1.0
    position, chosen = 0.0, []
    for _ in range(count):
        chosen.append(start + round(position))
        position += stride
    return chosen


def respaced(sections: str) -> NoiseSchedule:
    """Steps per equal section of the process, cleanest section first, such as ``"15,15,8,6,6"``.

    Raises: ConfigError if a section asks for more steps than it has. Source: Nichol and Dhariwal 2021, "Improved DDPM", as METHOD part I (c).
    """
    try:
        counts = [int(text) for text in sections.split(",")]
    except ValueError:
        counts = [0]
    size, extra = divmod(N_TIMESTEPS, len(counts))
    sizes = [size + (k < extra) for k in range(len(counts))]
    if any(not 1 <= count <= room for count, room in zip(counts, sizes, strict=True)):
        raise ConfigError(f"sections: {sections!r}; expected numbers of steps such as {PUBLISHED_SECTIONS!r}, at most {size} each - correct them")
    chosen: list[int] = []
    start = 0
    for count, room in zip(counts, sizes, strict=True):
        chosen += _section(start, room, count)
        start += room
    return NoiseSchedule(alphas_cumprod(), torch.tensor(chosen, dtype=torch.int64))


def published() -> NoiseSchedule:
    """The fifty steps of the published configuration."""
    return respaced(PUBLISHED_SECTIONS)


def spaced(n_steps: int) -> NoiseSchedule:
    """``n_steps`` timesteps from exactly 0 to exactly 999, crowded as the published fifty are; ``spaced(50)`` is ``published()``.

    The published list is read as a curve from position to timestep and sampled evenly; equal neighbours are pushed apart.

    Raises: ConfigError unless 2 <= n_steps <= 1000.
    """
    _check_number(n_steps)
    curve = published()
    position = torch.linspace(0, curve.n_steps - 1, n_steps, dtype=torch.float64)
    below = position.floor().long().clamp(max=curve.n_steps - 2)
    left, right = curve.timesteps[below], curve.timesteps[below + 1]
    wanted = (left + (position - below) * (right - left)).round().long().tolist()
    return NoiseSchedule(curve.alphas_cumprod, _apart(wanted))


def even_log_snr(n_steps: int) -> NoiseSchedule:
    """``n_steps`` timesteps from exactly 0 to exactly 999, as evenly spaced in the logarithm of signal over noise as whole numbers can be.

    Twelve are 0 2 8 26 72 166 311 482 644 782 899 999. Equal neighbours are pushed apart. Source: Lu et al. 2022, "DPM-Solver++", section 6;
    TRAINING "Few steps".

    Raises: ConfigError unless 2 <= n_steps <= 1000.
    """
    _check_number(n_steps)
    abar = alphas_cumprod()
    log_snr = 0.5 * torch.log(abar / (1.0 - abar))  # falls with the timestep
    even = torch.linspace(float(log_snr[0]), float(log_snr[-1]), n_steps, dtype=torch.float64)
    return NoiseSchedule(abar, _apart((log_snr[None] - even[:, None]).abs().argmin(dim=1).tolist()))


def _check_number(n_steps: int) -> None:
    if not 2 <= n_steps <= N_TIMESTEPS:
        raise ConfigError(f"steps: {n_steps}; expected a whole number from 2 to {N_TIMESTEPS} - choose one")


def _apart(wanted: Sequence[int]) -> Tensor:
    """Ascending timesteps as near as can be to those wanted, which ascend but may repeat."""
    chosen: list[int] = []
    for k, t in enumerate(wanted):
        low = chosen[-1] + 1 if chosen else 0
        chosen.append(min(max(t, low), N_TIMESTEPS - len(wanted) + k))
    return torch.tensor(chosen, dtype=torch.int64)
