"""A model folder written back as the published files: the ones it was imported from, tensor for tensor, or new ones in the same form.

``torch.save`` writes what the published code loads; nothing is read by it here. Source: METHOD part I (b).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError, safe_open
from torch import Tensor

from raggesture.body.joints import FEATURES_OF_PART, PARTS
from raggesture.errors import ModelError
from raggesture.models.checkpoint import CODEC, DENOISER, ModelManifest, read_manifest, verified_files
from raggesture.models.official import VAE_PREFIXES
from raggesture.models.official_record import Entry, FileRecord, Record, TextRecord, read_record
from raggesture.models.vae import VaeConfig
from raggesture.outputs import new_folder

_OF_FILE = {"denoiser": DENOISER, "codec": CODEC}


def export_official(directory: Path, out: Path, *, force: bool = False) -> list[Path]:
    """Write the published files of a model to the folder ``out``; the paths written.

    An imported model gives the files it came from: the same names, values, types and settings, bit for bit (the packing of the .pth container is torch's,
    and what the import left out, such as the optimiser, is gone). Another model must be of the published kind, and gets names in the published form.

    Raises:
        UsageError: ``out`` exists. ModelError: a model that is damaged, or that the published code could not run.
    """
    verified_files(directory)
    manifest = read_manifest(directory)
    record = read_record(directory) or fresh_record(directory, manifest)
    with new_folder(out, force=force) as work:
        for text in record.texts:
            place = work / text.path
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("w", encoding="utf-8", newline="") as stream:
                stream.write(text.text)
        for file in record.weights:
            place = work / file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            torch.save(_content(directory, file), place)
    return [*(out / file.path for file in record.weights), *(out / text.path for text in record.texts)]


def _content(directory: Path, file: FileRecord) -> dict[str, Any]:
    state: OrderedDict[str, Tensor] = OrderedDict()
    try:
        with safe_open(directory / DENOISER, "pt") as denoiser, safe_open(directory / CODEC, "pt") as codec:
            places = {"denoiser": denoiser, "codec": codec}
            for entry in file.entries:
                where, _, name = entry.here.partition("/")
                state[entry.name] = places[where].get_tensor(name).to(getattr(torch, entry.dtype))
    except (SafetensorError, KeyError, OSError) as fault:
        raise ModelError(f"{directory}: cannot give {file.path} ({fault}); expected every tensor of its record - import the model again") from fault
    if not file.container:
        return state
    return {"meta": dict(file.meta), file.container: state} if file.kind == "denoiser" or file.meta else {file.container: state}


def fresh_record(directory: Path, manifest: ModelManifest) -> Record:
    """Names for the files of a model that was not imported. Raises: ModelError: the published code has no such model."""
    _check_published(directory, manifest)
    with safe_open(directory / DENOISER, "pt") as stored:
        entries = tuple(Entry(f"model.{name}", "float32", f"denoiser/{name}") for name in stored.keys())  # noqa: SIM118 - no mapping
    with safe_open(directory / CODEC, "pt") as stored:
        names = list(stored.keys())
    weights = []
    texts = []
    configs = manifest.codec.vaes or tuple(VaeConfig(FEATURES_OF_PART[part], manifest.codec.latent_dim) for part in PARTS)
    for prefix, part in VAE_PREFIXES.items():
        own = [name for name in names if name.startswith(f"parts.{part}.")]
        public = prefix.removeprefix("gesture_rep_encoder.").removesuffix("_vae.")
        bare = tuple(Entry(name.removeprefix(f"parts.{part}."), "float32", f"codec/{name}") for name in own)
        weights.append(FileRecord(f"vae/{public}/{public}.bin", part, "model_state", {}, bare))
        entries += tuple(Entry(f"model.{prefix}{entry.name}", "float32", entry.here) for entry in bare)
        settings = {**asdict(configs[PARTS.index(part)]), "test_ckpt": f"{public}.bin"}
        texts.append(TextRecord(f"vae/{public}/{public}.yaml", yaml.safe_dump(settings, sort_keys=False)))
    weights.append(FileRecord(f"diffusion/{manifest.name}.pth", "denoiser", "state_dict", {"epoch": manifest.epoch}, entries))
    return Record(tuple(weights), tuple(texts))


def _check_published(directory: Path, manifest: ModelManifest) -> None:
    config = manifest.denoiser
    wanted: Mapping[str, tuple[object, object]] = {
        "codec": (manifest.codec.kind, "transformer"), "attention": (config.attention, "linear"), "modulation": (config.modulation, "stylization"),
        "conditioning": (config.conditioning, "frames"), "prediction": (config.prediction, "x0"), "temperature": (manifest.temperature, 1.0),
    }  # fmt: skip
    for name, (found, expected) in wanted.items():
        if found != expected:
            raise ModelError(f"{directory}: {name} {found!r}; expected {expected!r}, for the published code has no other - only such a model can be exported")
    with safe_open(directory / CODEC, "pt") as stored:
        mean, std = stored.get_tensor("latent_mean"), stored.get_tensor("latent_std")
    if bool(mean.any()) or bool((std != 1.0).any()):
        raise ModelError(
            f"{directory}: its latents are normalised; expected plain ones, for the published code has no statistics - only such a model can be exported"
        )
