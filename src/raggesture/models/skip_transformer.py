"""DETR layers in a U-shape: the transformer of the published auto-encoder.

Parameters carry the published names. Sequences are batch first, (B, T, D). Source: METHOD part I (b) "Auto-encoder"; Carion et al. 2020, "DETR"; Chen et
al. 2023, "MLD" (skip transformer).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from raggesture.errors import ModelError

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": nn.functional.gelu, "relu": nn.functional.relu}


def _with(x: Tensor, position: Tensor | None) -> Tensor:
    return x if position is None else x + position


class EncoderLayer(nn.Module):
    """Self attention and feed-forward, each with residual; LayerNorm before (``pre``) or after."""

    def __init__(self, width: int, heads: int, ff_dim: int, dropout: float, activation: str, *, pre: bool) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ModelError(f"vae.transformer_activation: {activation!r}; expected one of {', '.join(ACTIVATIONS)} - correct the codec's settings")
        self.self_attn = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.linear1 = nn.Linear(width, ff_dim)
        self.linear2 = nn.Linear(ff_dim, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.activation, self.pre = ACTIVATIONS[activation], pre

    def attend_self(self, x: Tensor, position: Tensor | None, padding: Tensor | None) -> Tensor:
        """Self attention with its residual; ``padding`` (B, T) bool is True where a token is ignored."""
        h = self.norm1(x) if self.pre else x
        q = _with(h, position)
        y: Tensor = x + self.dropout(self.self_attn(q, q, h, key_padding_mask=padding, need_weights=False)[0])
        return y if self.pre else self.norm1(y)

    def feed(self, x: Tensor, norm: nn.Module) -> Tensor:
        """Feed-forward with its residual."""
        h = norm(x) if self.pre else x
        y: Tensor = x + self.dropout(self.linear2(self.dropout(self.activation(self.linear1(h)))))
        return y if self.pre else norm(y)

    def forward(self, x: Tensor, position: Tensor | None = None, padding: Tensor | None = None) -> Tensor:
        """(B, T, D) -> (B, T, D); ``position`` is added to queries and keys."""
        return self.feed(self.attend_self(x, position, padding), self.norm2)


class DecoderLayer(EncoderLayer):
    """As ``EncoderLayer``, with attention to a memory in between."""

    def __init__(self, width: int, heads: int, ff_dim: int, dropout: float, activation: str, *, pre: bool) -> None:
        super().__init__(width, heads, ff_dim, dropout, activation, pre=pre)
        self.multihead_attn = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.norm3 = nn.LayerNorm(width)

    def attend(self, x: Tensor, memory: Tensor, padding: Tensor | None = None) -> Tensor:
        """(B, T, D) with memory (B, M, D) -> (B, T, D)."""
        x = self.attend_self(x, None, padding)
        h = self.norm2(x) if self.pre else x
        y = x + self.dropout(self.multihead_attn(h, memory, memory, need_weights=False)[0])
        return self.feed(y if self.pre else self.norm2(y), self.norm3)


class SkipTransformer(nn.Module):
    """(n - 1) / 2 input blocks, one in the middle, (n - 1) / 2 output blocks that see the matching input block (last in, first out)."""

    def __init__(self, layers: list[EncoderLayer], width: int) -> None:
        super().__init__()
        half = len(layers) // 2
        self.input_blocks = nn.ModuleList(layers[:half])
        self.middle_block = layers[half]
        self.output_blocks = nn.ModuleList(layers[half + 1 :])
        self.linear_blocks = nn.ModuleList([nn.Linear(2 * width, width) for _ in range(half)])
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, *, memory: Tensor | None = None, position: Tensor | None = None, padding: Tensor | None = None) -> Tensor:
        """(B, T, D) -> (B, T, D); with ``memory`` the blocks are decoder layers."""

        def run(block: nn.Module, x: Tensor) -> Tensor:
            if isinstance(block, DecoderLayer) and memory is not None:
                return block.attend(x, memory, padding)
            out: Tensor = block(x, position, padding)
            return out

        kept: list[Tensor] = []
        for block in self.input_blocks:
            x = run(block, x)
            kept.append(x)
        x = run(self.middle_block, x)
        for block, merge in zip(self.output_blocks, self.linear_blocks, strict=True):
            x = run(block, merge(torch.cat((x, kept.pop()), dim=-1)))
        out: Tensor = self.norm(x)
        return out
