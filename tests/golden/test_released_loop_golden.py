"""The pipeline's released loop, as [compat] guided_loop reaches it, against whole generations of the published architecture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from golden_model import KEEP, MIXING, RELEASED, arrays, assert_close, conditions, small_denoiser
from torch import Tensor

from raggesture import released_loop
from raggesture.body.joints import FEATURES_OF_PART, PARTS, LatentLayout
from raggesture.models.checkpoint import Model, ModelManifest
from raggesture.models.codec_config import CodecConfig
from raggesture.models.conditions import Conditions
from raggesture.models.vae import VaeConfig
from raggesture.released_loop import released_entries, released_injection
from raggesture.synthesis import Held, Insertion, Synthesizer

LAYOUT = LatentLayout()
PLACED = ((slice(1, 3), slice(2, 4)), (slice(4, 7), slice(6, 9)))
"""Chunks of the exemplar and of the query, as the file's two ``startends`` say."""
INSERTIONS = [Insertion(k, 0, target) for k, (_, target) in enumerate(PLACED)]
SEED = 1234
BOUND = 1e-4 if torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512") else 2e-2
"""Under the released mask tokens 20 and 30 carry the rounding noise of -1e6 before a LayerNorm, which differs between CPU kernels."""


@pytest.fixture(scope="module")
def data(goldens: Path) -> dict[str, Tensor]:
    return arrays(goldens, "generation_small")


@pytest.fixture(scope="module")
def synthesizer(goldens: Path) -> Synthesizer:
    vaes = tuple(VaeConfig(FEATURES_OF_PART[part], 32, num_layers=2, num_heads=2, ff_size=48) for part in PARTS)
    codec = CodecConfig("transformer", 32, 0, vaes)
    manifest = ModelManifest("golden", "bert", "wav2vec2", ("a",), RELEASED, codec, MIXING["js1"])
    return Synthesizer(Model(small_denoiser(goldens, RELEASED), codec.build(), manifest), 50)


@pytest.fixture(scope="module")
def query(data: dict[str, Tensor]) -> Conditions:
    return conditions(data, "query_")


@pytest.fixture(scope="module")
def entries(synthesizer: Synthesizer, data: dict[str, Tensor]) -> Tensor:
    """Both exemplars in one batch, each moved so that the chunks it gives are the chunks it goes to."""
    latents = torch.cat([data[f"exemplar{k}_latent"] for k in (0, 1)])
    both = Conditions.cat([conditions(data, f"exemplar{k}_") for k in (0, 1)])
    found = released_entries(synthesizer, latents, both)
    moved = torch.zeros_like(found)
    for k, (source, target) in enumerate(PLACED):
        for part in PARTS:
            moved[:, k, LAYOUT.tokens_of(part, target)] = found[:, k, LAYOUT.tokens_of(part, source)]
    return moved


@pytest.fixture
def noise_of_the_goldens(data: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    """The paste's noise is the files', not a generator's."""
    monkeypatch.setattr(released_loop, "_noises", lambda *_, **__: data["q_noise"][:, None])


def generated(synthesizer: Synthesizer, how, entries: Tensor, data: dict[str, Tensor], query: Conditions, held: Held | None = None):
    generator = torch.Generator()
    injection = released_injection(synthesizer, how, entries, entries[0], INSERTIONS, data["start_randn"], held, generator)
    return injection, synthesizer.sample(query, injection.start, injection.guide)


def held_of(synthesizer: Synthesizer, data: dict[str, Tensor]) -> Held:
    return synthesizer.continuation(data["prev_latent"], moved=False)


@pytest.mark.usefixtures("noise_of_the_goldens")
@pytest.mark.parametrize(("how", "mode"), [("none", "plain"), ("inversion", "inversion"), ("inversion+guidance", "inversion_guided")])
def test_one_window(synthesizer: Synthesizer, entries: Tensor, data: dict[str, Tensor], query: Conditions, how, mode: str) -> None:
    injection, latents = generated(synthesizer, how, entries, data, query)
    if mode != "plain":
        assert_close(injection.start, data[f"{mode}_start_noise"], tokens=KEEP, bound=BOUND)
    assert_close(latents, data[f"{mode}_latents"], tokens=KEEP, bound=BOUND)


@pytest.mark.usefixtures("noise_of_the_goldens")
@pytest.mark.parametrize(
    ("how", "mode"), [("none", "longform_next_plain"), ("inversion", "longform_next_inversion_only"), ("inversion+guidance", "longform_next")]
)
def test_next_window(synthesizer: Synthesizer, entries: Tensor, data: dict[str, Tensor], query: Conditions, how, mode: str) -> None:
    injection, latents = generated(synthesizer, how, entries, data, query, held_of(synthesizer, data))
    assert_close(injection.start, data[f"{mode}_start_noise"], tokens=KEEP, bound=BOUND)
    assert_close(latents, data[f"{mode}_latents"], tokens=KEEP, bound=BOUND)


@pytest.mark.usefixtures("noise_of_the_goldens")
def test_outpainting(synthesizer: Synthesizer, data: dict[str, Tensor], query: Conditions) -> None:
    """What is pasted is the file's own sequence: exemplars' chunks already where they go."""
    injection = released_injection(
        synthesizer, "inpaint", None, data["outpaint_in_seq"], [Insertion(0, 0, slice(0, 10))], data["outpaint_start_noise"], None, torch.Generator()
    )
    assert_close(synthesizer.sample(query, injection.start, injection.guide), data["outpaint_latents"], tokens=KEEP, bound=BOUND)
    assert injection.strengths == (1.0,)


def test_weight_zero_is_no_injection(synthesizer: Synthesizer, entries: Tensor, data: dict[str, Tensor], query: Conditions) -> None:
    nothing = [Insertion(k, 0, target, weight=0.0) for k, (_, target) in enumerate(PLACED)]
    injection = released_injection(synthesizer, "inversion+guidance", entries, entries[0], nothing, data["start_randn"], None, torch.Generator())
    assert injection.guide is None and torch.equal(injection.start, data["start_randn"]) and injection.strengths == (0.0, 0.0)


def test_the_published_seed_gives_the_published_noise_guided(synthesizer: Synthesizer, goldens: Path) -> None:
    """1234, set right before the published loop; the batch of two is the file's, with its own exemplars already pasted."""
    file = arrays(goldens, "guided")
    entries, batch = file["masked_inverted"], 2
    insertions = [Insertion(item, item, slice(0, 10)) for item in range(batch)]
    injection = released_injection(
        synthesizer, "inversion+guidance", entries, entries[0], insertions, file["start_noise"], None, torch.Generator().manual_seed(SEED)
    )
    denoised = replace(synthesizer.model, denoiser=small_denoiser(goldens))  # these arrays were computed with the mask at the true separators
    made = Synthesizer(denoised, 50).sample(conditions(arrays(goldens, "denoiser")), file["start_noise"], injection.guide)
    assert_close(made, file["released_seed1234_all_one_lr0.1"], tokens=KEEP)


def test_the_published_seed_gives_the_published_noise_outpainting(synthesizer: Synthesizer, goldens: Path) -> None:
    file = arrays(goldens, "outpaint")
    insertions = [Insertion(item, item, slice(0, 10)) for item in range(2)]
    generator = torch.Generator().manual_seed(SEED)
    injection = released_injection(synthesizer, "inpaint", None, file["in_seq"], insertions, file["noise"], None, generator)
    denoised = replace(synthesizer.model, denoiser=small_denoiser(goldens))
    made = Synthesizer(denoised, 50).sample(conditions(arrays(goldens, "denoiser")), file["noise"], injection.guide)
    assert_close(made, file["seeded1234_final"], tokens=KEEP)
