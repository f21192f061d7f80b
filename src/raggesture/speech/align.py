"""Word times by forced alignment: what is said is known, the times are found (pocketsphinx, English).

Long speech is aligned in pieces where rough times are known, else as a whole. Source: PACKAGES notes of the project:
median error of word starts 10 ms on real speech.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import SAMPLE_RATE_HZ, sample_of_seconds, seconds_of_samples
from raggesture.errors import InputError, ModelError
from raggesture.resources import wheel_file
from raggesture.speech.pronounce import pronounce
from raggesture.speech.spoken import spoken
from raggesture.speech.transcript import split_words
from raggesture.types import Transcript, Word

_FRAMES_HZ = 100
_BEAMS: tuple[dict[str, float], ...] = ({}, {"beam": 1e-100, "pbeam": 1e-100, "wbeam": 1e-80})
"""Search widths, tried in this order; the wide one costs about three times as much."""
_PIECE_S = 45.0
_MARGIN_S = 0.25
_FEWEST_WORDS = 4
"""A stretch that cannot be aligned is halved, down to this many words."""
_FASTEST_WORDS_HZ = 9.0
SURE_SCORE = -35.0
"""``Alignment.score`` from which the words are surely those of the voice."""
MISFIT_SCORE = -55.0
"""``Alignment.score`` below which they are surely not."""
_log = logging.getLogger("raggesture")


class AlignmentError(InputError):
    """The words were not found in the voice."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Words with times. ``score``: mean acoustic score per frame, 0 is perfect; None where it could not be measured.

    Measured: the right words -9 to -31 (the last with noise 10 dB below the voice), wrong words -43 to -72.
    """

    transcript: Transcript
    score: float | None


@dataclass(frozen=True, slots=True)
class _Said:
    """One written word and what is said for it."""

    text: str
    after: str
    tokens: tuple[str, ...]


def align_words(wave: NDArray[np.float32], text: str) -> Transcript:
    """Find the times of every word of ``text``.

    Args:
        wave: (N,) float32 at 16 kHz. text: what is said, as written; numbers and symbols are read out.

    Returns:
        Transcript with ``source="aligned"``; one Word per written word, times in seconds, in order, not overlapping.

    Raises:
        InputError: nothing to align, more words than the speech has room for, or the words are not what is said.
        ModelError: the aligner is not installed.
    """
    found = align_text(wave, text)
    if found.score is not None and found.score < MISFIT_SCORE:
        raise AlignmentError(f"text {text[:40]!r}...: the voice says something else; expected what is said - give the transcript of this recording")
    return found.transcript


def align_text(wave: NDArray[np.float32], text: str) -> Alignment:
    """Find the times of every word and how well the words fit the voice.

    Raises:
        AlignmentError: nothing to align, more words than the speech has room for, or the search broke off.
        ModelError: the aligner is not installed.
    """
    aligner = _Aligner()
    words = tuple(aligner.align(wave, _said(split_words(text)), 0.0))
    return Alignment(Transcript(words, source="aligned"), aligner.score(wave))


def refine(wave: NDArray[np.float32], rough: Transcript) -> Transcript:
    """Find exact times for words whose times are roughly known (Whisper, captions), piece by piece.

    A piece that cannot be aligned keeps its times, with a warning.

    Raises:
        ModelError: the aligner is not installed.
    """
    if not rough.words:
        return rough
    aligner = _Aligner()
    words: list[Word] = []
    kept = 0
    todo = pieces(rough.words)
    while todo:
        piece = todo.pop(0)
        try:
            words += _refined(aligner, wave, rough.words, piece)
        except AlignmentError:
            if piece.stop - piece.start >= 2 * _FEWEST_WORDS:
                todo[:0] = _halves(rough.words, piece)
            else:
                kept += piece.stop - piece.start
                words += rough.words[piece]
    if kept:
        _log.warning("%d of %d words could not be aligned with the voice; their times are those of the %s transcript", kept, len(words), rough.source)
    source = rough.source if kept == len(words) else f"{rough.source}+aligned"
    return Transcript(_in_order(words), rough.language, source)


def _refined(aligner: _Aligner, wave: NDArray[np.float32], words: Sequence[Word], piece: slice) -> list[Word]:
    start_s, end_s = _surroundings(words, piece, seconds_of_samples(wave.shape[0], SAMPLE_RATE_HZ))
    cut = wave[sample_of_seconds(start_s) : sample_of_seconds(end_s)]
    return aligner.align(cut, [_Said(word.text, word.after, spoken(word.text)) for word in words[piece]], start_s)


def _halves(words: Sequence[Word], piece: slice) -> list[slice]:
    """Cut a piece at the longest pause that leaves enough words on both sides."""
    cut = max(range(piece.start + _FEWEST_WORDS, piece.stop - _FEWEST_WORDS + 1), key=lambda i: words[i].start - words[i - 1].end)
    return [slice(piece.start, cut), slice(cut, piece.stop)]


def pieces(words: Sequence[Word]) -> list[slice]:
    """Cut words into stretches of at most 45 s, at the longest pauses of the second half of each stretch."""
    cuts: list[slice] = []
    start = 0
    while start < len(words):
        last = start
        while last < len(words) and words[last].end - words[start].start <= _PIECE_S:
            last += 1
        if last < len(words):
            middle = (start + last) // 2 + 1
            last = max(range(middle, last + 1), key=lambda i: words[i].start - words[i - 1].end, default=last)
        last = max(last, start + 1)
        cuts.append(slice(start, last))
        start = last
    return cuts


def _surroundings(words: Sequence[Word], piece: slice, duration_s: float) -> tuple[float, float]:
    """Seconds of the wave in which a piece is looked for: to the middle of the pauses beside it, at least a margin."""
    first, last = words[piece.start], words[piece.stop - 1]
    before = words[piece.start - 1].end if piece.start else 0.0
    after = words[piece.stop].start if piece.stop < len(words) else duration_s
    start = min((before + first.start) / 2, first.start - _MARGIN_S) if piece.start else 0.0
    end = max((last.end + after) / 2, last.end + _MARGIN_S) if piece.stop < len(words) else duration_s
    return max(start, 0.0), min(end, duration_s)


def _in_order(words: Sequence[Word]) -> tuple[Word, ...]:
    ordered: list[Word] = []
    for word in words:
        start = max(word.start, ordered[-1].start) if ordered else word.start
        ordered.append(Word(word.text, start, max(word.end, start), word.after))
    return tuple(ordered)


def _said(words: Sequence[tuple[str, str]]) -> list[_Said]:
    return [_Said(text, after, spoken(text)) for text, after in words]


class _Aligner:
    """The acoustic model with its dictionary; words are added to the dictionary as they come."""

    def __init__(self) -> None:
        self._decoders: list[Any] = []
        self._last = -1

    def align(self, wave: NDArray[np.float32], said: Sequence[_Said], offset_s: float) -> list[Word]:
        """Times of ``said`` in ``wave``, which starts at ``offset_s``.

        Raises:
            AlignmentError: see ``align_words``.
        """
        tokens = [token for word in said for token in word.tokens]
        seconds = seconds_of_samples(wave.shape[0], SAMPLE_RATE_HZ)
        if not tokens:
            raise AlignmentError(f"text {' '.join(word.text for word in said)[:60]!r}: holds no English word; expected what is said - give another transcript")
        if len(tokens) > _FASTEST_WORDS_HZ * seconds:
            raise AlignmentError(
                f"text of {len(tokens)} words for {seconds:.1f} s of speech: too many; expected what is said - give the transcript of this recording"
            )
        pcm = _pcm(wave)
        for number, beams in enumerate(_BEAMS):
            spans = self._spans(self._decoder(number, beams), pcm, tokens)
            self._last = number
            if len(spans) == len(tokens):
                return _timed(said, spans, offset_s, offset_s + seconds)
        found = len(spans)
        word = tokens[min(found, len(tokens) - 1)]
        raise AlignmentError(f"text from the word {word!r} on: not found in the voice; expected what is said - give the transcript of this recording")

    def score(self, wave: NDArray[np.float32]) -> float | None:
        """Mean acoustic score per frame of the words just aligned in ``wave``; None after a wide search, which has none."""
        if self._last != 0:
            return None
        decoder = self._decoders[0]
        decoder.set_alignment()
        decoder.start_utt()
        decoder.process_raw(_pcm(wave), no_search=False, full_utt=True)
        try:
            decoder.end_utt()
        except RuntimeError:
            return None
        words = [entry for entry in decoder.get_alignment().words() if entry.name[0] not in "<[+"]
        frames = sum(entry.duration for entry in words)
        return sum(entry.score for entry in words) / frames if frames else None

    def _decoder(self, number: int, beams: dict[str, float]) -> Any:
        while len(self._decoders) <= number:
            self._decoders.append(_make_decoder(beams))
        return self._decoders[number]

    def _spans(self, decoder: Any, pcm: bytes, tokens: Sequence[str]) -> list[tuple[float, float]]:
        """Start and end in seconds of every token, or fewer where the search broke off."""
        for token in dict.fromkeys(tokens):
            if decoder.lookup_word(token) is None:
                decoder.add_word(token, pronounce(token, decoder.lookup_word), True)
        decoder.set_align_text(" ".join(tokens))
        decoder.start_utt()
        decoder.process_raw(pcm, no_search=False, full_utt=True)
        decoder.end_utt()
        if decoder.hyp() is None:
            return []
        segments = [segment for segment in decoder.seg() if segment.word[0] not in "<[+"]
        return [(segment.start_frame / _FRAMES_HZ, (segment.end_frame + 1) / _FRAMES_HZ) for segment in segments]


def _pcm(wave: NDArray[np.float32]) -> bytes:
    return (np.clip(wave, -1, 1) * 32767).astype("<i2").tobytes()


def _make_decoder(beams: dict[str, float]) -> Any:
    model = wheel_file("pocketsphinx", "model/en-us", distribution="pocketsphinx")
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise ModelError(f"pocketsphinx: {error}; expected the aligner - pip install -c constraints.txt 'raggesture[offline]'") from error
    folder = Path(model)
    return Decoder(hmm=str(folder / "en-us"), dict=str(folder / "cmudict-en-us.dict"), lm=None, loglevel="FATAL", **beams)


def _timed(said: Sequence[_Said], spans: Sequence[tuple[float, float]], offset_s: float, latest_s: float) -> list[Word]:
    """Words with the time from their first token to their last; a word that is not said gets the gap it stands in."""
    words: list[Word] = []
    at = 0
    for word in said:
        if word.tokens:
            start, end = spans[at][0] + offset_s, spans[at + len(word.tokens) - 1][1] + offset_s
        else:
            start = words[-1].end if words else offset_s
            end = start if at >= len(spans) else max(start, min(spans[at][0] + offset_s, start + 0.2))
        at += len(word.tokens)
        words.append(Word(word.text, min(start, latest_s), min(end, latest_s), word.after))
    return words
