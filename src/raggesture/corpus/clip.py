"""A clip of a gesture corpus: voice, words, motion and annotations of one take. Data only.

Conventions: seconds from the start of the clip; motion at the model's 15 fps. Source: METHOD part I (a).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raggesture.errors import InputError
from raggesture.motion import Motion
from raggesture.types import GESTURE_KINDS, Relation, Transcript


@dataclass(frozen=True, slots=True)
class GestureLabel:
    """One annotated gesture: its word, kind (one of ``GESTURE_KINDS``), name in a lexicon ("" if unknown) and times.

    The phases are Kendon's: preparation from ``prep_start`` to ``stroke`` (the apex), hold until ``hold_end``, retraction
    (or the way into the next gesture) until ``retract_end``; None where the corpus does not say (BEAT2 does not). ``score`` is BEAT2's
    semantic score of the gesture, 0 where there is none.
    """

    word: str
    kind: str
    gesture: str
    start: float
    end: float
    stroke: float | None = None
    hold_end: float | None = None
    prep_start: float | None = None
    retract_end: float | None = None
    score: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in GESTURE_KINDS:
            raise InputError(f"gesture label {self.word!r}: kind {self.kind!r}; expected one of {', '.join(GESTURE_KINDS)} - correct it")
        if not (math.isfinite(self.start) and math.isfinite(self.end)) or self.end < self.start:
            raise InputError(f"gesture label {self.word!r}: from {self.start} s to {self.end} s; expected start <= end - correct it")

    @property
    def phases(self) -> tuple[float, float, float, float] | None:
        """(prep_start, stroke, hold_end, retract_end) in seconds, or None where one of them is unknown."""
        if self.prep_start is None or self.stroke is None or self.hold_end is None or self.retract_end is None:
            return None
        return (self.prep_start, self.stroke, self.hold_end, self.retract_end)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One take. ``motion`` is at 15 fps; ``prominence[i]`` belongs to ``transcript.words[i]`` (empty: unknown).

    ``derived`` names the pieces the corpus did not hold, which were left empty or may be derived from the voice
    (``relations``, ``prominence``). ``betas`` (300,) is the shape of the body, None where it is not known.
    """

    name: str
    speaker: str
    motion: Motion
    transcript: Transcript
    relations: tuple[Relation, ...] = ()
    labels: tuple[GestureLabel, ...] = ()
    prominence: tuple[float, ...] = ()
    wave_path: Path | None = None
    derived: tuple[str, ...] = ()
    betas: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.prominence and len(self.prominence) != len(self.transcript.words):
            raise InputError(
                f"clip {self.name}: {len(self.prominence)} prominence values for {len(self.transcript.words)} words; expected one a word - derive them again"
            )

    @property
    def duration_s(self) -> float:
        """Seconds of motion."""
        return self.motion.duration_s
