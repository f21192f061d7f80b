"""Many recordings: listened to one by one, made side by side in batches; a bad one costs itself alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raggesture.cli.console import LOGGER, progress_bar
from raggesture.cli.generate import Done, Job
from raggesture.cli.plan import given_plan
from raggesture.cli.worker import Worker, load_pipeline, options_of
from raggesture.errors import RaggestureError

if TYPE_CHECKING:
    from raggesture.pipeline import Generation, Pipeline, Progress, Understood


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """A recording that was understood, or why it was not."""

    job: Job
    understood: Understood | None = None
    failed: Done | None = None


class TogetherWorker(Worker):
    """Batches of ``[generate] batch`` recordings: their first windows in one batch, then their second ones."""

    def attempt_all(self, jobs: Sequence[Job]) -> Iterator[Done]:
        """In the order of ``jobs``, batch by batch."""
        size = self._settings.generate.batch
        with progress_bar(quiet=self._request.quiet, remaining=True) as progress:
            for first in range(0, len(jobs), size):
                yield from self._batch(jobs[first : first + size], _Share(progress, first, len(jobs)))

    def _batch(self, jobs: Sequence[Job], share: _Share) -> list[Done]:
        heard = [self._hear(job, share.of(number)) for number, job in enumerate(jobs)]
        understood = [each.understood for each in heard if each.understood is not None]
        try:
            made = iter(
                ()
                if not understood
                else self._loaded().generate_together(understood, options_of(self._settings), schedule=self._schedule, settings=self._origins())
            )
            generations = {id(each): next(made) for each in understood}
        except RaggestureError as fault:  # whose fault it is shows when each is made alone
            LOGGER.debug("%s", fault, exc_info=True)
            return [each.failed or self._attempt(each.job) for each in heard]
        done = []
        for number, each in enumerate(heard):
            if each.understood is None:
                done.append(each.failed or Done(each.job.speech))
            else:
                done.append(self._deliver(each.job, generations.pop(id(each.understood)), share.delivering(number, len(heard))))
        share.whole(len(jobs))
        return done

    def _hear(self, job: Job, progress: Progress) -> _Heard:
        """Everything about a recording that needs no sampling."""
        from raggesture.outputs import check_output
        from raggesture.plan_file.checks import refuse_another_speech
        from raggesture.speech.load import load_speech

        try:
            for path in job.outputs:
                check_output(path, force=self._request.force)
            progress(f"{job.speech.name}: listening", 0.0)
            given = given_plan(self._request.plan, job.speech)
            speech = load_speech(job.speech, speaker=self._settings.generate.speaker)
            if given is not None:
                refuse_another_speech(given, speech)
            pipeline, options = self._loaded(), options_of(self._settings)
            understood = pipeline.understand(speech, options, retriever=self._retriever, file=job.speech, progress=progress, given=given)
        except RaggestureError as fault:
            LOGGER.debug("%s", fault, exc_info=True)
            return _Heard(job, failed=Done(job.speech, error=str(fault), code=fault.exit_code))
        return _Heard(job, understood)

    def _deliver(self, job: Job, generation: Generation, progress: Progress) -> Done:
        from raggesture.outputs import new_files

        try:
            with new_files(job.outputs, force=self._request.force) as partial:
                return self._write(job, generation, partial, progress)
        except RaggestureError as fault:
            LOGGER.debug("%s", fault, exc_info=True)
            return Done(job.speech, error=str(fault), code=fault.exit_code)

    def _loaded(self) -> Pipeline:
        if self._pipeline is None:
            self._pipeline = load_pipeline(self._settings)
        return self._pipeline


@dataclass(frozen=True, slots=True)
class _Share:
    """One bar for all recordings: understanding is half of one's share, the rest comes when its batch is made and it is written."""

    progress: Progress
    first: int
    jobs: int

    def of(self, number: int) -> Progress:
        """Progress of recording ``number`` of the batch."""
        return lambda stage, done: self.progress(stage, (self.first + (number + done) / 2) / self.jobs)

    def delivering(self, number: int, batch: int) -> Progress:
        """Progress of writing recording ``number`` of a batch of so many."""
        return lambda stage, done: self.progress(stage, (self.first + (batch + number + done) / 2) / self.jobs)

    def whole(self, jobs: int) -> None:
        """The batch is done."""
        self.progress(f"{self.first + jobs} of {self.jobs}", (self.first + jobs) / self.jobs)
