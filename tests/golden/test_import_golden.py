"""The released files imported: the goldens' small model through a model folder, and the published sizes whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from golden_model import KEEP, RELEASED, arrays, assert_close, conditions, weights
from torch import Tensor

from helpers_official import CHECKPOINT, CONFIG, PUBLIC, same_files, write_diffusion, write_vae
from raggesture.body.joints import FEATURES_OF_PART, PARTS, Part
from raggesture.diffusion import ddim
from raggesture.diffusion.noise import published
from raggesture.models.checkpoint import Model, load_model
from raggesture.models.codec_config import CodecConfig
from raggesture.models.conditions import Conditions
from raggesture.models.denoiser import Denoiser, DenoiserConfig
from raggesture.models.mixing import bind
from raggesture.models.official import ImportOptions, import_official
from raggesture.models.official_export import export_official
from raggesture.models.vae import VaeConfig

BOUND = 1e-4 if torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512") else 2e-2
"""As in the tests of the generation: tokens 20 and 30 carry rounding noise that differs between CPU kernels."""
SCHEDULE = published()


def small_files(goldens: Path, root: Path) -> Path:
    state = weights(goldens, "gesture_rep_encoder")
    copies: dict[Part, Mapping[str, Tensor]] = {}
    for part, public in PUBLIC.items():
        prefix = f"{public}_vae."
        copies[part] = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
        write_vae(root / "vae" / public, VaeConfig(FEATURES_OF_PART[part], 32, num_layers=2, num_heads=2, ff_size=48), copies[part], "module.")
    write_diffusion(root / CHECKPOINT, weights(goldens, "denoiser"), copies)
    (root / CHECKPOINT).with_name("base.py").write_text(CONFIG.split("    per_joint_scale")[0] + "))")
    return root


@pytest.fixture(scope="module")
def model(goldens: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    root = tmp_path_factory.mktemp("small")
    report = import_official(small_files(goldens, root / "experiments"), root / "model")
    assert sum(file.tensors for file in report.files) == len(weights(goldens, "denoiser")) + 2 * len(weights(goldens, "gesture_rep_encoder"))
    return load_model(root / "model")


def test_the_whole_generation_through_an_imported_model(goldens: Path, model: Model) -> None:
    assert model.manifest.denoiser == replace(RELEASED, text_dim=24, audio_dim=24)
    data = arrays(goldens, "generation_small")
    call = bind(model.denoiser, conditions(data, "query_"), model.manifest.mixing, timesteps=SCHEDULE.timesteps)
    assert_close(ddim.sample(call, data["start_randn"], SCHEDULE), data["plain_latents"], tokens=KEEP, bound=BOUND)
    decoded = model.codec.decode(data["inversion_guided_latents"])
    assert_close(decoded.lower[..., 54:57], data["inversion_guided_pred_transl"])
    assert_close(decoded.face[..., 6:], data["inversion_guided_pred_exps"])


def random_state(shapes: Mapping[str, torch.Size], seed: int) -> dict[str, Tensor]:
    """Values of one random block, each tensor from another place of it: quick, and no two alike."""
    draw = torch.Generator().manual_seed(seed)
    block = 0.02 * torch.randn(1 << 22, generator=draw)
    state = {}
    for key, shape in shapes.items():
        start = int(torch.randint(block.numel() // 2, (1,), generator=draw))
        repeats = -(-(start + shape.numel()) // block.numel())
        state[key] = block.repeat(repeats)[start : start + shape.numel()].reshape(shape).clone()
    return state


@pytest.fixture(scope="module")
def published_files(goldens: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Random weights under the names and shapes of the release."""
    root = tmp_path_factory.mktemp("published")
    listed = json.loads((goldens / "model" / "full_checkpoint_keys.json").read_text())
    shapes = {key.removeprefix("model."): torch.Size(shape) for key, shape in listed["diffusion_denoiser_keys"].items()}
    assert len(shapes) == 607
    write_diffusion(root / "experiments" / CHECKPOINT, random_state(shapes, 0))
    own = listed["vae_if_all_encoder"]
    for k, (part, public) in enumerate(PUBLIC.items()):
        of_part = {key: torch.Size(shape) for key, shape in {**own["upper"], **own["others_differ_only_in"].get(public, {})}.items()}
        config = VaeConfig(FEATURES_OF_PART[part], decoder_arch="all_encoder")
        write_vae(root / "experiments" / "vae" / public, config, random_state(of_part, k + 1))
    yield root
    for path in root.rglob("*"):  # 4 GB
        if path.is_file():
            path.unlink()


def test_published_sizes_import_run_and_export_back(published_files: Path) -> None:
    root = published_files
    report = import_official(root / "experiments", root / "model", ImportOptions(name="released"))
    assert [file.tensors for file in report.files] == [244] * 4 + [607]
    assert any("16 as published" in note for note in report.notes)
    model = load_model(root / "model")
    assert model.manifest.denoiser == DenoiserConfig.published()
    assert model.manifest.speakers[1] == "2" and model.manifest.speakers[7] == "30"
    x = torch.randn(1, 43, 512, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        prepared = model.denoiser.prepare(Conditions(torch.ones(1, 150, 768), torch.ones(1, 499, 768), torch.tensor([1])))
        out = model.denoiser(x, torch.tensor([500]), prepared)
    assert out.shape == x.shape and torch.isfinite(out).all() and out.abs().max() > 0
    del model, prepared
    export_official(root / "model", root / "back")
    same_files(root / "experiments", root / "back", [CHECKPOINT, *(f"vae/{name}/last.bin" for name in PUBLIC.values())])


@pytest.mark.parametrize("profile", ["paper", "released"])
def test_profiles_build_the_published_sizes(goldens: Path, profile: str) -> None:
    """The profile's tables give the published 607 tensors, 141 million parameters and four times 44 million."""
    from raggesture.config import load_settings
    from raggesture.training.settings import recipe_of

    listed = json.loads((goldens / "model" / "full_checkpoint_keys.json").read_text())
    recipe = recipe_of(load_settings(profile, environ={}), name="built")
    codec_config = recipe.codec.codec
    assert isinstance(codec_config, CodecConfig)
    config = replace(recipe.denoiser, latent_dim=codec_config.latent_dim, text_dim=768, audio_dim=768, n_speakers=25)
    with torch.device("meta"):
        denoiser, codec = Denoiser(config), codec_config.build()
    assert {f"model.{key}": list(value.shape) for key, value in denoiser.state_dict().items()} == listed["diffusion_denoiser_keys"]
    assert round(sum(value.numel() for value in denoiser.parameters()) / 1e6) == 141
    for part in PARTS:
        own = listed["vae_if_all_encoder"]
        wanted = {**own["upper"], **own["others_differ_only_in"].get(PUBLIC[part], {})}
        assert {key: list(value.shape) for key, value in codec.parts[part].state_dict().items()} == wanted
        assert round(sum(value.numel() for value in codec.parts[part].parameters()) / 1e6) == 44
    assert config.heads == 16 and config.prediction == "x0" and recipe.mixing.kind == "published"
    assert config.masked_tokens == ((10, 20, 30) if profile == "released" else (10, 21, 32))
