"""The user's own SMPL-X body, with its face: read without pickle, moved by ``smplx`` in blocks of pictures.

Differs from the released code: ``smplx`` loads its file with pickles allowed; here only plain arrays are read, and given to its skinning.
The shape is the mean one, hands count from the flat hand, as BEAT2's motion does (``flat_hand_mean=True``).
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from raggesture.body.joints import N_EXPRESSIONS, N_JOINTS
from raggesture.errors import InputError
from raggesture.export.film import shaders
from raggesture.export.film.look import CLAY
from raggesture.export.film.poses import Pose, Poses
from raggesture.export.film.skins import linear

BLOCK = 16
"""Pictures whose vertices are found at once: 6 MB of a body of 10,475 vertices."""
WHERE = (
    "expected SMPL-X's neutral body as .npz (SMPLX_NEUTRAL_2020.npz) - get it at https://smpl-x.is.tue.mpg.de after registering; "
    "its own licence allows research, not commerce, and it is no part of raggesture"
)
_SHAPES, _OLD_SHAPES = 300, 10
"""Shape directions before those of expression: in the file of 2020, and in the one before."""
_POSE_DIRECTIONS = 9 * (N_JOINTS - 1)


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


def check_body(path: Path) -> None:
    """Raise InputError unless there is such a file: cheap, before the work."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; {WHERE}")


def read_body_file(path: Path) -> Body:
    """Read the user's SMPL-X file.

    Raises:
        InputError: it is missing, no npz of plain arrays, or holds other shapes.
    """
    check_body(path)
    names = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
    try:
        with np.load(path, allow_pickle=False) as archive:
            absent = [name for name in names if name not in archive]
            if absent:
                raise InputError(f"{path}: no array {absent[0]!r}; {WHERE}")
            arrays = {name: np.asarray(archive[name]) for name in names}
    except (ValueError, OSError, zipfile.BadZipFile, EOFError, TypeError) as fault:
        raise InputError(f"{path}: cannot be read as an npz of plain arrays; {WHERE}") from fault
    return _checked(path, arrays)


def _checked(path: Path, arrays: dict[str, NDArray[Any]]) -> Body:
    count = len(arrays["v_template"])
    wanted = {
        "v_template": (count, 3),
        "shapedirs": (count, 3, arrays["shapedirs"].shape[-1] if arrays["shapedirs"].ndim else 0),
        "posedirs": (count, 3, _POSE_DIRECTIONS),
        "J_regressor": (N_JOINTS, count),
        "weights": (count, N_JOINTS),
        "kintree_table": (2, N_JOINTS),
        "f": (len(arrays["f"]) if arrays["f"].ndim else 0, 3),
    }
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            raise InputError(f"{path}: {name} has shape {arrays[name].shape}, not {shape}; {WHERE}")
    faces = arrays["f"].astype(np.int32)
    if not faces.size or faces.min() < 0 or faces.max() >= count:
        raise InputError(f"{path}: its faces name vertices that are not there; {WHERE}")
    directions = arrays["shapedirs"]
    first = _SHAPES if directions.shape[-1] >= _SHAPES + N_EXPRESSIONS else _OLD_SHAPES
    parents = arrays["kintree_table"][0].astype(np.int64)
    parents[0] = -1

    def tensor(values: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32))

    return Body(
        tensor(arrays["v_template"]),
        tensor(directions[..., first : first + N_EXPRESSIONS]),
        tensor(arrays["posedirs"].reshape(-1, _POSE_DIRECTIONS).T),
        tensor(arrays["J_regressor"]),
        torch.from_numpy(parents),
        tensor(arrays["weights"]),
        faces,
    )


class BodySkin:
    """A ``Skin`` of the user's body: its vertices go to the card for each picture."""

    def __init__(self, context: Any, body: Body, poses: Poses) -> None:
        self._body, self._poses = body, poses
        self._start, self._block = -1, np.zeros((0, 0, 3), np.float32)
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
        corners = vertices[self._body.faces]  # (N, 3, 3)
        normals = self._around @ np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        self._places.write(np.concatenate([vertices, normals], axis=1).astype("f4").tobytes())
