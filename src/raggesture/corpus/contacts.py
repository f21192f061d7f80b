"""Which feet stand, by the user's own SMPL-X body with the clip's shape: as the published data set has it.

Without the licensed file ``body.features.foot_contacts`` does the same on the mean body of mannequin-x. The joints of SMPL-X are a linear function of
shape and expression, turned by the pose: the mesh is not needed, so neither is the smplx package's forward pass (which a test compares with).
Source: METHOD part I (a) "Joints and parts", "Contacts".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch
from numpy.typing import NDArray

from raggesture.body.features import CONTACT_DISTANCE_M
from raggesture.body.joints import CONTACT_JOINTS, N_JOINTS, PARENTS
from raggesture.body.smplx_file import read_newest_smplx_file
from raggesture.motion import N_BETAS, Motion

_CHUNK = 2048


@dataclass(frozen=True, slots=True, eq=False)
class SmplxJoints:
    """The joints of an SMPL-X body: ``rest`` (55, 3) m of the mean shape, ``shapes`` (55, 3, 400) m per unit of 300 betas and 100 expressions."""

    rest: NDArray[np.float64]
    shapes: NDArray[np.float64]

    @classmethod
    def of_file(cls, path: Path) -> SmplxJoints:
        """Read ``SMPLX_NEUTRAL_2020.npz``. No pickle is loaded.

        Raises:
            ModelError: the file is missing or is no such body; says where to get it.
        """
        found = read_newest_smplx_file(path)
        regressor = np.asarray(found.J_regressor, np.float64)
        return cls(regressor @ np.asarray(found.v_template, np.float64), np.einsum("jv,vcs->jcs", regressor, np.asarray(found.shapedirs, np.float64)))

    @torch.no_grad()
    def positions(self, motion: Motion, betas: NDArray[np.float32]) -> NDArray[np.float32]:
        """(F, 55, 3) joint positions in metres."""
        done = []
        for start in range(0, motion.frames, _CHUNK):
            piece = motion.cut(slice(start, start + _CHUNK))
            shape = np.concatenate([np.broadcast_to(betas, (piece.frames, N_BETAS)), piece.expression], axis=1)
            rest = torch.from_numpy(self.rest + np.einsum("jcs,fs->fjc", self.shapes, shape))  # (f, 55, 3)
            local = roma.rotvec_to_rotmat(torch.from_numpy(np.array(piece.rotations, np.float64)))
            world, place = [local[:, 0]], [rest[:, 0]]
            for joint in range(1, N_JOINTS):
                parent = PARENTS[joint]
                place.append(place[parent] + (world[parent] @ (rest[:, joint] - rest[:, parent])[..., None])[..., 0])
                world.append(world[parent] @ local[:, joint])
            done.append(torch.stack(place, dim=1).numpy() + piece.translation[:, None])
        return np.concatenate(done).astype(np.float32) if done else np.zeros((0, N_JOINTS, 3), np.float32)

    def contacts(self, motion: Motion, betas: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """(F, 4) of 0 and 1, see ``foot_contacts``: 1 where a joint moves less than 1 cm until the next frame, and in the last frame."""
        feet = self.positions(motion, np.zeros(N_BETAS, np.float32) if betas is None else betas)[:, list(CONTACT_JOINTS)]
        standing = np.ones(feet.shape[:2], np.float32)
        standing[:-1] = np.linalg.norm(np.diff(feet, axis=0), axis=-1) < CONTACT_DISTANCE_M
        return standing
