"""BeatAlign: how near the beats of the motion fall to the onsets of the voice.

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
