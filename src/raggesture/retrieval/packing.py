"""Tracks of a clip as few bytes: rounded to a stated step, second differences over time, byte planes, zlib.

Lossless after the rounding, so a track read back is off by at most half a step. A track is packed per clip and unpacked
only when a window of that clip is asked for.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from raggesture.errors import InputError, ModelError

ROTATION_STEP_RAD = 2.0**-9
"""A rotation read back is within 0.06 degrees."""
TRANSLATION_STEP_M = 2.0**-12
"""A translation read back is within 0.13 mm."""
EXPRESSION_STEP = 2.0**-7
CONTACT_STEP = 2.0**-8
AUDIO_STEP = 2.0**-8

_LIMIT = 2**28


def pack_track(track: NDArray[np.float32], step: float) -> NDArray[np.uint8]:
    """(F, C) finite numbers -> bytes (uint8) that ``unpack_track`` turns back.

    Raises:
        InputError: a number too large to be written with this step.
    """
    scaled = np.round(track.astype(np.float64) / step)
    if not np.isfinite(scaled).all() or (scaled.size and np.abs(scaled).max() >= _LIMIT):
        raise InputError(f"motion: values of up to {np.abs(track).max():g}; expected finite numbers below {_LIMIT * step:g} - repair the clip")
    padded = np.concatenate([np.zeros((2, track.shape[1]), np.int32), scaled.astype(np.int32)])
    steps = padded[2:] - 2 * padded[1:-1] + padded[:-2]
    folded = ((steps << 1) ^ (steps >> 31)).astype("<u4")  # small for small numbers of either sign
    planes = np.ascontiguousarray(folded.T).view(np.uint8).reshape(-1, 4).T  # (4, C * F)
    return np.frombuffer(zlib.compress(planes.tobytes(), 9), np.uint8)


def unpack_track(packed: NDArray[np.uint8], frames: int, columns: int, step: float) -> NDArray[np.float32]:
    """Turn ``pack_track``'s bytes back into (frames, columns) float32."""
    try:
        planes = np.frombuffer(zlib.decompress(packed.tobytes()), np.uint8)
    except zlib.error as fault:
        raise ModelError(f"index: a packed track does not unpack ({fault}); expected the bytes that were written - build the index again") from fault
    if planes.size != 4 * frames * columns:
        raise ModelError(f"index: a packed track holds {planes.size // 4} numbers; expected {frames} x {columns} - build the index again")
    folded = np.ascontiguousarray(planes.reshape(4, -1).T).view("<u4").reshape(columns, frames).T  # (F, C)
    steps = (folded >> 1).astype(np.int32) ^ -(folded & 1).astype(np.int32)
    rounded = np.cumsum(np.cumsum(steps, axis=0, dtype=np.int64), axis=0)
    return (rounded * step).astype(np.float32)


def pack_vectors(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(n, D) -> int8 (n, D) and a scale per row (n,)."""
    scale = np.abs(vectors).max(axis=1, initial=0.0).astype(np.float32) / np.float32(127)
    safe = np.where(scale > 0, scale, np.float32(1))[:, None]
    return np.round(vectors / safe).astype(np.int8), scale


def unpack_vectors(packed: NDArray[np.int8], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inverse of ``pack_vectors``: (n, D) float32, each number within half a 127th of its row's largest."""
    return packed.astype(np.float32) * scale[:, None]
