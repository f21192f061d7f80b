"""Rotation arithmetic on numpy arrays (rotation vectors, matrices, shortest arcs), vectorised over frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def unit(v: Floats) -> Floats:
    """v / |v|, zero stays zero."""
    out: Floats = v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)
    return out


def matrix_of(rotvec: Floats) -> Floats:
    """(..., 3) rad -> (..., 3, 3), Rodrigues."""
    angle = np.linalg.norm(rotvec, axis=-1)[..., None, None]
    x, y, z = rotvec[..., 0], rotvec[..., 1], rotvec[..., 2]
    o = np.zeros_like(x)
    k = np.stack([o, -z, y, z, o, -x, -y, x, o], axis=-1).reshape(*rotvec.shape[:-1], 3, 3)
    small = angle < 1e-6
    safe = np.where(small, 1.0, angle)
    a = np.where(small, 1.0, np.sin(safe) / safe)
    b = np.where(small, 0.5, (1 - np.cos(safe)) / safe**2)
    out: Floats = np.eye(3) + a * k + b * (k @ k)
    return out


def rotvec_of(matrix: Floats) -> Floats:
    """(..., 3, 3) -> (..., 3) rad through the quaternion; angles up to pi."""
    m = matrix
    q = np.stack(
        [
            1 + m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2],
            1 + m[..., 0, 0] - m[..., 1, 1] - m[..., 2, 2],
            1 - m[..., 0, 0] + m[..., 1, 1] - m[..., 2, 2],
            1 - m[..., 0, 0] - m[..., 1, 1] + m[..., 2, 2],
        ],
        axis=-1,
    )
    q = 0.5 * np.sqrt(np.maximum(q, 0))
    signs = np.stack(
        [np.ones_like(q[..., 0]), _sign(m[..., 2, 1] - m[..., 1, 2]), _sign(m[..., 0, 2] - m[..., 2, 0]), _sign(m[..., 1, 0] - m[..., 0, 1])], axis=-1
    )
    q = q * signs
    w, v = q[..., :1], q[..., 1:]
    norm = np.linalg.norm(v, axis=-1, keepdims=True)
    angle = 2 * np.arctan2(norm, w)
    out: Floats = np.where(norm > 1e-9, v / np.maximum(norm, 1e-9) * angle, 2 * v)
    return out


def _sign(v: Floats) -> Floats:
    return np.where(v < 0, -1.0, 1.0)


def about(axis: Floats, angle: Floats) -> Floats:
    """Matrices (..., 3, 3) that turn by ``angle`` (...) about unit ``axis`` (..., 3)."""
    return matrix_of(axis * angle[..., None])


def shortest_arc(a: Floats, b: Floats) -> Floats:
    """Matrices (..., 3, 3) that turn unit a onto unit b the shortest way (a and b not opposite)."""
    a, b = np.broadcast_arrays(a, b)
    axis = np.cross(a, b)
    c = np.sum(a * b, axis=-1)[..., None, None]
    x, y, z = axis[..., 0], axis[..., 1], axis[..., 2]
    o = np.zeros_like(x)
    k = np.stack([o, -z, y, z, o, -x, -y, x, o], axis=-1).reshape(*axis.shape[:-1], 3, 3)
    out: Floats = np.eye(3) + k + (k @ k) / np.maximum(1 + c, 1e-6)
    return out


def apply(matrix: Floats, v: Floats) -> Floats:
    """(..., 3, 3) x (..., 3)."""
    out: Floats = np.einsum("...ij,...j->...i", matrix, v)
    return out


def transposed(matrix: Floats) -> Floats:
    """Inverse of rotations."""
    return np.swapaxes(matrix, -1, -2)
