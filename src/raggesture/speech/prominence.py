"""Prosodic prominence of every word, and the instant of its stress.

Energy, fundamental frequency and word duration are joined into one signal, its continuous wavelet transform is taken over
the scales of syllable to phrase, and a word's prominence is the strength of the line of maxima that runs through it.
Source: Suni, Simko, Aalto, Vainio 2017, "Hierarchical representation and estimation of prosody using continuous wavelet
transform" (weights and scaling are ours: the mean word is 1).
"""

from __future__ import annotations

import numpy as np
import pywt
from numpy.typing import NDArray

from raggesture.speech.pitch import RATE_HZ, energy_db, pitch, semitones
from raggesture.types import Transcript

_SCALES_PER_OCTAVE = 3
_SHORTEST_S, _LONGEST_S = 0.1, 1.6
"""Periods of the wavelets: half a syllable to a phrase."""
_WEIGHTS = (1.0, 0.7, 0.7)
"""Of energy, pitch and duration."""
_LARGEST = 4.0
Track = NDArray[np.float64]


def word_prominence(wave: NDArray[np.float32], transcript: Transcript) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Measure how much each word stands out.

    Args:
        wave: (N,) float32 at 16 kHz. transcript: its words.

    Returns:
        Prominences (about 0 to 4, the mean is about 1; all 1 in silence) and stress instants in seconds (the energy peak
        inside the word), one each per word.
    """
    words = transcript.words
    if not words:
        return (), ()
    energy = energy_db(wave)
    stress = tuple(_stress(energy, word.start, word.end) for word in words)
    signal = _signal(wave, energy, transcript)
    if signal is None:
        return (1.0,) * len(words), stress
    strength = lines_of_maxima(signal)
    raw = np.array([_peak(strength, word.start, word.end) for word in words])
    scale = float(raw.mean())
    if scale < 1e-6:
        return (1.0,) * len(words), stress
    return tuple(float(value) for value in np.clip(raw / scale, 0.0, _LARGEST)), stress


def _frame(seconds: float) -> int:
    return round(seconds * RATE_HZ)


def _stress(energy: NDArray[np.float32], start: float, end: float) -> float:
    """Instant of the largest smoothed energy inside the word."""
    low = min(_frame(start), energy.shape[0] - 1)
    high = min(max(_frame(end), low + 1), energy.shape[0])
    around = slice(max(low - 2, 0), min(high + 2, energy.shape[0]))
    smooth = np.convolve(np.pad(energy[around], 2, mode="edge"), np.full(5, 0.2), mode="valid")
    inside = smooth[low - around.start : high - around.start]
    return float(min(max((low + int(np.argmax(inside))) / RATE_HZ, start), end))


def _signal(wave: NDArray[np.float32], energy: NDArray[np.float32], transcript: Transcript) -> Track | None:
    """Weighted sum of standardised energy, pitch and duration (M,); None when nothing is loud."""
    words = transcript.words
    inside = np.zeros(energy.shape[0], dtype=bool)
    for word in words:
        inside[_frame(word.start) : max(_frame(word.end), _frame(word.start) + 1)] = True
    floor = float(np.percentile(energy, 95)) - 35
    if not inside.any() or floor < -90:
        return None
    level = np.maximum(energy.astype(np.float64), floor)
    tone, _ = semitones(pitch(wave, energy))
    falling = detrended(np.clip(tone.astype(np.float64), -8, 12))
    index = np.arange(energy.shape[0])
    middles = [_frame((word.start + word.end) / 2) for word in words]
    letters = [max(len(word.text), 1) for word in words]
    lengths = [np.log(max(word.end - word.start, 0.03)) - 0.5 * np.log(size) for word, size in zip(words, letters, strict=True)]
    duration = np.where(inside, np.interp(index, middles, lengths), min(lengths))
    parts = [standardised(track, inside) for track in (level, falling, duration)]
    return sum((weight * part for weight, part in zip(_WEIGHTS, parts, strict=True)), np.zeros(energy.shape[0]))


def standardised(track: Track, inside: NDArray[np.bool_]) -> Track:
    """A track (M,) with mean 0 and spread 1 over the frames ``inside``."""
    spread = float(track[inside].std())
    return (track - float(track[inside].mean())) / max(spread, 1e-3)


def detrended(track: Track) -> Track:
    """Take away what falls slowly (declination): a running mean over four seconds."""
    width = min(_frame(4.0), track.shape[0]) // 2 * 2 + 1
    padded = np.pad(track, width // 2, mode="edge")
    return np.asarray(track - np.convolve(padded, np.full(width, 1 / width), mode="valid"), dtype=np.float64)


def lines_of_maxima(signal: Track) -> Track:
    """Strength of every frame over the scales (M,): positive wavelet coefficients, summed with weight to the larger scales."""
    octaves = np.log2(_LONGEST_S / _SHORTEST_S)
    periods = _SHORTEST_S * 2 ** (np.arange(round(octaves * _SCALES_PER_OCTAVE) + 1) / _SCALES_PER_OCTAVE)
    scales = periods * RATE_HZ * pywt.central_frequency("mexh")
    reach = _frame(_LONGEST_S)
    padded = np.pad(signal, reach, mode="reflect" if signal.shape[0] > reach else "edge")
    coefficients, _ = pywt.cwt(padded, scales, "mexh", method="fft")
    inner = np.maximum(coefficients[:, reach : reach + signal.shape[0]], 0) / np.sqrt(scales)[:, None]
    weights = np.linspace(0.5, 1.0, scales.shape[0])
    return np.asarray((weights[:, None] * inner).sum(0) / weights.sum(), dtype=np.float64)


def _peak(strength: Track, start: float, end: float) -> float:
    low = min(_frame(start), strength.shape[0] - 1)
    return float(strength[low : max(_frame(end), low + 1)].max())
