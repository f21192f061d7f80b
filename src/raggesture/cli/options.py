"""The options that several commands share, and what they make of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from raggesture.errors import UsageError


def _names_of(kind_name: str, incomplete: str) -> list[str]:
    from raggesture.plugins import manager

    kinds = {"retriever": manager.RETRIEVERS, "guidance": manager.SCHEDULES, "format": manager.EXPORTERS}
    try:
        names = manager.PluginManager.from_environment().names(kinds[kind_name])
    except Exception:  # a shell that completes must never see a traceback
        return []
    return [name for name in names if name.startswith(incomplete)]


def _retrievers(incomplete: str) -> list[str]:
    return _names_of("retriever", incomplete)


def _schedules(incomplete: str) -> list[str]:
    return _names_of("guidance", incomplete)


def _formats(incomplete: str) -> list[str]:
    head, comma, last = incomplete.rpartition(",")
    return [f"{head}{comma}{name}" for name in _names_of("format", last)]


def _profiles(incomplete: str) -> list[str]:
    from raggesture.profiles import profile_names

    return [name for name in profile_names() if name.startswith(incomplete)]


_HOW, _WHERE = "The motion", "Input and output"

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say what is being done; show the traceback of a bug.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No warnings, no progress.")]
Json = Annotated[bool, typer.Option("--json", help="Results as JSON on stdout.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite outputs that exist.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the settings and where each came from; load no weights, write nothing.")]
Device = Annotated[str | None, typer.Option("--device", metavar="auto|cpu|cuda", help="Where to compute. (default: auto)", rich_help_panel=_HOW)]
Retriever = Annotated[
    str | None,
    typer.Option("--retriever", metavar="NAME", autocompletion=_retrievers, rich_help_panel=_HOW, help="llm, discourse, gesture-type, none ... (default: llm)"),
]
RetrieverFallback = Annotated[
    str | None,
    typer.Option(
        "--retriever-fallback",
        metavar="labeller|none|fail",
        rich_help_panel=_HOW,
        help="What to do if the retriever's service does not answer. (default: labeller)",
    ),
]
RetrieverOption = Annotated[list[str] | None, typer.Option("-R", metavar="KEY=VALUE", help="An option of the retriever; repeatable.", rich_help_panel=_HOW)]
Guidance = Annotated[
    str | None,
    typer.Option("--guidance", metavar="NAME", autocompletion=_schedules, rich_help_panel=_HOW, help="Guidance schedule: see 'plugins list'. (default: hold)"),
]
GuidanceOption = Annotated[list[str] | None, typer.Option("-G", metavar="KEY=VALUE", help="An option of the schedule; repeatable.", rich_help_panel=_HOW)]
Inject = Annotated[
    str | None,
    typer.Option("--inject", metavar="HOW", rich_help_panel=_HOW, help="inversion+guidance, inversion, noised, inpaint or none. (default: inversion+guidance)"),
]
Weight = Annotated[float | None, typer.Option("--weight", metavar="0..1", help="How strongly exemplars shape the motion. (default: 1)", rich_help_panel=_HOW)]
Parts = Annotated[
    str | None,
    typer.Option(
        "--parts",
        metavar="LIST",
        rich_help_panel=_HOW,
        help="What a gesture brings along: upper, hands, face, lower, head, left-arm, right-arm. (default: upper,hands)",
    ),
]
Steps = Annotated[int | None, typer.Option("--steps", metavar="N", help="Sampling steps. (default: the sampler's own, 12 or 50)", rich_help_panel=_HOW)]
Sampler = Annotated[
    str | None,
    typer.Option("--sampler", metavar="dpm++|ddim", rich_help_panel=_HOW, help="How noise becomes motion: in 12 steps, or 50 as published. (default: dpm++)"),
]
Batch = Annotated[
    int | None, typer.Option("--batch", metavar="N", help="Recordings that are made side by side, where several are given. (default: 8)", rich_help_panel=_HOW)
]
Engine = Annotated[
    str | None,
    typer.Option("--engine", metavar="local|ray", help="Where many recordings are made: here, or on a Ray cluster. (default: local)", rich_help_panel=_HOW),
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="The same seed gives the same motion. (default: 0)", rich_help_panel=_HOW)]
Speaker = Annotated[str | None, typer.Option("--speaker", metavar="NAME", help="A speaker of the model: see 'model info'.", rich_help_panel=_HOW)]
Skeleton = Annotated[
    str,
    typer.Option(
        "--skeleton", metavar="NAME|FILE", help="How BVH files name their joints: smplx, mixamo, ... or a TOML table (docs/library.md). (default: what fits)"
    ),
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", metavar="NAME|FILE", autocompletion=_profiles, help="Settings from a TOML file or a packaged profile.", rich_help_panel=_HOW),
]
ModelPath = Annotated[str | None, typer.Option("--model", metavar="PATH|starter", help="Model folder. (default: starter)", rich_help_panel=_WHERE)]
IndexPath = Annotated[str | None, typer.Option("--index", metavar="PATH|starter", help="Index folder. (default: starter)", rich_help_panel=_WHERE)]
Transcript = Annotated[
    Path | None,
    typer.Option(
        "--transcript",
        metavar="FILE",
        help="TextGrid, JSON, SRT or text; else what lies beside it, else recognised.",
        rich_help_panel=_WHERE,
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the outputs.", rich_help_panel=_WHERE)]
Formats = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="LIST",
        autocompletion=_formats,
        help="Comma list: npz, html, mp4, bvh, glb, csv or a plugin's. (default: npz,html)",
        rich_help_panel=_WHERE,
    ),
]
Plan = Annotated[
    Path | None,
    typer.Option(
        "--plan",
        metavar="FILE",
        help="Make the gestures that a plan says (edited by hand, or on the page); for several recordings a folder with SPEECH.plan.toml of each.",
        rich_help_panel=_WHERE,
    ),
]
PlanOnly = Annotated[
    bool, typer.Option("--plan-only", help="Write SPEECH.plan.toml, to be edited and given to --plan, and make no motion.", rich_help_panel=_WHERE)
]
Speeches = Annotated[list[Path], typer.Argument(metavar="SPEECH", help="Recordings: any audio file that libsndfile or ffmpeg reads.")]


@contextmanager
def command(*, verbose: bool, quiet: bool) -> Iterator[None]:
    """Around every command: the library's warnings go to stderr."""
    from raggesture.cli.console import logging_to_stderr

    if verbose and quiet:
        raise UsageError("--verbose --quiet: both given; expected one of them - leave one out")
    with logging_to_stderr(verbose=verbose, quiet=quiet):
        yield
