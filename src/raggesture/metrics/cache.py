"""What was measured of a clip, kept by content: the digests of its files and of everything it was measured with.

One file a clip; a metric's arrays in it carry the metric's name, version, options and distribution. Files appear whole or not at all, hold no pickle, and one
that is damaged is measured again. Nothing depends on them: the folder may be removed at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from raggesture.metrics.measured import Array
from raggesture.resources import cache_root, sha256_of

SCHEMA = 1
_LACKS = "|lacks"


def digest_of(facts: Any) -> str:
    """sha256 of plain data."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def clip_key(files: Sequence[tuple[str, Path]], setting: Mapping[str, Any]) -> str:
    """Key of a clip: what its files hold, and what it is measured with."""
    return digest_of([SCHEMA, [(what, sha256_of(path)) for what, path in files], dict(setting)])


@dataclass(frozen=True, slots=True)
class Kept:
    """What one metric measured of one clip; ``lacks`` says why it could not ("" where it could)."""

    arrays: Mapping[str, Array]
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class ClipCache:
    """A folder of such files; None for ``folder`` keeps nothing."""

    folder: Path | None

    @classmethod
    def of_user(cls) -> ClipCache:
        """In the user's cache."""
        return cls(cache_root() / "eval")

    def _path(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / key[:2] / f"{key}.npz"

    def load(self, key: str) -> dict[str, Kept]:
        """Metric's identity -> what is kept of it. Nothing where there is no whole file."""
        path = self._path(key)
        if path is None or not path.is_file():
            return {}
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {member: archive[member] for member in archive}
        except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError):
            return {}
        found: dict[str, Kept] = {}
        for member, array in arrays.items():
            if member.endswith(_LACKS):
                metric = member.removesuffix(_LACKS)
                mine = {name.removeprefix(f"{metric}|"): value for name, value in arrays.items() if name.startswith(f"{metric}|") and name != member}
                found[metric] = Kept(mine, str(array))
        return found

    def store(self, key: str, kept: Mapping[str, Kept]) -> None:
        """Keep what was measured. A folder that cannot be written to keeps nothing, which is no fault."""
        path = self._path(key)
        if path is None:
            return
        members: dict[str, Array] = {}
        for metric, each in kept.items():
            members[f"{metric}{_LACKS}"] = np.array(each.lacks)
            members |= {f"{metric}|{name}": array for name, array in each.arrays.items()}
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                with partial.open("wb") as stream:
                    _write(stream, members)
                partial.replace(path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def _write(stream: Any, members: Mapping[str, Array]) -> None:
    """An npz whose members may have any name (``np.savez`` takes them as arguments)."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
