"""``raggesture longform``: one motion of a recording of any length, written as it is made."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raggesture.cli import options as o
from raggesture.cli.console import LOGGER, Progress, progress_bar
from raggesture.cli.follow import DEFAULT_STEPS, FollowRequest
from raggesture.cli.follow import follow as run_follow
from raggesture.cli.generate import Done, Job, Request, flags, run_with, settings_of
from raggesture.cli.plan import given_plan
from raggesture.cli.scene import Scene, ghosts_of, heard
from raggesture.cli.unfinished import cut_off
from raggesture.cli.worker import Worker, load_pipeline, options_of
from raggesture.errors import RaggestureError, UsageError

if TYPE_CHECKING:
    from raggesture.account import Account
    from raggesture.config import Settings
    from raggesture.longform import LongForm, LongSpeech
    from raggesture.longform_work import Work
    from raggesture.pipeline import Pipeline
    from raggesture.plan_file.data import GivenPlan

WORK_SUFFIX = ".longform"
LONGEST_PAGE_S = 600.0
"""A page is made of a longer speech only if it was asked for by name."""

Parallel = Annotated[
    int,
    typer.Option(
        "--parallel", metavar="N", min=0, rich_help_panel="The motion", help="Make every second window first, N side by side, then those between. (default: 0)"
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume/--no-resume", rich_help_panel="Input and output", help="Go on with what an interrupted run of the same command has left.")
]

_FOLLOW = "Following a speech while it is spoken"
Follow = Annotated[
    bool,
    typer.Option(
        "--follow", rich_help_panel=_FOLLOW, help="Read sound from a pipe (SPEECH '-' or a FIFO: 16-bit mono, 16 kHz), write motion to stdout as it comes."
    ),
]
WordsPipe = Annotated[
    Path | None,
    typer.Option("--words", metavar="FILE", rich_help_panel=_FOLLOW, help="Pipe or file of words, one JSON object a line. (default: Whisper listens)"),
]
WordDelay = Annotated[float, typer.Option("--word-delay", metavar="S", min=0.0, rich_help_panel=_FOLLOW, help="How long late words are waited for.")]
Stride = Annotated[int, typer.Option("--stride", metavar="S", min=1, rich_help_panel=_FOLLOW, help="Seconds that are made at a time.")]
Lookahead = Annotated[int, typer.Option("--lookahead", metavar="S", min=0, rich_help_panel=_FOLLOW, help="Seconds that are heard beyond them.")]
Patience = Annotated[
    float, typer.Option("--patience", metavar="S", min=0.0, rich_help_panel=_FOLLOW, help="End the speech if nothing has come for so long. (0: wait)")
]


def longform(
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
    parallel: Parallel = 0,
    resume: Resume = True,
    follow: Follow = False,
    words: WordsPipe = None,
    word_delay: WordDelay = 1.0,
    stride: Stride = 3,
    lookahead: Lookahead = 1,
    patience: Patience = 0.0,
    plan: o.Plan = None,
    plan_only: o.PlanOnly = False,
    force: o.Force = False,
    dry_run: o.DryRun = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Make one motion of a recording of minutes or hours: windows of ten seconds, each continuing the last, written as they are made."""
    given = flags(formats, model, index, retriever, guidance, inject, weight, steps, seed, speaker, device, retriever_fallback, sampler=sampler)
    with o.command(verbose=verbose, quiet=quiet):
        settings = settings_of(profile, given, retriever_options or (), guidance_options or (), parts)
        if follow:
            _check_follow(speeches, transcript, parallel, planned=plan is not None or plan_only, dry_run=dry_run)
            if settings.generate.sampler == "ddim" and settings.origins["generate.steps"][1] == "default":
                settings = settings_of(profile, given | {"steps": (DEFAULT_STEPS, "--follow")}, retriever_options or (), guidance_options or (), parts)
            run_follow(settings, FollowRequest(speeches[0], out, words, word_delay, patience, stride, lookahead, force, resume))
            return
        request = Request(speeches, out, transcript, force, dry_run, as_json, quiet, plan, plan_only)
        if settings.compat.guided_loop == "released":  # its noise is drawn for all windows beforehand: made in memory, as published
            run_with(settings, request, lambda exporters: Worker(settings, exporters, request))
            return
        run_with(settings, request, lambda exporters: LongWorker(settings, exporters, request, How(parallel, resume)))


def _check_follow(speeches: Sequence[Path], transcript: Path | None, parallel: int, *, planned: bool, dry_run: bool) -> None:
    """Refuse what does not go with ``--follow``."""
    if len(speeches) != 1:
        raise UsageError(f"--follow: {len(speeches)} recordings; expected one pipe - give '-' for standard input")
    for flag, given, instead in (
        ("--transcript", transcript is not None, "words that come while it is spoken by --words PIPE"),
        ("--parallel", bool(parallel), "one step after the other"),
        ("--plan", planned, "no plan, what will be said is not known"),
        ("--dry-run", dry_run, "'raggesture generate --dry-run'"),
    ):
        if given:
            raise UsageError(f"--follow {flag}: do not go together; expected {instead} - leave {flag} out")


@dataclass(frozen=True, slots=True)
class How:
    """``parallel``: windows side by side, 0 for one after the other. ``resume``: go on with earlier work."""

    parallel: int
    resume: bool


class LongWorker:
    """Makes one recording after the other, each in a work folder of its own beside its outputs."""

    def __init__(self, settings: Settings, exporters: Sequence[Any], request: Request, how: How) -> None:
        self._settings, self._exporters, self._request, self._how = settings, exporters, request, how
        self._retriever = settings.retriever()
        self._schedule = settings.schedule()
        self._pipeline: Pipeline | None = None

    def attempt_all(self, jobs: Sequence[Job]) -> list[Done]:
        """Each in turn; a fault becomes data, an interrupt goes through."""
        return [self._attempt(job) for job in jobs]

    def _attempt(self, job: Job) -> Done:
        try:
            with progress_bar(quiet=self._request.quiet, remaining=True) as progress:
                return self._work(job, progress)
        except RaggestureError as fault:
            LOGGER.debug("%s", fault, exc_info=True)
            return Done(job.speech, error=str(fault), code=fault.exit_code)

    def _work(self, job: Job, progress: Progress) -> Done:
        from raggesture.outputs import check_output

        for path in job.outputs:  # before hours are read; whether there will be a page is not known yet
            if path.suffix != ".html":
                check_output(path, force=self._request.force)
        speech = long_speech(job.speech, self._request.transcript, self._settings.generate.speaker, progress)
        kept = self._kept(job, speech.voice.facts.duration_s)
        for _, path in kept:
            check_output(path, force=self._request.force)
        given = given_plan(self._request.plan, job.speech)
        if self._pipeline is None:
            progress("loading the model", 0.0)
            self._pipeline = load_pipeline(self._settings)
        folder = job.outputs[-1].with_name(f"{job.speech.stem}{WORK_SUFFIX}")
        work = open_job(folder, self._job(job, speech, given), resume=self._how.resume)
        if work.resumed:
            LOGGER.info("%s: going on with the work of an earlier run", folder)
        try:
            form = self._form(progress)
            if self._request.plan_only:
                gestures = self._write_plan(form, speech, work, given, kept[0][1])
            else:
                account = _made(form, speech, work, given)
                self._deliver(job, account, work, kept, progress)
                gestures = len(account.inserted)
        except BaseException:
            work.close()
            raise
        work.remove()
        return Done(job.speech, tuple(path for _, path in kept), speech.voice.facts.duration_s, gestures)

    def _kept(self, job: Job, duration_s: float) -> list[tuple[Any | None, Path]]:
        """The exporters with their paths, and the trace (None)."""
        asked = self._settings.origins["generate.formats"][1] != "default"
        if self._request.plan_only:
            return [(None, job.outputs[0])]
        kept: list[tuple[Any | None, Path]] = []
        for exporter, path in zip([*self._exporters, None], job.outputs, strict=True):
            if exporter is not None and exporter.name == "html" and duration_s > LONGEST_PAGE_S and not asked:
                LOGGER.info("%s: no page of %d minutes is made unasked, it holds all in memory - add --format npz,html", job.speech, duration_s / 60)
            else:
                kept.append((exporter, path))
        return kept

    def _form(self, progress: Progress) -> LongForm:
        from raggesture.longform import LongForm

        assert self._pipeline is not None
        options = options_of(self._settings)
        return LongForm(self._pipeline, options, self._retriever, self._schedule, parallel=self._how.parallel, progress=progress)

    def _write_plan(self, form: LongForm, speech: LongSpeech, work: Work, given: GivenPlan | None, path: Path) -> int:
        """The plan alone; gives the number of its gestures."""
        from raggesture.outputs import new_files
        from raggesture.plan_file.writing import write_plan

        planned, transcript = form.plan(speech, work, given)
        with new_files([path], force=self._request.force) as (partial,):
            write_plan(planned, partial, transcript)
        return len(planned.gesture)

    def _deliver(self, job: Job, account: Account, work: Work, kept: Sequence[tuple[Any | None, Path]], progress: Progress) -> None:
        """Put the pieces together."""
        from raggesture.longform_files import frames_of, whole_of, write_whole
        from raggesture.outputs import new_files
        from raggesture.speech.audio import load_audio
        from raggesture.trace import Setting, write_trace
        from raggesture.types import Speech

        assert self._pipeline is not None
        progress("writing", 1.0)
        settings = {key: Setting(value, origin) for key, (value, origin) in self._settings.origins.items()}
        if self._request.plan is not None:
            settings["plan"] = Setting(self._request.plan.name, "command line --plan")
        trace = account.trace(self._pipeline.identities, self._settings.generate.seed, settings, job.speech)
        pieces = work.motions()
        scene: Scene | None = None
        try:
            with new_files([path for _, path in kept], force=self._request.force) as partial:
                for (exporter, _), path in zip(kept, partial, strict=True):
                    if exporter is None:
                        write_trace(trace, path)
                    elif exporter.name == "npz":
                        write_whole(pieces, frames_of(pieces), path)
                    else:
                        if scene is None:
                            speech = Speech(account.name, load_audio(job.speech), account.transcript, account.speaker)
                            index = self._pipeline.index
                            ghosts = () if index is None else ghosts_of(trace, index)
                            scene = Scene(account.name, whole_of(pieces), speech, trace.to_json(), ghosts)
                        exporter.write(heard(scene, progress, f"{job.speech.name}: {exporter.name}"), path)
        except OSError as fault:
            raise cut_off(work, fault) from fault

    def _job(self, job: Job, speech: LongSpeech, given: GivenPlan | None) -> dict[str, Any]:
        """All that the motion depends on."""
        import torch

        from raggesture.speech.transcript import find_sidecar
        from raggesture.trace import found_versions

        assert self._pipeline is not None
        beside = self._request.transcript or find_sidecar(job.speech)
        model, index = self._pipeline.identities
        return {
            "speech_sha256": speech.voice.facts.sha256,
            "transcript_sha256": "" if beside is None else hashlib.sha256(beside.read_bytes()).hexdigest(),
            "plan_sha256": given.sha256 if given else "",
            "plan_only": self._request.plan_only,
            "parallel": self._how.parallel,
            "model_sha256": model.sha256,
            "index_sha256": index.sha256 if index else "",
            "threads": torch.get_num_threads(),
            "versions": found_versions(),
            "settings": {key: value for key, (value, _) in self._settings.origins.items() if not key.startswith(("generate.formats", "export."))},
        }


def _made(form: LongForm, speech: LongSpeech, work: Work, given: GivenPlan | None) -> Account:
    try:
        return form.run(speech, work, given)
    except OSError as fault:
        raise cut_off(work, fault) from fault


def open_job(folder: Path, job: dict[str, Any], *, resume: bool) -> Work:
    """The work folder of a job."""
    from raggesture.longform_work import open_work

    return open_work(folder, job, resume=resume)


def long_speech(path: Path, transcript: Path | None, speaker: str, progress: Progress) -> LongSpeech:
    """The recording, measured, and where its words come from: a transcript if there is one, else Whisper.

    Raises:
        InputError: the audio cannot be used, or the transcript cannot be read or does not fit the audio.
    """
    from raggesture.longform import LongSpeech
    from raggesture.speech.sections import Heard, Timed, Words, Written
    from raggesture.speech.transcript import find_sidecar, read_transcript
    from raggesture.speech.voice_file import VoiceFile
    from raggesture.types import Transcript

    progress(f"{path.name}: measuring", 0.0)
    voice = VoiceFile(path)
    beside = transcript or find_sidecar(path)
    words: Words = Heard()
    if beside is not None:
        given = read_transcript(beside, voice.facts.duration_s)
        words = Timed(given) if isinstance(given, Transcript) else Written(str(beside), given)
    return LongSpeech(path.stem, voice, words, speaker)
