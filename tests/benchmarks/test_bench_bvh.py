"""What reading a BVH costs: ten minutes of a body with fingers at 120 frames a second."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import numpy as np

from helpers_bvh import Look, gesturing, write_like
from raggesture.motion import Motion
from raggesture.retarget.bvh import read_bvh
from raggesture.retarget.carry import read_bvh_motion


def long_file(path: Path, minutes: int = 10) -> Path:
    """Forty seconds at 120 frames a second, written again and again under one hierarchy."""
    once = gesturing(20.0)
    motion = Motion(*(np.repeat(each, 8, axis=0) for each in (once.rotations, once.translation, once.expression)), 120.0)
    write_like(path, motion, Look(fps=120.0))
    head, _, rows = path.read_text(encoding="utf-8").partition("0.0083333\n")
    count = minutes * 60 * 120
    with path.open("w", encoding="utf-8") as stream:
        stream.write(f"{head.replace(f'Frames: {motion.frames}', f'Frames: {count}')}0.0083333\n")
        for _ in range(count // motion.frames):
            stream.write(rows)
    return path


def test_ten_minutes_at_120_frames_a_second(tmp_path: Path) -> None:
    path = long_file(tmp_path / "long.bvh")
    read_bvh_motion(write_like(tmp_path / "short.bvh", gesturing(1.0), Look()))  # what is loaded once
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    file = read_bvh(path)
    parsed = time.perf_counter() - start
    start = time.perf_counter()
    motion = read_bvh_motion(path).motion
    whole = time.perf_counter() - start
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"\n{path.stat().st_size / 1e6:.0f} MB, {file.frames} frames of {file.values.shape[1]} numbers: parsed in {parsed:.1f} s, carried over in {whole:.1f} s"
    )
    print(f"{motion.duration_s / whole:.0f} times real time, {peak:.0f} MiB more at its peak")
    assert motion.frames == 18000
