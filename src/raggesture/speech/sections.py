"""A long speech in sections of about a minute, cut where it is quiet: each is understood on its own, in bounded memory.

Sections begin on whole fifths of a second (three model frames), follow each other without a gap and hold every sample once. Level: speech only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np

from raggesture.clock import SAMPLE_RATE_HZ, frame_of_seconds, sample_of_seconds, seconds_of_samples
from raggesture.errors import InputError
from raggesture.speech.align import AlignmentError, refine
from raggesture.speech.audio import Samples, is_silent
from raggesture.speech.fit import fit_text, rough_transcript, shared_words
from raggesture.speech.transcribe import Transcriber
from raggesture.speech.transcript import CUE_SOURCE, split_words
from raggesture.types import Transcript, Word

SHORTEST_S, WANTED_S, LONGEST_S = 45.0, 75.0, 90.0
"""A section is between the first two long; the last one may take what is left, up to the third."""
_LEAST_LEFT_S = 15.0
_GRID_S = 0.2
_log = logging.getLogger("raggesture")
_LEAST_SHARED = 0.3
"""Share of a section's written words that must be heard in it."""


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """Piece ``number`` of a speech. ``wave`` starts at ``start_s``; ``transcript`` has times **from there**. ``last``: nothing follows."""

    number: int
    start_s: float
    wave: Samples
    transcript: Transcript
    last: bool

    @property
    def end_s(self) -> float:
        """Where the next one begins."""
        return self.start_s + seconds_of_samples(len(self.wave), SAMPLE_RATE_HZ)

    @property
    def first_frame(self) -> int:
        """First model frame."""
        return frame_of_seconds(self.start_s)


class Words(Protocol):
    """Where a section's words come from."""

    def of(self, wave: Samples, start_s: float, *, last: bool) -> Transcript:
        """Words of a piece of the speech, in order, with times from its start."""

    def pause(self, low_s: float, high_s: float) -> float | None:
        """An instant between words in this range, where that is known beforehand."""

    def passed(self, words: Sequence[Word]) -> None:
        """A section's words are known from an earlier run: they are not asked for, and belong to no other section."""


class Heard:
    """Nobody has written down what is said: Whisper's words, aligned."""

    def __init__(self) -> None:
        self._transcriber = Transcriber()

    def of(self, wave: Samples, start_s: float, *, last: bool) -> Transcript:
        """Words of a piece of the speech, in order, with times from its start."""
        return refine(wave, self._transcriber(wave))

    def pause(self, low_s: float, high_s: float) -> float | None:
        """Not known beforehand."""
        return None

    def passed(self, words: Sequence[Word]) -> None:
        """Each section is heard on its own."""


class Timed:
    """A transcript with times: a section owns the words whose middle it holds."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript

    def of(self, wave: Samples, start_s: float, *, last: bool) -> Transcript:
        """Words of a piece of the speech, in order, with times from its start; captions are aligned with it."""
        length_s = seconds_of_samples(len(wave), SAMPLE_RATE_HZ)
        middles = ((word, (word.start + word.end) / 2 - start_s) for word in self._transcript.words)
        own = [word for word, middle in middles if 0 <= middle < length_s or (last and middle >= length_s)]
        moved = [replace(word, start=min(max(word.start - start_s, 0.0), length_s), end=min(max(word.end - start_s, 0.0), length_s)) for word in own]
        cut = Transcript(tuple(moved), self._transcript.language, self._transcript.source)
        return refine(wave, cut) if cut.source == CUE_SOURCE else cut

    def pause(self, low_s: float, high_s: float) -> float | None:
        """The middle of the longest pause between two words that lies in this range; None where nobody pauses."""
        words = self._transcript.words
        gaps = [(min(b.start, high_s) - max(a.end, low_s), (min(b.start, high_s) + max(a.end, low_s)) / 2) for a, b in pairwise(words)]
        best = max(gaps, default=(0.0, 0.0))
        return best[1] if best[0] > 0 else None

    def passed(self, words: Sequence[Word]) -> None:
        """Times say which words a section owns."""


class Written:
    """A text without times: what is heard in a section says how much of the text belongs to it; the text is then aligned.

    Raises (``of``):
        InputError: the text is not what is said; names the first word that is not heard.
    """

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text
        self._left = split_words(text)
        self._transcriber = Transcriber()

    def of(self, wave: Samples, start_s: float, *, last: bool) -> Transcript:
        """Words of a piece of the speech, in order, with times from its start."""
        if last and start_s == 0.0:
            self._left = []
            try:
                return fit_text(wave, self._text)
            except AlignmentError as fault:
                raise InputError(f"{self._name}: {fault}") from fault
        heard = self._transcriber(wave)
        nearest = self._left[: 2 * len(heard.words) + 30]
        pairs = shared_words([word for word, _ in nearest], [word.text for word in heard.words])
        taken = nearest if last and len(nearest) == len(self._left) else nearest[: max((i for i, _ in pairs), default=-1) + 1]
        if heard.words and len(pairs) < _LEAST_SHARED * max(len(taken), min(len(heard.words), len(nearest)), 1):
            matched = {i for i, _ in pairs}
            missing = next((word for i, (word, _) in enumerate(nearest) if i not in matched), "")
            raise InputError(
                f"{self._name}: the word {missing!r} and others are not heard in the voice after {start_s:.0f} s; "
                "expected what is said - give the transcript of this recording"
            )
        self._left = self._left[len(taken) :]
        if last and self._left:
            first = " ".join(word for word, _ in self._left[:6])
            _log.warning("%s: %d words at its end, from %r on, are not heard in the voice and are left out", self._name, len(self._left), first)
        if not taken:
            return Transcript((), source="aligned")
        return refine(wave, rough_transcript(taken, heard.words, pairs, seconds_of_samples(len(wave), SAMPLE_RATE_HZ)))

    def pause(self, low_s: float, high_s: float) -> float | None:
        """Not known beforehand."""
        return None

    def passed(self, words: Sequence[Word]) -> None:
        """The text goes on after these words."""
        self._left = self._left[len(words) :]


def sections(blocks: Iterable[Samples], words: Words, total: int, wanted: Callable[[int], Transcript | None] = lambda number: None) -> Iterator[Section]:
    """Cut a speech of ``total`` samples into sections and find the words of each.

    Args:
        wanted: the transcript of a section where it is known from an earlier run; ``words`` is not asked for it.
    """
    buffer, read, start, number = np.zeros(0, np.float32), 0, 0, 0
    source = iter(blocks)
    while start < total:
        left = total - start
        length = left if left <= sample_of_seconds(LONGEST_S) else 0
        need = length or min(left, sample_of_seconds(WANTED_S) + sample_of_seconds(_GRID_S))
        parts = [buffer]
        while read - start < need and (block := next(source, None)) is not None:
            parts.append(block)
            read += len(block)
        buffer = np.concatenate(parts)
        length = min(length or _cut(buffer, words, start, left), len(buffer))
        if length == 0:
            return
        wave, buffer = np.ascontiguousarray(buffer[:length]), buffer[length:]
        last = start + length >= total
        start_s = seconds_of_samples(start, SAMPLE_RATE_HZ)
        transcript = wanted(number)
        if transcript is not None:
            words.passed(transcript.words)
        else:
            transcript = Transcript((), source="silence") if is_silent(wave) else words.of(wave, start_s, last=last)
        yield Section(number, start_s, wave, transcript, last)
        start, number = start + length, number + 1


def _cut(buffer: Samples, words: Words, start: int, left: int) -> int:
    """Samples of the next section: to the middle of a pause, else where it is quietest."""
    start_s, left_s = seconds_of_samples(start, SAMPLE_RATE_HZ), seconds_of_samples(left, SAMPLE_RATE_HZ)
    low, high = SHORTEST_S, min(WANTED_S, left_s - _LEAST_LEFT_S)
    pause = words.pause(start_s + low, start_s + high)
    at = pause - start_s if pause is not None else quietest(buffer, low, high)
    return sample_of_seconds(round(at / _GRID_S) * _GRID_S)


def quietest(wave: Samples, low_s: float, high_s: float) -> float:
    """The instant between two times round which the least is heard for half a second; a multiple of a fifth of a second."""
    step = sample_of_seconds(_GRID_S)
    first, last = round(low_s / _GRID_S), min(round(high_s / _GRID_S), len(wave) // step)
    energy = np.array([float((wave[k * step : (k + 1) * step].astype(np.float64) ** 2).sum()) for k in range(first - 2, last + 2)])
    around = energy[:-3] * 0.25 + energy[1:-2] + energy[2:-1] + energy[3:] * 0.25  # two fifths on either side of the cut
    return (first + int(np.argmin(around))) * _GRID_S


def shifted(words: Iterable[Word], by_s: float) -> tuple[Word, ...]:
    """Words moved in time."""
    return tuple(replace(word, start=word.start + by_s, end=word.end + by_s) for word in words)
