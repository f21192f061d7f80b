"""Reading a plan that a person has edited: every fault has an address, such as ``speech.plan.toml: gesture 3: unknown key 'wieght'``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from reprlib import Repr
from typing import Any

import tomli
from pydantic import TypeAdapter, ValidationError

from raggesture.errors import InputError, did_you_mean
from raggesture.plan_file.data import SCHEMA, GivenPlan, PlanDropped, PlanExemplar, PlanFile, PlanGesture, PlanMade, PlanSpeech
from raggesture.types import BRINGABLE

MAX_BYTES = 32_000_000
"""A plan of ten hours has about ten million."""

_AGAIN = "write one with --plan-only"
_CHECK: TypeAdapter[PlanFile] = TypeAdapter(PlanFile)
_SHOWN = Repr()
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = 60

_TABLES: dict[str, type] = {
    "speech": PlanSpeech,
    "made": PlanMade,
    "gesture": PlanGesture,
    "exemplar": PlanExemplar,
    "other": PlanExemplar,
    "dropped": PlanDropped,
}
_UNKNOWN = "unexpected_keyword_argument"
_LISTS = ("parts", "slot")
_ONE_SECOND = "seconds, 0 or more"
_EXPECTED = {
    "schema": f"schema = {SCHEMA}",
    "speech": "a table [speech]",
    "made": "a table [made]",
    "gesture": 'text, the name of a gesture or ""',
    "exemplar": "a table [gesture.exemplar]",
    "other": "tables [[gesture.other]]",
    "dropped": "tables [[dropped]]",
    "duration_s": _ONE_SECOND,
    "start": _ONE_SECOND,
    "end": _ONE_SECOND,
    "stroke": _ONE_SECOND,
    "shift_s": "seconds, negative for earlier",
    "weight": "a number from 0 to 1",
    "slot": "two times in seconds, as [1.0, 3.0]",
    "parts": f"a list of {', '.join(BRINGABLE)}",
    "prominence": "a number",
    "score": "a number",
    "use": "0 or the number of an [[gesture.other]]",
}


def read_plan(path: Path) -> GivenPlan:
    """Read a plan.

    Raises:
        InputError: it cannot be read, is huge, no UTF-8, no TOML, of a newer schema, or breaks the format; the first fault is named by its address.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(f"{path}: {size / 1e6:.0f} MB; expected a plan, at most {MAX_BYTES / 1e6:.0f} MB - {_AGAIN}")
        content = path.read_bytes()
    except OSError as fault:
        raise InputError(f"{path}: cannot be read ({fault.strerror or fault}); expected a plan (TOML) - {_AGAIN}") from fault
    return GivenPlan(str(path), parse_plan(content, str(path)), hashlib.sha256(content).hexdigest())


def parse_plan(content: bytes, where: str) -> PlanFile:
    """The plan in the bytes of a file; ``where`` is what messages call it. Errors as ``read_plan``."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        raise InputError(f"{where}: line {line}: is not UTF-8 ({fault.reason}); expected text in UTF-8 - save it so") from fault
    try:
        data = tomli.loads(text)
    except (ValueError, RecursionError) as fault:  # a number of thousands of digits is a ValueError of its own
        raise InputError(f"{where}: is not TOML: {fault}; expected a plan - correct it there or {_AGAIN}") from fault
    _check_schema(data, where)
    try:
        plan = _CHECK.validate_json(json.dumps(data, default=_no_json))
    except ValidationError as fault:
        raise InputError(_message(where, _first(fault.errors(include_url=False, include_context=False)))) from fault
    except (ValueError, RecursionError) as fault:
        raise InputError(f"{where}: a value cannot be taken ({fault}); expected numbers and texts as in a plan - correct it") from fault
    for number, gesture in enumerate(plan.gesture):
        _check_gesture(gesture, f"{where}: gesture {number + 1}")
    return plan


def _check_schema(data: dict[str, Any], where: str) -> None:
    if "schema" not in data:
        raise InputError(f"{where}: no schema; expected schema = {SCHEMA} at its top - add it, or {_AGAIN}")
    schema = data["schema"]
    if isinstance(schema, int) and not isinstance(schema, bool) and schema > SCHEMA:
        raise InputError(f"{where}: schema {_SHOWN.repr(schema)}, written for a newer raggesture; expected schema {SCHEMA} - update raggesture")
    if schema != SCHEMA or isinstance(schema, bool | float):
        raise InputError(f"{where}: schema {_SHOWN.repr(schema)}; expected schema = {SCHEMA} - {_AGAIN}")


def _check_gesture(gesture: PlanGesture, at: str) -> None:
    """What one gesture's keys ask of each other."""
    if gesture.end is not None and gesture.start is None:
        raise InputError(f"{at}: end without start; expected both, `start` alone or neither - add start")
    if gesture.use > len(gesture.other):
        held = f"0 to {len(gesture.other)}" if gesture.other else "0"
        raise InputError(f"{at}: use {gesture.use}; expected {held}: it has {len(gesture.other)} [[gesture.other]] - correct it")


def _no_json(value: object) -> object:
    """Dates and times of TOML are none of a plan's types: an object in their place fits no key."""
    return {"date or time": str(value)}


def _first(errors: Sequence[Any]) -> Any:
    """The first fault; a key of its table that is not known comes before what is missing there, which it may have been meant for."""
    owner = errors[0]["loc"][:-1]
    return next((error for error in errors if error["type"] == _UNKNOWN and error["loc"][:-1] == owner), errors[0])


def _message(where: str, error: Any) -> str:
    """The first fault as a line: its table, its key, what was found and what was expected."""
    steps, found = list(error["loc"]), error["input"]
    element = ""
    while len(steps) > 1 and isinstance(steps[-1], int) and steps[-2] in _LISTS:  # an element: the key of its list names it
        element = f": element {steps.pop() + 1}:"
    key = str(steps[-1]) if steps else ""
    numbered = bool(steps) and isinstance(steps[-1], int)
    at = ": ".join([where, *_address(steps if numbered else steps[:-1])])
    if error["type"] == _UNKNOWN:
        return f"{at}: unknown key {_SHOWN.repr(key)}; {did_you_mean(key, _keys(steps[:-1]))} - correct or remove it"
    if key == "parts" and element and isinstance(found, str):
        return f"{at}: parts: {_SHOWN.repr(found)} is unknown; {did_you_mean(found, BRINGABLE)} - correct it"
    if error["type"] == "missing" and not element:
        return f"{at}: no {key}; expected {_expected(steps)} - add it"
    element = "" if error["type"] == "missing" else element
    if numbered or not key:
        return f"{at}: {_SHOWN.repr(found)}; expected {_expected(steps)} - correct it"
    return f"{at}: {key}{element} {_SHOWN.repr(found)}; expected {_expected(steps)} - correct it"


def _address(steps: Sequence[str | int]) -> list[str]:
    """``("gesture", 2, "other", 0)`` as ``["gesture 3", "other 1"]``."""
    found: list[str] = []
    for step in steps:
        if isinstance(step, int):
            found[-1] += f" {step + 1}"
        else:
            found.append(step)
    return found


def _names(steps: Sequence[str | int]) -> list[str]:
    return [step for step in steps if isinstance(step, str)]


def _keys(owner: Sequence[str | int]) -> list[str]:
    """The keys that the table at an address may have."""
    names = _names(owner)
    return [field.name for field in fields(_TABLES[names[-1]] if names else PlanFile)]


def _expected(steps: Sequence[str | int]) -> str:
    names = _names(steps)
    if names == ["gesture"]:
        return "tables [[gesture]]"
    return _EXPECTED.get(names[-1], "text") if names else "tables and keys of a plan"
