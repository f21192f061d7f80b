"""Speech that is still being spoken: every few seconds a window is made whose past is given and whose last second is thrown away.

A step adds ``stride`` seconds. Its window is the last ten seconds heard: what has been given out is held, the new seconds are sampled, and after them
``lookahead`` seconds, which only let the motion know where it is going; they are sampled again by the next step. A gesture that reaches into
them is carried on. Words may come late; a gesture whose second has been given out is dropped and said to be.
Nothing of this is in the released code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from raggesture.chain import Loop, stream_options
from raggesture.clock import (
    CHUNK_FRAMES,
    MODEL_FPS,
    MOTION_FPS,
    SAMPLE_RATE_HZ,
    WINDOW_CHUNKS,
    chunk_of_frame,
    frame_of_seconds,
    frames_of_seconds,
    sample_of_seconds,
    seconds_of_frame,
    seconds_of_samples,
)
from raggesture.errors import ConfigError
from raggesture.models.conditions import Conditions
from raggesture.motion import Motion
from raggesture.motion_stream import MotionStream, StreamOptions
from raggesture.options import GenerateOptions
from raggesture.pipeline import Pipeline
from raggesture.planning import place_found, search
from raggesture.plugins.hookspecs import GuidanceSchedule, Retriever
from raggesture.plugins.rates import checked_rates
from raggesture.speech.audio import Samples
from raggesture.speech.cues import find_cues
from raggesture.speech.sections import shifted
from raggesture.synthesis import Held
from raggesture.trace import Inserted
from raggesture.types import Drop, Hit, Placement, Query, Speech, Transcript, Word
from raggesture.windowing import WindowJob

MEMORY_S = 20.0
"""So much of the voice is kept: prosody and prominence are measured against it."""
LATE = "its word came after its second had been given out"


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """``stride_chunks``: seconds that a step adds. ``lookahead_chunks``: seconds after them that are waited for. ``blend_frames`` (15 fps): in which two
    steps are blended, inside what is held. ``feet_lookahead_s``: see ``raggesture.body.feet``."""

    stride_chunks: int = 3
    lookahead_chunks: int = 1
    blend_frames: int = 4
    feet_lookahead_s: float = 0.5

    def __post_init__(self) -> None:
        if self.stride_chunks < 1 or self.lookahead_chunks < 0 or self.stride_chunks + self.lookahead_chunks > WINDOW_CHUNKS - 1:
            raise ConfigError(
                f"follow: steps of {self.stride_chunks} s with {self.lookahead_chunks} s ahead; "
                f"expected at least 1 and 0, together at most {WINDOW_CHUNKS - 1} - correct them"
            )

    def stream(self, options: GenerateOptions) -> StreamOptions:
        """How windows become frames."""
        return replace(stream_options(options), lookahead_s=self.feet_lookahead_s, overlap_frames=self.blend_frames, context_frames=4)

    def latency_s(self, options: GenerateOptions) -> float:
        """How much later than its sound a frame is given at most, beside the time that computing takes."""
        return self.stride_chunks + self.lookahead_chunks + self.stream(options).delay_s


@dataclass(slots=True, eq=False)
class Told:
    """What has been understood and done so far, for the trace."""

    words: list[Word] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    inserted: list[Inserted] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Follower:
    """Makes motion of a speech step by step: ``hear`` and ``say`` what comes, ``step`` while it is ``ready``, then ``finish``.

    Raises:
        ConfigError: options that cannot be, or the published loop, which draws all its noise beforehand.
    """

    def __init__(self, pipeline: Pipeline, options: GenerateOptions, retriever: Retriever, schedule: GuidanceSchedule, shape: FollowOptions) -> None:
        if options.guided_loop == "released":
            raise ConfigError("guided_loop 'released': draws all its noise beforehand; expected 'anchored' to follow a speech - choose another profile")
        self._pipeline, self._options, self._retriever, self.shape = pipeline, options, retriever, shape
        self._loop: Loop = pipeline.loop(options, checked_rates(schedule, pipeline.synthesizer(options).sampler.clock), 0)
        self._stream = MotionStream(shape.stream(options))
        self._wave, self._origin = np.zeros(0, np.float32), 0  # samples kept, and how many came before them
        self._words: list[Word] = []
        self._latents: Tensor | None = None
        self._steps = self._first = 0
        self._placed: list[Placement] = []
        self._asked: set[tuple[str, float]] = set()
        self.told = Told()

    @property
    def heard_s(self) -> float:
        """Seconds of speech that have come."""
        return seconds_of_samples(self._origin + len(self._wave), SAMPLE_RATE_HZ)

    @property
    def wanted_s(self) -> float:
        """Seconds of speech that the next step waits for."""
        return float(self._given + self.shape.stride_chunks + self.shape.lookahead_chunks)

    @property
    def ready(self) -> bool:
        """Whether enough has come for the next step."""
        return self.heard_s >= self.wanted_s

    @property
    def _given(self) -> int:
        """Chunks that have been sampled for good."""
        return self._steps * self.shape.stride_chunks

    def hear(self, samples: Samples) -> None:
        """The next samples (n,) at 16 kHz."""
        self._wave = np.concatenate([self._wave, np.asarray(samples, np.float32)])
        grid = sample_of_seconds(0.2)
        gone = max(0, len(self._wave) - sample_of_seconds(MEMORY_S)) // grid * grid
        self._wave, self._origin = self._wave[gone:], self._origin + gone

    def say(self, words: Sequence[Word]) -> None:
        """Words that were spoken, with times from the start of the speech; they may come late, and in any order."""
        self._words = sorted([*self._words, *words], key=lambda word: (word.start, word.end))
        self.told.words += words

    def recent(self) -> Speech:
        """What was heard lately; times are from ``recent_start_s``."""
        start_s = self.recent_start_s
        self._words = [word for word in self._words if word.start >= start_s]
        length_s = self.heard_s - start_s
        inside = [word for word in shifted(self._words, -start_s) if word.start < length_s]
        words = tuple(replace(word, end=min(word.end, length_s)) for word in inside)
        return Speech("follow", np.ascontiguousarray(self._wave), Transcript(words, source="followed"), self._options.speaker)

    @property
    def recent_start_s(self) -> float:
        """Where what is kept begins in the speech."""
        return seconds_of_samples(self._origin, SAMPLE_RATE_HZ)

    def step(self) -> Motion:
        """Make the next seconds; gives the frames at 30 fps that are final."""
        given, stride = self._given, self.shape.stride_chunks
        first = max(0, given + stride + self.shape.lookahead_chunks - WINDOW_CHUNKS)
        held = self._held(first, given)
        recent = self.recent()
        begun = self._plan(recent, given)
        placements = tuple(each for placement in self._placed if (each := seen_from(placement, first, given)) is not None)
        (exemplars,) = self._loop.exemplars(self._steps, [placements])
        (made,) = self._loop.make([WindowJob(self._told_of(recent, first), self._loop.noise(self._steps), placements, exemplars, held)])
        start_s = seconds_of_frame(first * CHUNK_FRAMES)
        for placement, strength in zip(placements, made.strengths, strict=True):
            if placement.hit.query in begun:
                self.told.inserted.append(Inserted(replace(placement, window=self._steps), start_s, strength))
        motion = self._loop.synthesizer.decode(made.latents)[0]
        self._latents, self._first, self._steps = made.latents, first, self._steps + 1
        blend = self.shape.blend_frames if given else 0
        return self._stream.feed(motion.cut(slice((given - first) * CHUNK_FRAMES - blend, (given - first + stride) * CHUNK_FRAMES)))

    def finish(self) -> Iterator[Motion]:
        """The speech is over: make what is left of it."""
        total = frames_of_seconds(self.heard_s, MOTION_FPS)
        self._stream.ends_at(total)
        while self._given < self.heard_s:
            yield self.step()
        yield self._stream.end()

    def _held(self, first: int, given: int) -> Held | None:
        """What has been given out of the seconds that the new window sees."""
        if self._latents is None:
            return None
        moved = self._options.translation == "anchored" and first != self._first
        return self._loop.synthesizer.continuation(self._latents, moved=moved, kept=slice(first - self._first, given - self._first))

    def _plan(self, recent: Speech, given: int) -> set[Query]:
        """Ask for gestures in what was heard, and place those whose strokes lie in the new seconds; gives the queries that were placed."""
        found = search(recent, find_cues(recent), self._options, self._retriever, self._pipeline.index, "").moved(self.recent_start_s)
        self.told.notes += [note for note in found.notes if note not in self.told.notes]
        due, _ = found.parted(lambda query: self._is_due(query, given + self.shape.stride_chunks))
        late, timely = due.parted(lambda query: chunk_of_frame(frame_of_seconds(query.stroke_s)) < given)
        self._placed = [p for p in self._placed if p.window + p.target.stop > given]
        origin = max([given, *(p.window + p.target.stop for p in self._placed)])
        plan = place_found(timely, float(origin + WINDOW_CHUNKS), (origin * CHUNK_FRAMES,), self._options, self._pipeline.index)
        self._placed += [replace(p, window=origin) for p in plan.placements]
        self.told.queries += due.queries
        self.told.hits += [hit for hit in plan.hits if hit]
        self.told.drops += [*(Drop(query, LATE) for query in late.queries), *plan.drops]
        return {p.hit.query for p in plan.placements}

    def _is_due(self, query: Query, stop: int) -> bool:
        """Whether a query's turn has come: its stroke lies before chunk ``stop``, and it has not been asked for before."""
        key = (query.word, round(query.start, 1))
        if key in self._asked or chunk_of_frame(frame_of_seconds(query.stroke_s)) >= stop:
            return False
        self._asked.add(key)
        return True

    def _told_of(self, recent: Speech, first: int) -> Conditions:
        """What the window is told; what has not been heard yet is silence."""
        frames = frames_of_seconds(recent.duration_s, MODEL_FPS)
        heard = self._pipeline.listener(self._options).speech(recent.transcript, frames, lambda: recent.wave)
        return self._pipeline.told(heard.window(first * CHUNK_FRAMES - frame_of_seconds(self.recent_start_s)), self._options)


def seen_from(placement: Placement, first: int, given: int) -> Placement | None:
    """What is left of a placement in a window that begins at chunk ``first`` and in which those before chunk ``given`` are held; None if nothing.

    ``placement.window`` is the chunk of the speech that its own chunks are counted from.
    """
    begin, end = max(placement.window + placement.target.start, given), min(placement.window + placement.target.stop, first + WINDOW_CHUNKS)
    if begin >= end:
        return None
    cut = begin - placement.window - placement.target.start
    source = slice(placement.source.start + cut, placement.source.start + cut + end - begin)
    return replace(placement, target=slice(begin - first, end - first), source=source)
