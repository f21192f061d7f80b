"""What an imported model remembers of the files it came from: every tensor's first name and type, the settings' texts, what was left out.

It is ``official.json`` in the model's folder, and what ``raggesture model export`` writes the files back from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from raggesture.errors import ModelError

RECORD = "official.json"
SCHEMA = "raggesture.official"
VERSION = 1
DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor: its name and type in the file, and its name here, ``denoiser/...`` or ``codec/...``."""

    name: str
    dtype: str
    here: str


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file of weights. ``kind``: denoiser or a part; ``container``: the key the tensors lay under; ``meta``: plain values beside them."""

    path: str
    kind: str
    container: str
    meta: Mapping[str, Any]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class TextRecord:
    """A settings file, whole."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """All files."""

    weights: tuple[FileRecord, ...]
    texts: tuple[TextRecord, ...]

    def to_json(self) -> str:
        """Readable JSON; entries one a line."""
        content = {"schema": SCHEMA, "version": VERSION, "texts": [asdict(text) for text in self.texts]}
        content["weights"] = [{**asdict(file), "entries": [[each.name, each.dtype, each.here] for each in file.entries]} for file in self.weights]
        return json.dumps(content, indent=None, ensure_ascii=False) + "\n"


def read_record(directory: Path) -> Record | None:
    """The record of a model folder, None where the model was not imported.

    Raises: ModelError: a record that cannot be read, or that names places outside the folder it is exported to.
    """
    path = directory / RECORD
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if (content["schema"], content["version"]) != (SCHEMA, VERSION):
            raise ValueError(f"schema {content['schema']} {content['version']}")
        weights = tuple(
            FileRecord(file["path"], file["kind"], file["container"], dict(file["meta"]), tuple(Entry(*entry) for entry in file["entries"]))
            for file in content["weights"]
        )
        record = Record(weights, tuple(TextRecord(**text) for text in content["texts"]))
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise ModelError(f"{path}: cannot be read ({type(fault).__name__} {fault}); expected the record of an import - import the model again") from fault
    for place in (*(file.path for file in record.weights), *(text.path for text in record.texts)):
        pure = PurePosixPath(place)
        if pure.is_absolute() or ".." in pure.parts or not pure.parts:
            raise ModelError(f"{path}: names the file {place!r}; expected one inside the folder - import the model again")
    if any(entry.dtype not in DTYPES for file in record.weights for entry in file.entries):
        raise ModelError(f"{path}: names a type of numbers that is none of {', '.join(DTYPES)}; expected one - import the model again")
    return record
