"""Keep the hands out of the body: where one would be inside, the whole arm turns about its shoulder.

A sampler knows nothing of skin; one frame in sixty has a hand centimetres in the trunk, a thigh or the other arm. Each frame is corrected by itself,
by nearly as much as the deepest point is inside: what is not inside keeps its bits, a motion may come in pieces, and the correction grows and fades with
the depth.
Capsules around bones, narrower than a clothed person, stand for the skin; hands that are laid on the body are not inside it.
Differs from the released code: there is no such step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.skeleton import forward_kinematics
from raggesture.body.turn import matrix_of, rotvec_of, shortest_arc, unit
from raggesture.motion import Motion

Floats = NDArray[np.float64]
_PELVIS, _SPINE3, _NECK, _HEAD = 0, 9, 12, 15
_SHOULDERS = (16, 17)
_FINGER_M, _WRIST_M = 0.008, 0.02
_LAID_ON_M = 0.008
"""Hands this deep or less are laid on the body: they are hardly moved, so that the correction begins softly."""
_ROUNDS = 2
"""Another part of the hand may be the deepest once the first is out."""
_PARENT_OF_SHOULDER = {16: 13, 17: 14}


@dataclass(frozen=True, slots=True)
class _Hand:
    """Joints of one hand, and the other arm's elbow, wrist and fingers."""

    shoulder: int
    wrist: int
    fingers: slice
    other: tuple[int, int, slice]


HANDS = (_Hand(16, 20, slice(25, 40), (19, 21, slice(40, 55))), _Hand(17, 21, slice(40, 55), (18, 20, slice(25, 40))))


def outward(joints: Floats, hand: _Hand) -> tuple[Floats, Floats, Floats]:
    """How deep a hand is in the body: depth (F,) m of its deepest point, negative outside; the way out (F, 3), a unit vector; the point to move (F, 3) m.

    Way and point are means over all that is inside, by the square of its depth, so that they do not jump when another point becomes the deepest.

    Args:
        joints: (F, 55, 3) m.
    """
    points = np.concatenate([joints[:, [hand.wrist]], joints[:, hand.fingers]], axis=1)  # (F, 16, 3)
    radii = np.array([_WRIST_M] + [_FINGER_M] * 15)
    depths, ways = [], []
    for start, end, radius in _capsules(joints, hand):
        away = _from_segment(points, start, end)
        distance = np.linalg.norm(away, axis=-1)
        depths.append(radius + radii - distance)
        ways.append(away)
    depth, way = np.concatenate(depths, axis=1), np.concatenate(ways, axis=1)
    weight = np.maximum(depth, 0.0)[..., None] ** 2 + 1e-12
    middle = (weight * np.tile(points, (1, len(depths), 1))).sum(axis=1) / weight.sum(axis=1)
    return depth.max(axis=1), unit((weight * unit(way)).sum(axis=1)), middle


def _capsules(j: Floats, hand: _Hand) -> list[tuple[Floats, Floats, float]]:
    """Start and end (F, 3) and radius of what a hand can be inside of: trunk, head, thighs, the other forearm and hand."""
    crown = j[:, _HEAD] + 0.6 * (j[:, _HEAD] - j[:, _NECK])
    elbow, wrist, fingers = hand.other
    knuckles = j[:, fingers][:, [0, 3, 6, 9]].mean(axis=1)
    return [
        (j[:, _PELVIS], j[:, _SPINE3], 0.09), (j[:, _SPINE3], j[:, _NECK], 0.08), (j[:, _SHOULDERS[0]], j[:, _SHOULDERS[1]], 0.06),
        (j[:, _HEAD], crown, 0.075), (j[:, 1], j[:, 4], 0.06), (j[:, 2], j[:, 5], 0.06), (j[:, elbow], j[:, wrist], 0.025), (j[:, wrist], knuckles, 0.015),
    ]  # fmt: skip


def _from_segment(points: Floats, start: Floats, end: Floats) -> Floats:
    """(F, P, 3) vectors to points (F, P, 3) from the nearest places on segments (F, 3) to (F, 3)."""
    along = (end - start)[:, None]
    length = np.maximum((along**2).sum(axis=-1), 1e-12)
    share = np.clip(((points - start[:, None]) * along).sum(axis=-1) / length, 0, 1)
    out: Floats = points - start[:, None] - share[..., None] * along
    return out


@torch.no_grad()
def keep_hands_out(motion: Motion) -> Motion:
    """The same motion with shoulders turned where a hand was inside the body; other joints and frames keep their bits."""
    if motion.frames == 0:
        return motion
    rotations = np.array(motion.rotations, np.float64)
    out = np.array(motion.rotations)
    touched = False
    for hand in HANDS:
        rows = np.arange(motion.frames)
        for _ in range(_ROUNDS):
            inside, turned = _turned_out(rotations[rows], hand)
            rows = rows[inside]
            if not len(rows):
                break
            touched = True
            rotations[rows, hand.shoulder] = turned
            out[rows, hand.shoulder] = turned.astype(np.float32)
    return Motion(out, motion.translation, motion.expression, motion.fps) if touched else motion


def _turned_out(rotations: Floats, hand: _Hand) -> tuple[NDArray[np.int64], Floats]:
    """Which of the frames (F, 55, 3) have the hand inside the body, and the shoulder's rotation vector (N, 3) rad in each of those."""
    positions, world = (value.numpy() for value in forward_kinematics(torch.from_numpy(rotations)))
    depth, way, point = outward(positions, hand)
    rows = np.flatnonzero(depth > 0)
    push = depth[rows] ** 2 / (depth[rows] + _LAID_ON_M)
    arm = point[rows] - positions[rows, hand.shoulder]
    turn = shortest_arc(unit(arm), unit(arm + push[:, None] * way[rows]))
    parent = world[rows, _PARENT_OF_SHOULDER[hand.shoulder]]
    return rows, rotvec_of(np.swapaxes(parent, -1, -2) @ turn @ parent @ matrix_of(rotations[rows, hand.shoulder]))
