"""The released files to a model and back, through the command line; and everything that can be wrong with them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers_official import CHECKPOINT, CONFIG, PUBLIC, dress, same_files, tensors, vae_states, write_diffusion, write_vae
from helpers_published import small_published
from raggesture.body.joints import PARTS
from raggesture.models.checkpoint import Model, load_model, read_manifest, save_model
from raggesture.models.conditions import Conditions
from raggesture.models.official_record import RECORD

Call = Callable[..., Any]
FILES = [CHECKPOINT, *(f"vae/{name}/last.bin" for name in PUBLIC.values())]


@pytest.fixture(scope="module")
def model() -> Model:
    return small_published(24, 20)


@pytest.fixture(scope="module")
def dressed(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dress(model, tmp_path_factory.mktemp("released"), wrapper="module.")


@pytest.fixture
def files(dressed: Path, tmp_path: Path) -> Path:
    """The released files, to be spoilt."""
    return Path(shutil.copytree(dressed, tmp_path / "experiments"))


def outputs(model: Model) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    x = torch.randn(2, 43, 16, generator=draw)
    given = Conditions(torch.randn(2, 150, 24, generator=draw), torch.randn(2, 499, 20, generator=draw), torch.tensor([0, 2]))
    with torch.no_grad():
        return [model.denoiser(x, torch.tensor([500, 3]), model.denoiser.prepare(given)), *(each for _, each in model.codec.decode(x))]


def test_import_runs_and_exports_back(call: Call, model: Model, dressed: Path, tmp_path: Path) -> None:
    found = call("model", "import", dressed, "--out", tmp_path / "m", "--name", "mine", "--json")
    assert found.code == 0, found.err
    report = json.loads(found.out)
    assert [(file["path"], file["kind"]) for file in report["files"]] == [*((f"vae/{PUBLIC[part]}/last.bin", part) for part in PARTS), (CHECKPOINT, "denoiser")]
    for file in report["files"]:
        assert file["tensors"] == file["renamed"] == len(tensors(dressed / file["path"]))
    assert [each["name"] for each in report["files"][-1]["left_out"]] == ["optimizer", "meta.hook_msgs"]
    assert [each["name"] for each in report["files"][0]["left_out"]] == ["yaml learning_rate"]
    assert report["notes"] == [] and report["ignored"] == []
    imported = load_model(tmp_path / "m")
    for one, other in zip(outputs(model), outputs(imported), strict=True):
        assert torch.equal(one, other)
    manifest = imported.manifest
    assert (manifest.name, manifest.epoch, manifest.denoiser) == ("mine", 64, model.manifest.denoiser)
    assert manifest.codec == model.manifest.codec
    assert manifest.mixing.kind == "published" and manifest.mixing.per_part_scale == (1.2, 1.1, 0.9, 0.8)
    assert manifest.speakers == ("1", "2", "3") and (manifest.text_encoder, manifest.audio_encoder) == ("bert", "wav2vec2")

    back = call("model", "export", tmp_path / "m", "--out", tmp_path / "back", "--json")
    assert back.code == 0, back.err
    same_files(dressed, tmp_path / "back", FILES)
    texts = sorted(path.relative_to(dressed) for path in dressed.rglob("*") if path.suffix in (".yaml", ".py"))
    assert len(texts) == 5 and all((dressed / path).read_bytes() == (tmp_path / "back" / path).read_bytes() for path in texts)
    meta = torch.load(tmp_path / "back" / CHECKPOINT, weights_only=True)["meta"]
    assert meta == {"epoch": 64, "iter": 1000, "mmcv_version": "1.7.1"}
    assert call("model", "import", tmp_path / "back", "--out", tmp_path / "again").code == 0
    for name in ("denoiser.safetensors", "codec.safetensors"):
        assert (tmp_path / "m" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_half_precision_comes_back_as_half(call: Call, model: Model, tmp_path: Path) -> None:
    root = dress(model, tmp_path / "e")
    write_diffusion(root / CHECKPOINT, {key: value.half() for key, value in model.denoiser.state_dict().items()})
    assert call("model", "import", root, "--out", tmp_path / "m").code == 0
    assert call("model", "export", tmp_path / "m", "--out", tmp_path / "back").code == 0
    same_files(root, tmp_path / "back", FILES)


def test_what_the_files_do_not_say_is_asked_or_said(call: Call, model: Model, tmp_path: Path) -> None:
    root = dress(model, tmp_path / "e", copies=False, config=None)
    found = call("model", "import", root, "--out", tmp_path / "m")
    assert found.code == 5 and "--heads" in found.error and not (tmp_path / "m").exists()
    found = call("model", "import", root, "--out", tmp_path / "m", "--heads", 4, "--per-joint-scale", "hands=1.5", "--masked-tokens", "10,21,32")
    assert found.code == 0, found.err
    assert "note: scale_func_cfg: not read from a config" in found.out
    manifest = read_manifest(tmp_path / "m")
    assert manifest.mixing.per_part_scale == (1.0, 1.5, 1.0, 1.0) and manifest.denoiser.masked_tokens == (10, 21, 32)
    found = call("model", "import", root, "--out", tmp_path / "m", "--heads", 4, "--force")
    assert found.code == 0 and "note: per_joint_scale: no config gives it" in found.out


def test_a_config_is_looked_at_and_never_run(call: Call, model: Model, tmp_path: Path) -> None:
    """The config calls os.getcwd above; here it would leave a mark, and hides its scale behind code."""
    mark = tmp_path / "mark"
    code = f"__import__('pathlib').Path({str(mark)!r}).touch()\n"
    root = dress(model, tmp_path / "e", config=code + CONFIG)
    assert call("model", "import", root, "--out", tmp_path / "m").code == 0
    (root / CHECKPOINT).with_name("base.py").write_text(code + CONFIG.replace("dict(upper=1.2, hands=1.1, face=0.9, lowertransl=0.8)", "scale()"))
    found = call("model", "import", root, "--out", tmp_path / "n")
    assert found.code == 5 and "per_joint_scale is no plain value" in found.error and "--per-joint-scale" in found.error
    assert call("model", "import", root, "--out", tmp_path / "n", "--per-joint-scale", "upper=2").code == 0
    assert not mark.exists()


def test_copies_that_differ(call: Call, model: Model, tmp_path: Path) -> None:
    root = dress(model, tmp_path / "e")
    states = vae_states(model)
    other = {part: {key: value + (key == "final_layer.bias") for key, value in state.items()} for part, state in states.items()}
    write_diffusion(root / CHECKPOINT, model.denoiser.state_dict(), other)
    found = call("model", "import", root, "--out", tmp_path / "m")
    assert found.code == 5 and "4 tensors of the auto-encoders (model.gesture_rep_encoder.upper_vae.final_layer.bias" in found.error
    for source, wanted in (("files", states), ("checkpoint", other)):
        done = call("model", "import", root, "--out", tmp_path / "m", "--vaes", source, "--force")
        assert done.code == 0 and "note: 4 tensors of the auto-encoders" in done.out
        assert torch.equal(load_model(tmp_path / "m").codec.parts["face"].final_layer.bias, wanted["face"]["final_layer.bias"])


def test_info(call: Call, dressed: Path, tmp_path: Path) -> None:
    assert call("model", "import", dressed, "--out", tmp_path / "m", "--licence", "research only").code == 0
    data = json.loads(call("model", "info", tmp_path / "m", "--json").out)
    imported = load_model(tmp_path / "m")
    counts = [imported.denoiser, *(imported.codec.parts[part] for part in PARTS)]
    assert [part["parameters"] for part in data["parts"]] == [sum(p.numel() for p in module.parameters()) for module in counts]
    assert data["verified"] and data["epoch"] == 64 and data["licence"] == "research only" and len(data["sources"]) == 5 and RECORD in data["files"]
    shown = call("model", "info", tmp_path / "m").out
    for each in ("codec upper", "text_encoder: bert", "mixing: kind published", "epoch: 64", "sha256", "last.bin", "research only"):
        assert each in shown
    path = tmp_path / "m" / RECORD
    path.write_text(path.read_text() + " ")
    assert call("model", "info", tmp_path / "m").code == 5
    assert call("model", "info").code == 0


def spoil_half(root: Path) -> None:
    path = root / CHECKPOINT
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil_vae_half(root: Path) -> None:
    path = root / "vae/face/last.bin"
    path.write_bytes(path.read_bytes()[:-100])


def hole(root: Path) -> None:
    """The right length and a whole table of contents, and a stretch that never arrived: torch loads it."""
    path = root / CHECKPOINT
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4096] = bytes(4096)
    path.write_bytes(content)
    assert torch.load(path, weights_only=True)


def pointer(root: Path) -> None:
    (root / "vae/face/last.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n")


def change(name: str, **tensors_: torch.Tensor | None) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        content = torch.load(root / name, weights_only=True)
        state = content.get("state_dict", content.get("model_state"))
        for key, value in tensors_.items():
            key = key.replace("__", ".")
            if value is None:
                del state[key]
            else:
                state[key] = value
        torch.save(content, root / name)

    return spoil


def in_yaml(old: str, new: str, part: str = "upper") -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        path = root / "vae" / part / f"{part}.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return spoil


def swap(root: Path) -> None:
    """The weights of the hands beside the yaml of the upper body."""
    shutil.copy(root / "vae/hands/last.bin", root / "vae/upper/last.bin")


def wrong_name(root: Path) -> None:
    (root / "vae/hands/hands.yaml").rename(root / "vae/hands/upper.yaml")


def twice(root: Path) -> None:
    shutil.copytree(root / "vae/face", root / "vae/older_face")


def second_checkpoint(root: Path) -> None:
    (root / CHECKPOINT).with_name("epoch_62.pth").write_bytes((root / CHECKPOINT).read_bytes())


SPOILT: dict[str, tuple[Callable[[Path], None], str]] = {
    "half a checkpoint": (spoil_half, "ends in the middle"),
    "half an auto-encoder": (spoil_vae_half, "ends in the middle"),
    "a hole in a checkpoint": (hole, "damaged (epoch_64/data/"),
    "a git-lfs pointer": (pointer, "a git-lfs pointer, not the file"),
    "an empty file": (lambda root: (root / CHECKPOINT).write_bytes(b""), "empty; expected weights"),
    "not weights": (lambda root: (root / CHECKPOINT).write_bytes(b"hello, world"), "cannot be read as weights"),
    "a key too few": (change(CHECKPOINT, module__model__out__bias=None), "1 missing (out.bias)"),
    "a key too many": (change(CHECKPOINT, module__model__odd=torch.zeros(2)), "1 extra (odd)"),
    "another size": (change(CHECKPOINT, module__model__out__weight=torch.zeros(7, 32)), "out.weight (7, 32) for (16, 32)"),
    "not finite": (change(CHECKPOINT, module__model__out__bias=torch.full((16,), float("nan"))), "not finite"),
    "whole numbers": (change(CHECKPOINT, module__model__out__bias=torch.zeros(16, dtype=torch.int64)), "is torch.int64"),
    "a tensor of nothing": (change(CHECKPOINT, module__model__out__bias=torch.zeros(1).expand(1 << 40)), "more than the file holds"),
    "one name twice": (change(CHECKPOINT, model__out__bias=torch.zeros(16)), "are one name without their prefixes"),
    "an auto-encoder's key": (change("vae/face/last.bin", module__final_layer__bias=None), "1 missing (final_layer.bias)"),
    "a yaml that does not match": (in_yaml("num_layers: 3", "num_layers: 5"), "missing ("),
    "a yaml of another width": (in_yaml("ff_size: 24", "ff_size: 48"), "of another shape ("),
    "a yaml with a field too few": (in_yaml("vae_dist: normal\n", ""), "no vae_dist; expected every setting"),
    "a yaml with text for a number": (in_yaml("num_heads: 2", "num_heads: two"), "num_heads: 'two'"),
    "a yaml with an unknown word": (in_yaml("vae_dist: normal", "vae_dist: cauchy"), "vae_dist: 'cauchy'"),
    "a yaml that is none": (in_yaml("nfeats: 78", "nfeats: [78"), "cannot be read safely"),
    "frames the published code has not": (in_yaml("num_frames: 150", "num_frames: 256"), "num_frames 256"),
    "a width of no part": (in_yaml("nfeats: 78", "nfeats: 79"), "nfeats 79; expected that of a part"),
    "weights elsewhere": (in_yaml("last.bin", "best.bin"), "test_ckpt names best.bin, and there is beside it last.bin"),
    "the weights of another part": (swap, "skel_embedding.weight (16, 180) for (16, 78)"),
    "a yaml for the wrong part": (wrong_name, "named for upper, and its nfeats 180 is that of hands"),
    "no face": (lambda root: shutil.rmtree(root / "vae/face"), "no auto-encoder for face"),
    "no diffusion": (lambda root: shutil.rmtree(root / "diffusion"), "no diffusion checkpoint"),
    "two of a part": (twice, "two candidates for face: vae/face/face.yaml, vae/older_face/face.yaml"),
    "two checkpoints": (second_checkpoint, "two candidates for the denoiser"),
    "two configs": (lambda root: (root / CHECKPOINT).with_name("b.py").write_text(""), "2 configs (b.py, base.py)"),
    "a config that is none": (lambda root: (root / CHECKPOINT).with_name("base.py").write_text("def ("), "not a config (SyntaxError)"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_bad_files(call: Call, files: Path, tmp_path: Path, case: str) -> None:
    spoil, message = SPOILT[case]
    spoil(files)
    found = call("model", "import", files, "--out", tmp_path / "m")
    assert found.code == 5, found.err
    assert message in found.error and len(found.err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["experiments"]


def test_an_optimisers_state_beside_the_weights_is_left_out(call: Call, files: Path, tmp_path: Path) -> None:
    torch.save({"state": {0: {"step": 1}}, "param_groups": [{"lr": 0.1}]}, files / "vae/face/optimizer.bin")
    found = call("model", "import", files, "--out", tmp_path / "m", "--json")
    assert found.code == 0 and json.loads(found.out)["ignored"] == ["vae/face/optimizer.bin"]
    (files / CHECKPOINT).unlink()
    found = call("model", "import", files, "--out", tmp_path / "n")
    assert found.code == 5 and "optimizer.bin: 'state' is dict; expected named tensors" in found.error


def test_two_checkpoints_can_be_told_apart(call: Call, files: Path, tmp_path: Path) -> None:
    second_checkpoint(files)
    assert call("model", "import", files, "--out", tmp_path / "m", "--checkpoint", CHECKPOINT).code == 0
    found = call("model", "import", files, "--out", tmp_path / "n", "--checkpoint", "epoch_1.pth")
    assert found.code == 2 and "no such file" in found.error


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("NOWHERE", "--out", "OUT"), 3, "no such folder"),
        (("EMPTY", "--out", "OUT"), 3, "empty; expected the released files"),
        (("FILES", "--out", "FILES"), 2, "is not a model"),
        (("FILES", "--out", "OUT", "--per-joint-scale", "head=2"), 2, "'head=2'; expected PART=NUMBER"),
        (("FILES", "--out", "OUT", "--per-joint-scale", "upper=-1"), 2, "expected PART=NUMBER above 0"),
        (("FILES", "--out", "OUT", "--masked-tokens", "ten"), 2, "not a list of numbers"),
        (("FILES", "--out", "OUT", "--masked-tokens", "99"), 2, "outside the sequence"),
        (("FILES", "--out", "OUT", "--heads", "5"), 5, "expected a divisor"),
        (("FILES", "--out", "OUT", "--revision", "main"), 2, "is a folder"),
    ],
)
def test_bad_options(call: Call, files: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    (tmp_path / "empty").mkdir()
    places = {"NOWHERE": tmp_path / "no" / "where", "EMPTY": tmp_path / "empty", "FILES": files, "OUT": tmp_path / "out"}
    found = call("model", "import", *(places.get(each, each) for each in arguments))
    assert found.code == code and message in found.error and not (tmp_path / "out").exists()


class Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("place", [CHECKPOINT, "vae/hands/last.bin", "diffusion/base/extra.pth"])
@pytest.mark.parametrize("new_format", [True, False])
def test_pickled_code_never_runs(call: Call, files: Path, tmp_path: Path, place: str, new_format: bool) -> None:
    mark = tmp_path / "owned"
    torch.save({"state_dict": {"a": Hostile(mark)}}, files / place, _use_new_zipfile_serialization=new_format)
    found = call("model", "import", files, "--out", tmp_path / "m")
    assert found.code == 5 and "holds pickled code" in found.error and "mkdir" in found.error, found.err
    assert not mark.exists() and not (tmp_path / "m").exists()
    torch.load(files / place, weights_only=False)
    assert mark.exists()  # it would have run


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.mkdir", "!!python/object/new:os.mkdir"])
def test_yaml_makes_no_objects(call: Call, files: Path, tmp_path: Path, tag: str) -> None:
    mark = tmp_path / "owned"
    path = files / "vae/face/face.yaml"
    path.write_text(path.read_text() + f"scheduler: {tag} ['{mark}']\n")
    found = call("model", "import", files, "--out", tmp_path / "m")
    assert found.code == 5 and "cannot be read safely" in found.error
    assert not mark.exists() and not (tmp_path / "m").exists()


def test_a_model_of_our_own_is_exported(call: Call, model: Model, tmp_path: Path) -> None:
    save_model(model, tmp_path / "m", storage="float32")
    assert call("model", "export", tmp_path / "m", "--out", tmp_path / "e").code == 0
    found = call("model", "import", tmp_path / "e", "--out", tmp_path / "again", "--heads", 4)
    assert found.code == 0, found.err
    again = load_model(tmp_path / "again")
    for one, other in zip(outputs(model), outputs(again), strict=True):
        assert torch.equal(one, other)


def test_export_refuses(call: Call, dressed: Path, tmp_path: Path) -> None:
    found = call("model", "export", tmp_path / "nowhere", "--out", tmp_path / "e")
    assert found.code == 5 and not (tmp_path / "e").exists()
    from raggesture.resources import packaged_dir

    found = call("model", "export", packaged_dir("starter", "model"), "--out", tmp_path / "e")
    assert found.code == 5 and "codec 'conv'; expected 'transformer'" in found.error and not (tmp_path / "e").exists()
    assert call("model", "import", dressed, "--out", tmp_path / "m").code == 0
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "mine").touch()
    assert call("model", "export", tmp_path / "m", "--out", tmp_path / "e").code == 2
    path = tmp_path / "m" / "denoiser.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    found = call("model", "export", tmp_path / "m", "--out", tmp_path / "f")
    assert found.code == 5 and "truncated" in found.error and not (tmp_path / "f").exists()


def test_a_wider_auto_encoder_is_refused(call: Call, files: Path, model: Model, tmp_path: Path) -> None:
    """Another latent size in one part."""
    from dataclasses import replace

    from raggesture.models.vae import TransformerVae

    config = replace(model.manifest.codec.vaes[2], latent_dim=32)
    write_vae(files / "vae/face", config, TransformerVae(config).state_dict())
    found = call("model", "import", files, "--out", tmp_path / "m")
    assert found.code == 5 and not (tmp_path / "m").exists()
