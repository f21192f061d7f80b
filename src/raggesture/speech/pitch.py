"""Voice measures every 10 ms: energy, fundamental frequency, how periodic it is, mel bands. Numpy only, fast.

Fundamental frequency is the peak of the window-corrected autocorrelation. Source: Boersma 1993, "Accurate short-term
analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled sound" (without path search; a
running median instead).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from raggesture.clock import SAMPLE_RATE_HZ

HOP_SAMPLES = 160
RATE_HZ = SAMPLE_RATE_HZ / HOP_SAMPLES
"""Rate of the tracks."""
_MEL_WINDOW = 400
_PITCH_WINDOW = 640
_PITCH_STRIDE = 2
"""The pitch is measured on every second sample (8 kHz): speech below 500 Hz needs no more."""
PITCH_RANGE_HZ = (60.0, 450.0)
PERIODIC_AT = 0.5
"""Autocorrelation from which a frame counts as voiced."""
_OCTAVE_COST = 0.02
_FLOOR = 1e-10
_MEL_FLOOR = 1e-14
_SILENT_DB = -85.0
_BLOCK = 4096

Track = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class PitchTrack:
    """``f0_hz`` (M,) with 0 where unvoiced; ``periodicity`` (M,) in [0, 1]."""

    f0_hz: Track
    periodicity: Track

    @property
    def voiced(self) -> NDArray[np.bool_]:
        """Frames that carry a pitch."""
        return self.f0_hz > 0


def track_length(n_samples: int) -> int:
    """Number of 10 ms frames of a wave; frame i is centred on sample ``i * HOP_SAMPLES``."""
    return n_samples // HOP_SAMPLES + 1


def _frames(wave: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    padded = np.pad(wave, (window // 2, window // 2 + HOP_SAMPLES))
    return sliding_window_view(padded, window)[::HOP_SAMPLES][: track_length(wave.shape[0])]


def energy_db(wave: NDArray[np.float32]) -> Track:
    """Level of every frame in dB re full scale (M,), at least -100."""
    squares = np.concatenate([[0.0], np.cumsum(wave.astype(np.float64) ** 2)])
    centres = np.arange(track_length(wave.shape[0])) * HOP_SAMPLES
    low = np.clip(centres - _MEL_WINDOW // 2, 0, wave.shape[0])
    high = np.clip(centres + _MEL_WINDOW // 2, 0, wave.shape[0])
    power = (squares[high] - squares[low]) / _MEL_WINDOW
    return np.asarray(10 * np.log10(np.maximum(power, _FLOOR)), dtype=np.float32)


def mel_filters(bands: int, n_fft: int = 512, low_hz: float = 80.0, high_hz: float = 7600.0) -> NDArray[np.float32]:
    """Triangular filters on the mel scale (bands, n_fft // 2 + 1), each summing to one."""
    edges_mel = np.linspace(_mel(low_hz), _mel(high_hz), bands + 2)
    edges_hz = 700 * (10 ** (edges_mel / 2595) - 1)
    bins_hz = np.arange(n_fft // 2 + 1) * SAMPLE_RATE_HZ / n_fft
    rising = (bins_hz - edges_hz[:-2, None]) / (edges_hz[1:-1] - edges_hz[:-2])[:, None]
    falling = (edges_hz[2:, None] - bins_hz) / (edges_hz[2:] - edges_hz[1:-1])[:, None]
    filters = np.clip(np.minimum(rising, falling), 0, None)
    return np.asarray(filters / np.maximum(filters.sum(1, keepdims=True), 1e-6), dtype=np.float32)


def _mel(hz: float) -> float:
    return float(2595 * np.log10(1 + hz / 700))


def mel_db(wave: NDArray[np.float32], bands: int) -> NDArray[np.float32]:
    """Level of mel bands in dB (M, bands), at least -140."""
    filters = mel_filters(bands).T
    window = np.hanning(_MEL_WINDOW).astype(np.float32)
    frames = _frames(wave, _MEL_WINDOW)
    power = np.empty((frames.shape[0], bands), dtype=np.float32)
    for start in range(0, frames.shape[0], _BLOCK):
        spectrum = np.fft.rfft(frames[start : start + _BLOCK] * window, 512)
        power[start : start + _BLOCK] = (spectrum.real**2 + spectrum.imag**2) @ filters
    return np.asarray(10 * np.log10(np.maximum(power / _MEL_WINDOW, _MEL_FLOOR)), dtype=np.float32)


def pitch(wave: NDArray[np.float32], energy: Track | None = None) -> PitchTrack:
    """Track the pitch of a mono wave (N,) at 16 kHz.

    A frame is voiced when its autocorrelation peak is at least ``PERIODIC_AT`` and it is louder than 35 dB below the
    speech's loud frames. Silence gives an unvoiced track.
    """
    level = energy_db(wave) if energy is None else energy
    length = _PITCH_WINDOW // _PITCH_STRIDE
    size = 1024
    rate = SAMPLE_RATE_HZ / _PITCH_STRIDE
    shortest, longest = int(rate / PITCH_RANGE_HZ[1]), int(np.ceil(rate / PITCH_RANGE_HZ[0]))
    longest = min(longest, int(length * 0.6))
    window = np.hanning(length).astype(np.float32)
    correction = np.fft.irfft(np.abs(np.fft.rfft(window, size)) ** 2, size)[: longest + 2]
    correction = correction / correction[0]
    smooth = (wave + np.concatenate([wave[1:], wave[-1:]])) / 2
    frames = _frames(np.asarray(smooth, dtype=np.float32), _PITCH_WINDOW)[:, ::_PITCH_STRIDE]
    lags = np.arange(shortest, longest + 1)
    cost = _OCTAVE_COST * np.log2(lags / shortest)
    f0, strength = np.zeros(frames.shape[0]), np.zeros(frames.shape[0])
    loud = level > max(float(np.percentile(level, 95)) - 35, _SILENT_DB)
    wanted = np.flatnonzero(loud)
    for start in range(0, wanted.size, _BLOCK):
        rows = wanted[start : start + _BLOCK]
        block = frames[rows]
        block = (block - block.mean(1, keepdims=True)) * window
        spectrum = np.fft.rfft(block, size)
        correlation = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, size)[:, : longest + 2]
        correlation = correlation / np.maximum(correlation[:, :1], 1e-12) / correction
        best = np.argmax(correlation[:, shortest : longest + 1] - cost, axis=1) + shortest
        index = np.arange(rows.size)
        before, at, after = (correlation[index, best + step] for step in (-1, 0, 1))
        bend = before - 2 * at + after
        offset = np.where(bend < -1e-9, 0.5 * (before - after) / np.where(bend < -1e-9, bend, -1.0), 0.0)
        f0[rows] = rate / (best + np.clip(offset, -0.5, 0.5))
        strength[rows] = np.clip(at, 0, 1)
    voiced = loud & (strength >= PERIODIC_AT)
    return PitchTrack(_without_jumps(f0, voiced), strength.astype(np.float32))


def _without_jumps(f0: NDArray[np.float64], voiced: NDArray[np.bool_]) -> Track:
    """Replace every voiced value that is far from the median of its voiced neighbours (octave errors) by that median."""
    held = np.where(voiced, f0, np.nan)
    padded = np.pad(held, 3, constant_values=np.nan)
    around = sliding_window_view(padded, 7)
    enough = np.isfinite(around).sum(1) >= 3
    median = np.zeros(f0.shape[0])
    if enough.any():
        median[enough] = np.nanmedian(around[enough], axis=1)
    jump = voiced & enough & (np.abs(np.log2(np.maximum(f0, 1) / np.maximum(median, 1))) > 0.3)
    return np.where(voiced, np.where(jump, median, f0), 0.0).astype(np.float32)


def semitones(track: PitchTrack) -> tuple[Track, float]:
    """Pitch in semitones against the speaker's median, held and interpolated over unvoiced frames, and that median in Hz.

    Returns:
        ((M,) float32, median_hz); zeros and 0.0 when nothing is voiced.
    """
    voiced = track.voiced
    if not voiced.any():
        return np.zeros_like(track.f0_hz), 0.0
    median = float(np.median(track.f0_hz[voiced]))
    index = np.arange(track.f0_hz.shape[0])
    values = 12 * np.log2(track.f0_hz[voiced] / median)
    return np.interp(index, index[voiced], values).astype(np.float32), median
