"""Putting products together into an index on disk: rows, segments, vectors, columns; all or nothing.

Everything is written beside its place and named when it is complete, the manifest last (see ``store``).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import MODEL_FPS
from raggesture.errors import InputError, UsageError
from raggesture.retrieval.arrays import write_arrays
from raggesture.retrieval.event_table import write_events
from raggesture.retrieval.graph import GRAPH_WORDS, write_graph
from raggesture.retrieval.product import Product, product_of
from raggesture.retrieval.rows import RowsReader, RowsWriter, writing_rows
from raggesture.retrieval.store import EVENTS, GRAPH, MANIFEST, ROWS, VECTORS, IndexFile, IndexManifest, files_of, segment_role, settle, swap_manifest, writing

if TYPE_CHECKING:
    from raggesture.corpus.clip import Clip
    from raggesture.encoders.base import AudioEncoder, TextEncoder

Progress = Callable[[int, str], None]
"""Called with the number of clips done and the name of the clip that was added."""

SEGMENT_BYTES = 32_000_000
"""A segment is closed when it holds so much, so that removing a clip rewrites little."""
_WORDS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class About:
    """What is said of an index as a whole. ``grid``: see ``IndexManifest``."""

    name: str
    text_encoder: str
    text_dim: int
    audio_encoder: str
    audio_dim: int
    licence: str = ""
    grid: str = "stroke"


@dataclass(slots=True, eq=False)
class Segments:
    """Collects arrays of clips and writes a segment whenever enough has come together."""

    folder: Path
    number: int = 0
    files: list[IndexFile] = field(default_factory=list)
    _arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    _bytes: int = 0

    def add(self, clip: int, product: Product) -> None:
        """Take the arrays of a clip."""
        self._arrays |= {f"{clip:06d}.{name}": array for name, array in product.arrays.items()}
        self._bytes += product.bytes
        if self._bytes >= SEGMENT_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what has come together, if anything."""
        if not self._arrays:
            return
        self.files.append(write_segment(self.folder, self.number, self._arrays))
        self.number, self._arrays, self._bytes = self.number + 1, {}, 0


def write_segment(folder: Path, number: int, arrays: dict[str, NDArray[Any]]) -> IndexFile:
    """Write one segment and give it its name."""
    partial = folder / f".segment.{os.getpid()}.partial"
    write_arrays(partial, arrays)
    return settle(folder, partial, segment_role(number))


def put_in(rows: RowsWriter, segments: Segments, products: Iterable[Product], progress: Progress | None) -> list[NDArray[np.float16]]:
    """Put products into the rows and segments, one in memory at a time; returns the vectors of their sentences.

    Raises:
        InputError: a clip whose name is there already.
    """
    vectors = []
    for product in products:
        if product.name in rows.clips:
            raise InputError(f"clip {product.name}: given twice; expected every name once - remove one of the two")
        segments.add(rows.add(product, segments.number), product)
        vectors.append(np.array(product.sentences))
        if progress is not None:
            progress(len(vectors), product.name)
    segments.flush()
    return vectors


def word_vectors(words: tuple[str, ...], encoder: TextEncoder, known: NDArray[np.float16] | None = None) -> NDArray[np.float16]:
    """(V, D) unit vectors of a vocabulary, zeros for an empty word; the first rows are ``known`` already."""
    done = 0 if known is None else len(known)
    vectors = np.zeros((len(words), encoder.dim), np.float16)
    if known is not None:
        vectors[:done] = known
    spoken = [k for k in range(done, len(words)) if words[k]]
    for first in range(0, len(spoken), _WORDS_AT_ONCE):
        batch = spoken[first : first + _WORDS_AT_ONCE]
        vectors[batch] = encoder.sentences([words[k] for k in batch]).astype(np.float16)
    return vectors


def write_tables(folder: Path, rows: Path, vectors: dict[str, NDArray[np.float16]], before: Path | None = None, known: int = 0) -> list[IndexFile]:
    """Give the finished SQLite file its name, and write the columns made from it, the vectors, and with many words their graph.

    Args:
        vectors: ``words`` and ``sentences``. before: the graph of the first ``known`` words, where there is one.
    """
    partial = folder / f".tables.{os.getpid()}.partial"
    reader = RowsReader(rows)
    try:
        write_events(partial, reader)
    finally:
        reader.close()
    files = [settle(folder, rows, ROWS), settle(folder, partial, EVENTS)]
    write_arrays(partial, vectors)
    files.append(settle(folder, partial, VECTORS))
    if len(vectors["words"]) >= GRAPH_WORDS:
        write_graph(partial, vectors["words"], before, known)
        files.append(settle(folder, partial, GRAPH))
    return files


def manifest_of(about: About, rows: Path, files: Iterable[IndexFile]) -> IndexManifest:
    """The manifest of an index from its rows."""
    reader = RowsReader(rows)
    try:
        ((clips, frames),) = reader.all("SELECT count(*), coalesce(sum(frames), 0) FROM clips")
        counts = {table: reader.all(f"SELECT count(*) FROM {table}")[0][0] for table in ("words", "sentences", "exemplars")}
        speakers = tuple(name for (name,) in reader.all("SELECT DISTINCT speaker FROM clips ORDER BY speaker"))
    finally:
        reader.close()
    return IndexManifest(
        name=about.name,
        fps=MODEL_FPS,
        text_encoder=about.text_encoder,
        text_dim=about.text_dim,
        audio_encoder=about.audio_encoder,
        audio_dim=about.audio_dim,
        speakers=speakers,
        licence=about.licence,
        clips=clips,
        frames=frames,
        grid=about.grid,
        files=tuple(sorted(files, key=lambda each: each.role)),
        **counts,
    )


def about_of(manifest: IndexManifest) -> About:
    """What an existing index says of itself."""
    m = manifest
    return About(m.name, m.text_encoder, m.text_dim, m.audio_encoder, m.audio_dim, m.licence, m.grid)


def write_index(products: Iterable[Product], folder: Path, about: About, encoder: TextEncoder, progress: Progress | None = None) -> IndexManifest:
    """Write the files of an index into ``folder`` (without a manifest) and return its manifest.

    Raises:
        InputError: no product, or a clip twice.
    """
    rows, segments = folder / f".rows.{os.getpid()}.partial", Segments(folder)
    rows.unlink(missing_ok=True)
    with writing_rows(rows) as writer:
        sentences = put_in(writer, segments, products, progress)
        if not sentences:
            raise InputError(f"{about.name}: no clips to index; expected at least one - check the corpus folder and its split")
    reader = RowsReader(rows)
    words = reader.words()
    reader.close()
    files = write_tables(folder, rows, {"words": word_vectors(words, encoder), "sentences": np.concatenate(sentences)})
    files += segments.files
    return manifest_of(about, folder / files[0].name, files)


def check_target(target: Path, force: bool) -> None:
    """Raise UsageError unless an index can be written to ``target``: a new or empty folder, or with ``force`` an index."""
    if not target.exists():
        return
    if not target.is_dir():
        raise UsageError(f"{target}: is a file; expected a new or empty folder - choose another")
    inside = list(target.iterdir())
    if inside and (not (target / MANIFEST).is_file() or len(set(files_of(target))) < len([path for path in inside if not path.name.endswith(".partial")])):
        raise UsageError(f"{target}: exists and is not an index; expected a new or empty folder - choose another")
    if inside and not force:
        raise UsageError(f"{target}: holds an index already; expected a new folder - choose another or give --force")


def place_index(manifest: IndexManifest, source: Path, target: Path) -> None:
    """Bring a finished index from ``source`` to ``target``: by one rename, or where an index stands by swapping its manifest."""
    if not target.exists() or not any(target.iterdir()):
        (source / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        source.replace(target)
        return
    with writing(target):
        for each in manifest.files:
            (source / each.name).replace(target / each.name)
        swap_manifest(target, replace(manifest, name=target.name))


def build_index(
    clips: Iterable[Clip],
    target: Path,
    *,
    text_encoder: TextEncoder,
    audio_encoder: AudioEncoder,
    progress: Progress | None = None,
    licence: str = "",
    force: bool = False,
    grid: str = "stroke",
) -> None:
    """Write the index of ``clips`` to the folder ``target``, in this process (``jobs.build_corpus`` uses several and can be resumed).

    Args:
        clips: takes with motion at 15 fps. licence: a note on whose data it is, kept in the manifest. force: replace an index.
        grid: ``stroke`` (a window is cut round each stroke) or ``released`` (events of the published database's windows).

    Raises:
        InputError: no clip, a clip twice, or numbers that cannot be written. UsageError: ``target`` is in use.
    """
    check_target(target, force)
    about = About(target.name, text_encoder.name, text_encoder.dim, audio_encoder.name, audio_encoder.dim, licence, grid)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)

    def products() -> Iterator[Product]:
        for clip in clips:
            yield product_of(clip, text_encoder, audio_encoder, grid=grid)

    try:
        place_index(write_index(products(), partial, about, text_encoder, progress), partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
