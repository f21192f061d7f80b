"""``raggesture longform --follow``: sound comes in by a pipe while it is spoken, motion goes out by another, a stated time later.

Motion leaves as lines of JSON on stdout: first what they are (``start``), then frames (``motion``), at last how it went (``end``). It is also
kept, piece by piece, and put together when the speech ends.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from raggesture.cli.console import LOGGER, result
from raggesture.cli.generate import TRACE_SUFFIX
from raggesture.cli.pipes import STDIN, AudioPipe, WordPipe
from raggesture.cli.unfinished import IS_OVER, cut_off
from raggesture.cli.worker import load_pipeline, options_of
from raggesture.errors import InputError

if TYPE_CHECKING:
    from raggesture.config import Settings
    from raggesture.follow import Follower
    from raggesture.longform_work import Work
    from raggesture.motion import Motion
    from raggesture.trace import Identity

SCHEMA = 1
DEFAULT_STEPS = 20
"""Sampling steps of DDIM where nobody says how many: a step has to be made in less time than it lasts."""
_DIGITS = 5


@dataclass(frozen=True, slots=True)
class FollowRequest:
    """What the command line asked for. ``words``: a pipe of words, None to listen; ``word_delay_s``: how long words are waited for. ``keep``: what an
    earlier run has left is not thrown away."""

    source: Path
    out: Path
    words: Path | None
    word_delay_s: float
    patience_s: float
    stride_chunks: int
    lookahead_chunks: int
    force: bool
    keep: bool

    @property
    def name(self) -> str:
        """Of the outputs."""
        return "follow" if str(self.source) == STDIN else self.source.stem


class WordSource(Protocol):
    """Where words come from while the speech goes on."""

    def bring(self, follower: Follower, *, last: bool) -> float:
        """Say to ``follower`` what is known now; gives the seconds that this was computed for (not those of waiting)."""


@dataclass(slots=True)
class PipedWords:
    """Words that somebody else recognises: waited for, but not for long."""

    pipe: WordPipe
    delay_s: float
    latest_s: float = 0.0

    def bring(self, follower: Follower, *, last: bool) -> float:
        """Say what has come; wait until words have come for all that the next step makes, or the delay is over."""
        deadline = time.monotonic() + self.delay_s
        wanted_s = follower.wanted_s
        while True:
            words = self.pipe.new()
            if words:
                follower.say(words)
                self.latest_s = max(self.latest_s, *(word.end for word in words))
            over = time.monotonic() >= deadline or self.pipe.ended.is_set() or self.latest_s >= wanted_s
            if over:
                rest = self.pipe.new()
                if rest:
                    follower.say(rest)
                return 0.0
            time.sleep(0.02)


@dataclass(slots=True)
class HeardWords:
    """Words by Whisper, from what was heard lately."""

    live: Any

    def bring(self, follower: Follower, *, last: bool) -> float:
        """Listen again to the last seconds."""
        before = time.perf_counter()
        recent = follower.recent()
        follower.say(self.live.of(recent.wave, follower.recent_start_s, last=last))
        return time.perf_counter() - before


@dataclass(slots=True)
class _Tally:
    """``frames`` given so far, ``computed_s`` that making them took, ``behind_s``: how far behind its sound a frame was given at most."""

    frames: int = 0
    computed_s: float = 0.0
    behind_s: float = 0.0

    def count(self, motion: Motion, heard_s: float) -> None:
        """A piece of motion has been given."""
        if motion.frames:
            self.behind_s = max(self.behind_s, heard_s - self.frames / motion.fps)
        self.frames += motion.frames


def follow(settings: Settings, request: FollowRequest) -> None:
    """Follow a speech to its end."""
    from raggesture.follow import Follower, FollowOptions
    from raggesture.longform_work import open_work
    from raggesture.outputs import check_output

    paths = (request.out / f"{request.name}.npz", request.out / f"{request.name}{TRACE_SUFFIX}")
    for path in paths:
        check_output(path, force=request.force)
    shape = FollowOptions(request.stride_chunks, request.lookahead_chunks)
    pipeline, options = load_pipeline(settings), options_of(settings)
    follower = Follower(pipeline, options, settings.retriever(), settings.schedule(), shape)
    words: WordSource = _words(request)
    work = open_work(request.out / f"{request.name}.follow", {"followed_since": time.time()}, resume=request.keep)
    tally = _Tally()
    try:
        delay_s = request.word_delay_s if request.words else 0.0
        _send("start", fps=30, joints=55, latency_s=round(shape.latency_s(options) + delay_s, 3), stride_s=shape.stride_chunks)
        audio = AudioPipe(request.source, request.patience_s)
        with _interrupt_ends(audio):
            for number, motion in enumerate(_pieces(follower, audio, words, tally)):
                work.put_motion(number, motion)
                _send_motion(motion, tally.frames)
                tally.count(motion, follower.heard_s)
        if not tally.frames:
            work.remove()
            raise InputError("follow: no sound came before the pipe ended; expected 16-bit mono at 16 kHz - check what writes to it")
        gestures = _deliver(settings, request, follower, pipeline.identities, work, paths)
    except OSError as fault:
        raise cut_off(work, fault, IS_OVER) from fault
    finally:
        work.close()
    work.remove()
    factor = tally.computed_s / follower.heard_s if follower.heard_s else 0.0
    _send("end", frames=tally.frames, heard_s=round(follower.heard_s, 3), gestures=gestures, realtime_factor=round(factor, 3),
          most_behind_s=round(tally.behind_s, 3), outputs=[str(path) for path in paths])  # fmt: skip


@contextmanager
def _interrupt_ends(audio: AudioPipe) -> Iterator[None]:
    """Ctrl-C ends the speech, not the work; a second one ends the work."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        LOGGER.info("interrupted: the speech ends here, what was heard is finished")
        audio.stop()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _words(request: FollowRequest) -> WordSource:
    if request.words is not None:
        return PipedWords(WordPipe(request.words), request.word_delay_s)
    from raggesture.speech.live import LiveWords

    return HeardWords(LiveWords())


def _pieces(follower: Follower, audio: AudioPipe, words: WordSource, tally: _Tally) -> Iterator[Motion]:
    """Motion as it is made."""
    for samples in audio.samples():
        follower.hear(samples)
        while follower.ready:
            tally.computed_s += words.bring(follower, last=False)
            before = time.perf_counter()
            motion = follower.step()
            tally.computed_s += time.perf_counter() - before
            yield motion
    if follower.heard_s:
        tally.computed_s += words.bring(follower, last=True)
    before = time.perf_counter()
    yield from follower.finish()
    tally.computed_s += time.perf_counter() - before


def _send(kind: str, **facts: Any) -> None:
    result(json.dumps({"schema": SCHEMA, "kind": kind, **facts}, allow_nan=False))


def _send_motion(motion: Motion, first: int) -> None:
    """A line of frames; none for none."""
    if motion.frames:
        rows = (motion.rotations.reshape(motion.frames, -1), motion.translation, motion.expression)
        poses, trans, expressions = ([[round(value, _DIGITS) for value in row] for row in array.tolist()] for array in rows)
        _send("motion", frame=first, frames=motion.frames, poses=poses, trans=trans, expressions=expressions)


def _deliver(
    settings: Settings, request: FollowRequest, follower: Follower, identities: tuple[Identity, Identity | None], work: Work, paths: tuple[Path, Path]
) -> int:
    """Put the pieces together; gives the number of gestures."""
    import numpy as np

    from raggesture.clock import SAMPLE_RATE_HZ
    from raggesture.longform_files import frames_of, write_whole
    from raggesture.outputs import new_files
    from raggesture.speech.live import transcript_of
    from raggesture.trace import Setting, SpeechFact, Trace, write_trace
    from raggesture.types import Speech

    told, name = follower.told, request.name
    trace = Trace.of(
        speech=Speech(name, np.zeros(0, np.float32), transcript_of(told.words), settings.generate.speaker), queries=told.queries, hits=told.hits,
        placements=told.inserted, drops=told.drops, settings={key: Setting(value, origin) for key, (value, origin) in settings.origins.items()},
        seed=settings.generate.seed, model=identities[0], index=identities[1], notes=told.notes,
    )  # fmt: skip
    trace = replace(trace, speech=SpeechFact(name, "", follower.heard_s, SAMPLE_RATE_HZ, "", settings.generate.speaker))
    pieces = work.motions()
    with new_files(paths, force=request.force) as (motion_path, trace_path):
        write_whole(pieces, frames_of(pieces), motion_path)
        write_trace(trace, trace_path)
    return len(told.inserted)
