"""What the command line shows: results on stdout, everything else (warnings, progress) on stderr."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import typer

LOGGER = logging.getLogger("raggesture")
Progress = Callable[[str, float], None]


class _StderrHandler(logging.Handler):
    """One line per record: ``warning: ...``, the same line once. Looks stderr up at each record, so that it may be redirected."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = " ".join(record.getMessage().split())
        if record.levelno in (logging.INFO, logging.WARNING):
            if message in self._said:
                return
            self._said.add(message)
        prefix = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        print(prefix + message, file=sys.stderr)  # noqa: T201 - the command line is where printing happens


@contextmanager
def logging_to_stderr(*, verbose: bool = False, quiet: bool = False) -> Iterator[None]:
    """Show the library's warnings (``-v``: also what it is doing, ``-q``: only errors) while a command runs."""
    handler = _StderrHandler()
    level, propagate = LOGGER.level, LOGGER.propagate
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO)
    LOGGER.propagate = False
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)
        LOGGER.propagate = propagate


def silence_stdout() -> None:
    """Point stdout at nothing, so that what is still buffered does not fail at exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def error_line(message: object) -> None:
    """``error: ...`` on stderr."""
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)  # noqa: T201


def result(text: str) -> None:
    """A line of result on stdout. A reader that went away ends the program, which is no error."""
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:
        silence_stdout()
        raise typer.Exit from None


def result_json(data: Any) -> None:
    """A result as JSON on stdout."""
    result(json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2))


def table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A table on stdout: drawn where a person looks, columns parted by tabs where a program reads."""
    if not sys.stdout.isatty():
        for row in (headings, *rows):
            result("\t".join(row))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    drawn = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        drawn.add_row(*(escape(cell) for cell in row))
    Console().print(drawn)


@contextmanager
def progress_bar(*, quiet: bool = False, remaining: bool = False) -> Iterator[Progress]:
    """A callback ``(stage, fraction)`` that draws on stderr if a person looks at it, and does nothing else otherwise. ``remaining``: also the time left."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage, fraction: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()]
    if remaining:
        columns += [TextColumn("left"), TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=1.0)
        yield lambda stage, fraction: bars.update(task, description=stage, completed=fraction)
