"""Legs solved by two-bone inverse kinematics for feet whose places are given, and a root that lets them reach.

Coordinates: x to the left, y up, z forward, metres; numpy, vectorised over frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.body.skeleton import rest_joints
from raggesture.body.smoothing import gaussian_smooth
from raggesture.body.turn import about, apply, matrix_of, rotvec_of, shortest_arc, transposed, unit

Floats = NDArray[np.float64]
LEG_JOINTS = {"left": (1, 4, 7, 10), "right": (2, 5, 8, 11)}
"""Hip, knee, ankle and foot of each side."""
ANKLE_HEIGHT_M = 0.090
_REACH = 0.992
_FREE_M, _FAR_M = 0.07, 0.15  # how far the body leans out over its feet: freely, at most
_MIDDLE_SIGMA_S, _LOWER_SIGMA_S, _PEAK_FRAMES, _ROUNDS, _NEARLY_M = 0.10, 0.12, 4, 3, 1e-3
ROOT_REACH_S = 3.0
"""No frame of ``reachable_root`` depends on one further away than this, at 15 frames a second or more."""


@dataclass(frozen=True, slots=True, eq=False)
class Stand:
    """Where one foot is: ankle (F, 3) m in the world and its heading (F,) rad (0 forward, positive to the left)."""

    ankle: Floats
    heading: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """Rotation vectors (F, 3) rad of one leg."""

    hip: Floats
    knee: Floats
    ankle: Floats
    foot: Floats


def reachable_root(root: Floats, pelvis_turn: Floats, feet: dict[str, Stand], fps: float) -> Floats:
    """The root (F, 3) drawn in and lowered (smoothly) so that both ankles are within reach."""
    rest = np.asarray(rest_joints(), np.float64)
    out = root.copy()
    middle = gaussian_smooth(0.5 * (feet["left"].ankle + feet["right"].ankle), _MIDDLE_SIGMA_S * fps)[:, [0, 2]]
    lean = root[:, [0, 2]] - middle
    far = np.linalg.norm(lean, axis=-1, keepdims=True)
    near = np.where(far > _FREE_M, _FREE_M + (_FAR_M - _FREE_M) * np.tanh((far - _FREE_M) / (_FAR_M - _FREE_M)), far)
    out[:, [0, 2]] = middle + lean * near / np.maximum(far, 1e-6)
    for _ in range(_ROUNDS):
        need = np.zeros((len(root), 1))
        for side, (hip, knee, ankle, _) in LEG_JOINTS.items():
            length = _REACH * (np.linalg.norm(rest[knee] - rest[hip]) + np.linalg.norm(rest[ankle] - rest[knee]))
            place = rest[0] + out + apply(pelvis_turn, rest[hip] - rest[0])
            offset = place - feet[side].ankle
            flat = np.minimum(np.linalg.norm(offset[:, [0, 2]], axis=-1), 0.9 * length)
            need = np.maximum(need, np.maximum(offset[:, 1] - np.sqrt(length**2 - flat**2), 0)[:, None])
        need[need < _NEARLY_M] = 0.0
        beside = np.pad(need[:, 0], _PEAK_FRAMES)
        peak = np.lib.stride_tricks.sliding_window_view(beside, 2 * _PEAK_FRAMES + 1).max(axis=-1)
        out[:, 1] -= gaussian_smooth(peak, _LOWER_SIGMA_S * fps)
    return out


def solve_leg(root: Floats, pelvis_turn: Floats, stand: Stand, side: str) -> Leg:
    """Two-bone leg: knee forward over the toes, foot flat on its heading."""
    rest = np.asarray(rest_joints(), np.float64)
    hip, knee, ankle, foot = LEG_JOINTS[side]
    upper, lower = rest[knee] - rest[hip], rest[ankle] - rest[knee]
    l1, l2 = np.linalg.norm(upper), np.linalg.norm(lower)
    place = rest[0] + root + apply(pelvis_turn, rest[hip] - rest[0])
    aim = stand.ankle - place
    distance = np.clip(np.linalg.norm(aim, axis=-1), 0.4, 0.998 * (l1 + l2))
    u = unit(aim)
    forward = np.stack([np.sin(stand.heading), np.zeros_like(stand.heading), np.cos(stand.heading)], axis=-1)
    p = unit(forward - np.sum(forward * u, -1, keepdims=True) * u)
    cos = np.clip((l1**2 + distance**2 - l2**2) / (2 * l1 * distance), -1, 1)
    knee_place = place + l1 * (cos[:, None] * u + np.sqrt(1 - cos**2)[:, None] * p)
    ankle_place = place + distance[:, None] * u
    inverse = transposed(pelvis_turn)
    swing = shortest_arc(unit(upper), apply(inverse, unit(knee_place - place)))
    toe_rest = rest[foot] - rest[ankle]
    rest_heading = np.arctan2(toe_rest[0], toe_rest[2])
    knee_forward = np.stack([np.sin(stand.heading * 0.5), np.zeros_like(stand.heading), np.cos(stand.heading * 0.5)], axis=-1)
    local = apply(transposed(swing), apply(inverse, knee_forward))
    axis = np.broadcast_to(unit(upper), local.shape)
    local = unit(local - np.sum(local * axis, -1, keepdims=True) * axis)
    ahead = np.array([0.0, 0.0, 1.0]) - unit(upper)[2] * unit(upper)
    angle = np.arctan2(np.sum(np.cross(np.broadcast_to(unit(ahead), local.shape), local) * axis, -1), np.sum(unit(ahead) * local, -1))
    hip_local = swing @ about(axis, angle)
    world = pelvis_turn @ hip_local
    knee_local = shortest_arc(unit(lower), apply(transposed(world), unit(ankle_place - knee_place)))
    world = world @ knee_local
    spin = np.zeros_like(aim)
    spin[:, 1] = stand.heading - rest_heading
    ankle_local = transposed(world) @ matrix_of(spin)
    return Leg(rotvec_of(hip_local), rotvec_of(knee_local), rotvec_of(ankle_local), np.zeros_like(aim))
