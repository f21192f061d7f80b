"""Which gesture was made: a nearest-neighbour classifier on the wrists' paths and hand shapes around the stroke.

Features of +-0.5 s around the stroke, resampled to 15 instants: both wrists in the chest's frame (m), and around its middle where
the palms look and the curl of ten fingers (rad). A gesture and its left/right mirror image are the same. A hand counts as much as it moves in either of the two
compared, so that a free hand hanging or held at the waist does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.skeleton import forward_kinematics
from raggesture.errors import InputError
from raggesture.motion import Motion

Floats = NDArray[np.float64]
HALF_WINDOW_S, _INSTANTS = 0.5, 15
_SPINE3, _LEFT, _RIGHT = 9, 20, 21
_CURL_M_PER_RAD, _IDLE_M, _CURL_INSTANTS = 0.06, 0.06, slice(5, 11)
_PALM_M = 0.06
_PALM = np.array([0.0, -1.0, 0.0])
"""Where the palm of the resting hand looks."""
_FLIP = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True, eq=False)
class HandPaths:
    """Wrists (F, 2, 3) m and palms (F, 2, 3, unit) in the chest's frame, each mirrored to the left side, finger curl (F, 2, 5) rad; left then right."""

    wrists: Floats
    palms: Floats
    curl: Floats
    fps: float


def hand_paths(motion: Motion) -> HandPaths:
    """What the classifier looks at, once for a whole motion."""
    local = torch.from_numpy(np.array(motion.rotations))
    positions, world = forward_kinematics(local)
    chest = world[:, _SPINE3].double().numpy()
    place = positions.double().numpy()
    sides, palms = [], []
    for joint, flip in ((_LEFT, np.ones(3)), (_RIGHT, _FLIP)):
        sides.append(np.einsum("fji,fj->fi", chest, place[:, joint] - place[:, _SPINE3]) * flip)
        palms.append(np.einsum("fji,fj->fi", chest, world[:, joint].double().numpy() @ _PALM) * flip)
    rotations = motion.rotations.astype(np.float64)
    curls = []
    for first in (25, 40):
        joints = rotations[:, first : first + 15].reshape(-1, 5, 3, 3)
        curls.append(np.linalg.norm(joints, axis=-1).sum(axis=-1))
    return HandPaths(np.stack(sides, axis=1), np.stack(palms, axis=1), np.stack(curls, axis=1), motion.fps)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One gesture's features: ``wrists`` (2, 15, 3) m, ``palm`` (2, 3), ``curl`` (2, 5) rad at the stroke, ``weight`` (2,) how much each hand moves."""

    wrists: Floats
    palm: Floats
    curl: Floats
    weight: Floats


def window_at(paths: HandPaths, stroke_s: float) -> Window:
    """Features around a stroke; beyond the motion's ends its first or last frame is repeated."""
    frames = len(paths.wrists)
    at = np.clip((stroke_s + np.linspace(-HALF_WINDOW_S, HALF_WINDOW_S, _INSTANTS)) * paths.fps, 0, frames - 1)
    low = np.minimum(at.astype(int), max(frames - 2, 0))
    high = np.minimum(low + 1, frames - 1)
    share = (at - low)[:, None, None]
    wrists = (paths.wrists[low] * (1 - share) + paths.wrists[high] * share).transpose(1, 0, 2)
    curl = (paths.curl[low] * (1 - share) + paths.curl[high] * share)[_CURL_INSTANTS].mean(axis=0)
    palm = (paths.palms[low] * (1 - share) + paths.palms[high] * share)[_CURL_INSTANTS].mean(axis=0)
    spread = np.sqrt(wrists.var(axis=1).sum(axis=-1))  # (2,) m
    return Window(wrists, palm, curl, spread**2 / (spread**2 + _IDLE_M**2))


@dataclass(frozen=True, slots=True, eq=False)
class GestureClassifier:
    """Nearest neighbour among labelled windows."""

    names: tuple[str, ...]
    wrists: Floats  # (N, 2, 15, 3)
    palm: Floats  # (N, 2, 3)
    curl: Floats  # (N, 2, 5)
    weight: Floats  # (N, 2)

    @classmethod
    def of(cls, labelled: Sequence[tuple[str, Window]]) -> GestureClassifier:
        """From (name, window) pairs.

        Raises:
            InputError: no pairs.
        """
        if not labelled:
            raise InputError("gesture classifier: no labelled gestures; expected at least one - give a corpus with named gestures")
        windows = [window for _, window in labelled]
        return cls(
            tuple(name for name, _ in labelled),
            np.stack([w.wrists for w in windows]),
            np.stack([w.palm for w in windows]),
            np.stack([w.curl for w in windows]),
            np.stack([w.weight for w in windows]),
        )

    def distances(self, window: Window) -> Floats:
        """(N,) distance in metres to every labelled window, the better of plain and mirrored."""
        mirrored = Window(window.wrists[::-1], window.palm[::-1], window.curl[::-1], window.weight[::-1])
        return np.minimum(self._one_way(window), self._one_way(mirrored))

    def _one_way(self, window: Window) -> Floats:
        apart = ((self.wrists - window.wrists) ** 2).sum(axis=-1).mean(axis=-1)  # (N, 2)
        shape = ((self.curl - window.curl) ** 2).mean(axis=-1) * _CURL_M_PER_RAD**2
        looks = ((self.palm - window.palm) ** 2).sum(axis=-1) * _PALM_M**2
        weights = np.maximum(self.weight, window.weight)
        out: Floats = np.sqrt(((apart + shape + looks) * weights).sum(axis=-1) / weights.sum(axis=-1))
        return out

    def name_of(self, window: Window) -> str:
        """Name of the nearest labelled gesture."""
        return self.names[int(np.argmin(self.distances(window)))]
