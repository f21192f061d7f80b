"""The user's own SMPL-X body: joints of the mean shape, and the vertices of the face, through the ``smplx`` package.

The package would unpickle what the file holds, so the numbers that are needed are read without pickle and handed on in a file that holds nothing else.
The file is licensed and not part of this program: a missing or wrong one is answered with where to get it.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.joints import JOINTS_OF_PART, N_EXPRESSIONS, N_JOINTS
from raggesture.errors import ModelError
from raggesture.motion import N_BETAS, Motion
from raggesture.resources import sha256_of

WHERE = "SMPLX_NEUTRAL_2020.npz of https://smpl-x.is.tue.mpg.de (registration; free for research, not for commercial use)"
_NEEDED = (
    "v_template", "f", "weights", "shapedirs", "posedirs", "J_regressor", "kintree_table", "hands_meanl", "hands_meanr", "hands_componentsl",
    "hands_componentsr", "lmk_faces_idx", "lmk_bary_coords",
)  # fmt: skip
_HIGHEST_VERTEX = 9_930
"""The package names vertices up to this one."""
_BATCH = 64


def _members(path: Path) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected {WHERE} - register there, accept its licence, download it and name it with --body")
    found: dict[str, NDArray[Any]] = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for key in _NEEDED:
                found[key] = archive[key]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, EOFError, TypeError, AttributeError) as fault:
        raise ModelError(f"{path}: cannot be read as a body ({type(fault).__name__}: {fault}); expected {WHERE} - download it again") from fault
    return found


def _check(path: Path, found: dict[str, NDArray[Any]]) -> None:
    vertices = len(found["v_template"])
    shapes: dict[str, tuple[int | None, ...]] = {
        "v_template": (vertices, 3), "weights": (vertices, N_JOINTS), "shapedirs": (vertices, 3, N_BETAS + N_EXPRESSIONS),
        "posedirs": (vertices, 3, 9 * (N_JOINTS - 1)), "J_regressor": (N_JOINTS, vertices), "kintree_table": (2, N_JOINTS), "f": (None, 3),
    }  # fmt: skip
    for key, shape in shapes.items():
        real = found[key].shape
        if len(real) != len(shape) or any(want is not None and want != size for want, size in zip(shape, real, strict=True)):
            raise ModelError(f"{path}: {key} is {real}; expected {shape}, the body of 2020 with {N_BETAS} shapes and {N_EXPRESSIONS} expressions: {WHERE}")
    if vertices <= _HIGHEST_VERTEX:
        raise ModelError(f"{path}: {vertices} vertices; expected 10475, SMPL-X's - take {WHERE}")


@dataclass(frozen=True, slots=True, eq=False)
class SmplxBody:
    """A neutral body of the mean shape."""

    layer: Any
    name: str
    sha256: str

    @property
    def has_vertices(self) -> bool:
        """It has."""
        return True

    @classmethod
    def of_file(cls, path: Path) -> SmplxBody:
        """Read ``SMPLX_NEUTRAL_2020.npz``. Nothing in it is unpickled.

        Raises:
            ModelError: the file is missing or is no such body; says where to get it and under which licence.
        """
        import smplx

        found = _members(path)
        _check(path, found)
        with tempfile.TemporaryDirectory() as folder:
            plain = {key: array for key, array in found.items() if array.dtype.kind in "fiu"}
            clean = Path(folder, "SMPLX_NEUTRAL.npz")
            with clean.open("wb") as stream:
                np.savez(stream, **plain)  # type: ignore[arg-type]  # a stub takes every keyword for its own
            with torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(io.StringIO()):  # the package talks
                layer = smplx.SMPLXLayer(
                    str(clean), num_betas=N_BETAS, num_expression_coeffs=N_EXPRESSIONS, use_pca=False, flat_hand_mean=True, use_face_contour=False
                )
        return cls(layer.eval(), f"SMPL-X ({path.name})", sha256_of(path))

    @torch.no_grad()
    def joints(self, motion: Motion) -> NDArray[np.float32]:
        """(F, 55, 3) metres, without translation and expression: the package's joints, without skinning the vertices that nobody looks at."""
        import roma
        from smplx.lbs import batch_rigid_transform, vertices2joints

        rest = vertices2joints(self.layer.J_regressor, self.layer.v_template[None])  # (1, 55, 3)
        turns = roma.rotvec_to_rotmat(torch.from_numpy(np.array(motion.rotations)))  # (F, 55, 3, 3)
        placed, _ = batch_rigid_transform(turns, rest.expand(motion.frames, -1, -1), self.layer.parents)
        joints: NDArray[np.float32] = placed.numpy()
        return joints

    @torch.no_grad()
    def face(self, motion: Motion) -> NDArray[np.float32]:
        """(F, 3 V) vertices in metres with only the jaw turned and the expression made."""
        import roma

        jaw = roma.rotvec_to_rotmat(torch.from_numpy(np.array(motion.rotations[:, list(JOINTS_OF_PART["face"])])))
        expression = torch.from_numpy(np.array(motion.expression))
        pieces = []
        for first in range(0, motion.frames, _BATCH):
            at = slice(first, first + _BATCH)
            pieces.append(self.layer(jaw_pose=jaw[at], expression=expression[at], return_verts=True).vertices.numpy())
        return np.concatenate(pieces).reshape(motion.frames, -1) if pieces else np.zeros((0, 3), np.float32)
