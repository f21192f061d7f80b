"""The moving skeleton of a BVH file: its zero pose, and where its joints are at given instants.

Coordinates and unit are the file's own. A joint's matrix is the product of its rotations in the order of its channels (``Zrotation Xrotation
Yrotation`` is Z·X·Y); position channels take the place of the offset.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from raggesture.clock import MOTION_FPS
from raggesture.retarget.bvh import BvhFile

Floats = NDArray[np.float64]
_MARGIN = 16
"""Frames on either side of a block that its spline sees: what lies further away counts less than a thousand-millionth."""
_WHOLE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Joints at some instants: world ``rotations`` (F, J, 3, 3) and ``places`` (F, J, 3)."""

    rotations: Floats
    places: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A file's skeleton and motion; ``mirrored``: seen in a mirror, x against -x, for files of left-handed space."""

    file: BvhFile
    mirrored: bool = False

    @property
    def frames(self) -> int:
        """Of the motion at 30 frames a second; as long as the file, half frames up."""
        return max(1, round(self.file.frames / self.file.fps * MOTION_FPS))

    def offsets(self) -> Floats:
        """(J, 3)."""
        return self._seen(np.array([joint.offset for joint in self.file.joints]))

    def tip(self, joint: int) -> Floats | None:
        """(3,) Offset of what the bone of a joint without named child points to: its End Site, else its farthest child; None for a point."""
        children = [np.array(each.offset) for each in self.file.joints if each.parent == joint]
        end = self.file.joints[joint].end
        found = max([*children, *([np.array(end)] if end is not None else [])], key=lambda each: float(np.linalg.norm(each)), default=np.zeros(3))
        return self._seen(found) if np.linalg.norm(found) > _WHOLE else None

    def rest(self) -> Placed:
        """The zero pose, F = 1: nothing is turned, the root at the origin."""
        offsets = self.offsets()
        places = np.zeros_like(offsets)
        for number, joint in enumerate(self.file.joints):
            places[number] = offsets[number] + places[joint.parent] if joint.parent >= 0 else 0.0
        return Placed(np.tile(np.eye(3), (1, len(offsets), 1, 1)), places[None])

    def sampled(self, count: int) -> Placed:
        """At most ``count`` frames of the file, evenly spread, the first among them."""
        rows = np.unique(np.linspace(0, self.file.frames - 1, min(count, self.file.frames)).astype(int))
        return self._placed(*self._local(self.file.values[rows]))

    def at(self, first: int, stop: int) -> Placed:
        """Frames ``first`` to ``stop`` at 30 frames a second: taken as they are where the file's rate is a multiple, else by splines."""
        times = np.minimum(np.arange(first, stop) * (self.file.fps / MOTION_FPS), self.file.frames - 1)
        whole = np.round(times)
        if np.abs(times - whole).max() < _WHOLE * self.file.frames or self.file.frames < 3:
            return self._placed(*self._local(self.file.values[whole.astype(int)]))
        low, high = max(0, int(times[0]) - _MARGIN), min(self.file.frames, int(times[-1]) + _MARGIN + 2)
        turns, moves = self._local(self.file.values[low:high])
        knots = np.arange(low, high)
        signs = np.where(np.sum(turns[1:] * turns[:-1], axis=-1) < 0, -1.0, 1.0).cumprod(axis=0)  # both signs of a quaternion are one rotation
        turns[1:] *= signs[..., None]
        between = CubicSpline(knots, turns, axis=0, bc_type="natural")(times)
        return self._placed(between / np.linalg.norm(between, axis=-1, keepdims=True), CubicSpline(knots, moves, axis=0, bc_type="natural")(times))

    def _seen(self, vectors: Floats) -> Floats:
        return vectors * np.array([-1.0, 1.0, 1.0]) if self.mirrored else vectors

    def _local(self, values: Floats) -> tuple[Floats, Floats]:
        """Quaternions x, y, z, w (F, J, 4) and places from the parent (F, J, 3) of rows of the file."""
        joints = self.file.joints
        turns = np.zeros((len(values), len(joints), 4))
        turns[..., 3] = 1.0
        moves = np.tile(np.array([joint.offset for joint in joints]), (len(values), 1, 1))
        for number, joint in enumerate(joints):
            for column, name in enumerate(joint.channels, start=joint.column):
                axis = "XYZ".index(name[0])
                if name.endswith("rotation"):
                    _turn(turns[:, number], axis, np.radians(values[:, column]))
                else:
                    moves[:, number, axis] = values[:, column]
        if self.mirrored:
            turns *= np.array([1.0, -1.0, -1.0, 1.0])
        return turns, self._seen(moves)

    def _placed(self, turns: Floats, moves: Floats) -> Placed:
        local = Rotation.from_quat(turns.reshape(-1, 4)).as_matrix().reshape(*turns.shape[:2], 3, 3)
        rotations, places = np.empty_like(local), np.empty_like(moves)
        for number, joint in enumerate(self.file.joints):
            if joint.parent < 0:
                rotations[:, number], places[:, number] = local[:, number], moves[:, number]
                continue
            above = rotations[:, joint.parent]
            rotations[:, number] = above @ local[:, number]
            places[:, number] = places[:, joint.parent] + (above @ moves[:, number, :, None])[..., 0]
        return Placed(rotations, places)


def _turn(turns: Floats, axis: int, angles: Floats) -> None:
    """Multiply quaternions (F, 4), in their place, by turns about one of the axes: any number of channels in any order, without scipy's checks of each."""
    sine, cosine = np.sin(angles / 2), np.cos(angles / 2)
    following, last = (axis + 1) % 3, (axis + 2) % 3
    b, c, a, w = (turns[:, k].copy() for k in (following, last, axis, 3))
    turns[:, following], turns[:, last] = cosine * b + sine * c, cosine * c - sine * b
    turns[:, axis], turns[:, 3] = cosine * a + sine * w, cosine * w - sine * a
