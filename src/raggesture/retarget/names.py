"""Which joint of a file is which joint of the body: tables of names (TOML), chosen by how much of the file they know.

A table names joints by their part in the body; ``*`` stands for the side's name, ``|`` for "or". Names are compared without case, punctuation,
name spaces (``mixamorig:``) and a prefix that all joints share. ``skeletons/*.toml`` are packaged; a user's own has the same form and may say
``like = "mixamo"`` and give only what differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

import tomli

from raggesture.errors import ConfigError, InputError, did_you_mean

FINGERS = ("index", "middle", "pinky", "ring", "thumb")
SIDES = ("left", "right")
_MIDDLE = {"pelvis": 1, "spine": 8, "neck": 3, "head": 1, "jaw": 1}
_SIDED = {"eye": 1, "collar": 1, "shoulder": 1, "elbow": 1, "wrist": 1, **dict.fromkeys(FINGERS, 3), "hip": 1, "knee": 1, "ankle": 1, "foot": 1}
ROLES: Mapping[str, int] = {**_MIDDLE, **_SIDED}
"""What a table may name, and how many joints in a row it may have."""
NEEDED = ("pelvis", *(f"{side}_{role}" for role in ("shoulder", "elbow", "wrist") for side in SIDES))
"""Without these nothing can be carried over."""

Up = Literal["auto", "y", "z"]
Rest = Literal["auto", "offsets", "first frame"]
Place = Literal["stand", "keep"]
_CHOICES: Mapping[str, tuple[str, ...]] = {"up": get_args(Up), "rest": get_args(Rest), "place": get_args(Place)}
_KEYS = ("about", "like", "sides", "mirror", *_CHOICES, "joints")
_FOLDER = Path(__file__).parent / "skeletons"
_TRIED_PREFIXES = 4
_SHOWN = 12

Chain = tuple[tuple[str, ...], ...]
"""Joints in a row, each by its possible names."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A table. ``sides``: what stands for ``*``, left and right; ``joints``: part of the body (``left_elbow``, ``spine``) -> names.

    ``up``: the file's vertical axis. ``rest``: what the file's zero pose is: its offsets, or (where those draw no body) its first frame.
    ``place``: ``stand`` puts the feet on the floor, the body at the origin and turns it to face +z; ``keep`` leaves it where it is.
    ``mirror``: left and right are exchanged in the file's space (None: where the feet say so).
    """

    name: str
    about: str
    sides: tuple[str, str]
    joints: Mapping[str, Chain]
    up: Up = "auto"
    rest: Rest = "auto"
    place: Place = "stand"
    mirror: bool | None = None


@dataclass(frozen=True, slots=True)
class Matched:
    """A skeleton found in a file. ``of``: part of the body -> numbers of joints, -1 for one of a row that the file lacks; parts it lacks are left out."""

    skeleton: Skeleton
    of: Mapping[str, tuple[int, ...]]

    @property
    def joints(self) -> int:
        """How many joints of the file have a part."""
        return len({joint for chain in self.of.values() for joint in chain if joint >= 0})

    @property
    def fit(self) -> tuple[int, int]:
        """More is better: joints with a part, and (negative) names of the table that the file lacks."""
        return self.joints, self.joints - sum(len(chain) for chain in self.skeleton.joints.values())

    def one(self, part: str) -> int | None:
        """The joint of a part that has one, the first of a row; None where the file lacks it."""
        chain = self.of.get(part, (-1,))
        return chain[0] if chain[0] >= 0 else None


def packaged() -> tuple[str, ...]:
    """Names of the packaged tables, our own first."""
    names = sorted(path.stem for path in _FOLDER.glob("*.toml"))
    return ("smplx", *(name for name in names if name != "smplx"))


@cache
def load_packaged(name: str) -> Skeleton:
    """A packaged table."""
    return _load(_FOLDER / f"{name}.toml")


def load_skeleton(chosen: str) -> Skeleton:
    """The table that a user names: a packaged one, or a TOML file.

    Raises:
        ConfigError: no such table, or it is not as it should be; the message names file and key.
    """
    if chosen in packaged():
        return load_packaged(chosen)
    path = Path(chosen)
    if path.suffix.lower() != ".toml" and not path.is_file():
        raise ConfigError(f"--skeleton {chosen}: unknown; {did_you_mean(chosen, packaged())} - name one of these, or a TOML file")
    return _load(path)


def _load(path: Path) -> Skeleton:
    try:
        data = tomli.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as fault:
        raise ConfigError(f"{path}: cannot be read as TOML ({fault}); expected a table of joints - see docs/library.md") from fault
    for key in data:
        if key not in _KEYS:
            raise ConfigError(f"{path}: unknown key {key!r}; {did_you_mean(key, _KEYS)} - correct it")
    like = _like(path, data)
    values: dict[str, Any] = {key: getattr(like, key) for key in ("up", "rest", "place", "mirror")} if like else {}
    for key, choices in _CHOICES.items():
        if key in data and data[key] not in choices:
            raise ConfigError(f"{path}: {key} = {data[key]!r}; expected {' or '.join(repr(each) for each in choices)} - correct it")
    if not isinstance(data.get("mirror", True), bool):
        raise ConfigError(f"{path}: mirror = {data['mirror']!r}; expected true or false - correct it")
    values |= {key: data[key] for key in (*_CHOICES, "mirror") if key in data}
    named = data.get("sides", list(like.sides) if like else None)
    if not isinstance(named, list) or len(named) != 2 or not all(isinstance(each, str) for each in named):
        raise ConfigError(f'{path}: sides {named!r}; expected two texts, as sides = ["Left", "Right"] - correct it')
    joints = {**(like.joints if like else {}), **_joints(path, data, (named[0], named[1]))}
    for part in NEEDED:
        if not joints.get(part):
            raise ConfigError(f'{path}: names no {part}; expected at least {", ".join(NEEDED)} - add it, or start with like = "mixamo"')
    return Skeleton(path.stem, str(data.get("about", path.stem)), (named[0], named[1]), joints, **values)


def _like(path: Path, data: Mapping[str, Any]) -> Skeleton | None:
    """The packaged table that this one starts from."""
    if "like" not in data:
        return None
    known = [name for name in packaged() if path.parent != _FOLDER or name != path.stem]
    if data["like"] not in known:
        raise ConfigError(f"{path}: like = {data['like']!r}; {did_you_mean(str(data['like']), known)} - name a packaged table")
    return load_packaged(data["like"])


def _joints(path: Path, data: Mapping[str, Any], sides: tuple[str, str]) -> dict[str, Chain]:
    table = data.get("joints", {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: joints is no table; expected [joints] with names - correct it")
    found: dict[str, Chain] = {}
    for role, value in table.items():
        chain = _chain(path, role, value)
        if role in _MIDDLE:
            found[role] = chain
            continue
        for side, word in zip(SIDES, sides, strict=True):
            found[f"{side}_{role}"] = tuple(tuple(name.replace("*", word) for name in names) for names in chain)
    return found


def _chain(path: Path, role: str, value: object) -> Chain:
    if role not in ROLES:
        raise ConfigError(f"{path}: joints: unknown part {role!r}; {did_you_mean(role, ROLES)} - correct it")
    rows = [value] if isinstance(value, str) else value
    if not isinstance(rows, list) or not all(isinstance(each, str) and each.strip() for each in rows) or len(rows) > ROLES[role]:
        many = f"a list of at most {ROLES[role]} names" if ROLES[role] > 1 else "a name"
        raise ConfigError(f"{path}: joints: {role} = {value!r}; expected {many} - correct it")
    return tuple(tuple(name.strip() for name in each.split("|")) for each in rows)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.rsplit(":", 1)[-1].casefold() if letter.isalnum())


def match(skeleton: Skeleton, names: Sequence[str]) -> Matched:
    """The skeleton's parts among the joints of a file."""
    plain = [_plain(name) for name in names]
    roots = [_plain(each) for each in skeleton.joints["pelvis"][0]]
    prefixes = dict.fromkeys(name[: len(name) - len(root)] for root in roots for name in plain if name.endswith(root))
    tried = [_match(skeleton, plain, prefix) for prefix in ("", *islice((p for p in prefixes if p), _TRIED_PREFIXES))]
    return max(tried, key=lambda each: each.fit)


def _match(skeleton: Skeleton, plain: Sequence[str], prefix: str) -> Matched:
    place: dict[str, int] = {}
    for number, name in enumerate(plain):
        place.setdefault(name.removeprefix(prefix), number)
    taken: set[int] = set()

    def find(names: tuple[str, ...]) -> int:
        found = next((place[key] for key in map(_plain, names) if key in place and place[key] not in taken), -1)
        taken.add(found)
        return found

    of: dict[str, tuple[int, ...]] = {}
    order = sorted(skeleton.joints, key=lambda part: (part.endswith(("collar", "thumb")), part))  # what may share a name gives way
    for part in order:
        chain = tuple(find(names) for names in skeleton.joints[part])
        if part in ("spine", "neck"):
            chain = tuple(joint for joint in chain if joint >= 0)
        if any(joint >= 0 for joint in chain):
            of[part] = chain
    for side in SIDES:
        fingers = [part for part in of if part.partition("_")[2] in FINGERS and part.startswith(side)]
        if len(fingers) == 1:  # one finger alone stands for a mitten (CMU's "LeftHandIndex1"): it is no hand
            del of[fingers[0]]
    return Matched(skeleton, of)


def find_skeleton(path: Path, names: Sequence[str], chosen: str = "") -> Matched:
    """The table that fits the joints of a file best, or the one that was chosen.

    Raises:
        InputError: none fits; says what the nearest lacks. ConfigError: see ``load_skeleton``.
    """
    tables = [load_skeleton(chosen)] if chosen else [load_packaged(name) for name in packaged()]
    found = [match(table, names) for table in tables]
    whole = [each for each in found if all(part in each.of for part in NEEDED)]
    if whole:
        return max(whole, key=lambda each: each.fit)
    best = max(found, key=lambda each: each.fit)
    lacking = ", ".join(f"{part} ({' or '.join(best.skeleton.joints[part][0])})" for part in NEEDED if part not in best.of)
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    raise InputError(
        f"{path}: its joints ({shown}) fit no skeleton that is known, the nearest is {best.skeleton.name!r}, which lacks {lacking}; "
        "expected names of one of these: " + ", ".join(packaged()) + " - name the joints in a table and give it with --skeleton (docs/library.md)"
    )
