"""The page of ``eval --html``: one file that works offline, in light and dark, and runs no script.

Everything that comes from names, notes and files is escaped; a content security policy allows the page's own style and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from raggesture.metrics.compare import Comparison
from raggesture.metrics.report import Report, Row
from raggesture.metrics.svg import bounds_of, histogram, span

STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --paper: #fbfbfa; --soft: #667; --line: #d9dcdf; --ours: #2f6f9f; --theirs: #c2571a; --head: #eef1f3; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e6e8; --paper: #15181b; --soft: #9aa3ab; --line: #343a40; --ours: #6db3e8; --theirs: #f0955a; --head: #20252a; }
}
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.facts { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: 0; } .facts div { display: flex; gap: .4rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { background: var(--head); position: sticky; top: 0; } td.n { text-align: right; white-space: nowrap; } td.note { color: var(--soft); max-width: 22rem; }
a { color: var(--ours); } svg text { fill: var(--soft); font-size: 10px; } svg.histogram { max-width: 100%; }
rect.ours, circle.ours { fill: var(--ours); } polyline.theirs { fill: none; stroke: var(--theirs); stroke-width: 1.6; }
line.theirs { stroke: var(--theirs); stroke-width: 2; } line.span { stroke: var(--ours); stroke-width: 2; }
.grid { display: flex; flex-wrap: wrap; gap: 1.2rem; } figure { margin: 0; } figcaption { font-size: .85rem; }
.key span { padding-right: 1rem; } .o { color: var(--ours); } .t { color: var(--theirs); } .worst { font-weight: 600; }
"""


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "-"


def _interval(low: float, high: float) -> str:
    return f"{_number(low)} to {_number(high)}" if math.isfinite(low) and math.isfinite(high) else "-"


def _cells(cells: Iterable[tuple[str, str]]) -> str:
    """A row of (class, HTML) cells."""
    return "<tr>" + "".join(f'<td class="{kind}">{inner}</td>' if kind else f"<td>{inner}</td>" for kind, inner in cells) + "</tr>"


def _table(headings: Sequence[str], rows: Iterable[str]) -> str:
    head = "".join(f"<th>{html.escape(each)}</th>" for each in headings)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _facts(protocol: Mapping[str, Any]) -> str:
    rows = (f"<div><dt>{html.escape(str(key))}</dt><dd>{html.escape(str(value))}</dd></div>" for key, value in protocol.items() if key != "metrics")
    return f'<dl class="facts">{"".join(rows)}</dl>'


def _list(lines: Sequence[str], title: str) -> str:
    return f"<h2>{html.escape(title)}</h2><ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>" if lines else ""


def _page(title: str, body: str) -> str:
    digest = "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src '{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy, quote=True)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n<body>\n<h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )


_KEY = '<p class="key"><span class="o">&#9632; results</span><span class="t">&#9644; references</span></p>'


def _figures(report: Report) -> str:
    rows = []
    for figure in report.figures:
        bounds = bounds_of([figure.value, figure.low, figure.high, figure.reference])
        rows.append(
            _cells(
                [
                    ("", html.escape(figure.name)), ("n", _number(figure.value)), ("n", _interval(figure.low, figure.high)),
                    ("", span(figure.value, figure.low, figure.high, figure.reference, bounds)), ("n", _number(figure.reference)),
                    ("", html.escape(figure.direction)), ("n", str(figure.clips)), ("note", html.escape(figure.unit)), ("note", html.escape(figure.note)),
                ]
            )
        )  # fmt: skip
    return _table(("metric", "results", "95 %", "", "references", "better", "clips", "unit", "note"), rows)


def _distributions(report: Report) -> str:
    names = [figure.name for figure in report.figures if any(figure.name in row.values for row in report.rows)]
    drawn = []
    for name in names:
        sides = [[side.get(name, math.nan) for side in sides] for sides in ([row.values for row in report.rows], [row.references for row in report.rows])]
        picture = histogram(sides[0], sides[1], html.escape(f"distribution of {name} over clips", quote=True))
        if picture:
            drawn.append(f"<figure><figcaption>{html.escape(name)}</figcaption>{picture}</figure>")
    return f'<h2>Clips, figure by figure</h2>{_KEY}<div class="grid">{"".join(drawn)}</div>' if drawn else ""


def _link(name: str, results: Path, folder: Path) -> str:
    """The clip's name, as a link where its own page lies beside its result."""
    for page in (results / f"{name}.html", results / name / "pred_motion.html"):
        if page.is_file():
            where = quote(Path(os.path.relpath(page.resolve(), folder.resolve())).as_posix())
            return f'<a href="{html.escape(where, quote=True)}">{html.escape(name)}</a>'
    return html.escape(name)


def _clips(report: Report, results: Path, folder: Path) -> str:
    names = [figure.name for figure in report.figures if any(figure.name in row.values for row in report.rows)]

    def cells(row: Row) -> Iterable[tuple[str, str]]:
        yield ("", _link(row.name, results, folder))
        yield ("n", f"{row.trouble:.1f}" if row.worst else "-")
        yield ("", html.escape(row.worst or "-"))
        yield ("n", str(row.frames))
        for name in names:
            ours, theirs = row.values.get(name, math.nan), row.references.get(name, math.nan)
            beside = f' <span class="t">{_number(theirs)}</span>' if math.isfinite(theirs) else ""
            yield ("n worst" if name == row.worst else "n", _number(ours) + beside)

    heading = (
        "<h2>Clips, the most troubled first</h2><p>Trouble: robust standard deviations by which a clip's worst figure stands out from the other clips'.</p>"
    )
    return heading + _table(("clip", "trouble", "in", "frames", *names), (_cells(cells(row)) for row in report.rows))


def _meanings(report: Report) -> str:
    rows = (
        _cells([("", html.escape(a.metric)), ("", html.escape(a.meaning)), ("note", html.escape(a.source)), ("note", html.escape(a.unit))])
        for a in report.about
    )
    return "<h2>What the figures mean, and do not</h2>" + _table(("metric", "meaning", "source", "unit"), rows)


def report_page(report: Report, results: Path, folder: Path) -> str:
    """The page of one folder of results. ``folder``: where the page will lie, for the links to the clips' pages."""
    parts = [
        _facts(report.protocol), "<h2>Figures</h2>", _KEY, _figures(report), _list(report.notes, "Notes"),
        _list(report.left_out, f"Left out ({len(report.left_out)})"), _distributions(report), _clips(report, results, folder), _meanings(report),
    ]  # fmt: skip
    return _page(f"Evaluation of {results.name or results}", "\n".join(part for part in parts if part))


def comparison_page(found: Comparison) -> str:
    """The page of two results side by side."""
    rows = []
    for each in found.differences:
        bounds = bounds_of([each.difference, each.low, each.high, 0.0])
        rows.append(
            _cells(
                [
                    ("", html.escape(each.name)), ("n", _number(each.first)), ("n", _number(each.second)), ("n", _number(each.difference)),
                    ("n", _interval(each.low, each.high)), ("", span(each.difference, each.low, each.high, 0.0, bounds)),
                    ("", html.escape(each.direction)), ("", each.better or "-"),
                ]
            )
        )  # fmt: skip
    changed = [
        _cells([("", html.escape(c.clip)), ("", html.escape(c.name)), ("n", _number(c.first)), ("n", _number(c.second)), ("n", f"{c.size:.1f}")])
        for c in found.changes
    ]
    body = [
        _facts({**found.protocol, "clips": found.clips, "first": found.names[0], "second": found.names[1]}),
        "<h2>Differences, paired by clip</h2>",
        _table(("metric", "first", "second", "second - first", "95 %", "", "better is", "shown better"), rows),
        "<h2>Changed most</h2>" + _table(("clip", "metric", "first", "second", "deviations"), changed) if changed else "",
        _list(found.alone, "Not compared"),
    ]
    return _page(f"{found.names[0]} and {found.names[1]}", "\n".join(part for part in body if part))
