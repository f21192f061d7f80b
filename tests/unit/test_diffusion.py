"""Schedules, DDIM, inversion, guidance and inpainting on denoisers whose answer is known."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from raggesture.diffusion import schedules
from raggesture.diffusion.ddim import invert, move, sample
from raggesture.diffusion.guidance import DIAL, AnchorGuide, Anchors, Dial, chain, mixed_start, rates_per_token
from raggesture.diffusion.inpaint import Inpaint, paste
from raggesture.diffusion.noise import NoiseSchedule, alphas_cumprod, published, respaced, spaced
from raggesture.diffusion.rates import closed_form_rate
from raggesture.errors import ConfigError

S = published()
EVEN = Dial(((0.2, 0.0), (1.0, 1.0)))


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def gaussian(x: Tensor, t: int, sigma: float = 0.7) -> Tensor:
    """The best denoiser of data drawn from N(0, sigma**2)."""
    abar = float(S.alphas_cumprod[t])
    return math.sqrt(abar) * sigma**2 / (abar * sigma**2 + 1 - abar) * x


# --- noise


def test_spaced_ends_and_order() -> None:
    for n in (2, 3, 12, 20, 50, 51, 99, 200, 999, 1000):
        timesteps = spaced(n).timesteps
        assert timesteps.numel() == n and int(timesteps[0]) == 0 and int(timesteps[-1]) == 999
        assert bool((timesteps.diff() > 0).all())


@pytest.mark.parametrize("n", [1, 0, 1001])
def test_spaced_refuses(n: int) -> None:
    with pytest.raises(ConfigError, match="from 2 to 1000"):
        spaced(n)


@pytest.mark.parametrize("text", ["", "a", "15,15,8,6,201", "0,1", "-3"])
def test_respaced_refuses(text: str) -> None:
    with pytest.raises(ConfigError, match="sections"):
        respaced(text)


def test_schedule_refuses_disorder() -> None:
    with pytest.raises(ConfigError, match="ascending"):
        NoiseSchedule(alphas_cumprod(), torch.tensor([3, 3]))


def test_step_zero_is_the_noisiest() -> None:
    assert (S.timestep(0), S.timestep(49)) == (999, 0)
    assert S.abar(0) < 0.01 < 0.999 < S.abar(49) < S.abar(50) == 1.0


# --- DDIM


def test_perfect_denoiser_arrives_at_once() -> None:
    clean, noise = draw(2, 43, 4), draw(2, 43, 4, seed=1)
    for n in (2, 7, 50):
        schedule = spaced(n)
        states: list[Tensor] = []
        found = sample(lambda x, t: clean, schedule.at_step(clean, noise, 0), schedule, observe=lambda k, x, x_0, keep=states: keep.append(x))
        torch.testing.assert_close(found, clean)
        for step in range(n - 1):  # and every state on the way is the clean latents noised by the same noise
            torch.testing.assert_close(states[step], schedule.at_step(clean, noise, step + 1), rtol=1e-4, atol=1e-4)


def test_sampling_a_gaussian_gives_its_spread() -> None:
    spread = [float(sample(gaussian, draw(1, 4000, 4), spaced(n)).std()) for n in (10, 50, 400)]
    errors = [abs(s - 0.7) for s in spread]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.01


def test_inversion_stands_at_each_step_s_level() -> None:
    clean = 0.7 * draw(1, 4000, 4)
    levels = invert(gaussian, clean, S)
    assert levels.shape == (50, 1, 4000, 4)
    for step in (0, 10, 30, 49):
        abar = S.abar(step)
        assert float(levels[step].std()) == pytest.approx(math.sqrt(abar * 0.49 + 1 - abar), rel=0.06)
    assert float(levels[0].std()) == pytest.approx(1.0, abs=0.06)


def test_sampling_undoes_inversion_better_with_more_steps() -> None:
    clean = 0.7 * draw(1, 43, 4)
    errors = [float((sample(gaussian, invert(gaussian, clean, spaced(n))[0], spaced(n)) - clean).abs().max()) for n in (10, 50, 400)]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.02


def test_inversion_uses_one_call_per_step_at_its_own_timestep() -> None:
    asked: list[int] = []

    def record(x: Tensor, t: int) -> Tensor:
        asked.append(t)
        return x

    invert(record, draw(1, 4, 2), spaced(6))
    assert asked == [spaced(6).timestep(5), *(spaced(6).timestep(k) for k in (5, 4, 3, 2, 1))]


def test_sampling_and_inverting_leave_the_global_generator() -> None:
    before = torch.random.get_rng_state()
    sample(gaussian, draw(1, 4, 2), S)
    invert(gaussian, draw(1, 4, 2), S)
    assert torch.equal(before, torch.random.get_rng_state())


# --- guidance


def anchors(steps: int = 50) -> Anchors:
    mask = torch.zeros(1, 43, dtype=torch.bool)
    mask[:, 2:4] = True
    return Anchors(draw(steps, 1, 43, 4, seed=3), mask)


def test_rate_one_replaces_and_the_rest_keeps_its_bits() -> None:
    held, x = anchors(), draw(1, 43, 4)
    out = AnchorGuide(held, rates_per_token((1.0,) * 50, torch.ones(1, 43)))(7, x)
    assert torch.equal(out[:, 2:4], held.latents[7][:, 2:4])
    assert torch.equal(out[:, 4:], x[:, 4:]) and torch.equal(out[:, :2], x[:, :2])


def test_rate_is_the_share_of_the_gap() -> None:
    held, x = anchors(), draw(1, 43, 4)
    out = AnchorGuide(held, rates_per_token((0.25,) * 50, torch.ones(1, 43)))(0, x)
    torch.testing.assert_close(out[:, 2:4] - x[:, 2:4], 0.25 * (held.latents[0] - x)[:, 2:4])


def test_a_guide_knows_how_much_of_each_tokens_way_it_guides() -> None:
    rates = rates_per_token((0.0, 0.75) + (0.25,) * 48, torch.ones(1, 43))
    share = AnchorGuide(anchors(), rates).share
    assert share.shape == (1, 43) and share[0, 2:4].tolist() == [0.75, 0.75] and not share[0, :2].any() and not share[0, 4:].any()
    assert AnchorGuide(anchors(), rates, torch.full((1, 43), 0.4)).share[0, :5].tolist() == pytest.approx([0, 0, 0.4, 0.4, 0])


def test_guided_sampling_reaches_what_was_inverted() -> None:
    wanted = 0.7 * draw(1, 43, 4, seed=8)
    levels = invert(gaussian, wanted, S)
    start = draw(1, 43, 4, seed=9)
    free = sample(gaussian, start, S)
    mask = anchors().mask
    held = AnchorGuide(Anchors(levels, mask), rates_per_token(schedules.Hold(schedules.HoldOptions()).rates(50), torch.ones(1, 43)))
    found = sample(gaussian, start, S, guide=held)
    assert float((found - wanted)[:, 2:4].abs().max()) < 0.05 < 0.5 < float((free - wanted)[:, 2:4].abs().max())
    assert torch.equal(found[:, 4:], free[:, 4:])


def test_the_dial_moves_the_end() -> None:
    rates = schedules.Hold(schedules.HoldOptions()).rates(50)
    weights = torch.tensor([[0.0, 0.19, 0.6, 1.0]])
    found = rates_per_token(rates, weights, EVEN)[:, 0]
    assert not found[:, 0].any() and not found[:, 1].any()
    assert torch.equal(found[:, 3], torch.tensor(rates))
    assert found.sum(0).tolist() == pytest.approx([0.0, 0.0, 20.5, 40.0], abs=1e-4)
    late = rates_per_token(schedules.IncreasingFrom25(schedules.IterationOptions()).rates(50), torch.tensor([[0.6]]), EVEN)[:, 0, 0]
    active = (late > 1e-4).nonzero().flatten()
    assert int(active[0]) == 26 and int(active[-1]) == 37


def test_the_dial_turns_the_start_first() -> None:
    assert EVEN.start(torch.tensor([0.0, 0.1, 0.2, 0.9])).tolist() == pytest.approx([0.0, 0.5, 1.0, 1.0])
    assert DIAL.guided(torch.tensor([0.0, 1.0])).tolist() == [0.0, 1.0]
    with pytest.raises(ConfigError, match="rising pairs"):
        Dial(((0.5, 0.0), (0.4, 0.5), (1.0, 1.0)))
    with pytest.raises(ConfigError, match="rising pairs"):
        Dial(((0.2, 0.0), (0.9, 1.0)))


def test_a_start_between_two_keeps_the_variance() -> None:
    free, anchor = draw(1, 4000, 4), draw(1, 4000, 4, seed=1)
    shares = torch.tensor([0.0, 0.3, 0.5, 1.0])[:, None].expand(4, 4000)
    found = mixed_start(free.expand(4, -1, -1), anchor.expand(4, -1, -1), shares)
    assert torch.equal(found[0], free[0]) and torch.equal(found[3], anchor[0])
    assert found.std(dim=(1, 2)).tolist() == pytest.approx([1.0] * 4, abs=0.02)
    near = [float((row - anchor[0]).square().mean()) for row in found]
    assert near == sorted(near, reverse=True)


def test_the_dial_is_even() -> None:
    wanted, start = 0.7 * draw(1, 43, 4, seed=8), draw(1, 43, 4, seed=9)
    held, rates = Anchors(invert(gaussian, wanted, S), torch.ones(1, 43, dtype=torch.bool)), schedules.Hold(schedules.HoldOptions()).rates(50)
    gaps = []
    for weight in (0.0, 0.25, 0.5, 0.75, 1.0):
        guide = AnchorGuide(held, rates_per_token(rates, torch.full((1, 43), weight)))
        gaps.append(float((sample(gaussian, start, S, guide=guide) - wanted).abs().mean()))
    assert gaps == sorted(gaps, reverse=True)


def test_guidance_refuses() -> None:
    with pytest.raises(ConfigError, match="weights"):
        rates_per_token((1.0,), torch.tensor([[1.5]]))
    with pytest.raises(ConfigError, match="rates"):
        rates_per_token((1.5,), torch.ones(1, 1))
    with pytest.raises(ConfigError, match="same number of steps"):
        AnchorGuide(anchors(), rates_per_token((1.0,) * 20, torch.ones(1, 43)))
    with pytest.raises(ConfigError, match="anchors"):
        Anchors(draw(50, 1, 43, 4), torch.ones(1, 43))


def test_closed_form_equals_the_iterations() -> None:
    x, anchor = 5.0, 1.0
    for _ in range(7):
        x -= 0.1 * 2 * (x - anchor)
    assert 5.0 + closed_form_rate(0.1, 7) * (anchor - 5.0) == pytest.approx(x)
    assert closed_form_rate(0.5, 1) == 1.0 and closed_form_rate(0.3, 0) == 0.0
    for lr, n in ((0.0, 1), (0.6, 1), (0.1, -1)):
        with pytest.raises(ConfigError):
            closed_form_rate(lr, n)


# --- schedules


@pytest.mark.parametrize("schedule", schedules.raggesture_guidance_schedules(), ids=lambda schedule: schedule.name)
def test_rates_of_any_number_of_steps(schedule: type) -> None:
    made = schedule(schedule.Options())
    for n in (1, 2, 12, 50, 137):
        rates = made.rates(n)
        assert len(rates) == n and all(0.0 <= rate <= 1.0 for rate in rates)
    coarse, fine = made.rates(25), made.rates(50)
    assert sum(coarse) / 25 == pytest.approx(sum(fine) / 50, abs=0.05)
    with pytest.raises(ValidationError):
        schedule.Options(nonsense=1)


def test_hold_frees_the_last_fifth() -> None:
    assert schedules.Hold(schedules.HoldOptions()).rates(50) == (1.0,) * 40 + (0.0,) * 10
    assert schedules.Hold(schedules.HoldOptions()).rates(20) == (1.0,) * 16 + (0.0,) * 4


def test_names_and_directions() -> None:
    named = {schedule.name: schedule(schedule.Options()) for schedule in schedules.raggesture_guidance_schedules()}
    assert len(named) == 13 and {"hold", "constant", "replace", "none"} < set(named)
    decreasing, increasing = named["decreasing"].rates(50), named["increasing"].rates(50)
    assert decreasing[0] == closed_form_rate(0.1, 49) and decreasing[-1] == 0.0
    assert increasing == decreasing[::-1]
    assert named["drop_decreasing_till_25"].rates(50)[25:] == (0.0,) * 25
    assert named["all_zero"].rates(50) == (0.0,) * 50


def test_ours() -> None:
    assert schedules.Constant(schedules.ConstantOptions()).rates(4) == (0.3,) * 4
    assert schedules.Constant(schedules.ConstantOptions(rate=0.5, start=0.25, stop=0.75)).rates(4) == (0.0, 0.5, 0.5, 0.0)
    assert schedules.Replace(schedules.ShareOptions()).rates(7) == (1.0,) * 7
    assert schedules.NoGuidance(schedules.ShareOptions()).rates(7) == (0.0,) * 7


@pytest.mark.parametrize("schedule", schedules.raggesture_guidance_schedules(), ids=lambda schedule: schedule.name)
def test_every_schedule_starts_stops_and_has_a_rate(schedule: type) -> None:
    plain = schedule(schedule.Options(stop=1.0)).rates(50)
    window = schedule(schedule.Options(start=0.2, stop=0.6)).rates(50)
    assert window == (0.0,) * 10 + plain[10:30] + (0.0,) * 20
    assert schedule(schedule.Options(start=0.5, stop=0.5)).rates(50) == (0.0,) * 50
    full, half = (schedule(schedule.Options(rate=rate)).rates(50) for rate in (1.0, 0.5))
    assert half == tuple(0.5 * rate for rate in full)
    with pytest.raises(ValidationError, match=r"start 0\.7 at or before stop 0\.5"):
        schedule.Options(start=0.7, stop=0.5)
    for wrong in ({"start": -0.1}, {"stop": 1.1}, {"rate": 2.0}, {"rate": float("nan")}):
        with pytest.raises(ValidationError):
            schedule.Options(**wrong)


def test_the_options_leave_the_published_lists_alone() -> None:
    for schedule in schedules.PUBLISHED:
        made = schedule(schedule.Options())
        for steps in (20, 50):
            assert made.rates(steps) == tuple(closed_form_rate(0.1, n) for n in reversed(made.iterations(steps)))


def test_until_is_another_name_of_stop() -> None:
    assert schedules.Hold(schedules.HoldOptions(until=0.5)).rates(10) == schedules.Hold(schedules.HoldOptions(stop=0.5)).rates(10)
    assert schedules.HoldOptions(until=0.5, stop=0.5).end == 0.5
    with pytest.raises(ValidationError, match=r"one of 'stop' \(0.9\) and 'until' \(0.5\), which mean the same"):
        schedules.HoldOptions(until=0.5, stop=0.9)
    with pytest.raises(ValidationError, match=r"start 0\.6 at or before stop 0\.5"):
        schedules.HoldOptions(until=0.5, start=0.6)


# --- inpainting


def test_inpainting_keeps_the_known_and_leaves_the_rest() -> None:
    known, mask = 0.7 * draw(1, 43, 4, seed=4), anchors().mask
    start = draw(1, 43, 4)
    found = sample(gaussian, start, S, guide=Inpaint(known, mask, draw(50, 1, 43, 4, seed=6), S))
    assert torch.equal(found[:, 4:], sample(gaussian, start, S)[:, 4:])
    assert float((found - known)[:, 2:4].abs().max()) < 0.15
    assert torch.equal(paste(found, known, mask)[:, 2:4], known[:, 2:4])
    assert torch.equal(paste(found, known, mask)[:, 4:], found[:, 4:])


def test_inpainting_refuses() -> None:
    with pytest.raises(ConfigError, match="noise for 3 steps"):
        Inpaint(draw(1, 43, 4), anchors().mask, draw(3, 1, 43, 4), S)
    with pytest.raises(ConfigError, match="mask"):
        Inpaint(draw(1, 43, 4), torch.ones(1, 42, dtype=torch.bool), draw(1, 43, 4), S)


def test_guides_are_applied_in_order() -> None:
    assert float(chain(lambda step, x: x + 1, lambda step, x: x * 10)(0, torch.tensor(1.0))) == 20.0


def test_move_to_clean_is_the_prediction() -> None:
    x, x_0 = draw(1, 3, 2), draw(1, 3, 2, seed=1)
    torch.testing.assert_close(move(x, x_0, 0.3, 1.0), x_0)
