"""FGD beside its floor: how far generated motion is from real motion of other clips, and how far real motion is from it.

FGD is never 0 between two samples of one corpus. Clips are cut into two halves at random, several times; in each, made windows of one half stand against real
windows of the other, and real against real: as many windows on every side, no clip on both. Source: ours; the published tables have no floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import MOTION_FPS, frames_of_seconds
from raggesture.errors import InputError
from raggesture.metrics.distribution import frechet_distance
from raggesture.metrics.fgd import EvaluationKit, fgd_features
from raggesture.motion import Motion, double_rate

Floats = NDArray[np.float64]
SPLITS = 6


@dataclass(frozen=True, slots=True)
class Realism:
    """``fgd`` of made against real motion of other clips, and ``floor``: real against real; means over the ways of cutting in two."""

    fgd: float
    floor: float


def feature_rows(kit: EvaluationKit, motions: Sequence[Motion]) -> list[Floats]:
    """(r, D) features of each motion, at 30 fps."""
    return [fgd_features(kit.autoencoder, double_rate(motion, frames_of_seconds(motion.duration_s, MOTION_FPS))) for motion in motions]


def realism(made: Sequence[Floats], real: Sequence[Floats], clips: Sequence[str], *, splits: int = SPLITS, seed: int = 0) -> Realism:
    """Of features (r, D) of windows, and the clip that each is of.

    Raises:
        InputError: counts that differ, or fewer than two clips.
    """
    names = sorted(set(clips))
    if not len(made) == len(real) == len(clips) or len(names) < 2:
        raise InputError(
            f"FGD and its floor: {len(made)} made and {len(real)} real windows of {len(names)} clips; expected as many of both, of two clips or more"
        )
    rng = np.random.default_rng(seed)
    ours, floors = [], []
    for _ in range(splits):
        first = set(rng.permutation(names)[: len(names) // 2].tolist())
        a, b = ([k for k, clip in enumerate(clips) if (clip in first) == inside] for inside in (True, False))
        real_a, real_b, made_a, made_b = (np.concatenate([rows[k] for k in some]) for rows, some in ((real, a), (real, b), (made, a), (made, b)))
        floors.append(frechet_distance(real_a, real_b))
        ours += [frechet_distance(made_a, real_b), frechet_distance(made_b, real_a)]
    return Realism(float(np.mean(ours)), float(np.mean(floors)))
