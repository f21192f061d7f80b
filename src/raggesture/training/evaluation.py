"""Train what ``raggesture eval`` measures with: the feature autoencoder of FGD and the mean speed of each joint.

Source: METHOD part I (g); the autoencoder is our own (BEAT2's may not be shipped), so figures are comparable on its scale only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.joints import N_JOINTS
from raggesture.body.skeleton import forward_kinematics
from raggesture.clock import MOTION_FPS
from raggesture.corpus.beat2 import MOTION_DIR, clip_ids
from raggesture.errors import InputError
from raggesture.metrics.fgd import EvaluationKit, load_kit, save_kit, train_autoencoder
from raggesture.motion import Motion, read_npz

MIN_FRAMES = 64
_MIN_SPEED_M_S = 1e-4


def read_motions(root: Path, split: str | None) -> list[Motion]:
    """Motions of a split at 30 fps, those that are long enough.

    Raises:
        InputError: not a corpus, or no motion of 64 frames.
    """
    motions = [read_npz(root / MOTION_DIR / f"{clip_id}.npz") for clip_id in clip_ids(root, split)]
    usable = [motion for motion in motions if motion.fps == MOTION_FPS and motion.frames >= MIN_FRAMES]
    if not usable:
        raise InputError(f"{root}: {len(motions)} motions, none at {MOTION_FPS} fps with {MIN_FRAMES} frames; expected some - check the split")
    return usable


def mean_joint_speed(motions: list[Motion]) -> NDArray[np.float64]:
    """(55,) m/s, mean over all frames, mean body without translation; joints that never move get a tenth of a millimetre per second."""
    total, frames = np.zeros(N_JOINTS), 0
    for motion in motions:
        joints, _ = forward_kinematics(torch.from_numpy(np.array(motion.rotations)))  # (F, 55, 3) m
        total += np.linalg.norm(np.diff(joints.numpy(), axis=0), axis=-1).sum(axis=0) * motion.fps
        frames += motion.frames - 1
    speed: NDArray[np.float64] = np.maximum(total / max(frames, 1), _MIN_SPEED_M_S)
    return speed


def train_kit(
    root: Path, split: str | None, path: Path, *, steps: int, seed: int, name: str, progress: Callable[[str, float], None] | None = None
) -> EvaluationKit:
    """Train on a split of a BEAT2-layout corpus, write the kit to ``path``, and give back what was written."""
    tell = progress or (lambda stage, fraction: None)
    tell("reading motions", 0.0)
    motions = read_motions(root, split)
    tell("joint speeds", 0.2)
    speed = mean_joint_speed(motions)
    tell("feature autoencoder", 0.4)
    save_kit(train_autoencoder(motions, steps=steps, seed=seed), speed, name, path)
    tell("written", 1.0)
    return load_kit(path)
