"""The folder of an embedded index: which files belong to it, and how they change.

``manifest.json`` names every other file with its size and sha256; files are named by their content and never changed. A
change writes new files, then swaps the manifest by a rename, then removes what nobody names any more: a reader sees
the old index or the new one, whole, and keeps what it has opened. One writer at a time holds ``.lock``.

Roles: ``rows`` (SQLite: clips, words, sentences, exemplars), ``events`` (the exemplars' columns), ``vectors`` (words and
sentences), ``segment-NNNN`` (motion and conditions of some clips), ``words-graph`` (neighbours of words, for many words).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from raggesture.clock import MODEL_FPS
from raggesture.errors import ModelError, UsageError
from raggesture.resources import readable_by_all, sha256_of, verify_sha256

SCHEMA = 2
MANIFEST = "manifest.json"
LOCK = ".lock"
INVERSIONS = "inversions"
"""Folder of inverted exemplars, which whoever uses the index may fill (``raggesture.inversions``)."""
ROWS, EVENTS, VECTORS, GRAPH, SEGMENT = "rows", "events", "vectors", "words-graph", "segment"
SUFFIXES = {ROWS: ".sqlite", EVENTS: ".safetensors", VECTORS: ".safetensors", GRAPH: ".hnsw", SEGMENT: ".safetensors"}
NEEDED = (ROWS, EVENTS, VECTORS)

_SCHEMA_1 = ("rows.sqlite", "motion.safetensors", "conditions.safetensors")
"""Names of the files of the first schema."""
CHECKED_BYTES = 64_000_000
"""An index up to this size is held against its checksums whole on opening; a larger one by the sizes of its files."""


@dataclass(frozen=True, slots=True)
class IndexFile:
    """One file of an index. ``role`` says what it is, ``name`` where it lies."""

    role: str
    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class IndexManifest:
    """What an index says of itself. ``text_dim`` and ``audio_dim`` are the widths of the encoders' features.

    ``grid`` is ``stroke`` (a window is cut round each stroke) or ``released`` (events of every fifteenth sliding window).
    """

    name: str
    fps: float
    text_encoder: str
    text_dim: int
    audio_encoder: str
    audio_dim: int
    speakers: tuple[str, ...]
    licence: str
    clips: int
    frames: int
    words: int
    sentences: int
    exemplars: int
    grid: str
    files: tuple[IndexFile, ...]

    def to_json(self) -> str:
        """JSON text with the schema number first."""
        return json.dumps({"schema": SCHEMA, "kind": "index", **asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    def file(self, role: str) -> IndexFile:
        """The file of a role.

        Raises:
            ModelError: there is none.
        """
        for each in self.files:
            if each.role == role:
                return each
        raise ModelError(f"index {self.name}: its manifest names no file for {role!r}; expected one - build the index again")

    @property
    def segments(self) -> tuple[IndexFile, ...]:
        """The files that hold motion and conditions."""
        return tuple(each for each in self.files if each.role.startswith(SEGMENT + "-"))

    def has(self, role: str) -> bool:
        """A file of this role belongs to the index."""
        return any(each.role == role for each in self.files)


def segment_role(number: int) -> str:
    """Role of a segment by its number."""
    return f"{SEGMENT}-{number:04d}"


def segment_number(role: str) -> int:
    """Number of a segment's role."""
    return int(role.rpartition("-")[2])


def _manifest_of(path: Path, data: Any) -> IndexManifest:
    if not isinstance(data, dict) or data.pop("kind", None) != "index":
        raise ModelError(f'{path}: not the manifest of an index; expected "kind": "index" - give the folder that \'raggesture index build\' wrote')
    schema = data.pop("schema", None)
    if schema == 1:
        raise ModelError(f"{path}: schema 1, of an older version; expected {SCHEMA} - run 'raggesture index upgrade {path.parent}'")
    if schema != SCHEMA:
        raise ModelError(f"{path}: schema {schema!r}; expected {SCHEMA} - build the index again with this version")
    try:
        data["speakers"] = tuple(data["speakers"])
        data["files"] = tuple(IndexFile(**each) for each in data["files"])
        manifest = IndexManifest(**data)
    except (KeyError, TypeError) as fault:
        raise ModelError(f"{path}: incomplete ({fault}); expected what 'raggesture index build' writes - build the index again") from fault
    if manifest.fps != MODEL_FPS:
        raise ModelError(f"{path}: {manifest.fps} fps; expected {MODEL_FPS} - build the index again")
    missing = [role for role in NEEDED if not manifest.has(role)]
    if missing or any(Path(each.name).name != each.name or not isinstance(each.bytes, int) for each in manifest.files):
        raise ModelError(f"{path}: names no file for {missing or 'some role'}; expected {', '.join(NEEDED)} and segments - build the index again")
    return manifest


def read_manifest(folder: Path) -> IndexManifest:
    """Read the manifest of ``folder``.

    Raises:
        ModelError: no index there, or one of another schema.
    """
    path = folder / MANIFEST
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as fault:
        raise ModelError(f"{folder}: no {MANIFEST} there; expected the folder of an index - build one with 'raggesture index build'") from fault
    except (ValueError, OSError) as fault:
        raise ModelError(f"{path}: cannot be read as JSON ({fault}); expected the manifest of an index - build the index again") from fault
    return _manifest_of(path, data)


def check_files(folder: Path, manifest: IndexManifest, *, whole: bool = False) -> None:
    """Hold the files against the manifest: sizes always; checksums if the index is small (``CHECKED_BYTES``) or with ``whole``.

    Raises:
        ModelError: a file is missing, truncated or altered; the message names it.
    """
    whole = whole or sum(each.bytes for each in manifest.files) <= CHECKED_BYTES
    for each in manifest.files:
        path = folder / each.name
        try:
            found = path.stat().st_size
        except OSError as fault:
            raise ModelError(f"{path}: no such file; expected one of the index's files - copy the index whole or build it again") from fault
        if found != each.bytes:
            raise ModelError(f"{path}: {found} bytes; expected {each.bytes} - the file is truncated or altered, copy it again or build the index again")
        if whole:
            verify_sha256(path, each.sha256)


def settle(folder: Path, temporary: Path, role: str) -> IndexFile:
    """Give a finished file its name by content and put it into ``folder``."""
    digest = sha256_of(temporary)
    suffix = SUFFIXES[SEGMENT if role.startswith(SEGMENT) else role]
    name = f"{role}-{digest[:12]}{suffix}"
    size = temporary.stat().st_size
    readable_by_all(temporary)
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    temporary.replace(folder / name)
    return IndexFile(role, name, size, digest)


def swap_manifest(folder: Path, manifest: IndexManifest) -> None:
    """Make ``manifest`` the one that readers see, then remove the files that it does not name."""
    partial = folder / f".{MANIFEST}.{os.getpid()}.partial"
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(manifest.to_json())
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(folder / MANIFEST)
    sweep(folder, manifest)


def _is_ours(name: str) -> bool:
    return name in _SCHEMA_1 or any(name.startswith(f"{role}-") and name.endswith(suffix) for role, suffix in SUFFIXES.items())


def sweep(folder: Path, manifest: IndexManifest) -> None:
    """Remove files of an index that the manifest does not name (left by an older generation, or by a writer that was killed), and inverted exemplars."""
    kept = {each.name for each in manifest.files}
    for path in folder.iterdir():
        if path.name == INVERSIONS:
            shutil.rmtree(path, ignore_errors=True)  # made with what the index held before
        elif path.name not in kept and (_is_ours(path.name) or path.name.endswith(".partial")):
            with suppress(OSError):
                path.unlink()


def files_of(folder: Path) -> Iterable[Path]:
    """What of ``folder`` belongs to an index, to tell an index from somebody's folder."""
    return [path for path in folder.iterdir() if path.name in (MANIFEST, LOCK, INVERSIONS) or _is_ours(path.name)]


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the lock of an index while it is changed. It is let go when the process ends, however it ends.

    Raises:
        UsageError: another process is changing the index, or the folder cannot be written to.
    """
    path = folder / LOCK
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as fault:
        raise UsageError(f"{folder}: cannot be written to ({fault.strerror}); expected a folder that you may change - copy the index first") from fault
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            raise UsageError(f"{folder}: another process is changing this index; expected to be the only writer - wait until it has finished") from fault
        yield
    finally:
        os.close(handle)
