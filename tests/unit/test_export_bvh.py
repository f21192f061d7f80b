"""The bvh exporter, read back by two libraries that did not write it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import bvhio
import numpy as np
import pybvh
import pytest
from scipy.spatial.transform import Rotation

from helpers_animation import Shown, real_take, still, tumbling, wanted_joints
from raggesture.body.joints import JOINT_NAMES, PARENTS
from raggesture.body.skeleton import rest_joints
from raggesture.errors import InputError
from raggesture.export import bvh
from raggesture.motion import Motion


def written(motion: Motion, path: Path) -> Path:
    bvh.BvhExporter(bvh.BvhOptions()).write(Shown("name", motion), path)
    return path


def by_pybvh(path: Path) -> np.ndarray:
    """(F, 55, 3) m."""
    found = pybvh.read_bvh_file(str(path))
    return found.node_positions()[:, [found.node_index[name] for name in JOINT_NAMES]] / 100


def by_bvhio(path: Path) -> np.ndarray:
    root = bvhio.readAsHierarchy(str(path))
    joints = {joint.Name: joint for joint, _, _ in root.layout()}
    first, last = root.getKeyframeRange()
    frames = []
    for frame in range(first, last + 1):
        root.loadPose(frame)
        frames.append([list(joints[name].PositionWorld) for name in JOINT_NAMES])
    return np.array(frames) / 100


@pytest.mark.parametrize("read", [by_pybvh, by_bvhio])
@pytest.mark.parametrize("frames", [1, 2, 150])
def test_joints_come_back(tmp_path: Path, read: Callable[[Path], np.ndarray], frames: int) -> None:
    motion = tumbling(frames)
    assert np.abs(read(written(motion, tmp_path / "a.bvh")) - wanted_joints(motion)).max() < 1e-4


def test_every_frame_of_the_real_take_comes_back(tmp_path: Path, beat2_mini: Path) -> None:
    motion = real_take(beat2_mini)
    assert np.abs(by_pybvh(written(motion, tmp_path / "a.bvh")) - wanted_joints(motion)).max() < 1e-4


def test_blocks_leave_no_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    motion = tumbling(150)
    whole = written(motion, tmp_path / "whole.bvh").read_bytes()
    monkeypatch.setattr(bvh, "_BLOCK_FRAMES", 7)
    assert written(motion, tmp_path / "blocks.bvh").read_bytes() == whole
    moved = replace(motion, translation=motion.translation + np.float32(0.01))
    assert hashlib.sha256(written(moved, tmp_path / "moved.bvh").read_bytes()).digest() != hashlib.sha256(whole).digest()


def test_angles_are_the_same_rotations_and_do_not_jump() -> None:
    motion = tumbling(300)
    angles, _ = bvh.euler_angles(motion.rotations)
    again = Rotation.from_euler("ZXY", angles.reshape(-1, 3), degrees=True)
    assert (again.inv() * Rotation.from_rotvec(motion.rotations.reshape(-1, 3))).magnitude().max() < 1e-6
    raw = Rotation.from_rotvec(motion.rotations.reshape(-1, 3)).as_euler("ZXY", degrees=True).reshape(angles.shape)
    assert np.abs(np.diff(raw, axis=0)).max() > 300  # this motion does pass the poles
    # through a pole z and y may turn quickly, but never by the half turn that the other solution is away
    assert np.abs(np.diff(angles, axis=0)).max() < 180
    assert np.median(np.abs(np.diff(angles, axis=0)).max(axis=(1, 2))) < np.median(np.abs(np.diff(raw, axis=0)).max(axis=(1, 2)))


def test_a_full_turn_goes_on_growing() -> None:
    rotations = np.zeros((61, 1, 3), np.float32)
    rotations[:, 0, 1] = np.linspace(0, 4 * np.pi, 61)
    angles, _ = bvh.euler_angles(rotations)
    assert np.abs(angles[:, 0, 2] - np.linspace(0, 720, 61)).max() < 1e-3


def test_head_of_the_file_is_what_the_guide_says(tmp_path: Path) -> None:
    path = written(still(3), tmp_path / "a.bvh")
    text = path.read_text(encoding="ascii")
    lines = text.splitlines()
    assert lines[:2] == ["HIERARCHY", "ROOT pelvis"]
    assert "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation" in lines[4]
    assert text.count("CHANNELS 3 Zrotation Xrotation Yrotation") == 54
    found = pybvh.read_bvh_file(str(path))
    assert found.joint_count == 55
    assert found.frame_time == pytest.approx(1 / 30, abs=1e-9)
    parents = {node.name: node.parent.name for node in found.nodes if node.parent is not None and node.name in JOINT_NAMES}
    assert parents == {JOINT_NAMES[j]: JOINT_NAMES[PARENTS[j]] for j in range(1, 55)}
    # zero everywhere is the rest pose: feet down, arms out to the sides, facing +z
    joints = dict(zip(JOINT_NAMES, by_pybvh(path)[0], strict=True))
    assert np.abs(np.array(list(joints.values())) - rest_joints()).max() < 1e-5
    assert joints["left_wrist"][0] > 0.5 and joints["right_wrist"][0] < -0.5
    assert joints["left_foot"][2] > joints["left_ankle"][2] + 0.05


@pytest.mark.parametrize("fps", [15.0, 29.97, 60.0, 120.0])
def test_the_motion_s_rate_is_kept(tmp_path: Path, fps: float) -> None:
    motion = tumbling(20, fps)
    path = written(motion, tmp_path / "a.bvh")
    assert pybvh.read_bvh_file(str(path)).frame_time * 30 * 3600 == pytest.approx(30 * 3600 / fps, abs=1e-4)  # still right after an hour
    assert len(by_pybvh(path)) == 20


@pytest.mark.parametrize(("motion", "said"), [(still(0), "0 frames; expected at least one"), (still(3, 0.0), "0 frames a second"), (still(3, np.nan), "nan")])
def test_what_is_no_animation_is_refused_before_a_file_is_there(tmp_path: Path, motion: Motion, said: str) -> None:
    with pytest.raises(InputError, match=said):
        written(motion, tmp_path / "a.bvh")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError, match="No space left"):
        written(tumbling(50), Path("/dev/full"))
