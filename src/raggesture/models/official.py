"""The released model turned into ours, and back: names, shapes and settings of its files, every key accounted for.

Import: four auto-encoders (weights under ``model_state`` with a yaml beside them) and one diffusion checkpoint (mmcv's ``state_dict`` and ``meta``, prefixes
``module.`` and ``model.``, with or without copies of the auto-encoders) -> a model folder. What a file does not say is asked for, not guessed.
Source: METHOD part I (b), part III "Open". Differs from the released code: prefixes are taken off each key that has them (there all or none, by the first
key); ``per_joint_scale`` is 1 where no config gives it (there a missing attribute).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from raggesture.body.joints import PARTS, LatentLayout, Part
from raggesture.clock import WINDOW_CHUNKS
from raggesture.errors import ModelError, UsageError
from raggesture.models.checkpoint import ModelManifest, SourceFile, save_states
from raggesture.models.codec_config import CodecConfig
from raggesture.models.denoiser import Denoiser
from raggesture.models.denoiser_config import RELEASED_MASK, DenoiserConfig
from raggesture.models.mixing import Mixing
from raggesture.models.official_files import (
    DENOISER_MARK,
    SETTINGS,
    WEIGHTS,
    Hints,
    NotWeightsError,
    VaeFiles,
    Weights,
    files_under,
    read_hints,
    read_text,
    read_vae_yaml,
    read_weights,
)  # fmt: skip
from raggesture.models.official_record import RECORD, Entry, FileRecord, Record, TextRecord
from raggesture.models.vae import TransformerVae
from raggesture.resources import sha256_of

VaeSource = Literal["both", "files", "checkpoint"]
VAE_PREFIXES: Mapping[str, Part] = {
    "gesture_rep_encoder.upper_vae.": "upper",
    "gesture_rep_encoder.hands_vae.": "hands",
    "gesture_rep_encoder.face_vae.": "face",
    "gesture_rep_encoder.lowertrans_vae.": "lower",
}
_WRAPPERS = ("module.", "model.")
_SCALE_NAMES: Mapping[str, Part] = {"upper": "upper", "hands": "hands", "face": "face", "lower": "lower", "lowertrans": "lower", "lowertransl": "lower"}
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the files do not say.

    ``checkpoint``: the diffusion file among several. ``per_joint_scale``: by part; None: the config's, else 1. ``heads``: of the denoiser, which no
    shape tells; None: the config's, else 16 at the published sizes. ``vaes``: which weights count where the checkpoint's copies differ from the files.
    ``source``: how provenance calls the folder.
    """

    name: str = ""
    checkpoint: Path | None = None
    per_joint_scale: Mapping[str, float] | None = None
    heads: int | None = None
    masked_tokens: tuple[int, ...] = RELEASED_MASK
    vaes: VaeSource = "both"
    speakers: tuple[str, ...] = ()
    licence: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of a file: tensors taken, how many of them changed their names, what was left out with the reason."""

    path: str
    kind: str
    bytes: int
    sha256: str
    tensors: int
    values: int
    renamed: int
    left_out: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """An import: each file, what the files did not say, and what was in the folder but is no part of the model."""

    model: str
    files: tuple[FileReport, ...]
    notes: tuple[str, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Released:
    """The released files, found and read. ``config``: a Python config beside the checkpoint; ``ignored``: what is no part of the model."""

    root: Path
    vaes: Mapping[Part, tuple[VaeFiles, Weights]]
    diffusion: Weights
    config: TextRecord | None
    hints: Hints
    ignored: tuple[str, ...]


def import_official(root: Path, out: Path, options: ImportOptions | None = None, *, force: bool = False) -> ImportReport:
    """Turn the released files in ``root`` into the model folder ``out``.

    Raises:
        InputError: no folder, or an empty one. UsageError: ``out`` exists, or options that contradict the files.
        ModelError: files that are missing, twice, half, of another size, with pickled code, or that contradict each other.
    """
    options = options or ImportOptions()
    files = find_released(root, options.checkpoint)
    notes: list[str] = []
    names, copies = sort_names(files.diffusion)
    denoiser_state = {here: files.diffusion.state[name] for name, here in names.items()}
    config = denoiser_config(files, denoiser_state, options, notes)
    with torch.device("meta"):
        wanted = {key: value.shape for key, value in Denoiser(config).state_dict().items()}
    same_shapes(files.diffusion.path, {key: value.shape for key, value in denoiser_state.items()}, wanted)
    codec_config, codec_state, records = _codec(files, copies, options, notes)
    entries = [
        Entry(name, _dtype(files.diffusion.state[name]), f"denoiser/{names[name]}" if name in names else f"codec/{copies[name]}")
        for name in files.diffusion.state
    ]
    records.append(_record(files.root, files.diffusion, "denoiser", tuple(entries)))
    texts = [TextRecord(_inside(files.root, vae.yaml), vae.text) for vae, _ in files.vaes.values()]
    record = Record(tuple(records), tuple(texts) + ((files.config,) if files.config else ()))
    reports = tuple(_file_report(files, each) for each in record.weights)
    manifest = ModelManifest(
        name=options.name or out.name,
        text_encoder="bert",
        audio_encoder="wav2vec2",
        speakers=options.speakers or published_speakers(config.n_speakers),
        denoiser=config,
        codec=codec_config,
        mixing=_mixing(files, options, notes),
        provenance=f"imported from {options.source or files.root.resolve().name}",
        licence=options.licence or "that of the imported files, which do not say it",
        sources=tuple(SourceFile(report.path, report.bytes, report.sha256) for report in reports),
        epoch=_epoch(files.diffusion.meta),
    )
    save_states(manifest, denoiser_state, codec_state, out, storage="float32", force=force, beside={RECORD: record.to_json()})
    return ImportReport(manifest.name, reports, tuple(notes), files.ignored)


def find_released(root: Path, checkpoint: Path | None = None) -> Released:
    """Find and read the files: the four parts by their yaml, the diffusion checkpoint by its names, a config beside it."""
    found = files_under(root)
    settings = [vae for path in found if path.suffix.lower() in SETTINGS and (vae := read_vae_yaml(path)) is not None]
    parts = _one_for_each_part(root, settings)
    claimed = {vae.weights.resolve() for vae in parts.values()}
    loose = [path for path in found if path.suffix.lower() in WEIGHTS and path.resolve() not in claimed]
    diffusion = _diffusion(root, loose, checkpoint)
    vaes = {}
    for part, vae in parts.items():
        if not vae.weights.is_file():
            beside = sorted(path.name for path in vae.yaml.parent.iterdir() if path.suffix.lower() in WEIGHTS)
            there = f"beside it {', '.join(beside)}" if beside else "no weights beside it"
            raise ModelError(f"{vae.yaml}: test_ckpt names {vae.weights.name}, and there is {there}; expected that file - copy it there or correct the yaml")
        vaes[part] = (vae, read_weights(vae.weights))
    configs = sorted(path for path in diffusion.path.parent.glob("*.py") if path.is_file())
    if len(configs) > 1:
        raise ModelError(f"{diffusion.path.parent}: {len(configs)} configs ({_some([path.name for path in configs])}); expected one - move the others away")
    config = TextRecord(_inside(root, configs[0]), read_text(configs[0])) if configs else None
    inner = diffusion.meta.get("config")
    text = config.text if config else inner if isinstance(inner, str) else ""
    used = {*claimed, diffusion.path.resolve(), *(vae.yaml.resolve() for vae in parts.values()), *(path.resolve() for path in configs)}
    ignored = tuple(_inside(root, path) for path in found if path.resolve() not in used)
    return Released(root, vaes, diffusion, config, read_hints(text, configs[0] if configs else diffusion.path), ignored)


def _one_for_each_part(root: Path, settings: list[VaeFiles]) -> dict[Part, VaeFiles]:
    parts: dict[Part, VaeFiles] = {}
    for part in PARTS:
        mine = [vae for vae in settings if vae.part == part]
        if len(mine) > 1:
            raise ModelError(f"{root}: two candidates for {part}: {_some([_inside(root, vae.yaml) for vae in mine])}; expected one yaml a part - move one away")
        if not mine:
            there = _some([f"{_inside(root, vae.yaml)} ({vae.part})" for vae in settings]) or "no yaml of an auto-encoder"
            raise ModelError(f"{root}: no auto-encoder for {part}, found {there}; expected weights and yaml of {', '.join(PARTS)} - copy the whole release")
        parts[part] = mine[0]
    return parts


def _diffusion(root: Path, loose: list[Path], checkpoint: Path | None) -> Weights:
    """The diffusion checkpoint among the files that no yaml claims: the one whose names are a denoiser's."""
    if checkpoint is not None:
        chosen = checkpoint if checkpoint.is_file() else root / checkpoint
        if not chosen.is_file():
            raise UsageError(f"--checkpoint {checkpoint}: no such file; expected a file in {root} - check its name")
        return read_weights(chosen)
    read, others = [], []
    for path in loose:
        try:
            read.append(read_weights(path))
        except NotWeightsError as fault:  # an optimiser's state beside the weights; what cannot be read at all may be what was wanted, and is an error
            others.append(fault)
    found = [weights for weights in read if any(DENOISER_MARK in name for name in weights.state)]
    if len(found) > 1:
        names = _some([_inside(root, weights.path) for weights in found])
        raise ModelError(f"{root}: two candidates for the denoiser: {names}; expected one diffusion checkpoint - choose it with --checkpoint")
    if not found:
        if others:
            raise others[0]
        there = _some([_inside(root, path) for path in loose]) or "none"
        raise ModelError(f"{root}: no diffusion checkpoint (weights that no yaml names: {there}); expected one .pth with a denoiser - copy the whole release")
    return found[0]


def sort_names(diffusion: Weights) -> tuple[dict[str, str], dict[str, str]]:
    """Names of a checkpoint without their prefixes: those of the denoiser, and those of copies of the auto-encoders (``parts.PART.NAME``)."""
    names: dict[str, str] = {}
    copies: dict[str, str] = {}
    taken: dict[str, str] = {}
    for name in diffusion.state:
        bare = bare_name(name)
        prefix = next((each for each in VAE_PREFIXES if bare.startswith(each)), None)
        here = bare if prefix is None else f"parts.{VAE_PREFIXES[prefix]}.{bare.removeprefix(prefix)}"
        if here in taken:
            raise ModelError(f"{diffusion.path}: {taken[here]} and {name} are one name without their prefixes; expected one tensor of a name - check the file")
        taken[here] = name
        (names if prefix is None else copies)[name] = here
    return names, copies


def bare_name(name: str) -> str:
    """A name without what data-parallel training and the architecture around the network put in front of it."""
    for _ in range(len(_WRAPPERS) + 1):
        for wrapper in _WRAPPERS:
            name = name.removeprefix(wrapper)
    return name


def denoiser_config(files: Released, state: Mapping[str, Tensor], options: ImportOptions, notes: list[str]) -> DenoiserConfig:
    """The denoiser's settings: sizes from the shapes, heads from the config or the options."""
    path = files.diffusion.path

    def size(name: str, axis: int, dims: int = 2) -> int:
        if name not in state or state[name].ndim != dims:
            found = "no such tensor" if name not in state else f"shape {tuple(state[name].shape)}"
            raise ModelError(f"{path}: {name}: {found}; expected the denoiser's, with {dims} axes - check which file this is")
        return int(state[name].shape[axis])

    layers = {name.split(".")[1] for name in state if name.startswith(DENOISER_MARK)}
    published = DenoiserConfig.published()
    sizes = {
        "latent_dim": size("joint_embed.weight", 1), "width": size("joint_embed.weight", 0), "text_dim": size("text_pre_proj.weight", 1),
        "audio_dim": size("audio_pre_proj.weight", 1), "time_dim": size("time_embed.0.weight", 0), "layers": len(layers),
        "ff_dim": size(f"{DENOISER_MARK}0.ffn.linear1.weight", 0), "chunks": size("sequence_embedding.pe", 0, 3),
        "n_speakers": size("speaker_embedding.weight", 0) if "speaker_embedding.weight" in state else 1,
    }  # fmt: skip
    if sizes["chunks"] != WINDOW_CHUNKS or any(value == 0 for value in sizes.values()):
        raise ModelError(f"{path}: {sizes}; expected sizes above 0 and {WINDOW_CHUNKS} chunks - check which file this is")
    heads = options.heads or files.hints.heads
    if heads is None and all(sizes[name] == getattr(published, name) for name in ("width", "layers", "ff_dim", "time_dim")):
        heads = published.heads
        notes.append(f"heads: no config says how many; {heads} as published for these sizes")
    if heads is None:
        raise ModelError(f"{path}: the number of heads is in no shape, and sizes are not the published ones; expected it to be said - give it with --heads")
    tokens = LatentLayout(sizes["chunks"]).tokens
    if any(not 0 <= token < tokens for token in options.masked_tokens):
        raise UsageError(f"--masked-tokens {options.masked_tokens}: outside the sequence; expected tokens from 0 to {tokens - 1} - correct them")
    return replace(published, **sizes, heads=heads, masked_tokens=options.masked_tokens)  # type: ignore[arg-type] # mypy sees no names


def _codec(files: Released, copies: Mapping[str, str], options: ImportOptions, notes: list[str]) -> tuple[CodecConfig, dict[str, Tensor], list[FileRecord]]:
    """The codec of the four parts from their files, held against the copies in the checkpoint."""
    configs = tuple(files.vaes[part][0].settings.config() for part in PARTS)
    codec = CodecConfig("transformer", configs[0].latent_dim, 0, configs)
    state: dict[str, Tensor] = {}
    records = []
    for part, config in zip(PARTS, configs, strict=True):
        weights = files.vaes[part][1]
        with torch.device("meta"):
            wanted = {key: value.shape for key, value in TransformerVae(config).state_dict().items()}
        names = {name: name.removeprefix("module.") for name in weights.state}
        if len(set(names.values())) < len(names):
            raise ModelError(f"{weights.path}: names with and without 'module.' that are one; expected one tensor of a name - check the file")
        same_shapes(weights.path, {names[name]: value.shape for name, value in weights.state.items()}, wanted)
        state |= {f"parts.{part}.{names[name]}": value for name, value in weights.state.items()}
        entries = tuple(Entry(name, _dtype(value), f"codec/parts.{part}.{names[name]}") for name, value in weights.state.items())
        records.append(_record(files.root, weights, part, entries))
    differing = _hold_copies(files.diffusion, copies, state)
    if differing:
        several = f"{len(differing)} tensors of the auto-encoders ({_some(differing)})"
        if options.vaes == "both":
            raise ModelError(
                f"{files.diffusion.path}: {several} are not those of their own files; expected copies - say with --vaes files or --vaes checkpoint which count"
            )
        notes.append(f"{several} differ between the checkpoint and their own files; those of the {options.vaes} were taken, the others are lost")
        if options.vaes == "checkpoint":
            state |= {here: files.diffusion.state[name] for name, here in copies.items()}
    width = codec.latent_dim
    statistics = {"latent_mean": torch.zeros(len(PARTS), width), "latent_std": torch.ones(len(PARTS), width)}
    return codec, state | statistics, records


def _hold_copies(diffusion: Weights, copies: Mapping[str, str], state: Mapping[str, Tensor]) -> list[str]:
    """Names in the checkpoint of auto-encoder tensors that are not those of the parts' own files."""
    if copies:
        parts = {here.split(".")[1] for here in copies.values()}
        wanted = {key: value.shape for key, value in state.items() if key.split(".")[1] in parts}
        same_shapes(diffusion.path, {here: diffusion.state[name].shape for name, here in copies.items()}, wanted)
    return [name for name, here in copies.items() if not torch.equal(diffusion.state[name].float(), state[here].float())]


def same_shapes(path: Path, found: Mapping[str, torch.Size], wanted: Mapping[str, torch.Size]) -> None:
    """Raise ModelError, naming the differences, unless both have the same names and shapes."""
    missing = [key for key in wanted if key not in found]
    extra = [key for key in found if key not in wanted]
    shapes = [f"{key} {tuple(found[key])} for {tuple(wanted[key])}" for key in wanted if key in found and found[key] != wanted[key]]
    faults = [f"{len(names)} {what} ({_some(names)})" for what, names in (("missing", missing), ("extra", extra), ("of another shape", shapes)) if names]
    if faults:
        raise ModelError(f"{path}: tensors {'; '.join(faults)}; expected the {len(wanted)} of its settings - check that weights and settings belong together")


def published_speakers(count: int) -> tuple[str, ...]:
    """Names for the rows of a published table of speakers: the numbers of BEAT2's speakers, 1 ... with 30, 28 and 27 in the places 7, 13 and 18.

    Source: METHOD part I (a) "Frame rate, speakers".
    """
    moved = {7: 30, 13: 28, 18: 27} if count == DenoiserConfig.published().n_speakers else {}
    return tuple(str(moved.get(index, index + 1)) for index in range(count))


def _mixing(files: Released, options: ImportOptions, notes: list[str]) -> Mixing:
    given, hints = options.per_joint_scale, files.hints
    if given is None and "per_joint_scale" in hints.unclear:
        raise ModelError(f"{_config_name(files)}: per_joint_scale is no plain value, and configs are not run; expected numbers - give --per-joint-scale")
    if given is None and hints.per_joint_scale is None:
        notes.append("per_joint_scale: no config gives it (the published code fails without it); 1 for every part")
    scales = dict.fromkeys(PARTS, 1.0)
    for name, value in (given if given is not None else hints.per_joint_scale or {}).items():
        if name not in _SCALE_NAMES:
            raise UsageError(f"per_joint_scale: unknown part {name!r}; expected {', '.join(PARTS)} - correct it or give --per-joint-scale")
        scales[_SCALE_NAMES[name]] = float(value)
    mixing = Mixing("published", per_part_scale=tuple(scales[part] for part in PARTS))
    scale = hints.scale_func
    if scale is not None and {"coarse_scale", "both_coef", "text_coef"} <= set(scale):
        return Mixing("published", 1.0, scale["coarse_scale"], scale["both_coef"], scale["text_coef"], mixing.per_part_scale)
    notes.append(f"scale_func_cfg: not read from a config; the published {mixing.coarse}, {mixing.text}, {mixing.none}")
    return mixing


def _config_name(files: Released) -> str:
    return files.config.path if files.config else f"{files.diffusion.path} (its config)"


def _epoch(meta: Mapping[str, object]) -> int | None:
    epoch = meta.get("epoch")
    return epoch if isinstance(epoch, int) and not isinstance(epoch, bool) else None


def _record(root: Path, weights: Weights, kind: str, entries: tuple[Entry, ...]) -> FileRecord:
    return FileRecord(_inside(root, weights.path), kind, weights.container, weights.meta, entries)


def _file_report(files: Released, record: FileRecord) -> FileReport:
    weights = files.diffusion if record.kind == "denoiser" else next(each for part, (_, each) in files.vaes.items() if part == record.kind)
    left = [(name, "no weights of the network") for name in weights.left_out]
    if record.kind != "denoiser":
        left += [(f"yaml {name}", "no setting of the network") for name in next(vae.left_out for part, (vae, _) in files.vaes.items() if part == record.kind)]
    renamed = sum(entry.name != entry.here.split("/", 1)[1].removeprefix(f"parts.{record.kind}.") for entry in record.entries)
    values = sum(value.numel() for value in weights.state.values())
    return FileReport(record.path, record.kind, weights.path.stat().st_size, sha256_of(weights.path), len(record.entries), values, renamed, tuple(left))


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _inside(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest
