"""Whether an index is whole: every file against its checksum, every row against the arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from raggesture.clock import seconds_of_frame
from raggesture.errors import ModelError, RaggestureError
from raggesture.resources import verify_sha256
from raggesture.retrieval.event_table import EventTable
from raggesture.retrieval.index import Index
from raggesture.retrieval.store import read_manifest

_UNIT_TOLERANCE = 5e-3
"""Unit vectors are kept in half precision."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: ``faults`` is empty where the index is whole."""

    path: str
    files: int
    clips: int
    exemplars: int
    faults: tuple[str, ...]


def _file_faults(folder: Path) -> Iterator[str]:
    for each in read_manifest(folder).files:
        if not (folder / each.name).is_file():
            yield f"{folder / each.name}: no such file; expected one of the index's files - copy the index whole or build it again"
            continue
        try:
            verify_sha256(folder / each.name, each.sha256)
        except (ModelError, OSError) as fault:
            yield str(fault)


def _column_faults(index: Index) -> Iterator[str]:
    """Rows of SQLite against the columns, and columns against each other."""
    table: EventTable = index.events
    where = f"{index.path}: exemplar"
    last_s = seconds_of_frame(1) * table.clip_frames[table.clip]
    limits = (
        ("clip", (table.clip < 0) | (table.clip >= len(table.clips))),
        ("word", (table.word_number < 0) | (table.word_number >= len(index.vocabulary))),
        ("sentence", (table.sentence < -1) | (table.sentence >= len(index.sentence_vectors))),
        ("stroke", (table.stroke < 0) | (table.stroke >= last_s + 1e-6)),
        ("times", table.end < table.start),
    )
    for what, bad in limits:
        if bad.any():
            row = int(bad.argmax())
            yield f"{where} {row}: its {what} is out of range ({int(bad.sum())} such rows); expected what was written - build the index again"
    for row, exemplar in enumerate(index.stored_exemplars()):
        if exemplar != table.exemplar(row):
            yield f"{where} {row}: the row is {exemplar}, the columns say {table.exemplar(row)}; expected the same - build the index again"
            return


def _vector_faults(index: Index) -> Iterator[str]:
    for what, vectors, count in (("word", index.word_table, len(index.vocabulary)), ("sentence", index.sentence_vectors, index.manifest.sentences)):
        if vectors.shape != (count, index.manifest.text_dim):
            yield f"{index.path}: {what} vectors {vectors.shape}; expected {(count, index.manifest.text_dim)} - build the index again"
            continue
        norms = np.linalg.norm(vectors.astype(np.float32), axis=1)
        bad = ~(np.isclose(norms, 1, atol=_UNIT_TOLERANCE) | (norms == 0))
        if bad.any():
            yield f"{index.path}: {what} vector {int(bad.argmax())} has norm {norms[bad][0]:.3f}; expected 1 - build the index again"


def _clip_faults(index: Index) -> Iterator[str]:
    for name in index.events.clips:
        try:
            row = index.clip(name)
            index.clip_window(name, 0, frames=max(row.frames, 1), context=0)
        except RaggestureError as fault:
            yield str(fault)


def verify_index(folder: Path) -> Verdict:
    """Hold an index against its checksums and its rows against its arrays. Reads everything.

    Raises:
        ModelError: no index there, or it cannot be opened at all.
    """
    faults = list(_file_faults(folder))
    manifest = read_manifest(folder)
    if not faults:
        index = Index.open(folder)
        faults = [*_column_faults(index), *_vector_faults(index), *_clip_faults(index)]
        counted = (len(index.events.clips), len(index.events), int(index.events.clip_frames.sum()))
        if counted != (manifest.clips, manifest.exemplars, manifest.frames):
            faults.append(f"{folder}: {counted} clips, exemplars, frames; expected {(manifest.clips, manifest.exemplars, manifest.frames)} - build it again")
    return Verdict(str(folder), len(manifest.files), manifest.clips, manifest.exemplars, tuple(faults))
