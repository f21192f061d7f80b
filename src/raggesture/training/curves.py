"""The curve of a training run: one row a report, kept as CSV and drawn as PNG."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from raggesture.plots import COLOURS, drawn

_NAN = math.nan


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """``loss``: mean since the last row. ``held_out``, ``held_out_noisy``: on fixed held-out windows, at all timesteps and from 800 up (the second one

    tells over-fitting to the words). ``reconstruction``: a codec's squared error over the features' variance (1: the mean pose). ``fgd``: of samples
    against held-out motion. NaN where not measured. ``*_per_s``: since the last row, over all processes.
    """

    step: int
    minutes: float
    loss: float
    learning_rate: float
    gradient: float
    held_out: float = _NAN
    held_out_noisy: float = _NAN
    steps_per_s: float = _NAN
    samples_per_s: float = _NAN
    reconstruction: float = _NAN
    fgd: float = _NAN


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
    """All rows of a CSV; none if there is no file. A last row that a kill cut short is left out, columns that an older version did not have are NaN."""
    if not path.exists():
        return ()
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()[: None if text.endswith("\n") else -1]
    return tuple(CurvePoint(int(row["step"]), *(float(row.get(name) or _NAN) for name in COLUMNS[1:])) for row in csv.DictReader(lines))


def drop_after(path: Path, step: int) -> None:
    """Cut a CSV back to ``step``, where a resumed run goes on. In one step: a kill leaves the old file or the new one."""
    kept = [point for point in read_curve(path) if point.step <= step]
    work = path.with_name(f".{path.name}.tmp")
    work.unlink(missing_ok=True)
    for point in kept:
        append_point(work, point)
    if kept:
        work.replace(path)
    else:
        path.unlink(missing_ok=True)


def plot_curve(points: Sequence[CurvePoint], title: str, path: Path) -> None:
    """Draw loss (and what was measured on held-out data) over steps as a PNG, the learning rate below.

    Raises: ConfigError without matplotlib.
    """
    with drawn(path, 7.0, 5.0) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        for name, label in (("loss", "loss"), ("held_out", "held out"), ("held_out_noisy", "held out, t >= 800"), ("reconstruction", "reconstruction")):
            rows = [(point.step, getattr(point, name)) for point in points if math.isfinite(getattr(point, name))]
            if rows:
                upper.plot(*zip(*rows, strict=True), label=label, marker="." if len(rows) < 40 else "")
        if all(point.loss > 0 for point in points):
            upper.set_yscale("log")
        upper.set(ylabel="loss", title=title)
        lower.plot([point.step for point in points], [point.learning_rate for point in points], color=COLOURS[-1])
        lower.set(ylabel="learning rate", xlabel="step")
        distances = [(point.step, point.fgd) for point in points if math.isfinite(point.fgd)]
        if distances:
            beside = upper.twinx()
            beside.plot(*zip(*distances, strict=True), color=COLOURS[3], linestyle="--", marker="o", label="FGD (right)")
            beside.set_ylabel("FGD")
            beside.grid(visible=False)
            beside.legend(loc="upper center")
        if upper.lines:  # matplotlib warns on stderr of a legend of nothing
            upper.legend(loc="upper right")
