"""The graph of an index's vocabulary (hnswlib), kept on disk: which words are nearest to a vector, without comparing all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raggesture.errors import ModelError

GRAPH_WORDS = 2048
"""From so many words on, an index keeps a graph; fewer are compared one by one."""
SEARCHED = 128
"""Width of the search: more finds more and costs more."""
_SEED = 20260101
_LINKS, _WIDTH = 16, 100


def _new(dim: int) -> Any:
    import hnswlib

    return hnswlib.Index("cosine", dim)


def make_graph(vectors: NDArray[Any]) -> Any:
    """Graph of (V, D) vectors; one thread and a seed: the same each time."""
    graph = _new(vectors.shape[1])
    graph.init_index(len(vectors), M=_LINKS, ef_construction=_WIDTH, random_seed=_SEED)
    graph.add_items(np.asarray(vectors, np.float32), num_threads=1)
    graph.set_ef(SEARCHED)
    return graph


def write_graph(path: Path, vectors: NDArray[Any], before: Path | None = None, known: int = 0) -> None:
    """Write the graph of (V, D) vectors; where the graph of the first ``known`` of them is on disk, only the others are put in."""
    if before is None:
        make_graph(vectors).save_index(str(path))
        return
    graph = _new(vectors.shape[1])
    graph.load_index(str(before), max_elements=len(vectors))
    if known < len(vectors):
        graph.add_items(np.asarray(vectors[known:], np.float32), np.arange(known, len(vectors)), num_threads=1)
    graph.save_index(str(path))


class StoredGraph:
    """A graph on disk, read at the first use; a writer may remove its file before that."""

    def __init__(self, path: Path, words: int, dim: int) -> None:
        self.path, self._words, self._dim = path, words, dim
        self._graph: Any = None
        try:
            self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as fault:
            raise ModelError(f"{path}: cannot be read ({fault.strerror}); expected the graph of an index - build the index again") from fault

    def __del__(self) -> None:
        if (handle := getattr(self, "_handle", None)) is not None:
            os.close(handle)

    def get(self, vectors: NDArray[np.float32]) -> Any:
        """The graph. Where this system opens no file by its handle and the file is gone, it is made again from the words' ``vectors``.

        Raises:
            ModelError: it is not the graph of these words.
        """
        if self._graph is None:
            graph = _new(self._dim)
            by_handle = Path(f"/proc/self/fd/{self._handle}")
            place = by_handle if by_handle.exists() else self.path
            try:
                graph.load_index(str(place)) if place.exists() else None
            except RuntimeError as fault:
                raise ModelError(f"{self.path}: cannot be read ({fault}); expected the graph of an index - build the index again") from fault
            if not place.exists():
                graph = make_graph(vectors)
            if graph.get_current_count() != self._words:
                raise ModelError(f"{self.path}: {graph.get_current_count()} words; expected {self._words} - build the index again")
            graph.set_ef(SEARCHED)
            self._graph = graph
        return self._graph
