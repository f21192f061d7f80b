"""The floor that a body stands on: near it with its shadow, far from it without, which costs a third."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from raggesture.export.film import shaders
from raggesture.export.film.camera import SUN_REACH_M, TO_SUN, Camera
from raggesture.export.film.look import BACKDROP, GROUND, LINE, Colour
from raggesture.export.film.poses import Pose

_SHADED_M, _FAR_M = 1.15, 7.0
"""How far from the middle a shadow fades out, and where the floor ends."""
_ASIDE_M = -0.45 * TO_SUN[[0, 2]] / TO_SUN[1]
"""From the body's middle to that of its shadow."""
_BLUR_M = 0.045
_SOFT_M = 0.07
"""So much wider than the body is its shadow: the blur, and what a coarse map adds."""
_FEET = ((7, 10), (8, 11))
_FOOT_M = 0.26
"""So far from a foot's line the darkness under it is none."""
_ALONG = TO_SUN[[0, 2]] / np.linalg.norm(TO_SUN[[0, 2]])
_AXES = np.stack([_ALONG, np.array([-_ALONG[1], _ALONG[0]])])
"""On the ground (x, z): towards the sun, and across."""
_TRIANGLES = np.array([[0, 1, 4], [1, 5, 4], [1, 2, 5], [2, 6, 5], [2, 3, 6], [3, 7, 6], [3, 0, 7], [0, 4, 7], [4, 5, 6], [4, 6, 7]], "i4")
"""Of four corners far away and four around the shadow: the ring between, then what the shadow lies in."""


def shaded(hull: NDArray[np.floating], feet: NDArray[np.floating], floor_m: float, middle: NDArray[np.floating]) -> NDArray[np.float64]:
    """(4, 2) x and z of a rectangle of the floor, along the sun, outside of which nothing is darkened.

    Args:
        hull: (P, 3) m, points around the body. feet: (K, 2) m, x and z of ankles and toes. middle: (2,) m, what the camera follows.
    """
    up_m = np.maximum(hull[:, 1] - floor_m, 0.0)
    cast = hull[:, (0, 2)] - up_m[:, None] * (TO_SUN[[0, 2]] / TO_SUN[1])
    falls, stands = cast @ _AXES.T, feet @ _AXES.T  # (P, 2), (K, 2)
    fades = (middle + _ASIDE_M) @ _AXES.T
    dark = np.concatenate([falls - _SOFT_M, falls + _SOFT_M, stands - _FOOT_M, stands + _FOOT_M])
    least, most = (np.clip(edge, fades - _SHADED_M, fades + _SHADED_M) for edge in (dark.min(axis=0), dark.max(axis=0)))
    corners = np.array([[least[0], least[1]], [most[0], least[1]], [most[0], most[1]], [least[0], most[1]]])
    return np.asarray(corners @ _AXES)


def _unit(colour: Colour) -> tuple[float, ...]:
    return tuple(channel / 255 for channel in colour)


class Floor:
    """The floor in an OpenGL context."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._places = context.buffer(reserve=8 * 12)
        self._far = self._part(_TRIANGLES[:-2], near=False)
        self._near = self._part(_TRIANGLES[-2:], near=True)

    def _part(self, triangles: NDArray[np.int32], *, near: bool) -> Any:
        fragment = shaders.FLOOR_FRAGMENT.replace("#version 330", "#version 330\n#define NEAR" if near else "#version 330")
        program = self._context.program(shaders.FLOOR_VERTEX, fragment)
        for name, colour in (("backdrop", BACKDROP), ("ground", GROUND), ("line", LINE)):
            program[name] = _unit(colour)
        if near:
            program["reach"], program["aside"] = _SHADED_M, tuple(_ASIDE_M)
            program["blur"] = _BLUR_M / (2 * SUN_REACH_M)
        return self._context.vertex_array(program, [(self._places, "3f", "vertex")], self._context.buffer(triangles.tobytes()))

    def draw(self, pose: Pose, hull: NDArray[np.floating], camera: Camera, sun: bytes, floor_m: float) -> None:
        """Draw it into the framebuffer in use; the shadow's map is bound. ``sun``: world to the map, as the card wants it."""
        feet = [pose.joints[[ankle, foot]][:, (0, 2)] for ankle, foot in _FEET]
        corners = np.empty((8, 3))
        corners[:, 1] = floor_m
        corners[:4, (0, 2)] = pose.centre + _FAR_M * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        corners[4:, (0, 2)] = shaded(hull, np.concatenate(feet), floor_m, pose.centre)
        self._places.write(corners.astype("f4").tobytes())
        view = camera.matrix.T.astype("f4").tobytes()
        for part in (self._far, self._near):
            part.program["camera"].write(view)
            part.program["middle"] = (pose.centre[0], floor_m, pose.centre[1])
        near = self._near.program
        near["sun"].write(sun)
        near["feet"] = [tuple(foot.ravel()) for foot in feet]
        near["heights"] = tuple(float(pose.joints[foot, 1]) - floor_m - 0.015 for _, foot in _FEET)
        self._far.render()
        self._near.render()
