"""Windows of one long speech made side by side: every second one first, then those between, which hold the borders of both neighbours.

Windows lie on the grid on which each would continue the last, so that words, conditions and blending are the same; only what is known when a window is
made differs. Source: METHOD part I (f) for the grid. Nothing of this is in the released code.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from raggesture.anchoring import ExemplarLevels
from raggesture.body.joints import PARTS, LatentLayout
from raggesture.chain import Loop, WindowInput
from raggesture.clock import WINDOW_CHUNKS
from raggesture.synthesis import Held, Synthesizer
from raggesture.windowing import WindowJob

_LAYOUT = LatentLayout()


class Numbered(Protocol):
    """Something with a window's number."""

    @property
    def number(self) -> int:
        """Of the window."""


Window = TypeVar("Window", bound=Numbered)


def batches(ready: Iterator[Window], size: int, windows: int) -> Iterator[list[Window]]:
    """Windows that come in order, in batches in which none depends on another: ``size`` leaders (even numbers), then the followers (odd) that have
    both neighbours, or are the last of all ``windows``. Which window is in which batch depends on ``size`` and ``windows`` alone."""
    waiting: list[Window] = []
    while group := list(islice(ready, 2 * size)):
        yield [window for window in group if window.number % 2 == 0]
        followers = waiting + [window for window in group if window.number % 2]
        edge = group[-1].number
        waiting = [window for window in followers if window.number == edge and edge != windows - 1]
        if chosen := [window for window in followers if window not in waiting]:
            yield chosen


class Bridge:
    """What windows hold of their neighbours. ``moved``: as in ``Synthesizer.continuation``."""

    def __init__(self, loop: Loop, *, moved: bool) -> None:
        self._loop, self._moved = loop, moved
        self._latents: dict[int, Tensor] = {}

    def keep(self, number: int, latents: Tensor) -> None:
        """A window has been made; only leaders' latents (1, T, D) are wanted, and only until their followers are made."""
        if number % 2 == 0:
            self._latents[number] = latents
        else:
            self._latents.pop(number - 1, None)

    def job(self, window: WindowInput, exemplars: ExemplarLevels) -> WindowJob:
        """A window ready to be sampled."""
        held = None
        if window.number % 2:
            before, after = self._latents[window.number - 1], self._latents.get(window.number + 1)
            held = held_between(self._loop.synthesizer, before, after, moved=self._moved)
        return WindowJob(window.conditions, self._loop.noise(window.number), window.placements, exemplars, held)


def held_between(synthesizer: Synthesizer, before: Tensor, after: Tensor | None, *, moved: bool) -> Held:
    """What a window holds: the last second of the one before it as its first, the first second of the one after it as its last.

    Args:
        before, after: latents (1, T, D); ``after`` None where nothing follows. moved: as in ``Synthesizer.continuation``.
    """
    held = synthesizer.continuation(before, moved=moved)
    if after is None:
        return held
    latents, mask = held.latents.clone(), held.mask.clone()
    for part in PARTS:
        final = _LAYOUT.tokens_of(part, slice(WINDOW_CHUNKS - 1, WINDOW_CHUNKS))
        latents[:, final] = after[:, _LAYOUT.tokens_of(part, slice(0, 1))]
        mask[:, final] = True
    return Held(latents, torch.as_tensor(mask))
