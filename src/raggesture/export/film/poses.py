"""Where the bones are in each picture of the film: forward kinematics in blocks, so that memory does not grow with length."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import roma
import torch
from numpy.typing import NDArray

from raggesture.body.skeleton import forward_kinematics, rest_joints
from raggesture.errors import InputError
from raggesture.export.film.camera import followed
from raggesture.export.film.shape import HEAD, JAW, N_BONES
from raggesture.export.tracks import floor_height_m
from raggesture.motion import Motion

BLOCK = 64
"""Pictures whose bones are found at once."""
_SAME = 1e-6
_CLOSED, _OPENS = 0.13, 4.0
"""Height of the closed mouth against the open one, and how fast it opens with the jaw (per radian)."""


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """One picture's body. ``joints`` (55, 3) m; ``turns`` (55, 3, 3) their rotations in the world; ``jaw_rad``; ``centre`` (x, z) the camera follows."""

    joints: NDArray[np.float64]
    turns: NDArray[np.float64]
    jaw_rad: float
    centre: NDArray[np.float64]

    def bones(self, mouth: NDArray[np.float64]) -> NDArray[np.float32]:
        """(56, 3, 4): what takes the rest pose to this one, bone by bone; ``mouth`` (3,) m is where it is at rest."""
        places = np.empty((N_BONES, 3, 4), np.float32)
        places[:-1, :, :3] = self.turns
        places[:-1, :, 3] = self.joints - (self.turns @ rest_joints()[:, :, None])[..., 0]
        squeeze = np.array([1.0, _CLOSED + min(1.0, abs(self.jaw_rad) * _OPENS) * (1 - _CLOSED), 1.0])
        places[-1, :, :3] = self.turns[HEAD] * squeeze
        places[-1, :, 3] = places[HEAD, :, 3] + self.turns[HEAD] @ (mouth - squeeze * mouth)
        return places


def moved(motion: Motion, at: NDArray[np.floating]) -> Motion:
    """``motion`` at fractions of frames (F,): rotations go the shortest way, the rest straight; at whole frames it is the motion itself.

    Before the first frame and after the last these are held.
    """
    at = np.clip(at, 0, motion.frames - 1)
    whole = np.round(at)
    at = np.where(np.abs(at - whole) < _SAME, whole, at)
    first = np.floor(at).astype(int)
    share = at - first
    if not share.any():
        return Motion(motion.rotations[first], motion.translation[first], motion.expression[first], motion.fps)
    second = np.minimum(first + 1, motion.frames - 1)
    start, end = torch.from_numpy(motion.rotations[first]).double(), torch.from_numpy(motion.rotations[second]).double()
    step = roma.rotvec_composition((-start, end))
    turned = roma.rotvec_composition((start, step * torch.from_numpy(share)[:, None, None])).numpy()

    def between(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(values[first] + (values[second] - values[first]) * share[:, None], np.float32)

    return Motion(turned.astype(np.float32), between(motion.translation), between(motion.expression), motion.fps)


class Poses:
    """The poses of one motion, picture by picture in order; one block of them is kept.

    Raises:
        InputError: the motion has no frames, or no frame rate.
    """

    def __init__(self, motion: Motion, fps: float) -> None:
        if motion.frames == 0:
            raise InputError("motion: 0 frames; expected at least one - there is nothing to show")
        if not (math.isfinite(motion.fps) and motion.fps > 0):
            raise InputError(f"motion: {motion.fps} fps; expected a positive frame rate - write the file again with its mocap_frame_rate")
        self.motion = motion
        self.floor_m = floor_height_m(motion)
        self._per_picture = motion.fps / fps
        self._centres = followed(motion.translation, motion.fps)
        self._start = -1
        self._block: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]] | None = None

    def at(self, start: int, stop: int) -> Motion:
        """The motion at pictures ``start`` to ``stop``."""
        return moved(self.motion, np.arange(start, stop) * self._per_picture)

    def pose(self, picture: int) -> Pose:
        """The pose of one picture; after the motion's end its last."""
        start = picture // BLOCK * BLOCK
        if start != self._start or self._block is None:
            part = self.at(start, start + BLOCK)
            joints, turns = forward_kinematics(torch.from_numpy(np.array(part.rotations)).double(), torch.from_numpy(np.array(part.translation)).double())
            self._block, self._start = (joints.numpy(), turns.numpy(), part.rotations[:, JAW, 0]), start
        joints_of, turns_of, jaws = self._block
        row = picture - start
        frame = min(picture * self._per_picture, self.motion.frames - 1)
        centre = self._centres[round(frame)] if frame % 1 < _SAME else self._between(frame)
        return Pose(joints_of[row], turns_of[row], float(jaws[row]), centre)

    def _between(self, frame: float) -> NDArray[np.float64]:
        first = int(frame)
        second = min(first + 1, self.motion.frames - 1)
        return np.asarray(self._centres[first] + (self._centres[second] - self._centres[first]) * (frame - first))
