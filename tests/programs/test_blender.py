"""Blender itself, without a screen: what bvh and glb (and an FBX made of the glb) look like after import, as docs/animators.md says to."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers_animation import Shown, real_take, tumbling, wanted_joints
from raggesture.body.joints import JOINT_NAMES
from raggesture.export.bvh import BvhExporter, BvhOptions
from raggesture.export.glb import GlbExporter, GlbOptions
from raggesture.export.skins import wooden_skin
from raggesture.export.wooden import wooden
from raggesture.motion import Motion

SCRIPT = Path(__file__).parent / "blender_joints.py"
EXPORTERS = {"bvh": BvhExporter(BvhOptions()), "glb": GlbExporter(GlbOptions())}


def in_blender(*paths: Path) -> tuple[dict[str, Any], np.ndarray]:
    """What the script says, and (F, 55, 3) m joints turned from Blender's axes (z up, front -y) to ours."""
    program = shutil.which("blender")
    if program is None:
        pytest.skip("blender is not installed (Debian: apt-get install blender python3-numpy)")
    command = [program, "-b", "--factory-startup", "--python-exit-code", "1", "--python", SCRIPT, "--", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    about = json.loads(paths[1].read_text())
    joints = np.array([[frame[name] for name in JOINT_NAMES] for frame in about.pop("frames")])
    return about, np.stack([joints[..., 0], joints[..., 2], -joints[..., 1]], axis=-1)


def held(motion: Motion, joints: np.ndarray, tolerance_m: float) -> None:
    assert joints.shape == (motion.frames, 55, 3)
    assert np.abs(joints - wanted_joints(motion)).max() < tolerance_m


@pytest.mark.parametrize("format_", ["bvh", "glb"])
def test_joints_over_time(tmp_path: Path, format_: str) -> None:
    motion = tumbling(100)
    path = tmp_path / f"Zoë's 走.{format_}"
    EXPORTERS[format_].write(Shown("Zoë's 走", motion), path)
    about, joints = in_blender(path, tmp_path / "out.json")
    held(motion, joints, 1e-4)
    assert about["fps"] == 30 and about["actions"] == 1
    if format_ == "glb":
        assert len(wooden().vertices) in about["meshes"]


@pytest.mark.parametrize("format_", ["bvh", "glb"])
def test_the_real_take(tmp_path: Path, beat2_mini: Path, format_: str) -> None:
    motion = real_take(beat2_mini).cut(slice(0, 300))
    EXPORTERS[format_].write(Shown("take", motion), tmp_path / f"take.{format_}")
    _, joints = in_blender(tmp_path / f"take.{format_}", tmp_path / "out.json")
    held(motion, joints, 1e-4)


def test_expressions_are_shape_keys_that_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skin = wooden_skin()
    faced = replace(skin, expressions=np.random.default_rng(0).normal(0, 0.01, (len(skin.vertices), 3, 100)))
    monkeypatch.setattr("raggesture.export.glb.wooden_skin", lambda: faced)
    expression = np.zeros((20, 100), np.float32)
    expression[:, [0, 8, 41]] = np.linspace(-2, 2.5, 20)[:, None] * (1.0, 0.5, -1.0)  # outside 0 to 1, where sliders end until they are widened
    motion = replace(tumbling(20), expression=expression)
    EXPORTERS["glb"].write(Shown("take", motion), tmp_path / "take.glb")
    about, joints = in_blender(tmp_path / "take.glb", tmp_path / "out.json")
    held(motion, joints, 1e-4)
    assert list(about["shapes"]) == ["expression_000", "expression_008", "expression_041"]
    assert np.abs(np.array(list(about["shapes"].values())).T - motion.expression[:, [0, 8, 41]]).max() < 1e-5


def test_fbx_out_of_blender(tmp_path: Path) -> None:
    motion = tumbling(40)
    EXPORTERS["glb"].write(Shown("take", motion), tmp_path / "take.glb")
    _, joints = in_blender(tmp_path / "take.glb", tmp_path / "out.json", tmp_path / "take.fbx")
    assert (tmp_path / "take.fbx").read_bytes().startswith(b"Kaydara FBX Binary")
    held(motion, joints, 1e-4)
