"""``python -m raggesture.corpus.starter OUT --hours 3 --workers 2 --seed 1``: write the starter corpus, with a progress bar."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from raggesture.corpus.starter.writer import write_corpus
from raggesture.errors import RaggestureError


def main(arguments: list[str] | None = None) -> int:
    """Parse the arguments, write, report; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m raggesture.corpus.starter", description="Write the starter corpus in BEAT2's folder layout.")
    parser.add_argument("out", type=Path, help="new folder, or one to go on with")
    parser.add_argument("--hours", type=float, default=3.0, help="hours of speech (default 3)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--seed", type=int, default=1, help="seed of texts, voices and motion (default 1)")
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    columns = (
        TextColumn("starter corpus"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[hours]:.2f} h"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("clips", total=None, hours=0.0)
            report = write_corpus(
                options.out,
                options.hours,
                options.seed,
                options.workers,
                lambda done, planned, seconds: bar.update(task, completed=done, total=planned, hours=seconds / 3600),
            )
    except RaggestureError as fault:
        console.print(f"error: {fault}", style="red", markup=False, soft_wrap=True)
        return fault.exit_code
    except KeyboardInterrupt:
        console.print("interrupted: whole clips are kept, the same command goes on", markup=False)
        return 130
    console.print(
        f"{report.clips} clips, {report.hours:.2f} h, {report.words} words, speakers {', '.join(report.speakers)}: {options.out}", markup=False, soft_wrap=True
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
