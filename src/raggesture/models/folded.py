"""The published kind of denoiser, rearranged for sampling: the same numbers with less work. Inference only.

What exact algebra allows when all samples of a batch are at one timestep and the timesteps are known beforehand:

- the affine part of a LayerNorm before a projection is folded into the projection, so that query, key and value are one product;
- scale and shift of a stylisation become the weight and bias of its LayerNorm, made once for every timestep and layer;
- keys and values of the conditions are one matrix a head, made once;
- a dropped condition gives every query the same value, and so does the speaker, whose tokens are all equal: their share is a vector for each
  timestep and layer;
- the output of each cross attention and the mixture that follows are two linear maps in a row: one matrix.

Source: METHOD "Measured cost of the published code"; TRAINING. The plain form is ``denoiser.Denoiser``; tests hold the two together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, linear, silu

from raggesture.diffusion.noise import N_TIMESTEPS
from raggesture.models.attention import MASKED, CrossAttention, FeedForward, SelfAttention, Stylization
from raggesture.models.conditions import Conditions
from raggesture.models.denoiser import Denoiser, Layer
from raggesture.models.numerics import FLOAT32, Numerics

_CONDITIONS = 3


def foldable(denoiser: Denoiser) -> bool:
    """Whether a denoiser is of the kind that folds: linear attention, stylisation, conditions as frames, not being trained."""
    config = denoiser.config
    return (config.attention, config.modulation, config.conditioning) == ("linear", "stylization", "frames") and not denoiser.training


def _folded_projection(norm: nn.LayerNorm, projections: list[nn.Linear]) -> tuple[Tensor, Tensor]:
    """Weight and bias of several projections of ``norm(x)``, to be applied to x normalised without its affine part."""
    weight = torch.cat([each.weight for each in projections])
    bias = torch.cat([each.bias for each in projections])
    return (weight * norm.weight).contiguous(), linear(norm.bias, weight, bias)


def _row(table: Tensor, step: Tensor) -> Tensor:
    """Row ``step`` (1,) int64 of a table (K, ...): a tensor, so that one compiled call serves all steps."""
    return table.index_select(0, step)[0]


@dataclass(frozen=True, slots=True, eq=False)
class _Styles:
    """Weight and bias (K, D) of a stylisation's LayerNorm at every timestep."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, block: Stylization, time: Tensor) -> _Styles:
        """``time`` (K, 2 D): the block's projection of the timesteps."""
        scale, shift = time.chunk(2, dim=-1)
        return cls(block.norm.weight * (1.0 + scale), torch.addcmul(shift, block.norm.bias, 1.0 + scale))

    def apply(self, y: Tensor, step: Tensor) -> Tensor:
        """Style y (..., D) for one timestep."""
        return silu(layer_norm(y, y.shape[-1:], _row(self.weight, step), _row(self.bias, step)))

    def apply_to_constant(self, y: Tensor) -> Tensor:
        """Style a constant (..., D) for every timestep: (K, ..., D)."""
        normal = layer_norm(y, y.shape[-1:])[None]  # (1, ..., D)
        shape = (-1, *[1] * (y.ndim - 1), y.shape[-1])
        return silu(torch.addcmul(self.bias.view(shape), normal, self.weight.view(shape)))


def _style(block: nn.Module | None) -> Stylization:
    assert isinstance(block, Stylization)  # foldable() has looked
    return block


def _out(block: nn.Module | None) -> nn.Linear:
    """The linear map at the end of a stylisation."""
    last = _style(block).out_layers[2]
    assert isinstance(last, nn.Linear)
    return last


@dataclass(frozen=True, slots=True, eq=False)
class _FoldedLayer:
    """One layer's matrices and, for K timesteps, its styles and constants.

    ``nothing``: (K, 1 or T', D), what the mixture adds where no condition is given. ``biases``: (D,), the part of it that text, audio and the mixture's
    bias always add. ``masked``: (T', 1) added to the cross attentions' outputs, or None.
    """

    heads: int
    qkv: tuple[Tensor, Tensor]
    self_styles: _Styles
    self_out: tuple[Tensor, Tensor]
    queries: tuple[Tensor, Tensor]
    cross_styles: tuple[_Styles, _Styles]
    speaker: CrossAttention
    speaker_styles: _Styles
    speaker_out: tuple[Tensor, Tensor]
    mixture: Tensor
    passed: Tensor
    biases: Tensor
    nothing: Tensor
    ffn_in: tuple[Tensor, Tensor]
    ffn_mid: tuple[Tensor, Tensor]
    ffn_styles: _Styles
    ffn_out: tuple[Tensor, Tensor]
    masked: Tensor | None

    @classmethod
    def of(cls, layer: Layer, time: Tensor, masked: Tensor | None) -> _FoldedLayer:
        """``time`` (K, blocks, 2 D); ``masked`` (T', 1)."""
        attention, crosses, ffn = layer.sa_block, layer.crosses(), layer.ffn
        assert isinstance(attention, SelfAttention) and isinstance(ffn, FeedForward) and len(crosses) == _CONDITIONS
        modulations = (attention.proj_out, *(block.proj_out for block in crosses), ffn.proj_out)
        styles = [_Styles.of(_style(each), time[:, k]) for k, each in enumerate(modulations)]
        shares = layer.ca_mix.weight.chunk(_CONDITIONS, dim=1)  # three of (D, D)
        outs = [_out(block.proj_out) for block in crosses]
        folded = [share @ out.weight for share, out in zip(shares, outs, strict=True)]
        added = [share @ out.bias for share, out in zip(shares, outs, strict=True)]
        passed = shares[0] + shares[1] + shares[2]
        nothing = layer.ca_mix.bias + sum(added, start=torch.zeros_like(added[0]))
        for block, style, matrix in zip(crosses, styles[1:4], folded, strict=True):
            nothing = nothing + _constant(block.value.bias, style, matrix, masked)  # (K, 1 or T', D)
        self_out, ffn_out = _out(attention.proj_out), _out(ffn.proj_out)
        query_weights = [_folded_projection(block.norm, [block.query]) for block in crosses[:2]]
        return cls(
            heads=attention.heads,
            qkv=_folded_projection(attention.norm, [attention.query, attention.key, attention.value]),
            self_styles=styles[0],
            self_out=(self_out.weight, self_out.bias),
            queries=(torch.cat([weight for weight, _ in query_weights]), torch.cat([bias for _, bias in query_weights])),
            cross_styles=(styles[1], styles[2]),
            speaker=crosses[2],
            speaker_styles=styles[3],
            speaker_out=(folded[2], added[2]),
            mixture=torch.cat((folded[0], folded[1], passed), dim=1).contiguous(),
            passed=passed.contiguous(),
            biases=layer.ca_mix.bias + added[0] + added[1],
            nothing=nothing,
            ffn_in=(ffn.linear1.weight, ffn.linear1.bias),
            ffn_mid=(ffn.linear2.weight, ffn.linear2.bias),
            ffn_styles=styles[4],
            ffn_out=(ffn_out.weight, ffn_out.bias),
            masked=masked,
        )

    def contexts(self, layer: Layer, text: Tensor, audio: Tensor, speaker: Tensor) -> tuple[Tensor, Tensor]:
        """What the conditions of B samples contribute: (2, B, H, d, d) of text and audio, and (K, B, 1 or T', D) of everything else.

        ``speaker`` (B, D): the embedding of each sample's speaker.
        """
        crosses = layer.crosses()
        read = torch.stack([crosses[0].context(text)[0], crosses[1].context(audio)[0]])
        value = self.speaker.value(self.speaker.text_norm(speaker))  # (B, D): all tokens are equal, so every query receives it
        said = _constant(value[:, None], self.speaker_styles, self.speaker_out[0], self.masked)  # (K, B, 1 or T', D)
        return read, said + self.speaker_out[1] + self.biases

    def rounded(self, dtype: torch.dtype) -> _FoldedLayer:
        """The layer with the weights of its products in ``dtype``."""

        def both(pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return pair[0].to(dtype), pair[1].to(dtype)

        return replace(
            self, qkv=both(self.qkv), self_out=both(self.self_out), queries=both(self.queries), mixture=self.mixture.to(dtype), passed=self.passed.to(dtype),
            ffn_in=both(self.ffn_in), ffn_mid=both(self.ffn_mid), ffn_out=both(self.ffn_out),
        )  # fmt: skip

    def forward(self, x: Tensor, step: Tensor, read: Tensor, said: Tensor) -> Tensor:
        """x (B + U, T', D): B samples with conditions, then U without -> the same shape."""
        rows = read.shape[1]
        width = x.shape[-1:]
        q, k, v = linear(layer_norm(x, width), *self.qkv).chunk(3, dim=-1)
        context = self._split(k.softmax(dim=1)).transpose(-1, -2) @ self._split(v)
        y = self._merge(self._split(q).softmax(dim=-1) @ context)
        x = x + linear(self.self_styles.apply(y, step), *self.self_out)
        asked, free = x[:rows], x[rows:]
        queries = linear(layer_norm(asked, width), *self.queries).chunk(2, dim=-1)
        heard = [self._merge(self._split(query).softmax(dim=-1) @ seen) for query, seen in zip(queries, read, strict=True)]
        if self.masked is not None:
            heard = [each + self.masked for each in heard]
        styled = [style.apply(each, step) for style, each in zip(self.cross_styles, heard, strict=True)]
        mixed = linear(torch.cat((*styled, asked), dim=-1), self.mixture) + _row(said, step)
        if free.shape[0]:
            mixed = torch.cat((mixed, linear(free, self.passed) + _row(self.nothing, step)))
        y = linear(gelu(linear(mixed, *self.ffn_in)), *self.ffn_mid)
        return mixed + linear(self.ffn_styles.apply(y, step), *self.ffn_out)

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, T, D) -> (B, H, T, d)

    @staticmethod
    def _merge(x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)


def _constant(value: Tensor, styles: _Styles, matrix: Tensor, masked: Tensor | None) -> Tensor:
    """A cross attention's output (..., D) that is the same for every query, styled and mixed: (K, ..., 1, D), or (K, ..., T', D) with a mask."""
    y = value if value.ndim > 1 else value[None]  # (..., 1, D)
    if masked is not None:
        y = y + masked  # (..., T', D): -1e6 rounds to sixteenths, as it does in the plain form
    return styles.apply_to_constant(y) @ matrix.T


@dataclass(frozen=True, slots=True, eq=False)
class BoundFold:
    """A folded denoiser with the conditions of B samples. ``read``, ``said``: per layer, see ``_FoldedLayer.contexts``."""

    fold: Fold
    read: tuple[Tensor, ...]
    said: tuple[Tensor, ...]

    def __call__(self, x: Tensor, t: int, *, both: bool) -> Tensor:
        """x (B, T, D) at timestep ``t`` -> x_0 (B, T, D) with the conditions; with ``both`` (2 B, T, D), the second half without."""
        return self.fold.run(x, t, self, both=both)


class Fold:
    """A denoiser folded for the timesteps that a sampler visits."""

    def __init__(self, denoiser: Denoiser, timesteps: Tensor, numerics: Numerics = FLOAT32) -> None:
        """``denoiser``: ``foldable``; its weights must not change afterwards. ``timesteps``: (K,) original timesteps."""
        with torch.no_grad():
            self.denoiser = denoiser
            self.row = {int(t): k for k, t in enumerate(timesteps.tolist())}
            assert all(0 <= t < N_TIMESTEPS for t in self.row)
            time = denoiser.project_time(timesteps.to(denoiser.keep.device))  # (K, L, blocks, 2 D)
            masked = None if denoiser.query_mask is None else (1.0 - denoiser.query_mask) * MASKED
            self._layers = [_FoldedLayer.of(layer, time[:, k], masked).rounded(numerics.dtype) for k, layer in enumerate(denoiser.layers())]
            self._steps = torch.arange(len(self.row), device=denoiser.keep.device)[:, None]  # (K, 1)
            self._hidden = numerics.compile(self._through, denoiser.keep.device)

    def bind(self, conditions: Conditions) -> BoundFold | None:
        """The denoiser with the conditions of B samples; None if a sample's speaker changes within it, which does not fold."""
        speaker = conditions.speaker if conditions.speaker.ndim == 2 else conditions.speaker[:, None]
        if bool((speaker != speaker[:, :1]).any()):
            return None
        with torch.no_grad():
            text, audio, who = self.denoiser.encode_conditions(Conditions(conditions.text, conditions.audio, speaker[:, 0]))
            layers = zip(self._layers, self.denoiser.layers(), strict=True)
            made = [folded.contexts(layer, text, audio, who[:, 0]) for folded, layer in layers]
        return BoundFold(self, tuple(read for read, _ in made), tuple(said for _, said in made))

    def run(self, x: Tensor, t: int, bound: BoundFold, *, both: bool) -> Tensor:
        """See ``BoundFold.__call__``."""
        denoiser = self.denoiser
        h = denoiser.embed(x).float()
        h = self._hidden(torch.cat((h, h)) if both else h, self._steps[self.row[t]], bound.read, bound.said)
        predicted = denoiser.out(h)
        if denoiser.config.prediction == "v":
            kept = x[:, denoiser.keep]
            predicted = denoiser.sqrt_abar[t] * (torch.cat((kept, kept)) if both else kept) + denoiser.sqrt_noise[t] * predicted
        x_0: Tensor = predicted.new_zeros(h.shape[0], *x.shape[1:]).index_copy(1, denoiser.keep, predicted)
        return x_0

    def _through(self, h: Tensor, step: Tensor, read: tuple[Tensor, ...], said: tuple[Tensor, ...]) -> Tensor:
        """All layers at one step."""
        for layer, seen, added in zip(self._layers, read, said, strict=True):
            h = layer.forward(h, step, seen, added)
        return h
