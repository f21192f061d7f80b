"""From windows at 15 fps to one motion at 30 fps, piece by piece: joined, interpolated, arms steadied, hands kept out of the body, feet planted.

However the windows come, the same windows give the same frames; what is kept does not grow with their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from raggesture.body.feet import LOOKAHEAD_S, FootPlanter
from raggesture.body.hands_out import keep_hands_out
from raggesture.body.steady import REACH_S, ArmSteadier
from raggesture.clock import MODEL_FPS, MOTION_FPS
from raggesture.motion import Motion, double_tracks
from raggesture.windows import OVERLAP_FRAMES, GroundTrack, Tracks, WindowJoiner, motion_of_tracks, tracks_of

Interpolation = Literal["spline", "linear"]
_CONTEXT_FRAMES = 12
"""Frames at 15 fps on either side of a new one that its spline is made of; what lies beyond moves it by less than a millionth."""


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """``ground``, ``interpolation``, ``plant_feet``, ``hands_out``, ``steady`` (arms): see ``raggesture.options``.

    The rest trades smoothness for time: ``lookahead_s`` that the feet may wait for (None: all that counts), ``overlap_frames`` of two windows,
    ``context_frames`` of a new frame at 30 fps.
    """

    ground: GroundTrack = "anchored"
    interpolation: Interpolation = "spline"
    plant_feet: bool = True
    lookahead_s: float | None = None
    overlap_frames: int = OVERLAP_FRAMES
    context_frames: int = _CONTEXT_FRAMES
    hands_out: bool = True
    steady: bool = True

    @property
    def delay_s(self) -> float:
        """How long after a window's last frame has been made its last frame is given, at most."""
        feet = 0.0 if not self.plant_feet else LOOKAHEAD_S if self.lookahead_s is None else self.lookahead_s
        arms = REACH_S if self.steady else 0.0
        return (self.overlap_frames + self.context_frames) / MODEL_FPS + arms + feet


class MotionStream:
    """Takes windows in order, gives frames at 30 fps in order.

    Args:
        frames: length of the whole motion in frames at 30 fps, where it is known: nothing is given beyond it.
    """

    def __init__(self, options: StreamOptions, frames: int | None = None) -> None:
        self._options = options
        self._joiner = WindowJoiner(options.ground, options.overlap_frames)
        self._doubler = _Doubler(options.interpolation, options.context_frames)
        self._steadier = ArmSteadier(float(MOTION_FPS)) if options.steady else None
        self._planter = FootPlanter(float(MOTION_FPS), options.lookahead_s) if options.plant_feet else None
        self._frames = frames
        self._sent = 0

    def ends_at(self, frames: int) -> None:
        """The length of the whole motion in frames at 30 fps has become known."""
        self._frames = frames

    def feed(self, window: Motion) -> Motion:
        """Take a window's motion at 15 fps; give what is decided by it (there may be no frame)."""
        return self._given(self._doubler.feed(self._joiner.feed(tracks_of(window))), last=False)

    def end(self) -> Motion:
        """The rest."""
        return self._given(self._doubler.feed(self._joiner.end(), last=True), last=True)

    def _given(self, tracks: Tracks, *, last: bool) -> Motion:
        left = None if self._frames is None else max(0, self._frames - self._sent)
        motion = motion_of_tracks(tracks[:left], float(MOTION_FPS))
        self._sent += motion.frames
        last = last or self._sent == self._frames
        motion = self._steadier.feed(motion, last=last) if self._steadier else motion
        motion = keep_hands_out(motion) if self._options.hands_out else motion
        return self._planter.feed(motion, last=last) if self._planter else motion


class _Doubler:
    """15 to 30 fps, piece by piece."""

    def __init__(self, interpolation: Interpolation, context: int) -> None:
        self._linear = interpolation == "linear"
        self._context = context
        self._buffer: Tracks | None = None
        self._first = self._done = 0

    def feed(self, tracks: Tracks, *, last: bool = False) -> Tracks:
        self._buffer = tracks if self._buffer is None else np.concatenate([self._buffer, tracks])
        end = self._first + len(self._buffer)
        ready = end if last else max(self._done, end - self._context)
        if ready == self._done:
            return self._buffer[:0]
        doubled = double_tracks(self._buffer, 2 * len(self._buffer), released=self._linear)
        given = doubled[2 * (self._done - self._first) : 2 * (ready - self._first)]
        self._done = ready
        keep = max(self._first, ready - self._context)
        self._buffer, self._first = self._buffer[keep - self._first :], keep
        return given
