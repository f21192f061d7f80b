"""How a motion moves: speeds, stillness, heights and turns, the rows by which real takes were described.

Joints by forward kinematics with the mean body; wrists in the pelvis' frame (x to the left, y up, z forward); central
differences, no smoothing. Jerk roughly doubles from 15 to 30 fps: compare motions at one rate only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import roma
import torch
from numpy.typing import NDArray

from raggesture.body.skeleton import forward_kinematics
from raggesture.errors import InputError
from raggesture.motion import Motion

Triple = tuple[float, float, float]
Floats = NDArray[np.float64]
_PELVIS, _SPINE3, _HEAD, _LEFT, _RIGHT, _JAW = 0, 9, 15, 20, 21, 22
_FEET = (10, 11)
_FINGERS = slice(25, 55)
_STILL_M_S, _PEAK_M_S, _MIN_FRAMES = 0.1, 0.5, 8


@dataclass(frozen=True, slots=True)
class MotionStatistics:
    """One motion. ``*_m_s`` etc. are percentiles 50 / 90 / 99; heights and distances 5 / 50 / 95; fingers 50 / 90; jaw 50 / 95."""

    left_wrist_speed_m_s: Triple
    right_wrist_speed_m_s: Triple
    wrist_acceleration_m_s2: Triple
    wrist_jerk_m_s3: Triple
    still_share: float
    peaks_per_min: float
    wrist_up_m: Triple
    wrist_forward_m: Triple
    wrist_side_m: Triple
    wrist_distance_m: Triple
    head_turn_rad_s: Triple
    pelvis_turn_rad_s: Triple
    spine_turn_rad_s: Triple
    root_speed_m_s: Triple
    feet_speed_m_s: Triple
    finger_turn_rad_s: tuple[float, float]
    jaw_opening_rad: tuple[float, float]


def _triple(values: NDArray[np.floating], at: tuple[int, int, int]) -> Triple:
    low, middle, high = (float(v) for v in np.percentile(values, at))
    return (low, middle, high)


def _speeds(values: NDArray[np.floating], fps: float, order: int = 1) -> Floats:
    """Norm of the ``order``-th time derivative of (F, ..., 3)."""
    for _ in range(order):
        values = np.gradient(values, axis=0) * fps
    norms: Floats = np.linalg.norm(values, axis=-1)
    return norms


def _turns(rotations: torch.Tensor, fps: float) -> Floats:
    """Angular speed rad/s of (F, ..., 3, 3)."""
    step = roma.rotmat_geodesic_distance(rotations[:-1], rotations[1:])
    return np.asarray(step.numpy(), np.float64) * fps


def _peaks_per_min(speed: Floats, fps: float) -> float:
    inner = speed[1:-1]
    peaks = (inner > speed[:-2]) & (inner >= speed[2:]) & (inner > _PEAK_M_S)
    return float(peaks.sum() * 60.0 * fps / len(speed))


def motion_statistics(motion: Motion) -> MotionStatistics:
    """Compute all rows.

    Raises:
        InputError: fewer than eight frames.
    """
    if motion.frames < _MIN_FRAMES:
        raise InputError(f"motion: {motion.frames} frames; expected at least {_MIN_FRAMES} - use a longer motion")
    local = torch.from_numpy(np.array(motion.rotations))
    positions_t, world = forward_kinematics(local, torch.from_numpy(np.array(motion.translation)))
    positions = positions_t.numpy()
    pelvis = world[:, _PELVIS].numpy()
    fps = motion.fps
    left, right = (np.einsum("fji,fj->fi", pelvis, positions[:, joint] - positions[:, _PELVIS]) for joint in (_LEFT, _RIGHT))
    speed = _speeds(right, fps)
    fingers = _turns(roma.rotvec_to_rotmat(local[:, _FINGERS]), fps)
    jaw = np.linalg.norm(motion.rotations[:, _JAW], axis=-1)
    return MotionStatistics(
        left_wrist_speed_m_s=_triple(_speeds(left, fps), (50, 90, 99)),
        right_wrist_speed_m_s=_triple(speed, (50, 90, 99)),
        wrist_acceleration_m_s2=_triple(_speeds(right, fps, 2), (50, 90, 99)),
        wrist_jerk_m_s3=_triple(_speeds(right, fps, 3), (50, 90, 99)),
        still_share=float((speed < _STILL_M_S).mean()),
        peaks_per_min=_peaks_per_min(speed, fps),
        wrist_up_m=_triple(right[:, 1], (5, 50, 95)),
        wrist_forward_m=_triple(right[:, 2], (5, 50, 95)),
        wrist_side_m=_triple(right[:, 0], (5, 50, 95)),
        wrist_distance_m=_triple(np.linalg.norm(left - right, axis=-1), (5, 50, 95)),
        head_turn_rad_s=_triple(_turns(world[:, _HEAD], fps), (50, 90, 99)),
        pelvis_turn_rad_s=_triple(_turns(world[:, _PELVIS], fps), (50, 90, 99)),
        spine_turn_rad_s=_triple(_turns(world[:, _SPINE3], fps), (50, 90, 99)),
        root_speed_m_s=_triple(_speeds(motion.translation.astype(np.float64), fps), (50, 90, 99)),
        feet_speed_m_s=_triple(_speeds(positions[:, _FEET], fps), (50, 90, 99)),
        finger_turn_rad_s=(float(np.percentile(fingers, 50)), float(np.percentile(fingers, 90))),
        jaw_opening_rad=(float(np.percentile(jaw, 50)), float(np.percentile(jaw, 95))),
    )
