"""Plant the feet: between steps they do not move at all, and a step is taken when the body has gone too far for them.

A sampler leaves feet that drift by millimetres a frame, which people see at once. The path of each ankle is read as a wish; the foot stands
until the wish is more than ``_FAR_M`` (or ``_TURNED_RAD``) away, then steps there, one foot after the other: up, over, down, so that it does not
slide as it leaves the floor or comes to it. The legs are solved for the result and the root is drawn in so that both reach. Source: FIELD
(sliding feet among users' complaints).
Differs from the released code: there is no such step.

A motion may come piece by piece (``FootPlanter``): what is decided at a frame depends on four seconds after it at most, so the pieces' sizes
change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.leg_ik import LEG_JOINTS, ROOT_REACH_S, Stand, reachable_root, solve_leg
from raggesture.body.skeleton import forward_kinematics
from raggesture.body.smoothing import gaussian_smooth, reach_of
from raggesture.body.turn import matrix_of
from raggesture.motion import Motion, concatenated

Floats = NDArray[np.float64]
SIDES = ("left", "right")
_FAR_M, _TURNED_RAD = 0.09, 0.45
_STEP_S, _AHEAD_S, _PAUSE_S = 0.5, 0.7, 0.15
_LIFT_M, _WISH_SIGMA_S = 0.06, 0.30
_LIFTED, _SWINGS = 0.35, (0.26, 0.74)
"""Shares of a step: it is lifted (and put down) in the first, and goes its way between the second; what touches the floor hardly moves."""
LOOKAHEAD_S = 4 * _WISH_SIGMA_S + _AHEAD_S + ROOT_REACH_S
"""What is decided at a frame depends on this much after it, at most."""
_FLOOR_S = 4.0
"""The floor is where the ankles are low in the first seconds."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One step: first frame, goal (x, z) m and heading rad."""

    first: int
    goal: tuple[float, float]
    heading: float


def plant_feet(motion: Motion) -> Motion:
    """The same motion with feet that stand still between steps; only legs and root change. Any frame rate; motions under two frames as they are."""
    return motion if motion.frames < 2 else FootPlanter(motion.fps).feed(motion, last=True)


class FootPlanter:
    """Plants the feet of a motion that comes piece by piece.

    Args:
        fps: frame rate of all pieces. lookahead_s: seconds after a frame that are waited for (default: all that count; with
            fewer, a step may come a little late).
    """

    def __init__(self, fps: float, lookahead_s: float | None = None) -> None:
        self._fps = fps
        self._wish_reach = reach_of(_WISH_SIGMA_S * fps)
        self._root_reach = int(np.ceil(ROOT_REACH_S * fps))
        self._ahead = round(_AHEAD_S * fps)
        needed = self._wish_reach + self._ahead + self._root_reach
        self._short = 0 if lookahead_s is None else max(0, needed - round(lookahead_s * fps))
        self._buffer: Motion | None = None
        self._ankles = np.zeros((0, len(SIDES), 3))
        self._headings = np.zeros((0, len(SIDES)))
        self._first = self._planned = self._done = self._free_at = 0
        self._floor_m: float | None = None
        self._steps: dict[str, list[_Step]] = {}

    def feed(self, motion: Motion, *, last: bool = False) -> Motion:
        """Take the next frames (there may be none) and give those that are decided; after ``last`` all have been given."""
        self._append(motion)
        if self._buffer is None or self._buffer.frames == 0:
            return motion
        end = self._first + self._buffer.frames
        seen = end if last else end - max(0, self._wish_reach + self._ahead - self._short)
        self._plan(seen, end)
        ready = end if last else max(self._done, min(seen, end - max(0, self._wish_reach + self._ahead + self._root_reach - self._short)))
        planted = self._planted(ready, max(seen, ready))
        self._done = ready
        self._forget()
        return planted

    def _append(self, motion: Motion) -> None:
        if not motion.frames:
            return
        positions = forward_kinematics(torch.from_numpy(np.array(motion.rotations)), torch.from_numpy(np.array(motion.translation)))[0].double().numpy()
        ankles = positions[:, [LEG_JOINTS[side][2] for side in SIDES]]
        toward = positions[:, [LEG_JOINTS[side][3] for side in SIDES]] - ankles
        headings = np.arctan2(toward[..., 0], toward[..., 2])
        headings = np.unwrap(np.concatenate([self._headings[-1:], headings]), axis=0)[len(self._headings[-1:]) :]
        self._ankles, self._headings = np.concatenate([self._ankles, ankles]), np.concatenate([self._headings, headings])
        self._buffer = motion if self._buffer is None else concatenated([self._buffer, motion])

    def _plan(self, until: int, end: int) -> None:
        """Decide the steps of the frames before ``until``; both feet never step at once."""
        if until <= self._planned:
            return
        sigma = _WISH_SIGMA_S * self._fps
        places = gaussian_smooth(self._ankles[..., [0, 2]], sigma)
        headings = gaussian_smooth(self._headings, sigma)

        def wish(frame: int, side: int) -> tuple[Floats, float]:
            at = min(frame, end - 1) - self._first
            return places[at, side], float(headings[at, side])

        if not self._steps:
            for number, side in enumerate(SIDES):
                place, heading = wish(self._ahead, number)
                self._steps[side] = [_Step(-(10**9), (float(place[0]), float(place[1])), heading)]
        for t in range(self._planned, until):
            if t < self._free_at:
                continue
            far = []
            for number, side in enumerate(SIDES):
                (place, heading), stand = wish(t, number), self._steps[side][-1]
                far.append(max(float(np.hypot(*(place - np.array(stand.goal)))) / _FAR_M, abs(heading - stand.heading) / _TURNED_RAD))
            number = int(np.argmax(far))
            if far[number] > 1:
                place, heading = wish(t + self._ahead, number)
                self._steps[SIDES[number]].append(_Step(t, (float(place[0]), float(place[1])), heading))
                self._free_at = t + round((_STEP_S + _PAUSE_S) * self._fps)
        self._planned = until

    def _planted(self, ready: int, known: int) -> Motion:
        """Frames from those given last up to ``ready``, solved on all that is known about them."""
        assert self._buffer is not None
        if ready == self._done:
            return self._buffer.cut(slice(0, 0))
        if self._floor_m is None:
            self._floor_m = float(np.percentile(self._ankles[: max(1, round(_FLOOR_S * self._fps)), :, 1], 25))
        low = max(self._first, self._done - self._root_reach)
        cut = self._buffer.cut(slice(low - self._first, known - self._first))
        frames = np.arange(low, known)
        feet = {side: _walk(self._steps[side], frames, self._floor_m, self._fps) for side in SIDES}
        rotations = cut.rotations.astype(np.float64)
        pelvis = matrix_of(rotations[:, 0])
        root = reachable_root(cut.translation.astype(np.float64), pelvis, feet, self._fps)
        for side in SIDES:
            leg = solve_leg(root, pelvis, feet[side], side)
            for joint, turn in zip(LEG_JOINTS[side], (leg.hip, leg.knee, leg.ankle, leg.foot), strict=True):
                rotations[:, joint] = turn
        whole = Motion(rotations.astype(np.float32), root.astype(np.float32), cut.expression, cut.fps)
        return whole.cut(slice(self._done - low, ready - low))

    def _forget(self) -> None:
        """Drop the frames and steps on which nothing that comes depends."""
        assert self._buffer is not None
        keep = min(self._done - self._root_reach, self._planned - self._wish_reach)
        gone = keep - self._first
        if gone <= 0:
            return
        self._buffer = self._buffer.cut(slice(gone, None))
        self._ankles, self._headings = self._ankles[gone:], self._headings[gone:]
        self._first = keep
        length = _STEP_S * self._fps
        for side, steps in self._steps.items():
            over = [k for k, step in enumerate(steps) if step.first + length < keep]
            self._steps[side] = steps[max(over, default=0) :]


def _walk(steps: list[_Step], frames: NDArray[np.int64], floor_m: float, fps: float) -> Stand:
    """Where a foot is at ``frames``; the first step is where it stands before them."""
    goals = np.array([step.goal for step in steps])
    headings = np.array([step.heading for step in steps])
    number = np.searchsorted([step.first for step in steps], frames, side="right") - 1
    before = np.maximum(number - 1, 0)
    u = np.clip((frames - np.array([step.first for step in steps])[number]) / fps / _STEP_S, 0, 1)
    rise = _eased((u - _SWINGS[0]) / (_SWINGS[1] - _SWINGS[0]))
    ankle = np.empty((len(frames), 3))
    ankle[:, [0, 2]] = goals[before] + (goals[number] - goals[before]) * rise[:, None]
    ankle[:, 1] = floor_m + _LIFT_M * _eased(np.minimum(u, 1 - u) / _LIFTED)
    return Stand(ankle, headings[before] + (headings[number] - headings[before]) * rise)


def _eased(share: Floats) -> Floats:
    """From 0 to 1 with speed and acceleration 0 at both ends."""
    u = np.clip(share, 0, 1)
    out: Floats = u**3 * (10 - 15 * u + 6 * u**2)
    return out
