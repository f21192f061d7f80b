"""Where the stroke of a gesture lies when nobody has annotated it: at the end of the fastest movement of a hand.

Source: Kendon's phases; the apex is the end of the stroke. BEAT2's labels hold only start and end.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.joints import JOINT_NAMES
from raggesture.body.skeleton import forward_kinematics
from raggesture.clock import frame_of_seconds, seconds_of_frame
from raggesture.motion import Motion

_WRISTS = (JOINT_NAMES.index("left_wrist"), JOINT_NAMES.index("right_wrist"))
_SETTLED = 0.35
"""A movement has ended when its speed has fallen to this fraction of its peak."""


_APPROACH_S = 0.6
_AFTER_S = 0.1
_MOVES_M = 0.04
"""A wrist that goes less than this on its way to the stroke does not gesture."""
_ALONE = 0.6
"""One hand gestures alone when the other is never faster than this share of its fastest."""


def hand_speeds(motion: Motion) -> NDArray[np.float32]:
    """(F, 2) speed in m/s of the left and right wrist relative to the pelvis; row f is the way from frame f to f + 1 (the last is 0)."""
    with torch.no_grad():
        positions, _ = forward_kinematics(torch.from_numpy(np.array(motion.rotations)))
    return speeds_of_wrists(positions.numpy(), motion.fps)


def speeds_of_wrists(positions: NDArray[np.float32], fps: float) -> NDArray[np.float32]:
    """``hand_speeds`` from joint positions (F, 55, 3) without translation."""
    wrists = positions[:, list(_WRISTS)]  # (F, 2, 3): relative to the pelvis
    steps = np.linalg.norm(np.diff(wrists, axis=0), axis=-1) * fps
    return np.concatenate([steps, np.zeros((min(1, len(wrists)), 2))]).astype(np.float32)


def hand_speed(motion: Motion) -> NDArray[np.float32]:
    """(F,) speed in m/s of the faster wrist, see ``hand_speeds``."""
    speeds: NDArray[np.float32] = hand_speeds(motion).max(axis=-1)
    return speeds


def hand_of_stroke(speeds: NDArray[np.float32], fps: float, stroke_s: float) -> str:
    """Which hand makes a stroke, by the fastest movement of each wrist in the 0.6 s before it: ``left``, ``right``, ``both``, or "" for neither.

    Args:
        speeds: (F, 2) m/s, see ``hand_speeds``.
    """
    first = max(frame_of_seconds(stroke_s - _APPROACH_S, fps), 0)
    last = min(frame_of_seconds(stroke_s + _AFTER_S, fps) + 1, len(speeds))
    near = speeds[first:last] if last > first else np.zeros((1, 2), np.float32)
    if near.sum(axis=0).max() / fps < _MOVES_M:
        return ""
    fastest = near.max(axis=0)
    if fastest.min() >= _ALONE * fastest.max():
        return "both"
    return "left" if fastest[0] > fastest[1] else "right"


def stroke_from_speed(speed: NDArray[np.float32], fps: float, start_s: float, end_s: float) -> float:
    """Instant in seconds at which the fastest movement between two instants ends; the middle where nothing moves."""
    first = min(max(frame_of_seconds(start_s, fps), 0), max(len(speed) - 1, 0))
    last = min(max(frame_of_seconds(end_s, fps), first), max(len(speed) - 1, first))
    part = speed[first : last + 1]
    if part.size == 0 or part.max() < 1e-3:
        return (start_s + end_s) / 2
    frame = int(part.argmax())
    peak = part[frame]
    while frame + 1 < part.size and part[frame] > _SETTLED * peak and part[frame + 1] <= part[frame]:
        frame += 1
    return min(max(seconds_of_frame(first + frame, fps), start_s), end_s)


def stroke_from_motion(motion: Motion, start_s: float, end_s: float) -> float:
    """``stroke_from_speed`` of a motion."""
    return stroke_from_speed(hand_speed(motion), motion.fps, start_s, end_s)
