"""Filling an index that a plugin's backend keeps: clips are worked on as for a folder, then put in one by one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from raggesture.errors import ModelError, UsageError
from raggesture.plugins.hookspecs import IndexBackend, Library
from raggesture.resources import cache_root
from raggesture.retrieval.jobs import JobProgress, find_clips, jobs_of, products_of, rows_left_out, work_folder, work_on
from raggesture.retrieval.update import Choice, Encoders, Report, check_left_out

if TYPE_CHECKING:
    from raggesture.retrieval.index import Index


def _work_of(location: str, corpus: Path) -> Path:
    """Where the work for a place without a folder lies: among the user's caches, by place and corpus."""
    key = hashlib.sha256(f"{location}\n{corpus.absolute()}".encode(errors="surrogateescape")).hexdigest()[:24]
    return cache_root() / "indexes" / key


def check_free(backend: IndexBackend, location: str, *, force: bool) -> None:
    """Raise UsageError if an index with clips is there and is not to be replaced."""
    try:
        held: Index = backend.open(location)
    except ModelError:
        return  # nothing there, or nothing that can be read: the backend says which when it is written to
    if held.manifest.clips and not force:
        raise UsageError(
            f"{held.identity[0]}: holds an index already; expected none - 'index add' puts more in and goes on after an interruption, --force replaces it"
        )


def put_corpus(
    backend: IndexBackend,
    location: str,
    corpus: Path,
    encoders: Encoders,
    choice: Choice,
    *,
    licence: str = "",
    grid: str = "stroke",
    replace: bool = False,
    progress: JobProgress | None = None,
) -> Report:
    """Put the clips of a corpus in an index that ``backend`` keeps; what is there with the same content is passed over.

    Raises:
        InputError: no usable clip, with ``strict`` any that is not, or another clip of the same name is there.
    """
    text, audio = encoders
    found = find_clips(corpus, choice.split, choice.speakers, choice.skeleton)
    with work_folder(_work_of(location, corpus)) as work:
        jobs = jobs_of(corpus, found, (text.name, audio.name), grid, work, choice.features)
        left_out = (*found.left_out, *work_on(jobs, choice.workers, encoders, progress), *rows_left_out(jobs))
        done = [job.name for job in jobs if job.target.is_file()]
        check_left_out(corpus, left_out, strict=choice.strict, nothing=not done)
        added = backend.add(location, products_of(jobs), Library(text, audio, licence, grid, replace))
    return Report(tuple(added), left_out)
