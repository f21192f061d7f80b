"""The small denoiser with published settings: embeddings, layers, both branches, mixtures, training step, checkpoint names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from golden_model import KEEP, MIXING, RELEASED, arrays, assert_close, conditions, small_denoiser

from raggesture.models.denoiser import Denoiser, DenoiserConfig
from raggesture.models.folded import Fold
from raggesture.models.mixing import CONDITION_ONLY, bind
from raggesture.training.denoiser import DenoiserObjective, loss_mask

FILES = ["denoiser", "denoiser_qmfix"]
TIMES = [999, 500, 101, 100, 37, 0]


@torch.no_grad()
@pytest.mark.parametrize("name", FILES)
def test_conditions_and_embedding(goldens: Path, name: str) -> None:
    data, denoiser = arrays(goldens, name), small_denoiser(goldens)
    for found, key in zip(denoiser.encode_conditions(conditions(data)), ("xf_text", "xf_audio", "xf_spk"), strict=True):
        assert_close(found, data[key], bound=1e-6)
    assert_close(denoiser.embed(data["x"]), data["h_embedded"][:, KEEP], bound=1e-6)
    for t in (500, 37):
        assert_close(denoiser.embed_time(torch.tensor([t, t])), data[f"emb_t{t}"], bound=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("t", [500, 37])
@pytest.mark.parametrize("conditioned", [True, False])
def test_layers(goldens: Path, name: str, t: int, conditioned: bool) -> None:
    data, denoiser = arrays(goldens, name), small_denoiser(goldens)
    times, on = torch.tensor([t, t]), torch.tensor([conditioned] * 2)
    prepared = denoiser.prepare(conditions(data)).select(on)
    states = denoiser.hidden_states(denoiser.embed(data["x"]), denoiser.project_time(times), prepared)
    for k, state in enumerate(states):
        assert_close(state, data[f"layer{k}_cond{int(conditioned)}_t{t}"][:, KEEP], bound=1e-5)
    out = denoiser(data["x"], times, denoiser.prepare(conditions(data)), on)
    assert_close(out, data[f"out_cond{int(conditioned)}_t{t}"], tokens=KEEP, bound=1e-5)
    assert not out[:, [10, 21, 32]].any()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize("way", ["plain", "time prepared", "folded"])
def test_mixtures(goldens: Path, name: str, t: int, way: str) -> None:
    data, denoiser = arrays(goldens, name), small_denoiser(goldens).eval()
    timesteps = None if way == "plain" else torch.tensor(TIMES[::-1])
    fold = Fold(denoiser, torch.tensor(TIMES[::-1])) if way == "folded" else None
    for scale, mixing in MIXING.items():
        found = bind(denoiser, conditions(data), mixing, timesteps=timesteps, fold=fold)(data["x"], t)
        assert_close(found, data[f"cfg_{scale}_t{t}"], tokens=KEEP, bound=1e-5)
    found = bind(denoiser, conditions(data), CONDITION_ONLY, timesteps=timesteps, fold=fold)(data["x"], t)
    assert_close(found, data[f"cond_only_t{t}"], tokens=KEEP, bound=1e-5)


def test_double_precision(goldens: Path) -> None:
    """In float64 only the rounding of what is float32 there too is left to hide behind: sines of the timestep, for one."""
    data, wanted = arrays(goldens, "denoiser"), arrays(goldens, "separator_f32_vs_f64")
    given = conditions({key: value.double() if value.is_floating_point() else value for key, value in data.items()})
    double = small_denoiser(goldens).double()
    double.time_embed.register_forward_pre_hook(lambda module, inputs: (inputs[0].double(),))
    found = bind(double, given, MIXING["js1"])(data["x"].double(), 500)
    assert found.dtype == torch.float64
    assert_close(found, wanted["out_f64"], tokens=KEEP, bound=1e-7)
    single = bind(small_denoiser(goldens), conditions(data), MIXING["js1"])(data["x"], 500)
    assert_close(single, wanted["out_f32"], tokens=KEEP, bound=1e-5)


def test_training_forward_drops_conditions_per_sample(goldens: Path) -> None:
    data, denoiser = arrays(goldens, "denoiser_train_forward"), small_denoiser(goldens)
    given = conditions(arrays(goldens, "denoiser"))
    out = denoiser(data["x"], data["t"], denoiser.prepare(given), data["cond_type"].flatten() % 10 > 0)
    assert_close(out.detach(), data["out"], tokens=KEEP, bound=1e-5)


def test_training_step(goldens: Path) -> None:
    data, inputs, denoiser = arrays(goldens, "training_step"), arrays(goldens, "e2e_inputs"), small_denoiser(goldens, RELEASED)
    given = (torch.stack([inputs[f"test{k}.{name}"] for k in (0, 1)]) for name in ("word", "audio", "speaker_id"))
    objective = DenoiserObjective(denoiser, loss_mask(denoiser.layout))  # what 'raggesture train' runs
    assert torch.equal(objective.mask.expand(2, -1), data["motion_mask"].reshape(2, -1))
    loss = objective(data["latents"], *given, data["t"], data["noise"], data["cond_type"].flatten() % 10 > 0)
    loss.backward()
    assert_close(loss.detach(), data["loss"], bound=1e-6)
    assert denoiser.joint_embed.weight.grad is not None
    # The gradient passes through a LayerNorm of values near -1e6 (tokens 20 and 30): two CPU kernels of one torch differ by 2e-3 here.
    assert_close(denoiser.joint_embed.weight.grad, data["grad_joint_embed_weight"], bound=1e-2)


def test_names_are_the_published_ones(goldens: Path) -> None:
    wanted = json.loads((goldens / "model" / "full_checkpoint_keys.json").read_text())["diffusion_denoiser_keys"]
    with torch.device("meta"):
        state = Denoiser(DenoiserConfig.published()).state_dict()
    assert {f"model.{key}": list(value.shape) for key, value in state.items()} == wanted
