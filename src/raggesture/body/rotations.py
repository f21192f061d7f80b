"""Axis-angle, matrices and 6D for whole poses (thin over roma), and interpolation between frame rates.

6D is the first two **rows** of the rotation matrix, flattened (METHOD part I, "Rotations").
Differs from the released code: matrices near an angle of pi keep the signs of their axis (roma's conversion), and a zero
6D vector is not turned into a zero matrix.
"""

from __future__ import annotations

import roma
import torch
from torch import Tensor


def axis_angle_to_6d(rotations: Tensor) -> Tensor:
    """(..., 3) radians -> (..., 6)."""
    matrix: Tensor = roma.rotvec_to_rotmat(rotations)
    return matrix[..., :2, :].flatten(-2)


def rot6d_to_matrix(rot6d: Tensor) -> Tensor:
    """(..., 6) -> (..., 3, 3) by Gram-Schmidt on the two rows. Source: Zhou et al. 2019, "On the continuity of rotation representations"."""
    first, second = rot6d[..., :3], rot6d[..., 3:]
    row0 = torch.nn.functional.normalize(first, dim=-1, eps=1e-12)
    row1 = torch.nn.functional.normalize(second - (row0 * second).sum(-1, keepdim=True) * row0, dim=-1, eps=1e-12)
    return torch.stack((row0, row1, torch.linalg.cross(row0, row1)), dim=-2)


def rot6d_to_axis_angle(rot6d: Tensor) -> Tensor:
    """(..., 6) -> (..., 3) radians, angle in [0, pi]."""
    rotations: Tensor = roma.rotmat_to_rotvec(rot6d_to_matrix(rot6d))
    return rotations


def interpolate_double(values: Tensor) -> Tensor:
    """Double the frame rate of (F, D) linearly, half-sample centred: output j lies at input (j + 0.5) / 2 - 0.5, clamped.

    Source: METHOD part I (g) "15 -> 30 fps".
    """
    doubled = torch.nn.functional.interpolate(values.T[None], scale_factor=2, mode="linear", align_corners=False)
    return doubled[0].T
