"""Laws of the sampler that hold for any numbers."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raggesture.diffusion.ddim import eps_of, invert, move, sample
from raggesture.diffusion.guidance import DIAL, AnchorGuide, Anchors, Dial, mixed_start, rates_per_token
from raggesture.diffusion.levels import carried
from raggesture.diffusion.noise import even_log_snr, spaced
from raggesture.diffusion.rates import closed_form_rate
from raggesture.diffusion.schedules import Hold, HoldOptions

LEVEL = st.floats(0.01, 0.99)
RATES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60).map(tuple)


@given(st.integers(2, 1000))
@settings(max_examples=25, deadline=None)
def test_spaced_is_ascending_from_0_to_999(n: int) -> None:
    timesteps = spaced(n).timesteps
    assert (int(timesteps[0]), int(timesteps[-1]), timesteps.numel()) == (0, 999, n)
    assert bool((timesteps.diff() > 0).all())


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=60), st.integers(2, 200))
@settings(max_examples=50, deadline=None)
def test_rates_at_other_levels_stay_between_the_least_and_the_greatest(rates: list[float], n: int) -> None:
    given_rates = torch.tensor(rates, dtype=torch.float64)
    found = carried(given_rates, even_log_snr(n))
    assert found.shape == (n,) and float(found[0]) == pytest.approx(rates[0])
    assert min(rates) - 1e-12 <= float(found.min()) and float(found.max()) <= max(rates) + 1e-12
    torch.testing.assert_close(carried(torch.ones_like(given_rates), even_log_snr(n)), torch.ones(n, dtype=torch.float64))
    torch.testing.assert_close(carried(1 - given_rates, even_log_snr(n)), 1 - found)


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


def _gaussian(x: torch.Tensor, t: int) -> torch.Tensor:
    """The best denoiser of data drawn from N(0, 0.7**2), token by token."""
    abar = float(_TWENTY.alphas_cumprod[t])
    return abar**0.5 * 0.49 / (abar * 0.49 + 1 - abar) * x


_TWENTY = spaced(20)


def _dialled(weights: torch.Tensor, stop: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(sampled, wanted) latents (1, T, 64) of a toy model under weights (1, T)."""
    draw = torch.Generator().manual_seed(seed)
    wanted, free = 0.7 * torch.randn(1, weights.shape[1], 64, generator=draw), torch.randn(1, weights.shape[1], 64, generator=draw)
    anchors = Anchors(invert(_gaussian, wanted, _TWENTY), torch.ones(1, weights.shape[1], dtype=torch.bool))
    rates = Hold(HoldOptions(stop=stop)).rates(20)
    start = mixed_start(free, anchors.latents[0], DIAL.start(weights))
    return sample(_gaussian, start, _TWENTY, guide=AnchorGuide(anchors, rates_per_token(rates, weights))), wanted


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=5), st.floats(0.1, 1.0), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_more_weight_is_never_farther_from_the_exemplar(weights: list[float], stop: float, seed: int) -> None:
    gaps = []
    for weight in sorted(weights):
        found, wanted = _dialled(torch.full((1, 3), weight), stop, seed)
        gaps.append(float((found - wanted).square().mean()))
    slack = 0.02  # of a first gap of .98: twenty steps do not undo an inversion exactly
    assert all(a >= b - slack for a, b in pairwise(gaps))


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_a_weight_is_one_tokens_own(mine: float, other: float, another: float, seed: int) -> None:
    first, second = (_dialled(torch.tensor([[mine, neighbour]]), 0.8, seed)[0] for neighbour in (other, another))
    assert torch.equal(first[:, 0], second[:, 0])


@given(st.lists(st.floats(0.01, 0.99), min_size=0, max_size=5, unique=True), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
@settings(max_examples=50, deadline=None)
def test_any_map_of_the_dial_rises_from_nothing_to_all(inner: list[float], a: float, b: float) -> None:
    columns = [0.0, *sorted(inner), 1.0]
    dial = Dial(tuple(zip(columns, [k / (len(columns) - 1) for k in range(len(columns))], strict=True)))
    ends = torch.tensor([0.0, min(a, b), max(a, b), 1.0], dtype=torch.float64)
    for values in (dial.guided(ends), dial.start(ends)):
        assert values[0] == 0.0 and values[3] == pytest.approx(1.0) and bool((values.diff() >= 0).all())
