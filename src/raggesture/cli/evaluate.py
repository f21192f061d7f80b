"""``raggesture eval``: figures of a folder of results against references, and of two folders against each other."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from raggesture.cli import options as o
from raggesture.cli.console import LOGGER, progress_bar, result, result_json, table
from raggesture.errors import ConfigError, InputError, UsageError, did_you_mean

if TYPE_CHECKING:
    from raggesture.evaluation import EvaluationOptions
    from raggesture.metrics.compare import Comparison
    from raggesture.metrics.report import Evaluation, Figure, Report

_WHAT = "What is measured, and with what"
_HIDDEN = ("metrics", "index")

Results = Annotated[Path, typer.Argument(metavar="RESULTS", help="Folder of NAME.npz, or of */*/pred_motion.npz as the published tools write them.")]
Other = Annotated[Path | None, typer.Argument(metavar="[OTHER]", help="Another such folder (or a report of --json): compared with RESULTS clip by clip.")]
Reference = Annotated[Path | None, typer.Option("--reference", metavar="DIR", help="References of the same names, or a corpus.")]
ProtocolName = Annotated[str, typer.Option("--protocol", metavar="paper|default", help="By which rules.", rich_help_panel=_WHAT)]
Frames = Annotated[int | None, typer.Option("--frames", metavar="N", min=0, help="So many of each clip, 0 for all. (default: 300)", rich_help_panel=_WHAT)]
MetricNames = Annotated[list[str] | None, typer.Option("--metric", metavar="NAME", help="Only these; repeatable. See 'plugins list'.", rich_help_panel=_WHAT)]
MetricOption = Annotated[list[str] | None, typer.Option("-M", metavar="NAME.KEY=VALUE", help="An option of a metric; repeatable.", rich_help_panel=_WHAT)]
Kit = Annotated[
    Path | None,
    typer.Option(
        "--kit", metavar="FILE", rich_help_panel=_WHAT,
        help="Autoencoder of FGD: AESKConv_240_100.bin, or a kit of 'train fgd'. (default: AESKConv in the corpus' weights/, else the packaged one)",
    ),
]  # fmt: skip
BodyFile = Annotated[
    Path | None, typer.Option("--body", metavar="FILE", help="Your SMPLX_NEUTRAL_2020.npz. (default: mannequin-x's joints)", rich_help_panel=_WHAT)
]
IndexPlace = Annotated[str, typer.Option("--index", metavar="PATH|starter", help="The index the results were made with.", rich_help_panel=_WHAT)]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of the intervals.", rich_help_panel=_WHAT)]
Workers = Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Processes.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Measure everything again, keep nothing.")]
CsvFile = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Also the figures of each clip, as CSV.")]
HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Also one page: tables, distributions, clips by trouble.")]


def evaluate(
    results: Results,
    other: Other = None,
    reference: Reference = None,
    protocol: ProtocolName = "default",
    frames: Frames = None,
    metric: MetricNames = None,
    metric_option: MetricOption = None,
    kit: Kit = None,
    body: BodyFile = None,
    index: IndexPlace = "starter",
    seed: Seed = 0,
    workers: Workers = 1,
    no_cache: NoCache = False,
    csv_file: CsvFile = None,
    html_file: HtmlFile = None,
    force: o.Force = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Measure RESULTS against references: distribution, timing, meaning, body, face. With OTHER: what differs, and is it more than chance.

    Exit code 3 also if something was left out, after everything else has been shown.
    """
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.evaluation import EvaluationOptions
        from raggesture.metrics.protocols import EvaluationProtocol, Name
        from raggesture.outputs import check_output

        if protocol not in get_args(Name):
            raise UsageError(f"--protocol {protocol!r}: unknown; {did_you_mean(protocol, get_args(Name))}")
        if protocol == "paper" and frames not in (None, 300):
            raise UsageError(f"--protocol paper --frames {frames}: the published evaluator takes 300; expected one of them - leave --frames out")
        for path in (csv_file, html_file):
            if path is not None:
                check_output(path, force=force)
        if other is not None and csv_file is not None:
            raise UsageError("--csv: rows of clips are of one folder; expected RESULTS alone - use --json or --html with two")
        options = EvaluationOptions(
            EvaluationProtocol.named("paper" if protocol == "paper" else "default", frames), tuple(metric or ()), _metric_options(metric_option or ()),
            kit, body, index, workers, seed, not no_cache,
        )  # fmt: skip
        if other is not None:
            _compare(results, other, reference, options, html_file, force=force, as_json=as_json, quiet=quiet)
            return
        report = _one(results, reference, options, quiet=quiet).report
        _write(report, results, csv_file, html_file, force=force)
        if as_json:
            result_json(report.to_json())
        else:
            _show(report)
        _end(report.left_out)


def _metric_options(pairs: list[str] | tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """``name.key=value`` by name; values as TOML has them, else text."""
    import tomli

    found: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        address, equals, text = pair.partition("=")
        name, dot, key = address.partition(".")
        if not (equals and dot and name and key):
            raise ConfigError(f"-M {pair!r}: expected NAME.KEY=VALUE, as in -M mismatch.least_frames=90 - correct it")
        try:
            value = tomli.loads(f"x = {text}")["x"]
        except tomli.TOMLDecodeError:
            value = text
        found.setdefault(name, {})[key] = value
    return found


def _one(results: Path, reference: Path | None, options: EvaluationOptions, *, quiet: bool) -> Evaluation:
    from raggesture.evaluation import evaluate as measure

    with progress_bar(quiet=quiet, remaining=True) as progress:
        found = measure(results, reference, options, progress=progress)
    for line in found.report.left_out:
        LOGGER.warning("left out: %s", line)
    return found


def _end(left_out: tuple[str, ...]) -> None:
    """Exit code 3 where something was left out."""
    if left_out:
        LOGGER.warning("%d left out; the figures are of the rest", len(left_out))
        raise typer.Exit(InputError.exit_code)


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "-"


def _interval(low: float, high: float) -> str:
    return f"{_number(low)} to {_number(high)}" if math.isfinite(low) and math.isfinite(high) else "-"


def _head(protocol: Any) -> str:
    shown = {key: str(value)[:12] if key.endswith("sha256") else value for key, value in protocol.items() if key not in _HIDDEN}
    return ", ".join(f"{key} {value}" for key, value in shown.items())


def _line(figure: Figure) -> tuple[str, ...]:
    clips = str(figure.clips)
    return (
        figure.name, _number(figure.value), _interval(figure.low, figure.high), _number(figure.reference), figure.direction, clips, figure.unit, figure.note,
    )  # fmt: skip


def _show(report: Report) -> None:
    result(_head(report.protocol))
    table(("metric", "results", "95 %", "references", "better", "clips", "unit", "note"), [_line(figure) for figure in report.figures])
    for note in report.notes:
        LOGGER.info(note)


def _write(report: Report, results: Path, csv_file: Path | None, html_file: Path | None, *, force: bool) -> None:
    from raggesture.metrics.page import report_page
    from raggesture.outputs import new_files

    writers: list[tuple[Path, Callable[[Path], None]]] = []
    if csv_file is not None:
        writers.append((csv_file, lambda path: _write_csv(report, path)))
    if html_file is not None:
        folder = html_file.parent
        writers.append((html_file, lambda path: _text(path, report_page(report, results, folder))))
    with new_files([path for path, _ in writers], force=force) as partial:
        for (_, write), path in zip(writers, partial, strict=True):
            write(path)


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _write_csv(report: Report, path: Path) -> None:
    names = [figure.name for figure in report.figures if any(figure.name in row.values for row in report.rows)]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["name", "frames", "trouble", "worst", *(head for name in names for head in (name, f"{name} (reference)"))])
        for row in report.rows:
            cells = [side.get(name, math.nan) for name in names for side in (row.values, row.references)]
            writer.writerow([row.name, row.frames, row.trouble, row.worst, *(repr(cell) if math.isfinite(cell) else "" for cell in cells)])


def _compare(
    results: Path, other: Path, reference: Path | None, options: EvaluationOptions, html_file: Path | None, *, force: bool, as_json: bool, quiet: bool
) -> None:
    from raggesture.metrics.compare import compare, compare_reports, read_report
    from raggesture.metrics.page import comparison_page
    from raggesture.metrics.report import Evaluation
    from raggesture.outputs import new_files

    first, second = (read_report(path) if path.is_file() else _one(path, reference, options, quiet=quiet) for path in (results, other))
    names = (str(results), str(other))
    reports = [each.report if isinstance(each, Evaluation) else each for each in (first, second)]
    found: Comparison
    if isinstance(first, Evaluation) and isinstance(second, Evaluation):
        found = compare(first, second, names, options.seed)
    else:
        found = compare_reports(reports[0], reports[1], names, options.seed)
    if html_file is not None:
        with new_files([html_file], force=force) as (partial,):
            _text(partial, comparison_page(found))
    if as_json:
        result_json(found.to_json())
    else:
        _show_comparison(found)
    _end(tuple(line for report in reports for line in report.left_out) + found.alone)


def _show_comparison(found: Comparison) -> None:
    result(_head({**found.protocol, "clips": found.clips}))
    result(f"first {found.names[0]}, second {found.names[1]}")
    rows = [
        (each.name, _number(each.first), _number(each.second), _number(each.difference), _interval(each.low, each.high), each.direction, each.better or "-")
        for each in found.differences
    ]
    table(("metric", "first", "second", "second - first", "95 %", "better is", "shown better"), rows)
    if found.changes:
        result("most changed:")
        changed = [(each.clip, each.name, _number(each.first), _number(each.second), f"{each.size:.1f}") for each in found.changes]
        table(("clip", "metric", "first", "second", "deviations"), changed)
    for line in found.alone:
        LOGGER.warning("not compared: %s", line)
