"""The motion autoencoder behind FGD, and its file.

A small temporal convolution autoencoder over the 6D rotations of all 55 joints at 30 fps: 32 frames become two feature
rows. It is trained on the starter corpus and every figure names it, because FGD under another autoencoder is another
scale. Source for the use: METHOD part I (g), "FID". Differs from the released code: the published evaluator's skeleton
convolution (AESKConv_240_100) needs a file that only its users have.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from raggesture.body.joints import N_JOINTS
from raggesture.body.rotations import axis_angle_to_6d
from raggesture.errors import ModelError
from raggesture.motion import Motion
from raggesture.resources import readable_by_all, sha256_of

N_FEATURES = 6 * N_JOINTS
BLOCK_FRAMES = 32
_WIDTHS = (N_FEATURES, 160, 128, 96, 64)
_SCHEMA = "1"


class MotionAutoencoder(nn.Module):
    """Four strided convolutions down to 64 channels at 1/16 of the frame rate, and their mirror image."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        pairs = list(pairwise(_WIDTHS))
        self.down = nn.ModuleList(nn.Conv1d(a, b, 4, stride=2, padding=1) for a, b in pairs)
        self.up = nn.ModuleList(nn.ConvTranspose1d(b, a, 4, stride=2, padding=1) for a, b in reversed(pairs))
        self.register_buffer("mean", torch.zeros(N_FEATURES))
        self.register_buffer("std", torch.ones(N_FEATURES))

    def encode(self, rot6d: Tensor) -> Tensor:
        """(B, F, 330) with F a multiple of 16 -> (B, F / 16, 64)."""
        x = ((rot6d - self.mean) / self.std).transpose(1, 2)  # (B, 330, F)
        for k, layer in enumerate(self.down):
            x = layer(x)
            x = torch.tanh(x) if k < len(self.down) - 1 else x
        return x.transpose(1, 2)

    def forward(self, rot6d: Tensor) -> Tensor:
        """Reconstruct (B, F, 330)."""
        x = self.encode(rot6d).transpose(1, 2)
        for k, layer in enumerate(self.up):
            x = layer(x)
            x = torch.tanh(x) if k < len(self.up) - 1 else x
        return x.transpose(1, 2) * self.std + self.mean


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationKit:
    """What the metrics need beside the motions: autoencoder, mean joint speeds (55,) m/s at 30 fps, and the file's identity."""

    autoencoder: MotionAutoencoder
    mean_speed: NDArray[np.float64]
    name: str
    sha256: str


def pose_features(motion: Motion) -> Tensor:
    """(F, 330) 6D rotations of all joints."""
    return axis_angle_to_6d(torch.from_numpy(np.array(motion.rotations))).reshape(motion.frames, N_FEATURES)


@torch.no_grad()
def fgd_features(autoencoder: MotionAutoencoder, motion: Motion) -> NDArray[np.float64]:
    """Feature rows (F // 32 * 2, 64) of a motion at 30 fps; no rows for motions under 32 frames."""
    usable = motion.frames // BLOCK_FRAMES * BLOCK_FRAMES
    if usable == 0:
        return np.zeros((0, _WIDTHS[-1]))
    rows: NDArray[np.float64] = autoencoder.encode(pose_features(motion)[None, :usable])[0].double().numpy()
    return rows


def save_kit(autoencoder: MotionAutoencoder, mean_speed: NDArray[np.float64], name: str, path: Path) -> None:
    """Write the kit as one safetensors file."""
    tensors = {f"autoencoder.{key}": value.half().contiguous() for key, value in autoencoder.state_dict().items()}
    tensors["mean_speed"] = torch.from_numpy(mean_speed.astype(np.float32))
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={"schema": _SCHEMA, "kind": "evaluation", "name": name})
    readable_by_all(partial)
    partial.replace(path)


def load_kit(path: Path) -> EvaluationKit:
    """Read a kit.

    Raises:
        ModelError: missing, truncated, or not a kit.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected the evaluation weights - rebuild the starter (nox -s starter) or name another file")
    try:
        with safe_open(path, framework="pt") as archive:
            metadata = archive.metadata() or {}
            tensors = {key: archive.get_tensor(key) for key in archive.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, json.JSONDecodeError) as fault:
        raise ModelError(f"{path}: cannot be read ({fault}); expected safetensors - the file is truncated or altered, install it again") from fault
    if metadata.get("kind") != "evaluation" or metadata.get("schema") != _SCHEMA:
        raise ModelError(f"{path}: metadata {metadata}; expected an evaluation file of schema {_SCHEMA} - use the one of this version")
    autoencoder = MotionAutoencoder()
    state = {key.removeprefix("autoencoder."): value.float() for key, value in tensors.items() if key.startswith("autoencoder.")}
    autoencoder.load_state_dict(state)
    return EvaluationKit(autoencoder.eval(), tensors["mean_speed"].double().numpy(), metadata.get("name", ""), sha256_of(path))
