"""When is the stroke, how near is the motion to its exemplar, and are there seams: measures on the wrists' paths.

Conventions: motion at 15 fps; metres. Source: TRAINING "Placement" and "The whole chain in miniature".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.skeleton import forward_kinematics
from raggesture.clock import CHUNK_FRAMES, MODEL_FPS
from raggesture.metrics.gesture_made import HandPaths, window_at
from raggesture.motion import Motion

_WRISTS = (20, 21)
REACH_FRAMES = 10


def wrist_places(motion: Motion) -> NDArray[np.float32]:
    """(F, 2, 3) left and right wrist, metres, relative to the pelvis' place."""
    positions, _ = forward_kinematics(torch.from_numpy(np.array(motion.rotations)))
    places: NDArray[np.float32] = (positions[:, list(_WRISTS)] - positions[:, :1]).numpy()
    return places


def stroke_gap(made: HandPaths, made_stroke_s: float, exemplar: HandPaths, exemplar_stroke_s: float) -> float:
    """Mean distance in metres between the wrists' paths half a second around two strokes; a hand counts as much as the exemplar's moves."""
    ours, theirs = window_at(made, made_stroke_s), window_at(exemplar, exemplar_stroke_s)
    apart = np.linalg.norm(ours.wrists - theirs.wrists, axis=-1).mean(axis=-1)  # (2,)
    return float((apart * theirs.weight).sum() / max(theirs.weight.sum(), 1e-9))


def stroke_offset(made: HandPaths, stroke_s: float, exemplar: HandPaths, exemplar_stroke_s: float) -> int:
    """Model frames by which the gesture comes later than it was asked for: the shift at which it is nearest to its exemplar."""
    shifts = range(-REACH_FRAMES, REACH_FRAMES + 1)
    return min(shifts, key=lambda k: (stroke_gap(made, stroke_s + k / MODEL_FPS, exemplar, exemplar_stroke_s), abs(k)))


@dataclass(frozen=True, slots=True)
class BorderSteps:
    """Mean distance in metres a wrist moves between two frames: across chunk borders, across edges of insertions, elsewhere."""

    border_m: float
    edge_m: float
    elsewhere_m: float


def border_steps(places: Sequence[NDArray[np.float32]], edges: Sequence[Sequence[int]]) -> BorderSteps:
    """Compare steps at chunk borders (into frames 15, 30, ...) and into ``edges[i]`` with all others, over motions (F, 2, 3)."""
    at_border, at_edge, rest = [], [], []
    for wrists, own_edges in zip(places, edges, strict=True):
        steps = np.linalg.norm(np.diff(wrists, axis=0), axis=-1).mean(axis=1)  # (F - 1,), entry k: frame k -> k + 1
        into = np.arange(1, len(steps) + 1)
        is_edge = np.isin(into, list(own_edges))
        is_border = (into % CHUNK_FRAMES == 0) & ~is_edge
        at_border.append(steps[is_border])
        at_edge.append(steps[is_edge])
        rest.append(steps[~is_border & ~is_edge])
    mean = [float(np.concatenate(group).mean()) if any(len(g) for g in group) else float("nan") for group in (at_border, at_edge, rest)]
    return BorderSteps(*mean)
