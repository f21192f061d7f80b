"""Feet that drift are made to stand, walking bodies step, and nothing above the hips changes."""

from __future__ import annotations

import numpy as np
import torch

from raggesture.body.feet import plant_feet
from raggesture.body.skeleton import forward_kinematics
from raggesture.corpus.starter.perform import perform
from raggesture.corpus.starter.style import STYLES
from raggesture.metrics.motion_statistics import motion_statistics
from raggesture.motion import Motion

LEGS = [1, 2, 4, 5, 7, 8, 10, 11]


def _drifting(frames: int = 450) -> Motion:
    motion = perform([], STYLES[0], frames / 30, 3).motion
    rotations = motion.rotations.copy()
    wander = np.cumsum(np.random.default_rng(0).standard_normal((frames, 4, 3)), axis=0) * 0.002
    rotations[:, [1, 2, 4, 5]] += wander.astype(np.float32)
    return Motion(rotations, motion.translation, motion.expression, motion.fps)


def _ankles(motion: Motion) -> np.ndarray:
    positions, _ = forward_kinematics(torch.from_numpy(np.array(motion.rotations)), torch.from_numpy(np.array(motion.translation)))
    return positions[:, [7, 8]].numpy()


def test_drifting_feet_stand():
    drifting = _drifting()
    planted = plant_feet(drifting)
    assert motion_statistics(drifting).feet_speed_m_s[0] > 0.02
    assert motion_statistics(planted).feet_speed_m_s[0] < 1e-3
    others = [joint for joint in range(55) if joint not in LEGS]
    np.testing.assert_array_equal(planted.rotations[:, others], drifting.rotations[:, others])
    assert np.abs(planted.translation - drifting.translation).max() < 0.15


def test_a_body_that_walks_away_is_followed_by_its_feet_one_at_a_time():
    still = perform([], STYLES[0], 12.0, 3).motion
    away = np.array(still.translation)
    away[:, 2] += np.linspace(0, 1.5, still.frames)
    planted = plant_feet(Motion(still.rotations, away, still.expression, still.fps))
    ankles = _ankles(planted)
    assert np.abs(ankles[-1, :, 2] - _ankles(still)[-1, :, 2] - 1.5).max() < 0.3
    moving = np.linalg.norm(np.diff(ankles, axis=0), axis=-1) * 30 > 0.05
    assert moving.any(axis=0).all()
    assert not moving.all(axis=1).any()
    assert np.linalg.norm(np.diff(ankles, axis=0), axis=-1).max() < 0.12


def test_deterministic_and_short_motions_pass():
    drifting = _drifting(90)
    np.testing.assert_array_equal(plant_feet(drifting).rotations, plant_feet(drifting).rotations)
    single = drifting.cut(slice(0, 1))
    assert plant_feet(single) is single
    assert plant_feet(drifting.cut(slice(0, 2))).frames == 2
