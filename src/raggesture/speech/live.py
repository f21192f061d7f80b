"""Words of a speech that is still being spoken: Whisper hears the last seconds again and again, and what it is sure of is passed on once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from raggesture.clock import SAMPLE_RATE_HZ, sample_of_seconds, seconds_of_samples
from raggesture.errors import InputError
from raggesture.speech.align import refine
from raggesture.speech.audio import Samples
from raggesture.speech.transcribe import Transcriber
from raggesture.types import Transcript, Word

HEARD_S = 10.0
"""So much is heard at a time."""
_UNSURE_S = 0.3
"""Words that end this near to what has not been heard yet are left for the next time."""


class LiveWords:
    """Words by Whisper, aligned. Each word is given once, in order."""

    def __init__(self) -> None:
        self._transcriber = Transcriber()
        self._until_s = 0.0

    def of(self, wave: Samples, start_s: float, *, last: bool = False) -> tuple[Word, ...]:
        """New words of a wave (n,) at 16 kHz that starts at ``start_s`` of the speech and ends where has been heard so far."""
        whole_s = start_s + seconds_of_samples(len(wave), SAMPLE_RATE_HZ)
        cut = wave[-sample_of_seconds(HEARD_S) :]
        origin_s = whole_s - seconds_of_samples(len(cut), SAMPLE_RATE_HZ)
        heard = refine(cut, self._transcriber(cut)).words
        moved = (replace(word, start=word.start + origin_s, end=word.end + origin_s) for word in heard)
        sure = tuple(w for w in moved if (w.start + w.end) / 2 >= self._until_s and (last or w.end <= whole_s - _UNSURE_S))
        new = tuple(replace(word, start=max(word.start, self._until_s)) for word in sure if word.end > self._until_s)
        if new:
            self._until_s = new[-1].end
        return new


def word_of_line(line: str, number: int, source: str) -> Word | None:
    """The word of one line of JSON, ``{"word": "huge", "start": 2.31, "end": 2.62}``; None for an empty line.

    Raises:
        InputError: it is none; names the line.
    """
    if not line.strip():
        return None
    try:
        data: Any = json.loads(line)
        text, start, end = data["word"], float(data["start"]), float(data["end"])
        if not isinstance(text, str) or not text.strip():
            raise TypeError("'word' is no text")
        return Word(text.strip(), start, end)
    except (ValueError, TypeError, KeyError, InputError) as fault:
        raise InputError(
            f'{source}: line {number}: {line.strip()[:60]!r} ({type(fault).__name__}: {fault}); expected {{"word": "huge", "start": 2.31, "end": 2.62}} - '
            "write one word a line"
        ) from fault


def transcript_of(words: list[Word]) -> Transcript:
    """All words that came, in time order."""
    return Transcript(tuple(sorted(words, key=lambda word: (word.start, word.end))), source="followed")
