"""Metrics of meaning: srgr, gesture-made, stroke-offset, survival, retrieval-recall."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel

from raggesture.body.rotations import interpolate_double
from raggesture.clock import MODEL_FPS, frame_of_seconds, seconds_of_frame
from raggesture.corpus.clip import GestureLabel
from raggesture.metrics.clip import EvaluatedClip
from raggesture.metrics.gesture_made import HALF_WINDOW_S, HandPaths, hand_paths, window_at
from raggesture.metrics.indexed_gestures import MEANING, real_paths
from raggesture.metrics.measured import Array, Combined, Counts, Figures, Measurements, clip_values, means
from raggesture.metrics.of_distribution import NoOptions
from raggesture.metrics.semantic import masked_distance, srgr
from raggesture.metrics.strokes import stroke_offset
from raggesture.plugins.hookspecs import Metric, hookimpl
from raggesture.types import Exemplar

_FRAME_MS = 1000 / MODEL_FPS


@dataclass(frozen=True, slots=True)
class _Placed:
    """A gesture that was injected, and the instant its stroke was put on."""

    exemplar: Exemplar
    stroke_s: float


def _inside(clip: EvaluatedClip, stroke_s: float) -> bool:
    return HALF_WINDOW_S / 2 <= stroke_s <= clip.motion.duration_s - HALF_WINDOW_S / 2


def _placed(clip: EvaluatedClip) -> Iterator[_Placed]:
    """What the trace says was injected, as far as its stroke lies inside what is evaluated."""
    if clip.trace is None or clip.gestures is None or not clip.same_index:
        return
    for placement in clip.trace.placements:
        exemplar = clip.gestures.exemplar_of(clip.trace, placement)
        frame = frame_of_seconds(clip.trace.queries[placement.query].stroke_s) + placement.shift_frames
        if exemplar is not None and placement.weight > 0 and _inside(clip, seconds_of_frame(frame)):
            yield _Placed(exemplar, seconds_of_frame(frame))


def _labelled(clip: EvaluatedClip) -> Iterator[GestureLabel]:
    """The corpus's own named gestures of meaning whose stroke is known and inside."""
    for label in clip.labels or ():
        if label.gesture and label.kind in MEANING and label.stroke is not None and _inside(clip, label.stroke):
            yield label


def frame_scores(labels: tuple[GestureLabel, ...], frames: int) -> NDArray[np.float64]:
    """(F,) semantic score at 30 fps: of the label that covers a frame at 15 fps, doubled linearly as published."""
    coarse = np.zeros(-(-frames // 2))
    seconds = np.arange(len(coarse)) / MODEL_FPS
    for label in labels:
        coarse[(seconds >= label.start) & (seconds < label.end)] = label.score
    doubled: NDArray[np.float64] = interpolate_double(torch.from_numpy(coarse)[:, None])[:frames, 0].numpy()
    return doubled


class Srgr:
    """Semantic relevance gesture recall."""

    name: ClassVar[str] = "srgr"
    unit: ClassVar[str] = "1"
    direction: ClassVar[str] = "higher"
    needs: ClassVar[tuple[str, ...]] = ("reference", "labels")
    source: ClassVar[str] = "Liu et al. 2022 (BEAT), as in the published evaluator"
    meaning: ClassVar[str] = (
        "Whether joints are within 30 cm of the recorded ones while a gesture means something; another gesture that means the same counts as none."
    )
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """The clip's figure, and the reference's own (the most there can be)."""
        scores = frame_scores(clip.labels or (), clip.motion.frames)
        if not scores.any():
            return {}
        found = [srgr(joints, clip.reference_joints, scores) for joints in (clip.joints, clip.reference_joints)]
        return clip_values(found[0], found[1], clip.motion.frames)

    def combine(self, measured: Measurements) -> Combined:
        """Mean over frames."""
        return means(measured, limits=(0, math.inf))


class GestureMade:
    """Is the gesture that was made the one that was asked for."""

    name: ClassVar[str] = "gesture-made"
    unit: ClassVar[str] = "% of gestures"
    direction: ClassVar[str] = "higher"
    needs: ClassVar[tuple[str, ...]] = ("index",)
    source: ClassVar[str] = "ours; nearest neighbour among the index's own renditions"
    meaning: ClassVar[str] = (
        "placed: a classifier names the injected gesture in the result; labelled: the gesture that the corpus's label names. Only for gestures with names."
    )
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """Shares of the clip, weighted by how many gestures they are of."""
        classifier = clip.gestures.classifier if clip.gestures else None
        placed = [each for each in _placed(clip) if each.exemplar.gesture and each.exemplar.kind in MEANING]
        labels = list(_labelled(clip))
        if classifier is None or not (placed or labels):
            return {}
        paths = [hand_paths(motion) for motion, _ in clip.sides]

        def named(path: HandPaths, stroke_s: float) -> str:
            return classifier.name_of(window_at(path, stroke_s))

        made = _percent([named(paths[0], each.stroke_s) == each.exemplar.gesture for each in placed])
        ours, theirs = ([named(path, _stroke(label)) == label.gesture for label in labels] for path in (paths[0], paths[-1]))
        return {
            "value": np.array([made, _percent(ours)]),
            "reference": np.array([math.nan, _percent(theirs) if len(paths) > 1 else math.nan]),
            "weight": np.array([len(placed), len(labels)], np.float64),
        }

    def combine(self, measured: Measurements) -> Combined:
        """Shares of all gestures."""
        counted = np.nan_to_num(measured.table("weight", 2)).sum(axis=0).astype(int)
        return means(measured, ("placed", "labelled"), note=f"{counted[0]} placed, {counted[1]} labelled", limits=(0, 100))


def _percent(right: list[bool]) -> float:
    return 100 * float(np.mean(right)) if right else math.nan


def _stroke(label: GestureLabel) -> float:
    assert label.stroke is not None
    return label.stroke


class StrokeOffset:
    """How far the stroke is from where it belongs."""

    name: ClassVar[str] = "stroke-offset"
    unit: ClassVar[str] = "ms, median of sizes, in steps of 67"
    direction: ClassVar[str] = "lower"
    needs: ClassVar[tuple[str, ...]] = ("index",)
    source: ClassVar[str] = "ours; the shift at which the wrists' path is nearest to the gesture's own"
    meaning: ClassVar[str] = (
        "placed: of each injected gesture from the instant of its word; labelled: of the recorded gesture in the result (means little where another was made)."
    )
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """The offset of each gesture in model frames."""
        placed, labels = list(_placed(clip)), list(_labelled(clip)) if clip.reference is not None else []
        if clip.gestures is None or not (placed or labels):
            return {}
        path = hand_paths(clip.motion)
        truth = hand_paths(clip.reference) if clip.reference is not None and labels else path
        index = clip.gestures.index
        return {
            "placed": np.array([stroke_offset(path, each.stroke_s, *real_paths(index, each.exemplar)) for each in placed], np.float64),
            "labelled": np.array([stroke_offset(path, _stroke(label), truth, _stroke(label)) for label in labels], np.float64),
        }

    def combine(self, measured: Measurements) -> Combined:
        """Medians over all gestures."""
        pools = {key: [np.abs(found) if found is not None else np.zeros(0) for found in measured.column(key)] for key in ("placed", "labelled")}

        def figures(counts: Counts) -> Figures:
            out = {}
            for key, offsets in pools.items():
                drawn = [np.tile(each, int(count)) for each, count in zip(offsets, counts, strict=True) if count and len(each)]
                out[key] = (_FRAME_MS * float(np.median(np.concatenate(drawn))) if drawn else math.nan, math.nan)
            return out

        rows = {
            key: (np.array([_FRAME_MS * float(np.median(each)) if len(each) else math.nan for each in offsets]), np.full(len(measured), math.nan))
            for key, offsets in pools.items()
        }
        counted = {key: sum(map(len, offsets)) for key, offsets in pools.items()}
        return Combined(figures, rows, f"{counted['placed']} placed, {counted['labelled']} labelled", (0, math.inf), draws=300)


class Survival:
    """How far the result is from what was injected."""

    name: ClassVar[str] = "survival"
    unit: ClassVar[str] = "m"
    direction: ClassVar[str] = "lower"
    needs: ClassVar[tuple[str, ...]] = ("exemplar",)
    source: ClassVar[str] = "the published evaluator (MPJPE to the retrieval); over the injected joints by default, over all under 'paper'"
    meaning: ClassVar[str] = "Mean distance of upper body and hands from the exemplar where it was injected: 0 is a copy. Whether it fits is another matter."
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """The clip's distance, weighted by the frames that something was injected in."""
        assert clip.injected is not None
        frames = min(clip.motion.frames, clip.injected.motion.frames)
        mask = clip.injected.mask[:frames]
        if not mask.any():
            return {}
        other = clip.body.joints(clip.injected.motion.cut(slice(0, frames)))
        released = clip.protocol.released
        return clip_values(masked_distance(clip.joints[:frames], other, mask, released=released), weight=1.0 if released else float(mask.any(axis=1).sum()))

    def combine(self, measured: Measurements) -> Combined:
        """Mean over what was injected (under 'paper' over clips)."""
        return means(measured, limits=(0, math.inf))


class RetrievalRecall:
    """Is what was found what the speaker made."""

    name: ClassVar[str] = "retrieval-recall"
    unit: ClassVar[str] = "% of queries on a labelled gesture"
    direction: ClassVar[str] = "higher"
    needs: ClassVar[tuple[str, ...]] = ("trace", "labels")
    source: ClassVar[str] = "ours"
    meaning: ClassVar[str] = (
        "gesture@1 and @4: the best hit, or one of it and its runners-up, is the gesture the label names; kind@1: at least its kind. One speaker's choice "
        "is not the only right one."
    )
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """Shares of the clip, weighted by how many queries they are of."""
        assert clip.trace is not None
        right: list[tuple[bool, bool]] = []
        kinds: list[bool] = []
        for hit in clip.trace.hits:
            query = clip.trace.queries[hit.query]
            meant = [label for label in clip.labels or () if label.kind in MEANING and label.start < query.end and query.start < label.end]
            if not meant:
                continue
            kinds.append(hit.exemplar.kind in {label.kind for label in meant})
            names = {label.gesture for label in meant if label.gesture}
            if names:
                found = [hit.exemplar.gesture, *(other.exemplar.gesture for other in hit.runners_up)]
                right.append((found[0] in names, bool(names & set(found))))
        if not kinds:
            return {}
        value = [_percent([one for one, _ in right]), _percent([four for _, four in right]), _percent(kinds)]
        weight = np.array([len(right), len(right), len(kinds)], np.float64)
        return {"value": np.array(value), "reference": np.full(3, math.nan), "weight": weight}

    def combine(self, measured: Measurements) -> Combined:
        """Shares of all queries."""
        counted = np.nan_to_num(measured.table("weight", 3)).sum(axis=0).astype(int)
        return means(measured, ("gesture@1", "gesture@4", "kind@1"), note=f"{counted[0]} queries on a named gesture, {counted[2]} in all", limits=(0, 100))


@hookimpl
def raggesture_metrics() -> list[type[Metric]]:
    """The metrics of this module."""
    return [Srgr, GestureMade, StrokeOffset, Survival, RetrievalRecall]
