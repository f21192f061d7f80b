"""Pelvis, spine, neck, head and collars: the mean pose, slow life, couplings with the hands, nods and gaze."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.body.smoothing import gaussian_smooth
from raggesture.corpus.starter.noise import smooth_noise
from raggesture.corpus.starter.plan import Move
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


def _bump(time: Floats, start: float, top: float, leave: float, end: float) -> Floats:
    """0 before start, 1 from top to leave, 0 after end, smooth."""
    rise = np.clip((time - start) / max(top - start, 0.05), 0, 1)
    fall = np.clip((end - time) / max(end - leave, 0.05), 0, 1)
    low = np.minimum(rise, fall)
    out: Floats = low**3 * (10 - 15 * low + 6 * low**2)
    return out


def head_accents(moves: Sequence[Move], starts: Sequence[float], frames: int, fps: float) -> Floats:
    """(F, 3) rad: nods on beats, the pose of the head in gestures, and gaze towards the hand and back."""
    time = np.arange(frames) / fps
    out = np.zeros((frames, 3))
    for move, start in zip(moves, starts, strict=True):
        sign = 1.0 if move.side == "left" else -1.0
        pitch, yaw, roll = move.gesture.head
        amount = 0.7 + 0.4 * min(move.event.prominence, 2.0)
        if move.gesture.additive:
            shape = _bump(time, move.stroke - 0.26, move.stroke - 0.01, move.stroke + 0.03, move.stroke + 0.36)
        else:
            shape = _bump(time, min(start, move.stroke - 0.3), move.stroke, move.hold_end, move.hold_end + 0.6)
            place = move.lead[move.stroke_key]
            if move.gesture.gaze > 0:
                look = np.arctan2(place[0] + 0.16, max(place[2], 0.15) + 0.2)
                pitch, yaw = pitch - 0.35 * move.gesture.gaze * place[1], yaw + move.gesture.gaze * 0.5 * look
        out += shape[:, None] * amount * np.array([pitch, sign * yaw, sign * roll])
    return out


def make_trunk(left: Floats, right: Floats, accents: Floats, style: Style, fps: float, rng: np.random.Generator) -> Trunk:
    """Trunk over all frames.

    Args:
        left, right: (F, 3) wrist places of the two sides (mirrored-left), m. accents: (F, 3) from ``head_accents``.
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
    pose["neck"] = pose["neck"] - 0.5 * _HEAD_COUNTER * noise["pelvis"] + 0.45 * accents
    pose["head"] = pose["head"] - 0.5 * _HEAD_COUNTER * noise["pelvis"] + 0.55 * accents
    breath = 0.006 * np.sin(2 * np.pi * np.cumsum(0.26 + 0.03 * smooth_noise(rng, frames, [1.0], 0.2, 4.0, fps)[:, 0]) / fps)
    pose["spine3"][:, 0] -= breath
    rise = np.stack([np.zeros(frames), np.zeros(frames), breath], axis=-1)
    std, fc, k = _ROOT
    root = smooth_noise(rng, frames, np.array(std) * np.sqrt(live), fc, k, fps)
    left_collar, right_collar = noise["collar"] + rise, other_collar + rise
    return Trunk(pose["pelvis"], pose["spine1"], pose["spine2"], pose["spine3"], pose["neck"], pose["head"], left_collar, right_collar, root)
