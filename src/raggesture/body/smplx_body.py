"""The user's own SMPL-X body: joints of the mean shape, and the vertices of the face, through the ``smplx`` package.

The package would unpickle what the file holds, so the numbers that are needed are read without pickle (``smplx_file``) and handed on in a file that holds
nothing else.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.joints import JOINTS_OF_PART, N_EXPRESSIONS
from raggesture.body.smplx_file import PACKAGE_ARRAYS, SmplxFile, read_newest_smplx_file, wrong
from raggesture.motion import N_BETAS, Motion
from raggesture.resources import sha256_of

_HIGHEST_VERTEX = 9_930
"""The package names vertices up to this one."""
_BATCH = 64


def _read(path: Path) -> SmplxFile:
    """The file with all that the package wants, of the size that it takes for granted."""
    found = read_newest_smplx_file(path, also=PACKAGE_ARRAYS)
    vertices = len(found.v_template)
    if vertices <= _HIGHEST_VERTEX:
        raise wrong(path, f"{vertices} vertices, not SMPL-X's 10475")
    return found


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

        found = _read(path)
        with tempfile.TemporaryDirectory() as folder:
            clean = Path(folder, "SMPLX_NEUTRAL.npz")
            with clean.open("wb") as stream:
                np.savez(stream, **found.by_name())  # type: ignore[arg-type]  # a stub takes every keyword for its own
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
