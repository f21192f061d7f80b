"""Is a weight a dial? Distance to the exemplar against the weight of its insertion, at eleven points, on held-out events.

``python -m raggesture.training.dial --data CORPUS --out docs`` writes ``dial.csv`` and ``dial.png``. Every event is made from the same noise at each weight,
asking for the word's own gesture (plain) and for another (forced). *Neighbour*: a second gesture in the same window whose weight stays 1, while the
first one's turns: how far it moves says whether weights are independent. Source: TRAINING "The dial".
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.clock import CHUNK_FRAMES, MODEL_FPS, WINDOW_CHUNKS, frame_of_seconds, seconds_of_frame
from raggesture.diffusion.sampler_names import DEFAULT_SAMPLER, SAMPLERS
from raggesture.diffusion.samplers import Sampler, sampler_named
from raggesture.diffusion.schedules import Hold, HoldOptions
from raggesture.errors import RaggestureError
from raggesture.metrics.gesture_made import hand_paths
from raggesture.metrics.indexed_gestures import real_paths
from raggesture.metrics.strokes import stroke_gap
from raggesture.models.checkpoint import Model
from raggesture.plots import COLOURS, drawn
from raggesture.retrieval.index import Index
from raggesture.synthesis import Insertion, Synthesizer, inject
from raggesture.training.figures import Event, choose_events, placed_event
from raggesture.types import Placement

WEIGHTS = tuple(k / 10 for k in range(11))
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Turned:
    """Mean distance to the exemplar in metres at each of ``weights``; ``neighbour``: that of the other gesture in the window, whose weight stays 1."""

    name: str
    events: int
    weights: tuple[float, ...]
    distance_m: tuple[float, ...]
    neighbour_m: tuple[float, ...]

    @property
    def steps(self) -> tuple[float, ...]:
        """Share of the whole way that each step of the weight goes; they sum to 1."""
        whole = self.distance_m[0] - self.distance_m[-1]
        return tuple((a - b) / whole for a, b in zip(self.distance_m, self.distance_m[1:], strict=False))


@dataclass(frozen=True, slots=True, eq=False)
class Turning:
    """A batch of events made ready: exemplars inverted once, so that only the weight changes. ``partners``: the event whose exemplar is the neighbour."""

    synthesizer: Synthesizer
    index: Index
    heldout: Index
    events: tuple[Event, ...]
    placements: tuple[Placement, ...]

    @classmethod
    def of(cls, model: Model, index: Index, heldout: Index, events: Sequence[Event], sampler: Sampler) -> Turning:
        """Those of ``events`` that have a place and room for a neighbour three seconds away."""
        found = [(event, placed) for event in events if (placed := placed_event(event, index)) is not None and _room(placed) is not None]
        return cls(Synthesizer(model, sampler), index, heldout, tuple(event for event, _ in found), tuple(placed for _, placed in found))

    def measure(self, weights: Sequence[float], rates: tuple[float, ...], seed: int) -> tuple[Floats, Floats]:
        """(W, N) distances to the exemplars, and of the neighbours to theirs, in metres."""
        synthesizer, context, count = self.synthesizer, self.synthesizer.model.codec.context_frames, len(self.events)
        rng = torch.Generator().manual_seed(seed)
        scenes = [self.heldout.clip_window(e.exemplar.clip, e.start_frame, context=context) for e in self.events]
        moves = [_room(p) or 0 for p in self.placements]
        sources = [self.index.clip_window(p.hit.exemplar.clip, p.source_frame, context=context) for p in self.placements]
        # the neighbour is the next event's exemplar, its stroke as many frames later or earlier as whole chunks allow
        others = [self.placements[(k + 1) % count] for k in range(count)]
        shifted = [p.source_frame - CHUNK_FRAMES * (m + q.target.start - p.target.start) for p, q, m in zip(others, self.placements, moves, strict=True)]
        sources += [self.index.clip_window(p.hit.exemplar.clip, frame, context=context) for p, frame in zip(others, shifted, strict=True)]
        levels = synthesizer.invert(synthesizer.encode(sources), synthesizer.conditions(sources))
        noise, conditions = synthesizer.noise(count, rng), synthesizer.conditions(scenes)
        neighbours = [
            Insertion(count + k, k, slice(p.target.start + m, p.target.stop + m)) for k, (p, m) in enumerate(zip(self.placements, moves, strict=True))
        ]
        real = [real_paths(self.index, p.hit.exemplar) for p in self.placements]
        own, other = [], []
        for weight in weights:
            insertions = [Insertion(k, k, p.target, weight) for k, p in enumerate(self.placements)] + neighbours
            injection = inject(synthesizer, "inversion+guidance", levels, None, insertions, noise, rates)
            motions = synthesizer.decode(synthesizer.sample(conditions, injection.start, injection.guide))
            paths = [hand_paths(motion) for motion in motions]
            at = [event.stroke_s - 0.5 / MODEL_FPS for event in self.events]
            own.append([stroke_gap(path, s, *exemplar) for path, s, exemplar in zip(paths, at, real, strict=True)])
            strokes = [_stroke_s(p, frame) for p, frame in zip(others, shifted, strict=True)]
            other.append([stroke_gap(paths[k], strokes[k], *real[(k + 1) % count]) for k in range(count)])
        return np.array(own), np.array(other)


def _room(placement: Placement) -> int | None:
    """Chunks by which a neighbour can lie later (or earlier) with a second between; None if there is no room."""
    length = placement.target.stop - placement.target.start
    for move in (length + 1, -length - 1):
        if placement.target.start + move >= 0 and placement.target.stop + move <= WINDOW_CHUNKS:
            return int(move)
    return None


def _stroke_s(placement: Placement, source_frame: int) -> float:
    return seconds_of_frame(frame_of_seconds(placement.hit.exemplar.stroke) - source_frame)


def turned(
    model: Model, index: Index, heldout: Index, *, name: str, events: Sequence[Event], sampler: Sampler, seed: int = 0, batch: int = 32,
    weights: Sequence[float] = WEIGHTS, say: Callable[[str], None] | None = None,
) -> Turned:  # fmt: skip
    """Turn the dial on every event, in batches."""
    rates = Hold(HoldOptions()).rates(sampler.clock)
    own, other = [], []
    for first in range(0, len(events), batch):
        turning = Turning.of(model, index, heldout, events[first : first + batch], sampler)
        if len(turning.events) < 2:
            continue
        here, there = turning.measure(weights, rates, seed + first)
        own.append(here)
        other.append(there)
        if say:
            say(f"{name}: {min(first + batch, len(events))} of {len(events)} events")
    mine, theirs = np.concatenate(own, axis=1), np.concatenate(other, axis=1)
    return Turned(name, mine.shape[1], tuple(weights), tuple(mine.mean(axis=1).tolist()), tuple(theirs.mean(axis=1).tolist()))


def write_csv(rows: Sequence[Turned], path: Path) -> None:
    """A line for each weight: distances in centimetres, and the step's share of the way."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["weight", *(f"{row.name}_{what}" for row in rows for what in ("cm", "step_percent", "neighbour_cm"))])
        for k, weight in enumerate(rows[0].weights):
            line: list[str] = [f"{weight:g}"]
            for row in rows:
                step = f"{100 * row.steps[k - 1]:.1f}" if k else ""
                line += [f"{100 * row.distance_m[k]:.2f}", step, f"{100 * row.neighbour_m[k]:.2f}"]
            table.writerow(line)


def plot(rows: Sequence[Turned], path: Path) -> None:
    """Distance against weight, a straight line to compare, and the neighbour's."""
    with drawn(path, 6.4, 4.2) as figure:
        axes = figure.subplots()
        for row, colour in zip(rows, COLOURS, strict=False):
            distance = 100 * np.array(row.distance_m)
            axes.plot(row.weights, distance, "o-", color=colour, label=f"{row.name} ({row.events} events)")
            axes.plot([0, 1], [distance[0], distance[-1]], ":", color=colour, linewidth=1)
            axes.plot(row.weights, 100 * np.array(row.neighbour_m), "--", color=colour, linewidth=1, label=f"{row.name}: the neighbour, weight 1")
        axes.set(xlabel="weight of the insertion", ylabel="distance to the exemplar, cm", ylim=(0, None), title="The dial")
        axes.legend()


def main(arguments: list[str] | None = None) -> int:
    """Measure and write; returns the exit code."""
    from rich.console import Console

    from raggesture.training.ways import opened

    parser = argparse.ArgumentParser(prog="python -m raggesture.training.dial", description="Distance to the exemplar against an insertion's weight.")
    parser.add_argument("--data", type=Path, required=True, help="held-out corpus, or an index of it")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--events", type=int, default=128, help="events plain, and as many forced (default 128)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sampler", choices=SAMPLERS, default=DEFAULT_SAMPLER)
    parser.add_argument("--steps", type=int, help="of sampling (default: the sampler's own)")
    given = parser.parse_args(arguments)
    console = Console(stderr=True)

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    try:
        with opened(given.data) as (model, index, heldout):
            rows, sampler = [], sampler_named(given.sampler, given.steps)
            for forced in (False, True):
                events = choose_events(heldout, given.events, given.seed, forced=forced)
                name = "forced" if forced else "plain"
                rows.append(turned(model, index, heldout, name=name, events=events, sampler=sampler, seed=given.seed, say=say))
                say(" ".join(f"{100 * d:.1f}" for d in rows[-1].distance_m))
    except RaggestureError as fault:
        say(f"error: {fault}")
        return fault.exit_code
    given.out.mkdir(parents=True, exist_ok=True)
    write_csv(rows, given.out / "dial.csv")
    plot(rows, given.out / "dial.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
