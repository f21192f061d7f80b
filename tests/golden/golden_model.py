"""Loading of the model goldens and the bound they are held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from raggesture.body.joints import LatentLayout
from raggesture.models.conditions import Conditions
from raggesture.models.denoiser import Denoiser, DenoiserConfig
from raggesture.models.mixing import Mixing

KEEP = [k for k in range(43) if k not in LatentLayout().separators]
SMALL = DenoiserConfig(
    latent_dim=32, text_dim=24, audio_dim=24, n_speakers=25, width=32, layers=2, heads=4, ff_dim=48, time_dim=64, prediction="x0"
)  # fmt: skip
"""The arrays of blocks, denoiser and samplers were computed with the query mask zero at the true separators."""
RELEASED = replace(SMALL, masked_tokens=(10, 20, 30))
"""Those that went through the whole published architecture, with the released mask."""
MIXING = {"js1": Mixing("published"), "js2": Mixing("published", per_part_scale=(1.2, 1.1, 0.9, 0.8))}


def arrays(goldens: Path, name: str) -> dict[str, Tensor]:
    with np.load(goldens / "model" / f"{name}.npz") as stored:
        return {key: torch.from_numpy(stored[key]) for key in stored.files if stored[key].dtype.kind != "U"}


def weights(goldens: Path, name: str) -> dict[str, Tensor]:
    return load_file(goldens / "model" / f"{name}.safetensors")


def small_denoiser(goldens: Path, config: DenoiserConfig = SMALL) -> Denoiser:
    denoiser = Denoiser(config)
    denoiser.load_state_dict(weights(goldens, "denoiser"))
    return denoiser.eval()


def conditions(data: dict[str, Tensor], prefix: str = "") -> Conditions:
    return Conditions(data[f"{prefix}text"], data[f"{prefix}audio"], data[f"{prefix}speaker_ids"])


def assert_close(found: Tensor, wanted: Tensor, *, bound: float = 1e-4, tokens: Sequence[int] | None = None) -> None:
    """max |found - wanted| <= bound * max |wanted| over the whole array (``tokens``: those of axis -2)."""
    assert found.shape == wanted.shape
    if tokens is not None:
        found, wanted = found[..., tokens, :], wanted[..., tokens, :]
    error, scale = float((found - wanted).abs().max()), float(wanted.abs().max())
    assert scale > 0
    assert error <= bound * scale, f"{error / scale:.2e} of the largest value; bound {bound:.0e}"
