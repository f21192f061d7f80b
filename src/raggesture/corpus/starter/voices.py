"""Voices of the starter corpus: sentences spoken by flite, with the times of their words.

flite says how long each of its segments is; a word's times come from aligning the segments of the sentence with the
segments of each word spoken alone (only vowels differ, by reduction). That is exact and costs nothing beside synthesis,
while recognising the words again would cost three times as much and be 10 ms off in the median.

Conventions: 16 kHz mono float32 in [-1, 1]; seconds from the start of the sentence's wave. A speaker's pitch is made by
synthesising slower or faster and resampling back: vocal tract and pitch move together, as between people.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import SAMPLE_RATE_HZ
from raggesture.errors import ModelError
from raggesture.speech.transcript import split_words
from raggesture.types import Word

VOICES = ("slt", "rms", "awb", "kal16")
_TIMEOUT_S = 60.0
_SEGMENT = re.compile(r"([a-z]+):([0-9.]+)")


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a sentence is spoken: flite voice, ``stretch`` of its durations (1.1 is slower), ``pitch`` multiplier, ``intonation`` of F0 (slt, awb)."""

    voice: str
    stretch: float = 1.0
    pitch: float = 1.0
    intonation: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """A spoken sentence: ``wave`` (N,) float32 and its words."""

    wave: NDArray[np.float32]
    words: tuple[Word, ...]


Voice = Callable[[str, Delivery], Utterance]
"""Anything that speaks a sentence; ``flite_voice`` is the real one, tests bring their own."""


def words_of(sentence: str) -> tuple[str, ...]:
    """The words of a sentence in lower case without punctuation: ``It's big.`` -> ``it's``, ``big``."""
    return tuple(word.lower() for word, _ in split_words(sentence))


def _run(arguments: Sequence[str]) -> str:
    program = shutil.which("flite")
    if program is None:
        raise ModelError("flite: program not found; expected the speech synthesiser of the starter corpus - install the Debian package flite")
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as fault:
        raise ModelError(f"flite: failed ({fault}); expected a wave - install the Debian package flite (2.2) with its voices") from fault
    return done.stdout


@cache
def _phone_book() -> dict[str, tuple[str, ...]]:
    """Word -> phones, as far as asked for in this process."""
    return {}


def _spelled(text: str) -> tuple[str, ...]:
    return tuple(_run(["-voice", "kal16", "-ps", "-t", f"{text} ", "-o", "none"]).split())


def phones_of(words: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Phones of each word spoken alone; all new words in one call of the synthesiser."""
    book = _phone_book()
    new = sorted({word for word in words if word not in book})
    if new:
        groups = [tuple(group) for silent, group in groupby(_spelled(" ".join(f"{word}." for word in new)), lambda phone: phone == "pau") if not silent]
        if len(groups) != len(new):
            groups = [tuple(phone for phone in _spelled(word) if phone != "pau") for word in new]
        book.update(zip(new, groups, strict=True))
    return tuple(book[word] for word in words)


_VOWELS = frozenset(["aa", "ae", "ah", "ao", "aw", "ax", "ay", "eh", "er", "ey", "ih", "iy", "ow", "oy", "uh", "uw"])


def _cost(a: str, b: str) -> float:
    if a == b:
        return 0.0
    return 0.4 if a in _VOWELS and b in _VOWELS else 1.2


def align_phones(spoken: Sequence[str], expected: Sequence[str]) -> tuple[int, ...]:
    """For each spoken phone the index of the expected phone it goes with (edit distance; an inserted phone goes with the one before)."""
    rows, columns = len(spoken) + 1, len(expected) + 1
    cost = [[float(j) for j in range(columns)]]
    for i in range(1, rows):
        row, above = [float(i)], cost[-1]
        for j in range(1, columns):
            row.append(min(above[j - 1] + _cost(spoken[i - 1], expected[j - 1]), above[j] + 1, row[-1] + 1))
        cost.append(row)
    owner = [0] * len(spoken)
    i, j = rows - 1, columns - 1
    while i > 0:
        if j > 0 and cost[i][j] == cost[i - 1][j - 1] + _cost(spoken[i - 1], expected[j - 1]):
            i, j = i - 1, j - 1
            owner[i] = j
        elif cost[i][j] == cost[i - 1][j] + 1:
            i -= 1
            owner[i] = max(j - 1, 0)
        else:
            j -= 1
    return tuple(owner)


def word_times(sentence: str, segments: Sequence[tuple[str, float]]) -> tuple[Word, ...]:
    """Words of a sentence from its segments (phone, end in seconds)."""
    words = split_words(sentence)
    phones = phones_of([word.lower() for word, _ in words])
    expected = [(phone, index) for index, one in enumerate(phones) for phone in one]
    spoken = [(phone, segments[at - 1][1] if at else 0.0, end) for at, (phone, end) in enumerate(segments) if phone != "pau"]
    owner = align_phones([phone for phone, _, _ in spoken], [phone for phone, _ in expected])
    spans: dict[int, tuple[float, float]] = {}
    for (_, start, end), at in zip(spoken, owner, strict=True):
        word = expected[at][1]
        first, last = spans.get(word, (start, end))
        spans[word] = (min(first, start), max(last, end))
    times: list[Word] = []
    for index, (text, after) in enumerate(words):
        before = times[-1].end if times else 0.0
        start, end = spans.get(index, (before, before))
        times.append(Word(text, round(max(start, before), 3), round(max(end, before), 3), after))
    return tuple(times)


def _resample(wave: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Shorten by ``factor`` (> 1: higher and faster)."""
    if abs(factor - 1) < 1e-3:
        return wave
    import soxr

    resampled: NDArray[np.float32] = soxr.resample(wave, SAMPLE_RATE_HZ * factor, SAMPLE_RATE_HZ, quality="HQ")
    return resampled


def flite_voice(sentence: str, delivery: Delivery) -> Utterance:
    """Speak one sentence with flite.

    Raises:
        ModelError: flite is not installed or failed.
    """
    import soundfile

    settings = {"duration_stretch": delivery.stretch * delivery.pitch, "f0_shift": delivery.intonation}
    with tempfile.TemporaryDirectory(prefix="raggesture-") as folder:
        path = Path(folder) / "sentence.wav"
        options = [part for name, value in settings.items() for part in ("--setf", f"{name}={value:.4f}")]
        printed = _run(["-voice", delivery.voice, *options, "-psdur", "-t", f"{sentence} ", "-o", str(path)])
        wave, rate = soundfile.read(path, dtype="float32")
    if rate != SAMPLE_RATE_HZ or wave.ndim != 1 or not len(wave):
        raise ModelError(f"flite: voice {delivery.voice} gave {wave.shape} at {rate} Hz; expected 16000 Hz mono - install the Debian package flite")
    segments = [(phone, float(end) / delivery.pitch) for phone, end in _SEGMENT.findall(printed)]
    return Utterance(_resample(np.asarray(wave, dtype=np.float32), delivery.pitch), word_times(sentence, segments))
