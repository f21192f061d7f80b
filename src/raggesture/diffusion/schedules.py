"""The guidance schedules: how strongly the anchors pull at each sampling step.

The published names are lists of gradient iterations over fifty steps (list position 0 is the cleanest); other numbers of steps sample the
same profile. ``hold`` (the default), ``constant``, ``replace`` and ``none`` are ours. Every one has the options ``start``, ``stop`` (shares of the steps,
from the noisiest on) and ``rate`` (a factor); their defaults leave the published lists as they are.
Source: METHOD part I (c) "guidance_iters names"; TRAINING "The whole chain in miniature".
Differs from the released code: there the lists have no effect on the result; here n iterations become their closed-form rate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from raggesture.diffusion.rates import closed_form_rate
from raggesture.errors import ConfigError
from raggesture.plugins.hookspecs import GuidanceSchedule, hookimpl

PROFILE_STEPS = 50


class ShareOptions(BaseModel):
    """Which steps are guided, and how strongly."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    start: float = Field(default=0.0, ge=0.0, le=1.0, description="Share of the steps, from the noisiest on, before which nothing is guided.")
    stop: float = Field(default=1.0, ge=0.0, le=1.0, description="Share of the steps after which nothing is guided.")
    rate: float = Field(default=1.0, ge=0.0, le=1.0, description="Factor on every rate; a rate is the share of the gap to the exemplar that a step closes.")

    @property
    def end(self) -> float:
        """Share of the steps after which nothing is guided."""
        return self.stop

    @model_validator(mode="after")
    def _starts_before_it_stops(self) -> Self:
        if self.start > self.end:
            raise ValueError(f"start {self.start:g} at or before stop {self.end:g}")
        return self


class IterationOptions(ShareOptions):
    """As ``ShareOptions``, for a schedule of gradient iterations."""

    lr: float = Field(default=0.1, gt=0.0, le=0.5, description="Size of one gradient step on the sum of squares of a token; 0.5 closes the gap at once.")


class ConstantOptions(ShareOptions):
    """As ``ShareOptions``, with a gentle rate."""

    rate: float = Field(default=0.3, ge=0.0, le=1.0, description="The rate at every guided step: the share of the gap to the exemplar that a step closes.")


class HoldOptions(ShareOptions):
    """As ``ShareOptions``, free in the last fifth."""

    stop: float = Field(default=0.8, ge=0.0, le=1.0, description="Share of the steps after which nothing is guided.")
    until: float | None = Field(default=None, ge=0.0, le=1.0, description="Another name of stop.")

    @property
    def end(self) -> float:
        """``until`` where it is given, else ``stop``."""
        return self.stop if self.until is None else self.until

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if self.until is not None and "stop" in self.model_fields_set and self.stop != self.until:
            raise ValueError(f"one of 'stop' ({self.stop:g}) and 'until' ({self.until:g}), which mean the same")
        return self


def _check_steps(n_steps: int) -> None:
    if n_steps < 1:
        raise ConfigError(f"steps: {n_steps}; expected at least 1 - choose one")


def _shared(rates: tuple[float, ...], options: ShareOptions) -> tuple[float, ...]:
    """``rates`` times the factor between start and stop, 0 outside."""
    first, last = round(len(rates) * options.start), round(len(rates) * options.end)
    return tuple(rate * options.rate if first <= k < last else 0.0 for k, rate in enumerate(rates))


class _Iterations(ABC):
    """A schedule given by iterations at each of fifty steps, position 0 the cleanest."""

    name: ClassVar[str]
    Options: ClassVar[type[BaseModel]] = IterationOptions

    def __init__(self, options: IterationOptions) -> None:
        self._options = options

    @staticmethod
    @abstractmethod
    def profile(i: int) -> int:
        """Iterations at position ``i`` of fifty, 0 the cleanest."""

    def iterations(self, n_steps: int) -> tuple[int, ...]:
        """Gradient iterations per spaced step, **cleanest first** as in the published lists; without ``start`` and ``stop``."""
        _check_steps(n_steps)
        last = PROFILE_STEPS - 1
        positions = [round(k * last / (n_steps - 1)) if n_steps > 1 else last for k in range(n_steps)]
        return tuple(self.profile(position) for position in positions)

    def rates(self, n_steps: int) -> tuple[float, ...]:
        """Rates in [0, 1], noisiest step first."""
        return _shared(tuple(closed_form_rate(self._options.lr, count) for count in reversed(self.iterations(n_steps))), self._options)


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


class _Flat:
    """Rate 1 at every step, as far as the options let it."""

    name: ClassVar[str]
    Options: ClassVar[type[BaseModel]] = ShareOptions

    def __init__(self, options: ShareOptions) -> None:
        self._options = options

    def rates(self, n_steps: int) -> tuple[float, ...]:
        """Rates in [0, 1], noisiest step first."""
        _check_steps(n_steps)
        return _shared((1.0,) * n_steps, self._options)


class Hold(_Flat):
    """Full rate from the noisiest step on, free in the last fifth: the gesture asked for survives, its edges are the model's own."""

    name = "hold"
    Options: ClassVar[type[BaseModel]] = HoldOptions


class Constant(_Flat):
    """The same gentle rate at every step."""

    name = "constant"
    Options: ClassVar[type[BaseModel]] = ConstantOptions


class Replace(_Flat):
    """Hard replacement at every step to the last: the slot is the exemplar, and its edges are not smoothed."""

    name = "replace"


class NoGuidance(_Flat):
    """No guidance: with ``--inject inversion+guidance`` the exemplar gives the start latents alone."""

    name = "none"

    def rates(self, n_steps: int) -> tuple[float, ...]:
        """Zeros."""
        _check_steps(n_steps)
        return (0.0,) * n_steps


PUBLISHED: tuple[type[_Iterations], ...] = (
    AllOne, AllZero, AllTen, Decreasing, Increasing, DropDecreasingTill25, StepIncreasingFrom25, DecreasingTill25, IncreasingFrom25,
)  # fmt: skip
"""The nine names of the published tools."""


@hookimpl
def raggesture_guidance_schedules() -> list[type[GuidanceSchedule]]:
    """Return the built-in schedules."""
    return [Hold, Constant, Replace, NoGuidance, *PUBLISHED]
