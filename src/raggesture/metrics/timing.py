"""BeatAlign: how near the beats of the motion fall to the onsets of the voice. And whose speech a motion belongs to, by its energy.

Source: METHOD part I (g) and part II.38-39. It says something about timing, nothing about quality: raters' scores
correlate negatively with it (FIELD). ``released_threshold`` copies the published threshold, which is read ten frames off.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import MOTION_FPS, SAMPLE_RATE_HZ
from raggesture.errors import InputError

Floats = NDArray[np.floating]
UPPER_JOINTS = (3, 6, 9, *range(12, 22))
MARGIN_FRAMES = 10
_ORDER = 7
_SIGMA_S = 0.3
_MIN_SPEED = 0.3
_HOP = 512


def audio_onsets(wave: NDArray[np.float32], n_frames: int) -> Floats:
    """Onset times in seconds from the end of the margin, over the audio that ``n_frames`` at 30 fps cover."""
    import librosa

    samples = wave[: int(SAMPLE_RATE_HZ / MOTION_FPS * n_frames)]
    margin = int(MARGIN_FRAMES * SAMPLE_RATE_HZ / MOTION_FPS)
    inner = samples[margin : len(samples) - margin]
    if inner.size < _HOP:
        return np.zeros(0)
    return np.asarray(librosa.onset.onset_detect(y=inner, sr=SAMPLE_RATE_HZ, hop_length=_HOP, units="time"), dtype=np.float64)


def motion_beats(joints: Floats, mean_speed: Floats, *, released_threshold: bool = False) -> list[Floats]:
    """Times in seconds (from the end of the margin) of each upper joint's beats: local minima of its speed.

    Args:
        joints: (F, 55, 3) metres at 30 fps. mean_speed: (55,) m/s, the data set's mean speed of each joint.
    """
    from scipy.signal import argrelextrema

    step = np.gradient(joints.astype(np.float64), axis=0, edge_order=1) * MOTION_FPS
    speed = np.linalg.norm(step, axis=-1) / mean_speed  # (F, 55)
    inner = speed[MARGIN_FRAMES : speed.shape[0] - MARGIN_FRAMES]
    beats = []
    for joint in UPPER_JOINTS:
        at = argrelextrema(inner[:, joint], np.less, order=_ORDER)[0]
        looked_up = speed[:, joint] if released_threshold else inner[:, joint]
        beats.append(at[looked_up[at] > _MIN_SPEED] / MOTION_FPS)
    return beats


def beat_align(joints: Floats, wave: NDArray[np.float32], mean_speed: Floats, *, released_threshold: bool = False) -> float:
    """Mean over upper joints and onsets of exp(-d^2 / (2 sigma^2)), d to the nearest motion beat; NaN without onsets.

    A joint without beats scores 0, as published; a voice without onsets has no score (the published code divides by zero).
    """
    if joints.ndim != 3 or joints.shape[1:] != (55, 3):
        raise InputError(f"BeatAlign: joints {joints.shape}; expected (frames, 55, 3) - use SMPL-X's 55 joints")
    onsets = audio_onsets(wave, joints.shape[0])
    if onsets.size == 0:
        return math.nan
    scores = []
    for beats in motion_beats(joints, mean_speed, released_threshold=released_threshold):
        nearest = np.abs(onsets[:, None] - beats[None]).min(axis=1) if beats.size else np.full(onsets.shape, np.inf)
        scores.append(float(np.exp(-(nearest**2) / (2 * _SIGMA_S**2)).mean()))
    return float(np.mean(scores))


ENVELOPE_SIGMA_FRAMES = 2
LAG_FRAMES = 5
_WRISTS = (20, 21)
_QUIET = 1e-4


def motion_envelope(joints: Floats) -> Floats:
    """(F,) speed of both wrists, smoothed; joints (F, 55, 3) m at 30 fps."""
    speed = np.linalg.norm(np.gradient(joints[:, list(_WRISTS)].astype(np.float64), axis=0), axis=-1).sum(axis=1) * MOTION_FPS
    return _smooth(speed)


def voice_envelope(wave: NDArray[np.float32], n_frames: int) -> Floats:
    """(F,) loudness in dB of the audio under each frame at 30 fps, smoothed; silence where the voice has ended."""
    padded = np.zeros(math.ceil(n_frames * SAMPLE_RATE_HZ / MOTION_FPS))
    padded[: min(len(wave), len(padded))] = wave[: len(padded)]
    starts = np.arange(n_frames) * SAMPLE_RATE_HZ // MOTION_FPS
    power = np.add.reduceat(padded**2, starts) * MOTION_FPS / SAMPLE_RATE_HZ
    return _smooth(20 * np.log10(np.sqrt(power) + _QUIET))


def own_goes_better(motions: Floats, voices: Floats) -> Floats:
    """(N, N): 100 where motion i goes better with its own voice than with k's, 50 where equally, 0 where worse; NaN on the diagonal and where unknown.

    Envelopes and errors as ``belonging``.
    """
    found = belonging(motions, voices)
    gap = np.diag(found)[:, None] - found
    out = np.where(np.isnan(gap), np.nan, 50 + 50 * np.sign(gap))
    np.fill_diagonal(out, np.nan)
    return out


def _smooth(track: Floats) -> Floats:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(track, ENVELOPE_SIGMA_FRAMES), np.float64)


def _standard(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, keepdims=True)
    return np.where(spread > 1e-9, centred / np.maximum(spread, 1e-9), np.nan)


def belonging(motions: Floats, voices: Floats) -> Floats:
    """(N, N) how well motion i goes with voice k: the greatest correlation of their envelopes (N, F) at any lag within a sixth of a second.

    NaN where either does not change at all.

    Raises:
        InputError: shapes that differ, or fewer frames than the lags need.
    """
    if motions.shape != voices.shape or motions.ndim != 2 or motions.shape[1] <= 4 * LAG_FRAMES:
        raise InputError(f"envelopes {motions.shape} and {voices.shape}: expected one shape (clips, frames) of more than {4 * LAG_FRAMES} frames")
    frames = motions.shape[1]
    best = np.full((len(motions), len(motions)), -np.inf)
    for lag in range(-LAG_FRAMES, LAG_FRAMES + 1):
        ours = motions[:, max(lag, 0) : frames + min(lag, 0)]
        theirs = voices[:, max(-lag, 0) : frames - max(lag, 0)]
        best = np.maximum(best, _standard(ours) @ _standard(theirs).T / ours.shape[1])
    return best
