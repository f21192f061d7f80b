"""Smooth random movement: the slow drift of a living body. Vectorised over frames and channels.

Spectrum PSD ~ 1 / (1 + (f / fc)^k), k about 4: an Ornstein-Uhlenbeck process (k = 2) is far too rough. The standard
deviations and corner frequencies used by the performer are summary statistics of real takes, not motion.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def smooth_noise(rng: np.random.Generator, frames: int, std: Sequence[float] | Floats, fc_hz: float, order: float, fps: float) -> Floats:
    """(frames, len(std)) noise of the given standard deviations.

    Args:
        std: one per channel; fc_hz: corner frequency; order: k, how steeply the spectrum falls.
    """
    length = frames + int(2 * fps / fc_hz)  # a longer period than the clip, so that its end is not its beginning
    f = np.fft.rfftfreq(length, 1.0 / fps)
    gain = 1.0 / np.sqrt(1.0 + (f / fc_hz) ** order)
    gain[0] = 0.0
    white = rng.standard_normal((len(f), len(std))) + 1j * rng.standard_normal((len(f), len(std)))
    wave = np.fft.irfft(white * gain[:, None], n=length, axis=0)
    power = np.sqrt(4.0 * np.sum(gain**2)) / length  # expected standard deviation of irfft
    out: Floats = wave[:frames] / power * np.asarray(std)
    return out
