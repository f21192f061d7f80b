"""How few steps are enough? Samplers side by side from the same noise: does the gesture survive, how real and how smooth is the motion, what does it cost.

``python -m raggesture.training.few_steps --data CORPUS --out docs`` writes ``steps.json``, ``steps.csv`` and ``steps.md``. Every sampler makes the same
held-out events, plain and forced, with its own inversion, and once without a gesture; what it makes is held against fifty steps of DDIM. ``CORPUS`` is
held out, in BEAT2's layout; with an index in its place nothing is timed, since nobody speaks there. Source: TRAINING "Few steps".
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.joints import LatentLayout
from raggesture.clock import MODEL_FPS, WINDOW_SECONDS
from raggesture.diffusion.sampler_names import SamplerName, own_steps
from raggesture.errors import RaggestureError, UsageError
from raggesture.metrics.bootstrap import Interval, drawn_counts, interval_of
from raggesture.metrics.distribution import frechet_of_moments
from raggesture.metrics.fgd import load_kit
from raggesture.metrics.physics import log_dimensionless_jerk
from raggesture.metrics.strokes import wrist_places
from raggesture.models.mixing import CONDITION_ONLY
from raggesture.motion import Motion
from raggesture.options import GenerateOptions
from raggesture.outputs import new_files
from raggesture.pipeline import Pipeline
from raggesture.resources import PACK_NAME, packaged_dir
from raggesture.synthesis import INJECTED_PARTS
from raggesture.training.figures import choose_events
from raggesture.training.systems import choose_clips, speech_of
from raggesture.training.times import Spent, speech_for, threads, time_generation
from raggesture.training.ways import BATCH, Bench, Way, opened
from raggesture.training.ways import Row as WayRow

Floats = NDArray[np.float64]
SCHEMA, DRAWS, MOST_GESTURES = 1, 200, 2


@dataclass(frozen=True, slots=True)
class Contender:
    """A sampler in so many steps."""

    sampler: SamplerName
    steps: int

    @property
    def name(self) -> str:
        """As the table calls it."""
        own = " (default)" if self.steps == own_steps(self.sampler) and self.sampler == "dpm++" else ""
        return f"{'DDIM' if self.sampler == 'ddim' else 'DPM-Solver++(2M)'} {self.steps}{own}"

    def way(self, how: str) -> Way:
        """A row of the ways' bench: with a gesture (``hold``) or without."""
        return Way(f"{self.name}, {how}", "none" if how == "free" else "inversion+guidance", sampler=self.sampler, steps=self.steps)


REFERENCE = Contender("ddim", 50)
CONTENDERS = (REFERENCE, Contender("ddim", 20), Contender("ddim", 12), Contender("dpm++", 12), Contender("dpm++", 10), Contender("dpm++", 8))


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of a sampler. Offsets in frames at 15 fps; lengths in metres; ``off_reference_m``: mean distance of the wrists from fifty steps of DDIM,

    ``free_off_reference_m`` the same without a gesture. ``fgd_change``: against fifty steps, with its 95 % interval over events. ``jerk_over_reference``: of
    the wrists. ``inverted_std``: of the exemplars' noise, 1 is ideal, and ``round_trip_m`` how far their wrists come back from where they were.
    ``seconds``: of one core for an event.
    """

    sampler: SamplerName
    steps: int
    forced: bool
    events: int
    asked_is_made: float
    stroke_within_1: float
    exemplar_distance_m: float
    edge_jerk_over_elsewhere: float
    jerk_over_reference: float
    ldlj: float
    off_reference_m: float
    free_off_reference_m: float
    fgd: float
    fgd_change: float
    fgd_change_low: float
    fgd_change_high: float
    inverted_std: float
    round_trip_m: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds for ten seconds of motion with ``gestures``, from words to files, on so many ``threads``; ``stages``: of it."""

    sampler: SamplerName
    steps: int
    gestures: int
    threads: int
    seconds: float
    stages: tuple[tuple[str, float], ...]


def rows_of(bench: Bench) -> list[Row]:
    """A row for each contender, of all events so far."""
    by_way = {row.way: row for row in bench.rows()}
    truth = _stacked(bench, bench.authored())
    reference, free = (bench.made[REFERENCE.way(how)].motions for how in ("guided", "free"))
    base, counts = _stacked(bench, reference), drawn_counts(len(truth), DRAWS, 0)
    places, free_places = ([wrist_places(motion) for motion in motions] for motions in (reference, free))
    rows = []
    for each in CONTENDERS:
        motions = bench.made[each.way("guided")].motions
        ours, ours_free = ([wrist_places(m) for m in some] for some in (motions, bench.made[each.way("free")].motions))
        change, interval = fgd_change(_stacked(bench, motions), base, truth, counts)
        trip = round_trip(bench, each)
        rows.append(_row(each, bench.forced, by_way[each.way("guided").name], ours, places, _apart(ours_free, free_places), (change, interval), trip))
    return rows


def _row(
    each: Contender, forced: bool, row: WayRow, ours: list[NDArray[np.float32]], reference: list[NDArray[np.float32]], free_off: float,
    fgd: tuple[float, Interval], trip: tuple[float, float],
) -> Row:  # fmt: skip
    change, interval = fgd
    smooth = float(np.mean([log_dimensionless_jerk(places, MODEL_FPS) for places in ours]))
    return Row(
        each.sampler, each.steps, forced, row.events, row.asked_is_made, row.stroke_within_1, row.exemplar_distance_m, row.edge_jerk_over_elsewhere,
        _jerk(ours) / _jerk(reference), smooth, _apart(ours, reference), free_off, row.fgd, change, interval.low, interval.high, *trip, row.seconds,
    )  # fmt: skip


@torch.no_grad()
def round_trip(bench: Bench, each: Contender) -> tuple[float, float]:
    """Spread of the noise that exemplars become (upper body and hands), and how far their wrists are off after the way back, in metres."""
    synthesizer, made = bench.synthesizer(each.way("guided")), bench.made[each.way("guided")]
    context = synthesizer.model.codec.context_frames
    sources = [bench.index.clip_window(p.hit.exemplar.clip, p.source_frame, context=context) for p in made.placements[:BATCH] if p]
    clean, conditions = synthesizer.encode(sources), synthesizer.conditions(sources)
    levels = synthesizer.invert(clean, conditions)
    back = synthesizer.sampler.sample(synthesizer.bind(conditions, CONDITION_ONLY), levels[0])
    before, after = ([wrist_places(motion) for motion in synthesizer.decode(latents)] for latents in (clean, back))
    noise = torch.cat([levels[0][:, LatentLayout().span(part)] for part in INJECTED_PARTS], dim=1)
    return float(noise.std()), _apart(before, after)


def _jerk(places: Sequence[NDArray[np.float32]]) -> float:
    return float(np.mean([np.linalg.norm(np.diff(each, n=3, axis=0), axis=-1).mean() for each in places]))


def _apart(ours: Sequence[NDArray[np.float32]], theirs: Sequence[NDArray[np.float32]]) -> float:
    return float(np.mean([np.linalg.norm(a - b, axis=-1).mean() for a, b in zip(ours, theirs, strict=True)]))


def _stacked(bench: Bench, motions: Sequence[Motion]) -> Floats:
    """(N, r, D) features for FGD, r rows of each motion."""
    rows = bench.features(motions)
    return rows.reshape(len(motions), -1, rows.shape[1])


def fgd_change(ours: Floats, reference: Floats, truth: Floats, counts: Floats) -> tuple[float, Interval]:
    """By how much FGD differs from the reference's, and the interval: all three sets (N, r, D) see the same ``counts`` (draws, N) of the same events."""

    def change(weights: Floats) -> float:
        real = _moments(truth, weights)
        return frechet_of_moments(*_moments(ours, weights), *real) - frechet_of_moments(*_moments(reference, weights), *real)

    whole = change(np.ones(len(truth)))
    return whole, interval_of(np.array([change(weights) for weights in counts]), whole)


def _moments(rows: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Mean (D,) and covariance (D, D) of rows (N, r, D), each of N as often as ``weights`` (N,) says."""
    flat, times = rows.reshape(-1, rows.shape[2]), np.repeat(weights, rows.shape[1])
    mean = times @ flat / times.sum()
    centred = flat - mean
    return mean, (centred * times[:, None]).T @ centred / (times.sum() - 1)


def timed(pack: Path, corpus: Path, repeats: int, count: int, say: Callable[[str], None]) -> list[Time]:
    """What ten seconds of motion cost each contender, with one and with two gestures, on ``count`` threads."""
    pipeline = Pipeline.load(pack / "model", pack / "index", "cpu")
    names = choose_clips(corpus, 16, WINDOW_SECONDS)
    speech = speech_for(pipeline, [speech_of(corpus, name, WINDOW_SECONDS) for name in names], MOST_GESTURES)
    times = []
    with threads(count):
        for each in CONTENDERS:
            options = GenerateOptions(sampler=each.sampler, steps=each.steps)
            for gestures in range(1, MOST_GESTURES + 1):
                spent: Spent = time_generation(pipeline, speech, options, gestures, repeats)
                times.append(Time(each.sampler, each.steps, gestures, count, spent.whole, spent.stages))
                say(f"{each.name}, {gestures} of {MOST_GESTURES} gestures: {spent.whole:.2f} s")
    return times


def markdown(rows: Sequence[Row], times: Sequence[Time]) -> str:
    """Two tables: what comes out (plain / forced), and what it costs."""
    columns = (
        *("sampler, steps", "asked = made", "within one frame", "from exemplar, cm", "jerk at edges / elsewhere", "jerk over 50 steps"),
        *(
            "LDLJ",
            "wrists off 50 steps, cm",
            "the same, no gesture",
            "FGD",
            "FGD against 50 steps (95 %)",
            "inverted noise",
            "there and back, cm",
            "s per event, one core",
        ),
    )
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for each in CONTENDERS:
        a, b = (next(row for row in rows if (row.sampler, row.steps, row.forced) == (each.sampler, each.steps, forced)) for forced in (False, True))
        cells = [
            each.name, f"{100 * a.asked_is_made:.1f} / {100 * b.asked_is_made:.1f} %", f"{100 * a.stroke_within_1:.1f} / {100 * b.stroke_within_1:.1f} %",
            f"{100 * a.exemplar_distance_m:.2f} / {100 * b.exemplar_distance_m:.2f}", f"{a.edge_jerk_over_elsewhere:.2f} / {b.edge_jerk_over_elsewhere:.2f}",
            f"{a.jerk_over_reference:.3f} / {b.jerk_over_reference:.3f}", f"{a.ldlj:.2f} / {b.ldlj:.2f}",
            f"{100 * a.off_reference_m:.2f} / {100 * b.off_reference_m:.2f}", f"{100 * a.free_off_reference_m:.2f}", f"{a.fgd:.2f} / {b.fgd:.2f}",
            f"{_changed(a)} / {_changed(b)}", f"{a.inverted_std:.2f}", f"{100 * a.round_trip_m:.2f}", f"{a.seconds:.3f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n" + _costs(times)


def _changed(row: Row) -> str:
    if (row.sampler, row.steps) == (REFERENCE.sampler, REFERENCE.steps):
        return "-"
    return f"{row.fgd_change:+.2f} ({row.fgd_change_low:+.2f} to {row.fgd_change_high:+.2f})"


def _costs(times: Sequence[Time]) -> str:
    if not times:
        return ""
    names = tuple(dict.fromkeys(name for time in times for name, _ in time.stages))
    count = times[0].threads
    lines = ["", f"Seconds for ten seconds of motion, words given, from words to files, {count} thread{'s' if count > 1 else ''}, median:", ""]
    lines += [f"| sampler, steps | gestures | whole | {' | '.join(names)} |", "|" + "---|" * (3 + len(names))]
    for time in times:
        found = dict(time.stages)
        stages = " | ".join(f"{found.get(name, 0.0):.2f}" for name in names)
        lines.append(f"| {Contender(time.sampler, time.steps).name} | {time.gestures} | **{time.seconds:.2f}** | {stages} |")
    return "\n".join(lines) + "\n"


def write(rows: Sequence[Row], times: Sequence[Time], seed: int, folder: Path) -> None:
    """``steps.json``, ``steps.csv`` and ``steps.md``, whole or not at all."""
    files = [folder / f"steps.{ending}" for ending in ("json", "csv", "md")]
    with new_files(files, force=True) as (numbers, table, text):
        content = {"schema": SCHEMA, "guidance": "hold", "seed": seed, "rows": [asdict(row) for row in rows], "times": [asdict(time) for time in times]}
        numbers.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        with table.open("w", newline="", encoding="utf-8") as stream:
            out = csv.DictWriter(stream, list(asdict(rows[0])), lineterminator="\n")
            out.writeheader()
            out.writerows(asdict(row) for row in rows)
        text.write_text(markdown(rows, times), encoding="utf-8")


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m raggesture.training.few_steps", description="How few steps are enough?")
    parser.add_argument("--data", type=Path, required=True, help="held-out corpus, or an index of it")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument(
        "--pack", type=Path, default=packaged_dir(PACK_NAME), help="folder with model, index and evaluation.safetensors (default: the packaged)"
    )
    parser.add_argument("--events", type=int, default=160, help="events plain, and as many forced (default 160)")
    parser.add_argument("--repeats", type=int, default=5, help="runs that are timed, of which the median counts; 0: none (default 5)")
    parser.add_argument("--threads", type=int, default=2, help="of what is timed; on a machine that is busy, 1 (default 2)")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measure and write; returns the exit code."""
    from rich.console import Console

    given = _arguments(arguments)
    console = Console(stderr=True)

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    try:
        if given.threads < 1 or given.repeats < 0:
            raise UsageError(f"few_steps: {given.threads} threads, {given.repeats} repeats; expected at least 1 and 0 - correct the options")
        rows = _compared(given.data, given.pack, given.events, given.seed, say)
        times = timed(given.pack, given.data, given.repeats, given.threads, say) if given.repeats and not (given.data / "manifest.json").is_file() else []
        write(rows, times, given.seed, given.out)
    except RaggestureError as fault:
        say(f"error: {fault}")
        return fault.exit_code
    say(markdown(rows, times))
    return 0


def _compared(data: Path, pack: Path, count: int, seed: int, say: Callable[[str], None]) -> list[Row]:
    ways = [each.way(how) for each in CONTENDERS for how in ("guided", "free")]
    with opened(data, pack) as (model, index, heldout), threads(1):  # a second is one core's
        kit = load_kit(pack / "evaluation.safetensors")
        benches = [Bench(model, index, heldout, kit, forced=forced) for forced in (False, True)]
        every = [choose_events(heldout, count, seed, forced=bench.forced) for bench in benches]
        for first in range(0, len(every[0]), BATCH):
            for bench, events in zip(benches, every, strict=True):
                bench.make(ways, events[first : first + BATCH], seed + first)
            say(f"{min(first + BATCH, len(every[0]))} of {len(every[0])} events")
        return [row for bench in benches for row in rows_of(bench)]


if __name__ == "__main__":
    sys.exit(main())
