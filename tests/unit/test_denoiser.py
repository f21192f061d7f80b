"""The denoiser in every setting: shapes, separators, what is prepared, what conditions do, settings and their JSON."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from raggesture.body.joints import LatentLayout
from raggesture.errors import InputError, ModelError
from raggesture.models.conditions import Conditions
from raggesture.models.denoiser import Denoiser, DenoiserConfig
from raggesture.models.mixing import CONDITION_ONLY, Mixing, bind

BASE = DenoiserConfig(
    latent_dim=6, text_dim=5, audio_dim=4, n_speakers=3, width=16, layers=2, heads=4, ff_dim=24, time_dim=20, condition_dim=8, planner_dim=8, gestures=5
)
SETTINGS = [
    replace(BASE, attention=attention, modulation=modulation, conditioning=conditioning, prediction=prediction)
    for attention, modulation, conditioning, prediction in itertools.product(
        ("linear", "softmax"), ("stylization", "adaln"), ("frames", "chunks", "joint-chunks", "planned-chunks"), ("x0", "v")
    )
]
IDS = [f"{c.attention}-{c.modulation}-{c.conditioning}-{c.prediction}" for c in SETTINGS]
SEPARATORS = list(LatentLayout().separators)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def trained(config: DenoiserConfig) -> Denoiser:
    """Every parameter random, so that nothing is hidden behind a zero start."""
    denoiser = Denoiser(config).eval()
    with torch.no_grad():
        for k, parameter in enumerate(denoiser.parameters()):
            parameter.copy_(0.3 * draw(*parameter.shape, seed=k))
    return denoiser


def given(batch: int = 2, seed: int = 1) -> Conditions:
    return Conditions(draw(batch, 150, 5, seed=seed), draw(batch, 150, 4, seed=seed + 1), torch.arange(batch) % 3)


@torch.no_grad()
@pytest.mark.parametrize("config", SETTINGS, ids=IDS)
def test_what_holds_for_every_setting(config: DenoiserConfig) -> None:
    denoiser, conditions, t = trained(config), given(), torch.tensor([900, 30])
    x = draw(2, 43, 6, seed=5)
    x_0 = denoiser(x, t, denoiser.prepare(conditions))
    assert x_0.shape == x.shape and x_0.isfinite().all()
    assert not x_0[:, SEPARATORS].any()
    # separators influence nothing
    other = x.clone()
    other[:, SEPARATORS] = 100.0
    assert torch.equal(denoiser(other, t, denoiser.prepare(conditions)), x_0)
    # preparing the time changes nothing
    prepared = denoiser(x, t, denoiser.prepare(conditions, torch.tensor([30, 500, 900])))
    torch.testing.assert_close(prepared, x_0, atol=5e-5, rtol=1e-4)  # another order of the sums, which differs with the processor
    # a sample without condition does not see it, the other one is as before
    mixed = denoiser(x, t, denoiser.prepare(conditions), torch.tensor([True, False]))
    torch.testing.assert_close(mixed[0], x_0[0])
    assert (mixed[1] - x_0[1]).abs().max() > 1e-3
    torch.testing.assert_close(denoiser(x, t, denoiser.prepare(given(seed=9)), torch.tensor([False, False]))[1], mixed[1])
    # each condition matters
    for changed in (replace_(conditions, "text"), replace_(conditions, "audio"), replace_(conditions, "speaker")):
        assert (denoiser(x, t, denoiser.prepare(changed)) - x_0).abs().max() > 1e-4
    # samples of a batch are independent
    alone = denoiser(x[1:], t[1:], denoiser.prepare(conditions.take(slice(1, 2))))
    torch.testing.assert_close(alone, x_0[1:], rtol=1e-4, atol=1e-5)


def replace_(conditions: Conditions, name: str) -> Conditions:
    values = {key: getattr(conditions, key) for key in ("text", "audio", "speaker")}
    values[name] = (values[name] + 1) % 3 if name == "speaker" else values[name] + draw(*values[name].shape, seed=77)
    return Conditions(**values)


def test_v_prediction_starts_as_the_linear_formula() -> None:
    denoiser, x = Denoiser(BASE).eval(), draw(1, 43, 6)
    x[:, SEPARATORS] = 0
    found = bind(denoiser, given(1))(x, 400)
    torch.testing.assert_close(found, denoiser.sqrt_abar[400] * x)
    assert float(denoiser.loss_weight(torch.tensor([400]))) == pytest.approx(1 / (1 - float(denoiser.sqrt_abar[400]) ** 2), rel=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("conditioning", ["chunks", "joint-chunks"])
def test_a_chunk_hears_its_own_second_and_a_third_each_side(conditioning) -> None:
    denoiser, conditions = trained(replace(BASE, conditioning=conditioning)), given(1)
    before = denoiser.prepare(conditions).tokens
    text = conditions.text.clone()
    text[:, 60:64] += 1.0  # chunk 4 starts at frame 60; chunk 3 hears up to frame 64
    after = denoiser.prepare(Conditions(text, conditions.audio, conditions.speaker)).tokens
    assert before is not None and after is not None
    changed = (before != after).any(-1)[0].view(4, 10)
    assert changed.tolist() == [[k in (3, 4) for k in range(10)]] * 4


@torch.no_grad()
def test_in_joint_chunks_the_voice_says_where_in_the_word() -> None:
    """What a word does to the tokens depends on the voice on its frames; where they are gathered apart it does not."""
    words, quiet = given(1), given(1)
    louder = words.audio.clone()
    louder[:, 30:34] += 2.0
    for conditioning, depends in (("chunks", False), ("joint-chunks", True)):
        denoiser = trained(replace(BASE, conditioning=conditioning))
        silent = torch.zeros_like(words.text)

        def effect(audio: torch.Tensor, denoiser=denoiser, silent=silent) -> torch.Tensor:
            spoken, mute = (denoiser.prepare(Conditions(text, audio, words.speaker)).tokens for text in (words.text, silent))
            assert spoken is not None and mute is not None
            return spoken - mute

        assert (float((effect(louder) - effect(quiet.audio)).abs().max()) > 1e-4) == depends


@torch.no_grad()
def test_mixing() -> None:
    denoiser, conditions, x = trained(BASE), given(), draw(2, 43, 6)
    both = torch.tensor([True, True])
    prepared, t = denoiser.prepare(conditions), torch.tensor([300, 300])
    c, u = denoiser(x, t, prepared, both), denoiser(x, t, prepared, ~both)
    torch.testing.assert_close(bind(denoiser, conditions, Mixing(scale=1.4))(x, 300), 1.4 * c - 0.4 * u)
    torch.testing.assert_close(bind(denoiser, conditions, CONDITION_ONLY)(x, 300), c)
    torch.testing.assert_close(bind(denoiser, conditions, Mixing("published"))(x, 300), 2.95 * c - 1.95 * u, rtol=1e-4, atol=1e-4)
    found = bind(denoiser, conditions, Mixing(scale=1.4, per_part_scale=(2.0, 1.0, 1.0, 0.5)))(x, 300)
    torch.testing.assert_close(found[:, :10], 2.8 * c[:, :10] - 0.2 * u[:, :10])
    torch.testing.assert_close(found[:, 33:], 0.7 * c[:, 33:] - 0.8 * u[:, 33:])


@torch.no_grad()
def test_mixing_where_an_exemplar_guides() -> None:
    """Guided tokens have a scale of their own, half guided ones the mean; without one, or without a guide, nothing changes."""
    denoiser, conditions, x = trained(BASE), given(), draw(2, 43, 6)
    prepared, t, both = denoiser.prepare(conditions), torch.tensor([300, 300]), torch.tensor([True, True])
    c, u = denoiser(x, t, prepared, both), denoiser(x, t, prepared, ~both)
    guided = torch.zeros(2, 43)
    guided[1, 3], guided[1, 4], guided[1, 5] = 1.0, 0.5, -1.0
    mixing = Mixing(scale=2.0, guided_scale=-0.5)
    found = bind(denoiser, conditions, mixing, guided=guided)(x, 300)
    torch.testing.assert_close(found[0], 2 * c[0] - u[0])
    torch.testing.assert_close(found[1, 3], -0.5 * c[1, 3] + 1.5 * u[1, 3])
    torch.testing.assert_close(found[1, 4], 0.75 * c[1, 4] + 0.25 * u[1, 4])
    torch.testing.assert_close(found[1, 5], c[1, 5])  # the window's own draft
    for same in (bind(denoiser, conditions, mixing)(x, 300), bind(denoiser, conditions, Mixing(scale=2.0), guided=guided)(x, 300)):
        torch.testing.assert_close(same, 2 * c - u)
    for wrong in (float("nan"), "much"):
        with pytest.raises(ModelError, match=r"mixing\.guided_scale"):
            Mixing(guided_scale=wrong)  # type: ignore[arg-type]
    assert mixing.guided_weight(torch.zeros(2, 43)) is None and Mixing("published", guided_scale=0.0).guided_weight(guided) is None


def test_skipping_the_second_branch_halves_the_batch() -> None:
    denoiser, rows = trained(BASE), []
    denoiser.joint_embed.register_forward_hook(lambda module, inputs, output: rows.append(output.shape[0]))
    bind(denoiser, given(), CONDITION_ONLY)(draw(2, 43, 6), 10)
    bind(denoiser, given(), Mixing(scale=1.5))(draw(2, 43, 6), 10)
    assert rows == [2, 4]


def test_gradients_reach_every_parameter_that_can_matter() -> None:
    for config in SETTINGS[::2]:
        denoiser = trained(config)
        x_0 = denoiser(draw(2, 43, 6), torch.tensor([5, 999]), denoiser.prepare(given()), torch.tensor([True, False]))
        x_0.square().sum().backward()
        without = [name for name, parameter in denoiser.named_parameters() if parameter.grad is None]
        assert not without


@pytest.mark.parametrize("config", SETTINGS[:3])
def test_json(config: DenoiserConfig) -> None:
    assert DenoiserConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"latent_dim": 4}', "missing"),
        ("[]", "expected JSON"),
        (BASE.to_json().replace('"linear"', '"linaer"'), "did you mean 'linear'"),
        (BASE.to_json().replace('"heads"', '"head"'), "did you mean 'heads'"),
        (BASE.to_json().replace('"heads": 4', '"heads": 5'), "divisor"),
        (BASE.to_json().replace('"layers": 2', '"layers": 0'), "layers"),
    ],
)
def test_bad_settings(text: str, found: str) -> None:
    with pytest.raises(ModelError, match=found):
        DenoiserConfig.from_json(text)


def test_bad_conditions() -> None:
    with pytest.raises(InputError, match="one B"):
        Conditions(draw(2, 150, 5), draw(1, 150, 4), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ModelError, match="expected 5 and 4"):
        Denoiser(BASE).prepare(Conditions(draw(1, 150, 4), draw(1, 150, 4), torch.zeros(1, dtype=torch.int64)))
    with pytest.raises(ModelError, match="15 Hz"):
        Denoiser(replace(BASE, conditioning="chunks")).prepare(Conditions(draw(1, 150, 5), draw(1, 499, 4), torch.zeros(1, dtype=torch.int64)))
