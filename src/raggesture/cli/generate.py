"""``raggesture generate``: recordings in; motion, page and trace out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer

from raggesture.cli import options as o
from raggesture.cli.console import LOGGER, error_line, result, result_json
from raggesture.cli.plan import PLAN_SUFFIX, check_plan
from raggesture.errors import UsageError

if TYPE_CHECKING:
    from raggesture.config import Settings

TRACE_SUFFIX = ".trace.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Job:
    """One recording and the files that will come of it: one per exporter, then the trace; or its plan."""

    speech: Path
    outputs: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asked for beside the settings."""

    speeches: Sequence[Path]
    out: Path
    transcript: Path | None
    force: bool
    dry_run: bool
    json: bool
    quiet: bool
    plan: Path | None = None
    plan_only: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """All that another process needs to make recordings as this one would: where settings come from, and what was asked for."""

    profile: str | None
    given: tuple[tuple[str, tuple[Any, str]], ...]
    retriever_options: tuple[str, ...]
    guidance_options: tuple[str, ...]
    parts: str | None
    request: Request

    def settings(self) -> Settings:
        """The settings, put together where this runs."""
        return settings_of(self.profile, dict(self.given), self.retriever_options, self.guidance_options, self.parts)


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one recording. ``code`` is its exit code, 0 if all went well."""

    speech: Path
    outputs: tuple[Path, ...] = ()
    seconds: float = 0.0
    gestures: int = 0
    error: str = ""
    code: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        if self.code:
            return {"speech": str(self.speech), "error": self.error, "exit_code": self.code}
        return {"speech": str(self.speech), "outputs": [str(path) for path in self.outputs], "duration_s": round(self.seconds, 3), "gestures": self.gestures}


def generate(
    speeches: o.Speeches,
    transcript: o.Transcript = None,
    out: o.Out = Path(),
    formats: o.Formats = None,
    model: o.ModelPath = None,
    index: o.IndexPath = None,
    retriever: o.Retriever = None,
    retriever_options: o.RetrieverOption = None,
    retriever_fallback: o.RetrieverFallback = None,
    guidance: o.Guidance = None,
    guidance_options: o.GuidanceOption = None,
    inject: o.Inject = None,
    weight: o.Weight = None,
    parts: o.Parts = None,
    sampler: o.Sampler = None,
    steps: o.Steps = None,
    seed: o.Seed = None,
    speaker: o.Speaker = None,
    device: o.Device = None,
    profile: o.Profile = None,
    batch: o.Batch = None,
    engine: o.Engine = None,
    plan: o.Plan = None,
    plan_only: o.PlanOnly = False,
    force: o.Force = False,
    dry_run: o.DryRun = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Make a body gesture to recordings: SPEECH.npz (SMPL-X, 30 fps), SPEECH.html (a page that plays it) and SPEECH.trace.json."""
    given = flags(formats, model, index, retriever, guidance, inject, weight, steps, seed, speaker, device, retriever_fallback, batch, engine, sampler)
    with o.command(verbose=verbose, quiet=quiet):
        settings = settings_of(profile, given, retriever_options or (), guidance_options or (), parts)
        request = Request(speeches, out, transcript, force, dry_run, as_json, quiet, plan, plan_only)
        chosen = {key: pair for key, pair in given.items() if pair[0] is not None}
        order = Order(
            profile, tuple(chosen.items()), tuple(retriever_options or ()), tuple(guidance_options or ()), parts, replace(request, speeches=tuple(speeches))
        )
        run_with(settings, request, lambda exporters: worker_for(settings, exporters, order))


def flags(
    formats: str | None,
    model: str | None,
    index: str | None,
    retriever: str | None,
    guidance: str | None,
    inject: str | None,
    weight: float | None,
    steps: int | None,
    seed: int | None,
    speaker: str | None,
    device: str | None,
    retriever_fallback: str | None = None,
    batch: int | None = None,
    engine: str | None = None,
    sampler: str | None = None,
) -> dict[str, tuple[Any, str]]:
    """Keys of ``[generate]`` -> (value, the flag it came by)."""
    values: dict[str, Any] = {"model": model, "index": index, "retriever": retriever, "guidance": guidance, "inject": inject}
    values |= {
        "weight": weight,
        "sampler": sampler,
        "steps": steps,
        "seed": seed,
        "speaker": speaker,
        "device": device,
        "retriever_fallback": retriever_fallback,
        "batch": batch,
        "engine": engine,
    }
    return {"formats": (formats, "--format")} | {key: (value, f"--{key.replace('_', '-')}") for key, value in values.items()}


def settings_of(
    profile: str | None, given: Mapping[str, tuple[Any, str]], retriever_options: Sequence[str], guidance_options: Sequence[str], parts: str | None = None
) -> Settings:
    """Settings of the profile, the environment and the flags that were given; warns of plugins that could not be loaded."""
    from raggesture.config import Overrides, load_settings

    chosen = {key: (_listed(value) if key == "formats" else value, flag) for key, (value, flag) in given.items() if value is not None}
    placement = {} if parts is None else {"parts": (_listed(parts), "--parts")}
    settings = load_settings(profile, overrides=Overrides(chosen, retriever_options, guidance_options, placement=placement))
    for fault in settings.parts.faults:
        LOGGER.warning("%s - see 'raggesture plugins list'", fault)
    return settings


def _listed(text: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def worker_for(settings: Settings, exporters: Sequence[Any], order: Order) -> Attempts:
    """Who makes the recordings: one by one, several side by side, or a cluster."""
    request = order.request
    if settings.generate.engine == "ray" and not request.plan_only:
        from raggesture.cli.ray_engine import RayWorkers

        return RayWorkers(order, settings.generate.batch)
    if request.plan_only or len(request.speeches) < 2 or settings.generate.batch < 2 or settings.compat.guided_loop == "released":
        from raggesture.cli.worker import Worker

        return Worker(settings, exporters, request)
    from raggesture.cli.together import TogetherWorker

    return TogetherWorker(settings, exporters, request)


class Attempts(Protocol):
    """Makes recordings: each becomes a ``Done``, faults too."""

    def attempt_all(self, jobs: Sequence[Job]) -> Iterable[Done]:
        """One after the other or together, in the order of ``jobs``."""


def run_with(settings: Settings, request: Request, worker_of: Callable[[Sequence[Any]], Attempts]) -> None:
    """Do it for each recording, go on after a bad one, and sum up; raises typer.Exit with the worst exit code."""
    exporters = settings.exporters()
    check_plan(request.plan, request.speeches)
    jobs = jobs_of(request, [PLAN_SUFFIX] if request.plan_only else [*(exporter.suffix for exporter in exporters), TRACE_SUFFIX])
    if request.dry_run:
        show_settings(settings, jobs, as_json=request.json)
        return
    done = []
    for each in worker_of(exporters).attempt_all(jobs):
        done.append(each)
        if each.code:
            error_line(each.error)
        elif not request.json:
            for path in each.outputs:
                result(str(path))
    failed = [each for each in done if each.code]
    if request.json:
        result_json({"schema": SCHEMA, "results": [each.to_json() for each in done]})
    if failed and len(done) > 1:
        error_line(f"{len(failed)} of {len(done)} recordings failed: {', '.join(str(each.speech) for each in failed)}")
    if failed:
        raise typer.Exit(worst([each.code for each in failed]))


def worst(codes: Sequence[int]) -> int:
    """The exit code of several: a bug first, else the highest."""
    return 1 if 1 in codes else max(codes)


def jobs_of(request: Request, suffixes: Sequence[str]) -> list[Job]:
    """Names of all outputs.

    Raises:
        UsageError: one transcript for several recordings, two recordings with one name, no folder to write in.
    """
    if request.transcript is not None and len(request.speeches) > 1:
        raise UsageError(f"--transcript {request.transcript}: given with {len(request.speeches)} recordings; expected one - lay transcripts beside them")
    if request.out.exists() and not request.out.is_dir():
        raise UsageError(f"--out {request.out}: is a file; expected a folder - choose another")
    by_stem: dict[str, Path] = {}
    jobs = []
    for speech in request.speeches:
        other = by_stem.setdefault(speech.stem, speech)
        if other is not speech:
            raise UsageError(f"{speech}: its outputs would have the names of {other}'s; expected different file names - rename one or run them one by one")
        jobs.append(Job(speech, tuple(request.out / f"{speech.stem}{suffix}" for suffix in suffixes)))
    return jobs


def show_settings(settings: Settings, jobs: Sequence[Job], *, as_json: bool) -> None:
    """What ``--dry-run`` says."""
    if as_json:
        outputs = [{"speech": str(job.speech), "outputs": [str(path) for path in job.outputs]} for job in jobs]
        result_json({"schema": SCHEMA, "settings": settings.to_json(), "jobs": outputs})
        return
    for key, (value, origin) in settings.origins.items():
        result(f"{key} = {value!r}  ({origin})")
    for job in jobs:
        result(f"{job.speech} -> {', '.join(str(path) for path in job.outputs)}")
