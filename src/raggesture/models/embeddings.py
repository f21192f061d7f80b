"""Positions, timesteps and chunk conditions of the denoiser. Source: METHOD part I (b) "Embedding"; TRAINING "The whole chain in miniature" (D2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from raggesture.body.joints import PARTS
from raggesture.clock import CHUNK_FRAMES
from raggesture.errors import ModelError
from raggesture.models.conditions import Conditions

CONTEXT_FRAMES = CHUNK_FRAMES // 3
"""Model frames a chunk sees on each side of its own second: a third of a second."""


def sine_table(positions: int, width: int) -> Tensor:
    """(positions, width): even columns sine, odd cosine, frequency exp(-k ln(10000) / width) for k = 0, 2, 4 ..."""
    angle = torch.arange(positions, dtype=torch.float32)[:, None] * torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10000.0) / width))
    table = torch.zeros(positions, width)
    table[:, 0::2] = angle.sin()
    table[:, 1::2] = angle.cos()[:, : width // 2]
    return table


def timestep_embedding(t: Tensor, width: int, max_period: float = 10000.0) -> Tensor:
    """(N,) timesteps -> (N, width): cosines first, then sines; an odd width ends in a zero."""
    half = width // 2
    frequency = torch.exp(-math.log(max_period) * torch.arange(half, dtype=torch.float32, device=t.device) / half)
    angle = t[:, None].float() * frequency
    out = torch.cat((angle.cos(), angle.sin()), dim=-1)
    return nn.functional.pad(out, (0, width - 2 * half))


class PositionTable(nn.Module):
    """A table of positions ``pe`` (N, 1, D): a parameter if learned, else a buffer (both belong to the state)."""

    pe: Tensor

    def __init__(self, table: Tensor, *, learned: bool) -> None:
        super().__init__()
        if learned:
            self.pe = nn.Parameter(table[:, None].clone())
        else:
            self.register_buffer("pe", table[:, None].clone())


class ChunkConditions(nn.Module):
    """Text and audio of a chunk (its own second and a third of a second each side) and the speaker, added to the chunk's tokens of each part.

    ``joint``: word and voice meet on every frame before they are gathered, so that a word can be told together with where in it the voice is strongest;
    else they are gathered apart.
    """

    def __init__(self, text_dim: int, audio_dim: int, n_speakers: int, condition_dim: int, width: int, *, joint: bool = False) -> None:
        super().__init__()
        self.joint = joint
        kernel = CHUNK_FRAMES + 2 * CONTEXT_FRAMES
        self.text_in = nn.Linear(text_dim, condition_dim)
        self.audio_in = nn.Linear(audio_dim, condition_dim)
        self.text_conv = nn.Conv1d(condition_dim, width, kernel, stride=CHUNK_FRAMES, padding=CONTEXT_FRAMES)
        self.audio_conv = nn.Conv1d(condition_dim, width, kernel, stride=CHUNK_FRAMES, padding=CONTEXT_FRAMES)
        self.text_out = nn.Linear(width, len(PARTS) * width)
        self.audio_out = nn.Linear(width, len(PARTS) * width)
        self.speaker = nn.Embedding(n_speakers, width)
        nn.init.normal_(self.speaker.weight, std=0.02)
        self.null = nn.Parameter(torch.zeros(width))

    def forward(self, conditions: Conditions) -> tuple[Tensor, Tensor]:
        """(B, F, C) at 15 Hz -> what is added to the tokens with and without conditions, each (B, 4 * F // 15, D)."""
        if conditions.text.shape[1] != conditions.audio.shape[1] or conditions.text.shape[1] % CHUNK_FRAMES:
            raise ModelError(
                f"conditions: {conditions.text.shape[1]} text and {conditions.audio.shape[1]} audio frames; expected the same multiple of {CHUNK_FRAMES} "
                "- chunk conditions need features at 15 Hz"
            )
        if self.joint:
            met = nn.functional.gelu(self.text_in(conditions.text) + self.audio_in(conditions.audio)) - nn.functional.gelu(self.audio_in(conditions.audio))
            text = self._spread(self.text_conv(met.transpose(1, 2)), self.text_out)
        else:
            text = self._gather(conditions.text, self.text_in, self.text_conv, self.text_out)
        audio = self._gather(conditions.audio, self.audio_in, self.audio_conv, self.audio_out)
        speaker = conditions.speaker if conditions.speaker.ndim == 1 else conditions.speaker[:, 0]
        tokens = text + audio + self.speaker(speaker)[:, None]
        return tokens, self.null.to(tokens.dtype).expand_as(tokens)

    @classmethod
    def _gather(cls, features: Tensor, narrow: nn.Linear, conv: nn.Conv1d, spread: nn.Linear) -> Tensor:
        return cls._spread(conv(narrow(features).transpose(1, 2)), spread)

    @staticmethod
    def _spread(chunks: Tensor, spread: nn.Linear) -> Tensor:
        """(B, D, C) of every second -> its tokens."""
        parts = spread(nn.functional.gelu(chunks.transpose(1, 2))).unflatten(-1, (len(PARTS), -1))  # (B, C, 4, D)
        tokens: Tensor = parts.transpose(1, 2).flatten(1, 2)  # (B, 4 C, D), part by part
        return tokens
