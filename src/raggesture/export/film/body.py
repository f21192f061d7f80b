"""The user's own SMPL-X body, with its face: read without pickle, moved by ``smplx`` in blocks of pictures.

Differs from the released code: ``smplx`` loads its file with pickles allowed; here only plain arrays are read, and given to its skinning.
The shape is the mean one, hands count from the flat hand, as BEAT2's motion does (``flat_hand_mean=True``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from raggesture.body.joints import PARENTS
from raggesture.body.smplx_file import POSEDIRS, read_smplx_file
from raggesture.export.film import shaders
from raggesture.export.film.look import CLAY
from raggesture.export.film.poses import Pose, Poses
from raggesture.export.film.skins import box_corners, linear

BLOCK = 16
"""Pictures whose vertices are found at once: 6 MB of a body of 10,475 vertices."""


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """SMPL-X's arrays. V vertices, N faces, E expressions: ``template`` (V, 3), ``expressions`` (V, 3, E), ``corrections`` (486, 3V),

    ``regressor`` (55, V), ``parents`` (55,), ``weights`` (V, 55), ``faces`` (N, 3).
    """

    template: torch.Tensor
    expressions: torch.Tensor
    corrections: torch.Tensor
    regressor: torch.Tensor
    parents: torch.Tensor
    weights: torch.Tensor
    faces: NDArray[np.int32]

    def vertices(self, rotations: NDArray[np.float32], translation: NDArray[np.float32], expression: NDArray[np.float32]) -> NDArray[np.float32]:
        """(F, 55, 3) rad, (F, 3) m, (F, 100) -> (F, V, 3) m."""
        from smplx.lbs import lbs

        count = self.expressions.shape[-1]
        with torch.no_grad():
            vertices, _ = lbs(
                torch.from_numpy(np.array(expression[:, :count])),
                torch.from_numpy(np.array(rotations)).reshape(len(rotations), -1),
                self.template,
                self.expressions,
                self.corrections,
                self.regressor,
                self.parents,
                self.weights,
            )
        return np.asarray(vertices.numpy() + translation[:, None], np.float32)


def read_body_file(path: Path) -> Body:
    """Read the user's SMPL-X file.

    Raises:
        ModelError: see ``read_smplx_file``.
    """
    found = read_smplx_file(path, also=(POSEDIRS,))
    corrections = found.more[POSEDIRS]

    def tensor(values: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32))

    return Body(
        tensor(found.v_template),
        tensor(found.expressions),
        tensor(corrections.reshape(-1, corrections.shape[2]).T),
        tensor(found.J_regressor),
        torch.tensor(PARENTS),
        tensor(found.weights),
        found.f.astype(np.int32),
    )


class BodySkin:
    """A ``Skin`` of the user's body: its vertices go to the card for each picture."""

    def __init__(self, context: Any, body: Body, poses: Poses) -> None:
        self._body, self._poses = body, poses
        self._start, self._block = -1, np.zeros((0, 0, 3), np.float32)
        self.hull = np.zeros((0, 3), np.float32)
        vertices, faces = len(body.template), body.faces
        corners = np.repeat(np.arange(len(faces)), 3)
        self._around = csr_array((np.ones(faces.size, np.float32), (faces.ravel(), corners)), shape=(vertices, len(faces)))
        self._places = context.buffer(reserve=vertices * 24)
        indices = context.buffer(faces.astype("i4").tobytes())
        lit = context.program(shaders.GIVEN + shaders.BODY_VERTEX, shaders.BODY_FRAGMENT)
        cast = context.program(shaders.GIVEN + shaders.SHADOW_VERTEX, shaders.SHADOW_FRAGMENT)
        colours = context.buffer(np.tile(linear(np.array([CLAY], np.uint8)), (vertices, 1)).astype("f4").tobytes())
        self.lit = context.vertex_array(lit, [(self._places, "3f 3f", "vertex", "normal"), (colours, "3f", "colour")], indices)
        self.cast = context.vertex_array(cast, [(self._places, "3f 12x", "vertex")], indices)

    def put(self, pose: Pose, picture: int) -> None:
        """See ``Skin``."""
        start = picture // BLOCK * BLOCK
        if start != self._start:
            part = self._poses.at(start, start + BLOCK)
            self._block, self._start = self._body.vertices(part.rotations, part.translation, part.expression), start
        vertices = self._block[picture - start]
        self.hull = box_corners(vertices)
        corners = vertices[self._body.faces]  # (N, 3, 3)
        normals = self._around @ np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        self._places.write(np.concatenate([vertices, normals], axis=1).astype("f4").tobytes())
