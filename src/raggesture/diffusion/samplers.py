"""Samplers as objects: the levels that one visits, how it goes down through them and how it is gone up again.

``ddim`` is the published sampler on the published spacing, ``dpm++`` DPM-Solver++(2M) on steps even in the logarithm of signal over noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from raggesture.diffusion import ddim, dpm
from raggesture.diffusion.ddim import Denoise, Guide, Observe
from raggesture.diffusion.noise import PUBLISHED_STEPS, NoiseSchedule, even_log_snr, spaced
from raggesture.diffusion.sampler_names import SamplerName, own_steps


class Sampler(Protocol):
    """A way from noise to clean latents and back up. Nothing in it draws random numbers."""

    @property
    def name(self) -> SamplerName:
        """As settings call it."""

    @property
    def schedule(self) -> NoiseSchedule:
        """The levels, step 0 the noisiest."""

    @property
    def clock(self) -> int:
        """How many rates a guidance schedule is asked for; ``levels.carried`` brings them to this sampler's levels."""

    def sample(self, denoise: Denoise, x_T: Tensor, *, guide: Guide | None = None, observe: Observe | None = None) -> Tensor:
        """Denoise ``x_T`` (B, T, D) at the level of step 0 down to clean latents (B, T, D)."""

    def invert(self, denoise: Denoise, x_0: Tensor) -> Tensor:
        """Carry clean latents (B, T, D) up: (K, B, T, D), entry k at the level of step k."""


@dataclass(frozen=True, slots=True, eq=False)
class Ddim:
    """DDIM on the published spacing; a schedule is asked for as many rates as there are steps."""

    schedule: NoiseSchedule
    name: SamplerName = "ddim"

    @classmethod
    def of(cls, steps: int) -> Ddim:
        """So many steps."""
        return cls(spaced(steps))

    @property
    def clock(self) -> int:
        """Rates wanted of a guidance schedule."""
        return self.schedule.n_steps

    def sample(self, denoise: Denoise, x_T: Tensor, *, guide: Guide | None = None, observe: Observe | None = None) -> Tensor:
        """See ``ddim.sample``."""
        return ddim.sample(denoise, x_T, self.schedule, guide=guide, observe=observe)

    def invert(self, denoise: Denoise, x_0: Tensor) -> Tensor:
        """See ``ddim.invert``."""
        return ddim.invert(denoise, x_0, self.schedule)


@dataclass(frozen=True, slots=True, eq=False)
class DpmSolver:
    """DPM-Solver++(2M) on levels even in the logarithm of signal over noise; a schedule is asked for the published fifty rates."""

    schedule: NoiseSchedule
    name: SamplerName = "dpm++"

    @classmethod
    def of(cls, steps: int) -> DpmSolver:
        """So many steps."""
        return cls(even_log_snr(steps))

    @property
    def clock(self) -> int:
        """Rates wanted of a guidance schedule."""
        return PUBLISHED_STEPS

    def sample(self, denoise: Denoise, x_T: Tensor, *, guide: Guide | None = None, observe: Observe | None = None) -> Tensor:
        """See ``dpm.sample``."""
        return dpm.sample(denoise, x_T, self.schedule, guide=guide, observe=observe)

    def invert(self, denoise: Denoise, x_0: Tensor) -> Tensor:
        """See ``dpm.invert``."""
        return dpm.invert(denoise, x_0, self.schedule)


def sampler_named(name: str, steps: int | None = None) -> Sampler:
    """The sampler called ``name`` with so many steps; None: as many as are its own.

    Raises: ConfigError for another name, or unless 2 <= steps <= 1000.
    """
    own = own_steps(name)
    count = own if steps is None else steps
    return Ddim.of(count) if name == "ddim" else DpmSolver.of(count)


def sampler_key(sampler: Sampler) -> str:
    """A sampler and its levels as one short text, for whoever keeps something that depends on them."""
    return f"{sampler.name} {','.join(str(t) for t in sampler.schedule.timesteps.tolist())}"
