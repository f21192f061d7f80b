"""What training reads: features, text and voice of every clip on model frames, window by window.

Windows are drawn at any frame, with true context from the clip and its edge frames repeated outside; a window's text and audio are zero outside the
clip. Encoders that read one window at a time have vectors for the windows on a grid only, and windows are drawn on it.
Source: METHOD part I (a) "Windows".
Differs from the released code: windows start at every frame where the encoders allow it, not at every fifth, and none is dropped for having no words.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from raggesture.body.features import PartFeatures, relative_translation
from raggesture.body.joints import PARTS
from raggesture.clock import WINDOW_FRAMES
from raggesture.corpus.clip import Clip
from raggesture.corpus.features import PUBLISHED_STRIDE_FRAMES, ClipFeatures, encode_clip
from raggesture.corpus.shards import FeatureStore
from raggesture.encoders.base import AudioEncoder, TextEncoder
from raggesture.encoders.conditioning import OUR_RULES, ConditionEncoder, ConditionRules
from raggesture.errors import InputError
from raggesture.models.conditions import Conditions
from raggesture.training.tracks import MappedTracks, MemoryTracks, Tracks

LOG = logging.getLogger("raggesture")
MEMORY_BYTES = 2 << 30
"""A store up to this size is read into memory; a larger one stays on the disk and is mapped."""


@dataclass(frozen=True, slots=True, eq=False)
class MotionDataset:
    """Clips to draw windows from.

    ``bounds`` (C + 1,) int64: clip k has bounds[k + 1] - bounds[k] frames; ``speaker`` (C,) int64 into ``speakers``; ``stride_frames``: 1, or the grid
    on which windows start where an encoder reads windows.
    """

    tracks: Tracks
    bounds: Tensor
    speaker: Tensor
    names: tuple[str, ...]
    speakers: tuple[str, ...]
    text_encoder: str
    audio_encoder: str
    stride_frames: int = 1

    def __post_init__(self) -> None:
        clips = len(self.names)
        if self.bounds.numel() != clips + 1 or self.speaker.numel() != clips or not bool((self.bounds.diff() > 0).all()):
            raise InputError(f"dataset: {clips} names, {self.bounds.numel()} bounds, {self.speaker.numel()} speakers; expected them to agree - build it again")

    @property
    def clips(self) -> int:
        """C."""
        return len(self.names)

    @property
    def frames(self) -> int:
        """N, model frames of all clips together."""
        return int(self.bounds[-1])

    @property
    def device(self) -> torch.device:
        """Where windows come out."""
        return self.tracks.device

    def to(self, device: torch.device | str) -> MotionDataset:
        """The same windows on another device."""
        return replace(self, tracks=self.tracks.to(device))

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Clip (count,) and first frame in it (count,), every window of the corpus equally likely (a short clip has the one from 0)."""
        room = (self.bounds.diff() - WINDOW_FRAMES).clamp_min(0) // self.stride_frames + 1  # (C,)
        ends = room.cumsum(0)
        ticket = (torch.rand(count, generator=generator, dtype=torch.float64) * int(ends[-1])).long()
        clip = torch.searchsorted(ends, ticket, right=True)
        return clip, (ticket - (ends[clip] - room[clip])) * self.stride_frames

    def motion_windows(self, clip: Tensor, start: Tensor, context: int, frames: int = WINDOW_FRAMES) -> PartFeatures:
        """Features (B, frames + 2 * context, n) float32 of windows, x and z relative to each window's own first frame."""
        upper, hands, face, lower = (self.tracks.body(part, clip, start - context, frames + 2 * context) for part in PARTS)
        return PartFeatures(upper, hands, face, relative_translation(lower, context))

    def conditions(self, clip: Tensor, start: Tensor, frames: int = WINDOW_FRAMES) -> Conditions:
        """Text, audio and speaker of windows; zeros outside the clip.

        Raises:
            InputError: an encoder reads windows and there is none of this length from ``start``.
        """
        if self.stride_frames > 1 and (frames != WINDOW_FRAMES or bool((start % self.stride_frames).any())):
            raise InputError(
                f"dataset: windows of {frames} frames from {start.tolist()[:8]}; expected {WINDOW_FRAMES} frames from multiples of {self.stride_frames}, "
                "for which there are vectors - draw windows with draw()"
            )
        text, audio = self.tracks.text(clip, start, frames), self.tracks.voice(clip, start, frames)
        return Conditions(text, audio, self.speaker[clip.to(self.speaker.device)].to(self.device))


def _dataset(
    tracks: Tracks, frames: Sequence[int], names: Sequence[str], who: Sequence[str], known: tuple[str, ...] | None, encoder: ConditionEncoder, stride: int
) -> MotionDataset:
    speakers = tuple(sorted(set(who))) if known is None else known
    strangers = sorted(set(who) - set(speakers))
    if strangers:
        raise InputError(
            f"dataset: speaker {strangers[0]!r} is not one of {', '.join(speakers)}; expected known speakers - train with this one or leave it out"
        )
    bounds = torch.tensor([0, *frames], dtype=torch.int64).cumsum(0)
    windows = encoder.reads_windows or encoder.audio.per_window
    place = torch.tensor([speakers.index(name) for name in who])
    return MotionDataset(tracks, bounds, place, tuple(names), speakers, encoder.text.name, encoder.audio.name, stride if windows else 1)


def build_dataset(
    clips: Iterable[Clip],
    text_encoder: TextEncoder,
    audio_encoder: AudioEncoder,
    speakers: tuple[str, ...] | None = None,
    progress: Callable[[str], None] | None = None,
    *,
    rules: ConditionRules = OUR_RULES,
    stride_frames: int = PUBLISHED_STRIDE_FRAMES,
) -> MotionDataset:
    """Encode clips into memory.

    Args:
        speakers: the known speakers in the order of their indices; those of the clips, sorted, when None. progress: told each clip's name.
        rules: of words and voice. stride_frames: grid of the windows, where an encoder reads windows.
    Raises:
        InputError: no clips, or a clip by a speaker that is not in ``speakers``.
    """
    encoder = ConditionEncoder(text_encoder, audio_encoder, rules)
    rows: list[ClipFeatures] = []
    names: list[str] = []
    who: list[str] = []
    for clip in clips:
        if clip.wave_path is None:
            LOG.warning("clip %s: no voice; trained as silence", clip.name)
        rows.append(encode_clip(clip, encoder, stride_frames=stride_frames))
        names.append(clip.name)
        who.append(clip.speaker)
        if progress is not None:
            progress(clip.name)
    if not rows:
        raise InputError("dataset: no clips; expected at least one - check the corpus and the split")
    return _dataset(MemoryTracks.of_clips(rows, stride_frames), [row.frames for row in rows], names, who, speakers, encoder, stride_frames)


def open_dataset(
    store: FeatureStore, encoder: ConditionEncoder, speakers: tuple[str, ...] | None = None, *, stride_frames: int, memory_bytes: int = MEMORY_BYTES
) -> MotionDataset:
    """The clips of a store: in memory if they are no more than ``memory_bytes``, else mapped. The windows are the same.

    Raises:
        InputError: a clip by a speaker that is not in ``speakers``. ModelError: a shard is missing or damaged.
    """
    tracks: Tracks
    if store.size_bytes <= memory_bytes:
        tracks = MemoryTracks.of_clips([store.clip(name) for name in store.names], stride_frames)
    else:
        tracks = MappedTracks(store, stride_frames)
    return _dataset(tracks, [row.frames for row in store], store.names, [row.speaker for row in store], speakers, encoder, stride_frames)
