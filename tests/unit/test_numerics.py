"""bfloat16 and compilation: near float32, never without being asked."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
import torch

from helpers_published import small_published
from helpers_synthesis import tiny_model
from raggesture.errors import ConfigError
from raggesture.models.checkpoint import Model
from raggesture.models.conditions import Conditions
from raggesture.models.numerics import FLOAT32, Numerics
from raggesture.synthesis import Synthesizer


def one_call(model: Model, numerics: Numerics, t: int = 14) -> torch.Tensor:
    """x_0 with and without conditions mixed, at a step where both are asked."""
    config, generator = model.manifest.denoiser, torch.Generator().manual_seed(1)
    text, audio = (torch.randn(2, 150, width, generator=generator) for width in (config.text_dim, config.audio_dim))
    synthesizer = Synthesizer(model, 50, numerics)
    mixing = replace(model.manifest.mixing, kind="constant", scale=1.3)
    return synthesizer.bind(Conditions(text, audio, torch.tensor([0, 1])), mixing)(synthesizer.noise(2, generator), t)


@pytest.fixture(scope="module", params=[small_published, tiny_model], ids=["folds", "does not fold"])
def model(request: pytest.FixtureRequest) -> Model:
    made: Model = request.param()
    return made


def test_bfloat16_is_near_and_gives_float32(model: Model) -> None:
    exact, rounded = one_call(model, FLOAT32), one_call(model, Numerics("bfloat16"))
    assert rounded.dtype == torch.float32 and rounded.shape == exact.shape
    error = float((rounded - exact).norm() / exact.norm())
    assert 1e-5 < error < 0.05  # eight bits of mantissa: it is another format, and no worse than that


def test_weights_stay_float32(model: Model) -> None:
    one_call(model, Numerics("bfloat16"))
    assert {parameter.dtype for parameter in model.denoiser.parameters()} == {torch.float32}


def test_compiled_gives_the_same(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    traced: list[object] = []
    compiler = functools.partial(torch.compile, backend="eager")

    def compile_(function: object, **options: object) -> object:
        traced.append(options)
        return compiler(function)

    monkeypatch.setattr(torch, "compile", compile_)
    exact, compiled = one_call(model, FLOAT32), one_call(model, Numerics(compiled=True))
    assert traced and torch.allclose(exact, compiled, atol=1e-5 * float(exact.abs().max()))


def test_one_compiled_call_serves_all_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = functools.partial(torch.compile, backend="eager")
    monkeypatch.setattr(torch, "compile", lambda function, **_: compiler(function, dynamic=False, fullgraph=True))
    model = small_published()
    torch._dynamo.reset()
    synthesizer = Synthesizer(model, 6, Numerics(compiled=True))
    generator, config = torch.Generator().manual_seed(1), model.manifest.denoiser
    heard = Conditions(torch.randn(1, 150, config.text_dim), torch.randn(1, 150, config.audio_dim), torch.tensor([0]))
    noise = synthesizer.noise(1, generator)
    plain = Synthesizer(model, 6).sample(heard, noise)
    with torch._dynamo.config.patch(error_on_recompile=True):
        assert torch.allclose(synthesizer.sample(heard, noise), plain, atol=1e-4 * float(plain.abs().max()))


def test_what_cannot_be() -> None:
    with pytest.raises(ConfigError, match="precision 'float8'"):
        Numerics("float8")  # type: ignore[arg-type]
    assert (FLOAT32.key, Numerics("bfloat16", True).key) == ("float32", "bfloat16/compiled")
