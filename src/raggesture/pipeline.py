"""The method: from a speech to a motion that gestures on its words. Read top to bottom, this is RAG-Gesture.

Source: RAG-Gesture (CVPR 2025) section 3; METHOD part III for what is done differently and why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from raggesture.body.feet import plant_feet
from raggesture.clock import MODEL_FPS, MOTION_FPS, frames_of_seconds, seconds_of_frame
from raggesture.encoders.base import AudioEncoder, TextEncoder, frame_aligned
from raggesture.encoders.registry import audio_encoder, text_encoder
from raggesture.errors import ConfigError, ModelError, did_you_mean
from raggesture.models.checkpoint import MANIFEST, Model, load_model
from raggesture.models.conditions import Conditions
from raggesture.motion import Motion, double_rate
from raggesture.plugins.hookspecs import GuidanceSchedule, Retriever
from raggesture.resources import PACK_NAME, packaged_dir, sha256_of
from raggesture.retrieval.index import Index
from raggesture.retrieval.place import place
from raggesture.retrieval.rank import best
from raggesture.speech.cues import find_cues
from raggesture.synthesis import Held, Inject, Insertion, Synthesizer, inject
from raggesture.trace import Identity, Inserted, Setting, Trace
from raggesture.types import Cues, Drop, Hit, Placement, Query, Speech
from raggesture.windows import cut_window, join_windows, window_starts

Progress = Callable[[str, float], None]
RUNNERS_UP = 3
MAX_CHUNKS = 3


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """How to generate.

    ``steps``: K of the sampler. ``weight`` multiplies every query's. ``speaker``: one of the model's ("" = its first). ``chunks``: seconds per gesture.

    ``plant_feet``: let feet stand still between steps (``raggesture.body.feet``) instead of leaving them as decoded.
    """

    steps: int = 50
    seed: int = 0
    inject: Inject = "inversion+guidance"
    weight: float = 1.0
    speaker: str = ""
    chunks: int = 2
    plant_feet: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """A motion at 30 fps with the speech it belongs to and the account of how it came about. ``raggesture.cli.scene`` makes an exporter's scene of it."""

    name: str
    motion: Motion
    speech: Speech
    trace: Trace


@dataclass(frozen=True, slots=True, eq=False)
class _Tracks:
    """The speech's conditions at 15 Hz: ``text`` (F, Ct), ``audio`` (F, Ca)."""

    text: NDArray[np.float32]
    audio: NDArray[np.float32]
    speaker: int


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """What was asked, found and placed."""

    queries: tuple[Query, ...]
    hits: tuple[Hit | None, ...]
    runners_up: Mapping[Query, Sequence[Hit]]
    placements: tuple[Placement, ...]
    drops: tuple[Drop, ...]


@dataclass(slots=True)
class _Stopwatch:
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


class Pipeline:
    """A loaded model with an index: ``generate`` turns speech into motion."""

    def __init__(self, model: Model, index: Index | None, identities: tuple[Identity, Identity | None], encoders: tuple[TextEncoder, AudioEncoder]) -> None:
        self.model = model
        self.index = index
        self._identities = identities
        self._text, self._audio = encoders

    @classmethod
    def load(cls, model: Path | None = None, index: Path | None = None, device: str = "auto") -> Pipeline:
        """Load a model folder and an index folder; None is the packaged starter.

        Raises:
            ModelError: a folder is missing, truncated, altered, or the two do not belong together.
        """
        place_of_model = model or packaged_dir(PACK_NAME, "model")
        place_of_index = index or packaged_dir(PACK_NAME, "index")
        chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        if chosen == "cuda" and not torch.cuda.is_available():
            raise ConfigError("device: 'cuda', but torch finds no CUDA device; expected one - use --device cpu or auto")
        with torch.random.fork_rng(devices=[]):  # modules draw their first weights from the global state before the stored ones replace them
            loaded = load_model(place_of_model, chosen)
        encoders = (text_encoder(loaded.manifest.text_encoder), audio_encoder(loaded.manifest.audio_encoder))
        opened = Index.open(place_of_index, text_encoder=encoders[0])
        for what, ours, theirs in (
            ("text encoder", loaded.manifest.text_encoder, opened.manifest.text_encoder),
            ("audio encoder", loaded.manifest.audio_encoder, opened.manifest.audio_encoder),
        ):
            if ours != theirs:
                raise ModelError(f"{place_of_index}: its {what} is {theirs!r}; expected {ours!r} as the model's - build the index with the model's encoders")
        identities = (
            Identity(loaded.manifest.name, sha256_of(place_of_model / MANIFEST)),
            Identity(str(place_of_index.name), sha256_of(place_of_index / MANIFEST)),
        )
        return cls(loaded, opened, identities, encoders)

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
    ) -> Generation:
        """Make a motion of the speech's length, to the frame.

        The same speech, options, model and index give the same bytes on one machine with one number of threads (sums differ in the last bit with
        another); the global random state is neither read nor changed. All windows' noise is drawn first, so that whatever is injected the rest of
        the motion starts from the same noise.

        Raises:
            ConfigError: an unknown speaker, a number of steps or of chunks that cannot be, a schedule that breaks its contract.
        """
        watch = _Stopwatch(progress)
        _check(options, self.model)
        synthesizer = Synthesizer(self.model, options.steps)
        rates = checked_rates(schedule, options.steps)
        cues = find_cues(speech)
        watch.lap("understand", 0.1)
        tracks = self._encode(speech, options)
        watch.lap("encode", 0.2)
        plan = self._plan(speech, cues, options, retriever)
        watch.lap("retrieve", 0.3)
        rng = torch.Generator().manual_seed(options.seed)
        noises = [synthesizer.noise(1, rng) for _ in window_starts(speech.duration_s)]
        levels, clean = self._levels(synthesizer, plan.placements, options, rng)
        watch.lap("invert", 0.4)
        latents, inserted = self._sample(synthesizer, tracks, plan.placements, (levels, clean), options, rates, noises, watch)
        motion = _to_motion(synthesizer, latents, speech.duration_s, options)
        watch.lap("decode", 1.0)
        trace = Trace.of(
            speech=speech, file=file, cues=cues, queries=plan.queries, hits=[hit for hit in plan.hits if hit], runners_up=plan.runners_up,
            placements=inserted, drops=plan.drops, settings=settings, seed=options.seed, model=self._identities[0], index=self._identities[1],
            timings_s=watch.laps,
        )  # fmt: skip
        return Generation(speech.name, motion, speech, trace)

    def _encode(self, speech: Speech, options: GenerateOptions) -> _Tracks:
        frames = frames_of_seconds(speech.duration_s, MODEL_FPS)
        text = frame_aligned(self._text.words(speech.transcript), speech.transcript, frames)
        return _Tracks(text, self._audio.encode(speech.wave), self.model.manifest.speaker_index(options.speaker or speech.speaker))

    def _plan(self, speech: Speech, cues: Cues, options: GenerateOptions, retriever: Retriever) -> _Plan:
        asked = tuple(replace(q, weight=q.weight * options.weight, speaker=q.speaker or options.speaker) for q in retriever.queries(speech, cues))
        if self.index is None or not asked:
            return _Plan(asked, (None,) * len(asked), {}, (), tuple(Drop(q, "there is no index") for q in asked))
        self.index.learn_words([query.word for query in asked])
        ranked = [tuple(retriever.rank(query, self.index)) for query in asked]
        hits = tuple(best(found, self.index) for found in ranked)
        others = {q: [h for h in found if h is not hit][:RUNNERS_UP] for q, found, hit in zip(asked, ranked, hits, strict=True)}
        placements, drops = place(
            asked, hits, duration_s=speech.duration_s, starts=window_starts(speech.duration_s), clip_frames=self.index.clip_frames, chunks=options.chunks
        )
        return _Plan(asked, hits, others, placements, drops)

    def _levels(
        self, synthesizer: Synthesizer, placements: Sequence[Placement], options: GenerateOptions, rng: torch.Generator
    ) -> tuple[Tensor | None, Tensor | None]:
        """Exemplars' latents at every noise level (K, P, T, D) and clean (P, T, D)."""
        if options.inject == "none" or self.index is None or not any(p.hit.query.weight > 0 for p in placements):
            return None, None
        context = self.model.codec.context_frames
        windows = [self.index.clip_window(p.hit.exemplar.clip, p.source_frame, context=context) for p in placements]
        clean = synthesizer.encode(windows)
        if options.inject in ("noised", "inpaint"):
            return synthesizer.noised(clean, synthesizer.noise(len(windows), rng)), clean
        return synthesizer.invert(clean, synthesizer.conditions(windows)), clean

    def _sample(
        self, synthesizer: Synthesizer, tracks: _Tracks, placements: Sequence[Placement], exemplars: tuple[Tensor | None, Tensor | None],
        options: GenerateOptions, rates: tuple[float, ...], noises: Sequence[Tensor], watch: _Stopwatch,
    ) -> tuple[list[Tensor], list[Inserted]]:  # fmt: skip
        """Sample window after window, each continuing the last: latents (1, T, D) of every window."""
        starts = window_starts(seconds_of_frame(len(tracks.text)))
        latents: list[Tensor] = []
        inserted: list[Inserted] = []
        held: Held | None = None
        for number, start in enumerate(starts):
            noise = noises[number]
            here = [(k, p) for k, p in enumerate(placements) if p.window == number]
            insertions = [Insertion(k, 0, p.target, p.hit.query.weight) for k, p in here]
            injection = inject(synthesizer, options.inject, *exemplars, insertions, noise, rates)
            x_0 = synthesizer.sample(_conditions(tracks, start, synthesizer.device), injection.start, injection.guide, held)
            latents.append(x_0)
            inserted += [Inserted(p, seconds_of_frame(start), s) for (_, p), s in zip(here, injection.strengths, strict=True)]
            held = synthesizer.continuation(x_0)
            watch.lap("sample", 0.4 + 0.5 * (number + 1) / len(starts))
        return latents, inserted


def _check(options: GenerateOptions, model: Model) -> None:
    if options.speaker and options.speaker not in model.manifest.speakers:
        raise ConfigError(f"speaker {options.speaker!r}: the model has no such speaker; {did_you_mean(options.speaker, model.manifest.speakers)}")
    if options.inject not in get_args(Inject):
        raise ConfigError(f"inject {options.inject!r}: unknown; {did_you_mean(options.inject, get_args(Inject))}")
    if not 0.0 <= options.weight <= 1.0:
        raise ConfigError(f"weight: {options.weight}; expected a number in [0, 1] - correct it")
    if not 1 <= options.chunks <= MAX_CHUNKS:
        raise ConfigError(f"chunks: {options.chunks}; expected 1 to {MAX_CHUNKS} seconds per gesture - correct it")


def checked_rates(schedule: GuidanceSchedule, n_steps: int) -> tuple[float, ...]:
    """The schedule's rates, held against its contract.

    Raises:
        ConfigError: another number of rates than steps, or a rate outside [0, 1]: a fault of the schedule, which is named.
    """
    rates = tuple(schedule.rates(n_steps))
    if len(rates) != n_steps or not all(0.0 <= rate <= 1.0 for rate in rates):
        raise ConfigError(f"guidance {schedule.name!r}: returned {len(rates)} rates, from {rates[:3]}; expected {n_steps} in [0, 1] - correct the schedule")
    return rates


def _conditions(tracks: _Tracks, start: int, device: torch.device) -> Conditions:
    text, audio = (torch.from_numpy(cut_window(track, start))[None].to(device) for track in (tracks.text, tracks.audio))
    return Conditions(text=text, audio=audio, speaker=torch.tensor([tracks.speaker], device=device))


def _to_motion(synthesizer: Synthesizer, latents: Sequence[Tensor], duration_s: float, options: GenerateOptions) -> Motion:
    joined = join_windows([synthesizer.decode(x_0)[0] for x_0 in latents])
    motion = double_rate(joined, frames_of_seconds(duration_s, MOTION_FPS))
    return plant_feet(motion) if options.plant_feet else motion
