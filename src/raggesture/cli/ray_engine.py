"""``--engine ray``: the same work on a Ray cluster, for those who have thousands of recordings. Ray comes as an extra.

Recordings go out in batches; each is made by whichever process is free, as one machine would make it. A process or a machine that dies loses
nothing: its batches are made again elsewhere, and outputs appear whole or not at all. All machines must see the recordings and the outputs under
the same paths. Keys of language models are not sent along: each machine has its own environment.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from raggesture.cli.console import LOGGER, progress_bar
from raggesture.cli.generate import Done, Job, Order
from raggesture.cli.together import TogetherWorker
from raggesture.errors import ConfigError, ServiceError, UsageError

ADDRESS = "RAY_ADDRESS"
_SENT = "RAGGESTURE_"
"""Environment variables that begin so are sent along, beside those of settings that hold no secret."""
Result = TypeVar("Result")


class RayWorkers:
    """Makes recordings on a cluster."""

    def __init__(self, order: Order, batch: int) -> None:
        self._order, self._batch = order, batch

    def attempt_all(self, jobs: Sequence[Job]) -> Iterator[Done]:
        """In the order of ``jobs``."""
        refused = {job.speech: fault for job in jobs if (fault := self._refused(job)) is not None}
        left = [job for job in jobs if job.speech not in refused]
        batches = [tuple(left[first : first + self._batch]) for first in range(0, len(left), self._batch)]
        made: dict[Path, Done] = dict(refused)
        with progress_bar(quiet=self._order.request.quiet, remaining=True) as progress, cluster() as ray:
            for number, done in spread(ray, functools.partial(make_batch, self._order), batches):
                made |= {each.speech: each for each in done}
                tidy(batches[number])
                progress(f"{len(made)} of {len(jobs)}", len(made) / len(jobs))
        return (made[job.speech] for job in jobs)

    def _refused(self, job: Job) -> Done | None:
        """Outputs that were there before: a batch that is made again cannot tell them from its own."""
        from raggesture.outputs import check_output

        try:
            for path in job.outputs:
                check_output(path, force=self._order.request.force)
        except UsageError as fault:
            return Done(job.speech, error=str(fault), code=fault.exit_code)
        return None


def make_batch(order: Order, jobs: Sequence[Job]) -> list[Done]:
    """Make a batch, in whatever process this runs; what a process that died had delivered already is taken as it is."""
    kept = {} if order.request.force else {job.speech: done for job in jobs if (done := _delivered(job)) is not None}
    made = {each.speech: each for each in _worker(order).attempt_all([job for job in jobs if job.speech not in kept])}
    return [(made | kept)[job.speech] for job in jobs]


def _delivered(job: Job) -> Done | None:
    from raggesture.trace import read_trace

    if not all(path.exists() for path in job.outputs):
        return None
    trace = read_trace(job.outputs[-1])
    return Done(job.speech, job.outputs, trace.speech.duration_s, len(trace.placements))


@functools.lru_cache(maxsize=1)
def _worker(order: Order) -> TogetherWorker:
    """Loads the model once a process: Ray gives a process many batches."""
    settings = order.settings()
    return TogetherWorker(settings, settings.exporters(), order.request)


class cluster:  # noqa: N801 - a context manager
    """Ray, connected to the cluster that ``RAY_ADDRESS`` names, else one on this machine that ends with the work.

    Raises:
        ConfigError: Ray is not installed. ServiceError: the cluster cannot be reached.
    """

    def __enter__(self) -> Any:
        try:
            import ray
        except ImportError as fault:
            raise ConfigError("--engine ray: Ray is not installed; expected the extra - pip install -c constraints.txt 'raggesture[ray]'") from fault
        self._ours = not ray.is_initialized()
        if self._ours:
            address = os.environ.get(ADDRESS)
            sent = {"env_vars": sent_environment(os.environ)}
            try:
                if address:
                    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=sent)
                else:
                    ray.init(num_cpus=os.cpu_count(), include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, runtime_env=sent)
            except (ConnectionError, RuntimeError, ValueError, OSError) as fault:
                where = f"the cluster at {address}" if address else "a cluster on this machine"
                raise ServiceError(f"{where}: {str(fault).splitlines()[0]}; expected Ray to answer - check {ADDRESS}, or use --engine local") from fault
        return ray

    def __exit__(self, *fault: object) -> None:
        import ray

        if self._ours:
            ray.shutdown()


def sent_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of ours that other machines need. Values that look like secrets stay here (Ray shows what is sent)."""
    from raggesture.profiles import looks_secret

    return {name: value for name, value in environ.items() if name.startswith(_SENT) and not looks_secret(name, value)}


def spread(ray: Any, make: Callable[[Sequence[Job]], Result], batches: Sequence[Sequence[Job]]) -> Iterator[tuple[int, Result]]:
    """Have every batch made somewhere; gives (number, result) as they come. Batches of a process that dies are made again.

    Raises:
        ServiceError: a batch that takes its process down wherever it is made.
    """

    def one(batch: Sequence[Job]) -> Result:
        return make(batch)

    task = ray.remote(num_cpus=1, max_retries=4, retry_exceptions=False)(one)
    running = {task.remote(batch): number for number, batch in enumerate(batches)}
    try:
        while running:
            (first, *_), _ = ray.wait(list(running), num_returns=1)
            number = running.pop(first)
            try:
                yield number, ray.get(first)
            except ray.exceptions.RayTaskError as fault:
                raise fault.as_instanceof_cause() from fault
            except ray.exceptions.RayError as fault:
                names = ", ".join(str(job.speech) for job in batches[number])
                raise ServiceError(f"{names}: made on a cluster five times and lost each time ({type(fault).__name__}); expected one that lives - "
                                   "try them with --engine local") from fault  # fmt: skip
    finally:
        for reference in running:
            with suppress(Exception):
                ray.cancel(reference, force=True)


def tidy(jobs: Sequence[Job]) -> None:
    """Take away what processes that died have left half-written."""
    for job in jobs:
        for path in job.outputs:
            for partial in path.parent.glob(f".{path.stem}.*.partial{path.suffix}"):
                LOGGER.debug("%s: left by a process that died", partial)
                with suppress(OSError):
                    partial.unlink()
