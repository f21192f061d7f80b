"""Bodies as the graphics card holds them: one that bones move there, and one whose vertices are sent for each picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from raggesture.export.film import shaders
from raggesture.export.film.poses import Pose
from raggesture.export.film.shape import N_BONES, Shape, Wooden


class Skin(Protocol):
    """A body that the stage can draw. ``lit`` and ``cast`` are vertex arrays: with light, and for its shadow.

    ``hull`` (P, 3) m: points that enclose the body in the pose it was put into.
    """

    lit: Any
    cast: Any
    hull: NDArray[np.floating]

    def put(self, pose: Pose, picture: int) -> None:
        """Put the body into the pose of a picture."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Rooms:
    """Where each bone's vertices are in the rest pose: ``bones`` (B,) that have any, ``corners`` (B, 8, 3) m of the box around them.

    A vertex is a weighted mean of where its bones take it, so the boxes that the bones carry along enclose the surface in every pose.
    """

    bones: NDArray[np.intp]
    corners: NDArray[np.float32]

    def moved(self, bones: NDArray[np.float32]) -> NDArray[np.float32]:
        """(56, 3, 4) -> (8 B, 3) m."""
        places = bones[self.bones]
        return (self.corners @ places[:, :, :3].transpose(0, 2, 1) + places[:, None, :, 3]).reshape(-1, 3)


def rooms_of(shape: Shape) -> Rooms:
    """The rooms of a surface."""
    bones, boxes = [], []
    for bone in range(N_BONES):
        mine = shape.vertices[((shape.bones == bone) & (shape.weights > 0)).any(axis=1)]
        if len(mine):
            bones.append(bone)
            boxes.append(box_corners(mine))
    return Rooms(np.array(bones), np.stack(boxes))


def box_corners(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """(P, 3) -> (8, 3): the corners of the box around them."""
    ends = np.stack([points.min(axis=0), points.max(axis=0)])  # (2, 3)
    return np.stack([ends[[a, b, c], [0, 1, 2]] for a in (0, 1) for b in (0, 1) for c in (0, 1)])


class BonesSkin:
    """The mannequin: surfaces bound to bones; the card moves their vertices."""

    def __init__(self, context: Any, body: Wooden) -> None:
        self._mouth, self._rooms = body.mouth, rooms_of(body.shape)
        self.hull = np.zeros((0, 3), np.float32)
        self._bones = context.buffer(reserve=N_BONES * 3 * 16)
        head = shaders.SKINNED.replace("BONES3", str(3 * N_BONES))
        self.lit = _bound(context, context.program(head + shaders.BODY_VERTEX, shaders.BODY_FRAGMENT), body.shape)
        self.cast = _bound(context, context.program(head + shaders.SHADOW_VERTEX, shaders.SHADOW_FRAGMENT), body.casting)
        for array in (self.lit, self.cast):
            array.program["Bones"].binding = 0

    def put(self, pose: Pose, picture: int) -> None:
        """See ``Skin``."""
        bones = pose.bones(self._mouth)
        self.hull = self._rooms.moved(bones)
        self._bones.write(bones.tobytes())
        self._bones.bind_to_uniform_block(0)


def _bound(context: Any, program: Any, shape: Shape) -> Any:
    """The vertex array of a shape, of what a program reads of it."""
    parts = {
        "vertex": (shape.vertices.astype("f4"), "3f"),
        "normal": (shape.normals.astype("f4"), "3f"),
        "bones": (shape.bones.astype("u1"), "4u1"),
        "weights": (np.rint(shape.weights * 255).astype("u1"), "4f1"),
        "colour": (linear(shape.colours), "3f"),
    }
    content = [(context.buffer(values.tobytes()), kind, name) for name, (values, kind) in parts.items() if name in program]
    return context.vertex_array(program, content, context.buffer(shape.faces.astype("i4").tobytes()))


def linear(colours: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Colours as the eye sees them (V, 3), 0 to 255 -> as light adds up, 0 to 1."""
    return np.asarray((colours / 255.0) ** 2.2, np.float32)
