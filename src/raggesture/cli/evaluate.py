"""``raggesture eval``: figures of a folder of results against references."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from raggesture.cli import options as o
from raggesture.cli.console import LOGGER, progress_bar, result, result_json, table
from raggesture.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from raggesture.metrics.report import Report


def evaluate(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="Folder of NAME.npz, or of */*/pred_motion.npz as the published tools write them.")],
    reference: Annotated[Path | None, typer.Option("--reference", metavar="DIR", help="References of the same names, or a corpus.")] = None,
    protocol: Annotated[str, typer.Option("--protocol", metavar="paper|default", help="What is measured, and how.")] = "default",
    csv_file: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Also the figures of each clip, as CSV.")] = None,
    kit_file: Annotated[Path | None, typer.Option("--kit", metavar="FILE", help="Weights to measure with ('train fgd'). (default: the packaged ones)")] = None,
    force: o.Force = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Compute FGD, BeatAlign, L1Div and Diversity of RESULTS against references."""
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.metrics import report
        from raggesture.metrics.fgd import load_kit
        from raggesture.outputs import check_output
        from raggesture.resources import PACK_NAME, packaged_dir

        if protocol not in get_args(report.Protocol):
            raise UsageError(f"--protocol {protocol!r}: unknown; {did_you_mean(protocol, get_args(report.Protocol))}")
        if csv_file is not None:
            check_output(csv_file, force=force)
        report.find_pairs(results, reference)  # what cannot be matched at all fails before weights are read
        kit = load_kit(kit_file or packaged_dir(PACK_NAME, "evaluation.safetensors"))
        with progress_bar(quiet=quiet) as progress:
            chosen: report.Protocol = "paper" if protocol == "paper" else "default"
            found = report.evaluate(results, reference, kit, protocol=chosen, progress=progress)
        for line in found.left_out:
            LOGGER.warning("left out: %s", line)
        if csv_file is not None:
            _write_csv(found, csv_file, force=force)
        if as_json:
            result_json(found.to_json())
            return
        result(", ".join(f"{key} {value}" for key, value in found.protocol.items()))
        table(
            ("metric", "results", "references", "better", "note"), [(f.name, _figure(f.value), _figure(f.reference), f.better, f.note) for f in found.figures]
        )


def _figure(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "-"


def _write_csv(found: Report, path: Path, *, force: bool) -> None:
    from raggesture.outputs import new_files

    rows = found.to_json()["rows"]
    with new_files([path], force=force) as (partial,), partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
