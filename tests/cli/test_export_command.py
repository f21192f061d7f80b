"""``raggesture export``: several motions, peers' files, faults, and nothing half-written."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from helpers_animation import posed, still, tumbling, wanted_joints
from raggesture.motion import Motion, read_npz, write_npz

Call = Callable[..., Any]
ALL = "bvh,glb,csv,npz"
SUFFIXES = (".bvh", ".face.csv", ".glb", ".npz")


def peer(path: Path, *, frames: int = 20, fps: int = 60, **arrays: Any) -> Path:
    """A peer's npz: float64, another rate, a body shape, no expression."""
    rng = np.random.default_rng(frames)
    poses = rng.normal(0, 0.2, (frames, 165))
    members = {"poses": poses, "trans": rng.normal(0, 1, (frames, 3)), "betas": rng.normal(0, 1, 16), "mocap_frame_rate": fps, "gender": "female"}
    np.savez(path, **(members | arrays))
    return path


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Films, where there are any, are small and of lines."""
    if request.getfixturevalue("format_") == "mp4":
        pytest.importorskip("av", reason="the extra 'film' is not installed")
    for name, value in (("FIGURE", "skeleton"), ("WIDTH", "128"), ("HEIGHT", "128")):
        monkeypatch.setenv(f"RAGGESTURE_EXPORT__MP4__{name}", value)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_several_motions_of_peers_in_all_formats(call: Call, tmp_path: Path) -> None:
    first, second = peer(tmp_path / "take one.npz"), peer(tmp_path / "Zoë 走.npz", frames=7, fps=15)
    found = call("export", first, second, "--format", ALL, "--out", tmp_path / "out")
    assert found.code == 0, found.err
    assert names(tmp_path / "out") == sorted(f"{stem}{suffix}" for stem in ("take one", "Zoë 走") for suffix in SUFFIXES)
    assert len(found.out.splitlines()) == 8
    assert found.err.count("its body shape (betas) is left out") == 2
    back = posed(tmp_path / "out" / "take one.glb")
    motion = read_npz(first)
    assert np.abs(back.joints() - wanted_joints(motion)).max() < 1e-4
    assert back.times[-1] == pytest.approx(19 / 60)  # the rate is kept
    assert "Frame Time: 0.0666666667" in (tmp_path / "out" / "Zoë 走.bvh").read_text()
    assert back.gltf.animations[0].name == "take one"


def test_json_says_what_came_of_each(call: Call, tmp_path: Path) -> None:
    good, bad = peer(tmp_path / "good.npz"), tmp_path / "bad.npz"
    bad.write_bytes(b"no zip")
    found = call("export", bad, good, "--format", "bvh,csv", "--out", tmp_path / "out", "--json", "-q")
    assert found.code == 3
    data = json.loads(found.out)
    assert data["schema"] == 2
    failed, made = data["results"]
    assert failed["motion"] == str(bad) and failed["exit_code"] == 3 and "cannot be read as npz" in failed["error"]
    assert made == {"motion": str(good), "outputs": [str(tmp_path / "out" / "good.bvh"), str(tmp_path / "out" / "good.face.csv")]}
    assert names(tmp_path / "out") == ["good.bvh", "good.face.csv"]
    assert found.error.startswith(f"error: {bad}: cannot be read")


def test_nothing_is_overwritten_unless_asked(call: Call, tmp_path: Path) -> None:
    first, second = peer(tmp_path / "a.npz"), peer(tmp_path / "b.npz")
    out = tmp_path / "out"
    out.mkdir()
    (out / "b.bvh").write_text("mine")
    found = call("export", first, second, "--format", "bvh,glb", "--out", out)
    assert found.code == 2 and "b.bvh: exists" in found.error
    assert names(out) == ["b.bvh"]  # refused before the first was made
    assert call("export", first, second, "--format", "bvh,glb", "--out", out, "--force").code == 0
    assert (out / "b.bvh").read_text().startswith("HIERARCHY")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"trans": np.full((20, 3), np.nan)}, "translation is not finite at frame 0"),
        ({"poses": np.zeros((0, 165)), "trans": np.zeros((0, 3))}, "0 frames; expected at least one"),
        ({"mocap_frame_rate": 0}, "0 frames a second; expected a rate above 0"),
        ({"mocap_frame_rate": np.nan}, "nan frames a second"),
        ({"poses": np.zeros((20, 156))}, "expected (frames, 165)"),
    ],
)
@pytest.mark.parametrize("format_", ["bvh", "glb", "csv"])
def test_a_motion_that_is_none(call: Call, tmp_path: Path, format_: str, arrays: dict[str, Any], said: str) -> None:
    path = peer(tmp_path / "a.npz", **arrays)
    found = call("export", path, "--format", format_, "--out", tmp_path / "out")
    assert found.code == 3 and said in found.error and found.error.startswith(f"error: {path}: ")
    assert not (tmp_path / "out").exists()


def test_one_frame_and_no_voice(call: Call, tmp_path: Path) -> None:
    write_npz(still(1), tmp_path / "a.npz")
    found = call("export", tmp_path / "a.npz", "--format", ALL, "--out", tmp_path / "out")
    assert found.code == 0 and found.err == ""
    assert np.abs(posed(tmp_path / "out" / "a.glb").joints() - wanted_joints(still(1))).max() < 1e-5


def test_two_motions_of_one_name_and_one_voice_for_two(call: Call, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first, second = peer(tmp_path / "a.npz"), peer(tmp_path / "other" / "a.npz")
    found = call("export", first, second, "--format", "bvh", "--out", tmp_path / "out")
    assert found.code == 2 and f"has the name of {first}" in found.error
    soundfile.write(tmp_path / "v.wav", np.zeros(1600), 16000)
    found = call("export", first, peer(tmp_path / "b.npz"), "--audio", tmp_path / "v.wav", "--format", "bvh", "--out", tmp_path / "out")
    assert found.code == 2 and "expected one motion" in found.error
    assert not (tmp_path / "out").exists()


def test_options_come_from_a_profile_and_the_environment(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_npz(tumbling(200), tmp_path / "a.npz")
    (tmp_path / "mine.toml").write_text('schema = 1\n[export.glb]\nquantise = true\n[export.csv]\nblinks = "always"\n')
    for out, options in (("plain", []), ("mine", ["--profile", tmp_path / "mine.toml"])):
        assert call("export", tmp_path / "a.npz", "--format", "glb,csv", "--out", tmp_path / out, *options).code == 0
    assert (tmp_path / "mine" / "a.glb").stat().st_size < (tmp_path / "plain" / "a.glb").stat().st_size - 70_000
    assert "eyeBlinkLeft" in (tmp_path / "mine" / "a.face.csv").read_text().splitlines()[0]
    assert "eyeBlinkLeft" not in (tmp_path / "plain" / "a.face.csv").read_text().splitlines()[0]
    monkeypatch.setenv("RAGGESTURE_EXPORT__GLB__BODY", str(tmp_path / "nobody.npz"))
    found = call("export", tmp_path / "a.npz", "--format", "csv,glb", "--out", tmp_path / "third")
    assert found.code == 5 and f"error: {tmp_path / 'nobody.npz'}: no such file" in found.error
    assert not (tmp_path / "third").exists()
    monkeypatch.setenv("RAGGESTURE_EXPORT__GLB__BODY", "")
    (tmp_path / "mine.toml").write_text("schema = 1\n[export.glb]\nquantize = true\n")
    found = call("export", tmp_path / "a.npz", "--format", "glb", "--profile", tmp_path / "mine.toml", "--out", tmp_path / "third")
    assert found.code == 4 and "'quantise'" in found.error


def test_an_interrupt_in_the_second_format_leaves_neither(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from raggesture.export.glb import GlbExporter

    def interrupted(self: object, scene: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(GlbExporter, "write", interrupted)
    first, second = peer(tmp_path / "a.npz"), peer(tmp_path / "b.npz")
    found = call("export", first, second, "--format", "bvh,glb", "--out", tmp_path / "out")
    assert found.code == 130 and "nothing half-written" in found.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format_", ["bvh", "glb", "csv", "npz", "mp4"])
def test_a_disk_that_fills_up_leaves_nothing(call: Call, tmp_path: Path, format_: str, lines: None) -> None:
    """No file may grow beyond 20,000 bytes for a while, which a write meets as it meets a full disk."""
    write_npz(_noisy(400), tmp_path / "a.npz")
    out = tmp_path / "out"
    out.mkdir()
    suffix = ".face.csv" if format_ == "csv" else f".{format_}"
    (out / f"a{suffix}").write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        found = call("export", tmp_path / "a.npz", "--format", format_, "--out", out, "--force")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert found.code == 2 and "cannot be written" in found.error and "expected room" in found.error
    assert names(out) == [f"a{suffix}"] and (out / f"a{suffix}").read_text() == "old"


@pytest.mark.parametrize("format_", ["bvh", "glb", "csv", "npz", "html", "mp4"])
def test_a_small_disk_that_is_full_leaves_nothing(call: Call, tmp_path: Path, format_: str, lines: None) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, "-t", "tmpfs", "-o", "size=32k", "tmpfs", disk], capture_output=True, check=False).returncode:
        pytest.skip("a tmpfs cannot be mounted here (needs root)")
    try:
        write_npz(_noisy(400), tmp_path / "a.npz")
        found = call("export", tmp_path / "a.npz", "--format", format_, "--out", disk / "new", "--json")
        assert found.code == 2 and "No space left on device" in found.error
        assert json.loads(found.out)["results"][0]["exit_code"] == 2
        assert names(disk) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def _noisy(frames: int) -> Motion:
    noise = np.random.default_rng(0).normal(0, 0.1, (frames, 168 + 100)).astype(np.float32)
    return Motion(noise[:, :165].reshape(-1, 55, 3), noise[:, 165:168], noise[:, 168:], 30.0)
