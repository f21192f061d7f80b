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

from raggesture.body.joints import N_EXPRESSIONS, N_JOINTS
from raggesture.body.rotations import axis_angle_to_6d, rot6d_to_axis_angle
from raggesture.clock import CHUNK_FRAMES, MODEL_FPS, WINDOW_CHUNKS, WINDOW_FRAMES, chunks_of_frames, frames_of_seconds
from raggesture.motion import Motion

GroundTrack = Literal["anchored", "origin"]
Tracks = NDArray[np.float32]
"""(F, 330 + 3 + 100): 55 rotations in 6D, translation (m), expression."""
TRANSLATION = slice(6 * N_JOINTS, 6 * N_JOINTS + 3)
FREE_M, _RETURNED = 0.3, 0.7
"""How far a body may go from where it began, and the share of what is beyond that a window takes back."""
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


def _keep_near(translation: Tracks, overlap: int) -> None:
    """Bring a body that has gone further than ``FREE_M`` from where it began most of the way back, in place, between a window's two overlaps.

    Windows that each go on where the last one ended are a random walk: an hour of them ends metres away. The move begins and ends at rest.
    """
    away = translation[-overlap:, [0, 2]].mean(axis=0)
    distance = float(np.linalg.norm(away))
    if distance <= FREE_M or len(translation) <= 2 * overlap:
        return
    back = -_RETURNED * (1.0 - FREE_M / distance) * away
    u = np.clip((np.arange(len(translation)) - overlap) / (len(translation) - 2 * overlap), 0.0, 1.0)
    eased = u * u * (3 - 2 * u)
    translation[:, [0, 2]] += (eased[:, None] * back).astype(np.float32)


def tracks_of(motion: Motion) -> Tracks:
    """(F, 330 + 3 + 100): rotations in 6D, translation, expression."""
    rot6d = axis_angle_to_6d(torch.from_numpy(np.array(motion.rotations))).reshape(motion.frames, -1).numpy()
    return np.concatenate([rot6d, motion.translation, motion.expression], axis=1)


def motion_of_tracks(tracks: Tracks, fps: float) -> Motion:
    """The motion whose ``tracks_of`` these are; what was blended is made rotations again."""
    rotations = rot6d_to_axis_angle(torch.from_numpy(tracks[:, : TRANSLATION.start]).reshape(-1, N_JOINTS, 6)).numpy()
    return Motion(rotations, tracks[:, TRANSLATION], tracks[:, TRANSLATION.stop :], fps)


class WindowJoiner:
    """Joins windows that come one by one, each overlapping the last.

    Rotations are blended in 6D, the rest linearly, with weights that rise from 0 to 1 over the ``overlap`` (frames). ``anchored`` windows go on
    where the last one ended, and a body that has gone too far comes back slowly. ``origin`` is the released behaviour: no offset, so that each
    overlap takes the body back to where its window began.
    """

    def __init__(self, ground: GroundTrack = "anchored", overlap: int = OVERLAP_FRAMES) -> None:
        self._ground, self._overlap = ground, overlap
        self._pending: Tracks | None = None

    def feed(self, tracks: Tracks) -> Tracks:
        """Take a window's tracks (F, C), the first frames of which are the last of the window before; give those that are final.

        As many of its own last frames wait for the next, or for ``end``.
        """
        tracks, overlap = tracks.copy(), self._overlap
        if self._pending is not None:
            if self._ground == "anchored":
                tracks[:, TRANSLATION] += _ground_offset(self._pending[:, TRANSLATION], tracks[:overlap, TRANSLATION])
            rise = np.linspace(0.0, 1.0, overlap, dtype=np.float32)[:, None]
            tracks[:overlap] = (1 - rise) * self._pending + rise * tracks[:overlap]
        if self._ground == "anchored":
            _keep_near(tracks[:, TRANSLATION], overlap)
        self._pending = tracks[-overlap:]
        return tracks[:-overlap]

    def end(self) -> Tracks:
        """The frames that waited for a next window."""
        pending, self._pending = self._pending, None
        return np.zeros((0, TRANSLATION.stop + N_EXPRESSIONS), np.float32) if pending is None else pending


def join_windows(motions: Sequence[Motion], ground: GroundTrack = "anchored") -> Motion:
    """Join window motions at 15 fps, each overlapping the last by one second, into one (``WindowJoiner``)."""
    joiner = WindowJoiner(ground)
    joined = [joiner.feed(tracks_of(motion)) for motion in motions]
    return motion_of_tracks(np.concatenate([*joined, joiner.end()]), motions[0].fps)
