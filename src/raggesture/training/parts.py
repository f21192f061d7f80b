"""Codecs of single parts in a folder, as ``train vae`` leaves them for ``train denoiser``: one safetensors file a part, complete or not at all."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import nn

from raggesture.body.joints import PARTS, Part
from raggesture.errors import ModelError
from raggesture.models.codec import BodyCodec
from raggesture.models.codec_config import CodecConfig
from raggesture.training.state import write_tensors

SCHEMA = "raggesture.codec-part"


def part_file(folder: Path, part: Part) -> Path:
    """Where a part's codec lies."""
    return folder / f"{part}.safetensors"


def save_part(codec: BodyCodec, part: Part, config: CodecConfig, folder: Path) -> Path:
    """Write the codec of one part. Raises: ModelError on a full disk."""
    path = part_file(folder, part)
    metadata = {"schema": SCHEMA, "part": part, "codec": _setting(config, part)}
    write_tensors(_module(codec, part).state_dict(), path, metadata, "what was there before stays")
    return path


def load_parts(config: CodecConfig, folder: Path) -> BodyCodec:
    """The codec of the body from four files, without statistics, in eval mode.

    Raises: ModelError: a part is missing, damaged, or has other settings than ``config``.
    """
    body = config.build()
    for part in PARTS:
        path = part_file(folder, part)
        if not path.is_file():
            raise ModelError(f"{path}: no such file; expected the auto-encoder of {part} - run 'raggesture train vae --part {part}' first, or 'train all'")
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as fault:
            raise ModelError(f"{path}: cannot be read ({fault}); expected an auto-encoder - train it again") from fault
        if metadata.get("schema") != SCHEMA or metadata.get("part") != part or metadata.get("codec") != _setting(config, part):
            raise ModelError(f"{path}: has other settings than this profile's codec of {part}; expected the same - train it again, or use its profile")
        try:
            _module(body, part).load_state_dict(tensors)
        except RuntimeError as fault:
            raise ModelError(f"{path}: does not fit its settings ({str(fault).splitlines()[0]}); expected matching weights - train it again") from fault
    return body.eval().requires_grad_(False)


def has_all_parts(folder: Path) -> bool:
    """Whether there is a file for every part."""
    return all(part_file(folder, part).is_file() for part in PARTS)


def _module(codec: BodyCodec, part: Part) -> nn.Module:
    return codec.parts[part]


def _setting(config: CodecConfig, part: Part) -> str:
    whole = config.to_json()
    vaes = config.vaes
    chosen = json.loads(vaes[PARTS.index(part)].to_json()) if vaes else None
    return json.dumps({"kind": whole["kind"], "latent_dim": whole["latent_dim"], "context_frames": whole["context_frames"], "vae": chosen}, sort_keys=True)
