"""The blocks of a denoiser layer: attention (linear or softmax), feed-forward, and how the timestep enters them.

Parameters carry the names of the published checkpoint, so that its state loads as it is. ``time`` is a block's own projection of the timestep
embedding, (B, 1, P), made once by ``project``. Source: METHOD part I (b) "Denoiser"; Shen et al. 2021, "Efficient Attention"; Peebles and Xie
2023, "Scalable Diffusion Models with Transformers" (adaLN-zero).
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

AttentionKind = Literal["linear", "softmax"]
ModulationKind = Literal["stylization", "adaln"]
ATTENTION_KINDS: tuple[str, ...] = get_args(AttentionKind)
MODULATION_KINDS: tuple[str, ...] = get_args(ModulationKind)
MASKED = -1e6
"""Added to what is masked, as in the released weights' training."""

Context = tuple[Tensor, ...]
"""What a condition contributes to an attention: (keyᵀ value,) if linear, (keys, values) if softmax; batch first."""


class Stylization(nn.Module):
    """Scale and shift after the block, by the timestep. Published. P = 2 D."""

    factor = 2

    def __init__(self, width: int, time_dim: int, dropout: float) -> None:
        super().__init__()
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time_dim, 2 * width))
        self.norm = nn.LayerNorm(width)
        self.out_layers = nn.Sequential(nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, width))
        _zero(self.out_layers[2])

    def project(self, emb: Tensor) -> Tensor:
        """(..., time_dim) -> (..., P)."""
        out: Tensor = self.emb_layers(emb)
        return out

    def enter(self, h: Tensor, time: Tensor) -> Tensor:
        """Before the block's work: nothing."""
        return h

    def leave(self, y: Tensor, time: Tensor) -> Tensor:
        """After the block's work, before the residual is added."""
        scale, shift = time.chunk(2, dim=-1)
        out: Tensor = self.out_layers(torch.addcmul(shift, self.norm(y), 1.0 + scale))
        return out


class AdaLN(nn.Module):
    """Scale and shift before the block and a gate after it, by the timestep. P = 3 D."""

    factor = 3

    def __init__(self, width: int, time_dim: int, dropout: float) -> None:
        super().__init__()
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time_dim, 3 * width))
        self.out_layers = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, width))
        _zero(self.emb_layers[1])

    def project(self, emb: Tensor) -> Tensor:
        """(..., time_dim) -> (..., P)."""
        out: Tensor = self.emb_layers(emb)
        return out

    def enter(self, h: Tensor, time: Tensor) -> Tensor:
        """Before the block's work: scale and shift the normalised input."""
        scale, shift, _ = time.chunk(3, dim=-1)
        return torch.addcmul(shift, h, 1.0 + scale)

    def leave(self, y: Tensor, time: Tensor) -> Tensor:
        """After the block's work, before the residual is added."""
        out: Tensor = time.chunk(3, dim=-1)[2] * self.out_layers(y)
        return out


Modulation = Stylization | AdaLN


def modulation(kind: ModulationKind, width: int, time_dim: int, dropout: float) -> Modulation:
    """Make the modulation named ``kind``."""
    return Stylization(width, time_dim, dropout) if kind == "stylization" else AdaLN(width, time_dim, dropout)


def modulation_factor(kind: ModulationKind) -> int:
    """P / D of a kind of modulation."""
    return Stylization.factor if kind == "stylization" else AdaLN.factor


def _zero(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def _heads(x: Tensor, heads: int) -> Tensor:
    return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)  # (B, T, D) -> (B, H, T, D / H)


def _merge(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)  # (B, H, T, D / H) -> (B, T, D)


def make_context(kind: AttentionKind, key: Tensor, value: Tensor, heads: int) -> Context:
    """Keys and values (B, N, D) as a context. Linear: keys are made to sum to 1 over the tokens, no 1 / sqrt(d)."""
    if kind == "softmax":
        return _heads(key, heads), _heads(value, heads)
    return (_heads(key.softmax(dim=1), heads).transpose(-1, -2) @ _heads(value, heads),)  # (B, H, d, d)


def attend(kind: AttentionKind, query: Tensor, context: Context, heads: int, mask: Tensor | None = None) -> Tensor:
    """Queries (B, T, D) over a context -> (B, T, D). Linear: each head's query is made to sum to 1 over its channels.

    ``mask`` (B, N) bool, softmax only: tokens that take part. Differs from the released code: its plain block (in none of its models) has no
    1 / sqrt(d); an import multiplies the query's weights by sqrt(d).
    """
    q = _heads(query, heads)
    if kind == "softmax":
        seen = None if mask is None else mask[:, None, None]
        return _merge(nn.functional.scaled_dot_product_attention(q, context[0], context[1], attn_mask=seen))
    return _merge(q.softmax(dim=-1) @ context[0])


class SelfAttention(nn.Module):
    """Attention among the latent tokens, with residual. Without ``time_dim`` nothing modulates it."""

    def __init__(
        self, width: int, heads: int, time_dim: int | None, *, kind: AttentionKind = "linear", modulated: ModulationKind = "stylization", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.kind, self.heads = kind, heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.proj_out = modulation(modulated, width, time_dim, dropout) if time_dim is not None else None

    def forward(self, x: Tensor, time: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """x (B, T, D), time (B, 1, P), mask (B, T, 1) 1 where a token takes part -> (B, T, D)."""
        h = self.norm(x)
        if self.proj_out is not None and time is not None:
            h = self.proj_out.enter(h, time)
        key, value = self.key(h), self.value(h)
        if mask is not None and self.kind == "linear":
            key, value = key + (1.0 - mask) * MASKED, value * mask
        seen = mask[..., 0] > 0 if mask is not None and self.kind == "softmax" else None
        y = attend(self.kind, self.query(h), make_context(self.kind, key, value, self.heads), self.heads, seen)
        if self.proj_out is not None and time is not None:
            y = self.proj_out.leave(y, time)
        return x + y


class CrossAttention(nn.Module):
    """Attention from the latent tokens to one condition, with residual. The condition's share is a ``Context``, made once."""

    def __init__(
        self, width: int, heads: int, time_dim: int, *, kind: AttentionKind = "linear", modulated: ModulationKind = "stylization", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.kind, self.heads = kind, heads
        self.norm = nn.LayerNorm(width)
        self.text_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.proj_out = modulation(modulated, width, time_dim, dropout)

    def context(self, condition: Tensor) -> Context:
        """Context of a condition (B, N, D)."""
        c = self.text_norm(condition)
        return make_context(self.kind, self.key(c), self.value(c), self.heads)

    def null_context(self, like: Context) -> Context:
        """Context of a dropped condition, in the shape of ``like``: every query receives the value's bias."""
        rows = self.value.bias.reshape(self.heads, 1, -1)  # (H, 1, d)
        values = rows.to(like[-1].dtype).expand_as(like[-1])
        return (values,) if self.kind == "linear" else (torch.zeros_like(like[0]), values)

    def forward(self, x: Tensor, context: Context, time: Tensor, query_mask: Tensor | None = None) -> Tensor:
        """x (B, T, D), time (B, 1, P), query_mask (T, 1) or (B, T, 1) -> (B, T, D).

        The query mask is data of a checkpoint: it does not mask (a LayerNorm follows), it rounds to sixteenths.
        """
        h = self.proj_out.enter(self.norm(x), time)
        y = attend(self.kind, self.query(h), context, self.heads)
        if query_mask is not None:
            y = y + (1.0 - query_mask) * MASKED
        return x + self.proj_out.leave(y, time)


class FeedForward(nn.Module):
    """Linear, GELU, Linear, with residual. The published form has no LayerNorm in front; adaLN needs one to modulate."""

    def __init__(self, width: int, ff_dim: int, time_dim: int, *, modulated: ModulationKind = "stylization", dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.Identity() if modulated == "stylization" else nn.LayerNorm(width, elementwise_affine=False)
        self.linear1 = nn.Linear(width, ff_dim)
        self.linear2 = nn.Linear(ff_dim, width)
        self.dropout = nn.Dropout(dropout)
        self.proj_out = modulation(modulated, width, time_dim, dropout)
        if modulated == "stylization":
            _zero(self.linear2)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """x (B, T, D), time (B, 1, P) -> (B, T, D)."""
        h = self.proj_out.enter(self.norm(x), time)
        y = self.linear2(self.dropout(nn.functional.gelu(self.linear1(h))))
        return x + self.proj_out.leave(y, time)
