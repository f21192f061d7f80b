"""Strokes and seams: known shifts and known jumps are found."""

from __future__ import annotations

import math

import numpy as np
import pytest

from raggesture.clock import MODEL_FPS
from raggesture.metrics.gesture_made import hand_paths
from raggesture.metrics.strokes import border_steps, stroke_gap, stroke_offset, wrist_places
from raggesture.motion import Motion


def _wave(frames: int, apex: int, size: float = 1.2) -> Motion:
    """Both elbows bend and open again around frame ``apex``."""
    rotations = np.zeros((frames, 55, 3), np.float32)
    swing = size * np.exp(-(((np.arange(frames) - apex) / 4.0) ** 2))
    rotations[:, 18, 1], rotations[:, 19, 1] = -swing, swing
    return Motion(rotations, np.zeros((frames, 3)), np.zeros((frames, 100)), float(MODEL_FPS))


@pytest.mark.parametrize("late", [-6, -1, 0, 3, 8])
def test_stroke_offset_finds_the_shift(late):
    exemplar, made = hand_paths(_wave(60, 30)), hand_paths(_wave(90, 40 + late))
    assert stroke_offset(made, 40 / MODEL_FPS, exemplar, 30 / MODEL_FPS) == late


def test_stroke_gap_is_zero_on_itself_and_grows_with_difference():
    exemplar = hand_paths(_wave(60, 30))
    assert stroke_gap(exemplar, 2.0, exemplar, 2.0) == pytest.approx(0, abs=1e-9)
    small, large = (stroke_gap(hand_paths(_wave(60, 30, size)), 2.0, exemplar, 2.0) for size in (1.0, 0.5))
    assert 0 < small < large


def test_border_steps_see_a_jump_where_it_is():
    places = np.zeros((150, 2, 3), np.float32)
    places[:, :, 0] = 0.01 * np.arange(150)[:, None]
    smooth = border_steps([places], [[]])
    assert smooth.border_m == pytest.approx(0.01, rel=1e-3)
    assert smooth.elsewhere_m == pytest.approx(0.01, rel=1e-3)
    assert math.isnan(smooth.edge_m)
    jumping = places.copy()
    jumping[45:, :, 1] += 0.2
    steps = border_steps([jumping], [[45, 75]])
    assert steps.edge_m > 5 * steps.elsewhere_m
    assert steps.border_m == pytest.approx(steps.elsewhere_m, rel=1e-3)
    assert border_steps([jumping], [[]]).border_m > 2 * steps.elsewhere_m


def test_wrists_do_not_see_where_the_body_stands():
    motion = _wave(30, 15)
    moved = Motion(motion.rotations, motion.translation + 3.0, motion.expression, motion.fps)
    np.testing.assert_allclose(wrist_places(motion), wrist_places(moved), atol=1e-6)
