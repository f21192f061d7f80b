"""The gestures of an index as motion: what was placed, how it looked where it came from, and which gesture a motion makes.

Conventions: seconds in the clip of the index; motion of the index at 15 fps. Source: TRAINING "The whole chain in miniature".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from raggesture.body.joints import JOINTS_OF_PART, N_JOINTS
from raggesture.clock import CHUNK_FRAMES, MODEL_FPS, MOTION_FPS, frame_of_seconds, seconds_of_frame
from raggesture.metrics.clip import Injected
from raggesture.metrics.gesture_made import GestureClassifier, HandPaths, hand_paths, window_at
from raggesture.motion import Motion, double_rate
from raggesture.retrieval.index import Index
from raggesture.trace import PlacementFact, Trace
from raggesture.types import Exemplar

MEANING = ("iconic", "metaphoric", "deictic")
INJECTED_PARTS = ("upper", "hands")


def gestures_of(index: Index) -> tuple[Exemplar, ...]:
    """Exemplars that are named gestures of the lexicon and no beats."""
    return tuple(e for e in index.exemplars if e.gesture and e.kind in MEANING)


def real_paths(index: Index, exemplar: Exemplar) -> tuple[HandPaths, float]:
    """The hands of an exemplar as authored, and the instant of its stroke in them."""
    start = frame_of_seconds(exemplar.stroke) - 2 * CHUNK_FRAMES
    cut = index.clip_window(exemplar.clip, start, 4 * CHUNK_FRAMES, context=0)
    return hand_paths(Motion(cut.rotations, cut.translation, cut.expression, float(MODEL_FPS))), seconds_of_frame(2 * CHUNK_FRAMES)


def classifier_of(index: Index) -> GestureClassifier:
    """A classifier whose renditions are an index's own gestures. Each clip is read once."""
    frames, paths = index.clip_frames, dict[str, HandPaths]()
    labelled = []
    for exemplar in sorted(gestures_of(index), key=lambda each: each.clip):
        if exemplar.clip not in paths:
            cut = index.clip_window(exemplar.clip, 0, frames[exemplar.clip], context=0)
            paths = {exemplar.clip: hand_paths(Motion(cut.rotations, cut.translation, cut.expression, float(MODEL_FPS)))}
        stroke_s = seconds_of_frame(frame_of_seconds(exemplar.stroke))
        labelled.append((exemplar.gesture, window_at(paths[exemplar.clip], stroke_s)))
    return GestureClassifier.of(labelled)


@dataclass(frozen=True, eq=False)
class IndexedGestures:
    """An index, with what metrics want to know of it. The classifier is made when it is first asked for."""

    index: Index
    name: str
    sha256: str

    @cached_property
    def classifier(self) -> GestureClassifier | None:
        """None where no gesture of the index has a name."""
        return classifier_of(self.index) if gestures_of(self.index) else None

    def exemplar_of(self, trace: Trace, placement: PlacementFact) -> Exemplar | None:
        """What was placed, as the trace's hits have it."""
        return next((hit.exemplar for hit in trace.hits if hit.query == placement.query), None)

    def injected(self, trace: Trace, result: Motion) -> Injected | None:
        """What was placed, laid over the result: upper body and hands of each exemplar at its place, the rest as the result has it.

        So only what was injected can differ. None where nothing was placed inside the result.
        """
        joints = [joint for part in INJECTED_PARTS for joint in JOINTS_OF_PART[part]]  # type: ignore[index]
        rotations = np.array(result.rotations)
        mask = np.zeros((result.frames, N_JOINTS), bool)
        for placement in trace.placements:
            first, last = round(placement.start_s * MOTION_FPS), min(round(placement.end_s * MOTION_FPS), result.frames)
            if placement.weight <= 0 or last <= first:
                continue
            source = placement.source_frame + CHUNK_FRAMES * placement.source_chunks[0]
            frames = CHUNK_FRAMES * (placement.source_chunks[1] - placement.source_chunks[0])
            cut = self.index.clip_window(placement.clip, source, frames, context=0)
            doubled = double_rate(Motion(cut.rotations, cut.translation, cut.expression, float(MODEL_FPS)), 2 * frames)
            rows = np.arange(first, last)
            rotations[rows[:, None], joints] = doubled.rotations[np.minimum(rows - first, doubled.frames - 1)[:, None], joints]
            mask[rows[:, None], joints] = True
        if not mask.any():
            return None
        return Injected(Motion(rotations, result.translation, result.expression, result.fps), mask)


def pasted(retrieved: Motion, frames: int) -> Injected:
    """The published tools' ``retrieval_0.npz``: zeros where nothing was pasted. A joint of upper body or hands counts where its rotation is not zero."""
    motion = retrieved.cut(slice(0, frames))
    mask = np.zeros((motion.frames, N_JOINTS), bool)
    for part in INJECTED_PARTS:
        joints: Sequence[int] = JOINTS_OF_PART[part]  # type: ignore[index]
        mask[:, list(joints)] = (motion.rotations[:, list(joints)] != 0).any(axis=-1)
    return Injected(motion, mask)
