"""Building an index from a corpus on disk: clip by clip, in several processes, and on from where a killed build stopped.

Each clip's product is kept in a work folder beside the target (``NAME.work``) under a key made of its files, the encoders and the
version, so that only what is missing or changed is worked on again. A clip that cannot be used is left out and named.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

from raggesture.corpus.beat2 import MOTION_DIR, SPLIT_FILE, clip_ids, read_clip, speaker_of
from raggesture.corpus.build import clip_features
from raggesture.corpus.clip import Clip
from raggesture.corpus.faults import Sieve
from raggesture.corpus.features import ClipFeatures
from raggesture.corpus.take import take_files
from raggesture.corpus.takes import TakeFiles, find_takes, read_take
from raggesture.encoders.base import AudioEncoder, TextEncoder
from raggesture.encoders.conditioning import ConditionEncoder
from raggesture.errors import InputError, ModelError, RaggestureError, ServiceError, UsageError
from raggesture.retarget.names import load_skeleton
from raggesture.retrieval.derive import check_clip, derive
from raggesture.retrieval.product import Product, load_product, product_of, save_product
from raggesture.retrieval.store import SCHEMA

JobProgress = Callable[[str, int, int], None]
"""Called with what was done, how many clips are done, and how many there are."""
_PARENT_CHECK_S = 2.0


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A clip that is not in the index, or a row of its annotations (``whole`` off), and why: the reason names file and row.

    ``outside``: a well-formed row that lies outside its clip, which ``--strict`` does not mind (BEAT2 has them).
    """

    clip: str
    reason: str
    whole: bool = True
    outside: bool = False


@dataclass(frozen=True, slots=True)
class _Notes(Sieve):
    """Collects rows that cannot be used."""

    rows: list[LeftOut] = field(default_factory=list)

    def leave_out(self, path: Path, reason: str, row: int | None = None, *, outside: bool = False) -> None:
        """Note one row."""
        self.rows.append(LeftOut(self.clip, reason, whole=False, outside=outside))


@dataclass(frozen=True, slots=True)
class Job:
    """A clip to work on. ``take`` for a plain folder, None for BEAT2's layout. ``target`` is where its product goes.

    ``features``: a store of features that is shared with training (BEAT2's layout only), or None.
    """

    root: Path
    name: str
    take: TakeFiles | None
    encoders: tuple[str, str]
    grid: str
    target: Path
    features: Path | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The clips of a corpus: ``takes`` where it is a plain folder. ``left_out``: what cannot be a clip at all."""

    names: tuple[str, ...]
    takes: tuple[TakeFiles, ...]
    left_out: tuple[LeftOut, ...]


def find_clips(root: Path, split: str | None, speakers: Collection[str] | None = None, skeleton: str = "") -> Found:
    """The clips of a corpus in BEAT2's layout or of a plain folder of takes, each name once.

    Args:
        split: of ``train_test_split.csv``; ``all`` for every clip; None: ``train`` where there is such a file, else every clip.
        skeleton: a table of joints for the BVH files among plain takes, "" for the one that fits each.

    Raises:
        InputError: neither kind of folder, or the split is unknown. ConfigError: the table is not as it should be.
    """
    if skeleton:
        load_skeleton(skeleton)  # once, instead of leaving out clip after clip
    if not (root / MOTION_DIR).is_dir():
        takes = tuple(take for take in find_takes(root, skeleton) if speakers is None or take.speaker in speakers)
        names = [take.name for take in takes]
        first = {name: names.index(name) for name in dict.fromkeys(names)}
        twice = tuple(_twice(take.name, takes[first[take.name]].motion or root) for k, take in enumerate(takes) if first[take.name] != k)
        kept = tuple(takes[k] for k in first.values())
        return Found(tuple(first), kept, twice)
    wanted = ("train" if (root / SPLIT_FILE).is_file() else None) if split is None else None if split == "all" else split
    ids = clip_ids(root, wanted, speakers)
    left = [_twice(name, root / SPLIT_FILE) for name, count in Counter(ids).items() if count > 1]
    if wanted is None:
        moving, voices = set(clip_ids(root)), sorted((root / "wave16k").glob("*.wav"))
        alone = [path for path in voices if path.stem not in moving and (speakers is None or speaker_of(path.stem) in speakers)]
        left += [LeftOut(path.stem, f"{path}: audio without motion; expected {MOTION_DIR}/{path.stem}.npz - add it") for path in alone]
    return Found(tuple(dict.fromkeys(ids)), (), tuple(left))


def _twice(name: str, where: Path) -> LeftOut:
    return LeftOut(name, f"{where}: clip {name!r} is there twice; expected every name once - the second was left out, rename it")


def _files(root: Path, name: str, take: TakeFiles | None) -> list[Path]:
    if take is None:
        return [path for path in take_files(root, name).values() if path.is_file()]
    return list(take.files)


def _key(root: Path, name: str, take: TakeFiles | None, encoders: tuple[str, str], grid: str) -> str:
    """Changes with the clip's files, the encoders, the grid and the version."""
    about = (SCHEMA, version("raggesture"), name, encoders, grid, "" if take is None else take.skeleton)
    digest = hashlib.sha256(repr(about).encode(errors="surrogateescape"))
    for path in _files(root, name, take):
        facts = path.stat()
        digest.update(repr((str(path.absolute()), facts.st_size, facts.st_mtime_ns)).encode(errors="surrogateescape"))
    return digest.hexdigest()[:40]


def jobs_of(root: Path, found: Found, encoders: tuple[str, str], grid: str, work: Path, features: Path | None = None) -> tuple[Job, ...]:
    """One job a clip; products go into ``work``."""
    takes = {take.name: take for take in found.takes}
    jobs = []
    for name in found.names:
        take = takes.get(name)
        jobs.append(Job(root, name, take, encoders, grid, work / f"{_key(root, name, take, encoders, grid)}.safetensors", features))
    return tuple(jobs)


def _read(job: Job, notes: _Notes) -> Clip:
    try:
        job.name.encode()
    except UnicodeEncodeError as fault:
        raise InputError(f"{job.root}: a file's name is not valid Unicode ({job.name!r}); expected one that is - rename it") from fault
    clip = read_take(job.take, notes) if job.take is not None else read_clip(job.root, job.name, notes)
    motion = job.take.motion if job.take is not None and job.take.motion is not None else job.root / MOTION_DIR / f"{job.name}.npz"
    check_clip(clip, motion)
    return derive(clip)


def _notes_of(job: Job) -> Path:
    """Where the rows are noted that were left out of a clip."""
    return job.target.with_suffix(".json")


def _keep_notes(job: Job, rows: list[LeftOut]) -> None:
    """Before the product: a product that is there has its notes."""
    if not rows:
        _notes_of(job).unlink(missing_ok=True)
        return
    partial = _notes_of(job).with_suffix(".partial")
    partial.write_text(json.dumps([asdict(each) for each in rows]), encoding="utf-8")
    partial.replace(_notes_of(job))


def rows_left_out(jobs: Iterable[Job]) -> tuple[LeftOut, ...]:
    """The rows that were left out of clips that are in."""
    noted = [json.loads(_notes_of(job).read_text(encoding="utf-8")) for job in jobs if job.target.is_file() and _notes_of(job).is_file()]
    return tuple(LeftOut(**each) for rows in noted for each in rows)


def _stored(job: Job, text: TextEncoder, audio: AudioEncoder) -> ClipFeatures | None:
    """The clip's features from the shared store (computed into it if it lacks them), or None: an index stores none of encoders that hear windows."""
    if job.features is None or job.take is not None or text.per_window or audio.per_window:
        return None
    return clip_features(job.root, job.name, job.features, ConditionEncoder(text, audio))


def do_job(job: Job, text: TextEncoder, audio: AudioEncoder) -> LeftOut | None:
    """Work on one clip and keep its product; what is wrong with the clip comes back as a reason.

    Raises:
        ModelError: something that every clip needs is not installed.
    """
    try:
        notes = _Notes(clip=job.name)
        product = product_of(_read(job, notes), text, audio, grid=job.grid, stored=_stored(job, text, audio))
        _keep_notes(job, notes.rows)
        save_product(product, job.target)
    except ModelError:
        raise
    except RaggestureError as fault:
        return LeftOut(job.name, str(fault))
    except (ValueError, TypeError, KeyError, IndexError, ArithmeticError, OSError, RuntimeError) as fault:  # one odd clip shall not lose the build
        return LeftOut(job.name, f"{job.root}: clip {job.name!r} cannot be used ({type(fault).__name__}: {fault}); expected a take like the others - repair it")
    return None


@cache
def _encoders(names: tuple[str, str]) -> tuple[TextEncoder, AudioEncoder]:
    from raggesture.encoders.registry import audio_encoder, text_encoder

    return text_encoder(names[0]), audio_encoder(names[1])


def _begin_worker(parent: int, threads: int) -> None:
    """A worker ends when its parent was killed, and leaves the other workers their cores."""
    import torch

    torch.set_num_threads(threads)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_CHECK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _in_worker(job: Job) -> LeftOut | None:
    return do_job(job, *_encoders(job.encoders))


def _outcomes(jobs: tuple[Job, ...], workers: int, encoders: tuple[TextEncoder, AudioEncoder]) -> Iterator[tuple[Job, LeftOut | None]]:
    """Outcomes of jobs as they come."""
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            yield job, do_job(job, *encoders)
        return
    count = min(workers, len(jobs))
    threads = max((os.cpu_count() or 1) // count, 1)
    pool = ProcessPoolExecutor(count, get_context("spawn"), _begin_worker, (os.getpid(), threads))
    try:
        waiting: dict[Future[LeftOut | None], Job] = {pool.submit(_in_worker, job): job for job in jobs}
        for done in as_completed(waiting):
            yield waiting.pop(done), done.result()
    except BrokenProcessPool as fault:
        raise ServiceError(
            f"index build: a worker process was ended from outside ({fault}); expected it to finish - give the same command again, it goes on"
        ) from fault
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def work_on(jobs: tuple[Job, ...], workers: int, encoders: tuple[TextEncoder, AudioEncoder], progress: JobProgress | None = None) -> tuple[LeftOut, ...]:
    """Do the jobs whose product is not there yet; returns those that came to nothing, in the order of the jobs."""
    missing = tuple(job for job in jobs if not job.target.is_file())
    done, faults = len(jobs) - len(missing), dict[str, LeftOut]()
    for job, fault in _outcomes(missing, workers, encoders):
        done += 1
        if fault is not None:
            faults[job.name] = fault
        if progress is not None:
            progress(job.name, done, len(jobs))
    return tuple(faults[job.name] for job in jobs if job.name in faults)


def products_of(jobs: Iterable[Job]) -> Iterator[Product]:
    """The products that are there, in the order of the jobs."""
    for job in jobs:
        if job.target.is_file():
            yield load_product(job.target)


@contextmanager
def work_folder(target: Path) -> Iterator[Path]:
    """The work folder of a target, for one build at a time; it is left where a fault or a kill ends the build.

    Raises:
        UsageError: another process is building the same index, or the folder cannot be made.
    """
    work = target.with_name(f"{target.name}.work")
    try:
        work.mkdir(parents=True, exist_ok=True)
        handle = os.open(work / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as fault:
        raise UsageError(f"{work}: cannot be made ({fault.strerror}); expected a folder to work in - choose another --out") from fault
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            raise UsageError(f"{work}: another process is building this index; expected to be the only one - wait until it has finished") from fault
        yield work
        shutil.rmtree(work, ignore_errors=True)
    finally:
        os.close(handle)
