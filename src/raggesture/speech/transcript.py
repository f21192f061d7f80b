"""Written transcripts: TextGrid, JSON, SRT/WebVTT and plain text, checked against the length of their audio.

Plain text (``.txt``, ``.lab``) has no times and comes back as a string, to be aligned.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from raggesture.errors import InputError
from raggesture.types import Transcript, Word

SIDECAR_SUFFIXES = (".TextGrid", ".textgrid", ".json", ".srt", ".vtt", ".txt", ".lab")
"""Suffixes of a transcript beside its audio, the most exact kind first."""
CUE_SOURCE = "cues"
"""``Transcript.source`` where only captions had times: the words were spread inside each."""
_LATE_S = 0.5
"""How far a transcript may reach past its audio (rounding, trailing silence cut off)."""
_LARGEST_BYTES = 50_000_000
_NO_WORD = re.compile(r"^(<[^>]*>|\[[^\]]*\]|\{[^}]*\}|\((?:laugh\w*|laughter|cough\w*|noise|music|silence|pause|breath\w*)\)|sp|sil|spn|SIL|#+|\*+|_+)?$")
_STRAIGHT = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "\u00a0": " ", "\u200b": None, "\ufeff": None})
_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{2})[,.](\d{1,3})"
_CUE = re.compile(rf"^\s*{_TIME}\s*-->\s*{_TIME}")
_LABEL_LINE = re.compile(r"^\s*-?\d+(\.\d+)?\s+-?\d+(\.\d+)?(\s|$)")


def find_sidecar(audio: Path) -> Path | None:
    """Return the transcript of the same stem beside ``audio``, the most exact kind first; None when there is none.

    A ``.lab`` or ``.txt`` of time labels (voice activity, phones) is not a transcript and is passed over. One that cannot be read
    is returned all the same: who reads it says what is wrong with it.
    """
    for suffix in SIDECAR_SUFFIXES:
        path = audio.with_suffix(suffix)
        if path == audio or not path.is_file():
            continue
        if suffix in (".txt", ".lab") and _holds_labels(path):
            continue
        return path
    return None


def _holds_labels(path: Path) -> bool:
    try:
        return not _is_running_text(_text_of(path))
    except InputError:
        return False


def read_transcript(path: Path, duration_s: float) -> Transcript | str:
    """Read a transcript.

    Args:
        path: ``.TextGrid``, ``.json``, ``.srt``, ``.vtt``, or anything else as plain text. duration_s: length of its audio.

    Returns:
        A Transcript with word times, or the text where it has none.

    Raises:
        InputError: unreadable, malformed, or it does not fit its audio (names the file and the word).
    """
    text = _text_of(path)
    kind = path.suffix.lower()
    if kind == ".textgrid" or text.startswith('File type = "ooTextFile"'):
        return _checked(path, _words_of_textgrid(path, text), duration_s)
    if kind == ".json":
        return _words_of_json(path, text, duration_s)
    if kind in (".srt", ".vtt"):
        return _words_of_cues(path, text, duration_s)
    if not _is_running_text(text):
        raise InputError(f"{path}: holds time labels, not words; expected the spoken text - give a TextGrid, JSON, SRT or plain text")
    return text.strip()


def split_words(text: str) -> list[tuple[str, str]]:
    """Split running text into (word, punctuation after it); tokens without a letter or digit join the word before.

    >>> split_words("Well, I'm *here* -- now.")
    [('Well', ','), ("I'm", ''), ('here', '--'), ('now', '.')]
    """
    words: list[tuple[str, str]] = []
    for token in text.translate(_STRAIGHT).split():
        if _NO_WORD.match(token):
            continue
        match = re.match(r"^[^\w$£€'#]*(?:[$£€]|'(?=\w))?", token)
        lead = match.end() if match else 0
        lead -= 1 if lead and token[lead - 1] in "$£€'" else 0
        body = token[lead:]
        tail = re.search(r"[^\w%]*$", body)
        end = tail.start() if tail else len(body)
        word, after = body[:end], _marks(body[end:])
        if any(letter.isalnum() for letter in word):
            if word.startswith("'") and after == "" and body[end:].startswith("'"):
                word = word[1:]
            words.append((word, after))
        elif words:
            words[-1] = (words[-1][0], words[-1][1] + _marks(token))
    return words


def _marks(text: str) -> str:
    return "".join(mark for mark in text if mark in ".,;:!?-–—…")


def _text_of(path: Path) -> str:
    """Text of a file: UTF-8 or UTF-16 (with a mark), else Windows-1252."""
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder; expected a transcript file - give the file itself")
        if not path.exists():
            raise InputError(f"{path}: no such file; expected a transcript - check the path")
        if path.stat().st_size > _LARGEST_BYTES:
            raise InputError(f"{path}: {path.stat().st_size} bytes; expected a transcript - give a text file")
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; expected a readable transcript - check the path and its permissions") from error
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    if "\x00" in text:
        raise InputError(f"{path}: is not a text file; expected a transcript - give a TextGrid, JSON, SRT or plain text")
    if not text.strip():
        raise InputError(f"{path}: is empty; expected a transcript - write the spoken text or remove the file")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _is_running_text(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    return not lines or not all(_LABEL_LINE.match(line) for line in lines)


def _words_of_textgrid(path: Path, text: str) -> list[Word]:
    """Words of the tier that holds them: called ``words``, else ending so, else the only interval tier."""
    from praatio.utilities.errors import PraatioException
    from praatio.utilities.textgrid_io import parseTextgridStr

    try:
        tiers = parseTextgridStr(text, includeEmptyIntervals=False)["tiers"]
        intervals = [(str(tier["name"]).strip(), tier["entries"]) for tier in tiers if tier["class"] == "IntervalTier"]
    except (PraatioException, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a TextGrid that can be read; expected Praat's text format - save it from Praat again") from error
    exact = [entries for name, entries in intervals if name.lower() in ("words", "word")]
    ending = [entries for name, entries in intervals if name.lower().endswith(("words", "word"))]
    named = exact or ending or [entries for _, entries in intervals if len(intervals) == 1]
    if not named:
        names = ", ".join(repr(name) for name, _ in intervals) or "none"
        raise InputError(f"{path}: interval tiers {names}; expected one called 'words' - rename the tier that holds the words")
    try:
        return [word for entry in named[0] for word in _timed(path, str(entry[2]), float(entry[0]), float(entry[1]))]
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: an interval has no proper times ({error}); expected start, end and text - save it from Praat again") from error


def _timed(path: Path, text: str, start: float, end: float) -> list[Word]:
    """Words of one timed piece of text (mostly one), spread inside it by their number of letters."""
    tokens = split_words(text)
    total = sum(len(token) + 1 for token, _ in tokens)
    words, passed = [], 0
    for token, after in tokens:
        begin = start + (end - start) * passed / total
        passed += len(token) + 1
        try:
            words.append(Word(token, begin, start + (end - start) * passed / total, after))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    return words


def _checked(path: Path, words: Sequence[Word], duration_s: float, source: str = "given") -> Transcript:
    """Hold the words against their order and the length of the audio; ends past it by a little are cut."""
    for before, word in zip([None, *words[:-1]], words, strict=True):
        if word.start > duration_s or word.end > duration_s + _LATE_S:
            raise InputError(
                f"{path}: the word {word.text!r} at {word.start:.2f}-{word.end:.2f} s; expected words inside the {duration_s:.2f} s of its audio"
                " - give the transcript of this recording"
            )
        if before is not None and word.start < before.start:
            raise InputError(
                f"{path}: the word {word.text!r} at {word.start:.2f} s comes after {before.text!r} at {before.start:.2f} s;"
                " expected words in time order - sort them"
            )
    return Transcript(tuple(Word(word.text, word.start, min(word.end, duration_s), word.after) for word in words), source=source)


def _words_of_json(path: Path, text: str, duration_s: float) -> Transcript | str:
    """Whisper's layout (segments with words), ``{"words": [...]}``, a plain list of words, or only ``{"text": ...}``."""
    expected = "expected segments with words, or a list of words with start and end"
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); {expected} - export it again") from error
    segments = data.get("segments") if isinstance(data, dict) else None
    if isinstance(segments, list) and segments:
        if all(isinstance(segment, dict) and segment.get("words") for segment in segments):
            return _checked(path, _json_words(path, [word for segment in segments for word in segment["words"]]), duration_s)
        return _checked(path, _json_words(path, segments), duration_s, CUE_SOURCE)
    if isinstance(data, dict) and isinstance(data.get("text"), str) and "words" not in data:
        return str(data["text"]).strip()
    listed = data.get("words") if isinstance(data, dict) else data
    if not isinstance(listed, list):
        raise InputError(f"{path}: no words in it; {expected} - export it again")
    return _checked(path, _json_words(path, listed), duration_s)


def _json_words(path: Path, entries: Iterable[Any]) -> list[Word]:
    words: list[Word] = []
    for number, entry in enumerate(entries, start=1):
        text = entry.get("word", entry.get("text")) if isinstance(entry, dict) else None
        times = (entry.get("start"), entry.get("end")) if isinstance(entry, dict) else (None, None)
        start, end = times
        if not (isinstance(text, str) and _is_number(start) and _is_number(end)):
            raise InputError(f"{path}: word {number} is {str(entry)[:80]}; expected an object with word (or text), start and end in seconds - correct it")
        words += _timed(path, text, float(str(start)), float(str(end)))
    return words


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _words_of_cues(path: Path, text: str, duration_s: float) -> Transcript:
    """Captions: each cue's words spread inside its time."""
    words: list[Word] = []
    found = False
    for block in re.split(r"\n\s*\n", text):
        lines = block.strip().splitlines()
        at = next((i for i, line in enumerate(lines) if _CUE.match(line)), None)
        if at is None:
            continue
        found = True
        match = _CUE.match(lines[at])
        clock = match.groups() if match else ()
        start, end = (int(h or 0) * 3600 + int(m) * 60 + int(s) + int(ms.ljust(3, "0")) / 1000 for h, m, s, ms in (clock[:4], clock[4:]))
        spoken = re.sub(r"<[^>]*>|\{[^}]*\}|\[[^\]]*\]|\([^)]*\)", " ", " ".join(lines[at + 1 :]))
        words += _timed(path, spoken, start, end)
    if not found:
        raise InputError(f"{path}: no captions in it; expected lines such as 00:00:01,000 --> 00:00:02,500 - export it again")
    return _checked(path, words, duration_s, CUE_SOURCE)
