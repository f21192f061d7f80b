"""The body on which figures are measured: mannequin-x's joints by default, SMPL-X by the user's own file."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.joints import JOINTS_OF_PART
from raggesture.body.skeleton import forward_kinematics
from raggesture.motion import Motion

Floats = NDArray[np.floating]


class Body(Protocol):
    """A body of the mean shape. ``name`` stands in the report, ``sha256`` is of its file ("" where it has none)."""

    @property
    def name(self) -> str:
        """What to call it."""
        ...

    @property
    def sha256(self) -> str:
        """Digest of the file."""
        ...

    @property
    def has_vertices(self) -> bool:
        """Whether ``face`` is in vertices."""
        ...

    def joints(self, motion: Motion) -> NDArray[np.float32]:
        """(F, 55, 3) metres, without translation and expression, as the published evaluator has it."""
        ...

    def face(self, motion: Motion) -> Floats:
        """(F, D) what the face does, everything else at rest: vertices in metres, or jaw and expression numbers."""
        ...


class MannequinBody:
    """mannequin-x's mean joints. It has no face: jaw (rad) and expression coefficients stand for it."""

    name = "mannequin-x mean"
    sha256 = ""
    has_vertices = False

    @torch.no_grad()
    def joints(self, motion: Motion) -> NDArray[np.float32]:
        """See ``Body``."""
        positions, _ = forward_kinematics(torch.from_numpy(np.array(motion.rotations)))
        joints: NDArray[np.float32] = positions.numpy()
        return joints

    def face(self, motion: Motion) -> Floats:
        """(F, 103) jaw and expression."""
        jaw = motion.rotations[:, list(JOINTS_OF_PART["face"])].reshape(motion.frames, -1)
        return np.concatenate([jaw, motion.expression], axis=1)


def open_body(path: Path | None) -> Body:
    """The user's SMPL-X body, or mannequin-x's for None.

    Raises:
        ModelError: the file is missing or is no such body.
    """
    if path is None:
        return MannequinBody()
    from raggesture.body.smplx_body import SmplxBody

    return SmplxBody.of_file(path)
