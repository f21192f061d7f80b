"""What an index costs as it grows: building per event, opening, memory, searching; printed, and written as CSV and a plot.

Synthetic clips: a hundred events each, vectors by letters, so that what is measured is the index and not the encoders.
``RAGGESTURE_BENCH_OUT=docs`` writes ``index-scale.csv`` and ``index-scale.png`` there; ``RAGGESTURE_BENCH_EVENTS=1000000`` goes on
to so many events; ``RAGGESTURE_BENCH_CLIPS``, ``RAGGESTURE_BENCH_CORPUS``: see the tests.
"""

from __future__ import annotations

import csv
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers_library import make_corpus, make_take
from helpers_retrieval import ToyAudio, ToyText, make_clip
from raggesture.corpus.clip import GestureLabel
from raggesture.corpus.take import write_take
from raggesture.retrieval.build import About, place_index, write_index
from raggesture.retrieval.index import Index
from raggesture.retrieval.product import Product, product_of
from raggesture.types import GESTURE_KINDS, Query

EVENTS_A_CLIP = 100
SIZES = (1_000, 10_000, 100_000, 1_000_000)
MOST = int(os.environ.get("RAGGESTURE_BENCH_EVENTS", "100000"))
VOCABULARY = 20_000
CLIP_S = 10


def products(count: int, rng: np.random.Generator) -> Iterator[Product]:
    """Clips of ten seconds with a hundred labels each, worked on one by one: wrists, contacts, packing, sentences."""
    base = make_clip("0_a_0_1_1", " ".join(f"word{k}" for k in range(CLIP_S)), [])
    text, audio = ToyText(), ToyAudio()
    for clip in range(count // EVENTS_A_CLIP):
        words, kinds = rng.zipf(1.3, EVENTS_A_CLIP) % VOCABULARY, rng.integers(0, len(GESTURE_KINDS), EVENTS_A_CLIP)
        strokes = np.sort(rng.uniform(0, CLIP_S - 0.1, EVENTS_A_CLIP)).tolist()
        labels = tuple(GestureLabel(f"w{words[k]}", GESTURE_KINDS[kinds[k]], "", strokes[k], strokes[k], strokes[k]) for k in range(EVENTS_A_CLIP))
        prominence = tuple(rng.gamma(4, 0.25, CLIP_S).tolist())
        named = replace(base, name=f"{clip}_s{clip % 25}_0_1_1", speaker=f"s{clip % 25}", labels=labels, prominence=prominence)
        yield product_of(named, text, audio)


OPENING = """
import sys, time
from pathlib import Path
import numpy as np, torch
from helpers_retrieval import ToyText
from raggesture.retrieval import rank
from raggesture.retrieval.index import Index
from raggesture.types import Query
Index.open(Path(sys.argv[2]), text_encoder=ToyText()).search(Query("w7", "iconic", 0, 1))
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
before = resident()
began = time.process_time()
index = Index.open(Path(sys.argv[1]), text_encoder=ToyText())
opened = time.process_time() - began
query = Query("w7", "iconic", 0, 1, prominence=1.2, speaker="s3")
index.search(query)
times = []
for _ in range(7):
    began = time.process_time()
    index.search(query)
    times.append(time.process_time() - began)
print(opened, sorted(times)[3], (resident() - before) / 2**20)
"""


def opening(folder: Path, small: Path) -> tuple[float, float, float]:
    """Processor time to open, and a query; MiB more memory: in a process of its own, warmed up on a small index."""
    here = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join([str(here), str(here.parent / "src")])
    done = subprocess.run(
        [sys.executable, "-c", OPENING, str(folder), str(small)], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": paths}
    )
    opened, query, memory = map(float, done.stdout.split())
    return opened, query, memory


def processor_seconds() -> float:
    """Of this process and those it has waited for."""
    return sum(each.ru_utime + each.ru_stime for each in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)))


def build(folder: Path, events: int) -> float:
    """Seconds of processor time to work on so many events and write their index."""
    work = folder.with_name(f"{folder.name}.new")
    work.mkdir(parents=True)
    text, audio = ToyText(), ToyAudio()
    began = time.process_time()
    about = About(folder.name, text.name, text.dim, audio.name, audio.dim)
    place_index(write_index(products(events, np.random.default_rng(1)), work, about, text), work, folder)
    return time.process_time() - began


def write_plot(path: Path, rows: list[dict[str, float]]) -> None:
    """Processor time of one core against the number of events, on logarithmic axes."""
    plt = pytest.importorskip("matplotlib.pyplot")
    events = [row["events"] for row in rows]
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.2), constrained_layout=True)
    panels = (("build_us_per_event", "building, µs an event"), ("query_ms", "one query, all terms exact, ms"), ("open_ms", "opening, ms"))
    for axis, (column, title) in zip(axes, panels, strict=True):
        values = [row[column] for row in rows]
        axis.plot(events, values, marker="o", color="#3567b0", linewidth=1.8)
        axis.set_xscale("log")
        axis.set_xlim(min(events) / 2, max(events) * 2)
        axis.set_xticks(events, [f"{event:,.0f}" for event in events])
        axis.minorticks_off()
        axis.set(xlabel="events", title=title, ylim=(0, max(values) * 1.35))
        axis.grid(visible=True, color="#e3e3e3")
        axis.set_axisbelow(True)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        for event, value in zip(events, values, strict=True):
            axis.annotate(f"{value:.3g}", (event, value), textcoords="offset points", xytext=(0, 8), ha="center", fontsize=9)
    figure.suptitle("An index as it grows: processor time of one core", fontsize=11)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def test_cost_as_the_index_grows(tmp_path: Path) -> None:
    rows: list[dict[str, float]] = []
    build(tmp_path / "warm", 1_000)
    for events in (size for size in SIZES if size <= MOST):
        folder = tmp_path / str(events)
        seconds = build(folder, events)
        opened, query, memory = opening(folder, tmp_path / "warm")
        size_mb = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        rows.append(
            {
                "events": events,
                "build_us_per_event": round(1e6 * seconds / events, 2),
                "open_ms": round(1e3 * opened, 2),
                "query_ms": round(1e3 * query, 3),
                "memory_mib": round(memory, 1),
                "disk_mb": round(size_mb, 1),
            }
        )
        print("  ".join(f"{name} {value:g}" for name, value in rows[-1].items()))
        assert len(Index.open(folder).exemplars) == events
    if out := os.environ.get("RAGGESTURE_BENCH_OUT"):
        with (Path(out) / "index-scale.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        write_plot(Path(out) / "index-scale.png", rows)


@pytest.mark.parametrize("clips", [300, int(os.environ.get("RAGGESTURE_BENCH_CLIPS", "1000"))])
def test_many_tiny_clips_from_disk(tmp_path: Path, clips: int) -> None:
    """Reading, checking and working on clips of a second, kept one by one so that a kill costs one clip."""
    from raggesture.retrieval.update import build_corpus

    for seed in range(clips):
        write_take(tmp_path / "c", make_take(f"{seed}_s{seed % 25}_0_1_1", seed, "huge"))
    began = time.perf_counter()
    report = build_corpus(tmp_path / "c", tmp_path / "i", (ToyText(), ToyAudio()))
    seconds = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{clips} clips of a second: {seconds:.1f} s, {1e3 * seconds / clips:.2f} ms a clip, at most {memory:.0f} MiB in all")
    assert len(report.clips) == clips


def test_building_against_real_time(tmp_path: Path) -> None:
    """A corpus through the embedded encoders. ``RAGGESTURE_BENCH_CORPUS`` names one in BEAT2's layout; else thirty toy clips."""
    from raggesture.encoders.registry import audio_encoder, text_encoder
    from raggesture.retrieval.update import Choice, build_corpus

    given = os.environ.get("RAGGESTURE_BENCH_CORPUS")
    corpus = Path(given) if given else make_corpus(tmp_path / "c", tuple(f"{k}_s{k}_0_1_1" for k in range(30)))
    for workers in (1, 2):
        began, used = time.perf_counter(), processor_seconds()
        encoders = (text_encoder("minilm"), audio_encoder("prosody"))
        build_corpus(corpus, tmp_path / f"i{workers}", encoders, Choice(split="all", workers=workers))
        seconds, used = time.perf_counter() - began, processor_seconds() - used
        index = Index.open(tmp_path / f"i{workers}")
        heard = index.info().duration_s
        print(f"{workers} workers: {heard:.0f} s of motion and speech, {len(index.exemplars)} events in {seconds:.1f} s: {heard / seconds:.0f} times real time")
        print(f"   {used:.1f} s of processor time: {heard / used:.0f} times real time for one core, whatever else the machine does")
        assert index.search(Query("huge", "iconic", 0, 1))
