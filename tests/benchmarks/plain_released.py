"""The published procedure, plainly: what the benchmark's ratios are ratios to. Nothing is remembered from one step to the next.

At every call of the denoiser the keys and values of all conditions and every block's projection of the timestep are computed anew, for a batch of two (with
and without the speech); separators take part; exemplars are inverted one at a time; guidance is gradient descent by autograd. Source: METHOD part I (b), (c).
Two faults are not copied, because nothing could be compared with them: guided positions are not overwritten afterwards (II.1), and the anchor of a
step is the latent at that step's level (II.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear, silu

from raggesture.diffusion.noise import NoiseSchedule
from raggesture.models.denoiser_config import DenoiserConfig
from raggesture.models.embeddings import timestep_embedding
from raggesture.models.mixing import Mixing

BLOCKED = -1e6


@dataclass(frozen=True, eq=False)
class Spoken:
    """One sample's conditions at the denoiser's width: ``text`` (1, 150, D), ``audio`` (1, 499, D), ``speaker`` (1, 150, D)."""

    text: Tensor
    audio: Tensor
    speaker: Tensor


class PlainDenoiser:
    """The published denoiser from its state, one sample at a time, both branches at every call."""

    def __init__(self, state: dict[str, Tensor], config: DenoiserConfig, mixing: Mixing) -> None:
        self.state, self.config, self.mixing = state, config, mixing
        self.separators = [10, 21, 32]
        self.motion_mask = torch.ones(1, 43, 1)
        self.motion_mask[:, self.separators] = 0
        self.query_mask = torch.ones(1, 43, 1)
        self.query_mask[:, list(config.masked_tokens)] = 0
        scale = mixing.token_scale(_layout())
        self.scale = torch.ones(43, 1) if scale is None else scale

    def encode(self, text: Tensor, audio: Tensor, speaker: Tensor) -> Spoken:
        """Project raw conditions once per window, as published."""
        table = self.state["speaker_embedding.weight"]
        ids = speaker if speaker.ndim == 2 else speaker[:, None].expand(-1, text.shape[1])
        return Spoken(self._linear("text_pre_proj", text), self._linear("audio_pre_proj", audio), table[ids])

    def __call__(self, x: Tensor, t: int, spoken: Spoken) -> Tensor:
        """x (1, 43, latent) -> mixed x_0 (1, 43, latent)."""
        twice = torch.cat((x, x))
        out = self._network(twice, torch.tensor([t, t]), spoken, torch.tensor([True, False]))
        weight = self.mixing.weight(t)
        mixed: Tensor = self.scale * weight * out[:1] + (1.0 - weight) / self.scale * out[1:]
        return mixed

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def _norm(self, name: str, x: Tensor) -> Tensor:
        return layer_norm(x, x.shape[-1:], self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def _network(self, x: Tensor, t: Tensor, spoken: Spoken, on: Tensor) -> Tensor:
        width = self.config.width
        sine = self.state["sequence_embedding.pe"][:, 0]
        positions = torch.zeros(43, width)
        for first in (0, 11, 22, 33):
            positions[first : first + 10] = sine
        h = self._linear("joint_embed", x) + positions + self.state["global_positional_embedding.pe"][:, 0]
        emb = self._linear("time_embed.2", silu(self._linear("time_embed.0", timestep_embedding(t, width))))
        for k in range(self.config.layers):
            h = self._layer(f"temporal_decoder_blocks.{k}", h, emb, spoken, on)
        return self._linear("out", h)

    def _layer(self, name: str, h: Tensor, emb: Tensor, spoken: Spoken, on: Tensor) -> Tensor:
        h = self._self_attention(f"{name}.sa_block", h, emb)
        seen = (("xf_text", spoken.text), ("xf_audio", spoken.audio), ("xf_spk", spoken.speaker))
        crossed = [self._cross_attention(f"{name}.ca_blocks.{each}", h, condition, emb, on) for each, condition in seen]
        h = self._linear(f"{name}.ca_mix", torch.cat(crossed, dim=-1))
        y = self._linear(f"{name}.ffn.linear2", gelu(self._linear(f"{name}.ffn.linear1", h)))
        return h + self._stylise(f"{name}.ffn.proj_out", y, emb)

    def _stylise(self, name: str, y: Tensor, emb: Tensor) -> Tensor:
        scale, shift = self._linear(f"{name}.emb_layers.1", silu(emb))[:, None].chunk(2, dim=-1)
        return self._linear(f"{name}.out_layers.2", silu(self._norm(f"{name}.norm", y) * (1 + scale) + shift))

    def _heads(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.config.heads, -1)

    def _self_attention(self, name: str, x: Tensor, emb: Tensor) -> Tensor:
        n = self._norm(f"{name}.norm", x)
        query = self._heads(self._linear(f"{name}.query", n)).softmax(dim=-1)
        key = self._heads(self._linear(f"{name}.key", n) + (1 - self.motion_mask) * BLOCKED).softmax(dim=1)
        value = self._heads(self._linear(f"{name}.value", n) * self.motion_mask)
        y = torch.einsum("bnhd,bhdl->bnhl", query, torch.einsum("bnhd,bnhl->bhdl", key, value)).flatten(2)
        return x + self._stylise(f"{name}.proj_out", y, emb)

    def _cross_attention(self, name: str, x: Tensor, condition: Tensor, emb: Tensor, on: Tensor) -> Tensor:
        given = on[:, None, None].float()  # (2, 1, 1)
        c = self._norm(f"{name}.text_norm", condition)
        query = self._heads(self._linear(f"{name}.query", self._norm(f"{name}.norm", x))).softmax(dim=-1)
        key = self._heads(self._linear(f"{name}.key", c) + (1 - given) * BLOCKED).softmax(dim=1)
        value = self._heads(self._linear(f"{name}.value", c * given))
        y = torch.einsum("bnhd,bhdl->bnhl", query, torch.einsum("bnhd,bnhl->bhdl", key, value)).flatten(2)
        y = y + (1 - self.query_mask) * BLOCKED
        return x + self._stylise(f"{name}.proj_out", y, emb)


def _layout():  # type: ignore[no-untyped-def]
    from raggesture.body.joints import LatentLayout

    return LatentLayout()


def _move(x: Tensor, x_0: Tensor, abar: float, abar_to: float) -> Tensor:
    eps = (x * (1 / abar) ** 0.5 - x_0) / (1 / abar - 1) ** 0.5
    return abar_to**0.5 * x_0 + (1 - abar_to) ** 0.5 * eps


def invert(denoiser: PlainDenoiser, clean: Tensor, spoken: Spoken, schedule: NoiseSchedule) -> list[Tensor]:
    """One exemplar (1, 43, latent) up through the steps: its latent at the level of every step, the noisiest first."""
    levels: list[Tensor] = []
    x, last = clean, schedule.n_steps - 1
    with torch.no_grad():
        for step in range(last, -1, -1):
            if step == last:  # from clean to the least noisy level, with the noise predicted there
                predicted = denoiser(x, schedule.timestep(step), spoken)
                abar = schedule.abar(step)
                eps = (x * (1 / abar) ** 0.5 - predicted) / (1 / abar - 1) ** 0.5
                x = abar**0.5 * clean + (1 - abar) ** 0.5 * eps
            else:
                predicted = denoiser(x, schedule.timestep(step + 1), spoken)
                x = _move(x, predicted, schedule.abar(step + 1), schedule.abar(step))
            levels.insert(0, x)
    return levels


def guided(
    denoiser: PlainDenoiser,
    start: Tensor,
    spoken: Spoken,
    schedule: NoiseSchedule,
    anchors: Sequence[Tensor],
    mask: Tensor,
    iterations: Sequence[int],
    lr: float,
) -> Tensor:
    """Sample (1, 43, latent) from ``start``; before each call ``iterations[step]`` gradient steps on the squared distance to the step's anchor.

    ``anchors``: per step, noisiest first; ``mask`` (1, 43, 1): tokens that are anchored.
    """
    x = start
    for step in range(schedule.n_steps):
        for _ in range(iterations[step]):
            moved = x.detach().requires_grad_(True)
            loss = (((moved - anchors[step]) * mask) ** 2).sum()
            (gradient,) = torch.autograd.grad(loss, moved)
            x = (moved - lr * gradient).detach()
        with torch.no_grad():
            x_0 = denoiser(x, schedule.timestep(step), spoken)
            x = _move(x, x_0, schedule.abar(step), schedule.abar(step + 1))
    return x
