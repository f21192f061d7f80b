"""Measure one clip: read its files, cut it as the protocol says, ask each metric.

What cannot be read costs the clip (motion, reference) or the metrics that need it (voice, labels, trace), and is named. A metric of a plugin that raises
costs itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from raggesture.corpus.annotations import read_labels, read_textgrid
from raggesture.corpus.faults import Sieve
from raggesture.errors import InputError, RaggestureError
from raggesture.metrics.bodies import Body, open_body
from raggesture.metrics.cache import ClipCache, Kept, clip_key, digest_of
from raggesture.metrics.clip import NEEDS, EvaluatedClip, Injected
from raggesture.metrics.indexed_gestures import IndexedGestures, pasted
from raggesture.metrics.kit import MeasuringKit, open_kit
from raggesture.metrics.protocols import EvaluationProtocol
from raggesture.metrics.results import ClipFiles
from raggesture.motion import Motion, read_npz
from raggesture.plugins.hookspecs import Metric
from raggesture.speech.audio import load_audio
from raggesture.trace import Trace, read_trace

if TYPE_CHECKING:
    from raggesture.retrieval.index import Index

Read = TypeVar("Read")
_FEWEST_FRAMES = 2


@dataclass(frozen=True, slots=True)
class ChosenMetric:
    """A metric that was asked for, and what its measurements are kept under. ``builtin``: its faults are ours, and stop the program."""

    metric: Metric
    distribution: str
    options: str
    builtin: bool

    @property
    def identity(self) -> str:
        """Name, version, and a digest of options and distribution."""
        return f"{self.metric.name}@{self.metric.version}:{digest_of([self.options, self.distribution])[:16]}"


@dataclass(frozen=True, slots=True, eq=False)
class Instruments:
    """What clips are measured with."""

    protocol: EvaluationProtocol
    kit: MeasuringKit
    body: Body
    gestures: IndexedGestures | None
    metrics: tuple[ChosenMetric, ...]

    @property
    def setting(self) -> dict[str, Any]:
        """What decides a measurement beside the clip's files and the metric, as plain data."""
        return {
            "protocol": asdict(self.protocol),
            "autoencoder": self.kit.sha256,
            "speeds": digest_of([float(speed) for speed in self.kit.mean_speed]),
            "body": [self.body.name if not self.body.sha256 else "", self.body.sha256],
            "index": self.gestures.sha256 if self.gestures else "",
        }

    @property
    def needs(self) -> frozenset[str]:
        """All that some metric needs."""
        return frozenset(need for chosen in self.metrics for need in chosen.metric.needs)


def open_instruments(
    protocol: EvaluationProtocol, metrics: tuple[ChosenMetric, ...], kit: tuple[Path, Path | None], body: Path | None, index: Index | None
) -> Instruments:
    """Load what is measured with.

    Raises:
        ModelError: a file is missing or something else.
    """
    gestures = None if index is None else IndexedGestures(index, *index.identity)
    return Instruments(protocol, open_kit(*kit, released=protocol.released), open_body(body), gestures, metrics)


@dataclass(frozen=True, slots=True, eq=False)
class ClipMeasured:
    """What came of one clip. ``fault``: why it was left out ("" if it was not). ``lost``: pieces that could not be read. ``seed``: of its trace."""

    name: str
    frames: int = 0
    fault: str = ""
    lost: tuple[str, ...] = ()
    measured: Mapping[str, Kept] | None = None
    seed: int | None = None
    speaker: str = ""
    cut: bool = False
    cached: bool = False


def _motions(files: ClipFiles, protocol: EvaluationProtocol) -> tuple[Motion, Motion, bool]:
    """Result and reference, cut; and whether one had to be cut to the other."""
    predicted, truth = read_npz(files.predicted), read_npz(files.reference)
    for path, motion in ((files.predicted, predicted), (files.reference, truth)):
        if motion.fps != protocol.fps:
            raise InputError(f"{path}: {motion.fps:g} fps; expected {protocol.fps} fps - resample it")
        if motion.frames < _FEWEST_FRAMES:
            raise InputError(f"{path}: {motion.frames} frames; expected at least two - leave it out")
    longest = protocol.frames or max(predicted.frames, truth.frames)
    frames = min(predicted.frames, truth.frames, longest)
    uneven = min(predicted.frames, longest) != min(truth.frames, longest)
    return predicted.cut(slice(0, frames)), truth.cut(slice(0, frames)), uneven


class _Reader:
    """Reads the pieces that some metric needs; what cannot be read is in ``lost``."""

    def __init__(self, files: ClipFiles, needs: frozenset[str]) -> None:
        self.files, self.needs = files, needs
        self.lost: list[str] = []

    def piece(self, wanted: set[str], path: Path | None, read: Callable[[Path], Read]) -> Read | None:
        if path is None or not wanted & self.needs:
            return None
        try:
            return read(path)
        except RaggestureError as fault:
            self.lost.append(str(fault))
            return None


def _injected(trace: Trace | None, retrieved: Motion | None, gestures: IndexedGestures | None, motion: Motion) -> Injected | None:
    if retrieved is not None:
        return pasted(retrieved, motion.frames)
    if trace is None or gestures is None:
        return None
    return gestures.injected(trace, motion)


def read_clip(files: ClipFiles, tools: Instruments) -> tuple[EvaluatedClip, tuple[str, ...], bool]:
    """The clip as metrics see it, the pieces that were lost, and whether result and reference differ in length.

    Raises:
        InputError: its motion or its reference cannot be used.
    """
    motion, reference, uneven = _motions(files, tools.protocol)
    reader = _Reader(files, tools.needs)
    sieve = Sieve(strict=False, report=lambda skipped: reader.lost.append(skipped.reason))
    wave = reader.piece({"voice"}, files.audio, load_audio)
    words = reader.piece({"words"}, files.words, read_textgrid)
    strokes = files.strokes or Path("no strokes")
    labels = reader.piece({"labels", "index"}, files.labels, lambda path: read_labels(path, strokes, math.inf, sieve))  # also of what was cut off
    trace = reader.piece({"trace", "index", "exemplar"}, files.trace, read_trace)
    same_index = trace is not None and tools.gestures is not None and trace.index is not None and trace.index.sha256 == tools.gestures.sha256
    retrieved = reader.piece({"exemplar"}, files.retrieved, read_npz)
    takes = [reader.piece({"takes"}, take, read_npz) for take in files.takes]
    clip = EvaluatedClip(
        files.name, motion, tools.protocol, tools.body, tools.kit, reference, wave, words, labels, trace, tools.gestures,
        _injected(trace if same_index else None, retrieved, tools.gestures, motion),
        tuple(take.cut(slice(0, motion.frames)) for take in takes if take is not None), same_index,
    )  # fmt: skip
    return clip, tuple(reader.lost), uneven


def _one_metric(chosen: ChosenMetric, clip: EvaluatedClip) -> Kept:
    lacking = [NEEDS[need] for need in chosen.metric.needs if not clip.has(need)]
    if lacking:
        return Kept({}, f"needs {lacking[0]}")
    try:
        arrays = {key: np.asarray(value) for key, value in chosen.metric.measure(clip).items()}
        if any(array.dtype.kind not in "fiub" for array in arrays.values()):
            raise InputError(f"metric {chosen.metric.name}: measured something else than numbers; expected arrays of numbers - ask its author")
    except RaggestureError as fault:
        return Kept({}, str(fault))
    except Exception as fault:
        if chosen.builtin:
            raise
        return Kept({}, f"metric {chosen.metric.name} of {chosen.distribution} raised {type(fault).__name__}: {fault}")
    return Kept(arrays)


def measure_clip(files: ClipFiles, tools: Instruments, cache: ClipCache) -> ClipMeasured:
    """All metrics of one clip; what is kept of an earlier run is not measured again."""
    try:
        key = clip_key(files.every, tools.setting)
    except OSError as fault:
        return ClipMeasured(files.name, fault=f"{files.predicted}: cannot be read ({fault}); expected readable files - check their rights")
    about = f"about@{digest_of(sorted(tools.needs))[:16]}"
    kept = cache.load(key)
    if about in kept and all(chosen.identity in kept for chosen in tools.metrics):
        return _told(files, json.loads(kept[about].lacks), {chosen.identity: kept[chosen.identity] for chosen in tools.metrics}, cached=True)
    try:
        clip, lost, uneven = read_clip(files, tools)
    except RaggestureError as fault:
        return ClipMeasured(files.name, fault=str(fault))
    measured = {chosen.identity: kept.get(chosen.identity) or _one_metric(chosen, clip) for chosen in tools.metrics}
    facts = {
        "frames": clip.motion.frames, "lost": list(lost), "seed": clip.trace.seed if clip.trace else None, "cut": uneven,
        "speaker": clip.trace.speech.speaker if clip.trace else "",
    }  # fmt: skip
    cache.store(key, {**kept, **measured, about: Kept({}, json.dumps(facts))})
    return _told(files, facts, measured, cached=False)


def _told(files: ClipFiles, facts: Mapping[str, Any], measured: Mapping[str, Kept], *, cached: bool) -> ClipMeasured:
    return ClipMeasured(files.name, facts["frames"], "", tuple(facts["lost"]), measured, facts["seed"], facts["speaker"], cut=facts["cut"], cached=cached)
