"""Hands that would be inside the body come out; everything else keeps its bits."""

from __future__ import annotations

import numpy as np
import pytest

from raggesture.body.hands_out import keep_hands_out
from raggesture.metrics.bodies import MannequinBody
from raggesture.metrics.physics import hand_depth
from raggesture.motion import Motion

FRAMES = 60


def arms(shoulder: float, elbow: float) -> Motion:
    """Arms that swing down and in front of the belly: the deeper, the larger the angles (rad), which grow and fall over the motion."""
    rotations = np.zeros((FRAMES, 55, 3), np.float32)
    share = np.sin(np.linspace(0, np.pi, FRAMES)).astype(np.float32)
    rotations[:, 16, 2], rotations[:, 17, 2] = -1.2 * np.ones(FRAMES), 1.2 * np.ones(FRAMES)
    rotations[:, 16, 1] = -shoulder * share
    rotations[:, 18, 1] = -elbow * share
    return Motion(rotations, np.zeros((FRAMES, 3), np.float32), np.zeros((FRAMES, 100), np.float32), 30.0)


def depth(motion: Motion) -> np.ndarray:
    return hand_depth(MannequinBody().joints(motion))


@pytest.fixture(scope="module")
def inside() -> Motion:
    """The first of some swings that goes through the body by centimetres, and begins and ends outside."""
    swings = [arms(shoulder, elbow) for shoulder in np.arange(0.0, 1.6, 0.2) for elbow in np.arange(0.4, 2.6, 0.2)]
    return next(each for each in swings if 0.02 < depth(each).max() < 0.05 and 0.1 < (depth(each) > 0).mean() < 0.7)


def test_hands_come_out_and_nothing_else_moves(inside: Motion) -> None:
    found, before = keep_hands_out(inside), depth(inside)
    assert depth(found).max() < 0.75 * before.max() and (depth(found) > 0.01).mean() < 0.75 * (before > 0.01).mean()
    assert (depth(found) <= before + 1e-6).all()
    changed = (found.rotations != inside.rotations).any(-1)
    assert not changed[before == 0].any() and set(np.flatnonzero(changed.any(0))) <= {16, 17}
    assert np.abs(found.rotations - inside.rotations).max() < 0.6


def test_it_grows_and_fades_with_the_depth(inside: Motion) -> None:
    places = [MannequinBody().joints(motion)[:, 20] for motion in (inside, keep_hands_out(inside))]
    steps = [np.linalg.norm(np.diff(each, axis=0), axis=-1).max() for each in places]
    assert steps[1] < steps[0] + 0.005


def test_pieces_are_as_the_whole(inside: Motion) -> None:
    whole = keep_hands_out(inside)
    pieces = [keep_hands_out(inside.cut(slice(first, first + 7))) for first in range(0, FRAMES, 7)]
    np.testing.assert_array_equal(np.concatenate([piece.rotations for piece in pieces]), whole.rotations)
    again = keep_hands_out(whole)
    assert np.abs(again.rotations - whole.rotations).max() < 0.1


def test_a_body_that_is_outside_keeps_its_bits() -> None:
    straight = arms(0.0, 0.0)
    assert keep_hands_out(straight) is straight
    empty = straight.cut(slice(0, 0))
    assert keep_hands_out(empty).frames == 0
