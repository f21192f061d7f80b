"""Prosody as the embedded model hears it: twelve measures of voice at 15 Hz, normalised per utterance.

Energy and its slope, onset strength, pitch in semitones against the speaker's median and its slope, voicing, and six mel
bands relative to the energy. Robust normalisation over the speech's own loud frames, so that it carries over from one
voice and microphone to another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from raggesture.clock import MODEL_FPS, SAMPLE_RATE_HZ, frames_of_seconds, seconds_of_samples
from raggesture.errors import InputError
from raggesture.speech.pitch import RATE_HZ, energy_db, mel_db, pitch, semitones
from raggesture.speech.prominence import detrended, lines_of_maxima, standardised

_MEL_BANDS = 24
_SHAPE_BANDS = 6
_SILENT_DB = -65.0
_GATE_DB = 30.0
"""Frames within this range of the loudest count as speech."""
_BAND_RANGE_DB = 40.0
"""Range of one mel band below its own loudest frames, so that a duller microphone changes only its level."""
_LIMIT = 4.0
_NUCLEI_APART, _NUCLEUS_DB = 8, 2.0
"""Peaks of the energy are nuclei from 80 ms and 2 dB apart."""
_PITCH_WEIGHT = 0.7

FEATURES = ("energy", "energy_slope", "onset", "pitch", "pitch_slope", "voicing", "mel_1", "mel_2", "mel_3", "mel_4", "mel_5", "mel_6")
"""Names of the dimensions, in order."""


class ProsodyEncoder:
    """Voice measures at the model's frame rate; needs no weights.

    ``encode`` costs a few milliseconds per second of speech. Silence gives zeros.
    """

    name = "prosody"
    dim = len(FEATURES)
    rate_hz = float(MODEL_FPS)
    per_window = False

    def encode(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """Encode a mono wave.

        Args:
            wave: (N,) float32 at 16 kHz in [-1, 1].

        Returns:
            (F, 12) float32, F = frames_of_seconds(duration, 15), within [-4, 4], finite.

        Raises:
            InputError: the wave is not one-dimensional or holds values that are not finite.
        """
        heard = _heard(wave)
        if heard.silent:
            return np.zeros((heard.frames, self.dim), dtype=np.float32)
        return _to_model_rate(_tracks(wave, heard.energy, heard.gate_db), heard.frames)


class AccentEncoder:
    """Prosody and where its accents are: the syllables' nuclei as pulses, and how much each stands out.

    A gesture's stroke falls on a nucleus. Twelve smooth measures leave a network to find it; these two say where it is, to a part of a frame. A nucleus is
    a peak of the energy; its strength is that of the line of wavelet maxima through it, as for words (``speech/prominence.py``), without their duration.
    """

    name = "accents"
    dim = len(FEATURES) + 2
    rate_hz = float(MODEL_FPS)
    per_window = False

    def encode(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N,) float32 at 16 kHz -> (F, 14) float32 in [-4, 4]: the twelve of prosody, pulses at nuclei, pulses times strength. Errors as there."""
        heard = _heard(wave)
        if heard.silent:
            return np.zeros((heard.frames, self.dim), dtype=np.float32)
        smooth = _to_model_rate(_tracks(wave, heard.energy, heard.gate_db), heard.frames)
        peaks, strength = nuclei(wave, heard.energy, heard.gate_db)
        pulses = np.stack([_pulses(peaks, np.ones_like(strength), heard.frames), _pulses(peaks, strength, heard.frames)], axis=1)
        return np.asarray(np.clip(np.concatenate([smooth, pulses], axis=1), -_LIMIT, _LIMIT), dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """A wave's frames at the model's rate, its energy (M,) dB every 10 ms, the level above which it is speech."""

    frames: int
    energy: NDArray[np.float32]
    gate_db: float
    silent: bool


def _heard(wave: NDArray[np.float32]) -> _Heard:
    if wave.ndim != 1 or not bool(np.isfinite(wave).all()):
        raise InputError(f"wave: shape {wave.shape}; expected (N,) finite samples at 16 kHz - use load_audio")
    frames = frames_of_seconds(seconds_of_samples(wave.shape[0], SAMPLE_RATE_HZ), MODEL_FPS)
    energy = energy_db(wave)
    loudest = float(np.percentile(energy, 98))
    return _Heard(frames, energy, loudest - _GATE_DB, frames == 0 or loudest < _SILENT_DB)


def accents(wave: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Instants (K,) s of a wave's syllables and how much each stands out (K,), the mean being 1; none in silence. Wave and errors as ``ProsodyEncoder``."""
    heard = _heard(wave)
    if heard.silent:
        return np.zeros(0), np.zeros(0)
    return nuclei(wave, heard.energy, heard.gate_db)


def nuclei(wave: NDArray[np.float32], energy: NDArray[np.float32], gate_db: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Instants (K,) s of the syllables' nuclei, and their strengths (K,), the mean being 1."""
    loud = energy > gate_db
    level = np.maximum(energy.astype(np.float64), gate_db)
    tone, _ = semitones(pitch(wave, energy))
    falling = detrended(np.clip(tone.astype(np.float64), -8, 12))
    signal = standardised(level, loud) + _PITCH_WEIGHT * standardised(falling, loud)
    smooth = np.asarray(_smooth(energy, 5), np.float64)
    peaks, _ = find_peaks(smooth, height=gate_db, distance=_NUCLEI_APART, prominence=_NUCLEUS_DB)
    strength = lines_of_maxima(signal)[peaks]
    return peaks / RATE_HZ, strength / max(float(strength.mean()) if len(strength) else 1.0, 1e-6)


def _pulses(at_s: NDArray[np.float64], heights: NDArray[np.float64], frames: int) -> NDArray[np.float64]:
    """(frames,) pulses, each shared by the two frames whose middles are nearest; where several meet, the highest counts."""
    out = np.zeros(frames + 1)
    place = np.clip(at_s * MODEL_FPS - 0.5, 0, frames - 1)
    low = np.floor(place).astype(int)
    for frame, share in ((low, 1 - (place - low)), (low + 1, place - low)):
        np.maximum.at(out, frame, heights * share)
    return out[:frames]


def _tracks(wave: NDArray[np.float32], energy: NDArray[np.float32], gate: float) -> NDArray[np.float32]:
    """All measures every 10 ms (M, 12)."""
    loud = energy > gate
    mel = mel_db(wave, _MEL_BANDS)
    mel = np.maximum(mel, np.percentile(mel, 98, axis=0).astype(np.float32) - _BAND_RANGE_DB)
    onset = np.maximum(np.diff(mel, axis=0, prepend=mel[:1]), 0).mean(1)
    track = pitch(wave, energy)
    tone, _ = semitones(track)
    tone = np.asarray(np.clip(tone, -12, 12) / 4, dtype=np.float32)
    floored = np.maximum(energy, gate - 10)
    level = _smooth((floored - np.median(floored[loud])) / np.float32(_spread(floored[loud], 4.0)), 5)
    bands = mel.reshape(mel.shape[0], _SHAPE_BANDS, -1).mean(2)
    shape = bands - bands.mean(1, keepdims=True)
    shape -= np.median(shape[loud], axis=0)
    spreads = np.array([_spread(column[loud], 3.0) for column in shape.T], dtype=np.float32)
    shape *= loud[:, None] / spreads
    voiced = _smooth(track.voiced.astype(np.float32), 3)
    columns = [
        level,
        _slope(level),
        onset / _spread(onset[loud], 0.5),
        tone * _smooth(track.voiced.astype(np.float32), 9),
        _slope(_smooth(tone, 9)) * _smooth(track.voiced.astype(np.float32), 15),
        voiced,
    ]
    tracks = np.concatenate([np.stack(columns, axis=1), shape], axis=1)
    return np.asarray(np.clip(tracks, -_LIMIT, _LIMIT), dtype=np.float32)


def _spread(values: NDArray[np.float32], least: float) -> float:
    """Standard deviation by the interquartile range, not below ``least``."""
    low, high = np.percentile(values, [25, 75])
    return max(float(high - low) / 1.349, least)


def _smooth(track: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Running mean over ``width`` (odd) frames, ends held."""
    padded = np.pad(track, width // 2, mode="edge")
    return np.asarray(np.convolve(padded, np.full(width, 1 / width), mode="valid"), dtype=np.float32)


def _slope(track: NDArray[np.float32]) -> NDArray[np.float32]:
    """Change over a tenth of a second, centred."""
    reach = round(RATE_HZ * 0.05)
    padded = np.pad(track, reach, mode="edge")
    return np.asarray(padded[2 * reach :] - padded[: -2 * reach], dtype=np.float32)


def _to_model_rate(tracks: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Mean of the 10 ms frames in each model frame: (M, D) -> (frames, D)."""
    edges = np.round(np.arange(frames + 1) * RATE_HZ / MODEL_FPS).astype(np.int64)
    edges = np.minimum(edges, tracks.shape[0])
    sums = np.concatenate([np.zeros((1, tracks.shape[1])), np.cumsum(tracks, axis=0, dtype=np.float64)])
    counts = np.maximum(edges[1:] - edges[:-1], 1)[:, None]
    return np.asarray((sums[edges[1:]] - sums[edges[:-1]]) / counts, dtype=np.float32)
