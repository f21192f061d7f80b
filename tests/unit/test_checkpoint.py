"""Models on disk: the same after a round trip, and refused when anything about them is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from raggesture.errors import ModelError, UsageError
from raggesture.models.checkpoint import CODEC, DENOISER, MANIFEST, Model, ModelManifest, load_model, read_manifest, save_model
from raggesture.models.codec_config import CodecConfig
from raggesture.models.conditions import Conditions
from raggesture.models.denoiser import Denoiser, DenoiserConfig
from raggesture.models.mixing import Mixing


@pytest.fixture(scope="module")
def model() -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = DenoiserConfig(latent_dim=6, text_dim=5, audio_dim=4, n_speakers=3, width=16, layers=2, heads=2, ff_dim=32, time_dim=16)
        denoiser = Denoiser(config).eval()
        torch.nn.init.normal_(denoiser.out.weight)
        codec = CodecConfig(latent_dim=6).build().eval()
        for value in codec.parameters():
            torch.nn.init.normal_(value, std=0.1)
        codec.latent_std.uniform_(0.5, 2.0)
    mixing = Mixing(scale=1.25, per_part_scale=(1.0, 1.1, 0.9, 1.0))
    return Model(denoiser, codec, ModelManifest("tiny", "minilm", "prosody", ("ann", "bob"), config, CodecConfig(latent_dim=6), mixing, licence="none"))


def outputs(model: Model) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1, 43, 6, generator=generator)
    conditions = Conditions(torch.randn(1, 150, 5, generator=generator), torch.randn(1, 150, 4, generator=generator), torch.tensor([1]))
    with torch.no_grad():
        return model.denoiser(x, torch.tensor([500]), model.denoiser.prepare(conditions)), model.codec.decode(x).upper


@pytest.mark.parametrize(("storage", "tolerance"), [("float32", 0.0), ("float16", 5e-3)])
def test_round_trip(model: Model, tmp_path: Path, storage: str, tolerance: float) -> None:
    save_model(model, tmp_path / "m", storage=storage)  # type: ignore[arg-type]
    again = load_model(tmp_path / "m")
    assert again.manifest == model.manifest
    assert not again.denoiser.training
    assert {value.dtype for value in again.codec.parameters()} == {torch.float32}
    assert torch.equal(again.codec.latent_std, model.codec.latent_std)
    for one, other in zip(outputs(model), outputs(again), strict=True):
        assert torch.allclose(one, other, rtol=0, atol=tolerance * float(one.abs().max()) + 1e-9)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m"]


def test_half_is_smaller(model: Model, tmp_path: Path) -> None:
    save_model(model, tmp_path / "half")
    save_model(model, tmp_path / "full", storage="float32")
    assert (tmp_path / "half" / CODEC).stat().st_size < 0.6 * (tmp_path / "full" / CODEC).stat().st_size


def test_same_model_same_bytes(model: Model, tmp_path: Path) -> None:
    save_model(model, tmp_path / "a")
    save_model(model, tmp_path / "b")
    for name in (MANIFEST, DENOISER, CODEC):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("name", [DENOISER, CODEC])
def test_damage_is_refused(model: Model, tmp_path: Path, name: str) -> None:
    path = tmp_path / "m" / name
    save_model(model, tmp_path / "m")
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    with pytest.raises(ModelError, match=f"{name}.*truncated"):
        load_model(tmp_path / "m")
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelError, match=f"{name}.*altered"):
        load_model(tmp_path / "m")
    path.unlink()
    with pytest.raises(ModelError, match=f"{name}: no such file"):
        load_model(tmp_path / "m")


def test_files_of_another_model_are_refused(model: Model, tmp_path: Path) -> None:
    save_model(model, tmp_path / "a")
    save_model(model, tmp_path / "b", storage="float32")
    (tmp_path / "a" / CODEC).write_bytes((tmp_path / "b" / CODEC).read_bytes())
    with pytest.raises(ModelError, match=CODEC):
        load_model(tmp_path / "a")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fps": 30}, "sha256"),
        ({"schema": "other"}, "not a manifest"),
        ({"version": 2}, "version 2"),
    ],
)
def test_manifest_is_checked(model: Model, tmp_path: Path, change: dict[str, object], message: str) -> None:
    save_model(model, tmp_path / "m")
    path = tmp_path / "m" / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=message):
        read_manifest(tmp_path / "m")


@pytest.mark.parametrize("text", ["", "{", "[]", "not json", "\x00\xff"])
def test_foreign_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match=MANIFEST):
        load_model(tmp_path)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no manifest\.json"):
        load_model(tmp_path / "nowhere")


def test_nothing_is_overwritten_by_accident(model: Model, tmp_path: Path) -> None:
    save_model(model, tmp_path / "m")
    with pytest.raises(UsageError, match="--force"):
        save_model(model, tmp_path / "m")
    save_model(model, tmp_path / "m", force=True)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(UsageError, match="not a model"):
        save_model(model, tmp_path / "photos", force=True)
    assert (tmp_path / "photos" / "cat.jpg").read_bytes() == b"cat"


def test_unusable_weights_leave_nothing(model: Model, tmp_path: Path) -> None:
    codec = CodecConfig(latent_dim=6).build()
    codec.parts["upper"].basis.data[0, 0, 0] = 1e6
    with pytest.raises(ModelError, match="not finite"):
        save_model(replace(model, codec=codec), tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_sizes_must_agree(model: Model) -> None:
    with pytest.raises(ModelError, match="latent sizes"):
        replace(model.manifest, codec=CodecConfig(latent_dim=7))
    assert model.manifest.speaker_index("bob") == 1
    assert model.manifest.speaker_index("nobody") == 0
