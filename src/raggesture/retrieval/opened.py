"""Opening the files of an index, all of one generation, while a writer may be swapping them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from raggesture.errors import ModelError
from raggesture.retrieval.arrays import MappedArrays
from raggesture.retrieval.event_table import EventTable, read_events
from raggesture.retrieval.graph import StoredGraph
from raggesture.retrieval.rows import RowsReader
from raggesture.retrieval.store import EVENTS, GRAPH, ROWS, VECTORS, IndexManifest, check_files, read_manifest, segment_number

_TRIES = 5
"""So often a reader starts again when a writer removed the files of the manifest it had read."""


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The files of one generation of an index, all open: a writer may remove them now."""

    manifest: IndexManifest
    rows: RowsReader
    events: EventTable
    vectors: MappedArrays
    segments: dict[int, MappedArrays]
    graph: StoredGraph | None


def _graph(folder: Path, manifest: IndexManifest) -> StoredGraph | None:
    if not manifest.has(GRAPH):
        return None
    vectors = MappedArrays(folder / manifest.file(VECTORS).name).get("words")
    return StoredGraph(folder / manifest.file(GRAPH).name, len(vectors), manifest.text_dim)


def open_files(folder: Path) -> Opened:
    """Open every file that the manifest names; starts again where a writer swapped the manifest meanwhile."""
    before: IndexManifest | None = None
    for attempt in range(_TRIES):
        manifest = read_manifest(folder)
        try:
            check_files(folder, manifest)
            return Opened(
                manifest,
                RowsReader(folder / manifest.file(ROWS).name),
                read_events(folder / manifest.file(EVENTS).name),
                MappedArrays(folder / manifest.file(VECTORS).name),
                {segment_number(each.role): MappedArrays(folder / each.name) for each in manifest.segments},
                _graph(folder, manifest),
            )
        except (ModelError, OSError):
            # A file may go between being checked and being opened, and a writer that adds and removes comes back to the same manifest: only what
            # fails twice under one manifest is broken.
            if attempt + 1 == _TRIES or manifest == before:
                raise
            before = manifest
    raise AssertionError("unreachable")
