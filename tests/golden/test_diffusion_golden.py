"""Noise schedule, DDIM, inversion, the released guided loop and outpainting against the published implementation's numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from golden_model import KEEP, MIXING, arrays, assert_close, conditions, small_denoiser
from torch import Tensor

from raggesture.body.rotations import interpolate_double
from raggesture.diffusion import ddim, released
from raggesture.diffusion.noise import alphas_cumprod, betas, published, respaced, spaced
from raggesture.diffusion.schedules import PUBLISHED, DecreasingTill25, IterationOptions
from raggesture.models.mixing import bind

SCHEDULE = published()


class Trail:
    """Remembers every state and predicted x_0."""

    def __init__(self) -> None:
        self.states: list[Tensor] = []
        self.predicted: list[Tensor] = []

    def __call__(self, step: int, x: Tensor, x_0: Tensor) -> None:
        self.states.append(x)
        self.predicted.append(x_0)


def denoise(goldens: Path, name: str = "denoiser") -> ddim.Denoise:
    return bind_small(goldens)(arrays(goldens, name))


def bind_small(goldens: Path) -> Callable[[dict[str, Tensor]], ddim.Denoise]:
    denoiser = small_denoiser(goldens)
    return lambda data: bind(denoiser, conditions(data), MIXING["js1"], timesteps=SCHEDULE.timesteps)


def analytic(x: Tensor, t: int) -> Tensor:
    return float(SCHEDULE.alphas_cumprod[t]) ** 0.5 * x


def test_schedule(goldens: Path) -> None:
    data = arrays(goldens, "schedule")
    assert_close(betas(), data["betas_1000"], bound=1e-14)
    assert_close(alphas_cumprod(), data["alphas_cumprod_1000"], bound=1e-14)
    assert torch.equal(SCHEDULE.timesteps, data["timestep_map_50"])
    assert torch.equal(spaced(50).timesteps, data["timestep_map_50"])
    assert torch.equal(respaced("15,15,8,6,6").timesteps, data["timestep_map_50"])
    levels = torch.tensor([SCHEDULE.abar(step) for step in range(51)], dtype=torch.float64).flip(0)  # clean first
    assert_close(levels[1:], data["alphas_cumprod_50"], bound=1e-14)
    assert_close(levels[:-1], data["alphas_cumprod_prev_50"], bound=1e-14)


def test_other_respacings(goldens: Path) -> None:
    """One step in each of fifty sections is what the published code calls "leading" and "ddim50"; its "fast" form moves the noisiest step down."""
    data = arrays(goldens, "schedule")
    one_each = respaced(",".join(["1"] * 50)).timesteps
    assert torch.equal(one_each, data["leading_50"])
    assert torch.equal(one_each, data["ddim50"])
    assert torch.equal(SCHEDULE.timesteps[:-1], data["fast27"][:-1])
    assert int(SCHEDULE.timesteps[-1] - data["fast27"][-1]) == 2


def test_coefficients_of_the_spaced_process(goldens: Path) -> None:
    """Noise from x and x_0, and the levels above and below, as the published tables of fifty have them."""
    data, one, none = arrays(goldens, "schedule"), torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    steps = range(49, -1, -1)  # clean first
    of_x = torch.cat([ddim.eps_of(one, none, SCHEDULE.abar(step)) for step in steps])
    of_x_0 = torch.cat([ddim.eps_of(none, one, SCHEDULE.abar(step)) for step in steps])
    assert_close(-1.0 / of_x_0, data["sqrt_recipm1_alphas_cumprod_50"], bound=1e-12)
    assert_close(-of_x / of_x_0, data["sqrt_recip_alphas_cumprod_50"], bound=1e-12)
    betas_50 = torch.tensor([1.0 - SCHEDULE.abar(step) / SCHEDULE.abar(step + 1) for step in steps], dtype=torch.float64)
    assert_close(betas_50, data["betas_50"], bound=1e-12)
    above = torch.tensor([SCHEDULE.abar(step - 1) for step in steps if step > 0], dtype=torch.float64)
    assert_close(above, data["alphas_cumprod_next_50"][:-1], bound=1e-12)
    assert float(data["alphas_cumprod_next_50"][-1]) == 0.0
    last = released.invert(lambda x, t: torch.zeros_like(x), one.reshape(1, 1, 1), SCHEDULE)[-2:].flatten()  # from the noisiest level to pure noise
    c = data["sqrt_recip_alphas_cumprod_50"][-1] / data["sqrt_recipm1_alphas_cumprod_50"][-1]
    assert_close(last[1], last[0] * c, bound=1e-12)


def test_q_sample(goldens: Path) -> None:
    data = arrays(goldens, "q_sample")
    assert_close(SCHEDULE.at_timestep(data["x0"], data["noise"], data["t_train"]), data["q_sample_train"], bound=1e-6)
    assert_close(SCHEDULE.at_timestep(data["x0"], data["noise"], SCHEDULE.timesteps[data["t"]]), data["q_sample"], bound=1e-6)
    for row, step in enumerate(49 - int(t) for t in data["t"]):
        assert_close(SCHEDULE.at_step(data["x0"], data["noise"], step)[row], data["q_sample"][row], bound=1e-6)


def test_ddim(goldens: Path) -> None:
    data, trail = arrays(goldens, "ddim_js1"), Trail()
    final = ddim.sample(denoise(goldens), data["noise"], SCHEDULE, observe=trail)
    assert torch.equal(final, trail.states[-1])
    assert_close(torch.stack(trail.states), data["samples"], tokens=KEEP)
    assert_close(torch.stack(trail.predicted), data["pred_xstart"], tokens=KEEP)
    for name, k, x in (("eps_step49", 0, data["noise"]), ("eps_step0", 49, trail.states[48])):
        assert_close(ddim.eps_of(x, trail.predicted[k], SCHEDULE.abar(k)), data[name], tokens=KEEP)


def test_inversion_and_reconstruction(goldens: Path) -> None:
    data, call = arrays(goldens, "ddim_js1"), denoise(goldens)
    assert_close(released.invert(call, data["start_latents"], SCHEDULE), data["inverted"], tokens=KEEP)
    assert_close(ddim.sample(call, data["inverted"][-1], SCHEDULE), data["reconstruction"], tokens=KEEP)


def test_analytic_denoiser(goldens: Path) -> None:
    data, trail = arrays(goldens, "ddim_analytic"), Trail()
    ddim.sample(analytic, data["noise"], SCHEDULE, observe=trail)
    assert_close(torch.stack(trail.states), data["samples"], bound=1e-5)
    inverted = released.invert(analytic, data["start_latents"], SCHEDULE)
    assert_close(inverted, data["inverted"], bound=1e-5)
    assert_close(ddim.sample(analytic, inverted[-1], SCHEDULE), data["reconstruction"], bound=1e-5)


def test_true_separators(goldens: Path) -> None:
    data, trail = arrays(goldens, "ddim_sample_qmfix"), Trail()
    ddim.sample(denoise(goldens, "ddim_sample_qmfix"), data["noise"], SCHEDULE, observe=trail)
    assert_close(torch.stack(trail.states), data["xs"], tokens=KEEP, bound=1e-5)
    assert_close(torch.stack(trail.predicted), data["pred_x0"], tokens=KEEP, bound=1e-5)
    data = arrays(goldens, "ddim_inversion_qmfix")
    inverted = released.invert(denoise(goldens, "ddim_inversion_qmfix"), data["latents"], SCHEDULE)
    assert_close(inverted, data["inverted"], tokens=KEEP, bound=1e-5)


def test_iterations_are_the_published_ones(goldens: Path) -> None:
    wanted = json.loads((goldens / "model" / "guidance_schedules.json").read_text())
    found = {schedule.name: list(schedule(schedule.Options()).iterations(50)) for schedule in PUBLISHED}
    assert found == {name: entry["list"] for name, entry in wanted.items()}
    assert {name: sum(entry[:49]) for name, entry in found.items()} == {name: entry["total_gradient_steps"] for name, entry in wanted.items()}


@pytest.mark.parametrize("schedule", PUBLISHED, ids=lambda schedule: schedule.name)
def test_guided_loop_without_the_overwriting(goldens: Path, schedule: type) -> None:
    data, call = arrays(goldens, "guided"), denoise(goldens)
    for lr in (0.1, 100.0) if schedule.name == "decreasing" else (100.0,):
        guide = released.ReleasedGuidance(SCHEDULE, data["masked_inverted"], schedule(schedule.Options()).iterations(50), lr, data["q_noise"], overwrite=False)
        found = ddim.sample(call, data["start_noise"], SCHEDULE, guide=guide)
        assert_close(found, data[f"fixed_{schedule.name}_lr{lr:g}"], tokens=KEEP)


def test_released_guided_loop_ignores_its_schedule(goldens: Path) -> None:
    data, call = arrays(goldens, "guided"), denoise(goldens)
    iterations = DecreasingTill25(IterationOptions()).iterations(50)
    guide = released.ReleasedGuidance(SCHEDULE, data["masked_inverted"], iterations, 0.1, data["q_noise"])
    found = ddim.sample(call, data["start_noise"], SCHEDULE, guide=guide)
    for schedule in PUBLISHED:
        assert_close(found, data[f"released_{schedule.name}_lr0.1"], tokens=KEEP)


def test_guided_loop_at_its_extremes(goldens: Path) -> None:
    data, call = arrays(goldens, "guided"), denoise(goldens)
    assert_close(ddim.sample(call, data["start_noise"], SCHEDULE), data["plain_ddim_from_start_noise"], tokens=KEEP)
    guide = released.ReleasedGuidance(SCHEDULE, data["masked_inverted"], (10,) * 50, 400.0, data["q_noise"])
    assert_close(ddim.sample(call, data["start_noise"], SCHEDULE, guide=guide), data["released_all_10_lr400"], tokens=KEEP)


def test_seeded_released_loop(goldens: Path) -> None:
    """The released order of draws: re-noise (all steps but the first), then an unused one."""
    data, call = arrays(goldens, "guided"), denoise(goldens)
    draw = torch.Generator().manual_seed(1234)
    noise = torch.zeros(50, 2, 43, 32)
    for i in range(49, -1, -1):
        if i < 49:
            noise[i] = torch.randn(2, 43, 32, generator=draw)
        torch.randn(2, 43, 32, generator=draw)
    guide = released.ReleasedGuidance(SCHEDULE, data["masked_inverted"], (1,) * 50, 0.1, noise)
    assert_close(ddim.sample(call, data["start_noise"], SCHEDULE, guide=guide), data["released_seed1234_all_one_lr0.1"], tokens=KEEP)


@pytest.mark.parametrize("own_noise", [False, True], ids=["noise given", "noise drawn first"])
def test_seeded_outpainting(goldens: Path, own_noise: bool) -> None:
    """The released order of draws: the start noise where none is given, then per step the known tokens' noise and an unused one."""
    data, call = arrays(goldens, "outpaint"), denoise(goldens)
    draw = torch.Generator().manual_seed(1234)
    start = torch.randn(2, 43, 32, generator=draw) if own_noise else data["noise"]
    noise = torch.zeros(50, 2, 43, 32)
    for i in range(49, -1, -1):
        noise[i] = torch.randn(2, 43, 32, generator=draw)
        torch.randn(2, 43, 32, generator=draw)
    found = ddim.sample(call, start, SCHEDULE, guide=released.outpaint(SCHEDULE, data["in_seq"], noise))
    assert_close(found, data["seeded1234_own_noise_final" if own_noise else "seeded1234_final"], tokens=KEEP)


def test_outpainting(goldens: Path) -> None:
    data, call, trail = arrays(goldens, "outpaint"), denoise(goldens), Trail()
    ddim.sample(call, data["noise"], SCHEDULE, guide=released.outpaint(SCHEDULE, data["in_seq"], data["q_noise"]), observe=trail)
    assert_close(torch.stack(trail.states), data["samples"], tokens=KEEP)


def test_doubling_the_frame_rate(goldens: Path) -> None:
    data = arrays(goldens, "interp30")
    assert_close(interpolate_double(data["x"][0])[None], data["out"], bound=1e-6)
