"""A plan as TOML that explains itself. The same plan gives the same bytes; numbers are written in full, so that nothing changes by being written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import tomli_w

from raggesture.plan_file.data import PlanDropped, PlanExemplar, PlanFile, PlanGesture, PlanMade, PlanSpeech
from raggesture.types import BRINGABLE, Transcript

Table = PlanSpeech | PlanMade | PlanGesture | PlanExemplar | PlanDropped

_HEAD = """\
# The gestures of a speech. Edit, then: raggesture generate SPEECH.wav --plan THIS_FILE
# To make one gesture less, remove its [[gesture]] with the [gesture.exemplar] and [[gesture.other]] below it; to make one more, add a [[gesture]]:
# `word` and `kind` are enough.
# Of a gesture:
#   word, kind     the word as spoken; iconic, deictic, metaphoric, beat, or a discourse sense
#   gesture        one gesture of a lexicon by name; "" is any
#   start, end     of the word, in seconds. May be left out: the word is looked up (spoken several times: give a `start` near the one meant)
#   stroke         instant that the stroke belongs to; left out: the word's stressed vowel
#   shift_s        moves the stroke by so many seconds, earlier is negative
#   weight         how strongly the exemplar shapes the motion, 0 to 1
#   parts          of: {parts}. Left out: what the settings say
#   slot           the two or three whole seconds that are made from the exemplar. Remove the line to have it placed anew (as after a shift)
#   use            0: the exemplar below; 1, 2, 3: that one of [[gesture.other]]
#   [gesture.exemplar]  clip and stroke (seconds in the clip) say which, the rest is for reading; remove it to get the best for word, kind and gesture.
#                  'raggesture index search' finds others
"""
_DROPPED = "# For reading only: what was asked for and could not be placed."
_WORDS = "# What is said, each word with its start in seconds:"
_WIDTH = 110


def _scalar(value: object) -> str:
    plain = value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value  # a lone surrogate is not text: it becomes "?"
    return tomli_w.dumps({"v": plain}).removeprefix("v = ").removesuffix("\n")


def _value(value: Any) -> str:
    return f"[{', '.join(_scalar(each) for each in value)}]" if isinstance(value, tuple) else _scalar(value)


def _lines(table: Table) -> Iterator[str]:
    """``key = value`` of all that is plain; what was left out stays out."""
    for field in fields(table):
        value = getattr(table, field.name)
        if value is None or value == () or field.name in ("exemplar", "other"):
            continue
        yield f"{field.name} = {_value(value)}"


def _table(head: str, table: Table) -> Iterator[str]:
    yield from (head, *_lines(table), "")


def _gesture(gesture: PlanGesture) -> Iterator[str]:
    yield from _table("[[gesture]]", gesture)
    if gesture.exemplar is not None:
        yield from _table("[gesture.exemplar]", gesture.exemplar)
    for other in gesture.other:
        yield from _table("[[gesture.other]]", other)


def _spoken(transcript: Transcript) -> Iterator[str]:
    """The words as comments, which may hold no control character."""
    yield _WORDS
    line = "#"
    for word in transcript.words:
        text = "".join(c if c.isprintable() else "?" for c in word.text)
        piece = f" {text} {word.start:.2f} "
        if len(line) + len(piece) > _WIDTH and line != "#":
            yield line.rstrip()
            line = "#"
        line += piece
    yield line.rstrip()


def plan_text(plan: PlanFile, transcript: Transcript | None = None) -> str:
    """The text of a plan; ``transcript``: its words are listed in a comment, for who adds gestures."""
    lines = [*_HEAD.format(parts=", ".join(BRINGABLE)).splitlines(), f"schema = {plan.schema}", ""]
    lines += [*_table("[speech]", plan.speech), *_table("[made]", plan.made)]
    for gesture in plan.gesture:
        lines += _gesture(gesture)
    lines += [_DROPPED] if plan.dropped else []
    for dropped in plan.dropped:
        lines += _table("[[dropped]]", dropped)
    if transcript is not None and transcript.words:
        lines += _spoken(transcript)
    return "\n".join(lines).rstrip("\n") + "\n"


def write_plan(plan: PlanFile, path: Path, transcript: Transcript | None = None) -> None:
    """Write ``plan_text`` to a file (a temporary name that the caller renames)."""
    path.write_bytes(plan_text(plan, transcript).encode("utf-8"))
