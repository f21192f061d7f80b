"""The figures that tell whether a trained model obeys: asked = made, strokes on words, seams, inverted noise.

Held-out clips are read through an index of their own, so that they come by the same road as exemplars. Each event is one
window whose stroke lies where chance puts it; conditions are the held-out clip's, arms are steadied as in the pipeline.
"Forced" asks for another gesture than the word's, which is where methods differ. Source: TRAINING "The whole chain in miniature".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from raggesture.body.steady import steady_arms
from raggesture.clock import CHUNK_FRAMES, MODEL_FPS, WINDOW_FRAMES, WINDOW_SECONDS, frame_of_seconds, seconds_of_frame
from raggesture.diffusion.samplers import Sampler
from raggesture.metrics.fgd import EvaluationKit
from raggesture.metrics.gesture_made import GestureClassifier, hand_paths, window_at
from raggesture.metrics.indexed_gestures import gestures_of, real_paths
from raggesture.metrics.strokes import border_steps, stroke_gap, stroke_offset, wrist_places
from raggesture.models.checkpoint import Model
from raggesture.motion import Motion
from raggesture.retrieval.index import ClipWindow, Index
from raggesture.retrieval.place import place
from raggesture.retrieval.rank import best, by_terms
from raggesture.synthesis import Inject, Insertion, Synthesizer, inject
from raggesture.training.realism import Realism, feature_rows, realism
from raggesture.types import Exemplar, Placement, Query

Progress = Callable[[str, float], None]
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Event:
    """A held-out gesture and where its window starts (model frames in its clip); ``asked`` is the gesture to make."""

    exemplar: Exemplar
    start_frame: int
    asked: str

    @property
    def stroke_s(self) -> float:
        """Instant of the stroke in the window: the middle of its model frame."""
        return seconds_of_frame(frame_of_seconds(self.exemplar.stroke) - self.start_frame + 0.5)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Figures of one way of making the events. Shares are of ``events``; offsets in frames at 15 fps; lengths in metres; ``fgd`` as in ``realism``, NaN

    without a kit.
    """

    name: str
    events: int
    placed: int
    asked_is_made: float
    stroke_offset_median: float
    stroke_within_1: float
    stroke_within_2: float
    exemplar_distance_m: float
    border_over_elsewhere: float
    edge_over_elsewhere: float
    still_share: float
    inverted_std: float
    fgd: float
    fgd_floor: float


def choose_events(heldout: Index, count: int, seed: int, *, forced: bool) -> tuple[Event, ...]:
    """``count`` events (or all), every window inside its clip; forced ones ask for another gesture, drawn evenly."""
    rng = np.random.default_rng(seed)
    frames = heldout.clip_frames
    names = sorted({e.gesture for e in gestures_of(heldout)})
    events = []
    for exemplar in gestures_of(heldout):
        stroke = frame_of_seconds(exemplar.stroke)
        start = stroke - int(rng.integers(35, 115))
        if start < 0 or start + WINDOW_FRAMES > frames[exemplar.clip]:
            continue
        others = [name for name in names if name != exemplar.gesture]
        events.append(Event(exemplar, start, str(rng.choice(others)) if forced else exemplar.gesture))
    order = rng.permutation(len(events))[:count]
    return tuple(events[k] for k in sorted(order.tolist()))


def query_of(event: Event, *, named: bool) -> Query:
    """What an event asks for; not ``named``: by its word and kind alone."""
    offset, e = seconds_of_frame(event.start_frame), event.exemplar
    start, end = max(e.start - offset, 0.0), max(e.end - offset, 0.0)
    return Query(e.word, e.kind, start, end, gesture=event.asked if named else "", prominence=e.prominence, stroke=event.stroke_s, speaker=e.speaker)


def placed_event(event: Event, index: Index, chunks: int = 2) -> Placement | None:
    """Where the gesture that an event asks for goes in its window; None if the index has none, or it has no place."""
    query = query_of(event, named=True)
    hit = best(by_terms(query, index), index)
    placements, _ = place((query,), (hit,), duration_s=WINDOW_SECONDS, starts=(0,), clip_frames=index.clip_frames, chunks=chunks)
    return placements[0] if placements else None


def retrieval_at_1(index: Index, events: Sequence[Event]) -> float:
    """How often the best hit for a word and its kind, no gesture named, is the gesture its speaker made."""
    hits = [best(by_terms(query_of(event, named=False), index), index) for event in events]
    return float(np.mean([hit is not None and hit.exemplar.gesture == e.exemplar.gesture for hit, e in zip(hits, events, strict=True)]))


def classifier_accuracy(classifier: GestureClassifier, heldout: Index) -> float:
    """Share of held-out authored gestures that the classifier names rightly."""
    return float(np.mean([classifier.name_of(window_at(*real_paths(heldout, e))) == e.gesture for e in gestures_of(heldout)]))


@dataclass(slots=True)
class _Made:
    events: list[Event]
    placements: list[Placement | None]
    motions: list[Motion]
    stds: list[float]


def _make(synthesizer: Synthesizer, heldout: Index, index: Index, events: Sequence[Event], how: Inject, rates: tuple[float, ...], seed: int,
          progress: Progress | None) -> _Made:  # fmt: skip
    rng = torch.Generator().manual_seed(seed)
    made = _Made([], [], [], [])
    context = synthesizer.model.codec.context_frames
    for at in range(0, len(events), _BATCH):
        batch = events[at : at + _BATCH]
        scenes: list[ClipWindow] = [heldout.clip_window(e.exemplar.clip, e.start_frame, context=context) for e in batch]
        placements = [None if how == "none" else placed_event(e, index) for e in batch]
        found = [(k, p) for k, p in enumerate(placements) if p]
        levels = clean = None
        if found:
            sources = [index.clip_window(p.hit.exemplar.clip, p.source_frame, context=context) for _, p in found]
            clean = synthesizer.encode(sources)
            if how in ("noised", "inpaint"):
                levels = synthesizer.noised(clean, synthesizer.noise(len(sources), rng))
            else:
                levels = synthesizer.invert(clean, synthesizer.conditions(sources))
                made.stds.append(float(levels[0][:, :10].std()))
        insertions = [Insertion(k, item, p.target) for k, (item, p) in enumerate(found)]
        injection = inject(synthesizer, how, levels, clean, insertions, synthesizer.noise(len(batch), rng), rates)
        decoded = synthesizer.decode(synthesizer.sample(synthesizer.conditions(scenes), injection.start, injection.guide))
        motions = [steady_arms(motion) for motion in decoded]
        made.events += batch
        made.placements += placements
        made.motions += motions
        if progress:
            progress(how, min(1.0, (at + _BATCH) / len(events)))
    return made


def authored(heldout: Index, events: Sequence[Event]) -> list[Motion]:
    """The held-out motion of events' windows."""
    cuts = [heldout.clip_window(e.exemplar.clip, e.start_frame, WINDOW_FRAMES, context=0) for e in events]
    return [Motion(cut.rotations, cut.translation, cut.expression, float(MODEL_FPS)) for cut in cuts]


def measure(
    model: Model, index: Index, heldout: Index, events: Sequence[Event], classifier: GestureClassifier, *, name: str, how: Inject,
    rates: tuple[float, ...], seed: int = 0, progress: Progress | None = None, sampler: Sampler | None = None,
    kit: EvaluationKit | None = None,
) -> Outcome:  # fmt: skip
    """Make every event one way and measure. ``rates``: the guidance schedule's, noisiest first; without a ``sampler`` DDIM makes as many steps."""
    synthesizer = Synthesizer(model, sampler or len(rates))
    made = _make(synthesizer, heldout, index, events, how, rates, seed, progress)
    right, offsets, distances = [], [], []
    for motion, event, placement in zip(made.motions, made.events, made.placements, strict=True):
        path, stroke_s = hand_paths(motion), event.stroke_s - 0.5 / MODEL_FPS
        right.append(classifier.name_of(window_at(path, stroke_s)) == event.asked)
        real, real_s = real_paths(index, placement.hit.exemplar) if placement else real_paths(heldout, event.exemplar)
        offsets.append(stroke_offset(path, stroke_s, real, real_s))
        distances.append(stroke_gap(path, stroke_s, real, real_s))
    edges = [[] if p is None else [CHUNK_FRAMES * p.target.start, CHUNK_FRAMES * p.target.stop] for p in made.placements]
    places = [wrist_places(motion) for motion in made.motions]
    steps = border_steps(places, edges)
    fgd = Realism(float("nan"), float("nan"))
    if kit is not None:
        fgd = realism(feature_rows(kit, made.motions), feature_rows(kit, authored(heldout, made.events)), [e.exemplar.clip for e in made.events])
    speed = np.concatenate([np.linalg.norm(np.diff(p[:, 1], axis=0), axis=-1) * MODEL_FPS for p in places])
    return Outcome(
        name=name, events=len(right), placed=sum(p is not None for p in made.placements), asked_is_made=float(np.mean(right)),
        stroke_offset_median=float(np.median(np.abs(offsets))), stroke_within_1=float(np.mean(np.abs(offsets) <= 1)),
        stroke_within_2=float(np.mean(np.abs(offsets) <= 2)), exemplar_distance_m=float(np.mean(distances)),
        border_over_elsewhere=steps.border_m / steps.elsewhere_m, edge_over_elsewhere=steps.edge_m / steps.elsewhere_m,
        still_share=float((speed < 0.1).mean()), inverted_std=float(np.mean(made.stds)) if made.stds else float("nan"),
        fgd=fgd.fgd, fgd_floor=fgd.floor,
    )  # fmt: skip


def to_json(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Plain rows; NaN becomes null."""
    return [{key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in asdict(o).items()} for o in outcomes]
