"""What a schedule may answer: a fault is one error that names the schedule and the distribution that brought it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from raggesture.errors import ConfigError
from raggesture.plugins.manager import SCHEDULES, PluginManager
from raggesture.plugins.rates import checked_rates, distribution_of
from raggesture.testing import problems_of_part

Install = Callable[[str], tuple[Path, Path]]


class Given:
    name = "given"

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def rates(self, n_steps: int) -> tuple[float, ...]:
        return self._answer  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("too-few", "returned 5 rates"),
        ("endless", "returned more than 6 rates"),
        ("too-much", "rate 1 is 1.25"),
        ("not-a-number", "rate 0 is NaN"),
        ("words", "rate 0 is 'strong', a str"),
        ("raises", "raised ZeroDivisionError: steps ran out"),
        ("nothing", "returned NoneType"),
    ],
)
def test_a_plugins_schedule_is_named_with_its_distribution(installed: Install, name: str, fault: str) -> None:
    installed("raggesture-broken")
    manager = PluginManager()
    with pytest.raises(ConfigError) as caught:
        checked_rates(manager.make(SCHEDULES, name), 6)
    assert str(caught.value).startswith(f"guidance schedule {name!r} of raggesture-broken 0.2.0: {fault}; expected 6 rates in [0, 1] - ask its author")
    assert caught.value.exit_code == 4
    assert problems_of_part(SCHEDULES, manager.part(SCHEDULES, name).cls), "the contract tests find it too"


@pytest.mark.parametrize("answer", [(0.5, -0.1), (0.5, float("inf")), (True, 1.0), (1j, 0.0), (None, 0.0), "ab", 0.5, (0.5,), (0.5,) * 3, ()])
def test_wrong_answers(answer: object) -> None:
    with pytest.raises(ConfigError, match=r"guidance schedule 'given' \(.*\): .*; expected 2 rates in \[0, 1\]"):
        checked_rates(Given(answer), 2)


def test_numbers_of_any_kind_will_do() -> None:
    found = checked_rates(Given([np.float32(0.5), np.float64(1.0), 0, Fraction(1, 4)]), 4)
    assert found == (0.5, 1.0, 0.0, 0.25) and all(type(rate) is float for rate in found)


def test_who_brought_a_part(installed: Install) -> None:
    installed("raggesture-example")
    manager = PluginManager()
    assert distribution_of(manager.make(SCHEDULES, "ease")) == "raggesture-example 0.1.0"
    assert distribution_of(manager.make(SCHEDULES, "hold")).startswith("raggesture ")
    assert distribution_of(Given(())) == ""


def test_the_default_of_every_schedule_keeps_its_contract() -> None:
    manager = PluginManager(find=lambda: [])
    for name in manager.names(SCHEDULES):
        for steps in (2, 12, 50):
            assert len(checked_rates(manager.make(SCHEDULES, name), steps)) == steps
