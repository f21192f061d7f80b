"""BEAT2's annotation files: words, discourse relations, gesture labels, prominence. Readers only; one function a file.

Conventions: seconds; rows (and tokens, relations) are counted from 1. A row that is malformed or out of range goes to the reader's ``Sieve``: left out
and named, or an InputError naming file and row. A file that is no such file at all is always an InputError.
Source: METHOD part I (a), "Discourse json", "Prominence .prom", "Gesture annotations".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from raggesture.corpus.clip import GestureLabel
from raggesture.corpus.faults import STRICT, Sieve
from raggesture.errors import InputError
from raggesture.speech.transcript import split_words
from raggesture.types import GESTURE_KINDS, Relation, Transcript, Word

_NAME = re.compile(r"^\d+_(?:beat|deictic|iconic|metaphoric)_(.+)$")
_DEGREES = frozenset({"l", "m", "h", "align"})


class _Stroke(NamedTuple):
    gesture: str
    prep_start: float
    stroke: float
    hold_end: float
    retract_end: float


def kind_of(name: str) -> str | None:
    """Class of a sem row: the first of beat, deictic, iconic, metaphoric that its name contains, else None."""
    return next((kind for kind in GESTURE_KINDS if kind in name), None)


def gesture_of(name: str) -> str:
    """Gesture named in a sem row of the starter corpus (``06_iconic_big`` -> ``big``); "" for BEAT2's own names."""
    found = _NAME.match(name)
    return found.group(1) if found and found.group(1) not in _DEGREES else ""


class _BadRowError(ValueError):
    """A row that cannot be used; its text goes into the message."""


def _rows(path: Path, columns: int, sieve: Sieve) -> Iterator[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise InputError(f"{path}: cannot be read ({fault}); expected tab-separated UTF-8 text - write it again") from fault
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) < columns:
            sieve.leave_out(path, f"{path}: row {number} has {len(cells)} columns; expected {columns} separated by tabs - correct it", number)
            continue
        yield number, cells


def _number(what: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _BadRowError(f"{what} is {text!r}; expected a number")
    return value


def _strokes(path: Path, sieve: Sieve) -> dict[int, _Stroke]:
    """Row number of the sem file -> gesture and phases; empty where the corpus has no such file."""
    if not path.is_file():
        return {}
    strokes: dict[int, _Stroke] = {}
    for row, cells in _rows(path, 6, sieve):
        try:
            times = [_number(what, text) for what, text in zip(("prep_start", "stroke_s", "hold_end", "retract_end"), cells[2:6], strict=True)]
            if times != sorted(times):
                raise _BadRowError(f"times {times}; expected preparation <= stroke <= hold end <= retraction end")
            strokes[int(_number("label row", cells[0]))] = _Stroke(cells[1], *times)
        except _BadRowError as fault:
            sieve.leave_out(path, f"{path}: row {row}, {fault} - correct it", row)
    return strokes


class LabelRow(NamedTuple):
    """A row of a sem file that names a gesture: its number, kind, gesture, word, times as written, score."""

    row: int
    kind: str
    gesture: str
    word: str
    start: float
    end: float
    score: float


def label_rows(path: Path, sieve: Sieve = STRICT) -> tuple[LabelRow, ...]:
    """Rows of ``sem/<id>.txt`` that name one of the four kinds; the others (``need_cut`` ...) are no gestures."""
    labels = []
    for row, cells in _rows(path, 3, sieve):
        kind = kind_of(cells[0])
        if kind is None:
            continue
        try:
            start, end = _number("start", cells[1]), _number("end", cells[2])
            score = _number("score", cells[4]) if len(cells) > 4 and cells[4].strip() else 0.0
        except _BadRowError as fault:
            sieve.leave_out(path, f"{path}: row {row}, {fault} - correct it", row)
            continue
        if end < start:
            sieve.leave_out(path, f"{path}: row {row} ends at {end} s before it starts at {start} s; expected start <= end - correct it", row)
            continue
        word = cells[5].strip() if len(cells) > 5 else ""
        labels.append(LabelRow(row, kind, gesture_of(cells[0]), "" if word.lower() == "nan" else word, start, end, score))
    return tuple(labels)


def read_labels(sem: Path, strokes: Path, duration_s: float, sieve: Sieve = STRICT) -> tuple[GestureLabel, ...]:
    """Read ``sem/<id>.txt`` and, if it is there, ``strokes/<id>.tsv``; times are clipped to [0, duration].

    Rows of no class are dropped; a row wholly outside the motion goes to the sieve.
    """
    phases = _strokes(strokes, sieve)
    labels: list[GestureLabel] = []
    for each in label_rows(sem, sieve):
        start, end = max(0.0, each.start), min(duration_s, each.end)
        if end <= start:
            reason = f"{sem}: row {each.row}, from {each.start} s to {each.end} s; expected times inside the {duration_s:.2f} s of motion - correct it"
            sieve.leave_out(sem, reason, each.row, outside=True)
            continue
        known = phases.get(each.row)
        if known is None:
            labels.append(GestureLabel(each.word, each.kind, each.gesture, start, end, score=each.score))
        else:
            of_stroke = (known.stroke, known.hold_end, known.prep_start, known.retract_end)
            labels.append(GestureLabel(each.word, each.kind, known.gesture, start, end, *of_stroke, each.score))
    return tuple(labels)


def read_textgrid(path: Path) -> Transcript:
    """Words of the tier ``words`` (else the first interval tier); empty intervals are pauses."""
    from praatio import textgrid
    from praatio.utilities.errors import PraatioException

    try:
        grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    except (PraatioException, OSError, ValueError, IndexError, AssertionError, UnicodeDecodeError) as fault:
        raise InputError(f"{path}: cannot be read as a TextGrid ({fault}); expected a tier 'words' - export it again") from fault
    names = [name for name in grid.tierNames if isinstance(grid.getTier(name), textgrid.IntervalTier)]
    if not names:
        raise InputError(f"{path}: no interval tier; expected a tier 'words' - export it again")
    tier = grid.getTier("words" if "words" in names else names[0])
    words = tuple(Word(entry.label.strip(), float(entry.start), float(entry.end)) for entry in tier.entries if entry.label.strip())
    return Transcript(words, source="textgrid")


def _tokens(path: Path, data: Any, sieve: Sieve) -> list[Word | None]:
    """All tokens one after another, as relations count them; None where one was left out."""
    words: list[Word | None] = []
    for number, sentence in enumerate(data["sentences"], start=1):
        for token in sentence["tokens"]:
            try:
                surface, after = str(token["surface"]).replace(" ", ""), str(token.get("after", ""))
                words.append(Word(surface, float(token["startSec"]), float(token["endSec"]), after))
            except (AttributeError, KeyError, TypeError, ValueError, InputError) as fault:
                row = len(words) + 1
                reason = f"{path}: sentence {number}, token {token!r}, row {row} ({fault}); expected surface, startSec and endSec - correct it"
                sieve.leave_out(path, reason, row)
                words.append(None)
    return words


def _glued(tokens: list[Word]) -> tuple[Word, ...]:
    """Neighbours with equal times are one word ("do" + "n't"), as in the published code; punctuation goes to ``Word.after``."""
    words: list[Word] = []
    for token in tokens:
        bare = split_words(token.text)
        if not bare:
            if words:
                words[-1] = replace(words[-1], after=words[-1].after + token.text)
            continue
        text, after = "".join(word for word, _ in bare), bare[-1][1] + token.after
        if words and (words[-1].start, words[-1].end) == (token.start, token.end):
            words[-1] = Word(words[-1].text + text, token.start, token.end, after)
        else:
            words.append(Word(text, token.start, token.end, after))
    return tuple(words)


class TokenRelation(NamedTuple):
    """A relation as it is written: texts, and token indices of connective, first and second argument."""

    connective: str
    sense: str
    tokens: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def _token_relation(raw: Any, tokens: int) -> TokenRelation:
    lists = [tuple(map(int, raw[part]["TokenList"])) for part in ("Connective", "Arg1", "Arg2")]
    if any(not 0 <= index < tokens for part in lists for index in part):
        raise IndexError(f"a token index outside 0..{tokens - 1}")
    return TokenRelation(str(raw["Connective"]["RawText"]), str(raw["Sense"][0]), (lists[0], lists[1], lists[2]))


def _relation(found: TokenRelation, tokens: list[Word | None]) -> Relation | None:
    """A relation in seconds, None where it has no connective (it is implicit) or a token of the connective was left out."""
    said = [[tokens[index] for index in part] for part in found.tokens]
    if not said[0] or None in said[0]:
        return None
    connective, *arguments = ([word for word in part if word is not None] for part in said)
    spans = [word for part in (connective, *arguments) for word in part]
    return Relation(
        found.connective,
        found.sense,
        min(word.start for word in spans),
        max(word.end for word in spans),
        min(word.start for word in connective),
        max(word.end for word in connective),
        *(" ".join(word.text for word in part) for part in arguments),
    )


def read_tokens(path: Path, sieve: Sieve = STRICT) -> tuple[tuple[Word | None, ...], tuple[TokenRelation, ...]]:
    """Tokens and relations of a discourse file as they are written, also implicit relations (their connective has no tokens)."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        tokens = _tokens(path, data, sieve)
        raw_relations = list(data["relations"])
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as fault:
        raise InputError(f"{path}: cannot be read ({type(fault).__name__}: {fault}); expected JSON with sentences and relations - write it again") from fault
    relations = []
    for number, raw in enumerate(raw_relations, start=1):
        try:
            relations.append(_token_relation(raw, len(tokens)))
        except (KeyError, IndexError, TypeError, ValueError) as fault:
            reason = f"{path}: relation {number} ({type(fault).__name__}: {fault}); expected Connective, Arg1, Arg2 and Sense - correct it"
            sieve.leave_out(path, reason, number)
    return tuple(tokens), tuple(relations)


def read_discourse(path: Path, sieve: Sieve = STRICT) -> tuple[Transcript, tuple[Relation, ...]]:
    """Words and explicit relations of ``discourse_rels/<id>_whisper_relations.json``. Words are put in time order.

    Differs from the released code: a relation without a connective is left out (there it crashes).
    """
    tokens, found = read_tokens(path, sieve)
    relations = (_relation(each, list(tokens)) for each in found)
    words = sorted((word for word in tokens if word is not None), key=lambda word: word.start)
    try:
        return Transcript(_glued(words), source="discourse"), tuple(each for each in relations if each is not None)
    except InputError as fault:
        raise InputError(f"{path}: {fault}") from fault


def _overlap(word: Word, start: float, end: float) -> float:
    return min(word.end, end) - max(word.start, start)


class ProminenceRow(NamedTuple):
    """A row of a prom file."""

    word: str
    start: float
    end: float
    prominence: float


def prominence_rows(path: Path, sieve: Sieve = STRICT) -> tuple[ProminenceRow, ...]:
    """Rows of ``prom/<id>.prom``: basename, start, end, word, prominence, boundary (not used). A NaN word is ""."""
    found = []
    for row, cells in _rows(path, 5, sieve):
        try:
            start, end, value = (_number(what, cells[at]) for what, at in (("start", 1), ("end", 2), ("prominence", 4)))
            if end < start:
                raise _BadRowError(f"from {start} s to {end} s, ends before it starts; expected start <= end")
        except _BadRowError as fault:
            sieve.leave_out(path, f"{path}: row {row}, {fault} - correct it", row)
            continue
        found.append(ProminenceRow("" if cells[3].strip().lower() == "nan" else cells[3], start, end, value))
    return tuple(found)


def read_prominence(path: Path, transcript: Transcript, sieve: Sieve = STRICT) -> tuple[float, ...]:
    """Prominence of each word of the transcript: the row that overlaps it most, 0 where no row does."""
    rows = sorted((row.start, row.end, row.prominence) for row in prominence_rows(path, sieve))
    values: list[float] = []
    first = 0
    for word in transcript.words:
        while first < len(rows) and rows[first][1] <= word.start:
            first += 1
        near = [row for row in rows[max(first - 1, 0) : first + 4] if _overlap(word, row[0], row[1]) > 0]
        values.append(max(near, key=lambda row: _overlap(word, row[0], row[1]))[2] if near else 0.0)
    return tuple(values)
