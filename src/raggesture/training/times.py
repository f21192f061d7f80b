"""How long ten seconds of motion take, from words to files: beside listening and loading, with so many gestures.

Words are given, the model is loaded, nothing is kept from run to run. Written are the motion, the page and the trace.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from raggesture.diffusion.schedules import Hold, HoldOptions
from raggesture.errors import InputError
from raggesture.motion import Motion
from raggesture.options import GenerateOptions
from raggesture.pipeline import Pipeline
from raggesture.plugins.manager import EXPORTERS, PluginManager
from raggesture.retrieval.by_gesture_type import GestureTypeOptions, GestureTypeRetriever
from raggesture.trace import write_trace
from raggesture.types import Speech

FORMATS = ("npz", "html")


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What an exporter is shown (``raggesture.plugins.hookspecs.Scene``)."""

    name: str
    motion: Motion
    speech: Speech | None
    trace: Any


@dataclass(frozen=True, slots=True)
class Spent:
    """Median seconds of one speech: ``whole``, and of it ``stages`` in order. ``gestures``: that were placed."""

    gestures: int
    whole: float
    stages: tuple[tuple[str, float], ...]


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for torch, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def time_generation(pipeline: Pipeline, speech: Speech, options: GenerateOptions, gestures: int, repeats: int = 5) -> Spent:
    """Make a speech's motion and files ``repeats`` times after a first one that does not count.

    Raises:
        InputError: another number of gestures was placed than asked for.
    """
    runs = [_once(pipeline, speech, options, gestures) for _ in range(repeats + 1)][1:]
    stages = [(name, statistics.median(dict(run.stages)[name] for run in runs)) for name, _ in runs[0].stages]
    return Spent(runs[0].gestures, statistics.median(run.whole for run in runs), tuple(stages))


def _once(pipeline: Pipeline, speech: Speech, options: GenerateOptions, gestures: int) -> Spent:
    retriever = GestureTypeRetriever(GestureTypeOptions(max_words=gestures))
    parts = PluginManager(allowed=frozenset())
    began = time.perf_counter()
    made = pipeline.generate(speech, options, retriever=retriever, schedule=Hold(HoldOptions()))
    if len(made.trace.placements) != gestures:
        raise InputError(f"{speech.name}: {len(made.trace.placements)} gestures were placed; expected {gestures} - choose another speech")
    ready = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        scene = Shown(made.name, made.motion, made.speech, made.trace.to_json())
        for name in FORMATS:
            exporter = parts.make(EXPORTERS, name)
            exporter.write(scene, Path(folder, f"made{exporter.suffix}"))
        write_trace(made.trace, Path(folder, "made.trace.json"))
    ended = time.perf_counter()
    return Spent(gestures, ended - began, (*made.trace.timings_s.items(), ("write", ended - ready)))


def speech_for(pipeline: Pipeline, speeches: Sequence[Speech], most: int) -> Speech:
    """The first speech in which every number of gestures from 1 to ``most`` finds its places.

    Raises:
        InputError: there is none.
    """
    for speech in speeches:
        if all(_places(pipeline, speech, count) == count for count in range(1, most + 1)):
            return speech
    raise InputError(f"speeches: none of {len(speeches)} has places for {most} gestures in its first seconds; expected one - give a larger corpus")


def _places(pipeline: Pipeline, speech: Speech, gestures: int) -> int:
    plan = pipeline.plan(speech, GenerateOptions(), retriever=GestureTypeRetriever(GestureTypeOptions(max_words=gestures)))
    return len(plan.gesture)
