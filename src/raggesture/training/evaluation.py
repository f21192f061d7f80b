"""Train what ``raggesture eval`` measures with: the feature autoencoder of FGD and the mean speed of each joint.

Source: METHOD part I (g); the autoencoder is our own (BEAT2's may not be shipped), so figures are comparable on its scale only.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from raggesture.body.joints import N_JOINTS
from raggesture.body.skeleton import forward_kinematics
from raggesture.clock import MOTION_FPS
from raggesture.corpus.beat2 import MOTION_DIR, clip_ids
from raggesture.errors import InputError
from raggesture.metrics.fgd import EvaluationKit, MotionAutoencoder, load_kit, pose_features, save_kit
from raggesture.motion import Motion, read_npz
from raggesture.training.loop import Measured, Outcome, Report, train
from raggesture.training.optimisation import Optimisation
from raggesture.training.processes import Processes
from raggesture.training.state import room_to_write

MIN_FRAMES = 64
_MIN_SPEED_M_S = 1e-4
_MIN_STD = 0.02


@dataclass(frozen=True, slots=True)
class FgdTraining(Optimisation):
    """How to train the feature autoencoder; ours throughout, the published one is given."""

    batch: int = 64
    learning_rate: float = 1e-3


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


class AutoencoderObjective(nn.Module):
    """The autoencoder with its loss: squared error in units of each feature's spread."""

    def __init__(self, autoencoder: MotionAutoencoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, poses: Tensor) -> Tensor:
        """(B, F, 330) -> the mean loss."""
        error: Tensor = (self.autoencoder(poses).float() - poses) / self.autoencoder.std
        return error.square().mean()


@dataclass(frozen=True, slots=True, eq=False)
class AutoencoderTask:
    """The autoencoder of FGD, for ``loop.train``. ``poses``: (F, 330) of each motion."""

    objective: AutoencoderObjective
    poses: tuple[Tensor, ...]
    device: torch.device
    name: str = field(default="fgd", init=False)

    @property
    def setting(self) -> Mapping[str, Any]:
        """The motions."""
        digest = hashlib.sha256(repr([(tuple(poses.shape), round(float(poses.double().sum()), 3)) for poses in self.poses]).encode())
        return {"task": "fgd", "motions": digest.hexdigest()[:16]}

    @property
    def samples_per_epoch(self) -> int:
        """Cuts that cover every frame once."""
        return max(1, sum(len(poses) for poses in self.poses) // MIN_FRAMES)

    def draw(self, count: int, rows: slice, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Cuts of 64 frames; every motion is equally likely."""
        pick = torch.randint(0, len(self.poses), (count,), generator=generator)
        place = torch.rand(count, generator=generator, dtype=torch.float64)
        cuts = []
        for which, share in zip(pick[rows].tolist(), place[rows].tolist(), strict=True):
            poses = self.poses[which]
            start = int(share * (len(poses) - MIN_FRAMES + 1))
            cuts.append(poses[start : start + MIN_FRAMES])
        return (torch.stack(cuts).to(self.device),)

    def measure(self) -> Measured:
        """Nothing is held out: the loss in training is the reconstruction."""
        return Measured()

    def validate(self) -> float:
        """Nothing is sampled."""
        return math.nan


def autoencoder_task(motions: list[Motion], options: FgdTraining, device: torch.device) -> AutoencoderTask:
    """A task with fresh weights from the options' seed and the motions' mean and spread."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        model = MotionAutoencoder()
    poses = tuple(pose_features(motion) for motion in motions if motion.frames >= MIN_FRAMES)
    everything = torch.cat(poses)
    model.mean.copy_(everything.mean(0))
    model.std.copy_(everything.std(0).clamp_min(_MIN_STD))
    return AutoencoderTask(AutoencoderObjective(model).to(device), poses, device)


def train_kit(
    root: Path,
    split: str | None,
    path: Path,
    options: FgdTraining,
    *,
    name: str,
    folder: Path | None = None,
    resume: bool = False,
    progress: Report | None = None,
    stage: Callable[[str], None] | None = None,
    processes: Processes | None = None,
) -> tuple[EvaluationKit, Outcome]:
    """Train on a split of a BEAT2-layout corpus, write the kit to ``path``, and give back what was written. See ``loop.train``."""
    tell, processes = stage or (lambda text: None), processes or Processes()
    tell("reading motions")
    motions = read_motions(root, split)
    task = autoencoder_task(motions, options, processes.device)
    outcome = train(task, options, processes, folder=folder, resume=resume, progress=progress)
    if processes.is_main:
        tell("joint speeds")
        speed = mean_joint_speed(motions)
        with room_to_write(path, "the run is complete"):
            path.parent.mkdir(parents=True, exist_ok=True)
            save_kit(task.objective.autoencoder.cpu(), speed, name, path)
    processes.wait()
    return load_kit(path), outcome
