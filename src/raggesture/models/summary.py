"""What a model folder is, in figures: its parts with their parameters and bytes, held against the checksums of its manifest."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from raggesture.body.joints import PARTS
from raggesture.models.checkpoint import CODEC, DENOISER, ModelManifest, model_digest, read_manifest, verified_files
from raggesture.models.denoiser import Denoiser


@dataclass(frozen=True, slots=True)
class PartSummary:
    """A part of a model. ``parameters``: numbers that training sets; ``bytes``: of all its tensors in the file."""

    name: str
    kind: str
    parameters: int
    bytes: int
    tensors: int


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """A model folder whose files are what its manifest says. ``sha256``: one number for the whole model."""

    manifest: ModelManifest
    parts: tuple[PartSummary, ...]
    files: Mapping[str, int]
    sha256: str


def summarise(directory: Path) -> ModelSummary:
    """Verify a model folder and count its parts; nothing is loaded.

    Raises: ModelError: as ``load_model`` for missing, truncated or altered files.
    """
    directory = Path(directory)
    manifest = read_manifest(directory)
    files = verified_files(directory)
    with torch.device("meta"):
        denoiser, codec = Denoiser(manifest.denoiser), manifest.codec.build()
    config = manifest.denoiser
    kind = f"{config.layers} layers of {config.width}, {config.attention} attention, {config.conditioning}, predicts {config.prediction}"
    parts = [_part("denoiser", kind, denoiser, _tensors(directory / DENOISER), "")]
    stored = _tensors(directory / CODEC)
    for part in PARTS:
        parts.append(_part(f"codec {part}", manifest.codec.kind, codec.parts[part], stored, f"parts.{part}."))
    return ModelSummary(manifest, tuple(parts), files, model_digest(directory))


def _part(name: str, kind: str, module: nn.Module, stored: Mapping[str, int], prefix: str) -> PartSummary:
    own = [size for key, size in stored.items() if key.startswith(prefix)]
    return PartSummary(name, kind, sum(parameter.numel() for parameter in module.parameters()), sum(own), len(own))


def _tensors(path: Path) -> dict[str, int]:
    """Bytes of each tensor of a verified safetensors file, from its header."""
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header: dict[str, Any] = json.loads(stream.read(length))
    return {key: int(each["data_offsets"][1] - each["data_offsets"][0]) for key, each in header.items() if key != "__metadata__"}
