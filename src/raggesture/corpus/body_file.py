"""The motion of a clip as the models want it: BEAT2's npz at 15 fps, with the body's shape.

Source: METHOD part I (a) "Folder layout", "Frame rate, speakers".
"""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import MODEL_FPS
from raggesture.errors import InputError
from raggesture.motion import N_BETAS, Motion, read_npz

_RATE_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class BodyFile:
    """``motion`` at 15 fps; ``betas`` (300,) float32 of the shape, zeros where the file has none; ``file_fps`` is the file's own rate."""

    motion: Motion
    betas: NDArray[np.float32]
    file_fps: float


def to_model_rate(motion: Motion) -> Motion:
    """Every k-th frame, so that 15 a second are left (k = 2 of BEAT2's 30; nothing is filtered, as in the published data set).

    Raises:
        InputError: the rate is no multiple of 15.
    """
    step = motion.fps / MODEL_FPS
    if not math.isfinite(step) or round(step) < 1 or abs(step - round(step)) > _RATE_TOLERANCE:
        raise InputError(
            f"{motion.fps:g} fps; expected {MODEL_FPS} or a multiple of it (30, 45, 60, 120), whose frames can be taken - resample the motion to 30 fps"
        )
    if round(step) == 1:
        return motion
    kept = slice(None, None, round(step))
    return Motion(motion.rotations[kept], motion.translation[kept], motion.expression[kept], float(MODEL_FPS))


def _betas(path: Path) -> NDArray[np.float32]:
    with np.load(path, allow_pickle=False) as archive:
        if "betas" not in archive:
            return np.zeros(N_BETAS, np.float32)
        found = np.asarray(archive["betas"])
    betas = found[0] if found.ndim == 2 and len(found) else found  # some exports repeat the shape in every frame
    if betas.ndim != 1 or betas.size > N_BETAS or betas.dtype.kind not in "fiu" or not np.isfinite(betas).all():
        raise InputError(f"{path}: betas {found.shape} {found.dtype}; expected at most {N_BETAS} numbers, one shape for the whole clip - export it again")
    return np.concatenate([betas, np.zeros(N_BETAS - betas.size)]).astype(np.float32)


def read_body(path: Path) -> BodyFile:
    """Read a motion file. No pickle is ever loaded.

    Raises:
        InputError: see ``read_npz``; no frames, a rate that is no multiple of 15, or a shape that is none.
    """
    motion = read_npz(path)
    if motion.frames == 0:
        raise InputError(f"{path}: no frames; expected at least one - export it again")
    try:
        return BodyFile(to_model_rate(motion), _betas(path), motion.fps)
    except (ValueError, OSError, zipfile.BadZipFile) as fault:
        raise InputError(f"{path}: its betas cannot be read ({fault}); expected numbers without pickles - export it again") from fault
    except InputError as fault:
        raise InputError(f"{path}: {fault}" if not str(fault).startswith(str(path)) else str(fault)) from fault
