"""What the animator's files cost: seconds of motion written a second, bytes an hour, and memory beside the motion for an hour of it."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers_animation import Shown, tumbling
from raggesture.export.bvh import BvhExporter, BvhOptions
from raggesture.export.face_csv import CsvExporter, CsvOptions
from raggesture.export.glb import GlbExporter, GlbOptions
from raggesture.export.wooden import wooden
from raggesture.motion import Motion

EXPORTERS: dict[str, Any] = {
    "bvh": BvhExporter(BvhOptions()),
    "glb": GlbExporter(GlbOptions()),
    "glb, quantise": GlbExporter(GlbOptions(quantise=True)),
    "csv": CsvExporter(CsvOptions()),
}


def repeated(seconds: int) -> Motion:
    """A minute of motion, forwards and backwards, until it is long enough."""
    minute = tumbling(1800)
    once = np.concatenate([np.arange(1800), np.arange(1800)[::-1]])
    k = np.resize(once, 30 * seconds)
    return Motion(minute.rotations[k], minute.translation[k], minute.expression[k], 30.0)


@pytest.mark.parametrize("name", EXPORTERS)
def test_throughput(tmp_path: Path, name: str) -> None:
    motion = repeated(600)
    wooden()  # read once, not by each of them
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        EXPORTERS[name].write(Shown("ten minutes", motion), tmp_path / "file")
        taken.append(time.perf_counter() - start)
    print(f"\n{name}: {motion.duration_s / min(taken):.0f} x real time, {(tmp_path / 'file').stat().st_size * 6 / 1e6:.0f} MB an hour")


@pytest.mark.parametrize("name", EXPORTERS)
def test_memory_of_an_hour(tmp_path: Path, name: str) -> None:
    motion = repeated(3600)
    wooden()
    tracemalloc.start()
    EXPORTERS[name].write(Shown("an hour", motion), tmp_path / "file")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    held = motion.rotations.nbytes + motion.translation.nbytes + motion.expression.nbytes
    print(f"\n{name}: {peak / 2**20:.0f} MiB beside the motion's {held / 2**20:.0f} MiB")
    assert peak < held
