"""Write the starter corpus: texts spoken, choreographed, performed and written in BEAT2's folder layout.

Deterministic in its seed, whatever the number of workers. A run that was cut off goes on where it stopped: a clip counts
only when all its files are there, and ``starter.json`` holds what the corpus was asked to be.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from raggesture.clock import SAMPLE_RATE_HZ, seconds_of_samples
from raggesture.corpus.starter.choreograph import choreograph
from raggesture.corpus.starter.perform import perform
from raggesture.corpus.starter.speak import envelope_of, speak
from raggesture.corpus.starter.style import STYLES, Style
from raggesture.corpus.starter.texts import Passage, iter_passages
from raggesture.corpus.starter.voices import Voice, flite_voice
from raggesture.corpus.take import Take, take_exists, take_files, write_split, write_take
from raggesture.errors import UsageError

Progress = Callable[[int, int, float], None]
"""Called with clips done, clips planned, seconds of speech so far."""
_WORDS_PER_MINUTE = 150.0
_STAMP = "starter.json"
_TEST_OF, _VAL_OF = (4, 9, 19), 14
"""Which of every twenty clips of a speaker are for tests (over 300 gestures in three hours) and for validation."""


@dataclass(frozen=True, slots=True)
class Job:
    """One clip to be made."""

    name: str
    passage: Passage
    style: Style
    seed: int


@dataclass(frozen=True, slots=True)
class CorpusReport:
    """What was written."""

    clips: int
    hours: float
    words: int
    speakers: tuple[str, ...]


def plan_jobs(passages: Sequence[Passage], styles: Sequence[Style], seed: int) -> tuple[Job, ...]:
    """Give each passage a speaker (every speaker once in each round, in random order), a name and a seed."""
    rng = random.Random(seed)
    order: list[int] = []
    counts: Counter[int] = Counter()
    jobs: list[Job] = []
    for passage in passages:
        if not order:
            order = rng.sample(range(len(styles)), len(styles))
        number = order.pop()
        counts[number] += 1
        name = f"{number + 1}_{styles[number].speaker}_0_{counts[number]}_{counts[number]}"
        jobs.append(Job(name, passage, styles[number], rng.getrandbits(32)))
    return tuple(jobs)


def make_take(job: Job, voice: Voice) -> Take:
    """Speak, understand, choreograph and perform one clip.

    Raises:
        ModelError: the voice is not installed.
    """
    from raggesture.speech.cues import find_cues
    from raggesture.types import Speech

    rng = np.random.default_rng(job.seed)
    recording = speak(job.passage, job.style, voice, rng)
    cues = find_cues(Speech(job.name, recording.clean, recording.transcript, job.style.speaker))  # what was said decides, not how it was recorded
    events = choreograph(recording.transcript, cues, job.style, job.seed)
    performance = perform(events, job.style, recording.duration_s, job.seed, envelope_of(recording.clean, recording.duration_s))
    return Take(job.name, performance.motion, recording.wave, recording.transcript, cues.relations, performance.labels, cues.prominence)


def write_job(root: Path, job: Job, voice: Voice) -> float:
    """Write one clip unless it is there; return its seconds."""
    import soundfile

    if not take_exists(root, job.name):
        write_take(root, make_take(job, voice))
    return seconds_of_samples(int(soundfile.info(take_files(root, job.name)["wave"]).frames), SAMPLE_RATE_HZ)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _run(root: Path, jobs: Sequence[Job], voice: Voice, workers: int) -> Iterator[float]:
    """Seconds of each job, in the order of the jobs."""
    if workers <= 1:
        for job in jobs:
            yield write_job(root, job, voice)
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread)
    try:
        futures: list[Future[float]] = [pool.submit(write_job, root, job, voice) for job in jobs]
        for future in futures:
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _data_digest() -> str:
    digest = hashlib.sha256()
    for folder in ("lexicon", "texts"):
        for path in sorted((Path(__file__).parent / folder).iterdir()):
            if path.is_file():
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _stamp(root: Path, seed: int) -> None:
    """Refuse to go on with a corpus that was begun with another seed, lexicon or texts."""
    wanted = {"schema": 1, "seed": seed, "data": _data_digest()}
    path = root / _STAMP
    if path.is_file():
        try:
            found = json.loads(path.read_text("utf-8"))
        except ValueError:
            found = None
        if found != wanted:
            raise UsageError(f"{root}: holds a corpus begun with {found}; expected {wanted} - name another folder or remove this one")
        return
    if root.is_dir() and any(root.iterdir()):
        raise UsageError(f"{root}: not empty and not a starter corpus; expected a new or empty folder - name another one")
    root.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(wanted) + "\n", encoding="utf-8")


def split_of(jobs: Sequence[Job]) -> list[tuple[str, str]]:
    """(id, type) of each clip: three of every twenty of a speaker are for tests, one for validation; each speaker has a test clip."""
    of_speaker: dict[str, list[Job]] = {}
    for job in jobs:
        of_speaker.setdefault(job.style.speaker, []).append(job)
    rows = []
    for mine in of_speaker.values():
        for index, job in enumerate(mine):
            test = index % 20 in _TEST_OF or (1 < len(mine) <= _TEST_OF[0] and index == len(mine) - 1)
            rows.append((job.name, "test" if test else "val" if index % 20 == _VAL_OF else "train"))
    return rows


class _Planned:
    """Jobs of a seed as far as they are needed: passages are written once, the plan of a longer corpus begins like that of a shorter one."""

    def __init__(self, styles: Sequence[Style], seed: int) -> None:
        self._styles, self._seed = styles, seed
        self._more = iter_passages(seed)
        self._passages: list[Passage] = []

    def of_count(self, count: int) -> tuple[Job, ...]:
        """The first ``count`` jobs."""
        self._passages += islice(self._more, count - len(self._passages))
        return plan_jobs(self._passages, self._styles, self._seed)

    def of_hours(self, hours: float) -> tuple[Job, ...]:
        """Jobs that should last ``hours``."""
        words = 0
        while words < hours * 60 * _WORDS_PER_MINUTE or not self._passages:
            self._passages.append(next(self._more))
            words += len(self._passages[-1].text.split())
        return plan_jobs(self._passages, self._styles, self._seed)


def write_corpus(
    out: Path,
    hours: float,
    seed: int,
    workers: int = 1,
    progress: Progress | None = None,
    *,
    styles: Sequence[Style] = STYLES,
    voice: Voice = flite_voice,
    clips: int | None = None,
) -> CorpusReport:
    """Write a corpus of at least ``hours`` (or of exactly ``clips`` clips, whatever they last).

    Args:
        out: new or empty folder, or one this function was interrupted in; seed: of texts, voices and motion.
        workers: processes; progress: see ``Progress``; styles: the speakers; voice: who speaks the sentences.

    Raises:
        UsageError: the folder holds something else. ModelError: flite is not installed.
    """
    _stamp(out, seed)
    planned = _Planned(styles, seed)
    jobs = planned.of_count(clips) if clips is not None else planned.of_hours(hours)
    done, seconds = 0, 0.0
    while True:
        for length in _run(out, jobs[done:], voice, workers):
            done, seconds = done + 1, seconds + length
            if progress is not None:
                progress(done, len(jobs), seconds)
        if clips is not None or seconds >= hours * 3600:
            break
        jobs = planned.of_count(done + max(1, int(np.ceil((hours * 3600 - seconds) / (seconds / done)))))
    write_split(out, split_of(jobs))
    words = sum(len(job.passage.text.split()) for job in jobs)
    return CorpusReport(len(jobs), seconds / 3600, words, tuple(sorted({job.style.speaker for job in jobs})))
