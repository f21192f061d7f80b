"""BVH and libraries of one's own from the command line: export, --skeleton, index add --out, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from helpers_animation import wanted_joints
from helpers_bvh import A_POSE, MIXAMO, Look, gesturing, write_like
from helpers_library import humming, make_corpus, make_plain
from raggesture.motion import read_npz
from raggesture.resources import packaged_dir

Call = Callable[..., Any]


def odd(folder: Path, name: str = "take") -> Path:
    """A file whose forearms have names of their own, and a table that knows them."""
    names = {joint: f"Lower_{theirs}" if "ForeArm" in theirs else theirs for joint, theirs in MIXAMO.items()}
    (folder / "mine.toml").write_text('like = "mixamo"\n[joints]\nelbow = "Lower_*ForeArm"\n', encoding="utf-8")
    return write_like(folder / f"{name}.bvh", gesturing(2.0), Look(names=names, prefix=""))


def test_a_bvh_becomes_npz_and_page_with_its_voice(call: Call, tmp_path: Path) -> None:
    motion = gesturing(2.0)
    path = write_like(tmp_path / "take.bvh", motion, Look(rest=A_POSE, unit=1.0))
    soundfile.write(tmp_path / "take.wav", humming(2.0), 16000)
    found = call("export", path, "--format", "npz,html,bvh", "--out", tmp_path / "out")
    assert found.code == 0, found.err
    assert f"{path}: skeleton mixamo, 52 joints, metres, y up, " in found.err
    made = read_npz(tmp_path / "out" / "take.npz")
    assert made.frames == 60 and np.abs(wanted_joints(made)[:, 15, 1] - wanted_joints(motion)[:, 15, 1]).max() < 0.01
    assert "RIFF" not in found.out and (tmp_path / "out" / "take.html").stat().st_size > 500_000
    again = call("export", tmp_path / "out" / "take.bvh", "--format", "npz", "--out", tmp_path / "again")
    assert again.code == 0 and "skeleton smplx, 55 joints, centimetres" in again.err
    assert np.abs(wanted_joints(read_npz(tmp_path / "again" / "take.npz")) - wanted_joints(made)).max() < 1e-3


def test_what_was_supposed_is_warned_of(call: Call, tmp_path: Path) -> None:
    names = {joint: theirs for joint, theirs in MIXAMO.items() if "Hand" not in theirs or theirs.endswith("Hand")}
    path = write_like(tmp_path / "take.bvh", gesturing(1.0), Look(names=names))
    found = call("export", path, "--format", "npz", "--out", tmp_path / "out")
    assert found.code == 0 and f"warning: {path}: no finger moves in the left and the right hand: relaxed" in found.err
    assert call("export", path, "--format", "npz", "--out", tmp_path / "quiet", "-q").err == ""


def test_a_table_of_joints_on_the_command_line(call: Call, tmp_path: Path) -> None:
    path = odd(tmp_path)
    found = call("export", path, "--format", "npz", "--out", tmp_path / "out")
    assert found.code == 3 and "fit no skeleton that is known" in found.error and "--skeleton" in found.error
    assert call("export", path, "--format", "npz", "--out", tmp_path / "out", "--skeleton", tmp_path / "mine.toml").code == 0
    assert (tmp_path / "out" / "take.npz").is_file()
    wrong = call("export", path, "--format", "npz", "--out", tmp_path / "other", "--skeleton", "miximo")
    assert wrong.code == 4 and "did you mean 'mixamo'" in wrong.error and not (tmp_path / "other").exists()


def test_a_broken_bvh_costs_itself(call: Call, tmp_path: Path) -> None:
    good, bad = write_like(tmp_path / "good.bvh", gesturing(1.0), Look()), tmp_path / "bad.bvh"
    bad.write_text(good.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    found = call("export", bad, good, "--format", "npz", "--out", tmp_path / "out", "--json", "-q")
    assert found.code == 3
    failed, made = json.loads(found.out)["results"]
    assert failed["exit_code"] == 3 and failed["error"].startswith(f"{bad}: line ") and made["outputs"] == [str(tmp_path / "out" / "good.npz")]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.npz"]


@pytest.mark.parametrize("force", [False, True])
def test_a_motion_is_never_written_over_itself(call: Call, tmp_path: Path, force: bool) -> None:
    path = write_like(tmp_path / "take.bvh", gesturing(1.0), Look())
    before = path.read_bytes()
    found = call("export", path, "--format", "npz,bvh", "--out", tmp_path, *(["--force"] if force else []))
    assert found.code == 2 and "take.bvh: is the motion itself" in found.error
    assert path.read_bytes() == before and not (tmp_path / "take.npz").exists()


def test_takes_of_bvh_and_a_table_in_an_index(call: Call, tmp_path: Path) -> None:
    takes = tmp_path / "takes"
    takes.mkdir()
    odd(takes)
    (takes / "mine.toml").rename(tmp_path / "mine.toml")
    soundfile.write(takes / "take.wav", humming(2.0), 16000)
    (takes / "take.json").write_text('{"words": [{"word": "huge", "start": 1.2, "end": 1.7}]}', encoding="utf-8")
    alone = call("index", "build", takes, "--out", tmp_path / "i")
    assert alone.code == 3 and "no clips to index" in alone.error and "fit no skeleton" in alone.error
    found = call("index", "build", takes, "--out", tmp_path / "i", "--skeleton", tmp_path / "mine.toml", "--json")
    assert found.code == 0, found.err
    assert json.loads(found.out)["manifest"]["clips"] == 1
    more = make_plain(tmp_path / "more", "hello")
    assert call("index", "add", tmp_path / "i", more, "--skeleton", "nobody").code == 4
    assert call("index", "add", tmp_path / "i", more, "-q").code == 0


def test_a_copy_with_more_in_it(call: Call, tmp_path: Path) -> None:
    assert call("index", "build", make_corpus(tmp_path / "c"), "--out", tmp_path / "i", "-q").code == 0
    mine = make_plain(tmp_path / "mine", "hello")
    found = call("index", "add", tmp_path / "i", mine, "--out", tmp_path / "both", "--json")
    assert found.code == 0, found.err
    data = json.loads(found.out)
    assert data["added"] == ["hello"] and data["manifest"]["clips"] == 4 and data["path"] == str(tmp_path / "both")
    assert json.loads(call("index", "info", tmp_path / "i", "--json").out)["manifest"]["clips"] == 3
    assert call("index", "verify", tmp_path / "both").code == 0
    there = call("index", "add", tmp_path / "i", mine, "--out", tmp_path / "both")
    assert there.code == 2 and "both: exists" in there.error
    assert call("index", "add", tmp_path / "i", mine, "--out", tmp_path / "both", "--force", "-q").code == 0
    assert call("index", "add", tmp_path / "i", mine, "--force").code == 2
    strict = call("index", "add", tmp_path / "both", mine, "--out", tmp_path / "third", "--strict")
    assert strict.code == 3 and not (tmp_path / "third").exists()


def test_the_packaged_index_is_not_changed(call: Call, tmp_path: Path) -> None:
    folder = packaged_dir("starter", "index")
    before = sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir())
    mine = make_plain(tmp_path / "mine", "hello")
    for arguments in (("add", "starter", mine), ("remove", "starter", "--speaker", "ada")):
        found = call("index", *arguments)
        assert found.code == 2 and "index starter: is the packaged one" in found.error and "'index add starter CORPUS --out DIR'" in found.error
    found = call("index", "add", "starter", mine, "--out", tmp_path / "both", "--json")
    assert found.code == 0, found.err
    assert sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir()) == before
    assert json.loads(found.out)["manifest"]["name"] == "both" and "hello" in dict(json.loads(found.out)["speakers"])
