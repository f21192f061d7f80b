"""What computed features depend on, as short texts: files' contents, the encoders with their weights, the code. Two builds agree where these do."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from raggesture.encoders.conditioning import ConditionEncoder
from raggesture.errors import ModelError
from raggesture.resources import sha256_of

_COMPUTES = (
    "raggesture.body.features", "raggesture.body.joints", "raggesture.body.rotations", "raggesture.body.skeleton", "raggesture.motion",
    "raggesture.corpus.features", "raggesture.corpus.contacts", "raggesture.corpus.body_file", "raggesture.corpus.beat2", "raggesture.corpus.annotations",
    "raggesture.encoders.base", "raggesture.encoders.conditioning", "raggesture.speech.audio", "raggesture.speech.pitch", "raggesture.speech.transcript",
)  # fmt: skip
"""Modules whose code decides a feature, beside the encoders' own."""
_WEIGHTS = (".safetensors", ".bin", ".json", ".txt", ".model")


@dataclass(frozen=True, slots=True)
class FileState:
    """A file's digest, good for as long as its size and time of change stay."""

    size: int
    mtime_ns: int
    sha256: str


def file_state(path: Path, known: FileState | None = None) -> FileState | None:
    """State of a file, None where there is none; read only where ``known`` does not fit (as git's index does)."""
    try:
        stat = path.stat()
    except OSError:
        return None
    if known is not None and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return known
    return FileState(stat.st_size, stat.st_mtime_ns, sha256_of(path))


def digest_of(parts: Iterable[str]) -> str:
    """Hex digest of texts, each kept apart from the next."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()


def _without_docstrings(tree: ast.AST) -> ast.AST:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [each for each in node.body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))]
    return tree


@cache
def code_digest(modules: tuple[str, ...]) -> str:
    """Digest of what modules do: their syntax trees, so that comments and docstrings count for nothing."""
    parts = []
    for name in modules:
        module = sys.modules.get(name)
        spec = getattr(module, "__spec__", None) or importlib.util.find_spec(name)
        origin = getattr(module, "__file__", None) or (spec.origin if spec is not None else None)
        source = Path(origin) if origin is not None else None
        tree = _without_docstrings(ast.parse(source.read_text(encoding="utf-8"))) if source is not None and source.suffix == ".py" else None
        parts.append(name if tree is None else f"{name}\n{ast.dump(tree)}")
    return digest_of(parts)


def _weights(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in _WEIGHTS)
    return {path.relative_to(folder).as_posix(): _digest_of_weights(path, path.stat().st_size, path.stat().st_mtime_ns) for path in files}


@cache
def _digest_of_weights(path: Path, size: int, mtime_ns: int) -> str:
    return sha256_of(path)


def _encoder_settings(encoder: object) -> dict[str, str]:
    """Name, kind and weights of an encoder; ``folder`` is where those with weights have them."""
    kind = type(encoder)
    settings = {"name": str(getattr(encoder, "name", "")), "dim": str(getattr(encoder, "dim", "")), "class": f"{kind.__module__}.{kind.__qualname__}"}
    settings["version"] = str(getattr(encoder, "version", ""))
    folder = getattr(encoder, "folder", None)
    if isinstance(folder, Path):
        if not folder.is_dir():
            raise ModelError(f"{folder}: no such folder; expected the weights of the encoder {settings['name']!r} - install them or give their folder")
        settings["weights"] = digest_of(f"{name} {digest}" for name, digest in sorted(_weights(folder).items()))
    return settings


def settings_of(encoder: ConditionEncoder, stride_frames: int) -> Mapping[str, str]:
    """Everything but the clip that its features depend on, by name (for people to read in a store, and to make keys of)."""
    windows = encoder.reads_windows or encoder.audio.per_window
    own = tuple(sorted({type(encoder.text).__module__, type(encoder.audio).__module__}))
    found = {f"{what}.{key}": value for what, each in (("text", encoder.text), ("audio", encoder.audio)) for key, value in _encoder_settings(each).items()}
    found |= {"rules": encoder.rules.key, "stride_frames": str(stride_frames if windows else 0)}
    return found | {"code": code_digest((*_COMPUTES, *own))}
