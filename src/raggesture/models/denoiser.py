"""The denoiser: latent tokens of four body parts, a timestep and the speech in, clean latents out.

The published network and ours are one class by configuration: attention ``linear`` | ``softmax``, modulation ``stylization`` | ``adaln``, conditioning
``frames`` (cross attention to text, audio and speaker) | ``chunks`` (each second's own text and audio added to its tokens) | ``joint-chunks`` (the same,
word and voice meeting on every frame) | ``planned-chunks`` (a planner says which gesture's stroke falls on which frame), prediction ``x0`` | ``v``.
Separator tokens (10, 21, 32) influence nothing, so they are left out inside and come back as zeros. Whatever does not depend on x is computed once,
in ``prepare``. Source: METHOD part I (b), "Measured cost"; TRAINING "The denoiser", "The whole chain in miniature".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from raggesture.body.joints import PARTS, LatentLayout
from raggesture.diffusion.noise import N_TIMESTEPS, alphas_cumprod
from raggesture.errors import ModelError
from raggesture.models.attention import Context, CrossAttention, FeedForward, SelfAttention, modulation_factor
from raggesture.models.conditions import Conditions
from raggesture.models.denoiser_config import DenoiserConfig
from raggesture.models.embeddings import ChunkConditions, PositionTable, sine_table, timestep_embedding
from raggesture.models.planner import PlannedConditions

__all__ = ["Denoiser", "DenoiserConfig", "Layer", "Prepared"]

CONDITION_NAMES = ("xf_text", "xf_audio", "xf_spk")
"""Order in which a layer mixes its conditions; names of the published checkpoint."""


class Layer(nn.Module):
    """Self attention, cross attention to each condition (frames only), their mixture, feed-forward."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        width, heads, time = config.width, config.heads, config.time_dim
        kind, modulated, dropout = config.attention, config.modulation, config.dropout
        self.sa_block = SelfAttention(width, heads, time, kind=kind, modulated=modulated, dropout=dropout)
        if config.conditioning == "frames":
            self.ca_blocks = nn.ModuleDict(
                {name: CrossAttention(width, heads, time, kind=kind, modulated=modulated, dropout=dropout) for name in CONDITION_NAMES}
            )
            self.ca_mix = nn.Linear(len(CONDITION_NAMES) * width, width)
        else:
            self.ca_blocks = nn.ModuleDict()
        self.ffn = FeedForward(width, config.ff_dim, time, modulated=modulated, dropout=dropout)

    def crosses(self) -> list[CrossAttention]:
        """The cross attentions in their order; none with chunk conditions."""
        return [block for block in self.ca_blocks.values() if isinstance(block, CrossAttention)]

    def project_time(self, emb: Tensor) -> Tensor:
        """(N, time_dim) -> (N, blocks, P): every block's own projection of the timestep."""
        blocks = [self.sa_block.proj_out, *(block.proj_out for block in self.crosses()), self.ffn.proj_out]
        return torch.stack([block.project(emb) for block in blocks if block is not None], dim=1)

    def forward(self, x: Tensor, time: Tensor, contexts: tuple[Context, ...], query_mask: Tensor | None = None, self_mask: Tensor | None = None) -> Tensor:
        """x (B, T, D), time (B, blocks, P), one context per condition -> (B, T, D)."""
        times = time[:, :, None].unbind(1)  # each (B, 1, P)
        x = self.sa_block(x, times[0], self_mask)
        if contexts:
            crossed = [block(x, context, t, query_mask) for block, context, t in zip(self.crosses(), contexts, times[1:-1], strict=True)]
            x = self.ca_mix(torch.cat(crossed, dim=-1))
        out: Tensor = self.ffn(x, times[-1])
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What a denoiser computes once for a batch of conditions.

    ``contexts``: per layer, per condition (frames). ``tokens``: (B, T', D) added to the tokens (chunks). ``null_*``: the same for a sample without
    condition. ``time``: (K, L, blocks, P) for the timesteps given, and ``row``: (1000,) int64 from timestep to its row or -1; None: computed at
    each call.
    """

    contexts: tuple[tuple[Context, ...], ...]
    null_contexts: tuple[tuple[Context, ...], ...]
    tokens: Tensor | None
    null_tokens: Tensor | None
    time: Tensor | None
    row: Tensor | None

    def select(self, conditioned: Tensor) -> Prepared:
        """Take the condition away from the samples where ``conditioned`` (B,) bool is False."""

        def merge(one: Tensor, other: Tensor) -> Tensor:
            return torch.where(conditioned.view(-1, *[1] * (one.ndim - 1)), one, other)

        contexts = tuple(
            tuple(tuple(merge(a, b) for a, b in zip(one, other, strict=True)) for one, other in zip(layer, nulls, strict=True))
            for layer, nulls in zip(self.contexts, self.null_contexts, strict=True)
        )
        tokens = merge(self.tokens, self.null_tokens) if self.tokens is not None and self.null_tokens is not None else None
        return Prepared(contexts, self.null_contexts, tokens, self.null_tokens, self.time, self.row)

    def two_branches(self) -> Prepared:
        """A batch of 2 B: first with the conditions, then without."""
        both = tuple(
            tuple(tuple(torch.cat(pair) for pair in zip(one, other, strict=True)) for one, other in zip(layer, nulls, strict=True))
            for layer, nulls in zip(self.contexts, self.null_contexts, strict=True)
        )
        tokens = torch.cat((self.tokens, self.null_tokens)) if self.tokens is not None and self.null_tokens is not None else None
        return Prepared(both, (), tokens, None, self.time, self.row)


class Denoiser(nn.Module):
    """(x_t, t, speech) -> x_0. Its state loads the published one after the prefix ``model.`` is taken off."""

    sqrt_abar: Tensor
    sqrt_noise: Tensor
    keep: Tensor
    query_mask: Tensor | None

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        self.layout = LatentLayout(config.chunks)
        width = config.width
        self.joint_embed = nn.Linear(config.latent_dim, width)
        self.sequence_embedding = PositionTable(sine_table(config.chunks, width), learned=False)
        self.global_positional_embedding = PositionTable(0.02 * torch.randn(self.layout.tokens, width), learned=True)
        self.time_embed = nn.Sequential(nn.Linear(width, config.time_dim), nn.SiLU(), nn.Linear(config.time_dim, config.time_dim))
        if config.conditioning == "frames":
            self.text_pre_proj = nn.Linear(config.text_dim, width)
            self.audio_pre_proj = nn.Linear(config.audio_dim, width)
            if config.n_speakers > 1:
                self.speaker_embedding = nn.Embedding(config.n_speakers, width)
                nn.init.normal_(self.speaker_embedding.weight, std=1.0 / width)
        elif config.conditioning == "planned-chunks":
            sizes = (config.text_dim, config.audio_dim, config.n_speakers, config.gestures, config.planner_dim, config.condition_dim, width)
            self.planned_conditions = PlannedConditions(*sizes)
        else:
            joint = config.conditioning == "joint-chunks"
            self.chunk_conditions = ChunkConditions(config.text_dim, config.audio_dim, config.n_speakers, config.condition_dim, width, joint=joint)
        self.temporal_decoder_blocks = nn.ModuleList([Layer(config) for _ in range(config.layers)])
        self.out = nn.Linear(width, config.latent_dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        keep = [k for k in range(self.layout.tokens) if k not in self.layout.separators]
        self.register_buffer("keep", torch.tensor(keep), persistent=False)
        masked = [[0.0 if k in config.masked_tokens else 1.0] for k in keep]
        self.register_buffer("query_mask", torch.tensor(masked) if [0.0] in masked else None, persistent=False)
        abar = alphas_cumprod()
        self.register_buffer("sqrt_abar", abar.sqrt().float(), persistent=False)
        self.register_buffer("sqrt_noise", (1.0 - abar).sqrt().float(), persistent=False)

    def layers(self) -> list[Layer]:
        """The layers in order."""
        return [layer for layer in self.temporal_decoder_blocks if isinstance(layer, Layer)]

    def loss_weight(self, t: Tensor) -> Tensor:
        """(B,) factor of the x_0 error at timesteps ``t``: 1 / (1 - abar) for ``v``, 1 for ``x0``."""
        return self.sqrt_noise[t] ** -2 if self.config.prediction == "v" else torch.ones_like(self.sqrt_noise[t])

    def prepare(self, conditions: Conditions, timesteps: Tensor | None = None) -> Prepared:
        """Compute what does not depend on x: contexts or chunk vectors of the conditions, and the time projections of ``timesteps`` (K,) int64.

        Raises: ModelError if the conditions' widths are not the model's.
        """
        config = self.config
        if (conditions.text.shape[-1], conditions.audio.shape[-1]) != (config.text_dim, config.audio_dim):
            raise ModelError(
                f"conditions: text {conditions.text.shape[-1]} and audio {conditions.audio.shape[-1]} wide; expected {config.text_dim} and {config.audio_dim} "
                "- use the encoders the model was trained with"
            )
        contexts: tuple[tuple[Context, ...], ...] = tuple(() for _ in self.temporal_decoder_blocks)
        nulls, tokens, null_tokens = contexts, None, None
        if config.conditioning == "frames":
            encoded = self.encode_conditions(conditions)
            contexts = tuple(tuple(block.context(c) for block, c in zip(layer.crosses(), encoded, strict=True)) for layer in self.layers())
            nulls = tuple(
                tuple(block.null_context(context) for block, context in zip(layer.crosses(), made, strict=True))
                for layer, made in zip(self.layers(), contexts, strict=True)
            )
        else:
            planned = config.conditioning == "planned-chunks"
            tokens, null_tokens = self.planned_conditions(conditions) if planned else self.chunk_conditions(conditions)
        time, row = None, None
        if timesteps is not None:
            timesteps = timesteps.to(self.keep.device)
            time = self.project_time(timesteps)
            row = torch.full((N_TIMESTEPS,), -1, device=timesteps.device)
            row[timesteps] = torch.arange(timesteps.numel(), device=timesteps.device)
        return Prepared(contexts, nulls, tokens, null_tokens, time, row)

    def encode_conditions(self, conditions: Conditions) -> tuple[Tensor, Tensor, Tensor]:
        """Text, audio and speaker at the denoiser's width, each (B, N, D). One speaker alone says nothing: zeros."""
        speaker = conditions.speaker if conditions.speaker.ndim == 2 else conditions.speaker[:, None]
        text = self.text_pre_proj(conditions.text)
        who = self.speaker_embedding(speaker) if self.config.n_speakers > 1 else text.new_zeros(conditions.batch, 1, self.config.width)
        return text, self.audio_pre_proj(conditions.audio), who

    def embed_time(self, t: Tensor) -> Tensor:
        """(N,) original timesteps -> (N, time_dim)."""
        out: Tensor = self.time_embed(timestep_embedding(t, self.config.width))
        return out

    def project_time(self, t: Tensor) -> Tensor:
        """(N,) original timesteps -> (N, L, blocks, P)."""
        emb = self.embed_time(t)
        return torch.stack([layer.project_time(emb) for layer in self.layers()], dim=1)

    def embed(self, x_t: Tensor) -> Tensor:
        """(B, T, latent) -> (B, T', D): without separators, with positions."""
        positions = self.sequence_embedding.pe.repeat(len(PARTS), 1, 1) + self.global_positional_embedding.pe[self.keep]
        h: Tensor = self.joint_embed(x_t[:, self.keep])
        return h + positions[:, 0]

    def forward(self, x_t: Tensor, t: Tensor, prepared: Prepared, conditioned: Tensor | None = None) -> Tensor:
        """Predict clean latents.

        Args:
            x_t: (B, T, latent_dim), zeros at separators. t: (B,) int64 original timesteps. prepared: of ``prepare``, for B samples.
            conditioned: (B,) bool, False takes text, audio and speaker away from a sample; None: all have them.

        Returns: x_0 (B, T, latent_dim), zeros at separators.
        """
        if conditioned is not None:
            prepared = prepared.select(conditioned)
        h = self.embed(x_t)
        if prepared.tokens is not None:
            h = h + prepared.tokens
        for hidden in self.hidden_states(h, self._time(t, prepared), prepared):
            h = hidden
        predicted = self.out(h)
        if self.config.prediction == "v":
            shape = (-1, 1, 1)
            predicted = self.sqrt_abar[t].view(shape) * x_t[:, self.keep] + self.sqrt_noise[t].view(shape) * predicted
        x_0: Tensor = predicted.new_zeros(x_t.shape).index_copy(1, self.keep, predicted)
        return x_0

    def hidden_states(self, h: Tensor, time: Tensor, prepared: Prepared) -> list[Tensor]:
        """The state (B, T', D) after every layer; ``time`` (B, L, blocks, P)."""
        states = []
        for k, layer in enumerate(self.temporal_decoder_blocks):
            h = layer(h, time[:, k], prepared.contexts[k], self.query_mask)
            states.append(h)
        return states

    def _time(self, t: Tensor, prepared: Prepared) -> Tensor:
        if prepared.time is None or prepared.row is None:
            return self.project_time(t)
        rows = prepared.row[t]
        if bool((rows < 0).any()):
            return self.project_time(t)
        return prepared.time[rows]

    @property
    def time_width(self) -> int:
        """P, the width of one block's time projection."""
        return modulation_factor(self.config.modulation) * self.config.width
