"""Features of a corpus on disk, one safetensors file a clip, named by all that went into it; ``train`` and ``index build`` share them.

A store is a folder: ``clips/<clip>.<key>.safetensors`` and one ``<split>-<key>.json`` for each set that was built whole. A file gets its name when
it is complete and on the disk, and a set is written last: what a killed build leaves is either a whole clip or nothing. The next build computes what
is missing. Reading maps the files: memory does not grow with the corpus.

Why safetensors and one file a clip: any number of writers without a lock or a map size, a changed clip changes one file, a format that the models
already have. LMDB reads a window in a third of the time (tests/benchmarks/test_bench_data.py: 50 against 15 microseconds), which is 2 milliseconds of a
batch of 64; one record a window, as published, takes 26 times the bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from raggesture.corpus.faults import Skipped
from raggesture.corpus.features import ClipFeatures
from raggesture.errors import InputError, ModelError
from raggesture.resources import sha256_of

SCHEMA = 1
CLIPS_DIR = "clips"
ARRAYS = ("upper", "hands", "face", "lower", "words", "word_of_frame", "audio")
_ABOUT = "about"
_KEY_LETTERS = 20


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A clip of a set: its shard's ``key`` and the sizes that a reader wants without opening it."""

    name: str
    speaker: str
    frames: int
    words: int
    key: str
    sha256: str

    @property
    def file(self) -> str:
        """Path of the shard inside the store."""
        return shard_file(self.name, self.key)


def shard_file(name: str, key: str) -> str:
    """Path of a clip's shard inside its store."""
    return f"{CLIPS_DIR}/{name}.{key[:_KEY_LETTERS]}.safetensors"


@dataclass(frozen=True)
class ClipShard:
    """One clip's arrays, mapped; a slice reads no more than itself."""

    path: Path

    @cached_property
    def _file(self) -> Any:
        try:
            opened: Any = safe_open(self.path, framework="np")
            return opened
        except (OSError, SafetensorError) as fault:
            raise ModelError(f"{self.path}: cannot be read ({fault}); expected a clip's features - build them again") from fault

    def rows(self, name: str, start: int, stop: int) -> NDArray[np.generic]:
        """Rows ``start`` to ``stop`` - 1 of an array; both inside it."""
        found: NDArray[np.generic] = self._file.get_slice(name)[start:stop]
        return found

    def whole(self, name: str) -> NDArray[np.generic]:
        """A whole array."""
        found: NDArray[np.generic] = self._file.get_tensor(name)
        return found

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array."""
        return tuple(self._file.get_slice(name).get_shape())

    def about(self) -> dict[str, Any]:
        """What was noted with the arrays."""
        found: dict[str, Any] = json.loads((self._file.metadata() or {})[_ABOUT])
        return found

    def features(self) -> ClipFeatures:
        """All arrays."""
        try:
            return ClipFeatures.of_arrays({name: self.whole(name) for name in ARRAYS})
        except (KeyError, SafetensorError, InputError) as fault:
            raise ModelError(f"{self.path}: {fault}; expected a clip's features - build them again") from fault


@dataclass(frozen=True)
class FeatureStore:
    """A set of clips whose features have all been computed.

    ``settings`` is what they depend on besides the clips; ``skipped`` what the corpus lost on the way; ``computed`` how many clips this build
    had to compute (0 for a store that was opened).
    """

    folder: Path
    key: str
    settings: dict[str, str]
    rows: tuple[ClipRow, ...]
    skipped: tuple[Skipped, ...] = ()
    computed: int = 0
    _open: dict[str, ClipShard] = field(default_factory=dict, repr=False, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Clips in the corpus's order."""
        return tuple(row.name for row in self.rows)

    @cached_property
    def _row_of(self) -> dict[str, ClipRow]:
        return {row.name: row for row in self.rows}

    def __contains__(self, name: object) -> bool:
        return name in self._row_of

    def __iter__(self) -> Iterator[ClipRow]:
        return iter(self.rows)

    def shard(self, name: str) -> ClipShard:
        """A clip's mapped arrays. Raises InputError for a clip that is not in the set."""
        if name not in self._row_of:
            raise InputError(f"{self.folder}: no clip {name!r}; expected one of the {len(self.rows)} that were encoded - build the features again")
        if name not in self._open:
            self._open[name] = ClipShard(self.folder / self._row_of[name].file)
        return self._open[name]

    def clip(self, name: str) -> ClipFeatures:
        """A clip's features, read into memory."""
        return self.shard(name).features()

    @property
    def size_bytes(self) -> int:
        """Bytes of the set's shards."""
        return sum((self.folder / row.file).stat().st_size for row in self.rows)

    def verify(self) -> None:
        """Hold every shard against its checksum. Raises ModelError naming the first that is missing or altered."""
        for row in self.rows:
            path = self.folder / row.file
            if not path.is_file() or sha256_of(path) != row.sha256:
                raise ModelError(f"{path}: missing or altered; expected the features of clip {row.name} - delete it and build the features again")

    def write(self, stem: str) -> Path:
        """Write the set's file, whole or not at all."""
        from raggesture.outputs import new_files

        data = {
            "schema": SCHEMA,
            "key": self.key,
            "settings": self.settings,
            "clips": [asdict(row) for row in self.rows],
            "skipped": [{"clip": s.clip, "path": str(s.path), "reason": s.reason, "row": s.row} for s in self.skipped],
        }
        path = self.folder / f"{stem}-{self.key[:_KEY_LETTERS]}.json"
        with new_files((path,), force=True) as (partial,):
            partial.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        return path

    @classmethod
    def open(cls, path: Path) -> FeatureStore:
        """Open a set by its file, or by its store where that holds one set.

        Raises:
            ModelError: there is none or several, it is of another version, or a shard is missing.
        """
        file = _only_set(path) if path.is_dir() else path
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            if data["schema"] != SCHEMA:
                raise ModelError(f"{file}: schema {data['schema']}; expected {SCHEMA} - build the features again")
            rows = tuple(ClipRow(**row) for row in data["clips"])
            skipped = tuple(Skipped(s["clip"], Path(s["path"]), s["reason"], s["row"]) for s in data["skipped"])
            store = cls(file.parent, str(data["key"]), dict(data["settings"]), rows, skipped)
        except (OSError, ValueError, KeyError, TypeError) as fault:
            raise ModelError(f"{file}: cannot be read ({type(fault).__name__} {fault}); expected a set of features - build them again") from fault
        for row in rows:
            if not (file.parent / row.file).is_file():
                raise ModelError(f"{file.parent / row.file}: no such file; expected the features of clip {row.name} - build the features again")
        return store


def _only_set(folder: Path) -> Path:
    found = sorted(folder.glob("*-*.json"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ModelError(f"{folder}: {len(found)} sets of features ({names}); expected one - name the set's file, or build the features")
    return found[0]


def write_shard(path: Path, features: ClipFeatures, about: dict[str, Any]) -> None:
    """Write one clip's features; the file has its name when all of it is on the disk."""
    import os

    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file(features.arrays(), partial, metadata={_ABOUT: json.dumps(about, sort_keys=True)})
        partial.chmod(0o644)
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
