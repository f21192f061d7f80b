"""A model on disk: a folder with ``manifest.json``, ``denoiser.safetensors`` and ``codec.safetensors``.

The manifest names the schema, frame rate, layout, encoders, speakers and configurations, and holds the size and sha256 of each file and of
itself. Weights may be stored as float16 (statistics and other small tensors stay float32); they are float32 again after loading. Nothing is
unpickled. A folder is written under a temporary name and renamed.
Source: DESIGN section 9 "Weights and indexes".
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from raggesture.clock import MODEL_FPS, WINDOW_CHUNKS
from raggesture.errors import ModelError, UsageError
from raggesture.models.codec import BodyCodec
from raggesture.models.codec_config import CodecConfig
from raggesture.models.denoiser import Denoiser, DenoiserConfig
from raggesture.models.mixing import Mixing
from raggesture.resources import readable_by_all, sha256_of

SCHEMA = "raggesture.model"
VERSION = 1
MANIFEST = "manifest.json"
DENOISER = "denoiser.safetensors"
CODEC = "codec.safetensors"
Storage = Literal["float32", "float16"]
_SMALL = 4096
"""Tensors with fewer values than this are always stored as float32."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a model was imported from. ``path``: within the folder or repository that was imported."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """What a model is. ``speakers[i]`` is the name behind speaker index i; ``mixing`` is how its two branches are combined when sampling.

    ``temperature``: spread of the noise that free tokens start from (1 as published); a little above 1 gives back what a small model smooths away.
    ``decides``: whether what a gesture planner finds likely is decided before it is sampled (``raggesture.models.deciding``).
    ``sources``, ``epoch``: the files an imported model was made from, and the epoch they name.
    """

    name: str
    text_encoder: str
    audio_encoder: str
    speakers: tuple[str, ...]
    denoiser: DenoiserConfig
    codec: CodecConfig
    mixing: Mixing = field(default_factory=Mixing)
    temperature: float = 1.0
    decides: bool = False
    fps: int = MODEL_FPS
    chunks: int = WINDOW_CHUNKS
    provenance: str = ""
    licence: str = ""
    sources: tuple[SourceFile, ...] = ()
    epoch: int | None = None

    def __post_init__(self) -> None:
        if self.denoiser.latent_dim != self.codec.latent_dim:
            sizes = (self.denoiser.latent_dim, self.codec.latent_dim)
            raise ModelError(f"model {self.name!r}: latent sizes {sizes} of denoiser and codec; expected the same - train them together")
        if not 0.5 <= self.temperature <= 2.0:
            raise ModelError(f"model {self.name!r}: temperature {self.temperature}; expected a number from 0.5 to 2 - correct the manifest")
        if self.decides and self.denoiser.conditioning != "planned-chunks":
            found = self.denoiser.conditioning
            raise ModelError(f"model {self.name!r}: decides, with conditioning {found!r}; expected 'planned-chunks' - correct the manifest")
        if len(self.speakers) > self.denoiser.n_speakers:
            raise ModelError(f"model {self.name!r}: {len(self.speakers)} speaker names; expected at most {self.denoiser.n_speakers} - correct the manifest")

    def speaker_index(self, name: str) -> int:
        """Index of a speaker; an unknown or empty name is the first speaker."""
        return self.speakers.index(name) if name in self.speakers else 0


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A denoiser, the codec of its latents, and what they are. Both modules are in eval mode after ``load_model``."""

    denoiser: Denoiser
    codec: BodyCodec
    manifest: ModelManifest


def save_model(model: Model, directory: Path, *, storage: Storage = "float16", force: bool = False) -> None:
    """Write a model folder in one step: complete or not at all.

    Raises:
        UsageError: the folder exists and ``force`` is off, or it exists and is no model.
        ModelError: weights that are not finite or do not fit float16.
    """
    save_states(model.manifest, model.denoiser.state_dict(), model.codec.state_dict(), directory, storage=storage, force=force)


def save_states(
    manifest: ModelManifest,
    denoiser: Mapping[str, Tensor],
    codec: Mapping[str, Tensor],
    directory: Path,
    *,
    storage: Storage = "float16",
    force: bool = False,
    beside: Mapping[str, str] | None = None,
) -> None:
    """As ``save_model``, from the states of its modules, which need not have been built. ``beside``: texts by name that become files of the model."""
    directory = Path(directory)
    check_target(directory, force=force)
    directory.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        files: dict[str, dict[str, object]] = {}
        for name, state in ((DENOISER, denoiser), (CODEC, codec)):
            save_file(_stored(state, storage, name), work / name, metadata={"schema": f"{SCHEMA}/{name}"})  # one key: more come out in random order
            readable_by_all(work / name)
        for name, text in (beside or {}).items():
            (work / name).write_text(text, encoding="utf-8")
        for name in (DENOISER, CODEC, *(beside or {})):
            files[name] = {"bytes": (work / name).stat().st_size, "sha256": sha256_of(work / name)}
        content = _manifest_json(manifest) | {"storage": storage, "files": files}
        content["sha256"] = _digest(content)
        (work / MANIFEST).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        work.chmod(0o755)
        _swap(work, directory)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_target(directory: Path, *, force: bool) -> None:
    """Raise UsageError if ``directory`` could not become a model: it holds something else, or a model and ``force`` is off."""
    if not directory.exists():
        return
    if not directory.is_dir() or (any(directory.iterdir()) and not (directory / MANIFEST).is_file()):
        raise UsageError(f"{directory}: exists and is not a model; expected a new folder or an old model - choose another place")
    if any(directory.iterdir()) and not force:
        raise UsageError(f"{directory}: exists; expected a new folder - choose another or use --force")


def _swap(new: Path, directory: Path) -> None:
    """Rename ``new`` to ``directory``; an old folder there is set aside first and removed last."""
    aside = new.with_name(new.name + ".old")
    if directory.exists():
        directory.replace(aside)
    new.replace(directory)
    shutil.rmtree(aside, ignore_errors=True)


def _stored(state: Mapping[str, Tensor], storage: Storage, name: str) -> dict[str, Tensor]:
    stored = {}
    for key, tensor in state.items():
        value = tensor.detach().to("cpu")
        if value.is_floating_point():
            half = storage == "float16" and value.numel() >= _SMALL
            value = value.to(torch.float16 if half else torch.float32)
            if not torch.isfinite(value).all():
                raise ModelError(f"{name}: {key} holds numbers that are not finite as {value.dtype}; expected finite weights - train again or store float32")
        stored[key] = value.contiguous()
    return stored


def _manifest_json(manifest: ModelManifest) -> dict[str, Any]:
    imported = {"sources": [asdict(source) for source in manifest.sources], "epoch": manifest.epoch} if manifest.sources else {}
    return imported | {
        "schema": SCHEMA,
        "version": VERSION,
        "name": manifest.name,
        "fps": manifest.fps,
        "chunks": manifest.chunks,
        "text_encoder": manifest.text_encoder,
        "audio_encoder": manifest.audio_encoder,
        "speakers": list(manifest.speakers),
        "denoiser": json.loads(manifest.denoiser.to_json()),
        "codec": manifest.codec.to_json(),
        "mixing": asdict(manifest.mixing),
        "temperature": manifest.temperature,
        "decides": manifest.decides,
        "provenance": manifest.provenance,
        "licence": manifest.licence,
    }


def _digest(content: dict[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def read_manifest(directory: Path) -> ModelManifest:
    """The manifest of a model folder, checked; its weights are not touched."""
    return _parse(_read_content(Path(directory)), Path(directory) / MANIFEST)


def _read_content(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST
    if not path.is_file():
        raise ModelError(f"{directory}: no {MANIFEST}; expected a model folder - check the path or run raggesture train")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, OSError) as fault:
        raise ModelError(f"{path}: cannot be read ({fault}); expected JSON - the file is truncated or altered, install or copy it again") from fault
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ModelError(f"{path}: not a manifest of {SCHEMA}; expected a model written by raggesture train - check the path")
    if content.get("version") != VERSION:
        raise ModelError(f"{path}: version {content.get('version')!r}; expected {VERSION} - use the raggesture that wrote it, or train again")
    if content.get("sha256") != _digest(content):
        raise ModelError(f"{path}: does not match its own sha256; expected it unaltered - install or copy the model again")
    return content


def _parse(content: dict[str, Any], path: Path) -> ModelManifest:
    try:
        manifest = ModelManifest(
            name=str(content["name"]),
            text_encoder=str(content["text_encoder"]),
            audio_encoder=str(content["audio_encoder"]),
            speakers=tuple(str(name) for name in content["speakers"]),
            denoiser=DenoiserConfig.from_json(json.dumps(content["denoiser"])),
            codec=CodecConfig.from_json(content["codec"]),
            mixing=_mixing(content["mixing"]),
            temperature=float(content.get("temperature", 1.0)),
            decides=bool(content.get("decides", False)),
            fps=int(content["fps"]),
            chunks=int(content["chunks"]),
            provenance=str(content["provenance"]),
            licence=str(content["licence"]),
            sources=tuple(SourceFile(**source) for source in content.get("sources", ())),
            epoch=content.get("epoch"),
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise ModelError(f"{path}: {type(fault).__name__} {fault}; expected a complete manifest - install or copy the model again") from fault
    if manifest.fps != MODEL_FPS:
        raise ModelError(f"{path}: a model at {manifest.fps} fps; expected {MODEL_FPS} - this program cannot run it")
    return manifest


def _mixing(values: dict[str, Any]) -> Mixing:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return Mixing(**fields)


def load_model(directory: Path, device: torch.device | str = "cpu") -> Model:
    """Read a model folder, hold every file against its size and sha256, and build the modules in float32 and eval mode.

    Raises:
        ModelError: missing, truncated, altered or foreign files, or weights that do not fit the configuration.
    """
    directory = Path(directory)
    content = _read_content(directory)
    manifest = _parse(content, directory / MANIFEST)
    denoiser, codec = Denoiser(manifest.denoiser), manifest.codec.build()
    for name, module in ((DENOISER, denoiser), (CODEC, codec)):
        _fill(module, directory / name, content.get("files", {}).get(name, {}))
        module.to(device).eval().requires_grad_(False)
    return Model(denoiser, codec, manifest)


def verified_files(directory: Path) -> dict[str, int]:
    """Hold every file of a model folder against its manifest, as ``load_model`` does, without building anything; sizes in bytes by name.

    Raises: ModelError: missing, truncated or altered files.
    """
    records = _read_content(Path(directory)).get("files", {})
    for name in dict.fromkeys((DENOISER, CODEC, *records)):
        _verify(Path(directory) / name, records.get(name, {}))
    return {name: int(record["bytes"]) for name, record in records.items()}


def model_digest(directory: Path) -> str:
    """The sha256 of a manifest, which holds those of the files: one number for the whole model."""
    return str(_read_content(Path(directory))["sha256"])


def _verify(path: Path, record: dict[str, Any]) -> None:
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected one of the model's files - install or copy the model again")
    size, digest = path.stat().st_size, record.get("sha256")
    if size != record.get("bytes"):
        raise ModelError(f"{path}: {size} bytes; expected {record.get('bytes')} - the file is truncated or altered, install or copy it again")
    if sha256_of(path) != digest:
        raise ModelError(f"{path}: sha256 is not {str(digest)[:12]}...; expected the file its manifest names - it was altered, install or copy it again")


def _fill(module: nn.Module, path: Path, record: dict[str, Any]) -> None:
    _verify(path, record)
    try:
        tensors = load_file(path)
        module.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}, strict=True)
    except (SafetensorError, RuntimeError) as fault:
        raise ModelError(f"{path}: does not fit its configuration ({str(fault).splitlines()[0]}); expected matching weights - train the model again") from fault
