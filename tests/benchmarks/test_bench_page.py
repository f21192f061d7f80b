"""The page of an hour: what it weighs, how long it takes to write and to open, what the browser holds, how fast it seeks.

The hour is made of the take that is at hand (BEAT2's, where the folder ``shared`` is, else a made-up one), each repetition at
another amplitude, so that nothing repeats for the compression. Run: ``pytest -s tests/benchmarks/test_bench_page.py``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from raggesture.export.html import HtmlExporter, HtmlOptions
from raggesture.motion import Motion, read_npz

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))
import pages
import scenes

ROOT = Path(__file__).resolve().parents[2]
HOUR_S = 3600
SPEECH = ROOT / "tests" / "data" / "speech.wav"
TAKE = ROOT.parent / "shared" / "beat2-mini" / "smplxflame_30" / "2_scott_0_1_1.npz"
SEEK = """
const done = arguments[0], times = [];
const step = () => {
  const start = performance.now();
  raggesture.seek((times.length * 1237.7) % raggesture.duration);
  times.push(performance.now() - start);
  if (times.length < 40) requestAnimationFrame(step); else done(times);
};
step();
"""


def long_motion() -> Motion:
    take = read_npz(TAKE) if TAKE.exists() else scenes.waving_motion(60.0)
    scales = np.random.default_rng(0).uniform(0.8, 1.2, HOUR_S * 30 // take.frames + 1)
    rotations = np.concatenate([take.rotations * np.float32(scale) for scale in scales])[: HOUR_S * 30]
    translation = np.concatenate([take.translation * np.float32(scale) for scale in scales])[: HOUR_S * 30]
    return Motion(rotations, translation, np.zeros((len(rotations), 100), np.float32))


def long_voice() -> NDArray[np.float32]:
    import soundfile

    wave, _ = soundfile.read(SPEECH, dtype="float32")
    scales = np.random.default_rng(1).uniform(0.6, 1.0, HOUR_S * 16_000 // len(wave) + 1)
    return np.concatenate([wave * np.float32(scale) for scale in scales])[: HOUR_S * 16_000]


def resident_mb(driver: Any) -> float:
    """Memory of the browser's processes together: proportional set size."""
    profile = driver.capabilities["chrome"]["userDataDir"]
    total = 0
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and profile.encode() in (folder / "cmdline").read_bytes():
                line = next(line for line in (folder / "smaps_rollup").read_text().splitlines() if line.startswith("Pss:"))
                total += int(line.split()[1])
        except (OSError, StopIteration):
            continue  # it ended while it was looked at
    return total / 1024


@pytest.mark.slow
def test_page_of_an_hour(tmp_path: Path) -> None:
    scene = scenes.hour_scene(long_motion(), long_voice())
    path = tmp_path / "hour.html"
    start = time.perf_counter()
    HtmlExporter(HtmlOptions()).write(scene, path)
    written = time.perf_counter() - start
    driver = pages.chromium(tmp_path / "profile")
    driver.set_page_load_timeout(300)
    driver.set_script_timeout(300)
    before = resident_mb(driver)
    start = time.perf_counter()
    driver.get(path.as_uri())
    assert driver.execute_async_script("const f = arguments[0]; raggesture.ready.then(() => f('shown'), (e) => f(String(e)))") == "shown"
    opened = time.perf_counter() - start
    held = resident_mb(driver) - before
    seeks = np.asarray(driver.execute_async_script(SEEK))
    nodes = driver.execute_script("return document.querySelectorAll('*').length")
    driver.quit()
    print(f"\n{scene.motion.frames} frames, {len(scene.speech.transcript.words)} words, take: {TAKE.stem if TAKE.exists() else 'made up'}")
    print(f"page {path.stat().st_size / 1e6:.0f} MB, written in {written:.1f} s, opened in {opened:.1f} s, holds {held:.0f} MB, {nodes} elements")
    print(f"a seek and its picture, drawn in software: median {np.median(seeks):.1f} ms, slowest {seeks.max():.1f} ms")
