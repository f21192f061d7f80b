"""Smoothing along frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def reach_of(sigma_frames: float) -> int:
    """How many frames to either side a Gaussian of ``gaussian_smooth`` sees."""
    return max(1, int(4 * sigma_frames + 0.5))


def gaussian_smooth(values: Floats, sigma_frames: float) -> Floats:
    """Gaussian filter along axis 0 of (F, ...); the ends are held."""
    if sigma_frames <= 0:
        return values
    radius = reach_of(sigma_frames)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma_frames) ** 2)
    taps /= taps.sum()
    flat = values.reshape(len(values), -1)
    padded = np.pad(flat, ((radius, radius), (0, 0)), mode="edge")
    size = len(values)
    out = np.zeros_like(flat)
    for k, tap in enumerate(taps):
        out += tap * padded[k : k + size]
    return out.reshape(values.shape)
