"""What the performer is asked for and what it answers: events in, a motion with labelled gestures out. Data only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from raggesture.corpus.clip import GestureLabel
from raggesture.errors import InputError
from raggesture.motion import Motion

Hand = Literal["right", "left", "both"]
__all__ = ["GestureEvent", "GestureLabel", "Hand", "Performance"]
_HANDS: tuple[Hand, ...] = get_args(Hand)


@dataclass(frozen=True, slots=True)
class GestureEvent:
    """One gesture to be made.

    ``gesture`` names an entry of the lexicon (beats too). ``stroke_s`` is the instant of the stroke's apex, usually the
    word's stressed vowel. ``hand`` is the leading hand; ``both`` means the lexicon decides (a one-handed gesture is then
    made with the speaker's dominant hand). ``size`` and ``tempo`` multiply amplitude and speed; ``hold_s`` is the wanted
    length of the post-stroke hold; ``variant`` changes the small random offsets.
    """

    gesture: str
    word: str
    word_start: float
    word_end: float
    stroke_s: float
    hand: Hand = "both"
    size: float = 1.0
    tempo: float = 1.0
    hold_s: float = 0.3
    prominence: float = 1.0
    variant: int = 0

    def __post_init__(self) -> None:
        if self.hand not in _HANDS:
            raise InputError(f"event {self.gesture!r}: hand {self.hand!r}; expected one of {', '.join(_HANDS)} - correct it")
        for name in ("word_start", "word_end", "stroke_s", "size", "tempo", "hold_s", "prominence"):
            value: float = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (name in ("size", "tempo") and value == 0):
                raise InputError(f"event {self.gesture!r}: {name} {value}; expected a finite number that is not negative - correct it")


@dataclass(frozen=True, slots=True, eq=False)
class Performance:
    """A performed speech: ``motion`` at 30 fps and the gestures that were made, in time order.

    An event that could not be made (too close to the one before it) has no label.
    """

    motion: Motion
    labels: tuple[GestureLabel, ...]
