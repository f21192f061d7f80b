"""A plan that is decided: of the gestures that could be made, those that are, each at one place.

A planner says how likely each gesture's stroke is on each frame. Where it is sure, that is a gesture at a place; where it is not (a beat that one speaker of
four would make, words that it never met, a voice that is no synthetic one) it is a little of everything spread over half a second, and a denoiser that
follows it moves a little everywhere: hands that never rest and never strike. Somebody who speaks does one thing or the other. So as many gestures
are made as the plan expects in all, the likeliest first, each whole and at the middle of its own chance. Source: ours; METHOD has none.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from raggesture.errors import ModelError

HALF_FRAMES = 2
"""A stroke's chance is spread over so many frames (at 15 Hz) on each side of it."""
QUIET_FRAMES = 4
"""So many frames on each side of a decided stroke have no other."""
LEAST_CHANCE = 0.1
"""What is less likely than this is not made, whatever the plan expects in all."""


def decided(plan: Tensor) -> Tensor:
    """The same plan with each gesture made or not.

    Args:
        plan: (B, F, G) chance of each gesture's stroke on each frame.

    Returns:
        (B, F, G): each decided gesture has a chance of 1 shared by the two frames that its stroke is between, as in the labels; 0 elsewhere.

    Raises:
        ModelError: the plan has another shape.
    """
    if plan.ndim != 3:
        raise ModelError(f"plan: {tuple(plan.shape)}; expected (B, F, gestures) - give it the chances of a gesture planner")
    each = [_decided(row) for row in plan.detach().to("cpu", torch.float64).numpy()]
    return torch.from_numpy(np.stack(each)).to(plan) if each else plan


def _decided(plan: NDArray[np.float64]) -> NDArray[np.float64]:
    frames = len(plan)
    left, out = plan.copy(), np.zeros_like(plan)
    for _ in range(round(float(plan.sum()))):
        chance = np.convolve(left.sum(axis=1), np.ones(2 * HALF_FRAMES + 1), mode="full")[HALF_FRAMES : HALF_FRAMES + frames]
        middle = int(chance.argmax())
        if chance[middle] < LEAST_CHANCE:
            break
        near = slice(max(middle - HALF_FRAMES, 0), middle + HALF_FRAMES + 1)
        by_frame = left[near].sum(axis=1)
        stroke = near.start + float(by_frame @ np.arange(len(by_frame)) / by_frame.sum())
        gesture, low = int(left[near].sum(axis=0).argmax()), int(stroke)
        out[low] = 0.0
        out[low, gesture] = 1.0 - (stroke - low)
        if low + 1 < frames:
            out[low + 1] = 0.0
            out[low + 1, gesture] = stroke - low
        left[max(middle - QUIET_FRAMES, 0) : middle + QUIET_FRAMES + 1] = 0.0
    return out
