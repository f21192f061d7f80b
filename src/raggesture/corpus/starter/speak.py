"""From a passage to a recording: sentences spoken with pauses, lightly varied, with the times of all words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import MOTION_FPS, SAMPLE_RATE_HZ, frames_of_seconds, sample_of_seconds, seconds_of_samples
from raggesture.corpus.starter.microphone import recorded
from raggesture.corpus.starter.style import Style
from raggesture.corpus.starter.texts import Passage
from raggesture.corpus.starter.voices import Delivery, Voice
from raggesture.types import Transcript, Word

_STRETCH = {"slt": 1.05, "rms": 0.88, "awb": 1.05, "kal16": 1.05}
"""Makes each voice about 150 words a minute, pauses included."""
_PAUSE_S, _LONG_PAUSE_S, _LONG_SHARE = (0.1, 0.8), (1.0, 2.2), 0.15
"""Between sentences, beside the 0.2 to 0.3 s the voice leaves by itself; now and then the speaker thinks, and the hands rest."""
_HEAD_S, _TAIL_S = (0.2, 0.7), (0.5, 1.1)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """``wave`` (N,) float32 at 16 kHz, a whole number of 30 fps frames long, as a microphone has it; ``clean``: as it was spoken; its words."""

    wave: NDArray[np.float32]
    clean: NDArray[np.float32]
    transcript: Transcript

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return seconds_of_samples(len(self.wave))


def delivery_of(style: Style, rng: np.random.Generator) -> Delivery:
    """How this speaker speaks in this clip: small variations of tempo and pitch around the style's."""
    stretch = _STRETCH.get(style.voice, 1.05) * style.tempo**-0.5 * float(rng.uniform(0.88, 1.14))
    return Delivery(style.voice, stretch, style.pitch * float(rng.uniform(0.95, 1.05)), float(rng.uniform(0.9, 1.12)))


def speak(passage: Passage, style: Style, voice: Voice, rng: np.random.Generator) -> Recording:
    """Speak a passage: one sentence after the other with pauses, then through a room and a microphone.

    Raises:
        ModelError: from the voice.
    """
    delivery = delivery_of(style, rng)
    parts: list[NDArray[np.float32]] = [_silence(rng, _HEAD_S)]
    words: list[Word] = []
    for sentence in passage.sentences:
        at = seconds_of_samples(sum(map(len, parts)))
        varied = Delivery(delivery.voice, delivery.stretch * float(rng.uniform(0.98, 1.02)), delivery.pitch, delivery.intonation)
        spoken = voice(sentence, varied)
        words += [Word(word.text, word.start + at, word.end + at, word.after) for word in spoken.words]
        parts += [spoken.wave, _silence(rng, _LONG_PAUSE_S if rng.random() < _LONG_SHARE else _PAUSE_S)]
    parts.append(_silence(rng, _TAIL_S))
    wave = np.concatenate(parts)
    per_frame = SAMPLE_RATE_HZ / MOTION_FPS
    wave = np.pad(wave, (0, int(np.ceil(np.ceil(len(wave) / per_frame) * per_frame)) - len(wave)))
    return Recording(recorded(wave, rng), wave, Transcript(tuple(words), source="starter"))


def _silence(rng: np.random.Generator, span: tuple[float, float]) -> NDArray[np.float32]:
    return np.zeros(sample_of_seconds(float(rng.uniform(*span))), np.float32)


def envelope_of(wave: NDArray[np.float32], duration_s: float) -> NDArray[np.float64]:
    """Loudness of the voice (root mean square) per frame at 30 fps: (F,)."""
    frames = frames_of_seconds(duration_s, MOTION_FPS)
    edges = np.linspace(0, len(wave), frames + 1).astype(int)
    power = np.concatenate([[0.0], np.cumsum(wave.astype(np.float64) ** 2)])
    envelope: NDArray[np.float64] = np.sqrt((power[edges[1:]] - power[edges[:-1]]) / np.maximum(np.diff(edges), 1))
    return envelope
