"""Measure all clips, one after the other or in several processes: results come in the order of the clips, and none is kept here."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from raggesture.errors import ModelError
from raggesture.metrics.cache import ClipCache
from raggesture.metrics.measuring import ChosenMetric, ClipMeasured, Instruments, measure_clip, open_instruments
from raggesture.metrics.protocols import EvaluationProtocol
from raggesture.metrics.results import ClipFiles

_AHEAD = 4


@dataclass(frozen=True, slots=True)
class Setup:
    """What instruments are made of, as it is sent to another process. ``index``: its folder, None without."""

    protocol: EvaluationProtocol
    metrics: tuple[ChosenMetric, ...]
    kit: tuple[Path, Path | None]
    body: Path | None = None
    index: Path | None = None

    def open(self) -> Instruments:
        """Load them.

        Raises:
            ModelError: a file is missing or something else.
        """
        from raggesture.retrieval.index import Index

        return open_instruments(self.protocol, self.metrics, self.kit, self.body, None if self.index is None else Index.open(self.index))


_ADOPTED: list[tuple[Instruments, ClipCache]] = []
"""In a worker process: what its pool measures with, loaded once a process and not once a clip."""


def _adopt(setup: Setup, cache: ClipCache) -> None:
    import torch

    torch.set_num_threads(1)
    _ADOPTED[:] = [(setup.open(), cache)]


def _one(files: ClipFiles) -> ClipMeasured:
    return measure_clip(files, *_ADOPTED[0])


def measure_all(clips: Sequence[ClipFiles], setup: Setup, tools: Instruments, cache: ClipCache, workers: int = 1) -> Iterator[ClipMeasured]:
    """What came of each clip, in order.

    Args:
        tools: what ``setup`` opens; used where one process does it all.

    Raises:
        ModelError: a process died.
    """
    if workers <= 1 or len(clips) <= 1:
        for files in clips:
            yield measure_clip(files, tools, cache)
        return
    count = min(workers, len(clips))
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_adopt, initargs=(setup, cache))
    waiting: deque[Future[Any]] = deque()
    try:
        for files in clips:
            waiting.append(pool.submit(_one, files))
            if len(waiting) >= _AHEAD * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as fault:
        raise ModelError(
            f"eval: a process that measured clips died ({fault}); expected memory for {count} of them - run it again with fewer workers"
        ) from fault
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
