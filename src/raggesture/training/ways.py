"""Every way of bringing a gesture in, side by side: what it costs, whether the gesture survives, its edges, how real the motion is, where the stroke falls.

``python -m raggesture.training.ways --data CORPUS --out docs`` writes ``ways.json`` and ``ways.md``. Each way makes the same held-out events from
the same noise, plain (the word's own gesture) and forced (another, which is where ways differ). Rows also for the schedule of the profile ``paper``, the
loop of the profile ``released`` (both with their own sampler), and the published placement rule. Source: TRAINING "The whole chain in miniature", "Placement".
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from raggesture.clock import CHUNK_FRAMES, MODEL_FPS, MOTION_FPS, WINDOW_SECONDS, frames_of_seconds
from raggesture.diffusion.sampler_names import DEFAULT_SAMPLER, SamplerName, own_steps
from raggesture.diffusion.samplers import sampler_named
from raggesture.diffusion.schedules import DecreasingTill25, Hold, HoldOptions, IterationOptions
from raggesture.errors import RaggestureError
from raggesture.metrics.distribution import frechet_distance
from raggesture.metrics.fgd import EvaluationKit, fgd_features, load_kit
from raggesture.metrics.gesture_made import hand_paths, window_at
from raggesture.metrics.indexed_gestures import classifier_of, real_paths
from raggesture.metrics.strokes import REACH_FRAMES, stroke_gap, stroke_offset, wrist_places
from raggesture.models.checkpoint import Model, load_model
from raggesture.models.conditions import Conditions
from raggesture.motion import Motion, double_rate
from raggesture.plugins.hookspecs import GuidanceSchedule
from raggesture.plugins.rates import checked_rates
from raggesture.released_loop import released_entries, released_injection
from raggesture.resources import PACK_NAME, packaged_dir
from raggesture.retrieval.index import Index
from raggesture.synthesis import Inject, Injection, Insertion, Synthesizer, inject
from raggesture.training.edges import EdgeFigures, edge_figures
from raggesture.training.figures import Event, authored, choose_events, placed_event
from raggesture.training.published_placement import published_event
from raggesture.types import Placement
from raggesture.windowing import eased

BATCH = 32
HOLD: GuidanceSchedule = Hold(HoldOptions())
PAPER: GuidanceSchedule = DecreasingTill25(IterationOptions())


@dataclass(frozen=True, slots=True)
class Way:
    """A row: how exemplars enter, by which schedule, eased how much, in how many chunks, by which loop, placed by which rule, sampled how.

    ``steps``: of the sampler; None: its own.
    """

    name: str
    how: Inject
    schedule: GuidanceSchedule = HOLD
    ease: float = 0.0
    chunks: int = 2
    released_loop: bool = False
    released_placement: bool = False
    sampler: SamplerName = DEFAULT_SAMPLER
    steps: int | None = None


WAYS = (
    Way("inversion+guidance, `hold` (default)", "inversion+guidance"),
    Way("inversion (first ablation)", "inversion"),
    Way("inpaint (second ablation)", "inpaint"),
    Way("noised, `hold`", "noised"),
    Way("none", "none"),
    Way("`--profile paper`'s schedule, `decreasing_till_25`", "inversion+guidance", PAPER, sampler="ddim"),
    Way("`--profile released`'s loop", "inversion+guidance", released_loop=True, sampler="ddim"),
    Way("published placement, `hold`", "inversion+guidance", released_placement=True),
    Way("default, ease 0.5", "inversion+guidance", ease=0.5),
    Way("default, ease 1", "inversion+guidance", ease=1.0),
    Way("three chunks, `hold`", "inversion+guidance", chunks=3),
    Way("three chunks, ease 0.5", "inversion+guidance", ease=0.5, chunks=3),
    Way("three chunks, ease 1", "inversion+guidance", ease=1.0, chunks=3),
)


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one way. ``seconds``: of one core for an event, median over batches. Offsets in frames at 15 fps, ten stands for more; lengths in metres."""

    way: str
    forced: bool
    events: int
    placed: int
    seconds: float
    asked_is_made: float
    exemplar_distance_m: float
    stroke_offset_mean: float
    stroke_within_1: float
    edge_jerk_over_elsewhere: float
    edge_step_over_elsewhere: float
    fgd: float


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a batch of events needs for some ways: placements, exemplars' latents, and the seconds it took to make them."""

    placements: tuple[Placement | None, ...]
    clean: Tensor | None = None
    levels: Tensor | None = None
    seconds: float = 0.0


@dataclass(slots=True)
class Made:
    """What a way has made so far."""

    events: list[Event] = field(default_factory=list)
    motions: list[Motion] = field(default_factory=list)
    placements: list[Placement | None] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


class Bench:
    """The packaged model asked for held-out events, every way from the same noise; exemplars that several ways share are inverted once."""

    def __init__(self, model: Model, index: Index, heldout: Index, kit: EvaluationKit, *, forced: bool) -> None:
        self.index, self.heldout, self.kit, self.forced = index, heldout, kit, forced
        self.made: dict[Way, Made] = {}
        self._model, self._context = model, model.codec.context_frames
        self._classifier = classifier_of(index)
        self._synthesizers: dict[tuple[SamplerName, int | None], Synthesizer] = {}

    def synthesizer(self, way: Way) -> Synthesizer:
        """The model with a way's sampler."""
        key = (way.sampler, way.steps)
        if key not in self._synthesizers:
            self._synthesizers[key] = Synthesizer(self._model, sampler_named(*key))
        return self._synthesizers[key]

    def make(self, ways: Sequence[Way], events: Sequence[Event], seed: int) -> None:
        """Make a batch of events in each way."""
        shared: dict[tuple[object, ...], Material] = {}
        for way in ways:
            self._make(way, events, seed, shared, self.made.setdefault(way, Made()))

    def rows(self) -> list[Row]:
        """A row for each way, of all events so far."""
        reference = self.features(self.authored())
        return [self._row(way, made, reference) for way, made in self.made.items()]

    def authored(self) -> list[Motion]:
        """The held-out motion of all events so far."""
        return authored(self.heldout, next(iter(self.made.values())).events)

    def _material(self, way: Way, events: Sequence[Event], seed: int, shared: dict[tuple[object, ...], Material]) -> Material:
        inverted = way.how in ("inversion+guidance", "inversion")
        key = (way.how == "none", way.chunks, way.released_placement, way.released_loop, inverted, way.sampler, way.steps)
        if key not in shared:
            shared[key] = self._prepared(way, events, seed, inverted=inverted)
        return shared[key]

    def _prepared(self, way: Way, events: Sequence[Event], seed: int, *, inverted: bool) -> Material:
        if way.how == "none":
            return Material((None,) * len(events))
        rule = published_event if way.released_placement else placed_event
        placements = tuple(rule(event, self.index, way.chunks) for event in events)
        sources = [self.index.clip_window(p.hit.exemplar.clip, p.source_frame, context=self._context) for p in placements if p]
        synthesizer, began = self.synthesizer(way), time.process_time()
        clean = synthesizer.encode(sources)
        if not inverted:
            levels = synthesizer.noised(clean, synthesizer.noise(len(sources), torch.Generator().manual_seed(seed + 1)))
        elif way.released_loop:
            levels = released_entries(synthesizer, clean, synthesizer.conditions(sources))
        else:
            levels = synthesizer.invert(clean, synthesizer.conditions(sources))
        return Material(placements, clean, levels, time.process_time() - began)

    def _make(self, way: Way, events: Sequence[Event], seed: int, shared: dict[tuple[object, ...], Material], into: Made) -> None:
        synthesizer = self.synthesizer(way)
        material = self._material(way, events, seed, shared)
        scenes = [self.heldout.clip_window(e.exemplar.clip, e.start_frame, context=self._context) for e in events]
        noise = synthesizer.noise(len(events), torch.Generator().manual_seed(seed))
        began = time.process_time()
        motions = self._sampled(way, material, synthesizer.conditions(scenes), noise)
        into.seconds.append((time.process_time() - began + material.seconds) / len(events))
        into.events += events
        into.motions += motions
        into.placements += material.placements

    def _sampled(self, way: Way, material: Material, conditions: Conditions, noise: Tensor) -> list[Motion]:
        found = [(item, p) for item, p in enumerate(material.placements) if p is not None]
        insertions = [Insertion(row, item, p.target, ease=eased(p, way.ease) if way.ease else (), source=p.source) for row, (item, p) in enumerate(found)]
        synthesizer = self.synthesizer(way)
        injection: Injection
        if way.released_loop:
            rng = torch.Generator().manual_seed(2)
            injection = released_injection(synthesizer, way.how, material.levels, material.clean, insertions, noise, None, rng)
        else:
            rates = checked_rates(way.schedule, synthesizer.sampler.clock)
            injection = inject(synthesizer, way.how, material.levels, material.clean, insertions, noise, rates)
        return synthesizer.decode(synthesizer.sample(conditions, injection.start, injection.guide))

    def features(self, motions: Sequence[Motion]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """Rows of features (N r, D) for FGD, r of each motion."""
        frames = frames_of_seconds(WINDOW_SECONDS, MOTION_FPS)
        return np.concatenate([fgd_features(self.kit.autoencoder, double_rate(motion, frames)) for motion in motions])

    def _row(self, way: Way, made: Made, reference: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Row:
        right, offsets, distances = [], [], []
        for motion, event, placement in zip(made.motions, made.events, made.placements, strict=True):
            path, stroke_s = hand_paths(motion), event.stroke_s - 0.5 / MODEL_FPS
            right.append(self._classifier.name_of(window_at(path, stroke_s)) == event.asked)
            if placement is None and way.how != "none":
                continue
            real, real_s = real_paths(self.index, placement.hit.exemplar) if placement else real_paths(self.heldout, event.exemplar)
            offsets.append(abs(stroke_offset(path, stroke_s, real, real_s)))
            distances.append(stroke_gap(path, stroke_s, real, real_s))
        edges = [[] if p is None else [CHUNK_FRAMES * p.target.start, CHUNK_FRAMES * p.target.stop] for p in made.placements]
        figures: EdgeFigures = edge_figures([wrist_places(motion) for motion in made.motions], edges)
        return Row(
            way.name, self.forced, len(right), sum(p is not None for p in made.placements), float(np.median(made.seconds)), float(np.mean(right)),
            float(np.mean(distances)), float(np.mean(offsets)), float(np.mean(np.array(offsets) <= 1)), figures.jerk, figures.step,
            frechet_distance(self.features(made.motions), reference),
        )  # fmt: skip


@contextmanager
def opened(data: Path, pack: Path | None = None) -> Iterator[tuple[Model, Index, Index]]:
    """Model and index of a pack (None: the packaged one), and an index of a held-out corpus (or ``data`` itself, if it is one)."""
    from raggesture.corpus.beat2 import read_corpus
    from raggesture.encoders.registry import audio_encoder, text_encoder

    text, pack = text_encoder("minilm"), pack or packaged_dir(PACK_NAME)
    model, index = load_model(pack / "model"), Index.open(pack / "index", text_encoder=text)
    if (data / "manifest.json").is_file():
        yield model, index, Index.open(data, text_encoder=text)
        return
    with tempfile.TemporaryDirectory() as folder:
        audio = audio_encoder(model.manifest.audio_encoder)
        yield model, index, Index.build(read_corpus(data), Path(folder, "heldout"), text_encoder=text, audio_encoder=audio)


def markdown(rows: Sequence[Row]) -> str:
    """The table: a line for each way, plain / forced."""
    head = "| way | asked = made | distance to exemplar, cm | stroke off its word, frames | within one | jerk at edges / elsewhere | step | FGD | s per event |"
    lines = [head, "|" + "---|" * (head.count("|") - 1)]
    plain = {row.way: row for row in rows if not row.forced}
    forced = {row.way: row for row in rows if row.forced}
    for name in plain:
        a, b = plain[name], forced[name]
        cells = [
            name, f"{100 * a.asked_is_made:.0f} / {100 * b.asked_is_made:.0f} %", f"{100 * a.exemplar_distance_m:.1f} / {100 * b.exemplar_distance_m:.1f}",
            f"{a.stroke_offset_mean:.2f} / {b.stroke_offset_mean:.2f}", f"{100 * a.stroke_within_1:.0f} / {100 * b.stroke_within_1:.0f} %",
            f"{a.edge_jerk_over_elsewhere:.2f} / {b.edge_jerk_over_elsewhere:.2f}", f"{a.edge_step_over_elsewhere:.2f} / {b.edge_step_over_elsewhere:.2f}",
            f"{a.fgd:.2f} / {b.fgd:.2f}", f"{a.seconds:.2f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join('-' if cell in ('nan / nan',) else cell for cell in cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Measure and write; returns the exit code."""
    from rich.console import Console

    parser = argparse.ArgumentParser(prog="python -m raggesture.training.ways", description="Every way of bringing a gesture in, side by side.")
    parser.add_argument("--data", type=Path, required=True, help="held-out corpus, or an index of it")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--events", type=int, default=160, help="events plain, and as many forced (default 160)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    console = Console(stderr=True)

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    torch.set_num_threads(1)  # a second is one core's
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        with opened(given.data) as (model, index, heldout):
            kit = load_kit(packaged_dir(PACK_NAME) / "evaluation.safetensors")
            benches = [Bench(model, index, heldout, kit, forced=forced) for forced in (False, True)]
            every = [choose_events(heldout, given.events, given.seed, forced=bench.forced) for bench in benches]
            for first in range(0, len(every[0]), BATCH):
                for bench, events in zip(benches, every, strict=True):
                    bench.make(WAYS, events[first : first + BATCH], given.seed + first)
                rows = [row for bench in benches for row in bench.rows()]
                write(rows, given.seed, given.out)  # a run that is stopped keeps what it has
                say(f"{min(first + BATCH, len(every[0]))} of {len(every[0])} events")
    except RaggestureError as fault:
        say(f"error: {fault}")
        return fault.exit_code
    say(markdown(rows))
    return 0


def write(rows: Sequence[Row], seed: int, folder: Path) -> None:
    """``ways.json`` and ``ways.md``."""
    content = {
        "schema": 2,
        "sampler": DEFAULT_SAMPLER,
        "steps": own_steps(DEFAULT_SAMPLER),
        "seed": seed,
        "most_frames_off": REACH_FRAMES,
        "rows": [asdict(row) for row in rows],
    }
    (folder / "ways.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (folder / "ways.md").write_text(markdown(rows), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
