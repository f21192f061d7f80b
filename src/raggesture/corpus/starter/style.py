"""How the speakers of the starter corpus move. Data only: one ``Style`` a speaker.

The voices are flite's; the names are invented. Numbers are multipliers around a middle speaker unless a unit is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rest = Literal["hanging", "waist", "mixed"]


@dataclass(frozen=True, slots=True)
class Style:
    """One speaker's manner.

    Attributes:
        speaker: name, as in the corpus' file names. voice: flite voice; pitch: multiplier of its mean F0.
        handedness: chance that a one-handed gesture is made with the right hand.
        size: of gestures; tempo: speed of gestures; rest: where the hands go between gestures.
        liveliness: amplitude of the trunk's, head's and fingers' slow movement.
        gesture_rate: wanted gestures per second of speech; beat_rate: wanted beats per second.
        stance_s: mean seconds between two steps. lean_rad: forward lean of the trunk. elbow_out: how far the elbows are
        held from the body, m.
    """

    speaker: str
    voice: str
    pitch: float
    handedness: float
    size: float
    tempo: float
    rest: Rest
    liveliness: float
    gesture_rate: float
    beat_rate: float
    stance_s: float = 3.6
    lean_rad: float = 0.0
    elbow_out: float = 0.0


STYLES: tuple[Style, ...] = (
    Style("ada", "slt", 1.00, 0.92, 1.00, 1.00, "waist", 1.00, 0.30, 0.45),
    Style("ben", "rms", 1.00, 0.88, 1.12, 1.05, "mixed", 1.10, 0.34, 0.45, stance_s=3.2),
    Style("cleo", "slt", 1.12, 0.10, 0.90, 1.08, "waist", 0.90, 0.30, 0.50, stance_s=4.6, lean_rad=0.04),
    Style("dan", "awb", 1.00, 0.90, 0.95, 0.95, "hanging", 0.85, 0.26, 0.40, stance_s=2.9, lean_rad=-0.02),
    Style("eve", "slt", 0.92, 0.85, 1.08, 1.00, "mixed", 1.05, 0.32, 0.45, elbow_out=0.02),
    Style("finn", "rms", 0.90, 0.12, 1.05, 0.96, "mixed", 0.95, 0.28, 0.45, stance_s=3.2),
    Style("gus", "awb", 1.10, 0.94, 1.15, 1.05, "waist", 1.12, 0.36, 0.50, stance_s=2.9, lean_rad=0.03, elbow_out=0.03),
    Style("hal", "rms", 1.10, 0.84, 0.92, 1.00, "hanging", 1.00, 0.30, 0.42),
)
"""The speakers of the starter corpus, in the order of their numbers (1, 2, ...)."""


def style_of(speaker: str) -> Style:
    """The style of a starter speaker; the first for a name that is not one of them."""
    return next((style for style in STYLES if style.speaker == speaker), STYLES[0])
