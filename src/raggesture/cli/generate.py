"""``raggesture generate``: recordings in; motion, page and trace out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from raggesture.cli import options as o
from raggesture.cli.console import LOGGER, Progress, error_line, progress_bar, result, result_json
from raggesture.cli.scene import Scene
from raggesture.errors import RaggestureError, UsageError

if TYPE_CHECKING:
    from raggesture.config import Settings
    from raggesture.pipeline import GenerateOptions, Generation, Pipeline
    from raggesture.retrieval.index import Index
    from raggesture.types import Speech

TRACE_SUFFIX = ".trace.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Job:
    """One recording and the files that will come of it: one per exporter, then the trace."""

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
    steps: o.Steps = None,
    seed: o.Seed = None,
    speaker: o.Speaker = None,
    device: o.Device = None,
    profile: o.Profile = None,
    force: o.Force = False,
    dry_run: o.DryRun = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Make a body gesture to recordings: SPEECH.npz (SMPL-X, 30 fps), SPEECH.html (a page that plays it) and SPEECH.trace.json."""
    given = flags(formats, model, index, retriever, guidance, inject, weight, steps, seed, speaker, device, retriever_fallback)
    with o.command(verbose=verbose, quiet=quiet):
        settings = settings_of(profile, given, retriever_options or (), guidance_options or (), parts)
        run(settings, Request(speeches, out, transcript, force, dry_run, as_json, quiet))


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
) -> dict[str, tuple[Any, str]]:
    """Keys of ``[generate]`` -> (value, the flag it came by)."""
    values: dict[str, Any] = {"model": model, "index": index, "retriever": retriever, "guidance": guidance, "inject": inject}
    values |= {"weight": weight, "steps": steps, "seed": seed, "speaker": speaker, "device": device, "retriever_fallback": retriever_fallback}
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


def run(settings: Settings, request: Request) -> None:
    """Do it for each recording, go on after a bad one, and sum up; raises typer.Exit with the worst exit code."""
    exporters = settings.exporters()
    jobs = plan(request, [exporter.suffix for exporter in exporters])
    if request.dry_run:
        show_settings(settings, jobs, as_json=request.json)
        return
    worker = Worker(settings, exporters, request)
    done = []
    for job in jobs:
        done.append(worker.attempt(job))
        if done[-1].code:
            error_line(done[-1].error)
        elif not request.json:
            for path in done[-1].outputs:
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


def plan(request: Request, suffixes: Sequence[str]) -> list[Job]:
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
        jobs.append(Job(speech, tuple(request.out / f"{speech.stem}{suffix}" for suffix in (*suffixes, TRACE_SUFFIX))))
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


class Worker:
    """Loads the model with the first recording that can be read, and keeps it for the others."""

    def __init__(self, settings: Settings, exporters: Sequence[Any], request: Request) -> None:
        self._settings = settings
        self._exporters = exporters
        self._request = request
        self._retriever = settings.retriever()
        self._schedule = settings.schedule()
        self._pipeline: Pipeline | None = None

    def attempt(self, job: Job) -> Done:
        """One recording; a fault becomes data, an interrupt goes through."""
        try:
            with progress_bar(quiet=self._request.quiet) as progress:
                return self._work(job, progress)
        except RaggestureError as fault:
            LOGGER.debug("%s", fault, exc_info=True)
            return Done(job.speech, error=str(fault), code=fault.exit_code)

    def _work(self, job: Job, progress: Progress) -> Done:
        from raggesture.outputs import new_files
        from raggesture.speech.load import load_speech
        from raggesture.trace import write_trace

        with new_files(job.outputs, force=self._request.force) as partial:
            progress(f"{job.speech.name}: listening", 0.0)
            speech = load_speech(job.speech, self._request.transcript, speaker=self._settings.generate.speaker)
            generation = self.generation(speech, job.speech, progress)
            scene = Scene.of(generation)
            for exporter, path in zip(self._exporters, partial, strict=False):
                exporter.write(scene, path)
            write_trace(generation.trace, partial[-1])
        return Done(job.speech, job.outputs, speech.duration_s, len(generation.trace.placements))

    def _index(self) -> Path | Index | None:
        """The packaged index (None), a folder, or an index that a plugin's backend has opened."""
        from raggesture.plugins.locations import open_index, scheme_of

        location = self._settings.generate.index
        return open_index(location, self._settings.parts) if scheme_of(location) else _folder(location)

    def generation(self, speech: Speech, file: Path, progress: Progress) -> Generation:
        """The motion of one speech: the only place where the command line meets the pipeline."""
        from raggesture.pipeline import Pipeline
        from raggesture.trace import Setting

        chosen = self._settings.generate
        if self._pipeline is None:
            progress("loading the model", 0.0)
            folders = self._settings.encoders.folders()
            self._pipeline = Pipeline.load(_folder(chosen.model), self._index(), chosen.device, folders)
        settings = {key: Setting(value, origin) for key, (value, origin) in self._settings.origins.items()}
        return self._pipeline.generate(
            speech, options_of(self._settings), retriever=self._retriever, schedule=self._schedule, settings=settings, file=file, progress=progress
        )


def options_of(settings: Settings) -> GenerateOptions:
    """The pipeline's options of the settings."""
    from raggesture.models.numerics import Numerics
    from raggesture.pipeline import GenerateOptions

    chosen, compat = settings.generate, settings.compat
    return GenerateOptions(
        steps=chosen.steps,
        seed=chosen.seed,
        inject=chosen.inject,
        weight=chosen.weight,
        speaker=chosen.speaker,
        chunks=settings.placement.chunks,
        parts=settings.placement.parts,
        ease=settings.placement.ease,
        plant_feet=chosen.plant_feet,
        conditions=compat.rules(),
        posterior=compat.posterior,
        translation=compat.translation,
        interpolation=compat.interpolation,
        guided_loop=compat.guided_loop,
        placement=compat.placement,
        retriever_fallback=chosen.retriever_fallback,
        cache=settings.anchors.cache,
        cache_mb=settings.anchors.cache_mb,
        numerics=Numerics(chosen.precision, chosen.compile),
    )


def _folder(name: str) -> Path | None:
    """None for the packaged one."""
    from raggesture.resources import PACK_NAME

    return None if name == PACK_NAME else Path(name)
