"""The command line: the commands, and the one place where errors become a line and an exit code.

``main`` is the only function of this program that exits. Heavy imports are inside the commands' functions, so that
``raggesture --help`` needs no torch.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer

from raggesture.cli import evaluate, export, generate, index, longform, model, plugins, train
from raggesture.cli.console import error_line, silence_stdout
from raggesture.errors import Interrupted, RaggestureError, UsageError

MORE = "More"
INTERNAL_ERROR = 1
INTERRUPTED = "interrupted; nothing half-written was left behind"

app = typer.Typer(
    name="raggesture",
    help="Speech in, gestures out: retrieval-augmented diffusion of co-speech gestures.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(name="generate")(generate.generate)
app.command(name="longform")(longform.longform)
app.add_typer(index.app, name="index")
app.add_typer(train.app, name="train")
app.command(name="eval")(evaluate.evaluate)
app.command(name="export", rich_help_panel=MORE)(export.export)
app.add_typer(model.app, name="model", rich_help_panel=MORE)
app.add_typer(plugins.app, name="plugins", rich_help_panel=MORE)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        from raggesture.cli.console import result

        result(f"raggesture {version('raggesture')}")
        raise typer.Exit


@app.callback()
def _root(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False) -> None:
    """Speech in, gestures out: retrieval-augmented diffusion of co-speech gestures."""


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code: the error boundary."""
    verbose = bool({"-v", "--verbose"} & set(arguments))
    try:
        try:
            code = app(args=list(arguments), prog_name="raggesture", standalone_mode=False)
            sys.stdout.flush()
        except typer.TyperException as fault:  # the arguments do not parse
            raise _usage(fault) from fault
        if code == Interrupted.exit_code:  # Typer has made an exit code of a KeyboardInterrupt
            error_line(INTERRUPTED)
        return code if isinstance(code, int) else 0
    except RaggestureError as fault:
        if verbose:
            traceback.print_exc(file=sys.stderr)
        error_line(fault)
        return fault.exit_code
    except (KeyboardInterrupt, typer.Abort):
        error_line(INTERRUPTED)
        return Interrupted.exit_code
    except BrokenPipeError:  # the reader of our stdout went away: that is its right
        silence_stdout()
        return 0
    except Exception as bug:
        if verbose:
            traceback.print_exc(file=sys.stderr)
        error_line(f"bug: {type(bug).__name__}: {bug} - please report it" + ("" if verbose else "; -v shows where it happened"))
        return INTERNAL_ERROR


def _usage(fault: typer.TyperException) -> UsageError:
    message = " ".join(fault.format_message().split())
    context = getattr(fault, "ctx", None)
    where = context.command_path if context is not None else "raggesture"
    return UsageError(f"{where}: {message} - see '{where} --help'")


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of the command ``raggesture``."""
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(run(sys.argv[1:]))
