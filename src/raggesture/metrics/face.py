"""How far a face is from the reference's: squared error and difference of velocity. Source: METHOD part I (g) "l2", "lvel", part II 41."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raggesture.errors import InputError


def _same(face: NDArray[np.floating], reference: NDArray[np.floating]) -> None:
    if face.shape != reference.shape or face.ndim != 2 or len(face) < 2:
        raise InputError(f"faces {face.shape} and {reference.shape}: expected one shape (frames, numbers) with two frames or more - cut them to one length")


def face_mse(face: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """Mean squared error of (F, D) vertices (m^2) or face numbers.

    Raises:
        InputError: shapes that differ, or under two frames.
    """
    _same(face, reference)
    return float(((face - reference) ** 2).mean(dtype=np.float64))


def face_lvd(face: NDArray[np.floating], reference: NDArray[np.floating], *, released: bool = False) -> float:
    """Mean absolute difference of frame-to-frame differences of (F, D).

    Differs from the released code: each face's own differences. There (``released``) the reference's last frame is taken off both, which makes it the mean
    absolute error.

    Raises:
        InputError: shapes that differ, or under two frames.
    """
    _same(face, reference)
    before = reference[:-1] if released else face[:-1]
    return float(np.abs((face[1:] - before) - (reference[1:] - reference[:-1])).mean(dtype=np.float64))
