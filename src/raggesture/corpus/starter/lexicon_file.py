"""Reads lexicon files: one TOML file a family, everything checked, faults named by file, gesture and field. The form: docs/lexicon.md."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path as FilePath
from typing import Any, get_args

import tomli

from raggesture.corpus.starter.hands import SHAPES
from raggesture.corpus.starter.lexicon import PALMS, Form, Gesture, Grip, Hands, Head, Key, Lexicon, Vec
from raggesture.corpus.starter.lexicon_path import PATHS, Path
from raggesture.errors import ConfigError
from raggesture.types import GESTURE_KINDS

_GESTURE_FIELDS = frozenset(
    (
        *("kind", "senses", "words", "relations", "about", "source", "hands", "hold", "vary", "head", "gaze", "shrug", "lean"),
        *("free_hand", "additive", "key", "path", "also", "variant"),
    )
)
_KEY_FIELDS = frozenset(("t", "pos", "palm", "shape", "finger", "stop", "other", "other_palm", "other_shape", "other_finger"))
_PATH_FIELDS = frozenset(("kind", "from", "to", "centre", "bulge", "second", "turns", "t", "palm", "shape", "finger", "phase", "stop"))
_VARIANT_FIELDS = frozenset(("hands", "hold", "key", "path"))
_APART_S = 0.04
"""Nearer keys would be moved apart, and the gesture with them."""
_REACH = 1.0
"""No place is farther from the shoulder, in arm lengths: the elbow stays bent a little."""


def _fail(where: str, found: object, expected: str) -> ConfigError:
    return ConfigError(f"{where}: {found!r}; expected {expected} - correct the lexicon file")


def _table(where: str, value: Any, known: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _fail(where, value, "a table")
    for name in value:
        if name not in known:
            raise _fail(f"{where}.{name}", value[name], f"one of the fields {', '.join(sorted(known))}")
    return value


def _vec(where: str, value: Any) -> Vec:
    if not isinstance(value, list) or len(value) != 3 or not all(isinstance(v, (int, float)) and math.isfinite(v) for v in value):
        raise _fail(where, value, "three numbers")
    return (float(value[0]), float(value[1]), float(value[2]))


def _choice(where: str, value: Any, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise _fail(where, value, "one of " + ", ".join(allowed))
    return str(value)


def _number(where: str, value: Any, low: float, high: float) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
        raise _fail(where, value, f"a number from {low} to {high}")
    return float(value)


def _strings(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise _fail(where, value, "a list of words")
    return tuple(value)


def _place(where: str, value: Any, *, additive: bool) -> Vec:
    place = _vec(where, value)
    if not additive and math.hypot(*place) > _REACH + 0.1:
        raise _fail(where, value, f"a place within {_REACH + 0.1:g} arm lengths of the shoulder")
    return place


def _grip(where: str, table: Mapping[str, Any], prefix: str = "") -> Grip:
    return Grip(
        palm=_choice(f"{where}.{prefix}palm", table.get(f"{prefix}palm"), PALMS),
        shape=_choice(f"{where}.{prefix}shape", table.get(f"{prefix}shape"), SHAPES),
        finger=_choice(f"{where}.{prefix}finger", table.get(f"{prefix}finger", ""), ("", *PALMS)),
    )


def _key(where: str, value: Any, *, additive: bool) -> Key:
    table = _table(where, value, _KEY_FIELDS)
    grip = _grip(where, table)
    own = {name.removeprefix("other_"): table[name] for name in ("other_palm", "other_shape", "other_finger") if name in table}
    other = table.get("other")
    return Key(
        t=_number(f"{where}.t", table.get("t"), -1.5, 2.0),
        pos=_place(f"{where}.pos", table.get("pos"), additive=additive),
        grip=grip,
        stop=_number(f"{where}.stop", table.get("stop", 0.0), 0.0, 1.0),
        other=None if other is None else _place(f"{where}.other", other, additive=additive),
        other_grip=_grip(f"{where}.other", {"palm": grip.palm, "shape": grip.shape, "finger": grip.finger, **own}) if own else None,
    )


def _path(where: str, value: Any, hands: str) -> tuple[Key, ...]:
    """Sample a path into keys: ``from``, ``to`` (or ``centre``), ``bulge``, ``second``, ``turns``, ``t`` = [first, last].

    The other hand of an alternate gesture runs ``phase`` of a turn ahead.
    """
    table = _table(where, value, _PATH_FIELDS)
    path = Path(
        kind=_choice(f"{where}.kind", table.get("kind"), PATHS),
        start=_vec(f"{where}.from", table.get("from", table.get("centre"))),
        end=_vec(f"{where}.to", table.get("to", table.get("centre", table.get("from")))),
        bulge=_vec(f"{where}.bulge", table.get("bulge", [0.0, 0.0, 0.0])),
        second=_vec(f"{where}.second", table.get("second", [0.0, 0.0, 0.0])),
        turns=_number(f"{where}.turns", table.get("turns", 1.0), -5, 5),
    )
    times = table.get("t")
    if not isinstance(times, list) or len(times) != 2 or not times[0] < times[1]:
        raise _fail(f"{where}.t", times, "[first, last] in seconds from the stroke")
    first, last = (_number(f"{where}.t", t, -1.5, 2.0) for t in times)
    grip = _grip(where, table)
    phase = _number(f"{where}.phase", table.get("phase", 0.5), -1, 1)
    stop = _number(f"{where}.stop", table.get("stop", 0.8), 0, 1)
    keys = []
    for k in range(path.steps):
        u = k / (path.steps - 1)
        other = path.at(u + phase / max(abs(path.turns), 1e-6)) if hands == "alternate" else None
        keys.append(Key(first + u * (last - first), path.at(u), grip, stop if k in (0, path.steps - 1) else 0.0, other))
    return tuple(keys)


def _form(where: str, table: Mapping[str, Any], hold: Any, *, additive: bool) -> Form:
    hands = _choice(f"{where}.hands", table.get("hands"), get_args(Hands))
    if "path" in table and "key" in table:
        raise _fail(f"{where}.path", table["path"], "keys or a path, not both")
    if "path" in table:
        keys = _path(f"{where}.path", table["path"], hands)
    else:
        keys = tuple(_key(f"{where}.key[{k}]", entry, additive=additive) for k, entry in enumerate(table.get("key", [])))
    if not keys or any(b.t - a.t < _APART_S for a, b in pairwise(keys)):
        raise _fail(f"{where}.key", [round(key.t, 3) for key in keys], f"at least one key, in rising order of t, {_APART_S * 1000:g} ms apart or more")
    if hands == "alternate" and any(key.other is None for key in keys):
        raise _fail(f"{where}.key", hands, "a place 'other' in every key of an alternate gesture")
    if not isinstance(hold, list) or len(hold) != 2:
        raise _fail(f"{where}.hold", hold, "[least, most] in seconds")
    least = _number(f"{where}.hold[0]", hold[0], 0, 3)
    return Form(hands, keys, (least, _number(f"{where}.hold[1]", hold[1], least, 3)))  # type: ignore[arg-type]  # checked by _choice


def _forms(where: str, table: Mapping[str, Any], *, additive: bool) -> tuple[Form, ...]:
    """The main form, then ``also`` (the same keys by other hands), then ``[[variant]]`` tables, which say what is different."""
    hold = table.get("hold", [0.1, 0.4])
    main = _form(where, table, hold, additive=additive)
    forms = [main]
    for hands in _strings(f"{where}.also", table.get("also", [])):
        _choice(f"{where}.also", hands, ("single", "mirror", "parallel"))
        forms.append(Form(hands, main.keys, main.hold))  # type: ignore[arg-type]  # checked by _choice
    for k, value in enumerate(table.get("variant", [])):
        variant = _table(f"{where}.variant[{k}]", value, _VARIANT_FIELDS)
        same = {} if "key" in variant or "path" in variant else {name: table[name] for name in ("key", "path") if name in table}
        forms.append(_form(f"{where}.variant[{k}]", {"hands": main.hands, **same, **variant}, variant.get("hold", hold), additive=additive))
    return tuple(forms)


def _head(where: str, value: Any) -> Head:
    table = _table(where, value, frozenset(("pitch", "yaw", "roll", "nods", "shakes")))
    pitch, yaw, roll = (_number(f"{where}.{axis}", table.get(axis, 0.0), -1, 1) for axis in ("pitch", "yaw", "roll"))
    nods, shakes = (_number(f"{where}.{name}", table.get(name, 0.0), 0, 4) for name in ("nods", "shakes"))
    return Head(pitch, yaw, roll, nods, shakes)


@dataclass(frozen=True, slots=True)
class _Family:
    """What a file's gestures share."""

    name: str
    source: str


def _gesture(where: str, name: str, value: Any, family: _Family) -> Gesture:
    table = _table(where, value, _GESTURE_FIELDS)
    additive = table.get("additive", False)
    if not isinstance(additive, bool):
        raise _fail(f"{where}.additive", additive, "true or false")
    vary = _table(f"{where}.vary", table.get("vary", {}), frozenset(("size", "tempo", "offset")))
    source, about = table.get("source", family.source), table.get("about", "")
    for field, text in (("about", about), ("source", source)):
        if not isinstance(text, str) or not text.strip():
            raise _fail(f"{where}.{field}", text, "its form in a sentence" if field == "about" else "the literature on its form, here or in [family]")
    return Gesture(
        name=name,
        family=family.name,
        kind=_choice(f"{where}.kind", table.get("kind"), GESTURE_KINDS),
        senses=_strings(f"{where}.senses", table.get("senses", [])),
        words=tuple(word.lower() for word in _strings(f"{where}.words", table.get("words", []))),
        forms=_forms(where, table, additive=additive),
        relations=_strings(f"{where}.relations", table.get("relations", [])),
        about=about,
        source=source,
        vary_size=_number(f"{where}.vary.size", vary.get("size", 0.08), 0, 0.5),
        vary_tempo=_number(f"{where}.vary.tempo", vary.get("tempo", 0.08), 0, 0.5),
        vary_offset=_number(f"{where}.vary.offset", vary.get("offset", 0.02), 0, 0.2),
        head=_head(f"{where}.head", table.get("head", {})),
        gaze=_number(f"{where}.gaze", table.get("gaze", 0.0), 0, 1),
        shrug=_number(f"{where}.shrug", table.get("shrug", 0.0), 0, 0.5),
        lean=_number(f"{where}.lean", table.get("lean", 0.0), -0.3, 0.3),
        free_hand=_number(f"{where}.free_hand", table.get("free_hand", 0.35), 0, 1),
        additive=additive,
    )


def _read(path: FilePath) -> list[Gesture]:
    try:
        tables = tomli.loads(path.read_text("utf-8"))
    except (OSError, tomli.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ConfigError(f"{path}: cannot be read as TOML ({fault}); expected a gesture lexicon - correct it") from fault
    _table(str(path), tables, frozenset(("family", "gesture")))
    head = _table(f"{path}: family", tables.get("family", {}), frozenset(("name", "about", "source")))
    for field in ("name", "about"):
        if not isinstance(head.get(field), str) or not head[field].strip():
            raise _fail(f"{path}: family.{field}", head.get(field), "a name and a sentence on the family")
    family = _Family(head["name"], head.get("source", ""))
    gestures = _table(f"{path}: gesture", tables.get("gesture", {}), frozenset(tables.get("gesture", {})))
    return [_gesture(f"{path.name}: gesture.{name}", name, value, family) for name, value in gestures.items()]


def read_lexicon(paths: Sequence[FilePath]) -> Lexicon:
    """Read lexicon files.

    Raises:
        ConfigError: a file is not TOML, or an entry is not of the stated form (names file, gesture and field), or a name or a word is there twice.
    """
    gestures: dict[str, Gesture] = {}
    words: dict[str, str] = {}
    for path in paths:
        for gesture in _read(path):
            if gesture.name in gestures:
                raise ConfigError(f"{path}: gesture {gesture.name!r} is defined twice; expected one entry - rename one")
            gestures[gesture.name] = gesture
            for word in gesture.words:
                if words.setdefault(word, gesture.name) != gesture.name:
                    raise ConfigError(
                        f"{path}: gesture {gesture.name!r}: the word {word!r} triggers {words[word]!r} too; expected it in one - take it out of the other"
                    )
    return Lexicon(tuple(gestures.values()))


@cache
def load_lexicon() -> Lexicon:
    """The lexicon that comes with the program."""
    return read_lexicon(sorted((FilePath(__file__).parent / "lexicon").glob("*.toml")))
