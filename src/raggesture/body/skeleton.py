"""Forward kinematics of the 55 SMPL-X joints on the mean body of mannequin-x.

The rest joints are the mannequin-x package's ``smplx_calibration.npz`` (Apache-2.0; baked from SMPL-X by its author), so no
licensed body file is needed. Its 54 rows hold no jaw and no eyes: these three are put at stated offsets from the head (about
where a human's are) and serve only to be drawn. Coordinates: x to the character's left, y up, z forward, metres.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import roma
import torch
from numpy.typing import NDArray
from torch import Tensor

from raggesture.body.joints import N_JOINTS, PARENTS
from raggesture.resources import wheel_file

_HEAD = 15
_FACE_OFFSETS_M = {22: (0.0, -0.01, 0.02), 23: (0.032, 0.07, 0.07), 24: (-0.032, 0.07, 0.07)}


@cache
def rest_joints() -> NDArray[np.float32]:
    """(55, 3) rest joint positions in metres, T-pose, mean body, pelvis near (0, -.35, 0) as in SMPL-X. Read-only."""
    path = wheel_file("mannequin", "assets/smplx_calibration.npz", distribution="mannequin-x")
    with np.load(path, allow_pickle=False) as archive:
        rows = archive["joint_rest"].astype(np.float32)  # (54, 3): 22 body, 2 hand roots, 15 + 15 fingers
    joints = np.concatenate([rows[:22], np.zeros((3, 3), np.float32), rows[24:]])  # (55, 3)
    for joint, offset in _FACE_OFFSETS_M.items():
        joints[joint] = joints[_HEAD] + np.asarray(offset, np.float32)
    joints.setflags(write=False)
    return joints


def forward_kinematics(rotations: Tensor, translation: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Joint positions and global rotations.

    Args:
        rotations: (..., 55, 3) axis-angle rad. translation: (..., 3) m, added to every joint (SMPL-X's ``transl``).
    Returns:
        positions (..., 55, 3) m and global rotation matrices (..., 55, 3, 3). Differentiable.
    """
    local = roma.rotvec_to_rotmat(rotations)
    rest = torch.from_numpy(np.array(rest_joints())).to(rotations)
    world: list[Tensor] = [local[..., 0, :, :]]
    place: list[Tensor] = [rest[0].expand((*rotations.shape[:-2], 3))]
    for joint in range(1, N_JOINTS):
        parent = PARENTS[joint]
        place.append(place[parent] + (world[parent] @ (rest[joint] - rest[parent])))
        world.append(world[parent] @ local[..., joint, :, :])
    positions = torch.stack(place, dim=-2)
    if translation is not None:
        positions = positions + translation[..., None, :]
    return positions, torch.stack(world, dim=-3)
