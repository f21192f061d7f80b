"""The guidance schedules: how strongly the anchors pull at each sampling step.

The published names are lists of gradient iterations over fifty steps (list position 0 is the cleanest); other numbers of steps sample the
same profile. ``hold`` is ours and the default. Source: METHOD part I (c) "guidance_iters names"; TRAINING "The whole chain in miniature".
Differs from the released code: there the lists have no effect on the result; here n iterations become their closed-form rate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from raggesture.diffusion.rates import closed_form_rate
from raggesture.errors import ConfigError
from raggesture.plugins.hookspecs import GuidanceSchedule, hookimpl

PROFILE_STEPS = 50


class IterationOptions(BaseModel):
    """``lr``: size of one gradient step on the per-token sum of squares; 0.5 closes the gap at once."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    lr: float = Field(default=0.1, gt=0.0, le=0.5)


class HoldOptions(BaseModel):
    """``rate``: the rate while guidance lasts. ``until``: the share of the steps that is guided, from the noisiest on."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    rate: float = Field(default=1.0, ge=0.0, le=1.0)
    until: float = Field(default=0.8, ge=0.0, le=1.0)


def _check_steps(n_steps: int) -> None:
    if n_steps < 1:
        raise ConfigError(f"steps: {n_steps}; expected at least 1 - choose one")


class _Iterations(ABC):
    """A schedule given by iterations at each of fifty steps, position 0 the cleanest."""

    name: ClassVar[str]
    Options: ClassVar[type[BaseModel]] = IterationOptions

    def __init__(self, options: IterationOptions) -> None:
        self._lr = options.lr

    @staticmethod
    @abstractmethod
    def profile(i: int) -> int:
        """Iterations at position ``i`` of fifty, 0 the cleanest."""

    def iterations(self, n_steps: int) -> tuple[int, ...]:
        """Gradient iterations per spaced step, **cleanest first** as in the published lists."""
        _check_steps(n_steps)
        last = PROFILE_STEPS - 1
        positions = [round(k * last / (n_steps - 1)) if n_steps > 1 else last for k in range(n_steps)]
        return tuple(self.profile(position) for position in positions)

    def rates(self, n_steps: int) -> tuple[float, ...]:
        """Rates in [0, 1], noisiest step first."""
        return tuple(closed_form_rate(self._lr, count) for count in reversed(self.iterations(n_steps)))


class AllOne(_Iterations):
    """One iteration at every step."""

    name = "all_one"

    @staticmethod
    def profile(i: int) -> int:
        """Iterations at position ``i`` of fifty, 0 the cleanest."""
        return 1


class AllZero(_Iterations):
    """No guidance."""

    name = "all_zero"

    @staticmethod
    def profile(i: int) -> int:
        """Iterations at position ``i`` of fifty, 0 the cleanest."""
        return 0


class AllTen(_Iterations):
    """Ten iterations at every step."""

    name = "all_10"

    @staticmethod
    def profile(i: int) -> int:
        """Iterations at position ``i`` of fifty, 0 the cleanest."""
        return 10


class Decreasing(_Iterations):
    """From 49 iterations at the noisiest step down to none at the cleanest."""

    name = "decreasing"

    @staticmethod
    def profile(i: int) -> int:
        """Iterations at position ``i`` of fifty, 0 the cleanest."""
        return i


class Increasing(_Iterations):
    """From none at the noisiest step up to 49 at the cleanest."""

    name = "increasing"

    @staticmethod
    def profile(i: int) -> int:
        """Iterations at position ``i`` of fifty, 0 the cleanest."""
        return 49 - i


class DropDecreasingTill25(_Iterations):
    """As ``decreasing`` in the noisy half, none in the clean half."""

    name = "drop_decreasing_till_25"

    @staticmethod
    def profile(i: int) -> int:
        """Iterations at position ``i`` of fifty, 0 the cleanest."""
        return i if i >= 25 else 0


class StepIncreasingFrom25(_Iterations):
    """None in the noisy half, as ``increasing`` in the clean half."""

    name = "step_increasing_from_25"

    @staticmethod
    def profile(i: int) -> int:
        """Iterations at position ``i`` of fifty, 0 the cleanest."""
        return 49 - i if i < 25 else 0


class DecreasingTill25(_Iterations):
    """From 24 iterations at the noisiest step down to none in the middle."""

    name = "decreasing_till_25"

    @staticmethod
    def profile(i: int) -> int:
        """Iterations at position ``i`` of fifty, 0 the cleanest."""
        return i - 25 if i >= 25 else 0


class IncreasingFrom25(_Iterations):
    """From none in the middle up to 24 at the cleanest step."""

    name = "increasing_from_25"

    @staticmethod
    def profile(i: int) -> int:
        """Iterations at position ``i`` of fifty, 0 the cleanest."""
        return 24 - i if i < 25 else 0


class Hold:
    """Full rate from the noisiest step on, free in the last fifth: the gesture asked for survives, its edges are the model's own."""

    name: ClassVar[str] = "hold"
    Options: ClassVar[type[BaseModel]] = HoldOptions

    def __init__(self, options: HoldOptions) -> None:
        self._options = options

    def rates(self, n_steps: int) -> tuple[float, ...]:
        """Rates in [0, 1], noisiest step first."""
        _check_steps(n_steps)
        held = round(n_steps * self._options.until)
        return (self._options.rate,) * held + (0.0,) * (n_steps - held)


PUBLISHED: tuple[type[_Iterations], ...] = (
    AllOne, AllZero, AllTen, Decreasing, Increasing, DropDecreasingTill25, StepIncreasingFrom25, DecreasingTill25, IncreasingFrom25,
)  # fmt: skip
"""The nine names of the published tools."""


@hookimpl
def raggesture_guidance_schedules() -> list[type[GuidanceSchedule]]:
    """Return the built-in schedules."""
    return [Hold, *PUBLISHED]
