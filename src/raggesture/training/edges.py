"""Are the edges of insertions smooth? Jerk and steps of the wrists there, over elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AROUND_FRAMES = 2
"""An edge is the frame it lies before, and so many more on each side."""


@dataclass(frozen=True, slots=True)
class EdgeFigures:
    """Mean jerk, and mean distance from frame to frame, of the wrists at edges over elsewhere; 1 is no seam, NaN where there is no edge."""

    jerk: float
    step: float


def edge_figures(places: Sequence[NDArray[np.float32]], edges: Sequence[Sequence[int]]) -> EdgeFigures:
    """Compare around ``edges[i]`` (frames that begin or follow a slot) with all other frames, over motions (F, 2, 3) in metres."""
    ratios = []
    for order in (3, 1):
        at_edge, rest = [], []
        for wrists, own in zip(places, edges, strict=True):
            size = np.linalg.norm(np.diff(wrists, n=order, axis=0), axis=-1).mean(axis=1)  # entry k: frames k to k + order
            middle = np.arange(len(size)) + order / 2
            inside = [edge for edge in own if 0 < edge < len(wrists)]
            near = np.zeros(len(size), bool)
            for edge in inside:
                near |= np.abs(middle - (edge - 0.5)) <= (AROUND_FRAMES if order > 1 else 0.1)
            at_edge.append(size[near])
            rest.append(size[~near])
        found = np.concatenate(at_edge) if at_edge else np.zeros(0)
        ratios.append(float(found.mean() / np.concatenate(rest).mean()) if found.size else float("nan"))
    return EdgeFigures(*ratios)
