"""The data that goes down the road: speech, cues, queries, hits, placements. Data only, checked on construction.

Seconds are floats from the start of the speech unless a name says otherwise. Arrays are read-only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import SAMPLE_RATE_HZ, seconds_of_samples
from raggesture.errors import InputError, did_you_mean

GESTURE_KINDS = ("beat", "deictic", "iconic", "metaphoric")
"""McNeill's four kinds, the classes of BEAT2's ``sem`` files."""

Bringable = Literal["upper", "hands", "face", "lower", "head", "left-arm", "right-arm"]
"""What of a body a gesture can bring along: the model's four parts, the head (with the neck), or one arm with its hand."""
BRINGABLE: tuple[Bringable, ...] = get_args(Bringable)
PUBLISHED_BRINGS: tuple[Bringable, ...] = ("upper", "hands")
"""Source: METHOD part I (e), only upper body and hands are copied."""


def _check_span(what: str, start: float, end: float) -> None:
    if not (math.isfinite(start) and math.isfinite(end)) or start < 0 or end < start:
        raise InputError(f"{what}: from {start} s to {end} s; expected finite times with 0 <= start <= end - correct it")


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word with its start and end in seconds.

    ``text`` is the bare word (no punctuation around it); ``after`` is the punctuation that followed it where it was written.
    """

    text: str
    start: float
    end: float
    after: str = ""

    def __post_init__(self) -> None:
        _check_span(f"word {self.text!r}", self.start, self.end)


@dataclass(frozen=True, slots=True)
class Transcript:
    """Words in time order; ``source`` says where they came from (``given``, ``aligned``, ``whisper`` ...)."""

    words: tuple[Word, ...]
    language: str = "en"
    source: str = "given"

    def __post_init__(self) -> None:
        for before, after in zip(self.words, self.words[1:], strict=False):
            if after.start < before.start:
                raise InputError(
                    f"transcript: {after.text!r} at {after.start:.3f} s comes after {before.text!r} at "
                    f"{before.start:.3f} s; expected words in time order - sort them"
                )

    @property
    def text(self) -> str:
        """The words joined by single spaces."""
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """A voice and its words. ``wave``: (N,) float32 in [-1, 1] at 16 000 Hz, read-only."""

    name: str
    wave: NDArray[np.float32]
    transcript: Transcript
    speaker: str = ""

    def __post_init__(self) -> None:
        if self.wave.ndim != 1 or self.wave.dtype != np.float32:
            raise InputError(f"speech {self.name!r}: wave {self.wave.shape} {self.wave.dtype}; expected (N,) float32 - use load_speech")
        self.wave.setflags(write=False)

    @property
    def duration_s(self) -> float:
        """Length of the wave in seconds."""
        return seconds_of_samples(self.wave.shape[0], SAMPLE_RATE_HZ)


@dataclass(frozen=True, slots=True)
class Relation:
    """A discourse relation signalled by an explicit connective; ``sense`` is a PDTB-3 sense such as ``Contingency.Cause``.

    ``start``/``end`` span connective and both arguments.
    """

    connective: str
    sense: str
    start: float
    end: float
    connective_start: float
    connective_end: float
    arg1: str = ""
    arg2: str = ""

    def __post_init__(self) -> None:
        _check_span(f"relation {self.connective!r}", self.start, self.end)
        _check_span(f"connective {self.connective!r}", self.connective_start, self.connective_end)


@dataclass(frozen=True, slots=True)
class Cues:
    """What was understood of a speech. ``prominence[i]`` belongs to ``transcript.words[i]``: about 0 to 3, 1 is average-stressed.

    ``stress_s[i]`` is the instant of the word's energy peak (its stressed vowel), where a stroke belongs.
    """

    relations: tuple[Relation, ...] = ()
    prominence: tuple[float, ...] = ()
    stress_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """A word (or connective) that wants a gesture.

    ``kind`` is one of ``GESTURE_KINDS`` or a discourse sense; ``gesture`` names one gesture of a lexicon when a plan or
    a test asks for exactly that one ("" = any of the kind); ``weight`` in [0, 1] is how strongly the exemplar shapes the
    motion; ``stroke`` is the instant the stroke belongs to (None: the middle of the word); ``speaker`` is whose exemplars
    are preferred ("" = no preference); ``parts`` is what of the body the gesture brings along (empty: what the settings say).
    """

    word: str
    kind: str
    start: float
    end: float
    weight: float = 1.0
    gesture: str = ""
    prominence: float | None = None
    stroke: float | None = None
    speaker: str = ""
    parts: tuple[Bringable, ...] = ()

    def __post_init__(self) -> None:
        _check_span(f"query {self.word!r}", self.start, self.end)
        for part in self.parts:
            if part not in BRINGABLE:
                raise InputError(f"query {self.word!r}: part {part!r} is unknown; {did_you_mean(part, BRINGABLE)} - correct it")
        if not 0.0 <= self.weight <= 1.0:
            raise InputError(f"query {self.word!r}: weight {self.weight}; expected a number in [0, 1] - correct it")

    @property
    def stroke_s(self) -> float:
        """Instant the stroke belongs to."""
        return (self.start + self.end) / 2 if self.stroke is None else self.stroke


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A gesture found in an index. Times are seconds in its clip; ``stroke`` is the instant of the stroke's apex.

    ``hand`` is ``left``, ``right``, ``both`` or "" where neither moves; ``derived`` names, by commas, what the corpus did not
    say and was found by the program (``labels``, ``relations``, ``prominence``, ``stroke``, ``words``, ``hands``).
    """

    clip: str
    speaker: str
    word: str
    kind: str
    start: float
    end: float
    stroke: float
    gesture: str = ""
    prominence: float | None = None
    row: int = -1
    hand: str = ""
    derived: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """An exemplar with its score; ``terms`` name the parts of the score and sum to it."""

    query: Query
    exemplar: Exemplar
    score: float
    terms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a hit goes. All in one window of the model.

    ``window``: index of the window. ``target``: chunks of the window that are injected. ``source``: the same chunks of
    the *exemplar's window*, which starts at ``source_frame`` (model frames in the exemplar's clip, may be negative:
    the clip's first frame is repeated). ``shift_frames``: model frames by which the exemplar's stroke will miss the
    query's (0 unless the clip's border forbids).
    """

    hit: Hit
    window: int
    target: slice
    source: slice
    source_frame: int
    shift_frames: int = 0


@dataclass(frozen=True, slots=True)
class Drop:
    """A query that could not be served, and why (for the trace)."""

    query: Query
    reason: str
