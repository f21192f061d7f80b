"""Steady the arms: what hardly moves holds, what goes somewhere sets out and arrives sharply.

A sampler's arms drift at a hand's breadth a second where a person's rest, and its strokes begin and end softly: a third of the still frames of real
takes, two thirds of their quickest jerks. A bilateral filter in time gives both back: each frame's arm becomes the mean of its neighbours in time whose
hand is near its own in space, so that small wandering is averaged away, while a stroke, whose frames are far apart, keeps its speed and begins and ends
more steeply. Each arm is steadied by itself, collar to wrist, by where its wrist is in the frame of the chest; a hand moves half a centimetre in the
mean and keeps its time, for the filter is symmetric. Source: Tomasi and Manduchi 1998 (bilateral filter).
Differs from the released code: there is no such step.

A motion may come piece by piece (``ArmSteadier``): a frame depends on a quarter of a second on each side.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.rotations import axis_angle_to_6d, rot6d_to_axis_angle
from raggesture.body.skeleton import forward_kinematics
from raggesture.motion import Motion, concatenated

Floats = NDArray[np.float64]
ARMS = ((13, 16, 18, 20), (14, 17, 19, 21))
"""Collar, shoulder, elbow, wrist of the left and the right arm."""
_CHEST = 9
_SIGMA_S, _SIGMA_M = 0.13, 0.03
REACH_S = 4 / 15
"""No frame depends on one further away than this: two sigmas, whole frames at 15 and 30 a second."""


def steady_arms(motion: Motion) -> Motion:
    """The same motion with steadied arms; other joints keep their bits. Any frame rate."""
    return ArmSteadier(motion.fps).feed(motion, last=True)


class ArmSteadier:
    """Steadies the arms of a motion that comes piece by piece. ``fps``: frame rate of all pieces."""

    def __init__(self, fps: float) -> None:
        self._reach = round(REACH_S * fps)
        offsets = np.arange(-self._reach, self._reach + 1)
        self._by_time = np.exp(-0.5 * (offsets / (_SIGMA_S * fps)) ** 2)
        self._buffer: Motion | None = None
        self._done = 0  # frames of the buffer that have been given

    def feed(self, motion: Motion, *, last: bool = False) -> Motion:
        """Take the next frames (there may be none) and give those that are decided; after ``last`` all have been given."""
        if motion.frames:
            self._buffer = motion if self._buffer is None else concatenated([self._buffer, motion])
        if self._buffer is None:
            return motion
        ready = self._buffer.frames if last else max(self._done, self._buffer.frames - self._reach)
        given = self._steadied(ready)
        gone = max(ready - self._reach, 0)
        self._buffer, self._done = self._buffer.cut(slice(gone, None)), ready - gone
        return given

    def _steadied(self, ready: int) -> Motion:
        assert self._buffer is not None
        given = self._buffer.cut(slice(self._done, ready))
        if not given.frames:
            return given
        rotations = torch.from_numpy(np.array(self._buffer.rotations))
        positions, world = (value.numpy().astype(np.float64) for value in forward_kinematics(rotations))
        out = np.array(given.rotations)
        for arm in ARMS:
            place = np.einsum("fji,fj->fi", world[:, _CHEST], positions[:, arm[-1]] - positions[:, _CHEST])
            turns = axis_angle_to_6d(rotations[:, list(arm)]).numpy().astype(np.float64)  # (F, 4, 6)
            mean = self._mean(place, turns, np.arange(self._done, ready))
            out[:, list(arm)] = rot6d_to_axis_angle(torch.from_numpy(mean.astype(np.float32))).numpy()
        return Motion(out, given.translation, given.expression, given.fps)

    def _mean(self, place: Floats, turns: Floats, rows: NDArray[np.int64]) -> Floats:
        """(R, 4, 6) of frames ``rows``: means of their neighbours by nearness in time and of the wrist's ``place`` (F, 3)."""
        total = np.zeros((len(rows), *turns.shape[1:]))
        weights = np.zeros(len(rows))
        for offset, by_time in zip(range(-self._reach, self._reach + 1), self._by_time, strict=True):
            beside = rows + offset
            there = (beside >= 0) & (beside < len(place))
            beside = np.clip(beside, 0, len(place) - 1)
            apart = ((place[beside] - place[rows]) ** 2).sum(axis=1)
            weight = by_time * np.exp(-0.5 * apart / _SIGMA_M**2) * there
            total += weight[:, None, None] * turns[beside]
            weights += weight
        out: Floats = total / weights[:, None, None]
        return out
