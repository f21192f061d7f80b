"""Where the camera stands, how it follows, and where a point of the world lies in the picture.

The world is SMPL-X's: x to the character's left, y up, z forward, metres. Pixels: x to the right, y down, (0, 0) the picture's upper left corner.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.export.film.options import View

FIELD_OF_VIEW_RAD = math.radians(28)
WIDE_M = 1.5
"""So much is always seen across, however narrow the picture."""
FOLLOW_S = 3.0
NEAR_M, FAR_M = 0.1, 60.0
TO_SUN = np.array([1.5, 3.4, 2.6]) / math.sqrt(1.5**2 + 3.4**2 + 2.6**2)
SUN_REACH_M = 1.35


@dataclass(frozen=True, slots=True)
class _Stand:
    """``height_m``: of what is looked at, above the floor; ``tall_m``: how much of it fills the picture; ``towards``: the camera, from there."""

    height_m: float
    tall_m: float
    towards: tuple[float, float, float]


STANDS: dict[View, _Stand] = {
    "front": _Stand(0.86, 2.05, (0.0, 0.13, 1.0)),
    "side": _Stand(0.86, 2.05, (1.0, 0.13, 0.14)),
    "upper": _Stand(1.22, 1.16, (0.0, 0.05, 1.0)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A perspective view. ``matrix`` (4, 4) takes world to clip space (OpenGL's, y up); ``eye`` (3,) m; ``size`` width and height in pixels."""

    matrix: NDArray[np.float64]
    eye: NDArray[np.float64]
    size: tuple[int, int]

    @classmethod
    def of(cls, view: View, size: tuple[int, int], floor_m: float, centre: NDArray[np.floating]) -> Camera:
        """The camera of a view at a figure that stands at ``centre`` (x, z) on the floor at height ``floor_m``."""
        stand, aspect = STANDS[view], size[0] / size[1]
        half = math.tan(FIELD_OF_VIEW_RAD / 2)
        target = np.array([centre[0], floor_m + stand.height_m, centre[1]])
        towards = np.array(stand.towards) / np.linalg.norm(stand.towards)
        eye = target + towards * max(stand.tall_m, WIDE_M / aspect) / 2 / half
        return cls(_perspective(half, aspect) @ _looking(eye, target), eye, size)

    def box(self, points: NDArray[np.floating]) -> tuple[int, int, int, int]:
        """The part of the picture (left, top, right, bottom) outside of which nothing lies that the points (P, 3) m enclose; the whole if one is behind."""
        if (points.astype(np.float64) @ self.matrix[3, :3] + self.matrix[3, 3]).min() <= NEAR_M:
            return (0, 0, *self.size)
        places = self.pixels(points)
        left, top = (np.floor(places.min(axis=0)) - 1).clip(0, self.size).astype(int).tolist()
        right, bottom = (np.ceil(places.max(axis=0)) + 1).clip(0, self.size).astype(int).tolist()
        return left, top, right, bottom

    def pixels(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """(..., 3) m -> (..., 2) pixels."""
        clip = points.astype(np.float64) @ self.matrix[:, :3].T + self.matrix[:, 3]  # (..., 4)
        flat = clip[..., :2] / clip[..., 3:]
        width, height = self.size
        return np.stack([(flat[..., 0] + 1) / 2 * width, (1 - flat[..., 1]) / 2 * height], axis=-1)


def pixel_m(view: View, size: tuple[int, int]) -> float:
    """Size of a pixel on the body."""
    return max(STANDS[view].tall_m, WIDE_M * size[1] / size[0]) / size[1]


def _perspective(half: float, aspect: float) -> NDArray[np.float64]:
    depth = NEAR_M - FAR_M
    rows = [[1 / half / aspect, 0, 0, 0], [0, 1 / half, 0, 0], [0, 0, (FAR_M + NEAR_M) / depth, 2 * FAR_M * NEAR_M / depth], [0, 0, -1, 0]]
    return np.array(rows, np.float64)


def _looking(eye: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """World to camera, which looks along its -z."""
    back = (eye - target) / np.linalg.norm(eye - target)
    right = np.cross([0.0, 1.0, 0.0], back)
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(back, right), back])  # (3, 3)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, -turn @ eye
    return matrix


def sunlight(towards: NDArray[np.float64], centre: NDArray[np.floating], floor_m: float, reach_m: float) -> NDArray[np.float64]:
    """(4, 4): world to the clip space of a light from afar, a cube of ``reach_m`` each way around the body's middle."""
    target = np.array([centre[0], floor_m + 0.8, centre[1]])
    flat = np.diag([1 / reach_m, 1 / reach_m, -1 / (2 * reach_m), 1.0])
    return flat @ _looking(target + towards * 1e-3, target)


def followed(translation: NDArray[np.floating], fps: float) -> NDArray[np.float64]:
    """(F, 3) m -> (F, 2): where the camera looks on the ground, the root's way averaged over some seconds each way.

    What is left of a second at an end is averaged alone, so that the figure is never out of the picture there.
    """
    ground = translation[:, (0, 2)].astype(np.float64)
    frames, reach = len(ground), max(round(FOLLOW_S * fps), 1)
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(ground, axis=0)])
    first, last = np.maximum(np.arange(frames) - reach, 0), np.minimum(np.arange(frames) + reach + 1, frames)
    return np.asarray((sums[last] - sums[first]) / (last - first)[:, None])
