"""Exemplars become anchors: cut from their clips, encoded, carried up through the noise. One row per placement.

Source: RAG-Gesture section 3.4; METHOD part I (c). Differs from the released code: see ``raggesture.diffusion.ddim.invert``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from raggesture.body.features import PartFeatures, features_of
from raggesture.clock import CHUNK_FRAMES, MODEL_FPS
from raggesture.composing import Brought
from raggesture.diffusion.samplers import sampler_key
from raggesture.encoders.base import AudioEncoder, TextEncoder
from raggesture.encoders.conditioning import ConditionEncoder, WindowConditions
from raggesture.inversions import InversionCache, Inverted, folder_for, inverted
from raggesture.motion import Motion
from raggesture.options import GenerateOptions
from raggesture.released_loop import released_entries
from raggesture.retrieval.clip_conditions import ClipConditions
from raggesture.retrieval.index import ClipWindow, Index
from raggesture.synthesis import Synthesizer
from raggesture.trace import Identity
from raggesture.types import Placement


@dataclass(frozen=True, slots=True, eq=False)
class ExemplarLevels:
    """Exemplars' latents, one per placement: ``levels`` (K, P, T, D) at every noise level, ``clean`` (P, T, D); None where a way does not need them.

    ``pieces``: features (1, F, n) of an exemplar's window where its gesture brings along less than whole parts (``raggesture.composing``), else None;
    the rows of such a one are zeros. Empty if there is none.
    """

    levels: Tensor | None = None
    clean: Tensor | None = None
    pieces: tuple[PartFeatures | None, ...] = ()

    def take(self, rows: Sequence[int]) -> ExemplarLevels:
        """Those of some placements."""
        chosen = list(rows)
        pieces = tuple(self.pieces[row] for row in chosen) if self.pieces else ()
        return ExemplarLevels(None if self.levels is None else self.levels[:, chosen], None if self.clean is None else self.clean[chosen], pieces)


@dataclass(frozen=True, slots=True)
class Anchorer:
    """Makes anchors of an index' exemplars. ``identities``: of the model and of the index, for the cache of inversions."""

    index: Index
    encoders: tuple[TextEncoder, AudioEncoder]
    identities: tuple[Identity, Identity | None]

    def levels(self, synthesizer: Synthesizer, placements: Sequence[Placement], options: GenerateOptions, rng: torch.Generator) -> ExemplarLevels:
        """What the exemplars of ``placements`` are at every noise level; nothing where none is used.

        Args:
            rng: gives the noise of ``noised`` and ``inpaint``, and samples of the posterior where the options ask for them.
        """
        if options.inject == "none" or not any(p.hit.query.weight > 0 for p in placements):
            return ExemplarLevels()
        whole = [row for row, p in enumerate(placements) if not brought_by(p, options).composite]
        found = self._whole(synthesizer, [placements[row] for row in whole], options, rng) if whole else ExemplarLevels()
        if len(whole) == len(placements):
            return found
        context = synthesizer.model.codec.context_frames
        cuts = {row: self.index.clip_window(p.hit.exemplar.clip, _moved(p), context=context) for row, p in enumerate(placements) if row not in whole}
        pieces = tuple(_features(cuts[row], context) if row in cuts else None for row in range(len(placements)))
        return ExemplarLevels(_spread(found.levels, whole, len(placements), 1), _spread(found.clean, whole, len(placements), 0), pieces)

    def _whole(self, synthesizer: Synthesizer, placements: Sequence[Placement], options: GenerateOptions, rng: torch.Generator) -> ExemplarLevels:
        """Those of gestures that bring whole parts."""
        context = synthesizer.model.codec.context_frames
        clips = ClipConditions(self.index, ConditionEncoder(*self.encoders, options.conditions))
        sampled = rng if options.posterior == "sample" else None

        def invert(rows: Sequence[int]) -> Tensor:
            windows = [_exemplar(clips, placements[row], context) for row in rows]
            way = released_entries if options.guided_loop == "released" else Synthesizer.invert
            return way(synthesizer, synthesizer.encode(windows, sampled), synthesizer.conditions(windows))

        if options.inject in ("noised", "inpaint"):
            clean = synthesizer.encode([_exemplar(clips, p, context) for p in placements], sampled)
            return ExemplarLevels(synthesizer.noised(clean, synthesizer.noise(len(placements), rng)), clean)
        wanted = [each for p in placements if (each := self._kept(p, synthesizer, options)) is not None]
        if not wanted:
            return ExemplarLevels(invert(range(len(placements))))
        cache = InversionCache(folder_for(self.index.path), 1_000_000 * options.cache_mb)
        latent_dim = synthesizer.model.codec.latent_dim
        return ExemplarLevels(inverted(cache, wanted, latent_dim, synthesizer.device, invert, shared=options.cache == "shared"))

    def _kept(self, placement: Placement, synthesizer: Synthesizer, options: GenerateOptions) -> Inverted | None:
        """What the levels of a placement's exemplar depend on; None if they are not to be kept."""
        model, index = self.identities
        if options.cache == "off" or options.posterior == "sample" or not model.sha256 or index is None or not index.sha256:
            return None
        what = (model.sha256, index.sha256, f"{options.guided_loop}/{options.numerics.key}", sampler_key(synthesizer.sampler), synthesizer.schedule.n_steps)
        chunks = (placement.source.start, placement.source.stop)
        parts = brought_by(placement, options).parts
        return Inverted(*what, options.conditions.key, placement.hit.exemplar.clip, placement.source_frame, chunks, str(synthesizer.device), parts=parts)


def brought_by(placement: Placement, options: GenerateOptions) -> Brought:
    """What of the body a placement's gesture brings along: what its query says, else what the options say."""
    return Brought.of(placement.hit.query.parts or options.parts)


def _moved(placement: Placement) -> int:
    """First model frame of the exemplar's window moved so that its chunks lie where they go."""
    return int(placement.source_frame + CHUNK_FRAMES * (placement.source.start - placement.target.start))


def _spread(rows: Tensor | None, at: Sequence[int], count: int, dim: int) -> Tensor | None:
    """Rows put to their places among ``count`` along ``dim``, zeros between them."""
    if rows is None:
        return None
    shape = list(rows.shape)
    shape[dim] = count
    return rows.new_zeros(shape).index_copy_(dim, torch.tensor(list(at), device=rows.device), rows)


def _features(cut: ClipWindow, context: int) -> PartFeatures:
    """(1, F, n) of a window without its context."""
    features = features_of(Motion(cut.rotations, cut.translation, cut.expression, float(MODEL_FPS)), cut.contacts)
    return PartFeatures(*(tensor[:, context : tensor.shape[1] - context] for _, tensor in features))


def _exemplar(clips: ClipConditions, placement: Placement, context: int) -> ClipWindow:
    """The window that a placement takes its chunks from, with the conditions that it was recorded under."""
    clip, start = placement.hit.exemplar.clip, placement.source_frame
    cut = clips.index.clip_window(clip, start, context=context)
    own = clips.window(clip, start, stored=WindowConditions(cut.text, cut.audio))
    return replace(cut, text=own.text, audio=own.audio)
