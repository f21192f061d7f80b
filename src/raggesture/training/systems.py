"""Known systems in miniature: the ways of making gestures side by side, on clips that no model has seen, by one protocol.

``python -m raggesture.training.systems --data CORPUS --out DIR`` makes results with the packaged model for the first seconds of some clips of each
speaker: ground truth; the exemplars pasted into the ungrounded motion as they are; the ungrounded model; each retriever; each way to inject. It evaluates
all of them and writes ``systems.json``, ``systems.md`` and ``systems.png``. What is there already is not made again. ``llm`` is the built-in labeller where no
server is named.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from raggesture.clock import MOTION_FPS, SAMPLE_RATE_HZ, sample_of_seconds
from raggesture.corpus.beat2 import MOTION_DIR, clip_ids, speaker_of
from raggesture.diffusion.sampler_names import DEFAULT_SAMPLER, own_steps
from raggesture.errors import InputError, RaggestureError, UsageError
from raggesture.evaluation import EvaluationOptions, evaluate
from raggesture.metrics.indexed_gestures import IndexedGestures
from raggesture.metrics.protocols import EvaluationProtocol
from raggesture.metrics.report import Report
from raggesture.motion import Motion, read_npz, write_npz
from raggesture.outputs import new_files
from raggesture.pipeline import GenerateOptions, Pipeline
from raggesture.plugins.hookspecs import GuidanceSchedule
from raggesture.plugins.manager import RETRIEVERS, SCHEDULES, PluginManager
from raggesture.retrieval.index import Index
from raggesture.speech.load import load_speech
from raggesture.synthesis import Inject
from raggesture.trace import read_trace, write_trace
from raggesture.training.systems_figure import draw, table
from raggesture.types import Speech, Transcript

SCHEMA = 1
TRUTH, PASTED, UNGROUNDED = "ground truth", "pasted", "ungrounded"


@dataclass(frozen=True, slots=True)
class System:
    """A way of making gestures: a retriever and how what it finds is injected."""

    name: str
    retriever: str
    inject: Inject


GENERATED = (
    System(UNGROUNDED, "none", "none"),
    System("llm", "llm", "inversion+guidance"),
    System("gesture-type", "gesture-type", "inversion+guidance"),
    System("discourse", "discourse", "inversion+guidance"),
    System("llm, inversion only", "llm", "inversion"),
    System("llm, noised", "llm", "noised"),
    System("llm, inpaint", "llm", "inpaint"),
    System("llm, found but not injected", "llm", "none"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is made: ``clips`` of the corpus, the first ``seconds`` of each, ``steps`` of sampling (None: the sampler's own)."""

    corpus: Path
    out: Path
    clips: tuple[str, ...]
    seconds: float
    steps: int | None
    seed: int

    def folder(self, system: str) -> Path:
        """Where a system's results lie."""
        return self.out / "results" / system.replace(", ", "-").replace(" ", "-")


def choose_clips(corpus: Path, count: int, seconds: float) -> tuple[str, ...]:
    """``count`` clips that are long enough, as many of each speaker as can be, in order.

    Raises:
        InputError: none is.
    """
    by_speaker: dict[str, list[str]] = {}
    for clip in clip_ids(corpus, None):
        if (corpus / "wave16k" / f"{clip}.wav").is_file() and read_npz(corpus / MOTION_DIR / f"{clip}.npz").duration_s >= seconds:
            by_speaker.setdefault(speaker_of(clip), []).append(clip)
    if not by_speaker:
        raise InputError(f"{corpus}: no clip of {seconds:g} s with a voice; expected some - use shorter --seconds")
    rounds = max(map(len, by_speaker.values()))
    ordered = [clips[k] for k in range(rounds) for clips in by_speaker.values() if k < len(clips)]
    return tuple(sorted(ordered[:count]))


def speech_of(corpus: Path, clip: str, seconds: float) -> Speech:
    """The first ``seconds`` of a clip, with the words that end in them."""
    whole = load_speech(corpus / "wave16k" / f"{clip}.wav", corpus / "textgrid" / f"{clip}.TextGrid", speaker=speaker_of(clip))
    samples = sample_of_seconds(seconds)
    words = tuple(word for word in whole.transcript.words if word.end <= samples / SAMPLE_RATE_HZ)
    return Speech(clip, np.array(whole.wave[:samples]), Transcript(words, whole.transcript.language, whole.transcript.source), whole.speaker)


def _put(folder: Path, clip: str, write: Callable[[Path, Path], None]) -> None:
    """Write a clip's motion and trace, whole or not at all; what is there stays."""
    motion, trace = folder / f"{clip}.npz", folder / f"{clip}.trace.json"
    if motion.is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with new_files([trace, motion], force=True) as (trace_file, motion_file):
        write(motion_file, trace_file)


def generate(plan: Plan, systems: Sequence[System], pipeline: Pipeline, parts: PluginManager, progress: Callable[[str], None]) -> None:
    """Make what each system makes of each clip."""
    schedule: GuidanceSchedule = parts.make(SCHEDULES, "hold")
    for system in systems:
        retriever = parts.make(RETRIEVERS, system.retriever)
        for clip in plan.clips:

            def write(motion: Path, trace: Path, clip: str = clip, system: System = system, retriever: object = retriever) -> None:
                speech = speech_of(plan.corpus, clip, plan.seconds)
                speaker = speech.speaker if speech.speaker in pipeline.model.manifest.speakers else ""
                options = GenerateOptions(steps=plan.steps, seed=plan.seed, inject=system.inject, speaker=speaker)
                made = pipeline.generate(speech, options, retriever=retriever, schedule=schedule)  # type: ignore[arg-type]  # made by its kind
                write_npz(made.motion, motion)
                write_trace(made.trace, trace)

            _put(plan.folder(system.name), clip, write)
            progress(f"{system.name}: {clip}")


def copy_truth(plan: Plan) -> None:
    """The corpus's own motion as a system."""
    frames = round(plan.seconds * MOTION_FPS)
    for clip in plan.clips:
        _put(plan.folder(TRUTH), clip, lambda motion, trace, c=clip: write_npz(_first(plan.corpus / MOTION_DIR / f"{c}.npz", frames), motion))  # type: ignore[misc]


def _first(path: Path, frames: int) -> Motion:
    return read_npz(path).cut(slice(0, frames))


def paste(plan: Plan, index: Index) -> None:
    """The ungrounded motion, with each exemplar that the labeller's queries found put over it as it is: no blending, no model."""
    gestures = IndexedGestures(index, *index.identity)
    for clip in plan.clips:
        base, source = plan.folder(UNGROUNDED) / f"{clip}.npz", plan.folder("llm") / f"{clip}.trace.json"

        def write(motion: Path, trace: Path, base: Path = base, source: Path = source) -> None:
            found, plain = read_trace(source), read_npz(base)
            injected = gestures.injected(found, plain)
            write_npz(plain if injected is None else injected.motion, motion)
            write_trace(found, trace)

        _put(plan.folder(PASTED), clip, write)


def measure(plan: Plan, names: Sequence[str], workers: int, progress: Callable[[str], None]) -> dict[str, Report]:
    """A report for each system, all by one protocol."""
    reports = {}
    for name in names:
        options = EvaluationOptions(EvaluationProtocol.named("default", round(plan.seconds * MOTION_FPS)), workers=workers)
        reports[name] = evaluate(plan.folder(name), plan.corpus, options, parts=PluginManager(allowed=frozenset())).report
        progress(f"measured: {name}")
    return reports


def write_figures(plan: Plan, reports: Mapping[str, Report]) -> None:
    """``systems.json``, ``systems.md``, ``systems.png``."""
    files = [plan.out / name for name in ("systems.json", "systems.md", "systems.png")]
    with new_files(files, force=True) as (numbers, text, picture):
        facts = {"schema": SCHEMA, "clips": list(plan.clips), "seconds": plan.seconds, "sampler": DEFAULT_SAMPLER, "seed": plan.seed}
        facts["steps"] = own_steps(DEFAULT_SAMPLER) if plan.steps is None else plan.steps
        data = {**facts, "systems": {name: report.to_json() for name, report in reports.items()}}
        numbers.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        text.write_text(table(reports), encoding="utf-8")
        draw(reports, picture)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m raggesture.training.systems", description="Known systems side by side on held-out clips.")
    parser.add_argument("--data", type=Path, required=True, help="corpus in BEAT2's layout, no part of the index")
    parser.add_argument("--out", type=Path, required=True, help="folder for results and figures")
    parser.add_argument("--clips", type=int, default=16, help="how many")
    parser.add_argument("--seconds", type=float, default=20.0, help="so much of each, from its start")
    parser.add_argument("--steps", type=int, help="of sampling (default: the sampler's own)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes that measure")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Parse the arguments, generate, measure, write; returns the exit code."""
    options = _arguments(arguments)

    def tell(line: str) -> None:
        sys.stderr.write(line + "\n")

    try:
        if options.clips < 2 or options.seconds <= 0 or options.steps == 0:
            raise UsageError("systems: expected at least 2 clips, and more than 0 seconds and steps - correct the options")
        plan = Plan(options.data, options.out, choose_clips(options.data, options.clips, options.seconds), options.seconds, options.steps, options.seed)
        pipeline = Pipeline.load()
        assert pipeline.index is not None  # the packaged one
        copy_truth(plan)
        generate(plan, GENERATED, pipeline, PluginManager(allowed=frozenset()), tell)
        paste(plan, pipeline.index)
        reports = measure(plan, (TRUTH, PASTED, *(system.name for system in GENERATED)), options.workers, tell)
        write_figures(plan, reports)
    except RaggestureError as fault:
        sys.stderr.write(f"error: {fault}\n")
        return fault.exit_code
    sys.stdout.write(table(reports))
    return 0


if __name__ == "__main__":
    sys.exit(main())
