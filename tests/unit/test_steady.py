"""Arms that wander come to rest, strokes stay where they were and begin more sharply, nothing but the arms changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from raggesture.body.skeleton import forward_kinematics
from raggesture.body.steady import ARMS, REACH_S, ArmSteadier, steady_arms
from raggesture.corpus.starter.perform import perform
from raggesture.corpus.starter.style import STYLES
from raggesture.metrics.motion_statistics import motion_statistics
from raggesture.motion import Motion

ARM_JOINTS = sorted(joint for arm in ARMS for joint in arm)
OTHERS = [joint for joint in range(55) if joint not in ARM_JOINTS]
FPS = 30.0


def _with_shoulder(angle: np.ndarray) -> Motion:
    """A body whose right arm turns about the forward axis by ``angle`` (F,) rad."""
    rotations = np.zeros((len(angle), 55, 3), np.float32)
    rotations[:, 17, 2] = angle
    return Motion(rotations, np.zeros((len(angle), 3), np.float32), np.zeros((len(angle), 100), np.float32), FPS)


def _wrist_speed(motion: Motion) -> np.ndarray:
    positions, _ = forward_kinematics(torch.from_numpy(np.array(motion.rotations)))
    return np.linalg.norm(np.gradient(positions[:, 21].double().numpy(), axis=0), axis=-1) * motion.fps


def test_an_arm_that_wanders_about_a_place_rests() -> None:
    time = np.arange(300) / FPS
    wandering = _with_shoulder(0.05 * np.sin(2 * np.pi * 1.3 * time))
    before, after = _wrist_speed(wandering), _wrist_speed(steady_arms(wandering))
    assert np.median(before) > 0.1
    assert np.median(after) < 0.6 * np.median(before)


def test_a_stroke_keeps_its_time_and_begins_more_sharply() -> None:
    time = np.arange(120) / FPS
    u = np.clip((time - 1.6) / 0.7, 0, 1)
    stroke = _with_shoulder(0.9 * u**2 * (3 - 2 * u))
    before, after = _wrist_speed(stroke), _wrist_speed(steady_arms(stroke))
    assert after.max() >= before.max()
    assert np.abs(np.gradient(after)).max() > 1.1 * np.abs(np.gradient(before)).max()
    assert abs(int(after.argmax()) - int(before.argmax())) <= 1
    ends = np.r_[0:40, 79:120]
    np.testing.assert_allclose(steady_arms(stroke).rotations[ends], stroke.rotations[ends], atol=2e-3)


def test_nothing_but_the_arms_changes_and_they_by_little() -> None:
    motion = perform([], STYLES[0], 12.0, 3).motion
    steady = steady_arms(motion)
    np.testing.assert_array_equal(steady.rotations[:, OTHERS], motion.rotations[:, OTHERS])
    np.testing.assert_array_equal(steady.translation, motion.translation)
    np.testing.assert_array_equal(steady.expression, motion.expression)
    assert (steady.rotations[:, ARM_JOINTS] != motion.rotations[:, ARM_JOINTS]).any()
    assert motion_statistics(steady).still_share >= motion_statistics(motion).still_share
    places = [forward_kinematics(torch.from_numpy(np.array(m.rotations)))[0][:, [20, 21]].numpy() for m in (motion, steady)]
    assert np.linalg.norm(places[0] - places[1], axis=-1).mean() < 0.01


def test_a_held_pose_keeps_its_place() -> None:
    still = _with_shoulder(np.full(40, 0.7))
    np.testing.assert_allclose(steady_arms(still).rotations, still.rotations, atol=1e-6)


@pytest.mark.parametrize("sizes", [[1], [7, 1, 40], [200]])
def test_the_pieces_change_nothing(sizes: list[int]) -> None:
    motion = perform([], STYLES[1], 8.0, 5).motion
    whole, steadier, parts, at, k = steady_arms(motion), ArmSteadier(motion.fps), [], 0, 0
    waited = []
    while at < motion.frames:
        step = sizes[k % len(sizes)]
        parts.append(steadier.feed(motion.cut(slice(at, at + step))))
        at, k = min(at + step, motion.frames), k + 1
        waited.append(at - sum(part.frames for part in parts))
    assert max(waited) <= round(REACH_S * motion.fps)
    parts.append(steadier.feed(motion.cut(slice(0, 0)), last=True))
    made = np.concatenate([part.rotations for part in parts])
    np.testing.assert_allclose(made, whole.rotations, atol=1e-6)


def test_no_frames_and_one_frame_pass() -> None:
    motion = perform([], STYLES[0], 1.0, 3).motion
    assert steady_arms(motion.cut(slice(0, 0))).frames == 0
    np.testing.assert_allclose(steady_arms(motion.cut(slice(0, 1))).rotations, motion.rotations[:1], atol=1e-5)
