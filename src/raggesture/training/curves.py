"""The curve of a training run: one row a report, kept in memory and as CSV."""

from __future__ import annotations

import csv
from dataclasses import astuple, dataclass, fields
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """``loss``: mean since the last row. ``held_out``, ``held_out_noisy``: of the averaged weights on fixed held-out windows at all timesteps and from

    800 up (NaN where not measured); the second one tells over-fitting to the words. ``steps_per_s``: since the last row.
    """

    step: int
    minutes: float
    loss: float
    learning_rate: float
    gradient: float
    held_out: float
    held_out_noisy: float
    steps_per_s: float


COLUMNS = tuple(field.name for field in fields(CurvePoint))


def append_point(path: Path, point: CurvePoint) -> None:
    """Add a row; a new file gets a header."""
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        if fresh:
            writer.writerow(COLUMNS)
        writer.writerow([value if isinstance(value, int) else f"{value:.6g}" for value in astuple(point)])


def read_curve(path: Path) -> tuple[CurvePoint, ...]:
    """All rows of a CSV; none if there is no file."""
    if not path.exists():
        return ()
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return tuple(CurvePoint(int(row["step"]), *(float(row[name]) for name in COLUMNS[1:])) for row in rows)


def drop_after(path: Path, step: int) -> None:
    """Cut a CSV back to ``step``, where a resumed run goes on."""
    kept = [point for point in read_curve(path) if point.step <= step]
    path.unlink(missing_ok=True)
    for point in kept:
        append_point(path, point)
