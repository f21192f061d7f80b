"""What the store of features costs: building against real time, bytes an hour, and reading random windows mapped, from memory, and from LMDB.

Needs nothing but this checkout; LMDB (``pip install lmdb``) is compared with where it is installed, with whole clips as records, as a store of one
record a clip would have to be read, and with one record a window of the published stride.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers_beat2 import LengthText, MeanAudio, tiny_corpus
from raggesture.corpus.build import corpus_features
from raggesture.corpus.shards import FeatureStore
from raggesture.encoders.conditioning import ConditionEncoder
from raggesture.encoders.minilm import MiniLmEncoder
from raggesture.encoders.prosody import ProsodyEncoder
from raggesture.training.dataset import open_dataset

CLIPS, SECONDS, DRAWS = 24, 60.0, 512
PARTS = ("upper", "hands", "face", "lower", "audio")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_corpus(tmp_path_factory.mktemp("bench") / "corpus", [f"{1 + k % 5}_a{k % 5}_0_{k}_{k}" for k in range(CLIPS)], SECONDS)


@pytest.fixture(scope="module")
def store(corpus: Path) -> FeatureStore:
    return corpus_features(corpus, None, corpus.parent / "plain", ConditionEncoder(LengthText(), MeanAudio()))


def test_building(corpus: Path, tmp_path: Path) -> None:
    encoder = ConditionEncoder(MiniLmEncoder(), ProsodyEncoder())
    taken = []
    for workers in (1, 2):
        start = time.perf_counter()
        built = corpus_features(corpus, None, tmp_path / str(workers), encoder, workers=workers)
        taken.append(time.perf_counter() - start)
    start = time.perf_counter()
    assert corpus_features(corpus, None, tmp_path / "2", encoder, workers=2).computed == 0
    again = time.perf_counter() - start
    seconds = sum(row.frames for row in built) / 15
    print(f"\n{seconds / 60:.0f} min of a corpus: one process {seconds / taken[0]:.0f} x real time, two {seconds / taken[1]:.0f} x")
    print(f"found whole: {taken[0] / again:.0f} x as fast")
    print(f"{built.size_bytes / seconds * 3600 / 1e6:.0f} MB an hour")


def _per_window(store: FeatureStore, read: Callable[[str, int], object]) -> float:
    """Microseconds for a random window."""
    rng = np.random.default_rng(0)
    rows = [store.rows[k] for k in rng.integers(0, len(store.rows), DRAWS)]
    starts = [int(rng.integers(0, row.frames - 150)) for row in rows]
    for row in store.rows:
        read(row.name, 0)  # pages in memory for all alike
    begun = time.perf_counter()
    for row, start in zip(rows, starts, strict=True):
        read(row.name, start)
    return (time.perf_counter() - begun) / DRAWS * 1e6


def test_reading_windows(store: FeatureStore, tmp_path: Path) -> None:
    def mapped(name: str, start: int) -> object:
        shard = store.shard(name)
        return [shard.rows(part, start, start + 150) for part in PARTS]

    ours = _per_window(store, mapped)
    print(f"\na random window, mapped safetensors: {ours:.0f} us")
    memory, disk = (open_dataset(store, ConditionEncoder(LengthText(), MeanAudio()), stride_frames=5, memory_bytes=size) for size in (1 << 40, 0))
    clip, start = memory.draw(64, torch.Generator().manual_seed(0))
    times = []
    for dataset in (memory, disk):
        dataset.motion_windows(clip, start, 7)
        begun = time.perf_counter()
        for _ in range(8):
            dataset.motion_windows(clip, start, 7)
            dataset.conditions(clip, start)
        times.append((time.perf_counter() - begun) / 8)
    print(f"a batch of 64 with its conditions: mapped {times[1] / times[0]:.1f} x as long as from memory ({times[0] * 1e3:.1f} ms)")
    print(f"most memory of this process so far: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    lmdb = pytest.importorskip("lmdb", reason="nothing to compare with: pip install lmdb")
    _against_lmdb(lmdb, store, tmp_path, ours)


def _against_lmdb(lmdb: object, store: FeatureStore, tmp_path: Path, ours: float) -> None:
    environment = lmdb.open(str(tmp_path / "lmdb"), map_size=1 << 33)  # type: ignore[attr-defined]
    shapes, stored = {}, 0
    with environment.begin(write=True) as transaction:
        for row in store:
            for part in PARTS:
                array = store.shard(row.name).whole(part)
                shapes[row.name, part] = (array.dtype, array.shape[1])
                transaction.put(f"{row.name}/{part}".encode(), array.tobytes())
            for start in range(0, row.frames - 149, 5):
                record = b"".join(store.shard(row.name).rows(part, start, start + 150).tobytes() for part in PARTS)
                stored += len(record)
                transaction.put(f"{row.name}@{start}".encode(), record)

    def whole_clips(name: str, start: int) -> object:
        with environment.begin(buffers=True) as transaction:
            found = []
            for part in PARTS:
                dtype, width = shapes[name, part]
                found.append(np.frombuffer(transaction.get(f"{name}/{part}".encode()), dtype).reshape(-1, width)[start : start + 150].copy())
            return found

    def one_window(name: str, start: int) -> object:
        with environment.begin() as transaction:
            record, at, found = transaction.get(f"{name}@{start // 5 * 5}".encode()), 0, []
            for part in PARTS:
                dtype, width = shapes[name, part]
                found.append(np.frombuffer(record, dtype, 150 * width, at).reshape(150, width).copy())
                at += 150 * width * dtype.itemsize
            return found

    for what, read in (("one record a clip and array", whole_clips), ("one record a window of the published stride", one_window)):
        print(f"LMDB, {what}: {_per_window(store, read) / ours:.2f} x the time of mapped safetensors")
    print(f"LMDB, one record a window: {stored / store.size_bytes:.0f} x the bytes")
