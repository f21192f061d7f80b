"""The method: from a speech to a motion that gestures on its words. Read top to bottom, this is RAG-Gesture.

Source: RAG-Gesture (CVPR 2025) section 3; METHOD part III for what is done differently and why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from raggesture.anchoring import Anchorer, ExemplarLevels
from raggesture.chain import AnchoredLoop, Chain, Loop, ReleasedLoop, WindowInput, inserted_of
from raggesture.clock import MODEL_FPS, MOTION_FPS, frames_of_seconds
from raggesture.diffusion.samplers import sampler_key
from raggesture.encoders.base import AudioEncoder, TextEncoder
from raggesture.encoders.conditioning import ConditionEncoder, WindowConditions
from raggesture.encoders.registry import audio_encoder, text_encoder
from raggesture.errors import ConfigError
from raggesture.models.checkpoint import MANIFEST, Model, load_model
from raggesture.models.conditions import Conditions
from raggesture.models.numerics import Numerics
from raggesture.motion import Motion, concatenated
from raggesture.options import GenerateOptions, check_options, sampler_of
from raggesture.plan_file.data import GivenPlan, PlanFile
from raggesture.planner import Planner, index_for, plan_speech
from raggesture.planning import Plan
from raggesture.plugins.hookspecs import GuidanceSchedule, Retriever
from raggesture.plugins.rates import checked_rates
from raggesture.resources import PACK_NAME, packaged_dir, sha256_of
from raggesture.retrieval.index import Index
from raggesture.speech.cues import find_cues
from raggesture.synthesis import Synthesizer
from raggesture.trace import Identity, Inserted, Setting, Trace
from raggesture.types import Cues, Speech
from raggesture.windowing import WindowJob, WindowMade
from raggesture.windows import window_starts

Progress = Callable[[str, float], None]
__all__ = ["GenerateOptions", "Generation", "Pipeline", "Progress", "Understood"]


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """A motion at 30 fps with the speech it belongs to and the account of how it came about. ``raggesture.cli.scene`` makes an exporter's scene of it."""

    name: str
    motion: Motion
    speech: Speech
    trace: Trace


@dataclass(slots=True)
class Stopwatch:
    """Seconds per stage, and the caller's progress."""

    progress: Progress | None
    laps: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str, done: float) -> None:
        now = time.perf_counter()
        self.laps[stage] = self.laps.get(stage, 0.0) + now - self._last
        self._last = now
        if self.progress:
            self.progress(stage, done)

    def share(self, stage: str, seconds: float) -> None:
        """Add this speech's share of work that was done for several."""
        self.laps[stage] = self.laps.get(stage, 0.0) + seconds
        self._last = time.perf_counter()


@dataclass(frozen=True, slots=True, eq=False)
class Understood:
    """A speech with all that its motion depends on: cues, plan, and what each window is told."""

    speech: Speech
    file: Path | None
    cues: Cues
    plan: Plan
    windows: tuple[WindowInput, ...]
    watch: Stopwatch


@dataclass(slots=True, eq=False)
class _Run:
    """One of several speeches that are made side by side."""

    understood: Understood
    chain: Chain
    inserted: list[Inserted] = field(default_factory=list)
    parts: list[Motion] = field(default_factory=list)
    _exemplars: list[ExemplarLevels] = field(default_factory=list)

    def job(self, loop: Loop, number: int) -> WindowJob:
        windows = self.understood.windows
        if number % loop.group == 0:
            self._exemplars = loop.exemplars(number, [window.placements for window in windows[number : number + loop.group]])
        return self.chain.job(windows[number], self._exemplars[number % loop.group])

    def take(self, number: int, made: WindowMade) -> None:
        self.inserted += inserted_of(number, self.understood.windows[number].placements, made)
        self.parts.append(self.chain.take(made.latents))

    def end(self) -> Motion:
        self.parts.append(self.chain.end())
        return concatenated(self.parts)


class Pipeline:
    """A loaded model with an index: ``generate`` turns speech into motion."""

    def __init__(self, model: Model, index: Index | None, identities: tuple[Identity, Identity | None], encoders: tuple[TextEncoder, AudioEncoder]) -> None:
        self.model = model
        self.index = index
        self.identities = identities
        self._text, self._audio = encoders
        self._synthesizers: dict[tuple[str, Numerics], Synthesizer] = {}

    @classmethod
    def load(
        cls, model: Path | None = None, index: Path | Index | None = None, device: str = "auto", encoder_folders: Mapping[str, Path] | None = None
    ) -> Pipeline:
        """Load a model folder and an index (a folder, or one that is open already); None is the packaged starter.

        Args:
            encoder_folders: name of an encoder -> folder of its weights, for those that are not where they are looked for anyway.

        Raises:
            ModelError: a folder is missing, truncated, altered, the two do not belong together, or an encoder's weights are not there.
        """
        place_of_model = model or packaged_dir(PACK_NAME, "model")
        chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        if chosen == "cuda" and not torch.cuda.is_available():
            raise ConfigError("device: 'cuda', but torch finds no CUDA device; expected one - use --device cpu or auto")
        with torch.random.fork_rng(devices=[]):  # modules draw their first weights from the global state before the stored ones replace them
            loaded = load_model(place_of_model, chosen)
        folders = encoder_folders or {}
        text_name, audio_name = loaded.manifest.text_encoder, loaded.manifest.audio_encoder
        encoders = (text_encoder(text_name, folders.get(text_name), chosen), audio_encoder(audio_name, folders.get(audio_name), chosen))
        ConditionEncoder(*encoders).check_widths(loaded.manifest.denoiser.text_dim, loaded.manifest.denoiser.audio_dim, str(place_of_model))
        opened = index_for(loaded.manifest, index, encoders[0])
        identities = (Identity(loaded.manifest.name, sha256_of(place_of_model / MANIFEST)), Identity(*opened.identity))
        return cls(loaded, opened, identities, encoders)

    def understand(
        self,
        speech: Speech,
        options: GenerateOptions,
        *,
        retriever: Retriever,
        file: Path | None = None,
        progress: Progress | None = None,
        given: GivenPlan | None = None,
    ) -> Understood:
        """Everything about a speech that needs no sampling: its cues, its conditions, and which word gets which gesture where.

        Args:
            given: a plan to follow (``raggesture.plan_file``); None: the retriever says which words want which gesture.

        Raises:
            InputError: the plan that was given does not fit the speech or the index; the message has the address.
            ConfigError: an unknown speaker, a number out of range.
            ServiceError: the retriever's service does not answer, and ``retriever_fallback`` is ``fail``.
        """
        watch = Stopwatch(progress)
        check_options(options, self.model)
        cues = find_cues(speech)
        watch.lap("understand", 0.1)
        starts = window_starts(speech.duration_s)
        conditions = self._encode(speech, options, starts)
        watch.lap("encode", 0.2)
        plan = plan_speech(speech, cues, options, retriever, self.index, starts, given, self.identities)
        watch.lap("retrieve", 0.3)
        windows = [WindowInput(k, told, tuple(p for p in plan.placements if p.window == k)) for k, told in enumerate(conditions)]
        return Understood(speech, file, cues, plan, tuple(windows), watch)

    def plan(self, speech: Speech, options: GenerateOptions, *, retriever: Retriever, given: GivenPlan | None = None) -> PlanFile:
        """Which gestures ``generate`` would make, as a file to edit; see ``raggesture.planner``, which does the same without the model's weights."""
        return Planner(self.index, self.identities, self.model.manifest.speakers).plan(speech, options, retriever, given)

    def generate(
        self,
        speech: Speech,
        options: GenerateOptions,
        *,
        retriever: Retriever,
        schedule: GuidanceSchedule,
        settings: Mapping[str, Setting] | None = None,
        file: Path | None = None,
        progress: Progress | None = None,
        given: GivenPlan | None = None,
    ) -> Generation:
        """Make a motion of the speech's length, to the frame.

        The same speech, options, model and index give the same bytes on one machine with one number of threads (sums differ in the last bit with
        another); the global random state is neither read nor changed. Random numbers belong to a window, so that whatever is injected the rest of
        the motion starts from the same noise.

        Args:
            given: a plan to follow.

        Raises:
            InputError: the plan that was given does not fit.
            ConfigError: an unknown speaker, a number of steps or of chunks that cannot be, a schedule that breaks its contract.
            ServiceError: the retriever's service does not answer, and ``retriever_fallback`` is ``fail``.
        """
        rates = checked_rates(schedule, self.synthesizer(options).sampler.clock)
        understood = self.understand(speech, options, retriever=retriever, file=file, progress=progress, given=given)
        loop = self.loop(options, rates, len(understood.windows))
        chain = Chain(loop, options, frames_of_seconds(speech.duration_s, MOTION_FPS))
        inserted: list[Inserted] = []
        parts: list[Motion] = []
        whole = len(understood.windows)
        for window, made, motion in chain.run(understood.windows, lambda stage, windows: understood.watch.lap(stage, 0.3 + 0.6 * windows / whole)):
            inserted += inserted_of(window.number, window.placements, made)
            parts.append(motion)
        parts.append(chain.end())
        understood.watch.lap("decode", 1.0)
        return self._generation(understood, options, concatenated(parts), inserted, settings)

    def generate_together(
        self, speeches: Sequence[Understood], options: GenerateOptions, *, schedule: GuidanceSchedule, settings: Mapping[str, Setting] | None = None
    ) -> list[Generation]:
        """Make the motions of several speeches side by side: the first windows of all in one batch, then the second ones.

        As ``generate`` for each, but for the last bit: sums differ with the size of a batch.

        Raises:
            ConfigError: a schedule that breaks its contract; the published loop, which makes one window at a time.
        """
        if options.guided_loop == "released":
            raise ConfigError("guided_loop 'released': makes one speech at a time; expected 'anchored' for several - set batch to 1")
        loop = self.loop(options, checked_rates(schedule, self.synthesizer(options).sampler.clock), 0)
        runs = [_Run(each, Chain(loop, options, frames_of_seconds(each.speech.duration_s, MOTION_FPS))) for each in speeches]
        for number in range(max((len(run.understood.windows) for run in runs), default=0)):
            active = [run for run in runs if number < len(run.understood.windows)]
            before = time.perf_counter()
            for run, made in zip(active, loop.make([run.job(loop, number) for run in active]), strict=True):
                run.take(number, made)
            for run in active:
                run.understood.watch.share("sample", (time.perf_counter() - before) / len(active))
        return [self._generation(run.understood, options, run.end(), run.inserted, settings) for run in runs]

    def loop(self, options: GenerateOptions, rates: tuple[float, ...], windows: int) -> Loop:
        """How windows are made under these options. ``rates``: of the guidance schedule, as many as the sampler's ``clock`` has."""
        synthesizer = self.synthesizer(options)
        anchorer = None if self.index is None else Anchorer(self.index, (self._text, self._audio), self.identities)
        if options.guided_loop == "released":
            return ReleasedLoop(synthesizer, anchorer, options, windows)
        return AnchoredLoop(synthesizer, anchorer, options, rates)

    def _generation(
        self, understood: Understood, options: GenerateOptions, motion: Motion, inserted: Sequence[Inserted], settings: Mapping[str, Setting] | None
    ) -> Generation:
        """The motion with the account of how it came about."""
        plan = understood.plan
        trace = Trace.of(
            speech=understood.speech, file=understood.file, cues=understood.cues, queries=plan.queries, hits=[hit for hit in plan.hits if hit],
            runners_up=plan.runners_up, placements=inserted, drops=plan.drops, settings=settings, seed=options.seed, model=self.identities[0],
            index=self.identities[1], timings_s=understood.watch.laps, notes=plan.notes,
        )  # fmt: skip
        return Generation(understood.speech.name, motion, understood.speech, trace)

    def synthesizer(self, options: GenerateOptions) -> Synthesizer:
        """The model with the options' sampler, made once: it holds what does not depend on the speech."""
        sampler = sampler_of(options)
        key = (sampler_key(sampler), options.numerics)
        if key not in self._synthesizers:
            self._synthesizers = {key: Synthesizer(self.model, sampler, options.numerics)}
        return self._synthesizers[key]

    def _encode(self, speech: Speech, options: GenerateOptions, starts: Sequence[int]) -> tuple[Conditions, ...]:
        """The speech's conditions, window by window."""
        heard = self.listener(options).speech(speech.transcript, frames_of_seconds(speech.duration_s, MODEL_FPS), lambda: speech.wave)
        return tuple(self.told(heard.window(start), options, speech.speaker) for start in starts)

    def listener(self, options: GenerateOptions) -> ConditionEncoder:
        """The model's encoders with the options' rules."""
        return ConditionEncoder(self._text, self._audio, options.conditions)

    def told(self, window: WindowConditions, options: GenerateOptions, speaker: str = "") -> Conditions:
        """What the denoiser is told of a window (batch 1); ``speaker`` where the options name none."""
        device = self.model.codec.latent_mean.device
        text, audio = (torch.from_numpy(track)[None].to(device) for track in (window.text, window.audio))
        number = self.model.manifest.speaker_index(options.speaker or speaker)
        return Conditions(text=text, audio=audio, speaker=torch.tensor([number], device=device))
