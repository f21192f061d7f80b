"""Arms: from a wrist's path in the chest's frame to collar, shoulder, elbow and wrist rotations.

Everything is computed for a left arm; the right arm is mirrored before and after, (x, -y, -z) for rotation vectors. Collar,
elbow pole and humeral twist are linear functions of the wrist's place, fitted on two real takes of one speaker and checked on
a third (elbow 2.2-2.4 cm off in the median): coefficients only, no motion.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from raggesture.body.skeleton import rest_joints
from raggesture.body.smoothing import gaussian_smooth
from raggesture.body.turn import about, apply, matrix_of, rotvec_of, shortest_arc, transposed, unit

Floats = NDArray[np.float64]
Side = Literal["left", "right"]
ARM_M = 0.52
"""One arm length, the unit of the lexicon's positions."""
_COLLAR = np.array([[0.114, 0.058, -0.268], [-0.072, 0.048, 0.072], [-0.026, 0.061, 0.063], [-0.138, -0.243, 0.137]])
_POLE = np.array([[0.107, -0.238, -0.111], [-0.095, 0.025, 0.041], [0.040, -0.121, -0.006], [-0.014, 0.004, -0.002]])
_TWIST = np.array([0.32, -0.347, -0.074, -0.064])
_UNIT_M, _REACH, _POLE_SMOOTH_S = 0.3, 0.975, 0.12
_TWIST_ELBOW, _TWIST_OFFSET = 0.50, 0.18
TWIST_RANGE = (-2.0, 0.95)
MIRROR = np.array([1.0, -1.0, -1.0])
FLIP = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True, eq=False)
class ArmBones:
    """Rest offsets (3,) m of one arm, mirrored to the left side."""

    chest_to_collar: Floats
    collar: Floats
    upper: Floats
    fore: Floats
    hand: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ArmPose:
    """Rotation vectors (F, 3) of one arm on its own side, and points (F, 3) in the chest frame (mirrored-left)."""

    collar: Floats
    shoulder: Floats
    elbow: Floats
    wrist: Floats
    elbow_point: Floats
    wrist_point: Floats
    hand_turn: Floats


@cache
def arm_bones(side: Side) -> ArmBones:
    """Bones of an arm, as if it were the left one."""
    rest = np.asarray(rest_joints(), np.float64)
    flip = np.ones(3) if side == "left" else FLIP
    collar, shoulder, elbow, wrist, middle = (13, 16, 18, 20, 28) if side == "left" else (14, 17, 19, 21, 43)
    offsets = (
        rest[collar] - rest[9],
        rest[shoulder] - rest[collar],
        rest[elbow] - rest[shoulder],
        rest[wrist] - rest[elbow],
        rest[middle] - rest[wrist],
    )
    return ArmBones(*(offset * flip for offset in offsets))


def _soft_reach(distance: Floats, limit: float) -> Floats:
    """Distance kept under ``limit``, bent smoothly over its last eighth."""
    knee = 0.875 * limit
    over = np.maximum(distance - knee, 0) / (limit - knee)
    return np.where(distance <= knee, distance, knee + (limit - knee) * np.tanh(over))


def _basis(place: Floats) -> Floats:
    return np.concatenate([np.ones((len(place), 1)), np.clip(place / _UNIT_M, -2.2, 2.2)], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class _Reach:
    collar: Floats  # (F, 3)
    turn: Floats  # (F, 3, 3) chest <- elbow joint without forearm twist
    shoulder_local: Floats
    elbow_local: Floats
    elbow_point: Floats
    wrist_point: Floats


def _reach(place: Floats, bones: ArmBones, fps: float | None, elbow_out: float, collar_extra: Floats | float) -> _Reach:
    """Collar, shoulder and elbow for wrists at ``place`` (F, 3), relative to the resting shoulder."""
    b = _basis(place)
    collar = b @ _COLLAR + collar_extra
    pole = b @ _POLE + np.array([elbow_out, 0.0, 0.0])
    if fps is not None:
        collar, pole = gaussian_smooth(collar, 0.06 * fps), gaussian_smooth(pole, _POLE_SMOOTH_S * fps)
    collar_turn = matrix_of(collar)
    shoulder = bones.chest_to_collar + apply(collar_turn, bones.collar)
    aim = bones.chest_to_collar + bones.collar + place - shoulder
    l1, l2 = float(np.linalg.norm(bones.upper)), float(np.linalg.norm(bones.fore))
    distance = _soft_reach(np.linalg.norm(aim, axis=-1), _REACH * (l1 + l2))
    distance = np.maximum(distance, 0.35 * (l1 + l2))
    u = unit(aim)
    p = unit(pole - np.sum(pole * u, -1, keepdims=True) * u)
    cos = np.clip((l1**2 + distance**2 - l2**2) / (2 * l1 * distance), -1, 1)
    elbow_point = shoulder + l1 * (cos[:, None] * u + np.sqrt(1 - cos**2)[:, None] * p)
    wrist_point = shoulder + distance[:, None] * u
    upper_rest, fore_rest = unit(bones.upper), unit(bones.fore)
    upper = apply(transposed(collar_turn), unit(elbow_point - shoulder))
    shoulder_local = shortest_arc(upper_rest, upper) @ about(np.broadcast_to(upper_rest, (len(b), 3)), b @ _TWIST)
    chest_shoulder = collar_turn @ shoulder_local
    fore = apply(transposed(chest_shoulder), unit(wrist_point - elbow_point))
    elbow_local = shortest_arc(fore_rest, fore)
    return _Reach(collar, chest_shoulder @ elbow_local, shoulder_local, elbow_local, elbow_point, wrist_point)


def palm_angles(place: Floats, palm: Floats, finger: Floats, side: Side) -> Floats:
    """Forearm twist, wrist flexion and deviation (N, 3), rad, at wrist places (N, 3).

    They turn the palm towards ``palm`` (N, 3) and, where ``finger`` (N, 3) is not zero, the fingers towards it. Evaluated at keys
    only; the scalars are interpolated, never world orientations.
    """
    bones = arm_bones(side)
    turn = _reach(place, bones, None, 0.0, 0.0).turn
    wanted = apply(transposed(turn), unit(palm))  # in the untwisted forearm's frame: x along it, palm -y
    twist = np.arctan2(-wanted[:, 2], -wanted[:, 1])  # about x: (0, -1, 0) -> (0, -cos, -sin)
    twist = np.where(twist > 2.2, twist - 2 * np.pi, twist)
    low, high = TWIST_RANGE
    middle, half = (low + high) / 2, (high - low) / 2
    twist = middle + half * np.tanh((twist - middle) / half * 0.9)
    flexion = -0.6 * np.clip(np.arctan2(wanted[:, 0], np.maximum(np.hypot(wanted[:, 1], wanted[:, 2]), 0.3)), -0.6, 0.9)
    x_axis = np.broadcast_to(np.array([1.0, 0.0, 0.0]), place.shape)
    tip = apply(transposed(about(x_axis, twist)), apply(transposed(turn), unit(finger)))
    points = np.linalg.norm(finger, axis=-1) > 0
    flexion = np.where(points, np.clip(np.arctan2(-tip[:, 1], np.maximum(tip[:, 0], 0.2)), -0.7, 0.9), flexion)
    deviation = np.where(points, np.clip(np.arctan2(-tip[:, 2], np.maximum(tip[:, 0], 0.2)), -0.25, 0.25), 0.0)
    return np.stack([twist, flexion, deviation], axis=-1)


def solve_arm(place: Floats, twist: Floats, flexion: Floats, deviation: Floats, side: Side, fps: float, elbow_out: float, collar_extra: Floats) -> ArmPose:
    """Rotations of one arm over all frames.

    Args:
        place: (F, 3) wrist minus resting shoulder in the chest frame, m, mirrored-left. twist, flexion, deviation: (F,) rad.
        collar_extra: (F, 3) rad added to the collar (liveliness).
    """
    bones = arm_bones(side)
    reach = _reach(place, bones, fps, elbow_out, collar_extra)
    axis = np.broadcast_to(unit(bones.fore), (len(place), 3))
    elbow_twist = _TWIST_ELBOW * twist + _TWIST_OFFSET
    elbow = reach.elbow_local @ about(axis, elbow_twist)
    zeros = np.zeros_like(flexion)
    bend = matrix_of(np.stack([zeros, deviation, -flexion], axis=-1))
    wrist = about(axis, twist - elbow_twist) @ bend
    mirror = np.ones(3) if side == "left" else MIRROR
    return ArmPose(
        collar=reach.collar * mirror,
        shoulder=rotvec_of(reach.shoulder_local) * mirror,
        elbow=rotvec_of(elbow) * mirror,
        wrist=rotvec_of(wrist) * mirror,
        elbow_point=reach.elbow_point,
        wrist_point=reach.wrist_point,
        hand_turn=reach.turn @ about(axis, elbow_twist) @ wrist,
    )
