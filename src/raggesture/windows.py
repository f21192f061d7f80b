"""Windows over a speech of any length: where they start, what each sees, and how their motions join.

Windows are ten chunks and overlap by one (METHOD part I (f)). Level: data only, no model.
Differs from the released code: a window's translation is anchored where the last window left the body, instead of being
blended back to the origin at each overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.joints import N_JOINTS
from raggesture.body.rotations import axis_angle_to_6d, rot6d_to_axis_angle
from raggesture.clock import CHUNK_FRAMES, MODEL_FPS, WINDOW_CHUNKS, WINDOW_FRAMES, chunks_of_frames, frames_of_seconds
from raggesture.motion import Motion

GroundTrack = Literal["anchored", "origin"]
OVERLAP_CHUNKS = 1
STRIDE_FRAMES = (WINDOW_CHUNKS - OVERLAP_CHUNKS) * CHUNK_FRAMES
OVERLAP_FRAMES = OVERLAP_CHUNKS * CHUNK_FRAMES


def window_starts(duration_s: float) -> tuple[int, ...]:
    """First model frame of every window that a speech of ``duration_s`` needs (at least one)."""
    chunks = max(chunks_of_frames(frames_of_seconds(duration_s, MODEL_FPS)), 1)
    stride = WINDOW_CHUNKS - OVERLAP_CHUNKS
    windows = max(1, -(-(chunks - OVERLAP_CHUNKS) // stride))
    return tuple(STRIDE_FRAMES * k for k in range(windows))


def cut_window(track: NDArray[np.float32], start: int, frames: int = WINDOW_FRAMES) -> NDArray[np.float32]:
    """(frames, C) of a per-frame track (F, C) from ``start``; zeros outside the track."""
    out = np.zeros((frames, track.shape[1]), np.float32)
    first, last = max(start, 0), min(start + frames, track.shape[0])
    if last > first:
        out[first - start : last - start] = track[first:last]
    return out


def _ground_offset(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean x/z difference of two translations (O, 3) over their overlap; the height is never changed."""
    offset: NDArray[np.float32] = (before - after).mean(axis=0)
    offset[1] = 0.0
    return offset


def join_windows(motions: Sequence[Motion], ground: GroundTrack = "anchored") -> Motion:
    """Join window motions at 15 fps, each overlapping the last by one second, into one.

    Rotations are blended in 6D, the rest linearly, with weights that rise from 0 to 1 over the overlap. ``ground`` ``origin`` is the
    released behaviour: no offset, so that each overlap takes the body back to where its window began.
    """
    rot6d = [axis_angle_to_6d(torch.from_numpy(np.array(m.rotations))).reshape(m.frames, -1).numpy() for m in motions]
    tracks = [np.concatenate([r, m.translation, m.expression], axis=1) for r, m in zip(rot6d, motions, strict=True)]  # (F, 330 + 3 + 100)
    at = slice(6 * N_JOINTS, 6 * N_JOINTS + 3)
    rise = np.linspace(0.0, 1.0, OVERLAP_FRAMES, dtype=np.float32)[:, None]
    joined = tracks[0]
    for track in tracks[1:]:
        track = track.copy()
        if ground == "anchored":
            track[:, at] += _ground_offset(joined[-OVERLAP_FRAMES:, at], track[:OVERLAP_FRAMES, at])
        blend = (1 - rise) * joined[-OVERLAP_FRAMES:] + rise * track[:OVERLAP_FRAMES]
        joined = np.concatenate([joined[:-OVERLAP_FRAMES], blend, track[OVERLAP_FRAMES:]])
    rotations = rot6d_to_axis_angle(torch.from_numpy(joined[:, : 6 * N_JOINTS]).reshape(-1, N_JOINTS, 6)).numpy()
    return Motion(rotations, joined[:, at], joined[:, at.stop :], motions[0].fps)
