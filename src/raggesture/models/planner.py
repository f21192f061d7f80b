"""Which gesture's stroke falls on which frame: what a small denoiser cannot find out by itself.

A gesture's shape is learnt from what moves, its place from what is said. A denoiser that gets words as vectors has to learn both from the same squared
error, and an hour of two cores is too little for the second. Here the place is learnt first and from labels: a small network reads words and voice and
gives each frame a distribution over the corpus's gestures and "none"; the denoiser then sees these instead of the words' vectors. Nothing is looked up:
the planner's weights are part of the model, and both see speech only. Source: ours; METHOD has none.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from raggesture.body.joints import PARTS
from raggesture.clock import CHUNK_FRAMES
from raggesture.errors import ModelError
from raggesture.models.conditions import Conditions

PLAN_CONTEXT_FRAMES = CHUNK_FRAMES // 2
"""Model frames of the plan that a chunk sees on each side of its own second; attention carries further what reaches further."""
_KERNEL, _DILATIONS = 7, (1, 2, 4)
_DROPOUT = 0.2
_DEEP = 2


class _Block(nn.Module):
    """A residual convolution over frames: each channel by itself, then the channels together."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.along = nn.Conv1d(width, width, _KERNEL, padding=dilation * (_KERNEL // 2), dilation=dilation, groups=width)
        self.across = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(_DROPOUT), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, C) -> (B, F, C)."""
        moved = self.along(self.norm(x).transpose(1, 2)).transpose(1, 2)
        out: Tensor = x + self.across(moved)
        return out


class GesturePlanner(nn.Module):
    """(words, voice) on frames -> for each frame the logits of "none" and of every gesture's stroke.

    ``text_mean``, ``text_std`` (Ct,): the words' vectors are standardised, because what tells words apart lies in directions of little spread.
    """

    text_mean: Tensor
    text_std: Tensor

    def __init__(self, text_dim: int, audio_dim: int, gestures: int, width: int) -> None:
        super().__init__()
        self.register_buffer("text_mean", torch.zeros(text_dim))
        self.register_buffer("text_std", torch.ones(text_dim))
        self.word = nn.Sequential(nn.Linear(text_dim, 2 * width), nn.GELU(), nn.Dropout(_DROPOUT), nn.Linear(2 * width, width))
        self.audio_in = nn.Linear(audio_dim, width)
        self.blocks = nn.ModuleList([_Block(width, dilation) for dilation in _DILATIONS])
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, gestures + 1)

    def forward(self, text: Tensor, audio: Tensor) -> Tensor:
        """text (B, F, Ct), audio (B, F, Ca) -> logits (B, F, 1 + gestures), "none" first. Frames without a word have zeros for it."""
        if text.shape[1] != audio.shape[1]:
            raise ModelError(
                f"conditions: {text.shape[1]} text and {audio.shape[1]} audio frames; expected as many - planned chunks need features at 15 Hz, "
                "use an audio encoder at that rate"
            )
        spoken = text.any(-1, keepdim=True)
        standard = (text - self.text_mean) / self.text_std * spoken
        h = self.word(standard) * spoken + self.audio_in(audio)
        for block in self.blocks:
            h = block(h)
        logits: Tensor = self.out(self.norm(h))
        return logits


class PlannedConditions(nn.Module):
    """Plan and voice of a chunk (its own second and half a second each side) and the speaker, added to the chunk's tokens of each part.

    The planner is frozen once it was taught (``freeze_planner``): it then needs no gradient and no dropout while the denoiser learns.
    """

    def __init__(self, text_dim: int, audio_dim: int, n_speakers: int, gestures: int, planner_dim: int, condition_dim: int, width: int) -> None:
        super().__init__()
        kernel = CHUNK_FRAMES + 2 * PLAN_CONTEXT_FRAMES
        self.planner = GesturePlanner(text_dim, audio_dim, gestures, planner_dim)
        self.plan_in = nn.Linear(gestures, condition_dim, bias=False)
        self.audio_in = nn.Linear(audio_dim, condition_dim // 4)
        self.conv = nn.Conv1d(condition_dim + condition_dim // 4, _DEEP * width, kernel, stride=CHUNK_FRAMES, padding=PLAN_CONTEXT_FRAMES)
        self.speaker = nn.Embedding(n_speakers, _DEEP * width)
        wide = _DEEP * width
        self.deep = nn.Sequential(nn.LayerNorm(wide), nn.Linear(wide, 2 * wide), nn.GELU(), nn.Linear(2 * wide, wide))
        self.tokens_out = nn.Linear(_DEEP * width, len(PARTS) * width)
        nn.init.normal_(self.speaker.weight, std=0.02)
        nn.init.normal_(self.plan_in.weight, std=1.0)
        self.null = nn.Parameter(torch.zeros(width))

    def freeze_planner(self) -> None:
        """Teach the planner no further."""
        self.planner.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> PlannedConditions:
        """As usual, but a frozen planner stays as it is."""
        super().train(mode)
        if not next(self.planner.parameters()).requires_grad:
            self.planner.eval()
        return self

    def plan(self, conditions: Conditions) -> Tensor:
        """(B, F, gestures) chance of each gesture's stroke on each frame. Raises: ModelError unless there are features at 15 Hz for whole chunks."""
        if conditions.text.shape[1] % CHUNK_FRAMES:
            raise ModelError(f"conditions: {conditions.text.shape[1]} frames; expected a multiple of {CHUNK_FRAMES} - planned chunks need whole seconds")
        logits: Tensor = self.planner(conditions.text, conditions.audio)
        return logits.softmax(-1)[..., 1:]

    def forward(self, conditions: Conditions) -> tuple[Tensor, Tensor]:
        """(B, F, C) at 15 Hz, with a plan or not -> what is added to the tokens with and without conditions, each (B, 4 * F // 15, D)."""
        plan = self.plan(conditions) if conditions.plan is None else conditions.plan
        seen = torch.cat((self.plan_in(plan), self.audio_in(conditions.audio)), dim=-1)
        speaker = conditions.speaker if conditions.speaker.ndim == 1 else conditions.speaker[:, 0]
        h = self.conv(seen.transpose(1, 2)).transpose(1, 2) + self.speaker(speaker)[:, None]  # (B, C, E)
        h = nn.functional.gelu(h)
        h = h + self.deep(h)
        parts = self.tokens_out(h).unflatten(-1, (len(PARTS), -1))  # (B, C, 4, D)
        tokens: Tensor = parts.transpose(1, 2).flatten(1, 2)  # (B, 4 C, D), part by part
        return tokens, self.null.to(tokens.dtype).expand_as(tokens)
