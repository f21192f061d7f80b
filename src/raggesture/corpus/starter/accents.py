"""What a gesture asks of the rest of the body: nods and shakes, the pose of the head, gaze to the hand and back, a shrug, a lean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.body.smoothing import gaussian_smooth
from raggesture.corpus.starter.plan import Move

Floats = NDArray[np.float64]
_SMOOTH_S = 0.04
_NOD_HZ, _NOD_RAD = 2.1, 0.11
_SHAKE_HZ, _SHAKE_RAD = 1.8, 0.20
_BEFORE_S = 0.30
"""Nods and shakes begin so long before the stroke."""


@dataclass(frozen=True, slots=True, eq=False)
class Accents:
    """Over all frames: ``head`` (F, 3) rad, ``shrug`` and ``lean`` (F,) rad."""

    head: Floats
    shrug: Floats
    lean: Floats


def _bump(time: Floats, start: float, top: float, leave: float, end: float) -> Floats:
    """0 before start, 1 from top to leave, 0 after end, smooth."""
    rise = np.clip((time - start) / max(top - start, 0.05), 0, 1)
    fall = np.clip((end - time) / max(end - leave, 0.05), 0, 1)
    low = np.minimum(rise, fall)
    out: Floats = low**3 * (10 - 15 * low + 6 * low**2)
    return out


def _swing(time: Floats, stroke: float, cycles: float, hz: float) -> Floats:
    """So many swings to both sides, the first extreme near the stroke."""
    if cycles == 0:
        return np.zeros_like(time)
    start, length = stroke - _BEFORE_S, cycles / hz
    window = _bump(time, start, start + 0.25, start + length - 0.1, start + length + 0.25)
    return np.asarray(window * np.sin(2 * np.pi * hz * (time - start)))


def _head(move: Move, time: Floats, shape: Floats) -> Floats:
    """(F, 3) rad of one move, to the left and right as its hand has it."""
    sign = 1.0 if move.side == "left" else -1.0
    head, gaze = move.gesture.head, move.gesture.gaze
    pitch, yaw = head.pitch, head.yaw
    if gaze > 0 and not move.gesture.additive:
        place = move.lead[move.stroke_key]
        look = np.arctan2(place[0] + 0.16, max(place[2], 0.15) + 0.2)
        pitch, yaw = pitch - 0.35 * gaze * place[1], yaw + gaze * 0.5 * look
    out = shape[:, None] * np.array([pitch, sign * yaw, sign * head.roll])
    out[:, 0] += _NOD_RAD * _swing(time, move.stroke, head.nods, _NOD_HZ)
    out[:, 1] += sign * _SHAKE_RAD * _swing(time, move.stroke, head.shakes, _SHAKE_HZ)
    return np.asarray(out)


def accents_of(moves: Sequence[Move], starts: Sequence[float], frames: int, fps: float) -> Accents:
    """Accents of all moves; ``starts`` (s): when each one's preparation begins."""
    time = np.arange(frames) / fps
    out = np.zeros((frames, 5))
    for move, start in zip(moves, starts, strict=True):
        amount = 0.7 + 0.4 * min(move.event.prominence, 2.0)
        if move.gesture.additive:
            shape = _bump(time, move.stroke - 0.26, move.stroke - 0.01, move.stroke + 0.03, move.stroke + 0.36)
        else:
            shape = _bump(time, min(start, move.stroke - 0.3), move.stroke, move.hold_end, move.hold_end + 0.6)
        out[:, :3] += amount * _head(move, time, shape)
        out[:, 3] += move.gesture.shrug * shape
        out[:, 4] += move.gesture.lean * shape
    out = gaussian_smooth(out, _SMOOTH_S * fps)
    return Accents(out[:, :3], out[:, 3], out[:, 4])
