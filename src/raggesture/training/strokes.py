"""The strokes of a corpus on model frames: what a gesture planner is taught. Source: labels as in METHOD part I (a) "sem"."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from raggesture.clock import MODEL_FPS
from raggesture.corpus.annotations import read_labels
from raggesture.corpus.clip import GestureLabel
from raggesture.corpus.faults import FIRM
from raggesture.training.dataset import MotionDataset


@dataclass(frozen=True, slots=True, eq=False)
class Strokes:
    """``gestures``: names, in the order of their numbers. ``gesture`` (N,) int64 and ``share`` (N,) float32 in [0, 1] for every frame of a dataset's clips

    one after another: the stroke nearest to it, and how much of it the frame holds (a stroke between two frames is shared by them; 0: no stroke).
    """

    gestures: tuple[str, ...]
    gesture: Tensor
    share: Tensor

    def windows(self, dataset: MotionDataset, clip: Tensor, start: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        """``gesture`` and ``share`` of windows, each (B, frames); no stroke outside of the clip."""
        first, end = dataset.bounds[clip][:, None], dataset.bounds[clip + 1][:, None]
        rows = first + start[:, None] + torch.arange(frames)
        inside = (rows >= first) & (rows < end)
        rows = torch.minimum(torch.maximum(rows, first), end - 1)
        return self.gesture[rows], self.share[rows] * inside


def name_of(label: GestureLabel) -> str:
    """What a planner calls a gesture: its name in a lexicon, else its kind."""
    return label.gesture or label.kind


def stroke_of(label: GestureLabel) -> float:
    """The stroke, s; the middle of the label's word where the corpus does not say."""
    return (label.start + label.end) / 2 if label.stroke is None else label.stroke


def labels_of(root: Path, dataset: MotionDataset) -> dict[str, tuple[GestureLabel, ...]]:
    """The labels of a dataset's clips by name, from the corpus's files; empty for clips without."""
    out = {}
    for k, name in enumerate(dataset.names):
        sem = root / "sem" / f"{name}.txt"
        duration_s = int(dataset.bounds[k + 1] - dataset.bounds[k]) / MODEL_FPS
        out[name] = read_labels(sem, root / "strokes" / f"{name}.tsv", duration_s, FIRM.of(name)) if sem.is_file() else ()
    return out


def strokes_of(dataset: MotionDataset, labels: Mapping[str, Sequence[GestureLabel]], gestures: Sequence[str] | None = None) -> Strokes:
    """Lay labels on frames.

    Args:
        gestures: the known names in their order (strokes of others are left out); default: those of the labels, sorted.
    """
    names = tuple(sorted({name_of(label) for some in labels.values() for label in some})) if gestures is None else tuple(gestures)
    number = {name: k for k, name in enumerate(names)}
    gesture, share = torch.zeros(dataset.frames, dtype=torch.int64), torch.zeros(dataset.frames)
    for k, clip in enumerate(dataset.names):
        first, frames = int(dataset.bounds[k]), int(dataset.bounds[k + 1] - dataset.bounds[k])
        for label in labels.get(clip, ()):
            place = min(max(stroke_of(label) * MODEL_FPS - 0.5, 0.0), frames - 1.0)
            low = math.floor(place)
            for frame, part in ((low, 1 - (place - low)), (low + 1, place - low)):
                if name_of(label) in number and frame < frames and part > float(share[first + frame]):
                    gesture[first + frame], share[first + frame] = number[name_of(label)], part
    return Strokes(names, gesture, share)
