"""The method: from a speech to a motion that gestures on its words. Read top to bottom, this is RAG-Gesture.

Source: RAG-Gesture (CVPR 2025) section 3; METHOD part III for what is done differently and why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from raggesture.anchoring import Anchorer, ExemplarLevels
from raggesture.body.feet import plant_feet
from raggesture.clock import MODEL_FPS, MOTION_FPS, frames_of_seconds, seconds_of_frame
from raggesture.encoders.base import AudioEncoder, TextEncoder
from raggesture.encoders.conditioning import ConditionEncoder, WindowConditions
from raggesture.encoders.registry import audio_encoder, text_encoder
from raggesture.errors import ConfigError, ModelError
from raggesture.models.checkpoint import MANIFEST, Model, load_model
from raggesture.models.conditions import Conditions
from raggesture.models.numerics import Numerics
from raggesture.motion import Motion, double_rate
from raggesture.options import GenerateOptions, check_options
from raggesture.planning import make_plan
from raggesture.plugins.hookspecs import GuidanceSchedule, Retriever
from raggesture.plugins.rates import checked_rates
from raggesture.resources import PACK_NAME, packaged_dir, sha256_of
from raggesture.retrieval.index import Index
from raggesture.speech.cues import find_cues
from raggesture.synthesis import Held, Synthesizer
from raggesture.trace import Identity, Inserted, Setting, Trace
from raggesture.types import Placement, Speech
from raggesture.windowing import WindowJob, generator_of, make_released_window, make_windows
from raggesture.windows import STRIDE_FRAMES, join_windows, window_starts

Progress = Callable[[str, float], None]
__all__ = ["GenerateOptions", "Generation", "Pipeline", "Progress"]


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """A motion at 30 fps with the speech it belongs to and the account of how it came about. ``raggesture.cli.scene`` makes an exporter's scene of it."""

    name: str
    motion: Motion
    speech: Speech
    trace: Trace


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
        check_options(options, self.model)
        synthesizer = self._synthesizer(options.steps, options.numerics)
        rates = checked_rates(schedule, options.steps)
        cues = find_cues(speech)
        watch.lap("understand", 0.1)
        heard = self._encode(speech, options)
        watch.lap("encode", 0.2)
        plan = make_plan(speech, cues, options, retriever, self.index, window_starts(speech.duration_s))
        watch.lap("retrieve", 0.3)
        latents, inserted = self._sample(synthesizer, heard, plan.placements, options, rates, watch)
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

    def _exemplars(self, synthesizer: Synthesizer, placements: Sequence[Placement], options: GenerateOptions, rng: torch.Generator) -> ExemplarLevels:
        """The exemplars of ``placements`` at every noise level."""
        if self.index is None:
            return ExemplarLevels()
        return Anchorer(self.index, (self._text, self._audio), self._identities).levels(synthesizer, placements, options, rng)

    def _sample(
        self, synthesizer: Synthesizer, heard: Sequence[Conditions], placements: Sequence[Placement], options: GenerateOptions, rates: tuple[float, ...],
        watch: _Stopwatch,
    ) -> tuple[list[Tensor], list[Inserted]]:  # fmt: skip
        """Sample window after window, each continuing the last: latents (1, T, D) of every window."""
        released = options.guided_loop == "released"
        rng = generator_of(options.seed, 0)
        noises = [synthesizer.noise(1, rng if released else generator_of(options.seed, number)) for number in range(len(heard))]
        exemplars = self._exemplars(synthesizer, placements, options, rng if released else generator_of(options.seed, 0, "anchors"))
        watch.lap("invert", 0.4)
        latents: list[Tensor] = []
        inserted: list[Inserted] = []
        held: Held | None = None
        for number, start in enumerate(STRIDE_FRAMES * k for k in range(len(heard))):
            rows = [row for row, p in enumerate(placements) if p.window == number]
            here = tuple(placements[row] for row in rows)
            job = WindowJob(heard[number], noises[number], here, exemplars.take(rows), held)
            made = make_released_window(synthesizer, job, options, rng) if released else make_windows(synthesizer, [job], options, rates)[0]
            latents.append(made.latents)
            inserted += [Inserted(p, seconds_of_frame(start), s) for p, s in zip(here, made.strengths, strict=True)]
            held = synthesizer.continuation(made.latents, moved=options.translation == "anchored")
            watch.lap("sample", 0.4 + 0.5 * (number + 1) / len(heard))
        return latents, inserted


def _conditions(window: WindowConditions, speaker: int, device: torch.device) -> Conditions:
    text, audio = (torch.from_numpy(track)[None].to(device) for track in (window.text, window.audio))
    return Conditions(text=text, audio=audio, speaker=torch.tensor([speaker], device=device))


def _to_motion(synthesizer: Synthesizer, latents: Sequence[Tensor], duration_s: float, options: GenerateOptions) -> Motion:
    joined = join_windows([synthesizer.decode(x_0)[0] for x_0 in latents], options.translation)
    motion = double_rate(joined, frames_of_seconds(duration_s, MOTION_FPS), released=options.interpolation == "linear")
    return plant_feet(motion) if options.plant_feet else motion
