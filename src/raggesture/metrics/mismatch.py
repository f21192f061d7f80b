"""Whose speech does a motion belong to? Envelopes of motion and voice, and how well they go together.

Two judges. ``ACCENTS``: do strokes arrive on prominent syllables. A stroke arrives where a wrist stops, so its envelope is the wrists' deceleration; the
voice's is its syllables' nuclei, each by how much it stands out. ``ENERGY``: do the wrists move when the voice is loud. A stroke that lands on an accent
has its wrist at rest there, so the second judge hardly knows authored motion by its own voice (README has both); it is kept to compare with figures of
before.
Source: ours, after GENEA's test with people; nuclei as in ``encoders/prosody.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from raggesture.clock import MOTION_FPS, SAMPLE_RATE_HZ
from raggesture.encoders.prosody import accents
from raggesture.errors import InputError

Floats = NDArray[np.floating]
JudgeName = Literal["accents", "energy"]
_WRISTS = (20, 21)
_ENERGY_SIGMA_FRAMES, _ENERGY_LAG_FRAMES = 2.0, 5
_ARRIVAL_SIGMA_FRAMES, _SPEED_SIGMA_FRAMES = 1.5, 1.0
_QUIET = 1e-4
_FEWEST_FRAMES = 20


@dataclass(frozen=True, slots=True)
class Judge:
    """``of_motion``: joints (F, 55, 3) m at 30 fps -> (F,). ``of_voice``: mono wave at 16 kHz, number of frames -> (F,).

    ``lag_frames``: by so many either may be late.
    """

    name: JudgeName
    of_motion: Callable[[Floats], Floats]
    of_voice: Callable[[NDArray[np.float32], int], Floats]
    lag_frames: int

    def table(self, motions: Floats, voices: Floats) -> Floats:
        """(N, N): 100 where motion i goes better with its own voice than with k's, 50 where equally, 0 where worse; NaN on the diagonal and where unknown.

        Envelopes and errors as ``belonging``.
        """
        found = belonging(motions, voices, self.lag_frames)
        gap = np.diag(found)[:, None] - found
        out = np.where(np.isnan(gap), np.nan, 50 + 50 * np.sign(gap))
        np.fill_diagonal(out, np.nan)
        return out


def _speed(joints: Floats) -> Floats:
    """(F, 2) m/s of the wrists."""
    return np.asarray(np.linalg.norm(np.gradient(joints[:, list(_WRISTS)].astype(np.float64), axis=0), axis=-1) * MOTION_FPS)


def _smooth(track: Floats, sigma_frames: float) -> Floats:
    return np.asarray(gaussian_filter1d(track, sigma_frames, axis=0), np.float64)


def arrivals(joints: Floats) -> Floats:
    """(F,) m/s² by which the wrists become slower, smoothed: high where a stroke arrives. Joints (F, 55, 3) m at 30 fps."""
    slower = np.maximum(-np.gradient(_smooth(_speed(joints), _SPEED_SIGMA_FRAMES), axis=0) * MOTION_FPS, 0.0)
    return _smooth(slower.sum(axis=1), _ARRIVAL_SIGMA_FRAMES)


def accent_track(wave: NDArray[np.float32], n_frames: int) -> Floats:
    """(F,) pulses at the syllables' nuclei, as high as they stand out (the mean is 1), smoothed; 0 where the voice is silent or has ended."""
    at_s, strength = accents(wave)
    track = np.zeros(n_frames + 1)
    place = at_s * MOTION_FPS - 0.5
    at_s, strength, place = (values[place <= n_frames - 1] for values in (at_s, strength, np.maximum(place, 0.0)))
    low = np.floor(place).astype(int)
    for frame, share in ((low, 1 - (place - low)), (low + 1, place - low)):
        np.maximum.at(track, frame, strength * share)
    return _smooth(track[:n_frames], _ARRIVAL_SIGMA_FRAMES)


def wrists_speed(joints: Floats) -> Floats:
    """(F,) m/s of both wrists together, smoothed; joints (F, 55, 3) m at 30 fps."""
    return _smooth(_speed(joints).sum(axis=1), _ENERGY_SIGMA_FRAMES)


def loudness(wave: NDArray[np.float32], n_frames: int) -> Floats:
    """(F,) dB of the audio under each frame at 30 fps, smoothed; silence where the voice has ended."""
    padded = np.zeros(math.ceil(n_frames * SAMPLE_RATE_HZ / MOTION_FPS))
    padded[: min(len(wave), len(padded))] = wave[: len(padded)]
    starts = np.arange(n_frames) * SAMPLE_RATE_HZ // MOTION_FPS
    power = np.add.reduceat(padded**2, starts) * MOTION_FPS / SAMPLE_RATE_HZ
    return _smooth(20 * np.log10(np.sqrt(power) + _QUIET), _ENERGY_SIGMA_FRAMES)


ACCENTS = Judge("accents", arrivals, accent_track, 0)
ENERGY = Judge("energy", wrists_speed, loudness, _ENERGY_LAG_FRAMES)
JUDGES: dict[JudgeName, Judge] = {judge.name: judge for judge in (ACCENTS, ENERGY)}


def _standard(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, keepdims=True)
    return np.where(spread > 1e-9, centred / np.maximum(spread, 1e-9), np.nan)


def belonging(motions: Floats, voices: Floats, lag_frames: int) -> Floats:
    """(N, N) how well motion i goes with voice k: the greatest correlation of their envelopes (N, F) at any lag of at most ``lag_frames``.

    NaN where either does not change at all.

    Raises:
        InputError: shapes that differ, or fewer frames than the lags need.
    """
    fewest = max(_FEWEST_FRAMES, 4 * lag_frames)
    if motions.shape != voices.shape or motions.ndim != 2 or motions.shape[1] <= fewest:
        raise InputError(f"envelopes {motions.shape} and {voices.shape}: expected one shape (clips, frames) of more than {fewest} frames")
    frames = motions.shape[1]
    best = np.full((len(motions), len(motions)), -np.inf)
    for lag in range(-lag_frames, lag_frames + 1):
        ours = motions[:, max(lag, 0) : frames + min(lag, 0)]
        theirs = voices[:, max(-lag, 0) : frames - max(lag, 0)]
        best = np.maximum(best, _standard(ours) @ _standard(theirs).T / ours.shape[1])
    return best
