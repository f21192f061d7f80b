"""Plant the feet: between steps they do not move at all, and a step is taken when the body has gone too far for them.

A sampler leaves feet that drift by millimetres a frame, which people see at once. The path of each ankle is read as a wish; the foot stands
until the wish is more than ``_FAR_M`` (or ``_TURNED_RAD``) away, then steps there, one foot after the other; the legs are solved for the result and the
root is drawn in so that both reach. Source: FIELD (sliding feet among users' complaints); the step's form is the starter corpus's.
Differs from the released code: there is no such step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.leg_ik import LEG_JOINTS, Stand, reachable_root, solve_leg
from raggesture.body.skeleton import forward_kinematics
from raggesture.body.smoothing import gaussian_smooth
from raggesture.body.turn import matrix_of
from raggesture.motion import Motion

Floats = NDArray[np.float64]
SIDES = ("left", "right")
_FAR_M, _TURNED_RAD = 0.09, 0.45
_STEP_S, _AHEAD_S, _PAUSE_S = 0.42, 0.7, 0.15
_LIFT_M, _WISH_SIGMA_S = 0.045, 0.30


@dataclass(frozen=True, slots=True, eq=False)
class _Wish:
    """Where the decoded motion has a foot: x and z (F, 2) m and heading (F,) rad, smoothed."""

    place: Floats
    heading: Floats


@dataclass(frozen=True, slots=True)
class _Step:
    """One step: first frame, goal (x, z) m and heading rad."""

    first: int
    goal: tuple[float, float]
    heading: float


def _wish(positions: Floats, side: str, fps: float) -> _Wish:
    _, _, ankle, foot = LEG_JOINTS[side]
    toward = positions[:, foot] - positions[:, ankle]
    heading = np.unwrap(np.arctan2(toward[:, 0], toward[:, 2]))
    sigma = _WISH_SIGMA_S * fps
    return _Wish(gaussian_smooth(positions[:, ankle][:, [0, 2]], sigma), gaussian_smooth(heading[:, None], sigma)[:, 0])


def _plan(wishes: dict[str, _Wish], fps: float) -> tuple[dict[str, _Step], dict[str, list[_Step]]]:
    """First stands and the steps of both feet, never two at once."""
    frames = len(wishes["left"].heading)
    ahead, busy = round(_AHEAD_S * fps), round((_STEP_S + _PAUSE_S) * fps)
    first = min(ahead, frames - 1)
    start = {side: _Step(0, (float(w.place[first][0]), float(w.place[first][1])), float(w.heading[first])) for side, w in wishes.items()}
    stand, steps, free_at = dict(start), {side: list[_Step]() for side in wishes}, 0
    for t in range(frames):
        if t < free_at:
            continue
        far = {}
        for side, wish in wishes.items():
            gap = float(np.hypot(*(wish.place[t] - np.array(stand[side].goal)))) / _FAR_M
            far[side] = max(gap, abs(float(wish.heading[t]) - stand[side].heading) / _TURNED_RAD)
        side = max(far, key=lambda s: far[s])
        if far[side] <= 1:
            continue
        to = min(t + ahead, frames - 1)
        goal = wishes[side].place[to]
        stand[side] = _Step(t, (float(goal[0]), float(goal[1])), float(wishes[side].heading[to]))
        steps[side].append(stand[side])
        free_at = t + busy
    return start, steps


def _walk(start: _Step, steps: list[_Step], frames: int, floor_m: float, fps: float) -> Stand:
    ankle, heading = np.empty((frames, 3)), np.full(frames, start.heading)
    ankle[:, [0, 2]], ankle[:, 1] = start.goal, floor_m
    for step in steps:
        u = np.clip(np.arange(frames - step.first) / fps / _STEP_S, 0, 1)
        rise = u**3 * (10 - 15 * u + 6 * u**2)
        here, turned = ankle[step.first, [0, 2]].copy(), float(heading[step.first])
        ankle[step.first :, [0, 2]] = here + (np.array(step.goal) - here) * rise[:, None]
        ankle[step.first :, 1] = floor_m + _LIFT_M * 16 * (u * (1 - u)) ** 2
        heading[step.first :] = turned + (step.heading - turned) * rise
    return Stand(ankle, heading)


def plant_feet(motion: Motion) -> Motion:
    """The same motion with feet that stand still between steps; only legs and root change. Any frame rate; motions under two frames as they are."""
    if motion.frames < 2:
        return motion
    positions = forward_kinematics(torch.from_numpy(np.array(motion.rotations)), torch.from_numpy(np.array(motion.translation)))[0].double().numpy()
    wishes = {side: _wish(positions, side, motion.fps) for side in SIDES}
    start, steps = _plan(wishes, motion.fps)
    ankles = positions[:, [LEG_JOINTS[side][2] for side in SIDES], 1]
    floor_m = float(np.percentile(ankles, 25))
    feet = {side: _walk(start[side], steps[side], motion.frames, floor_m, motion.fps) for side in SIDES}
    rotations = motion.rotations.astype(np.float64)
    pelvis = matrix_of(rotations[:, 0])
    root = reachable_root(motion.translation.astype(np.float64), pelvis, feet, motion.fps)
    for side in SIDES:
        leg = solve_leg(root, pelvis, feet[side], side)
        for joint, turn in zip(LEG_JOINTS[side], (leg.hip, leg.knee, leg.ankle, leg.foot), strict=True):
            rotations[:, joint] = turn
    return Motion(rotations.astype(np.float32), root.astype(np.float32), motion.expression, motion.fps)
