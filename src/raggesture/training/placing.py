"""Do strokes fall on their words? Whole held-out clips made window after window, every gesture of the clip asked for again; beside it the published rule.

``python -m raggesture.training.placing --data CORPUS --out docs`` writes ``placing.json`` and ``placing.md``. Groups: *crowded* gestures have a neighbour
without a second between, those *at a border* touch the second that two windows share (it is held from the window before) or the one after it.
The published rule is asked for the same words, window by window; its error is arithmetic: where the rule puts the stroke, before any
model adds its own. Source: TRAINING "Placement"; METHOD part I (e).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from raggesture.anchoring import ExemplarLevels
from raggesture.clock import CHUNK_FRAMES, WINDOW_CHUNKS, frame_of_seconds, seconds_of_frame
from raggesture.diffusion.schedules import Hold, HoldOptions
from raggesture.errors import RaggestureError
from raggesture.metrics.gesture_made import hand_paths
from raggesture.metrics.indexed_gestures import gestures_of, real_paths
from raggesture.metrics.strokes import stroke_offset
from raggesture.models.checkpoint import Model
from raggesture.motion import Motion
from raggesture.options import GenerateOptions, sampler_of
from raggesture.retrieval.index import Index
from raggesture.retrieval.place import place
from raggesture.retrieval.place_published import place_published
from raggesture.retrieval.rank import best, by_terms
from raggesture.synthesis import Held, Synthesizer
from raggesture.types import Hit, Placement, Query
from raggesture.windowing import WindowJob, generator_of, make_windows
from raggesture.windows import join_windows, window_starts


@dataclass(frozen=True, slots=True)
class Group:
    """Strokes of one group, in frames at 15 fps off their words. ``within_1``: share of those placed."""

    name: str
    strokes: int
    mean_off: float
    within_1: float


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A held-out clip with what is asked of it. ``hits[k]`` belongs to ``queries[k]``."""

    clip: str
    duration_s: float
    starts: tuple[int, ...]
    queries: tuple[Query, ...]
    hits: tuple[Hit | None, ...]
    placements: tuple[Placement, ...]
    dropped: int


def asked_of(clip: str, heldout: Index, index: Index, chunks: int) -> Asked:
    """Every gesture of a clip asked for again, by its name, on its word."""
    duration_s = seconds_of_frame(heldout.clip_frames[clip])
    queries = tuple(
        Query(e.word, e.kind, e.start, e.end, gesture=e.gesture, prominence=e.prominence, stroke=e.stroke, speaker=e.speaker)
        for e in gestures_of(heldout)
        if e.clip == clip
    )
    hits = tuple(best(by_terms(query, index), index) for query in queries)
    starts = window_starts(duration_s)
    placements, drops = place(queries, hits, duration_s=duration_s, starts=starts, clip_frames=index.clip_frames, chunks=chunks)
    return Asked(clip, duration_s, starts, queries, hits, placements, len(drops))


def made_clips(model: Model, index: Index, heldout: Index, clips: Sequence[Asked], steps: int | None = None) -> list[Motion]:
    """The clips' motions at 15 fps: window after window, the same window of all clips in one batch; ``steps`` None: the sampler's own."""
    options = GenerateOptions(steps=steps)
    synthesizer = Synthesizer(model, sampler_of(options))
    rates = Hold(HoldOptions()).rates(synthesizer.sampler.clock)
    context = model.codec.context_frames
    held: dict[str, Held] = {}
    motions: dict[str, list[Motion]] = {each.clip: [] for each in clips}
    for number in range(max(len(each.starts) for each in clips)):
        here = [each for each in clips if number < len(each.starts)]
        jobs: list[WindowJob] = []
        for each in here:
            placed = tuple(p for p in each.placements if p.window == number)
            sources = [index.clip_window(p.hit.exemplar.clip, p.source_frame, context=context) for p in placed]
            levels = ExemplarLevels(synthesizer.invert(synthesizer.encode(sources), synthesizer.conditions(sources))) if sources else ExemplarLevels()
            scene = synthesizer.conditions([heldout.clip_window(each.clip, each.starts[number], context=context)])
            jobs.append(WindowJob(scene, synthesizer.noise(1, generator_of(len(jobs), number)), placed, levels, held.get(each.clip)))
        for each, made in zip(here, make_windows(synthesizer, jobs, options, rates), strict=True):
            motions[each.clip].append(synthesizer.decode(made.latents)[0])
            held[each.clip] = synthesizer.continuation(made.latents)
    return [join_windows(motions[each.clip]) for each in clips]


def kind_of(placement: Placement, others: Sequence[Placement], starts: Sequence[int]) -> str:
    """``at a border``, ``crowded`` or ``alone``."""
    last_window = placement.window == len(starts) - 1
    if (placement.window > 0 and placement.target.start == 1) or (placement.target.stop == WINDOW_CHUNKS and not last_window):
        return "at a border"
    first = starts[placement.window] // CHUNK_FRAMES
    spans = [(starts[p.window] // CHUNK_FRAMES + p.target.start, starts[p.window] // CHUNK_FRAMES + p.target.stop) for p in others if p is not placement]
    mine = (first + placement.target.start, first + placement.target.stop)
    return "crowded" if any(stop == mine[0] or start == mine[1] for start, stop in spans) else "alone"


def offsets_of(each: Asked, motion: Motion, index: Index) -> list[tuple[str, int]]:
    """(group, frames off its word) of every stroke."""
    path, found = hand_paths(motion), []
    for placement in each.placements:
        stroke_s = seconds_of_frame(frame_of_seconds(placement.hit.query.stroke_s))
        found.append((kind_of(placement, each.placements, each.starts), abs(stroke_offset(path, stroke_s, *real_paths(index, placement.hit.exemplar)))))
    return found


def published_offsets(each: Asked, index: Index) -> list[int]:
    """Frames by which the published rule misses the words of a clip; words that it loses or drops are left out."""
    placements, _ = place_published(each.queries, each.hits, starts=each.starts, clip_frames=index.clip_frames)
    return [abs(placement.shift_frames) for placement in placements]


def groups_of(offsets: Sequence[tuple[str, int]], published: Sequence[int]) -> list[Group]:
    """All strokes, each group of them, and the published rule."""

    def group(name: str, values: Sequence[int]) -> Group:
        frames = np.array(values, float)
        return Group(name, len(values), float(frames.mean()) if len(values) else float("nan"), float((frames <= 1).mean()) if len(values) else float("nan"))

    kinds = [group(name, [off for kind, off in offsets if kind == name]) for name in ("alone", "crowded", "at a border")]
    return [group("all", [off for _, off in offsets]), *kinds, group("published rule (arithmetic)", published)]


def markdown(groups: Sequence[Group], dropped: int, asked: int) -> str:
    """The table."""
    lines = ["| strokes | number | mean off, frames | within one |", "|---|---|---|---|"]
    lines += [f"| {g.name} | {g.strokes} | {g.mean_off:.2f} | {100 * g.within_1:.1f} % |" if g.strokes else f"| {g.name} | 0 | - | - |" for g in groups]
    return "\n".join([*lines, "", f"{dropped} of {asked} words were dropped (others took the seconds around them, or the exemplar's clip ends there)."]) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Measure and write; returns the exit code."""
    from rich.console import Console

    from raggesture.training.ways import opened

    parser = argparse.ArgumentParser(prog="python -m raggesture.training.placing", description="Do strokes fall on their words?")
    parser.add_argument("--data", type=Path, required=True, help="held-out corpus, or an index of it")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--clips", type=int, default=1000, help="so many clips at most")
    parser.add_argument("--chunks", type=int, default=2)
    parser.add_argument("--steps", type=int, help="of sampling (default: the sampler's own)")
    given = parser.parse_args(arguments)
    console = Console(stderr=True)
    torch.set_num_threads(1)
    try:
        with opened(given.data) as (model, index, heldout):
            clips = [asked_of(clip, heldout, index, given.chunks) for clip in sorted(heldout.clip_frames)[: given.clips]]
            offsets, published = list[tuple[str, int]](), list[int]()
            for first in range(0, len(clips), 16):
                batch = clips[first : first + 16]
                for each, motion in zip(batch, made_clips(model, index, heldout, batch, given.steps), strict=True):
                    offsets += offsets_of(each, motion, index)
                    published += published_offsets(each, index)
                console.print(f"{first + len(batch)} of {len(clips)} clips", markup=False)
    except RaggestureError as fault:
        console.print(f"error: {fault}", markup=False, soft_wrap=True)
        return fault.exit_code
    groups = groups_of(offsets, published)
    dropped, asked = sum(each.dropped for each in clips), sum(len(each.queries) for each in clips)
    given.out.mkdir(parents=True, exist_ok=True)
    sampler = sampler_of(GenerateOptions(steps=given.steps))
    content = {
        "schema": 2,
        "sampler": sampler.name,
        "steps": sampler.schedule.n_steps,
        "chunks": given.chunks,
        "clips": len(clips),
        "asked": asked,
        "dropped": dropped,
    }
    (given.out / "placing.json").write_text(json.dumps({**content, "groups": [asdict(g) for g in groups]}, indent=1) + "\n", encoding="utf-8")
    (given.out / "placing.md").write_text(markdown(groups, dropped, asked), encoding="utf-8")
    console.print(markdown(groups, dropped, asked), markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
