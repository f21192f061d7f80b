"""Speech of any length: understood in sections, made in windows, written as it is made. What is kept in memory does not grow with it.

A window is made as soon as all of it is understood. One after the other each continues the last, as published. In parallel
(``raggesture.leapfrog``) every second window is made first, many in one batch, and then those between, which hold on to both neighbours.
Source: METHOD part I (f). Differs from the released code: words across a window's border are not lost, translation is anchored, sections bound
what has to be known at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from raggesture.account import Account
from raggesture.chain import Chain, Loop, WindowInput, stream_options
from raggesture.clock import MODEL_FPS, MOTION_FPS, WINDOW_FRAMES, chunk_of_frame, frame_of_seconds, frames_of_seconds, seconds_of_frame
from raggesture.encoders.conditioning import SpeechConditions, StitchedConditions
from raggesture.errors import ConfigError
from raggesture.leapfrog import Bridge, batches
from raggesture.longform_work import Work
from raggesture.models.conditions import Conditions
from raggesture.motion_stream import MotionStream
from raggesture.options import GenerateOptions
from raggesture.pipeline import Pipeline, Progress, Stopwatch
from raggesture.plan_file.checks import refuse_other
from raggesture.plan_file.data import GivenPlan, PlanFile
from raggesture.plan_file.following import Followed, find_given, tell_drops
from raggesture.plan_file.made import plan_file_for
from raggesture.plan_file.words import Said
from raggesture.planner import made_with
from raggesture.planning import Plan, Searched, place_found, search
from raggesture.plugins.hookspecs import GuidanceSchedule, Retriever
from raggesture.plugins.rates import checked_rates
from raggesture.retrieval.place import owner_of
from raggesture.speech.cues import find_cues
from raggesture.speech.sections import Section, Words, sections
from raggesture.speech.voice_file import VoiceFile
from raggesture.trace import Trace
from raggesture.types import Speech, Transcript
from raggesture.windowing import WindowMade
from raggesture.windows import window_starts


@dataclass(frozen=True, slots=True, eq=False)
class LongSpeech:
    """A recording with where its words come from. ``name``: of the outputs; ``speaker``: whose voice."""

    name: str
    voice: VoiceFile
    words: Words
    speaker: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ReadyWindow:
    """A window all of which is understood: what goes into it, and how to hear what it is told (only asked if it has to be made)."""

    number: int
    plan: Plan
    hear: Callable[[], Conditions]

    def told(self) -> WindowInput:
        """The window with its conditions."""
        return WindowInput(self.number, self.hear(), self.plan.placements)


class LongForm:
    """Makes one long speech in a work folder.

    Args:
        parallel: windows that are made side by side; 0: one after the other.
    """

    def __init__(
        self, pipeline: Pipeline, options: GenerateOptions, retriever: Retriever, schedule: GuidanceSchedule, *, parallel: int = 0,
        progress: Progress | None = None,
    ) -> None:  # fmt: skip
        if parallel < 0:
            raise ConfigError(f"parallel: {parallel}; expected at least 1 window side by side, or 0 for one after the other - correct it")
        if options.guided_loop == "released":
            raise ConfigError("guided_loop 'released': draws all its noise beforehand; expected 'anchored' for a speech of any length - use generate")
        self._pipeline, self._options, self._retriever = pipeline, options, retriever
        self._parallel = parallel
        self._rates = checked_rates(schedule, pipeline.synthesizer(options).sampler.clock)
        self._watch, self._done = Stopwatch(progress), 0.0

    def run(self, speech: LongSpeech, work: Work, given: GivenPlan | None = None) -> Account:
        """Make all of the motion, piece by piece into ``work``; what is there already is not made again. Returns the account of the whole.

        Args:
            given: a plan to follow instead of asking the retriever.

        Raises:
            InputError: the plan is for another recording, or a gesture of it cannot be made as it says.
        """
        duration_s = speech.voice.facts.duration_s
        account = Account(speech.name, speech.voice, speech.speaker)
        starts = window_starts(duration_s)
        loop = self._pipeline.loop(self._options, self._rates, 0)
        ready = self._ready(speech, work, starts, account, given)
        frames = frames_of_seconds(duration_s, MOTION_FPS)
        made = self._leapfrog(ready, loop, work, len(starts), frames) if self._parallel else self._sequential(ready, loop, work, frames)
        for window, result in made:
            account.insert(window.number, window.plan, result)
            self._lap("write", (window.number + 1) / len(starts))
        account.timings_s.update(self._watch.laps)
        return account

    def plan(self, speech: LongSpeech, work: Work, given: GivenPlan | None = None) -> tuple[PlanFile, Transcript]:
        """Which gestures ``run`` would make, as a file to edit, and the words that were heard."""
        account = Account(speech.name, speech.voice, speech.speaker)
        starts = window_starts(speech.voice.facts.duration_s)
        plans = [window.plan for window in self._ready(speech, work, starts, account, given)]
        placements = tuple(placement for plan in plans for placement in plan.placements)
        whole = Plan(tuple(account.queries), (), account.runners_up, placements, tuple(account.drops))
        file = plan_file_for(whole, account.fact(), starts, made_with(self._pipeline.identities, self._retriever.name))
        return file, account.transcript

    def _lap(self, stage: str, done: float | None = None) -> None:
        self._watch.lap(stage, self._done if done is None else done)
        self._done = self._done if done is None else done

    def _ready(self, speech: LongSpeech, work: Work, starts: Sequence[int], account: Account, given: GivenPlan | None) -> Iterator[ReadyWindow]:
        """The windows in order, each as soon as the sections that it sees are understood."""
        facts, number = speech.voice.facts, 0
        heard: list[tuple[Section, SpeechConditions]] = []
        followed = None if given is None else self._followed(given, speech, work, starts)
        pending, fixed = (Searched(), None) if followed is None else (followed.found, followed.fixed)
        for section in _sections(speech, work):
            found = self._understood(section, speech, work, account, search_too=followed is None)
            pending = pending.joined(found)
            heard.append((section, self._conditions(section)))
            self._lap("understand")
            while number < len(starts) and (section.last or seconds_of_frame(starts[number] + WINDOW_FRAMES) <= section.end_s + 1e-6):
                own, pending = pending.parted(lambda query: self._owner(query.stroke_s, starts) <= number)  # noqa: B023 - called at once
                plan = place_found(own, facts.duration_s, starts, self._options, self._pipeline.index, leapfrog=bool(self._parallel), fixed=fixed)
                account.place(plan)
                yield ReadyWindow(number, plan, self._hearing(tuple(heard), starts[number], speech.speaker))
                number += 1
            if number < len(starts):
                heard = [(each, conditions) for each, conditions in heard if each.end_s > seconds_of_frame(starts[number])]

    def _owner(self, stroke_s: float, starts: Sequence[int]) -> int:
        """The window that a stroke belongs to; the last one where it lies beyond the speech."""
        owner = owner_of(chunk_of_frame(frame_of_seconds(stroke_s)), starts, leapfrog=bool(self._parallel))
        return len(starts) - 1 if owner is None else owner

    def _followed(self, given: GivenPlan, speech: LongSpeech, work: Work, starts: Sequence[int]) -> Followed:
        """What a plan asks for. All of the speech is heard first: a gesture may name nothing but its word."""
        account, facts = Account(speech.name, speech.voice, speech.speaker), speech.voice.facts
        refuse_other(given, account.fact())
        for section in _sections(speech, work):
            self._understood(section, speech, work, account, search_too=False)
        self._lap("understand")
        said, here, leapfrog = Said.of_words(tuple(account.words), facts.duration_s), made_with(self._pipeline.identities), bool(self._parallel)
        options, index = self._options, self._pipeline.index
        followed = find_given(
            given, said, account.cues, options, self._retriever, index, starts, here, voice=facts.voice, speaker=speech.speaker, leapfrog=leapfrog
        )
        placed = place_found(followed.found, facts.duration_s, starts, options, index, leapfrog=leapfrog, fixed=followed.fixed)
        if index is not None:
            tell_drops(given, followed, placed.drops)  # before hours of work, not in the middle
        return followed

    def _understood(self, section: Section, speech: LongSpeech, work: Work, account: Account, *, search_too: bool) -> Searched:
        """What a section asks for, with times of the whole speech; from the work folder where it was understood before."""
        trace = work.section(section.number)
        if trace is None:
            heard = Speech(speech.name, section.wave, section.transcript, speech.speaker)
            cues = find_cues(heard)
            found = Searched()
            if search_too:
                found = search(heard, cues, self._options, self._retriever, self._pipeline.index, speech.voice.facts.voice)
            hits = [hit for hit in found.hits if hit]
            trace = Trace.of(speech=heard, cues=cues, queries=found.queries, hits=hits, runners_up=found.runners_up, notes=found.notes)
            work.put_section(section.number, trace)
        return account.understand(trace, section.start_s)

    def _conditions(self, section: Section) -> SpeechConditions:
        frames = frames_of_seconds(section.end_s - section.start_s, MODEL_FPS)
        return self._pipeline.listener(self._options).speech(section.transcript, frames, lambda: section.wave)

    def _hearing(self, heard: tuple[tuple[Section, SpeechConditions], ...], start: int, speaker: str) -> Callable[[], Conditions]:
        def hear() -> Conditions:
            pieces = StitchedConditions(self._pipeline.listener(self._options), tuple((section.first_frame, each) for section, each in heard))
            return self._pipeline.told(pieces.window(start), self._options, speaker)

        return hear

    def _sequential(self, ready: Iterator[ReadyWindow], loop: Loop, work: Work, frames: int) -> Iterator[tuple[ReadyWindow, WindowMade]]:
        """One window after the other, each continuing the last."""
        chain = Chain(loop, self._options, frames)
        last = 0
        while group := list(islice(ready, loop.group)):
            kept = [work.window(window.number) for window in group]
            missing = any(made is None for made in kept)
            exemplars = loop.exemplars(group[0].number, [window.plan.placements for window in group]) if missing else []
            self._lap("invert")
            for place, (window, made) in enumerate(zip(group, kept, strict=True)):
                if made is None:
                    (made,) = loop.make([chain.job(window.told(), exemplars[place])])
                    work.put_window(window.number, made)
                self._lap("sample")
                work.put_motion(window.number, chain.take(made.latents.to(loop.synthesizer.device)))
                last = window.number
                yield window, made
        work.put_motion(last + 1, chain.end())

    def _leapfrog(self, ready: Iterator[ReadyWindow], loop: Loop, work: Work, windows: int, frames: int) -> Iterator[tuple[ReadyWindow, WindowMade]]:
        """Every second window first, side by side; then those between."""
        options = self._options
        stream = MotionStream(stream_options(options), frames)
        bridge = Bridge(loop, moved=options.translation == "anchored")
        waiting: dict[int, tuple[ReadyWindow, WindowMade]] = {}
        following = 0
        for batch in batches(ready, self._parallel, windows):
            kept = [work.window(window.number) for window in batch]
            if any(made is None for made in kept):
                exemplars = loop.exemplars(batch[0].number, [window.plan.placements for window in batch])
                self._lap("invert")
                made_now = loop.make([bridge.job(window.told(), own) for window, own in zip(batch, exemplars, strict=True)])
                for window, made in zip(batch, made_now, strict=True):
                    work.put_window(window.number, made)
                self._lap("sample")
                kept = list(made_now)
            for window, each in zip(batch, kept, strict=True):
                assert each is not None
                bridge.keep(window.number, each.latents.to(loop.synthesizer.device))
                waiting[window.number] = (window, each)
            while following in waiting:
                window, made = waiting.pop(following)
                work.put_motion(following, stream.feed(loop.synthesizer.decode(made.latents.to(loop.synthesizer.device))[0]))
                yield window, made
                following += 1
        work.put_motion(following, stream.end())


def _sections(speech: LongSpeech, work: Work) -> Iterator[Section]:
    """The speech in sections; those that were understood before keep their words."""

    def known(section: int) -> Transcript | None:
        kept = work.section(section)
        return None if kept is None else kept.transcript

    return sections(speech.voice.blocks(), speech.words, speech.voice.facts.samples, known)
