"""A lapped convolutional codec: one latent per second, and no seams whatever the latents are.

Each latent is a linear reading of 15 + 2 m frames (m frames of overlap into both neighbours) and is written back over the same frames, faded
in and out by a power-complementary window: the squares of neighbouring windows sum to 1, so a complete basis would reconstruct exactly, and
any latents whatsoever (even Gaussian ones) decode without a jump, because every latent enters and leaves at nothing. The basis
is that of the principal components of the windowed segments. With m = 0 this is the plain PCA of the chunk, which has seams.
Source: lapped transforms (Malvar 1992, "Signal Processing with Lapped Transforms"); TRAINING "The part codec" for the PCA of a chunk.
Differs from the released code: replaces the transformer VAE (METHOD part III, "embedded model").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from raggesture.clock import CHUNK_FRAMES
from raggesture.errors import ModelError

MAX_CONTEXT = CHUNK_FRAMES // 2


@dataclass(frozen=True, slots=True)
class ConvCodecConfig:
    """``features``: n; ``latent_dim``: D; ``context_frames``: m, 0 to 7."""

    features: int
    latent_dim: int
    context_frames: int = MAX_CONTEXT

    def __post_init__(self) -> None:
        if self.features < 1 or self.latent_dim < 1 or not 0 <= self.context_frames <= MAX_CONTEXT:
            raise ModelError(f"codec: {self}; expected positive sizes and context_frames from 0 to {MAX_CONTEXT} - correct the configuration")

    @property
    def kernel(self) -> int:
        """Frames one latent reads and writes."""
        return CHUNK_FRAMES + 2 * self.context_frames


def fade_window(context_frames: int) -> Tensor:
    """(15 + 2 m,) window whose squares, shifted by 15 frames, sum to 1: half a sine up over the overlap of 2 m frames, flat, half a sine down.

    Windows with a rounder foot reconstruct a few percent better, but change over faster at the border: with Gaussian latents the wrist's
    step there is 1.5 times that elsewhere with Vorbis' window and 1.07 times with this one (7 with the plain PCA of the chunk).
    Source: Malvar 1992, the modulated lapped transform's window.
    """
    overlap = 2 * context_frames
    at = (torch.arange(overlap, dtype=torch.float64) + 0.5) / max(overlap, 1)
    rise = torch.sin(torch.pi / 2 * at)
    flat = torch.ones(CHUNK_FRAMES - overlap, dtype=torch.float64)
    return torch.cat((rise, flat, rise.flip(0))).float()


class ConvCodec(nn.Module):
    """Lapped codec of one part.

    Buffers: ``mean`` (n,) and ``scale`` (n,), the weight of each feature (about: how far a wrong value moves the body).
    Parameter: ``basis`` (D, n, 15 + 2 m), orthonormal over windowed segments; encoding reads with it, decoding writes with it. Training the
    two directions apart by gradient (rotation, wrist and acceleration losses) was measured to gain nothing over weighting the features by
    how far each joint moves the body, so there is one closed form.
    """

    mean: Tensor
    scale: Tensor
    fade: Tensor

    def __init__(self, config: ConvCodecConfig) -> None:
        super().__init__()
        self.config = config
        self.context_frames = config.context_frames
        self.latent_dim = config.latent_dim
        shape = (config.latent_dim, config.features, config.kernel)
        self.basis = nn.Parameter(torch.zeros(shape))
        self.register_buffer("mean", torch.zeros(config.features))
        self.register_buffer("scale", torch.ones(config.features))
        self.register_buffer("fade", fade_window(config.context_frames), persistent=False)

    def encode(self, features: Tensor) -> Tensor:
        """(B, F + 2 m, n) -> (B, F // 15, D)."""
        if features.shape[-1] != self.config.features:
            raise ModelError(f"codec: {features.shape[-1]} features; expected {self.config.features} - encode the part this codec was made for")
        signal = ((features - self.mean) * self.scale).transpose(1, 2)  # (B, n, F + 2 m)
        return nn.functional.conv1d(signal, self.basis * self.fade, stride=CHUNK_FRAMES).transpose(1, 2)

    def decode(self, latents: Tensor) -> Tensor:
        """(B, C, D) -> (B, 15 C, n). At the outer edges, where a neighbour is missing, the sum is divided by what is there of the windows."""
        chunks, m = latents.shape[1], self.context_frames
        signal = nn.functional.conv_transpose1d(latents.transpose(1, 2), self.basis * self.fade, stride=CHUNK_FRAMES)
        signal = signal[..., m : m + CHUNK_FRAMES * chunks] / self.coverage(chunks)  # (B, n, 15 C)
        return signal.transpose(1, 2) / self.scale + self.mean

    def coverage(self, chunks: int) -> Tensor:
        """(15 C,) sum of the squared windows over each frame: 1, and down to a half at the outer edges."""
        ones = self.fade.new_ones(1, 1, chunks)
        total = nn.functional.conv_transpose1d(ones, (self.fade**2)[None, None], stride=CHUNK_FRAMES)[0, 0]
        return total[self.context_frames : self.context_frames + CHUNK_FRAMES * chunks]

    @torch.no_grad()
    def fit(self, features: Tensor, scale: Tensor, generator: torch.Generator) -> Tensor:
        """Set the basis to the principal components of windowed segments.

        Args:
            features: (W, F + 2 m, n) windows with their context; scale: (n,) weight of each feature; generator: for the random start of the subspace iteration.
        Returns:
            (D,) standard deviation of each component, largest first.
        """
        self.scale.copy_(scale)
        self.mean.copy_(features.flatten(0, 1).mean(0))
        signal = (features - self.mean) * self.scale
        segments = signal.unfold(1, self.config.kernel, CHUNK_FRAMES) * self.fade  # (W, C, n, kernel)
        rows = segments.flatten(2).flatten(0, 1)  # (W C, n kernel)
        basis, spread = principal_components(rows, self.latent_dim, generator)
        self.basis.copy_(basis.reshape(self.latent_dim, self.config.features, self.config.kernel))
        return spread


def principal_components(rows: Tensor, count: int, generator: torch.Generator, iterations: int = 6) -> tuple[Tensor, Tensor]:
    """First principal directions of ``rows`` (N, P) about 0, by randomised subspace iteration.

    Source: Halko, Martinsson, Tropp 2011, "Finding structure with randomness".

    Returns:
        (count, P) orthonormal directions (missing ones, when N or P is too small, are zero) and (count,) root mean squares, largest first.
        Signs are fixed: the largest entry is positive.
    """
    size = min(count + 24, *rows.shape)
    basis = torch.linalg.qr(torch.randn(rows.shape[1], size, generator=generator)).Q  # (P, size)
    for _ in range(iterations):
        basis = torch.linalg.qr(rows.T @ torch.linalg.qr(rows @ basis).Q).Q
    _, values, right = torch.linalg.svd(rows @ basis, full_matrices=False)
    found = min(count, size)
    directions = right[:found] @ basis.T  # (found, P)
    peak = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    directions = directions * peak.sign()
    spread = values[:found] / rows.shape[0] ** 0.5
    pad = count - found
    return nn.functional.pad(directions, (0, 0, 0, pad)), nn.functional.pad(spread, (0, pad))
