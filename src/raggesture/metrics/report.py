"""From what was measured to a report: figures with intervals under a heading, a row for each clip, and what was left out and why."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from raggesture.corpus.split import speaker_of
from raggesture.errors import InputError
from raggesture.metrics.bootstrap import Interval, intervals
from raggesture.metrics.cache import ClipCache
from raggesture.metrics.measured import Combined, Measurements, nothing
from raggesture.metrics.measuring import ChosenMetric, ClipMeasured, Instruments
from raggesture.metrics.results import Found
from raggesture.metrics.running import Setup, measure_all

SCHEMA = 2
Progress = Callable[[str, float], None]
_MOST_SPEAKERS = 12
_FEWEST_FOR_TROUBLE = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric (or one of its figures: ``label``) over all clips: of the results, and of the references themselves (NaN where it has no meaning).

    ``clips``: how many it was measured on. Intervals are 95 %, NaN where there is none.
    """

    metric: str
    label: str
    value: float
    low: float
    high: float
    reference: float
    reference_low: float
    reference_high: float
    unit: str
    direction: str
    clips: int
    note: str = ""

    @property
    def name(self) -> str:
        """What it is called in a table."""
        return f"{self.metric} {self.label}".strip()


@dataclass(frozen=True, slots=True)
class Row:
    """One clip: its own figures and its reference's, by the names of ``Figure``; ``trouble``: by how much its worst figure stands out, and which that is."""

    name: str
    frames: int
    values: Mapping[str, float]
    references: Mapping[str, float]
    trouble: float = 0.0
    worst: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """What a metric's figures mean, for the page."""

    metric: str
    unit: str
    direction: str
    source: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Report:
    """Figures under a protocol, rows per clip sorted by trouble, and what was left out (clips, and pieces of clips) and why."""

    protocol: Mapping[str, Any]
    figures: tuple[Figure, ...]
    rows: tuple[Row, ...]
    left_out: tuple[str, ...] = field(default=())
    notes: tuple[str, ...] = field(default=())
    about: tuple[About, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN becomes null."""
        return {
            "schema": SCHEMA,
            "protocol": dict(self.protocol),
            "figures": [_plain(asdict(figure)) for figure in self.figures],
            "rows": [_plain(asdict(row)) for row in self.rows],
            "left_out": list(self.left_out),
            "notes": list(self.notes),
            "about": [asdict(each) for each in self.about],
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A report with what it was made of, so that two can be compared clip by clip."""

    report: Report
    names: tuple[str, ...]
    measured: Mapping[str, Measurements]
    metrics: tuple[ChosenMetric, ...]


def combine(chosen: ChosenMetric, measured: Measurements, lacks: Counter[str]) -> Combined:
    """A metric's answer; for a plugin that raises and for what no clip has, an answer that says so."""
    clips = sum(bool(arrays) for arrays in (measured.arrays_of(k) for k in range(len(measured))))
    if not clips:
        why = lacks.most_common(1)[0][0] if lacks else "nothing to measure in any clip"
        return nothing(f"{why} ({len(measured)} of {len(measured)} clips)")
    try:
        return chosen.metric.combine(measured)
    except Exception as fault:
        if chosen.builtin:
            raise
        return nothing(f"{chosen.distribution} raised {type(fault).__name__}: {fault}")


def _note(combined: Combined, clips: int, total: int, lacks: Counter[str]) -> str:
    if not clips:
        return combined.note
    lacking = f"{total - clips} of {total} clips without{': ' + lacks.most_common(1)[0][0] if lacks else ''}" if clips < total else ""
    return "; ".join(text for text in (combined.note, lacking) if text)


def figures_of(chosen: ChosenMetric, measured: Measurements, lacks: Counter[str], seed: int) -> tuple[tuple[Figure, ...], Combined]:
    """The figures of one metric."""
    combined = combine(chosen, measured, lacks)
    clips = sum(bool(measured.arrays_of(k)) for k in range(len(measured)))
    found = combined.figures(np.ones(len(measured)))
    spans = intervals(combined, found, len(measured), seed) if clips else {label: (Interval(), Interval()) for label in found}
    note, metric = _note(combined, clips, len(measured), lacks), chosen.metric
    return tuple(
        Figure(
            metric.name, label, value, spans[label][0].low, spans[label][0].high, reference, spans[label][1].low, spans[label][1].high, metric.unit,
            metric.direction, clips, note,
        )
        for label, (value, reference) in found.items()
    ), combined  # fmt: skip


def _gap(value: float, reference: float, direction: str) -> float:
    """How bad a clip's value is: the more, the worse."""
    if direction == "reference":
        return abs(value - reference)
    return value if direction == "lower" else -value


def _standing_out(gaps: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How many robust standard deviations each is above the median; 0 below it, where it is unknown, and where there are too few."""
    known = np.isfinite(gaps)
    if known.sum() < _FEWEST_FOR_TROUBLE:
        return np.zeros(len(gaps))
    middle = np.median(gaps[known])
    spread = 1.4826 * np.median(np.abs(gaps[known] - middle))
    spread = spread if spread > 0 else gaps[known].std()
    return np.where(known & (spread > 0), np.maximum(np.nan_to_num(gaps - middle), 0) / max(float(spread), 1e-12), 0.0)


def rows_of(names: Sequence[str], frames: Sequence[int], answers: Sequence[tuple[ChosenMetric, Combined]]) -> tuple[Row, ...]:
    """A row for each clip, the most troubled first."""
    values: list[dict[str, float]] = [{} for _ in names]
    references: list[dict[str, float]] = [{} for _ in names]
    worst = [(0.0, "")] * len(names)
    for chosen, combined in answers:
        for label, (ours, theirs) in combined.rows.items():
            name = f"{chosen.metric.name} {label}".strip()
            gaps = np.array([_gap(a, b, chosen.metric.direction) for a, b in zip(ours, theirs, strict=True)], np.float64)
            for k, out in enumerate(_standing_out(gaps)):
                values[k][name], references[k][name] = float(ours[k]), float(theirs[k])
                worst[k] = max(worst[k], (float(out), name if out > 0 else ""))
    rows = [Row(name, frames[k], values[k], references[k], round(worst[k][0], 2), worst[k][1]) for k, name in enumerate(names)]
    return tuple(sorted(rows, key=lambda row: (-row.trouble, row.name)))


def _speaker(done: ClipMeasured) -> str:
    named = [part for part in done.name.split("/") if speaker_of(part) != part]
    return done.speaker or (speaker_of(named[0]) if named else "unknown")


def _several(values: Sequence[str]) -> str:
    every = sorted(set(values))
    return ", ".join(every) if len(every) <= _MOST_SPEAKERS else f"{len(every)} of them"


def heading(tools: Instruments, done: Sequence[ClipMeasured], seed: int) -> dict[str, Any]:
    """What stands above every table."""
    protocol = tools.protocol
    seeds = sorted({each.seed for each in done if each.seed is not None})
    return {
        "name": protocol.name,
        "scale": protocol.scale,
        "speakers": _several([_speaker(each) for each in done]),
        "fps": protocol.fps,
        "frames_per_clip": protocol.frames or "all",
        "clips": len(done),
        "autoencoder": tools.kit.name,
        "autoencoder_sha256": tools.kit.sha256,
        "joint_speeds": tools.kit.speeds,
        "body": tools.body.name + (f" {tools.body.sha256[:12]}" if tools.body.sha256 else ""),
        "index": tools.gestures.sha256[:12] if tools.gestures else "",
        "seed": _several([str(each) for each in seeds]) or "unknown",
        "bootstrap_seed": seed,
        "metrics": ", ".join(chosen.identity for chosen in tools.metrics),
    }


def evaluate_clips(
    found: Found, setup: Setup, tools: Instruments, *, cache: ClipCache, workers: int = 1, seed: int = 0, progress: Progress | None = None
) -> Evaluation:
    """Measure every clip once, streaming, and make the report.

    Raises:
        InputError: no clip could be evaluated.
    """
    columns = {chosen.identity: Measurements() for chosen in tools.metrics}
    lacks: dict[str, Counter[str]] = {identity: Counter() for identity in columns}
    done: list[ClipMeasured] = []
    left_out = list(found.left_out)
    for number, each in enumerate(measure_all(found.clips, setup, tools, cache, workers)):
        if each.fault or each.measured is None:
            left_out.append(each.fault)
        else:
            for identity, kept in each.measured.items():
                columns[identity].add(each.name, kept.arrays)
                lacks[identity].update([kept.lacks] if kept.lacks else [])
            left_out += each.lost
            done.append(_bare(each))
        if progress:
            progress(each.name, (number + 1) / len(found.clips))
    if not done:
        raise InputError(f"none of {len(found.clips)} clips could be read; {left_out[0]}")
    made = [(chosen, *figures_of(chosen, columns[chosen.identity], lacks[chosen.identity], seed)) for chosen in tools.metrics]
    rows = rows_of([each.name for each in done], [each.frames for each in done], [(chosen, combined) for chosen, _, combined in made])
    cut = sum(each.cut for each in done)
    notes = (f"{cut} clips are not as long as their references: both were cut to the shorter",) if cut else ()
    about = tuple(About(m.name, m.unit, m.direction, m.source, m.meaning) for m in (chosen.metric for chosen in tools.metrics))
    figures = tuple(figure for _, group, _ in made for figure in group)
    report = Report(heading(tools, done, seed), figures, rows, tuple(left_out), notes, about)
    return Evaluation(report, tuple(each.name for each in done), columns, tools.metrics)


def _bare(each: ClipMeasured) -> ClipMeasured:
    """Without what was measured, which has been put away."""
    return ClipMeasured(each.name, each.frames, "", (), None, each.seed, each.speaker, cut=each.cut, cached=each.cached)
