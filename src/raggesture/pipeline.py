"""The method: from a speech to a motion that gestures on its words. Read top to bottom, this is RAG-Gesture.

Source: RAG-Gesture (CVPR 2025) section 3; METHOD part III for what is done differently and why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from raggesture.body.feet import plant_feet
from raggesture.clock import MODEL_FPS, MOTION_FPS, frames_of_seconds, seconds_of_frame
from raggesture.encoders.base import AudioEncoder, TextEncoder
from raggesture.encoders.conditioning import OUR_RULES, ConditionEncoder, ConditionRules, WindowConditions
from raggesture.encoders.registry import audio_encoder, text_encoder
from raggesture.errors import ConfigError, ModelError, did_you_mean
from raggesture.inversions import MODES, CacheMode, InversionCache, Inverted, folder_for, inverted
from raggesture.models.checkpoint import MANIFEST, Model, load_model
from raggesture.models.conditions import Conditions
from raggesture.models.numerics import FLOAT32, Numerics
from raggesture.motion import Motion, double_rate
from raggesture.plugins.hookspecs import GuidanceSchedule, Retriever
from raggesture.released_loop import WAYS, released_entries, released_injection
from raggesture.resources import PACK_NAME, packaged_dir, sha256_of
from raggesture.retrieval.clip_conditions import ClipConditions
from raggesture.retrieval.fallback import Fallback, ask
from raggesture.retrieval.index import ClipWindow, Index
from raggesture.retrieval.place import place
from raggesture.retrieval.query import without_itself
from raggesture.retrieval.rank import best
from raggesture.speech.cues import find_cues
from raggesture.synthesis import Held, Inject, Insertion, Synthesizer, inject
from raggesture.trace import Identity, Inserted, Setting, Trace
from raggesture.types import Cues, Drop, Hit, Placement, Query, Speech
from raggesture.windows import STRIDE_FRAMES, GroundTrack, join_windows, window_starts

Progress = Callable[[str, float], None]
Posterior = Literal["mean", "sample"]
GuidedLoop = Literal["anchored", "released"]
Interpolation = Literal["spline", "linear"]
RUNNERS_UP = 3
MAX_CHUNKS = 3


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """How to generate.

    ``steps``: K of the sampler. ``weight`` multiplies every query's. ``speaker``: one of the model's ("" = its first). ``chunks``: seconds per gesture.

    ``plant_feet``: let feet stand still between steps (``raggesture.body.feet``) instead of leaving them as decoded.

    The rest is how the published code does it or how we do (METHOD part III). ``conditions``: words and voice to conditions. ``posterior``: an exemplar's
    latents are the auto-encoder's ``mean``, or a ``sample`` of it (the packaged codec has no spread, it gives the same). ``translation``: a window's
    translation goes on where the last one ended (``anchored``), or is blended back to the origin (``origin``). ``interpolation``: 15 to 30 fps by a
    ``spline``, or ``linear`` and half a frame late. ``guided_loop``: ``anchored``, or ``released`` (``raggesture.released_loop``).

    ``retriever_fallback``: what to do if the retriever's service does not answer (``raggesture.retrieval.fallback``). ``cache``: whether inverted exemplars
    are kept, up to ``cache_mb`` megabytes (``raggesture.inversions``); a ``sample`` of the posterior is never kept.
    ``numerics``: how the denoiser's calls are computed.
    """

    steps: int = 50
    seed: int = 0
    inject: Inject = "inversion+guidance"
    weight: float = 1.0
    speaker: str = ""
    chunks: int = 2
    plant_feet: bool = True
    conditions: ConditionRules = OUR_RULES
    posterior: Posterior = "mean"
    translation: GroundTrack = "anchored"
    interpolation: Interpolation = "spline"
    guided_loop: GuidedLoop = "anchored"
    retriever_fallback: Fallback = "labeller"
    cache: CacheMode = "off"
    cache_mb: int = 1000
    numerics: Numerics = FLOAT32


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """A motion at 30 fps with the speech it belongs to and the account of how it came about. ``raggesture.cli.scene`` makes an exporter's scene of it."""

    name: str
    motion: Motion
    speech: Speech
    trace: Trace


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """What was asked, found and placed."""

    queries: tuple[Query, ...]
    hits: tuple[Hit | None, ...]
    runners_up: Mapping[Query, Sequence[Hit]]
    placements: tuple[Placement, ...]
    drops: tuple[Drop, ...]
    notes: tuple[str, ...]


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
        self._synthesizers: dict[tuple[int, Numerics], Synthesizer] = {}

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
        opened = index if isinstance(index, Index) else Index.open(index or packaged_dir(PACK_NAME, "index"))
        for what, ours, theirs in (
            ("text encoder", text_name, opened.manifest.text_encoder),
            ("audio encoder", audio_name, opened.manifest.audio_encoder),
            ("width of text", loaded.manifest.denoiser.text_dim, opened.manifest.text_dim),
            ("width of audio", loaded.manifest.denoiser.audio_dim, opened.manifest.audio_dim),
        ):
            if ours != theirs:
                raise ModelError(f"{opened.path}: its {what} is {theirs!r}; expected {ours!r} as the model's - build the index with the model's encoders")
        opened.use_encoder(encoders[0])
        identities = (Identity(loaded.manifest.name, sha256_of(place_of_model / MANIFEST)), Identity(*opened.identity))
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
            ServiceError: the retriever's service does not answer, and ``retriever_fallback`` is ``fail``.
        """
        watch = _Stopwatch(progress)
        _check(options, self.model)
        synthesizer = self._synthesizer(options.steps, options.numerics)
        rates = checked_rates(schedule, options.steps)
        cues = find_cues(speech)
        watch.lap("understand", 0.1)
        heard = self._encode(speech, options)
        watch.lap("encode", 0.2)
        plan = self._plan(speech, cues, options, retriever)
        watch.lap("retrieve", 0.3)
        rng = torch.Generator().manual_seed(options.seed)
        noises = [synthesizer.noise(1, rng) for _ in window_starts(speech.duration_s)]
        levels, clean = self._levels(synthesizer, plan.placements, options, rng)
        watch.lap("invert", 0.4)
        latents, inserted = self._sample(synthesizer, heard, plan.placements, (levels, clean), options, rates, noises, rng, watch)
        motion = _to_motion(synthesizer, latents, speech.duration_s, options)
        watch.lap("decode", 1.0)
        trace = Trace.of(
            speech=speech, file=file, cues=cues, queries=plan.queries, hits=[hit for hit in plan.hits if hit], runners_up=plan.runners_up,
            placements=inserted, drops=plan.drops, settings=settings, seed=options.seed, model=self._identities[0], index=self._identities[1],
            timings_s=watch.laps, notes=plan.notes,
        )  # fmt: skip
        return Generation(speech.name, motion, speech, trace)

    def _synthesizer(self, steps: int, numerics: Numerics) -> Synthesizer:
        """The model with a sampler of so many steps, made once: it holds what does not depend on the speech."""
        key = (steps, numerics)
        if key not in self._synthesizers:
            self._synthesizers = {key: Synthesizer(self.model, steps, numerics)}
        return self._synthesizers[key]

    def _encode(self, speech: Speech, options: GenerateOptions) -> tuple[Conditions, ...]:
        """The speech's conditions, window by window."""
        encoder = ConditionEncoder(self._text, self._audio, options.conditions)
        heard = encoder.speech(speech.transcript, frames_of_seconds(speech.duration_s, MODEL_FPS), lambda: speech.wave)
        speaker = self.model.manifest.speaker_index(options.speaker or speech.speaker)
        device = self.model.codec.latent_mean.device
        return tuple(_conditions(heard.window(start), speaker, device) for start in window_starts(speech.duration_s))

    def _plan(self, speech: Speech, cues: Cues, options: GenerateOptions, retriever: Retriever) -> _Plan:
        answer = ask(retriever, speech, cues, options.retriever_fallback)
        asked = tuple(replace(q, weight=q.weight * options.weight, speaker=q.speaker or options.speaker) for q in answer.queries)
        notes: tuple[str, ...] = (answer.note,) if answer.note else ()
        if self.index is None or not asked:
            return _Plan(asked, (None,) * len(asked), {}, (), tuple(Drop(q, "there is no index") for q in asked), notes)
        self.index.learn_words([query.word for query in asked])
        index, note = without_itself(self.index, speech)
        notes += (note,) if note else ()
        ranked = [tuple(retriever.rank(query, index)) for query in asked]
        hits = tuple(best(found, index) for found in ranked)
        others = {q: [h for h in found if h is not hit][:RUNNERS_UP] for q, found, hit in zip(asked, ranked, hits, strict=True)}
        placements, drops = place(
            asked, hits, duration_s=speech.duration_s, starts=window_starts(speech.duration_s), clip_frames=self.index.clip_frames, chunks=options.chunks
        )
        return _Plan(asked, hits, others, placements, drops, notes)

    def _levels(
        self, synthesizer: Synthesizer, placements: Sequence[Placement], options: GenerateOptions, rng: torch.Generator
    ) -> tuple[Tensor | None, Tensor | None]:
        """Exemplars' latents at every noise level (K, P, T, D), or clean (P, T, D) where none is inverted, or both."""
        if options.inject == "none" or self.index is None or not any(p.hit.query.weight > 0 for p in placements):
            return None, None
        context = self.model.codec.context_frames
        clips = ClipConditions(self.index, ConditionEncoder(self._text, self._audio, options.conditions))
        sampled = rng if options.posterior == "sample" else None

        def invert(rows: Sequence[int]) -> Tensor:
            windows = [self._exemplar(clips, placements[row], context) for row in rows]
            way = released_entries if options.guided_loop == "released" else Synthesizer.invert
            return way(synthesizer, synthesizer.encode(windows, sampled), synthesizer.conditions(windows))

        if options.inject in ("noised", "inpaint"):
            clean = synthesizer.encode([self._exemplar(clips, p, context) for p in placements], sampled)
            return synthesizer.noised(clean, synthesizer.noise(len(placements), rng)), clean
        wanted = [each for p in placements if (each := self._inverted(p, synthesizer, options)) is not None]
        if not wanted:
            return invert(range(len(placements))), None
        cache = InversionCache(folder_for(self.index.path), 1_000_000 * options.cache_mb)
        return inverted(cache, wanted, self.model.codec.latent_dim, synthesizer.device, invert, shared=options.cache == "shared"), None

    def _inverted(self, placement: Placement, synthesizer: Synthesizer, options: GenerateOptions) -> Inverted | None:
        """What the levels of a placement's exemplar depend on; None if they are not to be kept."""
        model, index = self._identities
        if options.cache == "off" or options.posterior == "sample" or not model.sha256 or index is None or not index.sha256:
            return None
        what = (model.sha256, index.sha256, f"{options.guided_loop}/{options.numerics.key}", options.steps, options.conditions.key)
        chunks = (placement.target.start, placement.target.stop)
        return Inverted(*what, placement.hit.exemplar.clip, placement.source_frame, chunks, str(synthesizer.device))

    def _exemplar(self, clips: ClipConditions, placement: Placement, context: int) -> ClipWindow:
        """The window that a placement takes its chunks from, with the conditions that it was recorded under."""
        clip, start = placement.hit.exemplar.clip, placement.source_frame
        cut = clips.index.clip_window(clip, start, context=context)
        own = clips.window(clip, start, stored=WindowConditions(cut.text, cut.audio))
        return replace(cut, text=own.text, audio=own.audio)

    def _sample(
        self, synthesizer: Synthesizer, heard: Sequence[Conditions], placements: Sequence[Placement], exemplars: tuple[Tensor | None, Tensor | None],
        options: GenerateOptions, rates: tuple[float, ...], noises: Sequence[Tensor], rng: torch.Generator, watch: _Stopwatch,
    ) -> tuple[list[Tensor], list[Inserted]]:  # fmt: skip
        """Sample window after window, each continuing the last: latents (1, T, D) of every window."""
        starts = [STRIDE_FRAMES * number for number in range(len(heard))]
        latents: list[Tensor] = []
        inserted: list[Inserted] = []
        held: Held | None = None
        for number, start in enumerate(starts):
            noise = noises[number]
            here = [(k, p) for k, p in enumerate(placements) if p.window == number]
            insertions = [Insertion(k, 0, p.target, p.hit.query.weight) for k, p in here]
            if options.guided_loop == "released":
                injection = released_injection(synthesizer, options.inject, *exemplars, insertions, noise, held, rng)
                x_0 = synthesizer.sample(heard[number], injection.start, injection.guide)
            else:
                injection = inject(synthesizer, options.inject, *exemplars, insertions, noise, rates)
                x_0 = synthesizer.sample(heard[number], injection.start, injection.guide, held)
            latents.append(x_0)
            inserted += [Inserted(p, seconds_of_frame(start), s) for (_, p), s in zip(here, injection.strengths, strict=True)]
            held = synthesizer.continuation(x_0, moved=options.translation == "anchored")
            watch.lap("sample", 0.4 + 0.5 * (number + 1) / len(starts))
        return latents, inserted


def _check(options: GenerateOptions, model: Model) -> None:
    if options.speaker and options.speaker not in model.manifest.speakers:
        raise ConfigError(f"speaker {options.speaker!r}: the model has no such speaker; {did_you_mean(options.speaker, model.manifest.speakers)}")
    if options.inject not in get_args(Inject):
        raise ConfigError(f"inject {options.inject!r}: unknown; {did_you_mean(options.inject, get_args(Inject))}")
    if options.guided_loop == "released" and options.inject not in WAYS:
        raise ConfigError(f"inject {options.inject!r}: the released loop has no such way; expected one of {', '.join(WAYS)} - or guided_loop 'anchored'")
    if not 0.0 <= options.weight <= 1.0:
        raise ConfigError(f"weight: {options.weight}; expected a number in [0, 1] - correct it")
    if options.cache not in MODES or options.cache_mb < 1:
        raise ConfigError(f"cache {options.cache!r}, {options.cache_mb} MB: expected one of {', '.join(MODES)} and at least 1 MB - correct it")
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


def _conditions(window: WindowConditions, speaker: int, device: torch.device) -> Conditions:
    text, audio = (torch.from_numpy(track)[None].to(device) for track in (window.text, window.audio))
    return Conditions(text=text, audio=audio, speaker=torch.tensor([speaker], device=device))


def _to_motion(synthesizer: Synthesizer, latents: Sequence[Tensor], duration_s: float, options: GenerateOptions) -> Motion:
    joined = join_windows([synthesizer.decode(x_0)[0] for x_0 in latents], options.translation)
    motion = double_rate(joined, frames_of_seconds(duration_s, MOTION_FPS), released=options.interpolation == "linear")
    return plant_feet(motion) if options.plant_feet else motion
