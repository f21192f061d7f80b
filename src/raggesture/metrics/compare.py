"""Two results side by side: the difference of each figure with its interval, paired by clip, and which clips changed most.

Both must have been measured by one protocol. Only clips that both have are compared; the others are named. Two folders are drawn again together, so that
also sets of motions (FGD) have an interval; of a report that was written earlier only the clips' own values are known, and their mean difference is taken.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from raggesture.errors import InputError
from raggesture.metrics.bootstrap import FEWEST, Interval, drawn_counts, interval_of
from raggesture.metrics.measured import Combined
from raggesture.metrics.protocols import check_same
from raggesture.metrics.report import SCHEMA, Evaluation, Figure, Report, Row, combine

MOST_CHANGED = 10
_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure: of the first, of the second, second minus first with its interval, and who is better (``first``, ``second``, "" where that is not shown)."""

    name: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    direction: str
    clips: int
    better: str


@dataclass(frozen=True, slots=True)
class Change:
    """One clip's value of one figure in both; ``size``: the change in standard deviations of the first's clips."""

    clip: str
    name: str
    first: float
    second: float
    size: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed, under which protocol, and which clips only one of them has."""

    names: tuple[str, str]
    protocol: Mapping[str, Any]
    clips: int
    differences: tuple[Difference, ...]
    changes: tuple[Change, ...]
    alone: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN becomes null."""
        plain: dict[str, Any] = asdict(self)
        plain["differences"] = [_plain(row) for row in plain["differences"]]
        plain["changes"] = [_plain(row) for row in plain["changes"]]
        return {"schema": SCHEMA, **plain}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}


def _gap(pair: tuple[float, float], direction: str) -> float:
    """How bad a figure is: the more, the worse."""
    value, reference = pair
    return abs(value - reference) if direction == "reference" else value if direction == "lower" else -value


def _better(gap: float, interval: Interval) -> str:
    """Whose figure is better, if the interval of the difference of badness leaves out 0."""
    if not interval.known or not math.isfinite(gap) or interval.low <= 0 <= interval.high:
        return ""
    return "second" if interval.high < 0 else "first"


def _paired(name: str, label: str, direction: str, both: tuple[Combined, Combined], clips: int, seed: int) -> Difference:
    first, second = both
    ones = np.ones(clips)
    a, b = first.figures(ones)[label], second.figures(ones)[label]
    apart, worse = b[0] - a[0], _gap(b, direction) - _gap(a, direction)
    spans = (Interval(), Interval())
    if clips >= FEWEST and first.interval and second.interval:
        draws = [(first.figures(counts)[label], second.figures(counts)[label]) for counts in drawn_counts(clips, min(first.draws, second.draws), seed)]
        spans = (
            interval_of(np.array([y[0] - x[0] for x, y in draws]), apart),
            interval_of(np.array([_gap(y, direction) - _gap(x, direction) for x, y in draws]), worse),
        )
    return Difference(name, a[0], b[0], apart, spans[0].low, spans[0].high, direction, clips, _better(worse, spans[1]))


def compare(first: Evaluation, second: Evaluation, names: tuple[str, str], seed: int = 0) -> Comparison:
    """Compare two folders that were evaluated alike.

    Raises:
        InputError: different protocols (the difference is named), or no clip in common.
    """
    check_same(first.report.protocol, second.report.protocol, names)
    common, alone = _common(first.names, second.names, names)
    places = [[each.names.index(clip) for clip in common] for each in (first, second)]
    differences = []
    for chosen in first.metrics:
        parts = [each.measured[chosen.identity].subset(at) for each, at in zip((first, second), places, strict=True)]
        combined = [combine(chosen, part, Counter()) for part in parts]
        labels = [label for label in combined[0].figures(np.ones(len(common))) if label in combined[1].figures(np.ones(len(common)))]
        for label in labels:
            name = f"{chosen.metric.name} {label}".strip()
            differences.append(_paired(name, label, chosen.metric.direction, (combined[0], combined[1]), len(common), seed))
    return Comparison(names, first.report.protocol, len(common), tuple(differences), _changes(first.report, second.report, common), alone)


def compare_reports(first: Report, second: Report, names: tuple[str, str], seed: int = 0) -> Comparison:
    """Compare two reports by what they say: figures as they are; the intervals are of the clips' mean difference, where clips have values.

    Raises:
        InputError: different protocols (the difference is named), or no clip in common.
    """
    check_same(first.protocol, second.protocol, names)
    rows = [{row.name: row for row in report.rows} for report in (first, second)]
    common, alone = _common(tuple(rows[0]), tuple(rows[1]), names)
    there = {figure.name: figure for figure in second.figures}
    draws = drawn_counts(len(common), _DRAWS, seed)
    differences = []
    for figure in first.figures:
        if figure.name not in there:
            continue
        a, b = figure, there[figure.name]
        spans = _row_spans(rows, common, figure, draws)
        pairs = (b.value, b.reference), (a.value, a.reference)
        worse = _gap(pairs[0], figure.direction) - _gap(pairs[1], figure.direction)
        better = _better(worse, spans[1])
        differences.append(Difference(figure.name, a.value, b.value, b.value - a.value, spans[0].low, spans[0].high, figure.direction, len(common), better))
    return Comparison(names, first.protocol, len(common), tuple(differences), _changes(first, second, common), alone)


def _row_spans(rows: Sequence[Mapping[str, Row]], common: Sequence[str], figure: Figure, draws: np.ndarray[Any, Any]) -> tuple[Interval, Interval]:
    pairs = [[(side[clip].values.get(figure.name, math.nan), side[clip].references.get(figure.name, math.nan)) for clip in common] for side in rows]
    apart = np.array([b[0] - a[0] for a, b in zip(*pairs, strict=True)])
    worse = np.array([_gap(b, figure.direction) - _gap(a, figure.direction) for a, b in zip(*pairs, strict=True)])
    return (_mean_span(apart, draws), _mean_span(worse, draws))


def _mean_span(values: np.ndarray[Any, Any], draws: np.ndarray[Any, Any]) -> Interval:
    known = np.isfinite(values)
    if known.sum() < FEWEST:
        return Interval()
    counts = draws[:, known]
    return interval_of(counts @ values[known] / np.maximum(counts.sum(axis=1), 1), float(values[known].mean()))


def _common(first: Sequence[str], second: Sequence[str], names: tuple[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    common = tuple(name for name in sorted(first) if name in set(second))
    if not common:
        raise InputError(f"{names[0]} and {names[1]}: no clip of one name; expected results of the same clips - check the folders")
    alone = [f"{name}: only in {whose}" for whose, ours in ((names[0], first), (names[1], second)) for name in sorted(set(ours) - set(common))]
    return common, tuple(alone)


def _changes(first: Report, second: Report, common: Sequence[str]) -> tuple[Change, ...]:
    rows = [{row.name: row.values for row in report.rows} for report in (first, second)]
    found = []
    for name in sorted({name for values in rows[0].values() for name in values}):
        before = {clip: rows[0][clip].get(name, math.nan) for clip in common}
        known = [value for value in before.values() if math.isfinite(value)]
        spread = float(np.std(known)) if len(known) >= FEWEST else 0.0
        for clip in common:
            after = rows[1][clip].get(name, math.nan)
            if spread > 0 and math.isfinite(before[clip]) and math.isfinite(after) and after != before[clip]:
                found.append(Change(clip, name, before[clip], after, abs(after - before[clip]) / spread))
    return tuple(sorted(found, key=lambda change: (-change.size, change.clip, change.name))[:MOST_CHANGED])


def read_report(path: Path) -> Report:
    """Read what ``eval --json`` wrote.

    Raises:
        InputError: no such file, not JSON, or another schema.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise ValueError(f"schema {data.get('schema') if isinstance(data, dict) else type(data).__name__}")
        figures = tuple(Figure(**{key: _number(value) for key, value in row.items()}) for row in data["figures"])
        rows = tuple(
            Row(row["name"], row["frames"], _numbers(row["values"]), _numbers(row["references"]), row["trouble"], row["worst"]) for row in data["rows"]
        )
        return Report(dict(data["protocol"]), figures, rows, tuple(data["left_out"]), tuple(data["notes"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        reason = f"{type(fault).__name__}: {fault}"
        raise InputError(f"{path}: cannot be read as a report ({reason}); expected what 'raggesture eval --json' of this version wrote") from fault


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {key: _number(value) for key, value in values.items()}


def _number(value: Any) -> Any:
    return math.nan if value is None else value
