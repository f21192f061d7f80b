"""Jaw with the voice's energy, blinks, and a few slow expressions.

Of the hundred expression coefficients about ten are used: 0-4 (slow mood), 5-7 (follow the jaw), 8-9 (blinks); the rest is zero.
Which coefficient moves which muscle depends on a body model that is not part of this project: the columns stand for activity,
not for a certain grimace.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raggesture.body.joints import N_EXPRESSIONS
from raggesture.body.smoothing import gaussian_smooth
from raggesture.corpus.starter.noise import smooth_noise

Floats = NDArray[np.float64]
_JAW_SHUT, _JAW_LOUD = 0.006, 0.052
_MOOD = (0.28, 0.17, 0.15, 0.30, 0.19)
_SPEECH = {5: 0.5, 6: -0.35, 7: 0.4}
_BLINK = {8: 1.1, 9: 0.5}


def _blinks(frames: int, fps: float, rng: np.random.Generator) -> Floats:
    out = np.zeros(frames)
    time = np.arange(frames) / fps
    t = float(rng.uniform(0.3, 3.0))
    while t < frames / fps:
        out = np.maximum(out, np.exp(-0.5 * ((time - t) / 0.055) ** 2))
        t += 0.35 if rng.random() < 0.1 else float(np.clip(rng.exponential(2.2) + 1.2, 1.2, 8.0))
    return out


def make_face(envelope: Floats, fps: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Jaw rotation vectors (F, 3) rad and expression (F, 100).

    Args:
        envelope: (F,) loudness of the voice, any scale; silence closes the jaw.
    """
    frames = len(envelope)
    level = gaussian_smooth(np.maximum(envelope, 0)[:, None].astype(np.float64), 0.035 * fps)[:, 0]
    loud = float(np.percentile(level, 95)) if frames else 0.0
    opening = np.clip(level / loud, 0, 1.3) if loud > 1e-6 else np.zeros(frames)
    wobble = smooth_noise(rng, frames, [0.004, 0.002, 0.002], 1.5, 3.0, fps)
    jaw = wobble * 0.5
    jaw[:, 0] = np.maximum(_JAW_SHUT + (_JAW_LOUD - _JAW_SHUT) * opening**1.15 * 0.85 + wobble[:, 0], 0.0)
    expression = np.zeros((frames, N_EXPRESSIONS))
    expression[:, : len(_MOOD)] = smooth_noise(rng, frames, _MOOD, 0.35, 4.0, fps)
    for column, gain in _SPEECH.items():
        expression[:, column] = gain * opening
    blinks = _blinks(frames, fps, rng)
    for column, gain in _BLINK.items():
        expression[:, column] = gain * blinks
    return jaw, expression
