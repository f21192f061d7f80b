"""What a run would be, before it is begun: parameters, steps and memory of each stage. Nothing is read but the corpus's lengths, nothing written."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from raggesture.body.joints import FEATURES_OF_PART, LatentLayout, Part
from raggesture.clock import WINDOW_CHUNKS, WINDOW_FRAMES, WINDOW_SECONDS
from raggesture.corpus.beat2 import MOTION_DIR, clip_ids, speaker_of
from raggesture.encoders.registry import audio_encoder, text_encoder
from raggesture.errors import InputError, RaggestureError
from raggesture.metrics.fgd import N_FEATURES, MotionAutoencoder
from raggesture.models.denoiser import Denoiser
from raggesture.models.planner import GesturePlanner
from raggesture.models.vae import TransformerVae
from raggesture.training.denoiser import PUBLISHED_STRIDE, DenoiserObjective, loss_mask
from raggesture.training.evaluation import MIN_FRAMES, AutoencoderObjective, FgdTraining
from raggesture.training.memory import Estimate, estimate
from raggesture.training.optimisation import Optimisation, in_steps
from raggesture.training.planner import PlannerObjective, PlannerTraining
from raggesture.training.recipe import UNNAMED_GESTURES, Recipe, vae_config
from raggesture.training.vae import VaeObjective

Stage = Literal["vae", "fgd", "denoiser"]
_PUBLISHED_DIM = 768
"""Width of BERT's and wav2vec2's vectors, where their weights are not there to ask."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One run. ``steps`` None: bounded by ``minutes``. ``memory_bytes``: estimated, with one process's share of the batch."""

    stage: str
    parameters: int
    steps: int | None
    minutes: float | None
    batch: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Lengths:
    """Model frames of each clip, and how many speakers there are."""

    frames: tuple[int, ...]
    speakers: int

    @property
    def windows(self) -> int:
        """The published windows: ten seconds, every fifth frame."""
        return sum(max(frames - WINDOW_FRAMES, 0) // PUBLISHED_STRIDE + 1 for frames in self.frames)


def lengths_of(root: Path, split: str | None = "train") -> Lengths:
    """Read the lengths of a corpus's motions from their headers. Raises: InputError for what is no corpus or no motion file."""
    ids = clip_ids(root, split)
    if not ids:
        raise InputError(f"{root}: no clips in split {split!r}; expected some - check the split")
    frames = tuple(-(-_rows(root / MOTION_DIR / f"{clip_id}.npz") // 2) for clip_id in ids)
    return Lengths(frames, len({speaker_of(clip_id) for clip_id in ids}))


def _rows(path: Path) -> int:
    try:
        with zipfile.ZipFile(path) as archive, archive.open("poses.npy") as member:
            version = np.lib.format.read_magic(member)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            return int(read(member)[0][0])
    except (OSError, KeyError, ValueError, IndexError, zipfile.BadZipFile) as fault:
        raise InputError(f"{path}: cannot be read ({fault}); expected a motion .npz with poses - check the corpus") from fault


def plan(recipe: Recipe, kit: FgdTraining, lengths: Lengths, stages: Sequence[Stage], parts: Sequence[Part], processes: int = 1) -> list[Planned]:
    """The runs of ``stages`` in order; codecs in closed form are none."""
    runs = []
    if "vae" in stages and recipe.codec.codec.kind == "transformer" and recipe.vae is not None:
        runs += [_planned(f"vae-{part}", _vae(recipe, part), recipe.vae, lengths.windows, processes) for part in parts]
    if "fgd" in stages:
        runs.append(_planned("fgd", _autoencoder(kit), kit, max(1, 2 * sum(lengths.frames) // MIN_FRAMES), processes))
    if "denoiser" in stages and recipe.plans and recipe.planner is not None:
        runs.append(_planned("planner", _planner(recipe, recipe.planner), recipe.planner, lengths.windows, processes))
    if "denoiser" in stages:
        runs.append(_planned("denoiser", _denoiser(recipe, lengths), recipe.training, lengths.windows, processes))
    return runs


def _planned(stage: str, found: Estimate, options: Optimisation, samples: int, processes: int) -> Planned:
    resolved = in_steps(options, samples)
    share = -(-options.batch // processes)
    return Planned(stage, found.parameters, resolved.steps, resolved.minutes, options.batch, found.total(share))


def _vae(recipe: Recipe, part: Part) -> Estimate:
    assert recipe.vae is not None
    config = vae_config(recipe.codec.codec, part)
    inputs = (torch.zeros(1, WINDOW_FRAMES, FEATURES_OF_PART[part]), torch.zeros(1, WINDOW_CHUNKS, config.latent_dim))
    return estimate(VaeObjective(TransformerVae(config), recipe.vae), inputs, averaged=recipe.vae.ema_decay > 0, dtype=recipe.vae.dtype)


def _autoencoder(kit: FgdTraining) -> Estimate:
    return estimate(AutoencoderObjective(MotionAutoencoder()), (torch.zeros(1, MIN_FRAMES, N_FEATURES),), averaged=kit.ema_decay > 0, dtype=kit.dtype)


def _speech(recipe: Recipe) -> tuple[int, int, int]:
    """Widths of text and audio, and a window's audio frames."""
    try:
        audio = audio_encoder(recipe.audio_encoder)
        return text_encoder(recipe.text_encoder).dim, audio.dim, round(audio.rate_hz * WINDOW_SECONDS)
    except RaggestureError:  # weights that are not here yet: the published sizes
        return _PUBLISHED_DIM, _PUBLISHED_DIM, 499


def _planner(recipe: Recipe, options: PlannerTraining) -> Estimate:
    """How many gestures the labels name is not known yet, and matters little."""
    text_dim, audio_dim, frames = _speech(recipe)
    planner = GesturePlanner(text_dim, audio_dim, UNNAMED_GESTURES, recipe.denoiser.planner_dim)
    track = torch.zeros(1, frames)
    inputs = (torch.zeros(1, frames, text_dim), torch.zeros(1, frames, audio_dim), track.long(), track)
    return estimate(PlannerObjective(planner), inputs, averaged=options.ema_decay > 0, dtype=options.dtype)


def _denoiser(recipe: Recipe, lengths: Lengths) -> Estimate:
    text_dim, audio_dim, audio_frames = _speech(recipe)
    sizes = replace(recipe.denoiser, gestures=UNNAMED_GESTURES if recipe.plans else recipe.denoiser.gestures)
    config = replace(sizes, text_dim=text_dim, audio_dim=audio_dim, n_speakers=max(lengths.speakers, 1))
    denoiser = Denoiser(config)
    latents = torch.zeros(1, LatentLayout().tokens, config.latent_dim)
    conditions = (torch.zeros(1, WINDOW_FRAMES, text_dim), torch.zeros(1, audio_frames, audio_dim), torch.zeros(1, dtype=torch.int64))
    inputs = (latents, *conditions, torch.zeros(1, dtype=torch.int64), latents, torch.ones(1, dtype=torch.bool))
    objective = DenoiserObjective(denoiser, loss_mask(denoiser.layout))
    return estimate(objective, inputs, averaged=recipe.training.ema_decay > 0, dtype=recipe.training.dtype)
