"""Keeps the hands out of the body and apart from each other: depth against torso ellipses becomes a smoothed offset of the target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raggesture.body.skeleton import rest_joints
from raggesture.body.smoothing import gaussian_smooth
from raggesture.body.turn import apply, matrix_of, transposed
from raggesture.corpus.starter.ik import FLIP, ArmPose, Side

Floats = NDArray[np.float64]
MIN_WRISTS_M = 0.155
_RADII = np.array([[0.180, 0.135], [0.160, 0.130], [0.160, 0.135], [0.165, 0.135], [0.070, 0.070]])  # pelvis, spine1-3, neck: x, z
_AHEAD = np.array([0.015, 0.025, 0.030, 0.030, 0.0])  # centre of the ellipse before the joint, m
_MARGIN, _HEAD_RADIUS = 0.025, 0.125


def _spine_line(spine1: Floats, spine2: Floats, spine3: Floats, neck: Floats) -> tuple[Floats, Floats]:
    """Places (F, 5, 3) of pelvis, spine1-3 and neck in the chest's frame, and of the head's middle (F, 3)."""
    rest = np.asarray(rest_joints(), np.float64)
    r1, r2, r3 = matrix_of(spine1), matrix_of(spine2), matrix_of(spine3)
    in2 = apply(transposed(r3), rest[6] - rest[9])  # spine2 from spine3, in the chest's frame
    turn = transposed(r3) @ transposed(r2)
    in1 = in2 + apply(turn, rest[3] - rest[6])
    turn = turn @ transposed(r1)
    pelvis = in1 + apply(turn, rest[0] - rest[3])
    zero = np.zeros_like(pelvis)
    up = np.broadcast_to(rest[12] - rest[9], pelvis.shape)
    head = up + apply(matrix_of(neck), rest[15] - rest[12] + np.array([0.0, 0.07, 0.03]))
    return np.stack([pelvis, in1, in2, zero, up], axis=1), head


def _hand_points(arm: ArmPose, side: Side) -> Floats:
    """(F, 4, 3) forearm's middle, wrist, knuckles and finger tips in the chest's frame."""
    hand = np.array([0.09, -0.01, 0.0]), np.array([0.15, -0.02, 0.0])
    points = [0.5 * (arm.elbow_point + arm.wrist_point), arm.wrist_point, *(arm.wrist_point + apply(arm.hand_turn, h) for h in hand)]
    stacked = np.stack(points, axis=1)
    return stacked * (1.0 if side == "left" else FLIP)


def push_out(arm: ArmPose, side: Side, trunk: tuple[Floats, Floats, Floats, Floats], fps: float) -> tuple[Floats, float]:
    """Offset (F, 3) m for the wrist's place (mirrored-left) that frees the hand, and the share of frames in which it is inside.

    Args:
        trunk: rotation vectors of spine1, spine2, spine3 and neck.
    """
    line, head = _spine_line(*trunk)
    points = _hand_points(arm, side)
    offset = np.zeros_like(points)
    height = points[..., 1]
    levels = line[..., 1]
    for k in range(4):
        low, high = levels[:, k : k + 1], levels[:, k + 1 : k + 2]
        share = (height - low) / np.maximum(high - low, 0.02)
        lowest = -3.0 if k == 0 else 0.0
        here = (share >= lowest) & (share < 1)
        share = np.clip(share, 0, 1)[..., None]
        centre = line[:, None, k] * (1 - share) + line[:, None, k + 1] * share
        radii = _RADII[k] * (1 - share) + _RADII[k + 1] * share + _MARGIN
        ahead = _AHEAD[k] * (1 - share[..., 0]) + _AHEAD[k + 1] * share[..., 0]
        dx, dz = points[..., 0] - centre[..., 0], points[..., 2] - centre[..., 2] - ahead
        r = np.sqrt((dx / radii[..., 0]) ** 2 + (dz / radii[..., 1]) ** 2)
        inside = here & (r < 1)
        scale = np.where(inside, 1 / np.maximum(r, 0.25) - 1, 0)
        offset[..., 0] += 0.5 * dx * scale
        offset[..., 2] += np.where(inside, np.abs(dz) * scale + 0.02, 0)  # forwards rather than through the back
    from_head = points - head[:, None]
    gap = np.linalg.norm(from_head, axis=-1)
    offset += from_head * (np.maximum(_HEAD_RADIUS + _MARGIN - gap, 0) / np.maximum(gap, 0.03))[..., None]
    size = np.linalg.norm(offset, axis=-1)
    worst = np.take_along_axis(offset, np.argmax(size, axis=1)[:, None, None], axis=1)[:, 0]
    share_inside = float((size.max(axis=1) > 1e-6).mean())
    if share_inside == 0:
        return np.zeros_like(worst), 0.0
    smooth = gaussian_smooth(worst, 0.10 * fps) * 1.25
    return smooth * (1.0 if side == "left" else FLIP), share_inside


def keep_apart(left: Floats, right: Floats, half_shoulders_m: float, fps: float) -> tuple[Floats, Floats]:
    """Offsets (F, 3) of both places (mirrored-left) that hold the wrists ``MIN_WRISTS_M`` apart."""
    gap = left * np.array([1.0, 1.0, 1.0]) - right * FLIP
    gap[:, 0] += 2 * half_shoulders_m
    distance = np.linalg.norm(gap, axis=-1, keepdims=True)
    need = np.maximum(MIN_WRISTS_M + 0.005 - distance, 0)
    if need.max() <= 0:
        return np.zeros_like(left), np.zeros_like(right)
    push = 0.5 * need * gap / np.maximum(distance, 0.03)
    smooth = gaussian_smooth(push, 0.05 * fps) * 1.2
    return smooth, -smooth * FLIP
