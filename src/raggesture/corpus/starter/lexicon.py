"""The gesture lexicon: TOML data files checked and turned into keys.

Form of a file: tables ``[gesture.NAME]`` with ``kind``, ``senses``, ``words``, ``hands``, ``hold``, optional ``vary``, ``head``,
``gaze``, ``free_hand`` and either ``[[gesture.NAME.key]]`` entries or one ``[gesture.NAME.path]``. Positions are
(out, up, forward) of the wrist in the chest's frame minus the resting shoulder, in arm lengths of 0.52 m. Key times are
seconds relative to the stroke's apex (t = 0).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import tomli

from raggesture.errors import ConfigError
from raggesture.types import GESTURE_KINDS

Hands = Literal["single", "right", "left", "mirror", "parallel", "alternate"]
Vec = tuple[float, float, float]
PALMS = ("in", "out", "up", "down", "fwd", "back", "in+up", "in+fwd", "in+down", "up+fwd", "down+fwd", "out+fwd", "out+up", "out+down")
SHAPES = ("relaxed", "flat", "spread", "cup", "fist", "point", "pinch", "thumb", "ring", "two")
PATHS = ("arc", "circle", "line", "zigzag", "bounce")
_STEPS = 9
DIRECTIONS: dict[str, Vec] = {
    "in": (-1.0, 0.0, 0.0),
    "out": (1.0, 0.0, 0.0),
    "up": (0.0, 1.0, 0.0),
    "down": (0.0, -1.0, 0.0),
    "fwd": (0.0, 0.0, 1.0),
    "back": (0.0, 0.0, -1.0),
}
"""Directions in the chest's frame of a left hand; names joined by + are summed."""


def direction(name: str) -> Vec:
    """Sum of the named directions (not of unit length); "" is zero."""
    x, y, z = 0.0, 0.0, 0.0
    for part in name.split("+") if name else ():
        d = DIRECTIONS[part]
        x, y, z = x + d[0], y + d[1], z + d[2]
    return (x, y, z)


@dataclass(frozen=True, slots=True)
class Key:
    """A pose of the hand at ``t`` seconds from the stroke.

    ``other``: the second hand's position, None where it mirrors or shadows. ``finger``: where the fingers point, "" along the arm.
    """

    t: float
    pos: Vec
    palm: str
    shape: str
    stop: float
    other: Vec | None = None
    finger: str = ""


@dataclass(frozen=True, slots=True)
class Gesture:
    """One entry. ``kind`` is beat, deictic, iconic or metaphoric; ``words`` trigger it; ``senses`` are tags for retrieval.

    ``vary``: relative spread of size and of tempo, and offset in arm lengths. ``head``: (pitch, yaw, roll) rad at the stroke,
    down, left and right positive. ``gaze``: 0..1, how far the head follows the hand. ``additive``: a beat laid over whatever
    the hands are doing. ``free_hand``: share of the gesture that the idle hand shadows.
    """

    name: str
    kind: str
    senses: tuple[str, ...]
    words: tuple[str, ...]
    hands: Hands
    keys: tuple[Key, ...]
    hold: tuple[float, float]
    vary_size: float = 0.08
    vary_tempo: float = 0.08
    vary_offset: float = 0.02
    head: Vec = (0.0, 0.0, 0.0)
    gaze: float = 0.0
    free_hand: float = 0.35
    additive: bool = False

    @property
    def two_handed(self) -> bool:
        """Both hands take part."""
        return self.hands in ("mirror", "parallel", "alternate")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All gestures, in name order within the files."""

    gestures: tuple[Gesture, ...]

    def __getitem__(self, name: str) -> Gesture:
        for gesture in self.gestures:
            if gesture.name == name:
                return gesture
        raise ConfigError(f"gesture {name!r}: not in the lexicon; expected one of {', '.join(g.name for g in self.gestures)} - correct the name")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all gestures."""
        return tuple(gesture.name for gesture in self.gestures)

    def of_kind(self, kind: str) -> tuple[Gesture, ...]:
        """The gestures of one kind."""
        return tuple(gesture for gesture in self.gestures if gesture.kind == kind)

    def for_word(self, word: str) -> tuple[Gesture, ...]:
        """Gestures that a word (any case) triggers; empty for most words."""
        word = word.lower()
        return tuple(gesture for gesture in self.gestures if word in gesture.words)


def _fail(where: str, found: object, expected: str) -> ConfigError:
    return ConfigError(f"{where}: {found!r}; expected {expected} - correct the lexicon file")


def _vec(where: str, value: Any) -> Vec:
    if not isinstance(value, list) or len(value) != 3 or not all(isinstance(v, (int, float)) and math.isfinite(v) for v in value):
        raise _fail(where, value, "three numbers")
    return (float(value[0]), float(value[1]), float(value[2]))


def _choice(where: str, value: Any, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise _fail(where, value, "one of " + ", ".join(allowed))
    return str(value)


def _number(where: str, value: Any, low: float, high: float) -> float:
    if not isinstance(value, (int, float)) or not low <= value <= high:
        raise _fail(where, value, f"a number from {low} to {high}")
    return float(value)


def _key(where: str, table: Mapping[str, Any]) -> Key:
    other = table.get("other")
    return Key(
        t=_number(f"{where}.t", table.get("t"), -1.5, 2.0),
        pos=_vec(f"{where}.pos", table.get("pos")),
        palm=_choice(f"{where}.palm", table.get("palm"), PALMS),
        shape=_choice(f"{where}.shape", table.get("shape"), SHAPES),
        stop=_number(f"{where}.stop", table.get("stop", 0.0), 0.0, 1.0),
        other=None if other is None else _vec(f"{where}.other", other),
        finger=_choice(f"{where}.finger", table.get("finger", ""), ("", *PALMS)),
    )


def _along(kind: str, u: float, turns: float) -> float:
    """Sideways displacement (in units of ``bulge``) of a path at u in [0, 1]; circles are handled by the caller."""
    if kind == "arc":
        return math.sin(math.pi * u)
    if kind == "zigzag":
        return math.sin(2 * math.pi * turns * u)
    if kind == "bounce":
        return abs(math.sin(math.pi * turns * u))
    return 0.0


def _path_point(kind: str, u: float, ends: tuple[Vec, Vec], bulge: Vec, second: Vec, turns: float) -> Vec:
    if kind == "circle":  # ends[0] is the centre, bulge and second the half axes
        angle = 2 * math.pi * turns * u
        return _add(ends[0], _add(_scale(bulge, math.cos(angle)), _scale(second, math.sin(angle))))
    middle = _add(_scale(ends[0], 1 - u), _scale(ends[1], u))
    return _add(middle, _scale(bulge, _along(kind, u, turns)))


def _add(a: Vec, b: Vec) -> Vec:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def _scale(a: Vec, k: float) -> Vec:
    return (a[0] * k, a[1] * k, a[2] * k)


def _path(where: str, table: Mapping[str, Any], hands: str) -> tuple[Key, ...]:
    """Sample a path into keys: ``from``, ``to`` (or ``centre``), ``bulge``, ``second``, ``turns``, ``t`` = [first, last].

    The other hand of an alternate gesture runs ``phase`` of a turn ahead.
    """
    kind = _choice(f"{where}.kind", table.get("kind"), PATHS)
    start = _vec(f"{where}.from", table.get("from", table.get("centre")))
    end = _vec(f"{where}.to", table.get("to", table.get("centre", table.get("from"))))
    bulge, second = (_vec(f"{where}.{name}", table.get(name, [0.0, 0.0, 0.0])) for name in ("bulge", "second"))
    turns = _number(f"{where}.turns", table.get("turns", 1.0), -5, 5)
    times = table.get("t")
    if not isinstance(times, list) or len(times) != 2 or not times[0] < times[1]:
        raise _fail(f"{where}.t", times, "[first, last] in seconds from the stroke")
    palm, shape = _choice(f"{where}.palm", table.get("palm"), PALMS), _choice(f"{where}.shape", table.get("shape"), SHAPES)
    phase = _number(f"{where}.phase", table.get("phase", 0.5), -1, 1)
    stop = _number(f"{where}.stop", table.get("stop", 0.8), 0, 1)
    steps = max(_STEPS, int(8 * abs(turns)) + 1)
    keys = []
    for k in range(steps):
        u = k / (steps - 1)
        point = _path_point(kind, u, (start, end), bulge, second, turns)
        other = None
        if hands == "alternate":
            shifted = u + phase / max(abs(turns), 1e-6)
            other = _path_point(kind, shifted, (start, end), bulge, second, turns)
        keys.append(Key(times[0] + u * (times[1] - times[0]), point, palm, shape, stop if k in (0, steps - 1) else 0.0, other))
    return tuple(keys)


def _gesture(name: str, table: Mapping[str, Any]) -> Gesture:
    where = f"gesture.{name}"
    hands = _choice(f"{where}.hands", table.get("hands"), get_args(Hands))
    if "path" in table:
        keys = _path(f"{where}.path", table["path"], hands)
    else:
        keys = tuple(_key(f"{where}.key[{k}]", entry) for k, entry in enumerate(table.get("key", [])))
    if not keys or any(a.t >= b.t for a, b in pairwise(keys)):
        raise _fail(f"{where}.key", [key.t for key in keys], "at least one key, in rising order of t")
    hold = table.get("hold", [0.1, 0.4])
    vary, head = table.get("vary", {}), table.get("head", {})
    return Gesture(
        name=name,
        kind=_choice(f"{where}.kind", table.get("kind"), GESTURE_KINDS),
        senses=tuple(table.get("senses", [])),
        words=tuple(str(word).lower() for word in table.get("words", [])),
        hands=hands,  # type: ignore[arg-type]  # checked by _choice
        keys=keys,
        hold=(_number(f"{where}.hold[0]", hold[0], 0, 3), _number(f"{where}.hold[1]", hold[1], hold[0], 3)),
        vary_size=_number(f"{where}.vary.size", vary.get("size", 0.08), 0, 0.5),
        vary_tempo=_number(f"{where}.vary.tempo", vary.get("tempo", 0.08), 0, 0.5),
        vary_offset=_number(f"{where}.vary.offset", vary.get("offset", 0.02), 0, 0.2),
        head=tuple(_number(f"{where}.head.{axis}", head.get(axis, 0.0), -1, 1) for axis in ("pitch", "yaw", "roll")),  # type: ignore[arg-type]  # three of them
        gaze=_number(f"{where}.gaze", table.get("gaze", 0.0), 0, 1),
        free_hand=_number(f"{where}.free_hand", table.get("free_hand", 0.35), 0, 1),
        additive=bool(table.get("additive", False)),
    )


def read_lexicon(paths: Sequence[Path]) -> Lexicon:
    """Read lexicon files.

    Raises:
        ConfigError: a file is not TOML, or an entry is not of the stated form (names the entry).
    """
    gestures: dict[str, Gesture] = {}
    for path in paths:
        try:
            tables = tomli.loads(path.read_text("utf-8"))
        except (OSError, tomli.TOMLDecodeError, UnicodeDecodeError) as fault:
            raise ConfigError(f"{path}: cannot be read as TOML ({fault}); expected a gesture lexicon - correct it") from fault
        for name, table in tables.get("gesture", {}).items():
            if name in gestures:
                raise ConfigError(f"{path}: gesture {name!r} is defined twice; expected one entry - rename one")
            gestures[name] = _gesture(name, table)
    return Lexicon(tuple(gestures.values()))


@cache
def load_lexicon() -> Lexicon:
    """The lexicon that comes with the program."""
    return read_lexicon(sorted((Path(__file__).parent / "lexicon").glob("*.toml")))
