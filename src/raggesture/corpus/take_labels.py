"""The gestures of a plain take, as its maker says them: ``take.gestures.toml`` beside ``take.wav``. Without it they are found by the labeller.

[[gesture]]
word = "huge"        # as it is in the transcript
kind = "iconic"      # beat, deictic, iconic, metaphoric
name = "wide_arms"   # may be left out: what you call it
stroke = 1.43        # may be left out: seconds, when the stroke has arrived; else it is where the hands' fastest movement near the word ends
start = 1.1          # may be left out, with end: the seconds in which that is looked for; else those of the word and a little round it
end = 2.0
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli

from raggesture.corpus.clip import GestureLabel
from raggesture.corpus.faults import STRICT, Sieve
from raggesture.errors import InputError, did_you_mean
from raggesture.types import GESTURE_KINDS, Transcript, Word

SUFFIX = ".gestures.toml"
_TEXTS, _TIMES = ("word", "kind", "name"), ("stroke", "start", "end")
_BEFORE_S, _AFTER_S = 0.3, 0.2
"""Round the word, where its gesture is looked for; as ``retrieval.derive`` does."""
_AROUND_S = 0.5
"""Round a stroke whose word nobody says."""
_MAX_BYTES = 10_000_000
_FORM = 'expected [[gesture]] with word and kind, as word = "huge" and kind = "iconic"'


class _BadGestureError(ValueError):
    """A gesture that cannot be used; its text goes into the message."""


def read_take_labels(path: Path, transcript: Transcript, duration_s: float, sieve: Sieve = STRICT) -> tuple[GestureLabel, ...]:
    """Read the labels of one take, in time order.

    Args:
        transcript: of the take; duration_s: of its motion. sieve: takes gestures that cannot be used, by their number.

    Raises:
        InputError: the file cannot be read at all (or, strict, one of its gestures cannot be used).
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path}: {path.stat().st_size / 1e6:.0f} MB; expected the gestures of one take - give a small file")
        data = tomli.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as fault:
        raise InputError(f"{path}: cannot be read as TOML ({fault}); {_FORM} - correct it") from fault
    rows = data.get("gesture", [])
    if set(data) - {"gesture"} or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        strange = next(iter(set(data) - {"gesture"}), "gesture")
        raise InputError(f"{path}: {strange!r} is no list of tables; {_FORM} - correct it")
    labels = []
    for number, row in enumerate(rows, start=1):
        try:
            labels.append(_label(row, transcript, duration_s))
        except _BadGestureError as fault:
            sieve.leave_out(path, f"{path}: gesture {number}: {fault} - correct it", number)
    return tuple(sorted(labels, key=lambda label: (label.start, label.end)))


def _label(row: Mapping[str, Any], transcript: Transcript, duration_s: float) -> GestureLabel:
    for key in row:
        if key not in (*_TEXTS, *_TIMES):
            raise _BadGestureError(f"unknown key {key!r}; {did_you_mean(key, (*_TEXTS, *_TIMES))}")
    texts = {key: row.get(key, "") for key in _TEXTS}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise _BadGestureError(f"{key} = {value!r}; expected text")
    if texts["kind"] not in GESTURE_KINDS:
        raise _BadGestureError(f"kind = {texts['kind']!r}; expected one of {', '.join(GESTURE_KINDS)}")
    times = {key: _seconds(key, row[key], duration_s) for key in _TIMES if key in row}
    start, end = _span(texts["word"].strip(), times, transcript)
    start, end = max(0.0, start), min(duration_s, end)
    if end <= start:
        raise _BadGestureError(f"from {start:.2f} s to {end:.2f} s; expected a stretch of the take's {duration_s:.2f} s")
    return GestureLabel(texts["word"].strip(), texts["kind"], texts["name"].strip(), start, end, times.get("stroke"))


def _seconds(key: str, value: object, duration_s: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or not 0 <= value <= duration_s:
        raise _BadGestureError(f"{key} = {value!r}; expected seconds of the take, 0 to {duration_s:.2f}")
    return float(value)


def _span(word: str, times: Mapping[str, float], transcript: Transcript) -> tuple[float, float]:
    """Where the gesture lies: as written, else round its word, else round its stroke."""
    if ("start" in times) != ("end" in times):
        raise _BadGestureError("start without end, or end without start; expected both or neither")
    if "start" in times:
        return times["start"], times["end"]
    said = _occurrences(word, transcript.words)
    stroke = times.get("stroke")
    if not said and stroke is None:
        known = " ".join(each.text for each in transcript.words)
        raise _BadGestureError(f"nobody says {word!r} (the words are: {known[:200]}); expected a word of the transcript, or stroke = SECONDS")
    if not said and stroke is not None:
        return stroke - _AROUND_S, stroke + _AROUND_S
    if len(said) > 1 and stroke is None:
        raise _BadGestureError(f"{word!r} is said {len(said)} times; expected stroke = SECONDS to tell them apart")
    first, last = min(said, key=lambda pair: 0.0 if stroke is None else abs((pair[0] + pair[1]) / 2 - stroke))
    return first - _BEFORE_S, last + _AFTER_S


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _occurrences(phrase: str, words: tuple[Word, ...]) -> list[tuple[float, float]]:
    """Start and end of each run of words that reads the phrase, whatever its case and punctuation."""
    wanted = [plain for piece in phrase.split() if (plain := _plain(piece))]
    said = [_plain(word.text) for word in words]
    firsts = range(len(words) - len(wanted) + 1) if wanted else ()
    return [(words[k].start, words[k + len(wanted) - 1].end) for k in firsts if said[k : k + len(wanted)] == wanted]
