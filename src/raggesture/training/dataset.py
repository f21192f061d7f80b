"""What training reads: features, text and audio of every clip on model frames, in one set of arrays, cached in a folder.

All clips lie one after another along the frames (N). Windows are drawn at any frame, with true context from the clip and its edge frames repeated
outside; a window's text and audio are zero outside the clip. Source: METHOD part I (a) "Windows".
Differs from the released code: windows start at every frame, not every fifth, and none is dropped for having no words.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from raggesture.body.features import PartFeatures, features_of, relative_translation
from raggesture.body.joints import PARTS
from raggesture.clock import WINDOW_FRAMES
from raggesture.corpus.clip import Clip
from raggesture.encoders.base import AudioEncoder, TextEncoder, frame_aligned
from raggesture.errors import InputError
from raggesture.models.conditions import Conditions

LOG = logging.getLogger("raggesture")
ARRAYS = (*PARTS, "text", "audio", "bounds", "speaker")
"""Names of a dataset's tensors."""


@dataclass(frozen=True, slots=True, eq=False)
class MotionDataset:
    """Clips as arrays.

    ``upper`` (N, 78), ``hands`` (N, 180), ``face`` (N, 106) and ``text`` (N, Ct) float16; ``lower`` (N, 61) and ``audio`` (N, Ca) float32;
    ``bounds`` (C + 1,) int64: clip k owns frames bounds[k] .. bounds[k + 1] - 1; ``speaker`` (C,) int64 into ``speakers``.
    """

    upper: Tensor
    hands: Tensor
    face: Tensor
    lower: Tensor
    text: Tensor
    audio: Tensor
    bounds: Tensor
    speaker: Tensor
    names: tuple[str, ...]
    speakers: tuple[str, ...]
    text_encoder: str
    audio_encoder: str

    def __post_init__(self) -> None:
        frames, clips = int(self.bounds[-1]), len(self.names)
        rows = {int(tensor.shape[0]) for tensor in (self.upper, self.hands, self.face, self.lower, self.text, self.audio)}
        if rows != {frames} or self.bounds.numel() != clips + 1 or self.speaker.numel() != clips:
            raise InputError(f"dataset: {sorted(rows)} rows, {clips} names, bounds to {frames}; expected them to agree - build it again")

    def arrays(self) -> dict[str, Tensor]:
        """All tensors by name."""
        return {name: getattr(self, name) for name in ARRAYS}

    @property
    def clips(self) -> int:
        """C."""
        return len(self.names)

    @property
    def frames(self) -> int:
        """N, model frames of all clips together."""
        return int(self.bounds[-1])

    def to(self, device: torch.device | str) -> MotionDataset:
        """The same arrays on another device."""
        moved: dict[str, Any] = {name: tensor.to(device) for name, tensor in self.arrays().items()}
        return replace(self, **moved)

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Clip (count,) and first frame in it (count,), every frame of the corpus equally likely to be a start (a short clip starts at 0)."""
        bounds = self.bounds.cpu()
        room = (bounds[1:] - bounds[:-1] - WINDOW_FRAMES + 1).clamp_min(1)  # (C,)
        ends = room.cumsum(0)
        ticket = (torch.rand(count, generator=generator, dtype=torch.float64) * int(ends[-1])).long()
        clip = torch.searchsorted(ends, ticket, right=True)
        return clip, ticket - (ends[clip] - room[clip])

    def motion_windows(self, clip: Tensor, start: Tensor, context: int, frames: int = WINDOW_FRAMES) -> PartFeatures:
        """Features (B, frames + 2 * context, n) float32 of windows, x and z relative to each window's own first frame."""
        at, _ = self._rows(clip, start, context, frames)
        lower = relative_translation(self.lower[at].float(), context)
        return PartFeatures(self.upper[at].float(), self.hands[at].float(), self.face[at].float(), lower)

    def conditions(self, clip: Tensor, start: Tensor, frames: int = WINDOW_FRAMES) -> Conditions:
        """Text, audio and speaker of windows; zeros outside the clip."""
        at, inside = self._rows(clip, start, 0, frames)
        text = self.text[at].float() * inside[..., None]
        audio = self.audio[at].float() * inside[..., None]
        return Conditions(text, audio, self.speaker[clip.to(self.speaker.device)])

    def _rows(self, clip: Tensor, start: Tensor, context: int, frames: int) -> tuple[Tensor, Tensor]:
        """(B, frames + 2 context) rows of the arrays, and whether each frame lies inside its clip."""
        device = self.bounds.device
        clip, start = clip.to(device), start.to(device)
        first, end = self.bounds[clip][:, None], self.bounds[clip + 1][:, None]
        wanted = first + start[:, None] + torch.arange(-context, frames + context, device=device)
        rows = torch.minimum(torch.maximum(wanted, first), end - 1)
        return rows, rows == wanted


def build_dataset(
    clips: Iterable[Clip],
    text_encoder: TextEncoder,
    audio_encoder: AudioEncoder,
    speakers: tuple[str, ...] | None = None,
    progress: Callable[[str], None] | None = None,
) -> MotionDataset:
    """Encode clips.

    Args:
        speakers: the known speakers in the order of their indices; those of the clips, sorted, when None. progress: told each clip's name.
    Raises:
        InputError: no clips, or a clip by a speaker that is not in ``speakers``.
    """
    rows: list[dict[str, Tensor]] = []
    names: list[str] = []
    who: list[str] = []
    for clip in clips:
        rows.append(_encode(clip, text_encoder, audio_encoder))
        names.append(clip.name)
        who.append(clip.speaker)
        if progress is not None:
            progress(clip.name)
    if not rows:
        raise InputError("dataset: no clips; expected at least one - check the corpus and the split")
    known = tuple(sorted(set(who))) if speakers is None else speakers
    strangers = sorted(set(who) - set(known))
    if strangers:
        raise InputError(f"dataset: speaker {strangers[0]!r} is not one of {', '.join(known)}; expected known speakers - train with this one or leave it out")
    lengths = torch.tensor([row["upper"].shape[0] for row in rows])
    bounds = torch.cat((torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)))
    joined = [torch.cat([row[key] for row in rows]) for key in (*PARTS, "text", "audio")]
    upper, hands, face, lower, text, audio = joined
    speaker = torch.tensor([known.index(name) for name in who])
    return MotionDataset(upper, hands, face, lower, text, audio, bounds, speaker, tuple(names), known, text_encoder.name, audio_encoder.name)


def _encode(clip: Clip, text_encoder: TextEncoder, audio_encoder: AudioEncoder) -> dict[str, Tensor]:
    features = features_of(clip.motion)
    frames = features.frames
    words = text_encoder.words(clip.transcript) if clip.transcript.words else np.zeros((0, text_encoder.dim), np.float32)
    text = frame_aligned(words, clip.transcript, frames)
    audio = np.zeros((frames, audio_encoder.dim), np.float32)
    if clip.wave_path is None:
        LOG.warning("clip %s: no voice; trained as silence", clip.name)
    else:
        from raggesture.speech.audio import load_audio

        encoded = audio_encoder.encode(load_audio(clip.wave_path))[:frames]
        audio[: encoded.shape[0]] = encoded
    row: dict[str, Tensor] = {part: tensor[0].to(torch.float32 if part == "lower" else torch.float16) for part, tensor in features}
    row["text"] = torch.from_numpy(text).to(torch.float16)
    row["audio"] = torch.from_numpy(audio)
    return row
