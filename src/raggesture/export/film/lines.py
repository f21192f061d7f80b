"""The film of lines: a skeleton in two dimensions, drawn on the processor. It needs no OpenGL."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from raggesture.body.joints import EYE_JOINTS, JOINT_NAMES, N_JOINTS, PARENTS
from raggesture.export.film.camera import Camera
from raggesture.export.film.look import BACKDROP, BALL, FAMILIES, GROUND, INK, LINE, WOOD, Colour, mixed
from raggesture.export.film.poses import Pose
from raggesture.export.film.shape import HEAD, JAW

_FINER = 2
_LEFT, _RIGHT, _MIDDLE = FAMILIES["metaphoric"], (180, 86, 28), mixed(INK, WOOD, 0.3)
_THICK_M = {"hand": 0.011, "arm": 0.036, "trunk": 0.05}
_HEAD_M = 0.105
_UP_M, _ACROSS_M = 0.07, 0.03
_GRID_M = 0.5
_REACH = 3


def _kind(joint: int) -> str:
    name = JOINT_NAMES[joint]
    return "hand" if joint >= N_JOINTS - 30 else "trunk" if not name.startswith(("left", "right")) else "arm"


def _colour(joint: int) -> Colour:
    name = JOINT_NAMES[joint]
    return _LEFT if name.startswith("left") else _RIGHT if name.startswith("right") else _MIDDLE


BONES = tuple((PARENTS[joint], joint) for joint in range(1, N_JOINTS) if joint not in (JAW, *EYE_JOINTS))


def draw_lines(pose: Pose, camera: Camera, floor_m: float) -> NDArray[np.uint8]:
    """(height, width, 3): the skeleton of a pose on a floor of lines; the left side blue, the right brown."""
    width, height = camera.size
    image = Image.new("RGB", (width * _FINER, height * _FINER), BACKDROP)
    pen = ImageDraw.Draw(image)
    _floor(pen, pose, camera, floor_m)
    places = camera.pixels(pose.joints) * _FINER  # (55, 2)
    away = np.linalg.norm(pose.joints - camera.eye, axis=1)
    one_m = _pixels_per_m(camera) * _FINER
    parts: list[tuple[float, int, int]] = [(float(away[a] + away[b]) / 2, a, b) for a, b in BONES]
    for distance, first, last in sorted([*parts, (float(away[HEAD]), HEAD, HEAD)], reverse=True):
        if first == last:
            _head(pen, pose, camera, one_m / distance)
            continue
        thick = max(_THICK_M[_kind(last)] * one_m / distance, 1.0)
        _limb(pen, places[first], places[last], thick, _colour(last))
    return np.asarray(image.reduce(_FINER))


def _pixels_per_m(camera: Camera) -> float:
    """Pixels that a metre has at a distance of one metre."""
    return float(np.linalg.norm(camera.matrix[1, :3])) * camera.size[1] / 2


def _limb(pen: ImageDraw.ImageDraw, start: NDArray[np.float64], end: NDArray[np.float64], thick: float, colour: Colour) -> None:
    for grown, shade in ((1.5, BACKDROP), (0.0, colour)):
        wide = thick + grown * _FINER
        pen.line((*start, *end), fill=shade, width=max(round(wide), 1))
        for x, y in (start, end):
            pen.ellipse((x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2), fill=shade)


def _head(pen: ImageDraw.ImageDraw, pose: Pose, camera: Camera, pixels_per_m: float) -> None:
    turn = pose.turns[HEAD]
    middle = pose.joints[HEAD] + turn @ np.array([0.0, _UP_M, 0.015])
    (x, y), radius = camera.pixels(middle) * _FINER, _HEAD_M * pixels_per_m
    pen.ellipse((x - radius * 0.82, y - radius, x + radius * 0.82, y + radius), fill=WOOD, outline=BALL, width=max(_FINER, 1))
    forward = turn[:, 2]
    if forward @ (camera.eye - middle) <= 0:
        return  # it looks away
    for side in (-1, 1):
        eye = middle + turn @ np.array([side * _ACROSS_M, 0.015, _HEAD_M * 0.85])
        (u, v), small = camera.pixels(eye) * _FINER, radius * 0.09
        pen.ellipse((u - small, v - small, u + small, v + small), fill=INK)


def _floor(pen: ImageDraw.ImageDraw, pose: Pose, camera: Camera, floor_m: float) -> None:
    cx, cz = np.round(np.asarray(pose.centre) / _GRID_M) * _GRID_M
    reach = _REACH * _GRID_M
    for k in range(-_REACH, _REACH + 1):
        for line in (((cx + k * _GRID_M, cz - reach), (cx + k * _GRID_M, cz + reach)), ((cx - reach, cz + k * _GRID_M), (cx + reach, cz + k * _GRID_M))):
            ends = camera.pixels(np.array([[x, floor_m, z] for x, z in line])) * _FINER
            pen.line((*ends[0], *ends[1]), fill=mixed(LINE, BACKDROP, abs(k) / (_REACH + 1) * 0.6), width=_FINER)
    feet = pose.joints[[10, 11]]
    for foot in feet:
        ring = np.array([[foot[0] + 0.13 * np.cos(a), floor_m, foot[2] + 0.13 * np.sin(a)] for a in np.linspace(0, 2 * np.pi, 24)])
        pen.polygon([tuple(point) for point in camera.pixels(ring) * _FINER], fill=mixed(GROUND, INK, 0.12))
