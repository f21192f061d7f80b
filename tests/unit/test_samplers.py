"""Samplers: DPM-Solver++(2M) against exact answers and against a plain form of it; levels, and what schedules say at them."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from raggesture.diffusion import ddim, dpm, schedules
from raggesture.diffusion.guidance import AnchorGuide, Anchors, rates_per_token
from raggesture.diffusion.levels import carried
from raggesture.diffusion.noise import N_TIMESTEPS, NoiseSchedule, alphas_cumprod, even_log_snr, spaced
from raggesture.diffusion.sampler_names import SAMPLERS, own_steps
from raggesture.diffusion.samplers import Ddim, DpmSolver, Sampler, sampler_key, sampler_named
from raggesture.errors import ConfigError

ABAR = alphas_cumprod()
SPREADS = torch.tensor([0.3, 0.7, 1.0, 1.6], dtype=torch.float64)
"""Of four channels of data that are drawn from a normal distribution."""
HOLD = schedules.Hold(schedules.HoldOptions())


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def spread_at(abar: float) -> Tensor:
    return torch.sqrt(abar * SPREADS**2 + 1.0 - abar)


def gaussian(x: Tensor, t: int) -> Tensor:
    """The best denoiser of normal data."""
    abar = float(ABAR[t])
    return math.sqrt(abar) * SPREADS**2 / spread_at(abar) ** 2 * x


def crooked(x: Tensor, t: int) -> Tensor:
    """A denoiser that is no line in x and depends on the timestep."""
    return torch.tanh(1.3 * x + 0.2 * x.roll(1, dims=-1)) * math.cos(t / 700)


# --- levels


def test_twelve_steps_even_in_log_snr() -> None:
    assert even_log_snr(12).timesteps.tolist() == [0, 2, 8, 26, 72, 166, 311, 482, 644, 782, 899, 999]
    schedule = even_log_snr(12)
    gaps = np.diff([schedule.log_snr(step) for step in range(12)])
    assert gaps.min() > 0.97 * gaps.mean() and gaps.max() < 1.03 * gaps.mean()
    assert schedule.log_snr(12) == math.inf


@pytest.mark.parametrize("n", [2, 3, 8, 20, 50, 200, 999, 1000])
def test_any_number_of_levels_ascends_from_end_to_end(n: int) -> None:
    timesteps = even_log_snr(n).timesteps
    assert (timesteps.numel(), int(timesteps[0]), int(timesteps[-1])) == (n, 0, 999) and bool((timesteps.diff() > 0).all())


@pytest.mark.parametrize("n", [1, 0, N_TIMESTEPS + 1])
def test_a_number_of_levels_that_cannot_be(n: int) -> None:
    with pytest.raises(ConfigError, match=f"steps: {n}; expected a whole number from 2 to 1000"):
        even_log_snr(n)


# --- DPM-Solver++(2M)


def plain_2m(denoise: Callable[[Tensor, int], Tensor], x: Tensor, timesteps: list[int]) -> Tensor:
    """Algorithm 2 of the paper as it is printed, noisiest first, with lambda, alpha and sigma; the last prediction is the answer."""
    alpha = {t: math.sqrt(float(ABAR[t])) for t in timesteps}
    sigma = {t: math.sqrt(1.0 - float(ABAR[t])) for t in timesteps}
    lam = {t: math.log(alpha[t] / sigma[t]) for t in timesteps}
    buffer = [denoise(x, timesteps[0])]
    for i in range(1, len(timesteps)):
        before, t = timesteps[i - 1], timesteps[i]
        h = lam[t] - lam[before]
        if i == 1:
            d = buffer[-1]
        else:
            r = (lam[before] - lam[timesteps[i - 2]]) / h
            d = (1.0 + 1.0 / (2.0 * r)) * buffer[-1] - 1.0 / (2.0 * r) * buffer[-2]
        x = sigma[t] / sigma[before] * x - alpha[t] * (math.exp(-h) - 1.0) * d
        buffer.append(denoise(x, t))
    return buffer[-1]


@pytest.mark.parametrize("schedule", [even_log_snr(12), even_log_snr(5), spaced(12), even_log_snr(2)], ids=["12", "5", "12 as published", "2"])
def test_it_is_the_algorithm_of_the_paper(schedule: NoiseSchedule) -> None:
    start = draw(2, 6, 4)
    found = dpm.sample(crooked, start, schedule)
    torch.testing.assert_close(found, plain_2m(crooked, start, schedule.timesteps.tolist()[::-1]), rtol=1e-10, atol=1e-12)


def arriving(solve: Callable[..., Tensor], schedule: NoiseSchedule) -> float:
    """Relative error at the last level (t = 0) of a path whose exact end is known."""
    start, states = draw(1, 50, 4), list[Tensor]()
    solve(gaussian, start, schedule, observe=lambda step, x, x_0: states.append(x))
    exact = start / spread_at(schedule.abar(0)) * spread_at(schedule.abar(schedule.n_steps - 1))
    return float(((states[-2] - exact).abs() / exact.abs()).max())


def test_it_solves_normal_data_and_is_of_second_order() -> None:
    errors = [arriving(dpm.sample, even_log_snr(n)) for n in (10, 20, 40)]  # with more, whole timesteps cannot be even in log-SNR any more
    orders = [math.log2(a / b) for a, b in pairwise(errors)]
    assert errors[0] < 0.05 and min(orders) > 1.7, (errors, orders)
    first = [arriving(ddim.sample, even_log_snr(n)) for n in (20, 40)]
    assert math.log2(first[-2] / first[-1]) == pytest.approx(1.0, abs=0.2), "DDIM is of first order"
    assert arriving(dpm.sample, even_log_snr(12)) < 0.5 * arriving(ddim.sample, spaced(50))


def test_inversion_is_of_second_order_too_and_stands_at_each_level() -> None:
    clean = draw(1, 50, 4) * SPREADS

    def off(n: int, invert: Callable[..., Tensor]) -> float:
        schedule = even_log_snr(n)
        levels = invert(gaussian, clean, schedule)
        at = [levels[-1] / spread_at(schedule.abar(n - 1)) * spread_at(schedule.abar(step)) for step in range(n)]  # the exact way from the lowest level
        return float(((levels - torch.stack(at)).abs().amax(dim=(1, 2)) / torch.stack(at).abs().amax(dim=(1, 2))).max())

    errors = [off(n, dpm.invert) for n in (10, 20, 40)]
    assert min(math.log2(a / b) for a, b in pairwise(errors)) > 1.5, errors
    assert off(12, dpm.invert) < 0.25 * off(12, ddim.invert)
    levels = dpm.invert(gaussian, clean, even_log_snr(12))
    assert levels.shape == (12, 1, 50, 4) and float(levels[0].std()) == pytest.approx(1.0, abs=0.1)


def test_sampling_undoes_inversion_in_twelve_steps() -> None:
    clean = draw(1, 50, 4) * SPREADS
    few, many = DpmSolver.of(12), Ddim.of(50)
    errors = [float((each.sample(gaussian, each.invert(gaussian, clean)[0]) - clean).abs().max()) for each in (few, many)]
    assert errors[0] < errors[1] and errors[0] < 0.03


def test_a_perfect_denoiser_arrives_at_once() -> None:
    clean, noise = draw(2, 6, 4), draw(2, 6, 4, seed=1)
    for n in (2, 3, 12):
        schedule = even_log_snr(n)
        states: list[Tensor] = []
        found = dpm.sample(lambda x, t: clean, schedule.at_step(clean, noise, 0), schedule, observe=lambda k, x, x_0, keep=states: keep.append(x))
        torch.testing.assert_close(found, clean)
        for step in range(n - 1):
            torch.testing.assert_close(states[step], schedule.at_step(clean, noise, step + 1), rtol=1e-6, atol=1e-6)


def test_one_call_a_step_at_its_own_timestep() -> None:
    asked: list[int] = []

    def record(x: Tensor, t: int) -> Tensor:
        asked.append(t)
        return x

    levels = even_log_snr(6).timesteps.tolist()
    before = torch.random.get_rng_state()
    dpm.sample(record, draw(1, 4, 2), even_log_snr(6))
    assert asked == levels[::-1]
    asked.clear()
    dpm.invert(record, draw(1, 4, 2), even_log_snr(6))
    assert asked == [levels[0], *levels[:-1]]
    assert torch.equal(before, torch.random.get_rng_state())


# --- guidance at other levels


def test_rates_stay_as_they_are_on_their_own_levels() -> None:
    for n in (2, 12, 20, 50):
        rates = draw(n, 2, 5).abs()
        assert carried(rates, spaced(n)) is rates


def test_hold_ends_at_the_same_level_whatever_the_levels() -> None:
    """Fifty steps are guided down to t = 142; of twelve that is seven, and a quarter of the eighth, which answers for t = 165 to 72."""
    found = carried(torch.tensor(HOLD.rates(50)), even_log_snr(12))
    assert found[:7].tolist() == [1.0] * 7 and found[8:].tolist() == [0.0] * 4
    assert float(found[7]) == pytest.approx((39 - 37.333) / (43.929 - 37.333), abs=0.01)
    fine = carried(torch.tensor(HOLD.rates(50)), even_log_snr(400))
    until = even_log_snr(400).timestep(int((fine == 1.0).sum()) - 1)
    assert 142 <= until <= 145


@pytest.mark.parametrize("schedule", schedules.raggesture_guidance_schedules(), ids=lambda schedule: schedule.name)
def test_every_schedule_says_the_same_of_a_level(schedule: type) -> None:
    """A step gets the mean of the fifty's rates over the levels since the step before, here by counting a thousand of them."""
    rates, levels, clock = schedule(schedule.Options(start=0.2, stop=0.6)).rates(50), even_log_snr(12), spaced(50).timesteps.tolist()
    places = [49.0 - float(np.interp(levels.timestep(step), clock, range(50))) for step in range(12)]
    wanted = [rates[0], *(np.mean([rates[math.ceil(at)] for at in np.linspace(a, b, 1001)[1:]]) for a, b in pairwise(places))]
    found = carried(torch.tensor(rates, dtype=torch.float64), levels)
    assert found.tolist() == pytest.approx(wanted, abs=2e-3)


def test_a_weight_moves_finer_than_a_step() -> None:
    weights = torch.linspace(0.0, 1.0, 101)[None]
    total = carried(rates_per_token(HOLD.rates(50), weights), even_log_snr(12)).sum(dim=(0, 1))
    assert total[:33].tolist() == [0.0] * 33 and bool((total[33:].diff() > 0).all()), "every hundredth of a weight counts"
    assert float(total[-1]) == pytest.approx(7.25, abs=0.02)


def guided(sampler: Sampler, rates: Tensor, wanted: Tensor, start: Tensor) -> Tensor:
    mask = torch.zeros(1, 43, dtype=torch.bool)
    mask[:, 2:4] = True
    guide = AnchorGuide(Anchors(sampler.invert(gaussian, wanted), mask), carried(rates, sampler.schedule))
    return sampler.sample(gaussian, start, guide=guide)


def test_guided_sampling_in_twelve_steps_reaches_what_fifty_reach() -> None:
    wanted, start = draw(1, 43, 4, seed=8) * SPREADS, draw(1, 43, 4, seed=9)
    for weight in (0.0, 0.5, 0.8, 1.0):
        rates = rates_per_token(HOLD.rates(50), torch.full((1, 43), weight))
        few, many = guided(DpmSolver.of(12), rates, wanted, start), guided(Ddim.of(50), rates, wanted, start)
        assert float((few - many).abs().max()) < 0.2, weight
        free = DpmSolver.of(12).sample(gaussian, start)
        assert torch.equal(few[:, 4:], free[:, 4:]), "a token without an anchor keeps its bits"
    assert float((few - wanted)[:, 2:4].abs().max()) < 0.05


# --- by name


def test_samplers_by_name() -> None:
    assert {name: own_steps(name) for name in SAMPLERS} == {"dpm++": 12, "ddim": 50}
    few, many = sampler_named("dpm++"), sampler_named("ddim", 20)
    assert torch.equal(few.schedule.timesteps, even_log_snr(12).timesteps) and few.clock == 50
    assert torch.equal(many.schedule.timesteps, spaced(20).timesteps) and many.clock == 20
    assert sampler_key(few) == "dpm++ 0,2,8,26,72,166,311,482,644,782,899,999"
    assert len({sampler_key(sampler_named(name, n)) for name in SAMPLERS for n in (12, 13, 50)}) == 6
    with pytest.raises(ConfigError, match=r"sampler 'dpm': unknown; did you mean 'dpm\+\+'"):
        sampler_named("dpm")
    for name in SAMPLERS:
        with pytest.raises(ConfigError, match="steps: 1; expected a whole number from 2 to 1000"):
            sampler_named(name, 1)
