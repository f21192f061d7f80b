"""The windows of one speech in order, each continuing the last; their motion as it comes.

A *loop* says how one window is made: ours, or the published one with its faults. Source: METHOD part I (c), (f).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from raggesture.anchoring import Anchorer, ExemplarLevels
from raggesture.clock import seconds_of_frame
from raggesture.models.conditions import Conditions
from raggesture.motion import Motion
from raggesture.motion_stream import MotionStream, StreamOptions
from raggesture.options import GenerateOptions
from raggesture.synthesis import Held, Synthesizer
from raggesture.trace import Inserted
from raggesture.types import Placement
from raggesture.windowing import WindowJob, WindowMade, generator_of, make_released_window, make_windows
from raggesture.windows import STRIDE_FRAMES

Lap = Callable[[str, int], None]
"""Told a stage that has just been done, and how many windows of the run are whole."""
GROUP_WINDOWS = 8
"""Windows whose exemplars are inverted together: more cost less each, and a group is made again where work was cut off in it."""


@dataclass(frozen=True, slots=True, eq=False)
class WindowInput:
    """What one window of a speech is told: its place in the speech, its conditions (batch 1) and the exemplars that go into it."""

    number: int
    conditions: Conditions
    placements: tuple[Placement, ...] = ()


class Loop(Protocol):
    """How windows are made. ``group``: windows whose exemplars are wanted at once."""

    synthesizer: Synthesizer
    group: int

    def noise(self, number: int) -> Tensor:
        """Start noise (1, T, D) of a window."""

    def exemplars(self, first: int, placements: Sequence[Sequence[Placement]]) -> list[ExemplarLevels]:
        """The exemplars of neighbouring windows, from window ``first`` on."""

    def make(self, jobs: Sequence[WindowJob]) -> tuple[WindowMade, ...]:
        """Sample windows that do not depend on each other."""


class AnchoredLoop:
    """Ours. Random numbers belong to a window, so that it does not matter which were made before."""

    group = GROUP_WINDOWS

    def __init__(self, synthesizer: Synthesizer, anchorer: Anchorer | None, options: GenerateOptions, rates: tuple[float, ...]) -> None:
        self.synthesizer = synthesizer
        self._anchorer, self._options, self._rates = anchorer, options, rates

    def noise(self, number: int) -> Tensor:
        """Start noise (1, T, D) of a window."""
        return self.synthesizer.noise(1, generator_of(self._options.seed, number))

    def exemplars(self, first: int, placements: Sequence[Sequence[Placement]]) -> list[ExemplarLevels]:
        """The exemplars of neighbouring windows, inverted together."""
        return _exemplars(self._anchorer, self.synthesizer, placements, self._options, generator_of(self._options.seed, first, "anchors"))

    def make(self, jobs: Sequence[WindowJob]) -> tuple[WindowMade, ...]:
        """Sample windows that do not depend on each other, in one batch."""
        return make_windows(self.synthesizer, jobs, self._options, self._rates)


class ReleasedLoop:
    """The published loop: one stream of random numbers, all windows' noise first, one window at a time. Source: ``raggesture.released_loop``."""

    def __init__(self, synthesizer: Synthesizer, anchorer: Anchorer | None, options: GenerateOptions, windows: int) -> None:
        self.synthesizer = synthesizer
        self.group = windows
        self._anchorer, self._options = anchorer, options
        self._rng = torch.Generator().manual_seed(options.seed)
        self._noises = [synthesizer.noise(1, self._rng) for _ in range(windows)]

    def noise(self, number: int) -> Tensor:
        """Start noise (1, T, D) of a window."""
        return self._noises[number]

    def exemplars(self, first: int, placements: Sequence[Sequence[Placement]]) -> list[ExemplarLevels]:
        """The exemplars of neighbouring windows."""
        return _exemplars(self._anchorer, self.synthesizer, placements, self._options, self._rng)

    def make(self, jobs: Sequence[WindowJob]) -> tuple[WindowMade, ...]:
        """Sample windows one after the other."""
        return tuple(make_released_window(self.synthesizer, job, self._options, self._rng) for job in jobs)


def _exemplars(
    anchorer: Anchorer | None, synthesizer: Synthesizer, placements: Sequence[Sequence[Placement]], options: GenerateOptions, rng: torch.Generator
) -> list[ExemplarLevels]:
    flat = [placement for own in placements for placement in own]
    if anchorer is None or not flat:
        return [ExemplarLevels() for _ in placements]
    every = anchorer.levels(synthesizer, flat, options, rng)
    parted, row = [], 0
    for own in placements:
        parted.append(every.take(range(row, row + len(own))))
        row += len(own)
    return parted


def _no_lap(stage: str, windows: int) -> None:
    """Nobody wants to know."""


def stream_options(options: GenerateOptions) -> StreamOptions:
    """How windows become frames."""
    return StreamOptions(
        options.translation, options.interpolation, options.plant_feet, hands_out=options.hands_out, steady=options.steady_arms,
    )  # fmt: skip


class Chain:
    """One speech's windows, which hold on to each other.

    Args:
        frames: length of the motion in frames at 30 fps, where it is known.
    """

    def __init__(self, loop: Loop, options: GenerateOptions, frames: int | None) -> None:
        self._loop = loop
        self._moved = options.translation == "anchored"
        self._held: Held | None = None
        self._stream = MotionStream(stream_options(options), frames)

    def job(self, window: WindowInput, exemplars: ExemplarLevels) -> WindowJob:
        """The next window, ready to be sampled."""
        return WindowJob(window.conditions, self._loop.noise(window.number), window.placements, exemplars, self._held)

    def take(self, latents: Tensor) -> Motion:
        """Go on from a window's latents (1, T, D); the frames at 30 fps that are final now."""
        synthesizer = self._loop.synthesizer
        self._held = synthesizer.continuation(latents, moved=self._moved)
        return self._stream.feed(synthesizer.decode(latents)[0])

    def end(self) -> Motion:
        """The frames that waited for a next window."""
        return self._stream.end()

    def run(self, windows: Sequence[WindowInput], lap: Lap = _no_lap) -> Iterator[tuple[WindowInput, WindowMade, Motion]]:
        """Make windows one after the other; ``lap`` is told what has been done for which."""
        for first in range(0, len(windows), self._loop.group):
            group = windows[first : first + self._loop.group]
            exemplars = self._loop.exemplars(group[0].number, [window.placements for window in group])
            lap("invert", first)
            for window, own in zip(group, exemplars, strict=True):
                (made,) = self._loop.make([self.job(window, own)])
                lap("sample", window.number)
                motion = self.take(made.latents)
                lap("decode", window.number + 1)
                yield window, made, motion


def inserted_of(number: int, placements: Sequence[Placement], made: WindowMade) -> list[Inserted]:
    """The placements of window ``number`` as they were carried out."""
    start_s = seconds_of_frame(STRIDE_FRAMES * number)
    return [Inserted(placement, start_s, strength) for placement, strength in zip(placements, made.strengths, strict=True)]
