"""Measures of meaning that need annotation or exemplars: semantic relevance, and how much of an injected gesture survives.

Conventions: joints (F, J, 3) metres. Source: METHOD part I (g); SRGR: BEAT (Liu et al. 2022).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raggesture.errors import InputError

NEAR_M = 0.3
_MEAN_SCORE = 0.165


def _same(joints: NDArray[np.floating], reference: NDArray[np.floating]) -> None:
    if joints.shape != reference.shape or joints.ndim != 3 or joints.size == 0:
        raise InputError(f"joints {joints.shape} and {reference.shape}: expected one shape (frames, joints, 3) with frames - cut them to one length")


def srgr(joints: NDArray[np.floating], reference: NDArray[np.floating], score: NDArray[np.floating]) -> float:
    """Mean over frames and joints of score / 0.165 where a joint is within 0.3 m (sum over x, y, z) of the reference, else 0.

    Args:
        score: (F,) semantic score of each frame, 0 where no gesture means anything.

    Raises:
        InputError: shapes that differ, or no frames.
    """
    _same(joints, reference)
    if score.shape != joints.shape[:1]:
        raise InputError(f"score {score.shape}: expected one for each of {joints.shape[0]} frames - interpolate it")
    near = np.abs(joints - reference).sum(axis=-1) < NEAR_M  # (F, J)
    return float((near * score[:, None] / _MEAN_SCORE).mean())


def masked_distance(joints: NDArray[np.floating], other: NDArray[np.floating], mask: NDArray[np.bool_], *, released: bool = False) -> float:
    """Mean distance in metres over the entries of ``mask`` (F, J), each motion relative to its own first pelvis; NaN where the mask is empty.

    Differs from the released code: the mean is over the entries that count. There (``released``) over all, so that the less was injected, the better it seems.

    Raises:
        InputError: shapes that differ, or no frames.
    """
    _same(joints, other)
    if mask.shape != joints.shape[:2]:
        raise InputError(f"mask {mask.shape}: expected {joints.shape[:2]} - one for each joint of each frame")
    if not mask.any():
        return float("nan")
    apart = np.linalg.norm((joints - joints[:1, :1]) - (other - other[:1, :1]), axis=-1)  # (F, J)
    return float((apart * mask).sum(dtype=np.float64) / (apart.size if released else mask.sum()))
