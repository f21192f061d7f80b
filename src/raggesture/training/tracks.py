"""Where a dataset's windows come from: arrays in memory (on any device), or the mapped shards of a store.

Conventions: a window is (clip, first frame), frames at 15 fps; outside its clip a body keeps its first or last frame, text and voice are zero. Both
sources give the same numbers. Mapped, a batch costs the bytes of its windows, whatever the size of the corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from raggesture.body.joints import Part
from raggesture.corpus.features import ClipFeatures
from raggesture.corpus.shards import ClipShard, FeatureStore


class Tracks(Protocol):
    """The arrays of a dataset, window by window. ``clip`` and ``start`` are (B,) int64, everything is returned in float32 on ``device``."""

    @property
    def device(self) -> torch.device:
        """Where windows come out."""
        ...

    def body(self, part: Part, clip: Tensor, start: Tensor, frames: int) -> Tensor:
        """(B, frames, n) features of a part; ``start`` may be negative."""
        ...

    def text(self, clip: Tensor, start: Tensor, frames: int) -> Tensor:
        """(B, frames, Ct) words' vectors."""
        ...

    def voice(self, clip: Tensor, start: Tensor, frames: int) -> Tensor:
        """(B, Na, Ca) voice features."""
        ...

    def to(self, device: torch.device | str) -> Tracks:
        """The same on another device."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class MemoryTracks:
    """Clips one after another: N frames, W windows, M words of all of them.

    ``upper`` (N, 78), ``hands`` (N, 180), ``face`` (N, 106) float16; ``lower`` (N, 61) float32; ``words`` (M + 1, Ct), its first row zero;
    ``word_of_frame`` (N,) or (W, 150) int64 row of ``words``; ``audio`` (N, Ca) or (W, Na, Ca); ``bounds`` (C + 1,) int64 in frames and
    ``window_bounds`` (C + 1,) in windows, which start every ``stride_frames``.
    """

    stride_frames: int
    upper: Tensor
    hands: Tensor
    face: Tensor
    lower: Tensor
    words: Tensor
    word_of_frame: Tensor
    audio: Tensor
    bounds: Tensor
    window_bounds: Tensor

    @classmethod
    def of_clips(cls, clips: Sequence[ClipFeatures], stride_frames: int) -> MemoryTracks:
        """Join clips."""
        body = [torch.from_numpy(np.concatenate([getattr(clip, part) for clip in clips])) for part in ("upper", "hands", "face", "lower")]
        words = np.concatenate([np.zeros((1, clips[0].words.shape[1]), clips[0].words.dtype), *(clip.words for clip in clips)])
        firsts = np.cumsum([0, *(clip.words.shape[0] for clip in clips)])
        owners = np.concatenate([np.where(clip.word_of_frame < 0, 0, clip.word_of_frame + 1 + first) for clip, first in zip(clips, firsts, strict=False)])
        audio = np.concatenate([clip.audio for clip in clips])
        bounds, window_bounds = _ends([clip.frames for clip in clips]), _ends([_windows_of(clip) for clip in clips])
        upper, hands, face, lower = body
        tables = torch.from_numpy(words), torch.from_numpy(owners.astype(np.int64)), torch.from_numpy(audio)
        return cls(stride_frames, upper, hands, face, lower, *tables, bounds, window_bounds)

    @property
    def device(self) -> torch.device:
        """Where the arrays are."""
        return self.upper.device

    def body(self, part: Part, clip: Tensor, start: Tensor, frames: int) -> Tensor:
        """See ``Tracks``."""
        at, _ = self._rows(clip, start, frames)
        track: Tensor = getattr(self, part)
        return track[at].float()

    def text(self, clip: Tensor, start: Tensor, frames: int) -> Tensor:
        """See ``Tracks``."""
        if self.word_of_frame.ndim == 2:
            return self.words[self.word_of_frame[self._windows(clip, start)]].float()
        at, inside = self._rows(clip, start, frames)
        return self.words[self.word_of_frame[at] * inside].float()

    def voice(self, clip: Tensor, start: Tensor, frames: int) -> Tensor:
        """See ``Tracks``."""
        if self.audio.ndim == 3:
            return self.audio[self._windows(clip, start)].float()
        at, inside = self._rows(clip, start, frames)
        return self.audio[at].float() * inside[..., None]

    def to(self, device: torch.device | str) -> MemoryTracks:
        """The arrays on another device."""
        tensors = (self.upper, self.hands, self.face, self.lower, self.words, self.word_of_frame, self.audio, self.bounds, self.window_bounds)
        return MemoryTracks(self.stride_frames, *(tensor.to(device) for tensor in tensors))

    def _rows(self, clip: Tensor, start: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        """(B, frames) rows of the arrays, and whether each frame lies inside its clip."""
        clip, start = clip.to(self.device), start.to(self.device)
        first, end = self.bounds[clip][:, None], self.bounds[clip + 1][:, None]
        wanted = first + start[:, None] + torch.arange(frames, device=self.device)
        rows = torch.minimum(torch.maximum(wanted, first), end - 1)
        return rows, rows == wanted

    def _windows(self, clip: Tensor, start: Tensor) -> Tensor:
        clip, start = clip.to(self.device), start.to(self.device)
        return self.window_bounds[clip] + start // self.stride_frames


def _ends(counts: Sequence[int]) -> Tensor:
    return torch.tensor([0, *counts], dtype=torch.int64).cumsum(0)


def _windows_of(clip: ClipFeatures) -> int:
    return int(clip.word_of_frame.shape[0]) if clip.word_of_frame.ndim == 2 else int(clip.audio.shape[0]) if clip.audio.ndim == 3 else 0


@dataclass(frozen=True, slots=True, eq=False)
class MappedTracks:
    """A store's shards, read window by window."""

    store: FeatureStore
    stride_frames: int
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - a value

    def body(self, part: Part, clip: Tensor, start: Tensor, frames: int) -> Tensor:
        """See ``Tracks``."""
        return self._each(clip, start, lambda shard, first: _held(shard, part, first, frames))

    def text(self, clip: Tensor, start: Tensor, frames: int) -> Tensor:
        """See ``Tracks``."""
        return self._each(clip, start, lambda shard, first: self._words(shard, first, frames))

    def voice(self, clip: Tensor, start: Tensor, frames: int) -> Tensor:
        """See ``Tracks``."""

        def one(shard: ClipShard, first: int) -> NDArray[np.float32]:
            if len(shard.shape("audio")) == 3:
                window = first // self.stride_frames
                return np.asarray(shard.rows("audio", window, window + 1)[0], np.float32)
            return _silent(shard, "audio", first, frames)

        return self._each(clip, start, one)

    def to(self, device: torch.device | str) -> MappedTracks:
        """The same shards, windows to another device."""
        return MappedTracks(self.store, self.stride_frames, torch.device(device))

    def _words(self, shard: ClipShard, first: int, frames: int) -> NDArray[np.float32]:
        if len(shard.shape("word_of_frame")) == 2:
            window = first // self.stride_frames
            owners = shard.rows("word_of_frame", window, window + 1)[0].astype(np.int64)
        else:
            owners = _silent(shard, "word_of_frame", first, frames, fill=-1).astype(np.int64)
        out = np.zeros((len(owners), shard.shape("words")[1]), np.float32)
        heard = owners >= 0
        if heard.any():
            low, high = int(owners[heard].min()), int(owners.max())
            out[heard] = shard.rows("words", low, high + 1)[owners[heard] - low]
        return out

    def _each(self, clip: Tensor, start: Tensor, read: Callable[[ClipShard, int], NDArray[np.float32]]) -> Tensor:
        names = self.store.names
        windows = [read(self.store.shard(names[int(c)]), int(s)) for c, s in zip(clip, start, strict=True)]
        return torch.from_numpy(np.stack(windows)).to(self.device)


def _held(shard: ClipShard, name: str, first: int, frames: int) -> NDArray[np.float32]:
    total = shard.shape(name)[0]
    wanted = np.arange(first, first + frames).clip(0, total - 1)
    low, high = int(wanted[0]), int(wanted[-1])
    rows: NDArray[np.float32] = np.asarray(shard.rows(name, low, high + 1), np.float32)[wanted - low]
    return rows


def _silent(shard: ClipShard, name: str, first: int, frames: int, fill: float = 0.0) -> NDArray[np.float32]:
    total = shard.shape(name)[0]
    out = np.full((frames, *shard.shape(name)[1:]), fill, np.float32)
    low, high = min(max(first, 0), total), min(max(first + frames, 0), total)
    if high > low:
        out[low - first : high - first] = shard.rows(name, low, high)
    return out
