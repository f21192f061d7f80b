"""Bodies as the graphics card holds them: one that bones move there, and one whose vertices are sent for each picture."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from raggesture.export.film import shaders
from raggesture.export.film.poses import Pose
from raggesture.export.film.shape import N_BONES, Shape, Wooden


class Skin(Protocol):
    """A body that the stage can draw. ``lit`` and ``cast`` are vertex arrays: with light, and for its shadow."""

    lit: Any
    cast: Any

    def put(self, pose: Pose, picture: int) -> None:
        """Put the body into the pose of a picture."""
        ...


class BonesSkin:
    """The mannequin: surfaces bound to bones; the card moves their vertices."""

    def __init__(self, context: Any, body: Wooden) -> None:
        self._mouth = body.mouth
        self._bones = context.buffer(reserve=N_BONES * 3 * 16)
        head = shaders.SKINNED.replace("BONES3", str(3 * N_BONES))
        self.lit = _bound(context, context.program(head + shaders.BODY_VERTEX, shaders.BODY_FRAGMENT), body.shape)
        self.cast = _bound(context, context.program(head + shaders.SHADOW_VERTEX, shaders.SHADOW_FRAGMENT), body.casting)
        for array in (self.lit, self.cast):
            array.program["Bones"].binding = 0

    def put(self, pose: Pose, picture: int) -> None:
        """See ``Skin``."""
        self._bones.write(pose.bones(self._mouth).tobytes())
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
