"""Laws of the sampler that hold for any numbers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raggesture.diffusion.ddim import eps_of, move
from raggesture.diffusion.guidance import rates_per_token
from raggesture.diffusion.noise import spaced
from raggesture.diffusion.rates import closed_form_rate

LEVEL = st.floats(0.01, 0.99)
RATES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60).map(tuple)


@given(st.integers(2, 1000))
@settings(max_examples=25, deadline=None)
def test_spaced_is_ascending_from_0_to_999(n: int) -> None:
    timesteps = spaced(n).timesteps
    assert (int(timesteps[0]), int(timesteps[-1]), timesteps.numel()) == (0, 999, n)
    assert bool((timesteps.diff() > 0).all())


@given(LEVEL, LEVEL, st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_moving_there_and_back_with_one_prediction_returns(a: float, b: float, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    x_0, eps = (torch.randn(1, 5, 3, generator=draw, dtype=torch.float64) for _ in range(2))
    x = a**0.5 * x_0 + (1 - a) ** 0.5 * eps
    torch.testing.assert_close(eps_of(x, x_0, a), eps)
    torch.testing.assert_close(move(move(x, x_0, a, b), x_0, b, a), x)


@given(RATES, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
@settings(max_examples=50, deadline=None)
def test_the_dial_never_pulls_more_than_its_schedule_and_grows(rates: tuple[float, ...], a: float, b: float) -> None:
    found = rates_per_token(rates, torch.tensor([[0.0, min(a, b), max(a, b), 1.0]], dtype=torch.float64))[:, 0]
    assert torch.equal(found[:, 3], torch.tensor(rates, dtype=torch.float64).float())
    assert not found[:, 0].any()
    assert bool((found.diff(dim=1) >= 0).all())


@given(st.floats(0.001, 0.5), st.integers(0, 30), st.integers(0, 30))
@settings(max_examples=50, deadline=None)
def test_pulls_compose(lr: float, n: int, m: int) -> None:
    left = (1 - closed_form_rate(lr, n)) * (1 - closed_form_rate(lr, m))
    assert left == pytest.approx(1 - closed_form_rate(lr, n + m), abs=1e-12)
