"""How a voice sounds through rooms and microphones: what keeps a model from knowing synthetic speech alone.

A room answers (early reflections, then a tail that dies away), a microphone colours and cuts, noise lies under it, the level is anything. The direct sound
stays where it was: words keep their times. All draws come from the generator that is passed in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, oaconvolve, sosfilt

from raggesture.clock import SAMPLE_RATE_HZ

Wave = NDArray[np.float32]
_ROOM_SHARE, _TELEPHONE_SHARE, _CLOSE_SHARE = 0.6, 0.12, 0.2
_DECAY_S, _DIRECT_DB = (0.12, 0.7), (-2.0, 14.0)
_SNR_DB = (12.0, 45.0)
_TILT = (-0.5, 0.5)
_PEAK = (0.08, 0.95)


def recorded(wave: Wave, rng: np.random.Generator) -> Wave:
    """A clean voice (N,) at 16 kHz as some microphone in some room would have it: (N,) float32 within [-1, 1]."""
    if rng.random() < _CLOSE_SHARE:  # a good microphone, near
        return _levelled(wave.astype(np.float64) + _noise(len(wave), wave, float(rng.uniform(40, 60)), 0.0, rng), rng)
    heard = wave.astype(np.float64)
    if rng.random() < _ROOM_SHARE:
        heard = _in_room(heard, rng)
    heard = _tilted(heard, float(rng.uniform(*_TILT)))
    heard = heard + _noise(len(heard), heard, float(rng.uniform(*_SNR_DB)), float(rng.uniform(0.0, 1.0)), rng)
    if rng.random() < _TELEPHONE_SHARE:
        heard = sosfilt(butter(4, (300, 3400), "bandpass", fs=SAMPLE_RATE_HZ, output="sos"), heard)
    if rng.random() < 0.3:  # a compressor, as in recorders and calls
        heard = np.tanh(float(rng.uniform(1.0, 3.0)) * heard / max(float(np.abs(heard).max()), 1e-6))
    return _levelled(heard, rng)


def _in_room(wave: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """The direct sound, a few early reflections, and a tail of noise that falls by 60 dB in the room's decay time."""
    decay_s = float(rng.uniform(*_DECAY_S))
    length = int(decay_s * SAMPLE_RATE_HZ)
    time = np.arange(length) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(length) * 10 ** (-3 * time / decay_s)
    tail[: int(0.004 * SAMPLE_RATE_HZ)] = 0
    for at in rng.uniform(0.004, 0.03, 5):
        tail[min(int(at * SAMPLE_RATE_HZ), length - 1)] += float(rng.uniform(-4, 4))
    tail *= 10 ** (-float(rng.uniform(*_DIRECT_DB)) / 20) / max(float(np.sqrt((tail**2).sum())), 1e-9)
    tail[0] = 1.0
    return np.asarray(oaconvolve(wave, tail)[: len(wave)], np.float64)


def _tilted(wave: NDArray[np.float64], tilt: float) -> NDArray[np.float64]:
    """Duller (below 0) or brighter: one pole or one zero."""
    before = np.concatenate([[0.0], wave[:-1]])
    return wave - tilt * before if tilt > 0 else np.asarray(sosfilt([[1 + tilt, 0, 0, 1, tilt, 0]], wave))


def _noise(length: int, wave: NDArray[np.floating], snr_db: float, pink: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise so far below the loud parts of ``wave``; ``pink`` 0 is white, 1 falls by 3 dB an octave and more."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hz = np.maximum(np.fft.rfftfreq(length, 1 / SAMPLE_RATE_HZ), 30.0)
    noise = np.fft.irfft(spectrum * (hz / 1000) ** (-0.7 * pink), length)
    loud = float(np.sqrt(np.percentile(np.square(wave.astype(np.float64)), 95))) or 1e-3
    return np.asarray(noise * loud * 10 ** (-snr_db / 20) / max(float(noise.std()), 1e-9))


def _levelled(wave: NDArray[np.float64], rng: np.random.Generator) -> Wave:
    peak = float(np.abs(wave).max()) or 1.0
    return np.asarray(wave * float(rng.uniform(*_PEAK)) / peak, np.float32)
