"""What a plan file holds. The dataclasses here *are* the schema: their fields are the keys of the file, their constraints its rules.

Seconds are from the start of the speech, except an exemplar's, which are seconds in its clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from raggesture.types import Bringable

SCHEMA = 1
_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
Seconds = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class PlanExemplar:
    """A gesture of the index. ``clip`` and ``stroke`` say which; the rest is for reading."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    clip: str
    stroke: Seconds
    start: Seconds | None = None
    end: Seconds | None = None
    word: str = ""
    kind: str = ""
    gesture: str = ""
    speaker: str = ""
    score: float | None = None


@dataclass(frozen=True, slots=True)
class PlanGesture:
    """A gesture on a word.

    Left out (None): ``start`` and ``end`` are looked up in the transcript, ``stroke`` is the word's stressed vowel, ``slot`` (whole seconds that are
    injected) is placed anew, ``exemplar`` is the retriever's best. ``shift_s`` moves the stroke, earlier is negative. ``parts`` empty: what the
    settings say. ``use``: 0 is ``exemplar``, n the n-th of ``other``.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    word: str
    kind: str
    gesture: str = ""
    start: Seconds | None = None
    end: Seconds | None = None
    stroke: Seconds | None = None
    shift_s: float = 0.0
    weight: Annotated[float, Field(ge=0, le=1)] = 1.0
    parts: tuple[Bringable, ...] = ()
    slot: tuple[Seconds, Seconds] | None = None
    prominence: float | None = None
    use: Annotated[int, Field(ge=0)] = 0
    exemplar: PlanExemplar | None = None
    other: tuple[PlanExemplar, ...] = ()

    @property
    def chosen(self) -> PlanExemplar | None:
        """The exemplar that ``use`` points at; None: the retriever's best."""
        return self.other[self.use - 1] if self.use else self.exemplar


@dataclass(frozen=True, slots=True)
class PlanDropped:
    """What was asked for and could not be placed: for reading only."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    word: str = ""
    kind: str = ""
    start: Seconds | None = None
    end: Seconds | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PlanSpeech:
    """The recording that the plan is for; ``sha256`` as ``speech.sha256`` of the trace."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: str
    duration_s: Seconds
    sha256: Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class PlanMade:
    """What the plan was made with; "" where that is not said."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    retriever: str = ""
    model: str = ""
    model_sha256: str = ""
    index: str = ""
    index_sha256: str = ""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A whole plan; gestures are numbered from 1 in messages, in the file's order."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    speech: PlanSpeech
    made: PlanMade = PlanMade()
    gesture: tuple[PlanGesture, ...] = ()
    dropped: tuple[PlanDropped, ...] = ()
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True)
class GivenPlan:
    """A plan that was given to be followed. ``where`` is what messages call it; ``sha256`` is of its file."""

    where: str
    file: PlanFile
    sha256: str = ""

    def at(self, number: int) -> str:
        """Address of a gesture, counted from 0 here and from 1 in messages."""
        return f"{self.where}: gesture {number + 1}"


def seconds(value: float) -> str:
    """Seconds as messages show them: at most three decimals, no zeros at the end."""
    return f"{value:.3f}".rstrip("0").rstrip(".") + " s"
