"""A smooth path through timed keys: quintic Hermite, velocities x (1 - stop), transitions that bulge, a last Gaussian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.body.smoothing import gaussian_smooth

Floats = NDArray[np.float64]
SMOOTH_S = 0.044
BULGE = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """Timed keys of one hand: ``t`` (K,) s rising, ``values`` (K, D) (place first three), ``stop`` (K,), ``bulge`` (K, 3) m into the key."""

    t: Floats
    values: Floats
    stop: Floats
    bulge: Floats


def _tangents(keys: Keys) -> tuple[Floats, Floats]:
    """Velocity (K, D) and acceleration (K, D) at the keys: Catmull-Rom for uneven times, times (1 - stop)."""
    t, v = keys.t, keys.values
    step = np.diff(t)[:, None]
    slope = np.diff(v, axis=0) / step
    velocity, acceleration = np.zeros_like(v), np.zeros_like(v)
    before, after = step[:-1], step[1:]
    velocity[1:-1] = (slope[:-1] * after + slope[1:] * before) / (before + after)
    limit = 2.0 * np.minimum(np.linalg.norm(slope[:-1, :3], axis=1), np.linalg.norm(slope[1:, :3], axis=1))[:, None]
    speed = np.linalg.norm(velocity[1:-1, :3], axis=1, keepdims=True)
    velocity[1:-1] *= np.minimum(1.0, limit / np.maximum(speed, 1e-6))  # no overshoot beside a short segment
    acceleration[1:-1] = 2 * (slope[1:] - slope[:-1]) / (before + after)
    go = (1 - keys.stop)[:, None]
    return velocity * go, acceleration * go**2 * 0.5


def sample_path(keys: Keys, frames: int, fps: float) -> Floats:
    """(frames, D) values at frame / fps; before the first and after the last key the value is held."""
    velocity, acceleration = _tangents(keys)
    time = np.clip(np.arange(frames) / fps, keys.t[0], keys.t[-1])
    k = np.clip(np.searchsorted(keys.t, time, side="right") - 1, 0, len(keys.t) - 2)
    h = (keys.t[k + 1] - keys.t[k])[:, None]
    u = (time - keys.t[k])[:, None] / h
    p0, p1 = keys.values[k], keys.values[k + 1]
    v0, v1 = velocity[k] * h, velocity[k + 1] * h
    a0, a1 = acceleration[k] * h**2, acceleration[k + 1] * h**2
    u2, u3, u4, u5 = u**2, u**3, u**4, u**5
    rise = 10 * u3 - 15 * u4 + 6 * u5
    out = p0 + (p1 - p0) * rise
    out = out + v0 * (u - 6 * u3 + 8 * u4 - 3 * u5) + v1 * (-4 * u3 + 7 * u4 - 3 * u5)
    out = out + a0 * (0.5 * u2 - 1.5 * u3 + 1.5 * u4 - 0.5 * u5) + a1 * (0.5 * u3 - u4 + 0.5 * u5)
    out[:, :3] += keys.bulge[k + 1] * (64 * u3 * (1 - u) ** 3)
    smooth: Floats = gaussian_smooth(out, SMOOTH_S * fps)
    return smooth


def travel_s(distance_m: float) -> float:
    """Seconds a hand takes for a movement: about sqrt(metres)."""
    return float(max(0.24, np.sqrt(max(distance_m, 0.0))))
