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


def hand_speed(motion: Motion) -> NDArray[np.float32]:
    """(F,) speed in m/s of the faster wrist relative to the pelvis; entry f is the way from frame f to f + 1 (the last is 0)."""
    with torch.no_grad():
        positions, _ = forward_kinematics(torch.from_numpy(np.array(motion.rotations)))
    wrists = positions[:, list(_WRISTS)].numpy()  # (F, 2, 3): no translation, so relative to the pelvis
    steps = np.linalg.norm(np.diff(wrists, axis=0), axis=-1).max(axis=-1) * motion.fps
    return np.concatenate([steps, np.zeros(min(1, motion.frames))]).astype(np.float32)


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
