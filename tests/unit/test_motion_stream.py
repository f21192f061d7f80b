"""A motion that comes window by window is the motion that comes at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from raggesture.body.feet import FootPlanter, plant_feet
from raggesture.body.hands_out import keep_hands_out
from raggesture.body.skeleton import forward_kinematics
from raggesture.body.steady import steady_arms
from raggesture.clock import MODEL_FPS, MOTION_FPS, WINDOW_FRAMES
from raggesture.corpus.starter.perform import perform
from raggesture.corpus.starter.style import STYLES
from raggesture.motion import Motion, double_rate, halve_rate
from raggesture.motion_stream import MotionStream, StreamOptions
from raggesture.windows import OVERLAP_FRAMES, STRIDE_FRAMES, join_windows

WINDOWS = 4
SECONDS = (WINDOWS * 9 + 1) * 1.0


@pytest.fixture(scope="module")
def walking() -> Motion:
    """Forty seconds of an authored body that also walks away and drifts."""
    motion = perform([], STYLES[0], SECONDS, 3).motion
    wander = np.cumsum(np.random.default_rng(0).standard_normal((motion.frames, 4, 3)), axis=0) * 0.001
    rotations, away = motion.rotations.copy(), np.array(motion.translation)
    rotations[:, [1, 2, 4, 5]] += wander.astype(np.float32)
    away[:, 2] += np.linspace(0, 2.5, motion.frames)
    rotations[:, 0, 1] += np.linspace(0, 4.5, motion.frames)  # past half a turn
    return Motion(rotations, away, motion.expression, motion.fps)


@pytest.fixture(scope="module")
def windows(walking: Motion) -> list[Motion]:
    """Overlapping windows at 15 fps, each a little off and with a translation of its own, as a sampler leaves them."""
    slow = halve_rate(walking)
    rng = np.random.default_rng(1)
    made = []
    for k in range(WINDOWS):
        cut = slow.cut(slice(STRIDE_FRAMES * k, STRIDE_FRAMES * k + WINDOW_FRAMES))
        off = 0.01 * rng.standard_normal((1, 55, 3))
        moved = cut.translation - cut.translation[:1] * np.array([1, 0, 1])
        made.append(Motion((cut.rotations + off).astype(np.float32), moved.astype(np.float32), cut.expression, float(MODEL_FPS)))
    return made


def pieces(motion: Motion, sizes: list[int]) -> Iterator[Motion]:
    at = k = 0
    while at < motion.frames:
        yield motion.cut(slice(at, at + sizes[k % len(sizes)]))
        at += sizes[k % len(sizes)]
        k += 1


def together(parts: list[Motion]) -> Motion:
    arrays = [np.concatenate([getattr(part, name) for part in parts]) for name in ("rotations", "translation", "expression")]
    return Motion(*arrays, parts[0].fps)


@pytest.mark.parametrize("sizes", [[7, 1, 40], [270], [1000]])
def test_feet_are_the_same_whatever_the_pieces(walking: Motion, sizes: list[int]) -> None:
    whole = plant_feet(walking)
    planter = FootPlanter(walking.fps)
    parts = [planter.feed(piece) for piece in pieces(walking, sizes)]
    parts.append(planter.feed(walking.cut(slice(0, 0)), last=True))
    made = together(parts)
    assert made.frames == whole.frames
    np.testing.assert_allclose(made.rotations, whole.rotations, atol=1e-6)
    np.testing.assert_allclose(made.translation, whole.translation, atol=1e-6)
    assert any(part.frames for part in parts[:-1]) or sizes == [1000]


def test_feet_wait_no_longer_than_they_say(walking: Motion) -> None:
    planter, given, seen = FootPlanter(walking.fps, lookahead_s=1.0), 0, 0
    waited = []
    for piece in pieces(walking, [15]):
        seen += piece.frames
        given += planter.feed(piece).frames
        waited.append(seen - given)
    assert max(waited[5:]) <= 1.0 * walking.fps + 15
    assert planter.feed(walking.cut(slice(0, 0)), last=True).frames == walking.frames - given


@pytest.mark.parametrize("interpolation", ["spline", "linear"])
@pytest.mark.parametrize("feet", [True, False])
@pytest.mark.parametrize("seconds", [SECONDS, 30.41, 28.0])
def test_windows_one_by_one_are_the_windows_at_once(windows: list[Motion], interpolation: str, feet: bool, seconds: float) -> None:
    frames = round(seconds * MOTION_FPS)
    stream = MotionStream(StreamOptions(interpolation=interpolation, plant_feet=feet), frames)  # type: ignore[arg-type]
    parts = [stream.feed(window) for window in windows]
    parts.append(stream.end())
    made = together(parts)
    joined = double_rate(join_windows(windows), frames, released=interpolation == "linear")
    out = keep_hands_out(steady_arms(joined))
    expected = plant_feet(out) if feet else out
    assert made.frames == expected.frames == frames
    np.testing.assert_allclose(made.translation, expected.translation, atol=2e-5)
    places = [forward_kinematics(torch.from_numpy(m.rotations.copy()), torch.from_numpy(m.translation.copy()))[0].numpy() for m in (made, expected)]
    np.testing.assert_allclose(places[0], places[1], atol=1e-4)
    assert parts[0].frames > 90 and parts[1].frames == 2 * STRIDE_FRAMES


def test_a_stream_gives_the_same_bytes_each_time_and_keeps_little(windows: list[Motion]) -> None:
    def made() -> Motion:
        stream = MotionStream(StreamOptions())
        return together([*(stream.feed(window) for window in windows * 3), stream.end()])

    first, again = made(), made()
    np.testing.assert_array_equal(first.rotations, again.rotations)
    np.testing.assert_array_equal(first.translation, again.translation)
    assert first.frames == 2 * (len(windows) * 3 * STRIDE_FRAMES + OVERLAP_FRAMES)
    stream = MotionStream(StreamOptions())
    held = []
    for window in windows * 3:
        stream.feed(window)
        held.append(stream._planter._buffer.frames)  # type: ignore[union-attr]
    assert max(held[3:]) == max(held[1:4])


def test_a_body_that_walks_off_comes_back(windows: list[Motion]) -> None:
    """Every window goes on where the last one ended; two hundred of them stay within arm's length of the beginning, without a jump."""
    walked = Motion(
        windows[1].rotations, np.cumsum(np.full((WINDOW_FRAMES, 3), [0.003, 0.0, 0.004], np.float32), axis=0), windows[1].expression, float(MODEL_FPS)
    )
    joined = join_windows([walked] * 200)
    ground = joined.translation[:, [0, 2]]
    assert np.linalg.norm(ground, axis=-1).max() < 1.3
    assert np.linalg.norm(np.diff(ground, axis=0), axis=-1).max() < 0.02
    alone = join_windows([walked])
    assert 0.3 < np.linalg.norm(alone.translation[-1, [0, 2]]) < np.linalg.norm(walked.translation[-1, [0, 2]])
    near = Motion(walked.rotations, walked.translation * np.float32(0.3), walked.expression, walked.fps)
    np.testing.assert_allclose(join_windows([near]).translation, near.translation, atol=1e-6)
