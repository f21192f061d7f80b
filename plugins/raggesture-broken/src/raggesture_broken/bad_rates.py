"""Schedules that look right and answer wrongly."""

from itertools import repeat

from pydantic import BaseModel, ConfigDict

from raggesture.plugins.hookspecs import hookimpl


class Options(BaseModel):
    """Nothing."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class _Schedule:
    Options = Options

    def __init__(self, options):
        self.options = options


class TooFew(_Schedule):
    """One rate less than steps."""

    name = "too-few"

    def rates(self, n_steps):
        """Return too few."""
        return (0.5,) * (n_steps - 1)


class Endless(_Schedule):
    """Never comes to an end."""

    name = "endless"

    def rates(self, n_steps):
        """Return too many."""
        return repeat(0.5)


class TooMuch(_Schedule):
    """Overshoots at its second step."""

    name = "too-much"

    def rates(self, n_steps):
        """Return a rate above 1."""
        return (1.0, 1.25, *(0.0,) * (n_steps - 2))


class NotANumber(_Schedule):
    """Divided nothing by nothing."""

    name = "not-a-number"

    def rates(self, n_steps):
        """Return NaN."""
        return (float("nan"),) * n_steps


class Words(_Schedule):
    """Says it in words."""

    name = "words"

    def rates(self, n_steps):
        """Return text."""
        return ("strong",) * n_steps


class Raises(_Schedule):
    """Falls over."""

    name = "raises"

    def rates(self, n_steps):
        """Return nothing."""
        raise ZeroDivisionError("steps ran out")


class Nothing(_Schedule):
    """Forgets to answer."""

    name = "nothing"

    def rates(self, n_steps):
        """Return None."""


@hookimpl
def raggesture_guidance_schedules():
    """Return all of them."""
    return [TooFew, Endless, TooMuch, NotANumber, Words, Raises, Nothing]
