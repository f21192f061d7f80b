"""How fast films are made: pictures a second of each kind at 720x720, and the processor's time for one. Only what comes out is asserted."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from helpers_film import ShownScene, decoded, needs_stage, small_scene, spoken, waving_motion
from raggesture.export.film.film import film_of
from raggesture.export.film.options import FilmOptions

pytest.importorskip("av", reason="the extra 'film' is not installed")
SECONDS = 10.0


@dataclass(frozen=True)
class Made:
    """How one film was made: wall and processor's seconds, and the most memory the process has held."""

    wall_s: float
    processor_s: float
    peak_mib: float


def made(scenes: list[ShownScene], path: Path, options: FilmOptions) -> Made:
    """Make a film, after a short one that has warmed what is made once."""
    film_of([ShownScene("warm", waving_motion(0.2))], path, options)
    wall, processor = time.perf_counter(), time.process_time()
    film_of(scenes, path, options)
    return Made(time.perf_counter() - wall, time.process_time() - processor, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


@pytest.mark.parametrize(
    ("kind", "options", "results"),
    [
        ("mannequin, 4 samples", FilmOptions(), 1),
        ("mannequin, 4 samples, upper body", FilmOptions(camera="upper"), 1),
        ("mannequin, 1 sample", FilmOptions(samples=1), 1),
        ("mannequin, without titles", FilmOptions(titles=False), 1),
        ("two mannequins side by side", FilmOptions(), 2),
        ("skeleton of lines", FilmOptions(figure="skeleton"), 1),
    ],
)
def test_film(tmp_path: Path, kind: str, options: FilmOptions, results: int) -> None:
    if options.figure != "skeleton":
        needs_stage()
    scene = small_scene(SECONDS)
    found = made([scene] * results, tmp_path / "a.mp4", options)
    pictures = round(SECONDS * options.fps)
    size = (tmp_path / "a.mp4").stat().st_size
    print(
        f"\n{kind}: {pictures / found.wall_s:.1f} pictures/s ({SECONDS / found.wall_s:.2f} x real time), "
        f"processor {1000 * found.processor_s / pictures:.1f} ms a picture, {size / SECONDS / 1e6 * 60:.1f} MB a minute, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    assert len(decoded(tmp_path / "a.mp4").pictures) == pictures


def test_memory_of_a_long_film(tmp_path: Path) -> None:
    """Ten minutes of lines: what the process holds at most, against a minute's."""
    peaks = []
    for minutes in (1, 10):
        motion = waving_motion(60.0 * minutes)
        speech = spoken(60.0 * minutes, ("word",) * 120 * minutes, np.zeros(60 * minutes * 16_000, np.float32))
        peaks.append(made([ShownScene("long", motion, speech)], tmp_path / "a.mp4", FilmOptions(width=128, height=128, figure="skeleton", fps=15)).peak_mib)
    print(f"\nmost memory: {peaks[0]:.0f} MiB with 1 minute, {peaks[1]:.0f} MiB with 10 minutes (motion and voice alone: {38 * 9:.0f} MiB more)")
    assert peaks[1] > 0
