"""BEAT2's annotation files: words, discourse relations, gesture labels, prominence. Readers only; one function a file.

Conventions: seconds; rows are counted from 1. A malformed row is an InputError naming file and row.
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


def _rows(path: Path, columns: int) -> Iterator[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise InputError(f"{path}: cannot be read ({fault}); expected tab-separated UTF-8 text - write it again") from fault
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) < columns:
            raise InputError(f"{path}: row {number} has {len(cells)} columns; expected {columns} separated by tabs - correct it")
        yield number, cells


def _number(path: Path, row: int, what: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path}: row {row}, {what} is {text!r}; expected a number - correct it")
    return value


def _strokes(path: Path) -> dict[int, _Stroke]:
    """Row number of the sem file -> gesture and phases; empty where the corpus has no such file."""
    if not path.is_file():
        return {}
    strokes: dict[int, _Stroke] = {}
    for row, cells in _rows(path, 6):
        times = [_number(path, row, what, text) for what, text in zip(("prep_start", "stroke_s", "hold_end", "retract_end"), cells[2:6], strict=True)]
        if times != sorted(times):
            raise InputError(f"{path}: row {row}, times {times}; expected preparation <= stroke <= hold end <= retraction end - correct them")
        strokes[int(_number(path, row, "label row", cells[0]))] = _Stroke(cells[1], *times)
    return strokes


def read_labels(sem: Path, strokes: Path, duration_s: float) -> tuple[GestureLabel, ...]:
    """Read ``sem/<id>.txt`` and, if it is there, ``strokes/<id>.tsv``; times are clipped to [0, duration].

    Rows of no class are dropped, and so are rows outside the motion.
    """
    phases = _strokes(strokes)
    labels: list[GestureLabel] = []
    for row, cells in _rows(sem, 3):
        kind = kind_of(cells[0])
        if kind is None:
            continue
        start, end = _number(sem, row, "start", cells[1]), _number(sem, row, "end", cells[2])
        if end < start:
            raise InputError(f"{sem}: row {row} ends at {end} s before it starts at {start} s; expected start <= end - correct it")
        start, end = max(0.0, start), min(duration_s, end)
        if end <= start:
            continue
        word = cells[5].strip() if len(cells) > 5 else ""
        word = "" if word.lower() == "nan" else word
        if (known := phases.get(row)) is None:
            labels.append(GestureLabel(word, kind, gesture_of(cells[0]), start, end))
        else:
            labels.append(GestureLabel(word, kind, known.gesture, start, end, known.stroke, known.hold_end, known.prep_start, known.retract_end))
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


def _tokens(path: Path, data: Any) -> list[Word]:
    words: list[Word] = []
    for number, sentence in enumerate(data["sentences"], start=1):
        for token in sentence["tokens"]:
            try:
                surface, after = str(token["surface"]).replace(" ", ""), str(token.get("after", ""))
                words.append(Word(surface, float(token["startSec"]), float(token["endSec"]), after))
            except (KeyError, TypeError, ValueError, InputError) as fault:
                raise InputError(f"{path}: sentence {number}, token {token!r} ({fault}); expected surface, startSec and endSec - correct it") from fault
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


def _relation(raw: Any, tokens: list[Word]) -> Relation | None:
    lists = [list(map(int, raw[part]["TokenList"])) for part in ("Connective", "Arg1", "Arg2")]
    if any(index < 0 for part in lists for index in part):
        raise IndexError("negative token index")
    connective = [tokens[index] for index in lists[0]]
    if not connective:
        return None
    spans = [tokens[index] for part in lists for index in part]
    texts = [" ".join(tokens[index].text for index in part) for part in lists[1:]]
    return Relation(
        str(raw["Connective"]["RawText"]),
        str(raw["Sense"][0]),
        min(word.start for word in spans),
        max(word.end for word in spans),
        min(word.start for word in connective),
        max(word.end for word in connective),
        texts[0],
        texts[1],
    )


def read_discourse(path: Path) -> tuple[Transcript, tuple[Relation, ...]]:
    """Words and explicit relations of ``discourse_rels/<id>_whisper_relations.json``.

    Differs from the released code: a relation without a connective is left out (there it crashes).
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        tokens = _tokens(path, data)
        raw_relations = list(data["relations"])
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as fault:
        raise InputError(f"{path}: cannot be read ({type(fault).__name__}: {fault}); expected JSON with sentences and relations - write it again") from fault
    relations: list[Relation] = []
    for number, raw in enumerate(raw_relations, start=1):
        try:
            relation = _relation(raw, tokens)
        except (KeyError, IndexError, TypeError, ValueError) as fault:
            raise InputError(f"{path}: relation {number} ({type(fault).__name__}: {fault}); expected Connective, Arg1, Arg2 and Sense - correct it") from fault
        if relation is not None:
            relations.append(relation)
    try:
        return Transcript(_glued(tokens), source="discourse"), tuple(relations)
    except InputError as fault:
        raise InputError(f"{path}: {fault}") from fault


def _overlap(word: Word, start: float, end: float) -> float:
    return min(word.end, end) - max(word.start, start)


def read_prominence(path: Path, transcript: Transcript) -> tuple[float, ...]:
    """Prominence of each word of the transcript: the row that overlaps it most, 0 where no row does."""
    rows: list[tuple[float, float, float]] = []
    for row, cells in _rows(path, 5):
        start, end, value = (_number(path, row, what, cells[at]) for what, at in (("start", 1), ("end", 2), ("prominence", 4)))
        rows.append((start, end, value))
    rows.sort()
    values: list[float] = []
    first = 0
    for word in transcript.words:
        while first < len(rows) and rows[first][1] <= word.start:
            first += 1
        near = [row for row in rows[max(first - 1, 0) : first + 4] if _overlap(word, row[0], row[1]) > 0]
        values.append(max(near, key=lambda row: _overlap(word, row[0], row[1]))[2] if near else 0.0)
    return tuple(values)
