"""The gesture lexicon as data: gestures, their forms and keys. How a file is written: docs/lexicon.md; its reader: lexicon_file.py.

Positions are (out, up, forward) of the wrist in the chest's frame minus the resting shoulder, in arm lengths of 0.52 m. Key times
are seconds relative to the stroke's apex (t = 0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from raggesture.errors import ConfigError, did_you_mean

Hands = Literal["single", "right", "left", "mirror", "parallel", "alternate"]
Vec = tuple[float, float, float]
PALMS = (
    *("in", "out", "up", "down", "fwd", "back", "in+up", "in+fwd", "in+down", "in+back"),
    *("up+fwd", "up+back", "down+fwd", "down+back", "out+fwd", "out+up", "out+down"),
)
DIRECTIONS: dict[str, Vec] = {
    "in": (-1.0, 0.0, 0.0),
    "out": (1.0, 0.0, 0.0),
    "up": (0.0, 1.0, 0.0),
    "down": (0.0, -1.0, 0.0),
    "fwd": (0.0, 0.0, 1.0),
    "back": (0.0, 0.0, -1.0),
}
"""Directions in the chest's frame of a left hand; names joined by + are summed."""
MAIN_SHARE = 0.6
"""How often a gesture with variants is made in its main form."""
_SCATTER, _RANGE = 2654435761, 1 << 32


def direction(name: str) -> Vec:
    """Sum of the named directions (not of unit length); "" is zero."""
    x, y, z = 0.0, 0.0, 0.0
    for part in name.split("+") if name else ():
        d = DIRECTIONS[part]
        x, y, z = x + d[0], y + d[1], z + d[2]
    return (x, y, z)


@dataclass(frozen=True, slots=True)
class Grip:
    """How a hand is held: palm, shape, and where the fingers point ("" along the arm)."""

    palm: str
    shape: str
    finger: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """A pose of the hand at ``t`` seconds from the stroke.

    ``other``: the second hand's position, None where it mirrors or shadows. ``other_grip``: how that hand is held, None where it is held like the first.
    """

    t: float
    pos: Vec
    grip: Grip
    stop: float
    other: Vec | None = None
    other_grip: Grip | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Of the head in a gesture: ``pitch``, ``yaw``, ``roll`` rad at the stroke (down, left, right positive); so many ``nods`` and ``shakes``."""

    pitch: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0
    nods: float = 0.0
    shakes: float = 0.0


@dataclass(frozen=True, slots=True)
class Form:
    """One way to make a gesture: which hands, their keys, and how long (s) the stroke may be held."""

    hands: Hands
    keys: tuple[Key, ...]
    hold: tuple[float, float]

    @property
    def two_handed(self) -> bool:
        """Both hands take part."""
        return self.hands in ("mirror", "parallel", "alternate")


@dataclass(frozen=True, slots=True)
class Gesture:
    """One entry. ``kind`` is beat, deictic, iconic or metaphoric; ``words`` trigger it; ``senses`` are tags for retrieval.

    ``relations``: beginnings of PDTB senses; where they are given, a word triggers the gesture only as a connective of such a relation.
    ``about``: its form in a sentence; ``source``: literature on the form. ``forms``: the main one first, then the variants.
    ``vary``: relative spread of size and of tempo, and offset in arm lengths. ``gaze``: 0..1, how far the head follows the hand.
    ``shrug``, ``lean``: rad, shoulders up and trunk forward at the stroke. ``additive``: a beat laid over whatever the hands are
    doing. ``free_hand``: share of the gesture that the idle hand shadows.
    """

    name: str
    family: str
    kind: str
    senses: tuple[str, ...]
    words: tuple[str, ...]
    forms: tuple[Form, ...]
    relations: tuple[str, ...] = ()
    about: str = ""
    source: str = ""
    vary_size: float = 0.08
    vary_tempo: float = 0.08
    vary_offset: float = 0.02
    head: Head = field(default=Head())
    gaze: float = 0.0
    shrug: float = 0.0
    lean: float = 0.0
    free_hand: float = 0.35
    additive: bool = False

    @property
    def main(self) -> Form:
        """The form it has where nothing is drawn."""
        return self.forms[0]

    def form(self, variant: int) -> Form:
        """The form of a variant number: the main one six times of ten, else one of the others; the same number, the same form."""
        share = (variant * _SCATTER % _RANGE) / _RANGE
        if len(self.forms) == 1 or share < MAIN_SHARE:
            return self.main
        others = self.forms[1:]
        return others[int((share - MAIN_SHARE) / (1 - MAIN_SHARE) * len(others))]

    def only(self, form: int) -> Gesture:
        """The gesture with one of its forms alone."""
        return replace(self, forms=(self.forms[form],))


@dataclass(frozen=True)
class Lexicon:
    """All gestures, in the order of their files."""

    gestures: tuple[Gesture, ...]

    @cached_property
    def _by_name(self) -> Mapping[str, Gesture]:
        return {gesture.name: gesture for gesture in self.gestures}

    @cached_property
    def _by_word(self) -> Mapping[str, tuple[Gesture, ...]]:
        words = {word for gesture in self.gestures for word in gesture.words}
        return {word: tuple(gesture for gesture in self.gestures if word in gesture.words) for word in words}

    def __getitem__(self, name: str) -> Gesture:
        if name not in self._by_name:
            raise ConfigError(f"gesture {name!r}: not in the lexicon; {did_you_mean(name, self.names)} - correct the name")
        return self._by_name[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all gestures."""
        return tuple(gesture.name for gesture in self.gestures)

    def of_kind(self, kind: str) -> tuple[Gesture, ...]:
        """The gestures of one kind."""
        return tuple(gesture for gesture in self.gestures if gesture.kind == kind)

    def for_word(self, word: str) -> tuple[Gesture, ...]:
        """Gestures that a word (any case) triggers; empty for most words."""
        return self._by_word.get(word.lower(), ())
