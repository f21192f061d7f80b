"""The table and the plot of known systems side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from raggesture.metrics.report import Figure, Report
from raggesture.plots import COLOURS, drawn


@dataclass(frozen=True, slots=True)
class Column:
    """A figure that is shown: its name in reports, what to call it, and how to write it."""

    name: str
    title: str
    digits: int = 2


COLUMNS = (
    Column("fgd", "FGD (starter's scale)", 1),
    Column("density-coverage coverage", "coverage"),
    Column("diversity", "diversity", 3),
    Column("l1div", "L1Div", 1),
    Column("beat-align", "BeatAlign"),
    Column("mismatch", "mismatch, %", 0),
    Column("srgr", "SRGR"),
    Column("gesture-made placed", "placed gesture made, %", 0),
    Column("gesture-made labelled", "labelled gesture made, %", 0),
    Column("stroke-offset placed", "stroke off, ms", 0),
    Column("survival", "from exemplar, m", 3),
    Column("retrieval-recall gesture@1", "found = labelled, %", 0),
    Column("ldlj", "LDLJ", 1),
    Column("footing slide", "slide, m/s", 3),
    Column("hand-penetration share", "hand in the body, share of frames", 4),
)


def _of(report: Report, name: str) -> Figure | None:
    return next((figure for figure in report.figures if figure.name == name), None)


def _cell(figure: Figure | None, digits: int) -> str:
    if figure is None or not math.isfinite(figure.value):
        return "-"
    text = f"{figure.value:.{digits}f}"
    if math.isfinite(figure.low) and math.isfinite(figure.high):
        text += f" ({figure.low:.{digits}f} to {figure.high:.{digits}f})"
    return text


def table(reports: Mapping[str, Report]) -> str:
    """Markdown: systems down, figures across, 95 % intervals in brackets; the protocol above."""
    first = next(iter(reports.values()))
    head = ", ".join(f"{key} {value}" for key, value in first.protocol.items() if key not in ("metrics", "seed"))
    lines = [f"Protocol: {head}", "", "| | " + " | ".join(column.title for column in COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, report in reports.items():
        lines.append(f"| {name} | " + " | ".join(_cell(_of(report, column.name), column.digits) for column in COLUMNS) + " |")
    return "\n".join(lines) + "\n"


def draw(reports: Mapping[str, Report], path: Path) -> None:
    """A panel for each figure that two systems have: a dot and its interval for each system, the ground truth's own as a line."""
    shown = [column for column in COLUMNS if sum(_known(report, column.name) for report in reports.values()) >= 2]
    across = 4
    down = max(1, -(-len(shown) // across))
    with drawn(path, 3.1 * across, 0.28 * (len(reports) + 4) * down) as canvas:
        panels = canvas.subplots(down, across, squeeze=False, sharey=True)
        names = list(reports)
        for place, panel in enumerate(panels.flat):
            if place >= len(shown):
                panel.set_visible(False)
                continue
            _panel(panel, shown[place], list(reports.values()))
            panel.set_yticks(range(len(names)), names)
        panels.flat[0].invert_yaxis()


def _known(report: Report, name: str) -> bool:
    figure = _of(report, name)
    return figure is not None and math.isfinite(figure.value)


def _panel(panel, column: Column, reports: Sequence[Report]) -> None:  # type: ignore[no-untyped-def]
    truth = _of(reports[0], column.name)
    if truth is not None and math.isfinite(truth.value):
        panel.axvline(truth.value, color="0.6", linewidth=1, linestyle="--")
    for row, report in enumerate(reports):
        figure = _of(report, column.name)
        if figure is None or not math.isfinite(figure.value):
            continue
        colour = "0.3" if row == 0 else COLOURS[0]
        if math.isfinite(figure.low) and math.isfinite(figure.high):
            panel.plot([figure.low, figure.high], [row, row], color=colour, linewidth=1.4)
        panel.plot([figure.value], [row], "o", color=colour, markersize=4)
    panel.set_title(column.title)
    panel.grid(visible=False, axis="y")
