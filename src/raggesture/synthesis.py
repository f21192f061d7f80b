"""Latents in, latents out: exemplars encoded and inverted, anchors built, windows sampled and continued, motion decoded.

Everything here is batched and knows no words: the pipeline hands it conditions, cut windows and slots of chunks.
Source: RAG-Gesture sections 3.3 and 3.4; METHOD part I (c) and part III.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from raggesture.body.features import PartFeatures, batch_of, features_of, motion_of, relative_translation, window
from raggesture.body.joints import PARTS, LatentLayout, Part
from raggesture.clock import CHUNK_FRAMES, MODEL_FPS, WINDOW_CHUNKS, WINDOW_FRAMES
from raggesture.diffusion.ddim import Denoise, Guide
from raggesture.diffusion.guidance import DIAL, AnchorGuide, Anchors, chain, mixed_start, rates_per_token
from raggesture.diffusion.inpaint import Inpaint, paste
from raggesture.diffusion.levels import carried
from raggesture.diffusion.noise import NoiseSchedule
from raggesture.diffusion.samplers import Ddim, Sampler
from raggesture.errors import ModelError
from raggesture.models.checkpoint import Model
from raggesture.models.conditions import Conditions
from raggesture.models.deciding import decided
from raggesture.models.folded import Fold, foldable
from raggesture.models.mixing import CONDITION_ONLY, Mixing, bind
from raggesture.models.numerics import FLOAT32, Numerics
from raggesture.motion import Motion
from raggesture.retrieval.index import ClipWindow

Inject = Literal["inversion+guidance", "inversion", "noised", "inpaint", "none"]
INJECTED_PARTS: tuple[Part, ...] = ("upper", "hands")
"""Parts a gesture brings along. Source: METHOD part I (e), only upper and hands are copied."""
INVERSION_BATCH = 32
"""Exemplars inverted at once: bounds the memory of a long speech."""
LAST_CHUNK = slice(WINDOW_CHUNKS - 1, WINDOW_CHUNKS)
_LAYOUT = LatentLayout()


@dataclass(frozen=True, slots=True)
class Insertion:
    """One exemplar in one item of the batch: chunks ``source`` of its window (None: the same) go to ``chunks`` of ``item``.

    ``drafted``: it was composed into the window's own draft, and knows the window's words.
    ``parts``: parts of the body whose tokens it brings. ``ease``: a factor in [0, 1] on the weight of each chunk; empty is 1 for all.
    """

    exemplar: int
    item: int
    chunks: slice
    weight: float = 1.0
    parts: tuple[Part, ...] = INJECTED_PARTS
    ease: tuple[float, ...] = ()
    source: slice | None = None
    drafted: bool = False

    @property
    def weights(self) -> tuple[float, ...]:
        """Weight of each chunk."""
        return tuple(self.weight * factor for factor in self.ease or (1.0,) * (self.chunks.stop - self.chunks.start))


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Tokens that are given: ``latents`` (B, T, D) clean, ``mask`` (B, T) bool."""

    latents: Tensor
    mask: Tensor


class Synthesizer:
    """A model with a sampler (a number: so many steps of DDIM). Step 0 is the noisiest."""

    def __init__(self, model: Model, sampler: Sampler | int, numerics: Numerics = FLOAT32) -> None:
        self.model = model
        self.numerics = numerics
        self.sampler: Sampler = Ddim.of(sampler) if isinstance(sampler, int) else sampler
        self.schedule: NoiseSchedule = self.sampler.schedule
        self.device = model.codec.latent_mean.device
        self._fold = Fold(model.denoiser, self.schedule.timesteps, numerics) if foldable(model.denoiser) else None

    def bind(self, conditions: Conditions, mixing: Mixing, guided: Tensor | None = None) -> Denoise:
        """The denoiser under conditions, for the steps of this synthesizer's schedule; ``guided`` (B, T): how much each token is guided."""
        steps = self.schedule.timesteps
        conditions = self.planned(conditions)
        return bind(self.model.denoiser, conditions, mixing, timesteps=steps, fold=self._fold, numerics=self.numerics, guided=guided)

    @torch.no_grad()
    def planned(self, conditions: Conditions) -> Conditions:
        """The conditions with a plan that is decided, where the model has a planner and its manifest says so."""
        if not self.model.manifest.decides or conditions.plan is not None:
            return conditions
        conditions = conditions.to(self.device)
        return replace(conditions, plan=decided(self.model.denoiser.planned_conditions.plan(conditions)))

    def noise(self, batch: int, generator: torch.Generator) -> Tensor:
        """Standard normal latents (B, T, D), drawn on the CPU so that every device gets the same."""
        return torch.randn(batch, _LAYOUT.tokens, self.model.codec.latent_dim, generator=generator).to(self.device)

    def conditions(self, windows: Sequence[ClipWindow]) -> Conditions:
        """The windows' own conditions.

        Raises:
            ModelError: an index that keeps no conditions cut the windows, and nobody heard them (``retrieval.clip_conditions``).
        """
        if any(not len(w.text) or not len(w.audio) for w in windows):
            raise ModelError("exemplars: their conditions were not encoded; expected them of the encoders - use ClipConditions, the index stores none")
        speakers = [self.model.manifest.speaker_index(w.speaker) for w in windows]
        return Conditions(
            text=torch.from_numpy(np.stack([w.text for w in windows])).to(self.device),
            audio=torch.from_numpy(np.stack([w.audio for w in windows])).to(self.device),
            speaker=torch.tensor(speakers, device=self.device),
        )

    @torch.no_grad()
    def encode(self, windows: Sequence[ClipWindow], generator: torch.Generator | None = None) -> Tensor:
        """Latents (P, T, D) of windows cut with the codec's context; with a generator, samples of the posterior (released) instead of its mean."""
        context = self.model.codec.context_frames
        features = []
        for cut in windows:
            item = features_of(Motion(cut.rotations, cut.translation, cut.expression, float(MODEL_FPS)), cut.contacts)
            features.append(PartFeatures(item.upper, item.hands, item.face, relative_translation(item.lower, context)))
        return self.model.codec.encode(batch_of(features).to(self.device), generator)

    @torch.no_grad()
    def invert(self, latents: Tensor, conditions: Conditions) -> Tensor:
        """Levels (K, P, T, D) of exemplars under their own conditions, condition only (guidance 1), in batches of ``INVERSION_BATCH``."""
        levels = []
        for first in range(0, len(latents), INVERSION_BATCH):
            rows = slice(first, first + INVERSION_BATCH)
            denoise = self.bind(conditions.take(rows), CONDITION_ONLY)
            levels.append(self.sampler.invert(denoise, latents[rows]))
        return torch.cat(levels, dim=1)

    def noised(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Levels (K, P, T, D) on the straight path between exemplars and one draw of noise (P, T, D): anchors without inversion."""
        return torch.stack([self.schedule.at_step(latents, noise, step) for step in range(self.schedule.n_steps)])

    def anchors(self, levels: Tensor, insertions: Sequence[Insertion], batch: int) -> tuple[Anchors, Tensor]:
        """Put chunks of exemplars' levels (K, P, T, D) where they go; returns the anchors (K, B, T, D) and the weights (B, T)."""
        placed = levels.new_zeros(levels.shape[0], batch, *levels.shape[2:])
        mask = torch.zeros(batch, _LAYOUT.tokens, dtype=torch.bool, device=levels.device)
        weights = levels.new_zeros(batch, _LAYOUT.tokens)
        for insertion in insertions:
            for part in insertion.parts:
                at = _LAYOUT.tokens_of(part, insertion.chunks)
                placed[:, insertion.item, at] = levels[:, insertion.exemplar, _LAYOUT.tokens_of(part, insertion.source or insertion.chunks)]
                mask[insertion.item, at] = True
                weights[insertion.item, at] = weights.new_tensor(insertion.weights)
        return Anchors(placed, mask), weights

    @torch.no_grad()
    def sample(self, conditions: Conditions, noise: Tensor, guide: Guide | None = None, held: Held | None = None) -> Tensor:
        """Clean latents (B, T, D) from ``noise``, under ``guide``; held tokens follow one straight path and come out as given."""
        path = noise / self.model.manifest.temperature  # held tokens follow noise of spread 1
        guides = [g for g in (guide, Inpaint(held.latents, held.mask, path, self.schedule) if held else None) if g]
        denoise = self.bind(conditions, self.model.manifest.mixing, guide.share if isinstance(guide, AnchorGuide) else None)
        x_0 = self.sampler.sample(denoise, noise, guide=chain(*guides) if guides else None)
        x_0 = paste(x_0, held.latents, held.mask) if held else x_0
        x_0[:, list(_LAYOUT.separators)] = 0.0
        return x_0

    @torch.no_grad()
    def decode(self, latents: Tensor) -> list[Motion]:
        """One motion at 15 fps per item of the batch."""
        features = self.model.codec.decode(latents)
        return [motion_of(features, item) for item in range(features.batch)]

    @torch.no_grad()
    def continuation(self, latents: Tensor, *, moved: bool = True, kept: slice = LAST_CHUNK) -> Held:
        """What the next window must keep of this one (1, T, D): its last chunk (or those ``kept``), as the first chunks of each part.

        Source: METHOD part I (f), continuity; ``moved`` off is that. Differs from the released code: the lower body's translation is relative
        to its window's first frame, so those latents are moved by what the change of origin does to the encoding.
        """
        count = kept.stop - kept.start
        layout = LatentLayout(count)
        change = self._change_of_origin(latents, kept) if moved else latents.new_zeros(1, layout.tokens, latents.shape[2])
        known, mask = torch.zeros_like(latents), torch.zeros(latents.shape[:2], dtype=torch.bool, device=latents.device)
        for part in PARTS:
            first = _LAYOUT.tokens_of(part, slice(0, count))
            known[:, first] = latents[:, _LAYOUT.tokens_of(part, kept)] + change[:, layout.span(part)]
            mask[:, first] = True
        return Held(known, mask)

    def _change_of_origin(self, latents: Tensor, kept: slice) -> Tensor:
        """(1, T', D): what encoding chunks ``kept`` relative to their own first frame, instead of their window's, adds to their latents."""
        codec, first = self.model.codec, kept.start * CHUNK_FRAMES
        frames, context = (kept.stop - kept.start) * CHUNK_FRAMES, codec.context_frames
        features = codec.decode(latents)
        moved = window(features, first, frames, context)
        at = torch.arange(first - context, first + frames + context, device=latents.device).clamp(0, WINDOW_FRAMES - 1)
        as_it_was = PartFeatures(moved.upper, moved.hands, moved.face, features.lower[:, at])
        return codec.encode(moved) - codec.encode(as_it_was)


@dataclass(frozen=True, slots=True, eq=False)
class Injection:
    """How exemplars enter one batch: the start latents, the guide, and the mean rate of each insertion (``strengths``)."""

    start: Tensor
    guide: Guide | None
    strengths: tuple[float, ...]


def inject(
    synthesizer: Synthesizer, how: Inject, levels: Tensor | None, clean: Tensor | None, insertions: Sequence[Insertion], noise: Tensor, rates: tuple[float, ...]
) -> Injection:
    """Build start latents and guide for one batch.

    Args:
        how: ``inversion+guidance`` and ``noised`` start from the anchors' noisiest level and are guided; ``inversion`` only starts there (the
            paper's first ablation); ``inpaint`` replaces the slots by re-noised clean latents at every step (its second), whatever the schedule;
            ``none``. Where nothing is guided the whole range of a weight turns the start latents (``raggesture.diffusion.guidance.Dial``).
        levels: (K, P, T, D) of the exemplars; clean: (P, T, D), ``inpaint`` only; noise: (B, T, D); rates: of the schedule, ``sampler.clock`` of them
            (``raggesture.diffusion.levels``).
    """
    free = noise * synthesizer.model.manifest.temperature
    used = [k for k in insertions if k.weight > 0]
    given = clean if how == "inpaint" else levels
    if how == "none" or not used or given is None:
        return Injection(free, None, tuple(0.0 for _ in insertions))
    if how == "inpaint":
        placed, weights = synthesizer.anchors(given[None], used, noise.shape[0])
        anchors, rates = Anchors(synthesizer.noised(placed.latents[0], noise), placed.mask), (1.0,) * len(rates)
    else:
        anchors, weights = synthesizer.anchors(given, used, noise.shape[0])
    guided = how != "inversion" and any(rates)
    start = mixed_start(free, anchors.latents[0], DIAL.start(weights) if guided else weights)
    if not guided:
        return Injection(start, None, tuple(0.0 for _ in insertions))
    per_token = rates_per_token(rates, weights)
    share = DIAL.guided(weights)
    for insertion in used:
        if insertion.drafted:
            for part in insertion.parts:
                share[insertion.item, _LAYOUT.tokens_of(part, insertion.chunks)] *= -1
    guide = AnchorGuide(anchors, carried(per_token, synthesizer.schedule), share)
    return Injection(start, guide, tuple(_strength(per_token, k) for k in insertions))


def _strength(per_token: Tensor, insertion: Insertion) -> float:
    at = _LAYOUT.tokens_of(insertion.parts[0], insertion.chunks)
    return float(per_token[:, insertion.item, at].mean()) if insertion.weight > 0 else 0.0
