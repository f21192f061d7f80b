"""Pelvis, spine, neck, head and collars: the mean pose, slow life, couplings with the hands, nods and gaze."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.body.smoothing import gaussian_smooth
from raggesture.corpus.starter.accents import Accents
from raggesture.corpus.starter.noise import smooth_noise
from raggesture.corpus.starter.style import Style

Floats = NDArray[np.float64]
_TORSO = 0.85
_MEAN = {
    "pelvis": (-0.29, 0.0, 0.0),
    "spine1": (0.25, 0.0, 0.0),
    "spine2": (0.12, 0.0, 0.0),
    "spine3": (0.02, 0.0, 0.0),
    "neck": (0.13, 0.0, 0.0),
    "head": (-0.02, 0.0, 0.0),
}
_NOISE = {  # std x, y, z rad; corner Hz; k
    "pelvis": ((0.066, 0.16, 0.040), 0.42, 4.1),
    "spine1": ((0.061, 0.036, 0.041), 0.42, 3.6),
    "spine2": ((0.046, 0.034, 0.032), 0.42, 3.4),
    "spine3": ((0.020, 0.013, 0.017), 0.50, 3.2),
    "neck": ((0.050, 0.056, 0.040), 0.50, 3.9),
    "head": ((0.036, 0.048, 0.034), 0.58, 3.9),
    "collar": ((0.030, 0.045, 0.045), 0.60, 4.3),
}
_ROOT = ((0.045, 0.014, 0.055), 0.30, 5.0)
_HEAD_COUNTER, _SPINE_COUNTER = 0.45, 0.30
_WEIGHT_M, _WEIGHT_ROLL, _WEIGHT_S = 0.028, 0.035, (2.5, 7.0)
"""The weight lies on one leg for some seconds, then on the other: so far to the side, the hip up so much (rad)."""


@dataclass(frozen=True, slots=True, eq=False)
class Trunk:
    """Rotation vectors (F, 3) rad, and the root's wandering (F, 3) m around its stand."""

    pelvis: Floats
    spine1: Floats
    spine2: Floats
    spine3: Floats
    neck: Floats
    head: Floats
    left_collar: Floats
    right_collar: Floats
    root: Floats


def weight_shift(frames: int, fps: float, rng: np.random.Generator) -> Floats:
    """(F,) from -1, all weight on the right leg, to 1, on the left; each lasts some seconds, now and then it is on both."""
    level, t, now = np.zeros(frames), 0.0, float(rng.choice((-1.0, 1.0)))
    while t * fps < frames:
        level[int(t * fps) :] = now * float(rng.uniform(0.5, 1.0))
        t += float(rng.uniform(*_WEIGHT_S))
        now = 0.2 * now if rng.random() < 0.25 else -np.sign(now)
    return np.asarray(gaussian_smooth(level[:, None], 0.38 * fps)[:, 0])


def make_trunk(left: Floats, right: Floats, accents: Accents, style: Style, fps: float, rng: np.random.Generator) -> Trunk:
    """Trunk over all frames.

    Args:
        left, right: (F, 3) wrist places of the two sides (mirrored-left), m. accents: what the gestures ask of head, shoulders and trunk.
    """
    frames = len(left)
    live = style.liveliness
    noise = {
        name: smooth_noise(rng, frames, np.array(std) * live * (1.0 if name in ("neck", "head") else _TORSO), fc, k, fps)
        for name, (std, fc, k) in _NOISE.items()
    }
    other_collar = smooth_noise(rng, frames, np.array(_NOISE["collar"][0]) * live * _TORSO, _NOISE["collar"][1], _NOISE["collar"][2], fps)
    lx, rx = left[:, 0], -right[:, 0]
    yaw = 0.15 * (lx + rx) + 0.17 * (right[:, 2] - left[:, 2])
    yaw = gaussian_smooth(np.clip(yaw, -0.2, 0.2)[:, None], 0.12 * fps)[:, 0]
    pose = {name: noise[name] + np.array(_MEAN[name]) for name in _MEAN}
    pose["spine1"][:, 0] += style.lean_rad
    pose["spine2"] -= _SPINE_COUNTER * noise["spine1"]
    pose["spine1"][:, 1] += 0.5 * yaw
    pose["spine2"][:, 1] += 0.5 * yaw
    pose["neck"] = pose["neck"] - 0.5 * _HEAD_COUNTER * noise["pelvis"] + 0.45 * accents.head
    pose["head"] = pose["head"] - 0.5 * _HEAD_COUNTER * noise["pelvis"] + 0.55 * accents.head
    breath = 0.006 * np.sin(2 * np.pi * np.cumsum(0.26 + 0.03 * smooth_noise(rng, frames, [1.0], 0.2, 4.0, fps)[:, 0]) / fps)
    pose["spine3"][:, 0] -= breath
    pose["spine1"][:, 0] += 0.6 * accents.lean
    pose["spine2"][:, 0] += 0.4 * accents.lean
    rise = np.stack([np.zeros(frames), np.zeros(frames), breath + accents.shrug], axis=-1)
    std, fc, k = _ROOT
    root = smooth_noise(rng, frames, np.array(std) * np.sqrt(live), fc, k, fps)
    weight = weight_shift(frames, fps, rng)
    root[:, 0] += _WEIGHT_M * weight
    pose["pelvis"][:, 2] += _WEIGHT_ROLL * weight
    pose["spine1"][:, 2] -= 0.7 * _WEIGHT_ROLL * weight
    left_collar, right_collar = noise["collar"] + rise, other_collar + rise
    return Trunk(pose["pelvis"], pose["spine1"], pose["spine2"], pose["spine3"], pose["neck"], pose["head"], left_collar, right_collar, root)
