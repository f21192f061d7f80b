"""Windows over speech of any length, and how their motions join."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raggesture.clock import MODEL_FPS, WINDOW_FRAMES, frames_of_seconds
from raggesture.motion import Motion
from raggesture.windows import OVERLAP_FRAMES, STRIDE_FRAMES, cut_window, join_windows, window_starts


@given(st.floats(0.5, 4000))
def test_windows_cover_the_speech_and_none_is_idle(duration_s):
    starts = window_starts(duration_s)
    frames = frames_of_seconds(duration_s, MODEL_FPS)
    assert starts[0] == 0
    assert starts[-1] + WINDOW_FRAMES >= frames
    assert all(b - a == STRIDE_FRAMES for a, b in pairwise(starts))
    if len(starts) > 1:
        assert starts[-1] + OVERLAP_FRAMES < frames, "the last window brings no new frame"


@pytest.mark.parametrize(("seconds", "count"), [(0.5, 1), (10.0, 1), (10.1, 2), (19.0, 2), (19.1, 3), (28.0, 3)])
def test_number_of_windows(seconds, count):
    assert len(window_starts(seconds)) == count


def test_cut_window_fills_with_zeros_outside():
    track = np.arange(1, 11, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(cut_window(track, -2, 4)[:, 0], [0, 0, 1, 2])
    np.testing.assert_array_equal(cut_window(track, 8, 4)[:, 0], [9, 10, 0, 0])
    assert not cut_window(track, 50, 4).any()


def _walk(frames: int, pace: float = 1.0) -> Motion:
    """A body that walks steadily and turns smoothly, in the world."""
    time = np.arange(frames, dtype=np.float32)
    rotations = 0.4 * np.sin(time[:, None, None] * 0.05 + np.arange(165, dtype=np.float32).reshape(1, 55, 3))
    translation = np.stack([0.01 * pace * time, 1.3 + 0 * time, 0.004 * pace * time], axis=1)
    return Motion(rotations, translation, np.tile(np.sin(time * 0.1)[:, None], (1, 100)), float(MODEL_FPS))


def test_windows_cut_from_one_motion_join_to_that_motion():
    whole = _walk(2 * STRIDE_FRAMES + WINDOW_FRAMES, 0.06)  # within reach of where it began
    parts = []
    for start in (0, STRIDE_FRAMES, 2 * STRIDE_FRAMES):
        piece = whole.cut(slice(start, start + WINDOW_FRAMES))
        origin = np.array(piece.translation[0]) * [1, 0, 1]
        parts.append(Motion(piece.rotations, piece.translation - origin, piece.expression, piece.fps))
    joined = join_windows(parts)
    assert joined.frames == whole.frames
    np.testing.assert_allclose(joined.rotations, whole.rotations, atol=1e-4)
    np.testing.assert_allclose(joined.translation, whole.translation - np.array(whole.translation[0]) * [1, 0, 1], atol=1e-4)
    np.testing.assert_allclose(joined.expression, whole.expression, atol=1e-5)


def test_windows_that_differ_are_blended_without_a_jump():
    first, second = _walk(WINDOW_FRAMES), _walk(WINDOW_FRAMES)
    joined = join_windows([first, second])
    steps = np.abs(np.diff(joined.translation, axis=0)).max()
    assert steps < 0.03
