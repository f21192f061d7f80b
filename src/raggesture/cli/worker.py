"""Makes recordings one by one: listens, plans, generates, writes. The only place where ``generate`` meets the pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raggesture.cli.console import LOGGER, Progress, progress_bar
from raggesture.cli.generate import Done, Job, Request
from raggesture.cli.plan import given_plan
from raggesture.cli.scene import Scene, heard
from raggesture.errors import RaggestureError

if TYPE_CHECKING:
    from raggesture.config import Settings
    from raggesture.pipeline import GenerateOptions, Generation, Pipeline
    from raggesture.plan_file.data import GivenPlan
    from raggesture.planner import Planner
    from raggesture.retrieval.index import Index
    from raggesture.trace import Setting
    from raggesture.types import Speech


class Worker:
    """Loads the model with the first recording that can be read, and keeps it for the others."""

    def __init__(self, settings: Settings, exporters: Sequence[Any], request: Request) -> None:
        self._settings = settings
        self._exporters = exporters
        self._request = request
        self._retriever = settings.retriever()
        self._schedule = settings.schedule()
        self._pipeline: Pipeline | None = None
        self._planner: Planner | None = None

    def attempt_all(self, jobs: Sequence[Job]) -> Iterator[Done]:
        """Each in turn."""
        return (self._attempt(job) for job in jobs)

    def _attempt(self, job: Job) -> Done:
        """One recording; a fault becomes data, an interrupt goes through."""
        try:
            with progress_bar(quiet=self._request.quiet) as progress:
                return self._work(job, progress)
        except RaggestureError as fault:
            LOGGER.debug("%s", fault, exc_info=True)
            return Done(job.speech, error=str(fault), code=fault.exit_code)

    def _work(self, job: Job, progress: Progress) -> Done:
        from raggesture.outputs import new_files
        from raggesture.plan_file.checks import refuse_another_speech
        from raggesture.speech.load import load_speech

        with new_files(job.outputs, force=self._request.force) as partial:
            given = given_plan(self._request.plan, job.speech)
            progress(f"{job.speech.name}: listening", 0.0)
            speech = load_speech(job.speech, self._request.transcript, speaker=self._settings.generate.speaker)
            if given is not None:
                refuse_another_speech(given, speech)
            if self._request.plan_only:
                return self._write_plan(job, speech, given, partial[0], progress)
            return self._write(job, self.generation(speech, job.speech, progress, given), partial, progress)

    def _write(self, job: Job, generation: Generation, partial: Sequence[Path], progress: Progress) -> Done:
        """All outputs; the bar begins anew with each, for nobody knows how a film's time compares with that of making the motion."""
        from raggesture.trace import write_trace

        scene = Scene.of(generation, None if self._pipeline is None else self._pipeline.index)
        for exporter, path in zip(self._exporters, partial, strict=False):
            exporter.write(heard(scene, progress, f"{job.speech.name}: {exporter.name}"), path)
        write_trace(generation.trace, partial[-1])
        return Done(job.speech, job.outputs, generation.speech.duration_s, len(generation.trace.placements))

    def _write_plan(self, job: Job, speech: Speech, given: GivenPlan | None, path: Path, progress: Progress) -> Done:
        """Plan one speech; no weights of the model are loaded for it."""
        from raggesture.plan_file.writing import write_plan

        if self._planner is None:
            progress("opening the index", 0.0)
            self._planner = load_planner(self._settings)
        progress("planning", 0.5)
        planned = self._planner.plan(speech, options_of(self._settings), self._retriever, given)
        write_plan(planned, path, speech.transcript)
        return Done(job.speech, job.outputs, speech.duration_s, len(planned.gesture))

    def _origins(self) -> dict[str, Setting]:
        """The settings, with the plan that is followed."""
        from raggesture.trace import Setting

        followed = {} if self._request.plan is None else {"plan": Setting(self._request.plan.name, "command line --plan")}
        return {key: Setting(value, origin) for key, (value, origin) in self._settings.origins.items()} | followed

    def generation(self, speech: Speech, file: Path, progress: Progress, given: GivenPlan | None = None) -> Generation:
        """The motion of one speech: the only place where the command line meets the pipeline."""
        if self._pipeline is None:
            progress("loading the model", 0.0)
            self._pipeline = load_pipeline(self._settings)
        return self._pipeline.generate(
            speech,
            options_of(self._settings),
            retriever=self._retriever,
            schedule=self._schedule,
            settings=self._origins(),
            file=file,
            progress=progress,
            given=given,
        )


def load_pipeline(settings: Settings) -> Pipeline:
    """The model and the index of the settings: the packaged ones, folders, or an index that a plugin's backend opens."""
    from raggesture.pipeline import Pipeline

    return Pipeline.load(_folder(settings.generate.model), _index_of(settings), settings.generate.device, settings.encoders.folders())


def load_planner(settings: Settings) -> Planner:
    """The same without the weights of the model."""
    from raggesture.planner import Planner

    return Planner.load(_folder(settings.generate.model), _index_of(settings), settings.encoders.folders())


def _index_of(settings: Settings) -> Path | Index | None:
    """The packaged index (None), a folder, or an index that a plugin's backend has opened."""
    from raggesture.plugins.locations import open_index, scheme_of

    location = settings.generate.index
    return open_index(location, settings.parts) if scheme_of(location) else _folder(location)


def options_of(settings: Settings) -> GenerateOptions:
    """The pipeline's options of the settings."""
    from raggesture.models.numerics import Numerics
    from raggesture.pipeline import GenerateOptions

    chosen, compat = settings.generate, settings.compat
    return GenerateOptions(
        sampler=chosen.sampler,
        steps=chosen.steps,
        seed=chosen.seed,
        inject=chosen.inject,
        weight=chosen.weight,
        speaker=chosen.speaker,
        chunks=settings.placement.chunks,
        parts=settings.placement.parts,
        ease=settings.placement.ease,
        plant_feet=chosen.plant_feet,
        hands_out=chosen.hands_out,
        steady_arms=chosen.steady_arms,
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
