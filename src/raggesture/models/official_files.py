"""The released files as they lie in a folder: which is which, and reading them without trusting them.

Weights are read with ``weights_only`` (no pickled code ever runs), settings by safe YAML into a checked table, and a config beside the diffusion weights, which
is Python, is only looked at: literals are taken from its syntax tree and nothing of it is executed.
Source: METHOD part I (b) "Auto-encoder" (a yaml beside each weight file names it by ``test_ckpt``), defect 7 (``per_joint_scale``).
"""

from __future__ import annotations

import ast
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from raggesture.body.joints import FEATURES_OF_PART, Part
from raggesture.clock import CHUNK_FRAMES, WINDOW_FRAMES
from raggesture.errors import InputError, ModelError
from raggesture.models.vae import VaeConfig

WEIGHTS = (".pth", ".bin", ".pt", ".ckpt")
SETTINGS = (".yaml", ".yml")
CONTAINERS = ("state_dict", "model_state")
DENOISER_MARK = "temporal_decoder_blocks."
_MAX_TEXT = 1 << 20
_POINTER = b"version https://git-lfs"
_CODE = re.compile(r"unsupported (?:global: )?GLOBAL ([\w.]+)", re.IGNORECASE)
_PART_OF_WIDTH: Mapping[int, Part] = {width: part for part, width in FEATURES_OF_PART.items()}
_NAMES_OF_PARTS: Mapping[str, Part] = {"upper": "upper", "hands": "hands", "hand": "hands", "face": "face", "lower": "lower", "lowertrans": "lower"}

Size = Annotated[int, Field(ge=1, le=65536)]


class VaeSettings(BaseModel):
    """The fields of a released yaml that the network is built from; all are needed, none is guessed. Others (of its training) are left out."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    nfeats: Size
    latent_dim: Size
    num_layers: Annotated[int, Field(ge=1, le=256)]
    num_heads: Size
    ff_size: Size
    dropout: Annotated[float, Field(ge=0, lt=1)]
    transformer_activation: Literal["gelu", "relu"]
    transformer_normalize_before: bool
    decoder_arch: Literal["encoder_decoder", "all_encoder"]
    position_embedding: Literal["learned", "sine"]
    vae_dist: Literal["normal", "multivariate_normal"]
    num_frames: int
    frame_chunk_size: int
    test_ckpt: Annotated[str, Field(min_length=1)]

    def config(self) -> VaeConfig:
        """The network's settings; the file name is none."""
        return VaeConfig(**self.model_dump(exclude={"test_ckpt"}))


@dataclass(frozen=True, slots=True)
class VaeFiles:
    """One part's auto-encoder: settings, the text they were read from, the names that were left out, and where its weights should lie."""

    part: Part
    settings: VaeSettings
    text: str
    yaml: Path
    weights: Path
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A file of weights. ``container``: the key they lay under ("" none); ``meta``: plain values beside them; ``left_out``: the names of everything else."""

    path: Path
    container: str
    state: dict[str, Tensor]
    meta: dict[str, Any]
    left_out: tuple[str, ...]


class NotWeightsError(ModelError):
    """A file that can be read, and holds something else than named tensors (the state of an optimiser, say)."""


def files_under(root: Path) -> list[Path]:
    """All files of a folder, in order; links to one file count once.

    Raises: InputError: no folder, or nothing in it.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; expected one with the released files, or a repository of the hub (owner/name) - check the path")
    found: dict[Path, Path] = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)):
        place = path.resolve()
        if place not in found or (found[place].is_symlink() and not path.is_symlink()):
            found[place] = path
    if not found:
        raise InputError(f"{root}: empty; expected the released files (four auto-encoders with their yaml, one diffusion .pth) - check the path")
    return sorted(found.values())


def read_text(path: Path) -> str:
    """A small UTF-8 text. Raises: ModelError."""
    try:
        if path.stat().st_size > _MAX_TEXT:
            raise ModelError(f"{path}: {path.stat().st_size} bytes; expected a settings file below {_MAX_TEXT} - check what it is")
        with path.open(encoding="utf-8", newline="") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as fault:
        raise ModelError(f"{path}: cannot be read ({fault}); expected a text - copy it again") from fault


def read_vae_yaml(path: Path) -> VaeFiles | None:
    """The settings of an auto-encoder; None for a yaml of something else.

    Raises: ModelError: not YAML, tags that would make objects, fields that are missing or wrong, a part's name that contradicts ``nfeats``.
    """
    text = read_text(path)
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        reason = " ".join(str(fault).split())
        raise ModelError(f"{path}: cannot be read safely ({reason[:160]}); expected plain settings - copy the released file again") from fault
    if not isinstance(content, dict) or len(set(content) & set(VaeSettings.model_fields)) < 3:
        return None
    missing = [name for name in VaeSettings.model_fields if name not in content]
    if missing:
        raise ModelError(f"{path}: no {', '.join(missing)}; expected every setting of the auto-encoder, for none is guessed - add what it was trained with")
    try:
        settings = VaeSettings.model_validate(content)
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        field = ".".join(str(each) for each in first["loc"])
        raise ModelError(f"{path}: {field}: {first['input']!r:.60}; {first['msg']} - correct the yaml") from fault
    if (settings.num_frames, settings.frame_chunk_size) != (WINDOW_FRAMES, CHUNK_FRAMES):
        found = f"num_frames {settings.num_frames}, frame_chunk_size {settings.frame_chunk_size}"
        raise ModelError(f"{path}: {found}; expected {WINDOW_FRAMES} and {CHUNK_FRAMES}, without which the published code cannot run - check the yaml")
    left = tuple(sorted(str(name) for name in content if name not in VaeSettings.model_fields))
    return VaeFiles(_part_of(path, settings.nfeats), settings, text, path, path.parent / _base_name(settings.test_ckpt), left)


def _base_name(written: str) -> str:
    return written.replace("\\", "/").rsplit("/", 1)[-1]


def _part_of(path: Path, nfeats: int) -> Part:
    if nfeats not in _PART_OF_WIDTH:
        known = ", ".join(f"{width} ({part})" for width, part in _PART_OF_WIDTH.items())
        raise ModelError(f"{path}: nfeats {nfeats}; expected that of a part: {known} - check the yaml")
    part = _PART_OF_WIDTH[nfeats]
    for name in (path.stem, path.parent.name):
        words = {word for word in "".join(c if c.isalpha() else " " for c in name.lower()).split() if word in _NAMES_OF_PARTS}
        named = {_NAMES_OF_PARTS[word] for word in words}
        if len(named) == 1 and part not in named:
            raise ModelError(f"{path}: named for {named.pop()}, and its nfeats {nfeats} is that of {part}; expected one part - check which file this is")
    return part


def read_weights(path: Path) -> Weights:
    """A file of weights, read with ``weights_only`` and without copying it into memory where its format allows.

    Raises: ModelError: half a file, pickled code, or something else than named tensors.
    """
    content = _load(path)
    if not isinstance(content, dict):
        raise NotWeightsError(f"{path}: holds {type(content).__name__}; expected named tensors - check which file this is")
    containers = [name for name in CONTAINERS if isinstance(content.get(name), dict)]
    if len(containers) > 1:
        raise ModelError(f"{path}: holds both {' and '.join(containers)}; expected one set of weights - check which file this is")
    container = containers[0] if containers else ""
    state = content[container] if container else content
    room = path.stat().st_size
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            what = f"{key!r} is {type(value).__name__}"
            raise NotWeightsError(f"{path}: {what}; expected named tensors, bare or under {' or '.join(CONTAINERS)} - check which file this is")
        if value.layout != torch.strided or value.dtype not in (torch.float32, torch.float16, torch.bfloat16):
            raise ModelError(
                f"{path}: {key} is {value.dtype}; expected float32, float16 or bfloat16, which this model folder can hold without loss - convert it"
            )
        if value.numel() * value.element_size() > room:
            raise ModelError(f"{path}: {key} says {tuple(value.shape)}, which is more than the file holds; expected whole weights - copy it again")
    if not state:
        raise ModelError(f"{path}: no tensors; expected weights - check which file this is")
    rest = () if not container else tuple(sorted(str(key) for key in content if key not in (container, "meta")))
    meta = content.get("meta") if container else None
    plain = _plain(meta)
    lost = tuple(sorted(f"meta.{key}" for key in meta if str(key) not in plain)) if isinstance(meta, dict) else ()
    return Weights(path, container, dict(state), plain, rest + lost)


def _plain(meta: object) -> dict[str, Any]:
    if not isinstance(meta, dict):
        return {}
    return {str(key): value for key, value in meta.items() if isinstance(value, str | int | float | bool) or value is None}


def _load(path: Path) -> Any:
    whole = zipfile.is_zipfile(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(len(_POINTER))
        if not head:
            raise ModelError(f"{path}: empty; expected weights - copy it again")
        if head[:2] == b"PK" and not whole:
            raise ModelError(f"{path}: ends in the middle; expected a whole file - copy or download it again")
        if head == _POINTER:
            raise ModelError(f"{path}: a git-lfs pointer, not the file it stands for; expected weights - run 'git lfs pull' or download the file")
        if whole:
            _check_members(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=whole)
    except ModelError:
        raise
    except Exception as fault:  # torch raises what its readers raise; nothing of the file has been executed
        reason = " ".join(str(fault).split())
        code = _CODE.search(reason)
        if code is not None:
            what = f"it names {code.group(1)}"
            raise ModelError(
                f"{path}: holds pickled code ({what}); expected plain tensors, and nothing of it was run - get the file from its release"
            ) from fault
        reason = reason.rsplit("WeightsUnpickler error: ", 1)[-1]
        raise ModelError(
            f"{path}: cannot be read as weights ({type(fault).__name__}: {reason[:120]}); expected a whole file - copy or download it again"
        ) from fault


def _check_members(path: Path) -> None:
    """Hold what a zip holds against its own checksums, which torch does not: a transfer that broke off can leave a hole in a file of the right length.

    Raises: ModelError.
    """
    with zipfile.ZipFile(path) as archive:
        try:
            damaged = archive.testzip()
        except zipfile.BadZipFile as fault:
            damaged = " ".join(str(fault).split())
    if damaged is not None:
        raise ModelError(f"{path}: damaged ({damaged}); expected contents that agree with the file's own checksums - copy or download it again")


@dataclass(frozen=True, slots=True)
class Hints:
    """What a config's syntax says, as literals; None where it says nothing. ``unclear``: names that it gives in a way that is no literal, or twice."""

    per_joint_scale: Mapping[str, float] | None = None
    heads: int | None = None
    scale_func: Mapping[str, float] | None = None
    unclear: tuple[str, ...] = ()


_HINTS = {"per_joint_scale": "per_joint_scale", "num_heads": "heads", "scale_func_cfg": "scale_func"}


def read_hints(text: str, where: object) -> Hints:
    """Literals in the Python text of a config, which is parsed and never run.

    Raises: ModelError: not Python.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        raise ModelError(
            f"{where}: not a config ({type(fault).__name__}); expected Python that can be parsed - move it away or give its values by options"
        ) from fault
    named = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}
    found: dict[str, list[object]] = {name: [] for name in _HINTS}
    unclear: list[str] = []
    for name, node in _mentions(tree):
        try:
            value = _literal(named.get(node.id, node) if isinstance(node, ast.Name) else node)
        except (ValueError, RecursionError, TypeError):
            unclear.append(name)
            continue
        if value is not None and value not in found[name]:
            found[name].append(value)
    values: dict[str, Any] = {}
    for name, several in found.items():
        good = [value for value in several if _is_hint(name, value)]
        if len(several) > 1 or len(good) < len(several):
            unclear.append(name)
        elif good:
            values[_HINTS[name]] = good[0]
    return Hints(**values, unclear=tuple(sorted(set(unclear))))


def _mentions(tree: ast.AST) -> list[tuple[str, ast.expr]]:
    """Where a hint's name is given a value: as a keyword, a key of a dict, or a variable."""
    found: list[tuple[str, ast.expr]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in _HINTS:
            found.append((node.arg, node.value))
        elif isinstance(node, ast.Dict):
            found += [(key.value, value) for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant) and key.value in _HINTS]
        elif isinstance(node, ast.Assign):
            found += [(target.id, node.value) for target in node.targets if isinstance(target, ast.Name) and target.id in _HINTS]
    return found


def _literal(node: ast.expr) -> object:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        if any(each.arg is None for each in node.keywords):
            raise ValueError("not a literal")
        return {each.arg: _literal(each.value) for each in node.keywords}
    return ast.literal_eval(node)


def _is_hint(name: str, value: object) -> bool:
    if name == "num_heads":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, dict) and all(isinstance(key, str) and isinstance(each, int | float) and not isinstance(each, bool) for key, each in value.items())
