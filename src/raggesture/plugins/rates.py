"""A guidance schedule's answer held against its contract; who breaks it is named, with the distribution that brought it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from importlib import metadata
from itertools import islice
from numbers import Real

from raggesture.errors import ConfigError
from raggesture.plugins.hookspecs import GROUP, GuidanceSchedule

OWN_PACKAGE = "raggesture"


def checked_rates(schedule: GuidanceSchedule, n_steps: int) -> tuple[float, ...]:
    """The schedule's rates, noisiest step first.

    Raises:
        ConfigError: another number of rates than steps, something that is no number in [0, 1], or an exception: a fault of the schedule, which is named.
    """
    expected = f"expected {n_steps} rates in [0, 1] - {_remedy(schedule)}"
    try:
        answer = schedule.rates(n_steps)
        if isinstance(answer, str | bytes) or not isinstance(answer, Iterable):
            raise ConfigError(f"{_who(schedule)}: returned {type(answer).__name__}; {expected}")
        rates = tuple(islice(answer, n_steps + 1))
    except ConfigError:
        raise
    except Exception as error:  # a foreign class may raise anything
        raise ConfigError(f"{_who(schedule)}: raised {_one_line(error)}; {expected}") from error
    if len(rates) != n_steps:
        raise ConfigError(f"{_who(schedule)}: returned {f'more than {n_steps}' if len(rates) > n_steps else len(rates)} rates; {expected}")
    for step, rate in enumerate(rates):
        if isinstance(rate, bool) or not isinstance(rate, Real):
            raise ConfigError(f"{_who(schedule)}: rate {step} is {_shown(rate)}, a {type(rate).__name__}; {expected}")
        if not 0.0 <= float(rate) <= 1.0:  # NaN is not
            raise ConfigError(f"{_who(schedule)}: rate {step} is {'NaN' if math.isnan(rate) else _shown(rate)}; {expected}")
    return tuple(float(rate) for rate in rates)


def distribution_of(part: object) -> str:
    """Name and version of the installed distribution that brings a part, "" where none is known."""
    module = type(part).__module__
    package = module.partition(".")[0]
    try:
        if package == OWN_PACKAGE:
            return f"{OWN_PACKAGE} {metadata.version(OWN_PACKAGE)}"
        points = metadata.entry_points(group=GROUP)
        found = [p for p in points if p.module == module] or [p for p in points if p.module.partition(".")[0] == package]
        return f"{found[0].dist.name} {found[0].dist.version}" if found and found[0].dist is not None else ""
    except Exception:  # metadata of a foreign package may be broken in any way
        return ""


def _who(schedule: GuidanceSchedule) -> str:
    whose = distribution_of(schedule)
    return f"guidance schedule {getattr(schedule, 'name', type(schedule).__name__)!r}" + (f" of {whose}" if whose else f" ({type(schedule).__module__})")


def _remedy(schedule: GuidanceSchedule) -> str:
    own = type(schedule).__module__.partition(".")[0] == OWN_PACKAGE
    return "report it" if own else "ask its author, or choose another --guidance ('raggesture plugins check' tells more)"


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # a foreign class may raise anything
        text = object.__repr__(value)
    return text if len(text) <= 60 else text[:57] + "..."
