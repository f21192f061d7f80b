"""The contract of a part codec, and the codec of a whole body: four parts <-> one normalised latent sequence.

One latent stands for one second (15 frames at 15 fps) of one part. The sequence is ``LatentLayout``'s: upper, separator, hands, separator,
face, separator, lower; separators are zero. The mean and the standard deviation of every latent dimension belong to the codec, so that
what the denoiser sees has a spread of about 1. Source: METHOD part I (b), TRAINING "The part codec".
Differs from the released code: latents are normalised, and are the posterior's mean unless a generator is given (there always a sample).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from raggesture.body.features import PartFeatures
from raggesture.body.joints import PARTS, LatentLayout, Part
from raggesture.clock import CHUNK_FRAMES
from raggesture.errors import ModelError

STD_FLOOR = 0.02
"""Smallest spread, as a share of the part's largest, that a latent dimension is divided by."""


class PartCodec(Protocol):
    """Encodes one part, one latent per second. Any ``nn.Module`` with these members."""

    context_frames: int
    latent_dim: int

    def encode(self, features: Tensor) -> Tensor:
        """(B, F + 2 * context_frames, n) -> (B, F // 15, D)."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """(B, C, D) -> (B, 15 * C, n)."""
        ...


@runtime_checkable
class SampledCodec(Protocol):
    """A part codec whose encoder gives a distribution."""

    latent_dim: int

    def posterior(self, features: Tensor, noise: Tensor) -> Tensor:
        """A sample (B, C, D) of the posterior for ``noise`` (B, C, D)."""
        ...


class BodyCodec(nn.Module):
    """Four part codecs and the statistics of their latents."""

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, parts: Mapping[Part, nn.Module]) -> None:
        super().__init__()
        if set(parts) != set(PARTS):
            raise ModelError(f"codec: parts {sorted(parts)}; expected {sorted(PARTS)} - give one codec for each part")
        self.parts = nn.ModuleDict({part: parts[part] for part in PARTS})
        dims = {self.part(part).latent_dim for part in PARTS}
        if len(dims) != 1:
            raise ModelError(f"codec: latent sizes {sorted(dims)}; expected one size for all parts - they share one sequence")
        self.latent_dim = dims.pop()
        self.register_buffer("latent_mean", torch.zeros(len(PARTS), self.latent_dim))
        self.register_buffer("latent_std", torch.ones(len(PARTS), self.latent_dim))

    def part(self, part: Part) -> PartCodec:
        """The codec of one part."""
        return cast(PartCodec, self.parts[part])

    @property
    def context_frames(self) -> int:
        """Frames that ``encode`` expects on each side of the window."""
        return max(self.part(part).context_frames for part in PARTS)

    def encode_raw(self, features: PartFeatures, generator: torch.Generator | None = None) -> Tensor:
        """Latents before normalisation: (B, F + 2 * context_frames, n) each -> (B, 4, F // 15, D).

        With a (CPU) generator, parts that have a posterior give a sample of it, drawn part by part as the published code draws.
        """
        frames = features.frames - 2 * self.context_frames
        if frames <= 0 or frames % CHUNK_FRAMES:
            raise ModelError(
                f"codec: {features.frames} frames; expected a multiple of {CHUNK_FRAMES} plus {self.context_frames} frames of context "
                "on each side - use features.window"
            )
        latents = []
        for part, tensor in features:
            codec = self.part(part)
            spare = self.context_frames - codec.context_frames
            cut = tensor[:, spare : features.frames - spare]
            if generator is not None and isinstance(codec, SampledCodec):
                noise = torch.randn(cut.shape[0], frames // CHUNK_FRAMES, codec.latent_dim, generator=generator)
                latents.append(codec.posterior(cut, noise.to(cut)))
            else:
                latents.append(codec.encode(cut))
        return torch.stack(latents, dim=1)  # (B, 4, C, D)

    def encode(self, features: PartFeatures, generator: torch.Generator | None = None) -> Tensor:
        """Features with ``context_frames`` on each side -> normalised latents (B, T, D) with zero separators; ``generator``: see ``encode_raw``."""
        raw = self.encode_raw(features, generator)
        normal = (raw - self.latent_mean[:, None]) / self.latent_std[:, None]
        layout = LatentLayout(raw.shape[2])
        sequence = raw.new_zeros(raw.shape[0], layout.tokens, self.latent_dim)
        for k, part in enumerate(PARTS):
            sequence[:, layout.span(part)] = normal[:, k]
        return sequence

    def decode(self, latents: Tensor) -> PartFeatures:
        """Normalised latents (B, T, D), T = 4 C + 3 -> features of 15 C frames. Separators are ignored."""
        chunks, rest = divmod(latents.shape[1] - len(PARTS) + 1, len(PARTS))
        if rest or chunks < 1 or latents.shape[2] != self.latent_dim:
            raise ModelError(f"latents: {tuple(latents.shape)}; expected (B, 4 C + 3, {self.latent_dim}) - see LatentLayout")
        layout = LatentLayout(chunks)
        decoded = []
        for k, part in enumerate(PARTS):
            raw = latents[:, layout.span(part)] * self.latent_std[k] + self.latent_mean[k]
            decoded.append(self.part(part).decode(raw))
        return PartFeatures(*decoded)

    @torch.no_grad()
    def set_statistics(self, raw: Tensor) -> None:
        """Take mean and spread per part and dimension from raw latents (N, 4, C, D).

        A dimension that hardly varies is divided by a floor instead of its own spread, so that it cannot amplify noise.
        """
        flat = raw.transpose(0, 1).flatten(1, 2).double()  # (4, N C, D)
        std = flat.std(dim=1)
        floor = (STD_FLOOR * std.amax(dim=1, keepdim=True)).clamp_min(1e-4)
        self.latent_mean.copy_(flat.mean(dim=1))
        self.latent_std.copy_(torch.maximum(std, floor))
