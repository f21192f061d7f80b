"""The retrieved exemplars as the page carries them: all in one pair of tracks, at about 15 frames a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raggesture.body.joints import N_JOINTS
from raggesture.errors import InputError
from raggesture.export.tracks import ROTATION_QUANTUM_RAD, TRANSLATION_QUANTUM_M, Track, quantised
from raggesture.motion import Motion
from raggesture.plugins.hookspecs import Ghost

_ENOUGH_FPS = 20.0
"""From twice this on, frames are left out: a ghost is looked at for how it moves, not for its last detail."""


@dataclass(frozen=True, slots=True)
class GhostTracks:
    """``rows`` are (placement, frames a second, first column, columns) of each ghost in the two tracks."""

    rows: tuple[tuple[int, float, int, int], ...]
    rotations: Track
    translation: Track


def ghost_tracks(ghosts: Sequence[Ghost], placements: int) -> GhostTracks | None:
    """The exemplars of a trace with that many placements, or None where there are none.

    Raises:
        InputError: a ghost of no placement, of one that has a ghost already, or without frames.
    """
    if not ghosts:
        return None
    rows: list[tuple[int, float, int, int]] = []
    kept: list[Motion] = []
    column = 0
    for number, ghost in enumerate(ghosts, start=1):
        _check(ghost, number, placements, {row[0] for row in rows})
        step = max(1, int(ghost.motion.fps / _ENOUGH_FPS + 0.5))
        motion = Motion(ghost.motion.rotations[::step], ghost.motion.translation[::step], ghost.motion.expression[::step], ghost.motion.fps / step)
        rows.append((ghost.placement, motion.fps, column, motion.frames))
        kept.append(motion)
        column += motion.frames
    rotations = np.concatenate([motion.rotations.reshape(motion.frames, 3 * N_JOINTS) for motion in kept])
    translation = np.concatenate([motion.translation for motion in kept])
    return GhostTracks(tuple(rows), quantised(rotations, ROTATION_QUANTUM_RAD), quantised(translation, TRANSLATION_QUANTUM_M))


def _check(ghost: Ghost, number: int, placements: int, taken: set[int]) -> None:
    if not 0 <= ghost.placement < placements:
        raise InputError(f"ghost {number}: placement {ghost.placement}; expected a row of the trace's {placements} placements - correct it")
    if ghost.placement in taken:
        raise InputError(f"ghost {number}: placement {ghost.placement} has a ghost already; expected one for each - leave one out")
    if ghost.motion.frames == 0:
        raise InputError(f"ghost {number}: 0 frames; expected those of its slot - leave it out")
