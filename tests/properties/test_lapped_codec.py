"""The lapped codec has no seams, whatever its latents are; the plain PCA of the chunk has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from raggesture.body.features import PartFeatures, batch_of, features_of, window
from raggesture.clock import CHUNK_FRAMES
from raggesture.models.conv import ConvCodec, ConvCodecConfig, fade_window
from raggesture.motion import halve_rate, read_npz

LAPPED, PLAIN = 7, 0


def smooth_windows(count: int, features: int, seed: int) -> Tensor:
    """(count, 164, features) of band-limited noise, the features correlated."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(12, features, generator=torch.Generator().manual_seed(1))
    sources = torch.randn(count, 12, 164 + 10, generator=generator)
    kernel = torch.hann_window(11)[None, None].expand(12, 1, 11) / 5
    return torch.nn.functional.conv1d(sources, kernel, groups=12).transpose(1, 2) @ mixing


def seam(motion: Tensor, order: int = 3) -> float:
    """Size of a difference (1: step, 3: jerk) across chunk borders over elsewhere (1: no seam). ``motion``: (B, 15 C, n)."""
    size = motion.diff(n=order, dim=1).norm(dim=-1).mean(0)  # entry i: centred between frames i + (order - 1) / 2 and the next
    phase = (torch.arange(size.numel()) + (order + 1) // 2) % CHUNK_FRAMES
    return float(size[phase == 0].mean() / size[(phase > 2) & (phase < 13)].mean())


def fitted(context: int, windows: Tensor, latents: int) -> tuple[ConvCodec, Tensor, Tensor]:
    """(codec, spread of its latents, windows with its own context)."""
    codec = ConvCodec(ConvCodecConfig(windows.shape[2], latents, context))
    spare = LAPPED - context
    cut = windows[:, spare : windows.shape[1] - spare]
    spread = codec.fit(cut, torch.ones(windows.shape[2]), torch.Generator().manual_seed(0))
    return codec.requires_grad_(False), spread, cut


def inner(windows: Tensor) -> Tensor:
    return windows[:, LAPPED:-LAPPED]


@pytest.mark.parametrize("latents", [12, 40])
@pytest.mark.parametrize("order", [1, 3])
def test_no_seams_in_reconstructions_and_in_noise(latents: int, order: int) -> None:
    windows = smooth_windows(120, 20, seed=0)
    noise = torch.randn(60, 10, latents, generator=torch.Generator().manual_seed(3))
    assert seam(inner(windows), order) == pytest.approx(1.0, abs=0.1)
    lapped, spread, cut = fitted(LAPPED, windows, latents)
    assert seam(lapped.decode(noise * spread), order) < 1.1
    assert seam(lapped.decode(lapped.encode(cut)), order) < 1.1
    plain, spread, cut = fitted(PLAIN, windows, latents)
    assert seam(plain.decode(noise * spread), order) > 3  # the test can see a seam
    assert seam(plain.decode(plain.encode(cut)), order) > 2


@pytest.mark.parametrize("order", [1, 3])
def test_insertions_fade_in(order: int) -> None:
    """Two chunks replaced by another clip's: no jump at either edge."""
    windows = smooth_windows(120, 20, seed=0)
    figures = []
    for context in (LAPPED, PLAIN):
        codec, _, cut = fitted(context, windows, 40)
        latents = codec.encode(cut)
        pasted = latents.clone()
        pasted[:, 4:6] = latents.roll(1, 0)[:, 4:6]
        inside = codec.decode(pasted)[:, 15 * 4 - 8 : 15 * 4 + 8].diff(n=order, dim=1).norm(dim=-1).mean(0)
        figures.append(float(inside.max() / inside.median()))
    assert figures[0] < 1.6
    assert figures[1] > 3


@pytest.mark.parametrize("context", range(8))
def test_windows_are_power_complementary(context: int) -> None:
    fade = fade_window(context)
    total = torch.zeros(CHUNK_FRAMES * 5 + 2 * context)
    for k in range(5):
        total[CHUNK_FRAMES * k : CHUNK_FRAMES * k + fade.numel()] += fade**2
    assert torch.allclose(total[2 * context : -2 * context or None], torch.ones(CHUNK_FRAMES * 5 - 2 * context), atol=1e-6)
    codec = ConvCodec(ConvCodecConfig(1, 1, context))
    assert torch.allclose(codec.coverage(1) * 0 + 1, torch.ones(CHUNK_FRAMES))
    assert codec.coverage(5).min() >= 0.5


def test_complete_basis_is_exact_also_at_the_edges() -> None:
    windows = smooth_windows(300, 2, seed=2)
    codec, _, cut = fitted(LAPPED, windows, 58)  # 2 features x 29 frames
    assert torch.allclose(codec.decode(codec.encode(cut)), inner(cut), atol=2e-3 * float(cut.std()))


def test_any_slice_of_a_clip_encodes_alike() -> None:
    windows = smooth_windows(60, 6, seed=4)
    codec, _, cut = fitted(LAPPED, windows, 16)
    whole = codec.encode(cut)
    part = codec.encode(cut[:, 3 * CHUNK_FRAMES : 8 * CHUNK_FRAMES + 2 * LAPPED])
    assert torch.allclose(part, whole[:, 3:8], atol=1e-5)


def test_real_take(beat2_mini: Path) -> None:
    """Held-out half of a real take: as exact as the plain PCA within a tenth, without its seams."""
    features = features_of(halve_rate(read_npz(beat2_mini / "smplxflame_30" / "2_scott_0_1_1.npz")))
    half = features.frames // 2

    def windows(first: int, last: int, step: int) -> Tensor:
        piece = PartFeatures(*(tensor[:, first:last] for _, tensor in features))
        return batch_of([window(piece, start, 150, LAPPED) for start in range(0, last - first - 149, step)]).upper

    train, held = windows(0, half, 2), windows(half, features.frames, 40)
    errors, seams, noise_seams = [], [], []
    for context in (LAPPED, PLAIN):
        codec, spread, _ = fitted(context, train, 96)
        spare = LAPPED - context
        decoded = codec.decode(codec.encode(held[:, spare : held.shape[1] - spare]))
        errors.append(float((decoded - inner(held)).square().mean().sqrt()))
        seams.append(seam(decoded))
        noise = torch.randn(60, 10, 96, generator=torch.Generator().manual_seed(3)) * spread
        noise_seams.append(seam(codec.decode(noise)))
    assert errors[0] < 1.2 * errors[1]
    assert seams[0] < 1.2 and seams[1] > 3
    assert noise_seams[0] < 1.2 and noise_seams[1] > 5
