"""The published sizes: guided generation with two exemplars, step by step from the plain procedure to ours. Ratios of one run, equality of what comes out.

``pytest -s tests/benchmarks/test_bench_released.py`` (about two minutes on two cores). Weights are random, but not zero anywhere: embedding, mixture and
output start from the identity, so that noise levels stay apart and inversion keeps its scale, as those of a trained model do.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import pytest
import torch
from plain_released import PlainDenoiser, guided, invert
from torch import Tensor

from raggesture.body.features import PartFeatures
from raggesture.body.joints import FEATURES_OF_PART, PARTS, LatentLayout
from raggesture.diffusion import ddim
from raggesture.diffusion.guidance import AnchorGuide, Anchors, rates_per_token
from raggesture.diffusion.noise import published
from raggesture.diffusion.rates import closed_form_rate
from raggesture.models.codec import BodyCodec
from raggesture.models.codec_config import CodecConfig
from raggesture.models.conditions import Conditions
from raggesture.models.denoiser import Denoiser
from raggesture.models.denoiser_config import OUR_SEPARATORS, DenoiserConfig
from raggesture.models.folded import Fold
from raggesture.models.mixing import Mixing, bind
from raggesture.models.vae import VaeConfig

LAYOUT = LatentLayout()
LR = 0.1
ITERATIONS = [max(i - 25, 0) if i >= 25 else 0 for i in range(49, -1, -1)]
"""``decreasing_till_25``, noisiest step first."""
PLACES = (slice(2, 4), slice(6, 8))
FREE = [k for k in range(LAYOUT.tokens) if k not in LAYOUT.separators]
REPEATS = int(os.environ.get("RAGGESTURE_BENCH_REPEATS", "2"))
LAYERS = 8
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Case:
    """Everything that both ways start from. ``features`` of two exemplars, ``own`` their conditions, ``asked`` the query's."""

    denoiser: Denoiser
    codec: BodyCodec
    mixing: Mixing
    features: PartFeatures
    own: Conditions
    asked: Conditions
    noise: Tensor
    mask: Tensor


@pytest.fixture(scope="module")
def case() -> Case:
    config = replace(DenoiserConfig.published(), layers=LAYERS)
    torch.manual_seed(0)
    denoiser = Denoiser(replace(config, masked_tokens=OUR_SEPARATORS)).eval()
    eye = torch.eye(config.width)
    with torch.no_grad():
        for parameter in denoiser.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.02)
        denoiser.joint_embed.weight.copy_(eye)
        denoiser.out.weight.copy_(eye)
        for layer in denoiser.layers():
            layer.ca_mix.weight.mul_(0.05).add_(torch.cat((eye, eye, eye), dim=1) / 3)

    def heard(batch: int, seed: int) -> Conditions:
        generator = torch.Generator().manual_seed(seed)
        text, audio = torch.randn(batch, 150, 768, generator=generator), torch.randn(batch, 499, 768, generator=generator)
        return Conditions(text, audio, torch.arange(batch)[:, None].expand(-1, 150) + seed)

    generator = torch.Generator().manual_seed(9)
    codec = CodecConfig("transformer", 512, vaes=tuple(VaeConfig(FEATURES_OF_PART[part], decoder_arch="all_encoder") for part in PARTS)).build().eval()
    widths = [FEATURES_OF_PART[part] for part in PARTS]
    features = PartFeatures(*(torch.randn(2, 150, width, generator=generator) for width in widths))
    noise = torch.randn(1, LAYOUT.tokens, config.latent_dim, generator=generator)
    mask = torch.zeros(1, LAYOUT.tokens, dtype=torch.bool)
    for place in PLACES:
        for part in ("upper", "hands"):
            mask[:, LAYOUT.tokens_of(part, place)] = True
    return Case(denoiser, codec, Mixing("constant", 1.3), features, heard(2, 1), heard(1, 5), noise, mask)


def anchored(case: Case, levels: Tensor) -> Tensor:
    """(K, 1, T, D): each exemplar's own chunks of its levels (K, 2, T, D)."""
    placed = torch.zeros(levels.shape[0], 1, *levels.shape[2:])
    for number, place in enumerate(PLACES):
        for part in ("upper", "hands"):
            at = LAYOUT.tokens_of(part, place)
            placed[:, 0, at] = levels[:, number, at]
    return placed


def taken(features: PartFeatures, rows: slice) -> PartFeatures:
    """Some samples of features."""
    return PartFeatures(features.upper[rows], features.hands[rows], features.face[rows], features.lower[rows])


@torch.no_grad()
def decoded(case: Case, x_0: Tensor) -> Tensor:
    """Features (1, 150, 425) of latents, separators at zero."""
    x_0 = x_0.clone()
    x_0[:, list(LAYOUT.separators)] = 0
    found = case.codec.decode(x_0)
    return torch.cat((found.upper, found.hands, found.face, found.lower), dim=-1)


def plainly(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """150 calls, nothing remembered. Returns x_0, its features and the exemplars' levels."""
    schedule = published()
    plain = PlainDenoiser(case.denoiser.state_dict(), case.denoiser.config, case.mixing)
    with torch.no_grad():
        spoken = [plain.encode(case.own.text[k : k + 1], case.own.audio[k : k + 1], case.own.speaker[k : k + 1]) for k in range(2)]
        asked = plain.encode(case.asked.text, case.asked.audio, case.asked.speaker)
        clean = [case.codec.encode(taken(case.features, slice(k, k + 1))) for k in range(2)]
    levels = torch.stack([torch.cat(invert(plain, clean[k], spoken[k], schedule)) for k in range(2)], dim=1)  # (K, 2, T, D)
    anchors = anchored(case, levels)
    start = torch.where(case.mask[..., None], anchors[0], case.noise)
    x_0 = guided(plain, start, asked, schedule, list(anchors), case.mask[..., None].float(), ITERATIONS, LR)
    return x_0, decoded(case, x_0), levels


@dataclass(frozen=True)
class Way:
    """What of our savings is on."""

    name: str
    predicted: str
    times: bool = True
    together: bool = True
    folded: bool = True
    kept: bool = False
    autograd: bool = False


WAYS = (
    Way("conditions' keys and values once, separators left out", "2.4-3.4", times=False, together=False, folded=False, autograd=True),
    Way("+ projections of the fifty timesteps once", "3.5", together=False, folded=False, autograd=True),
    Way("+ guidance in closed form, no autograd", "3.6", together=False, folded=False),
    Way("+ both exemplars inverted in one batch", "4.5", folded=False),
    Way("+ folded (styles, constant branches, one matrix)", "6"),
    Way("+ cached inversions", "18", kept=True),
)


@torch.no_grad()
def ours(case: Case, way: Way, levels: Tensor | None, fold: Fold | None) -> tuple[Tensor, Tensor]:
    """The same generation with some or all of what we do."""
    schedule = published()
    timesteps = schedule.timesteps if way.times else None

    def bound(conditions: Conditions) -> ddim.Denoise:
        return bind(case.denoiser, conditions, case.mixing, timesteps=timesteps, fold=fold if way.folded else None)

    if not way.kept or levels is None:
        rows = [slice(0, 2)] if way.together else [slice(0, 1), slice(1, 2)]
        levels = torch.cat([ddim.invert(bound(case.own.take(row)), case.codec.encode(taken(case.features, row)), schedule) for row in rows], dim=1)
    anchors = anchored(case, levels)
    start = torch.where(case.mask[..., None], anchors[0], case.noise)
    if way.autograd:
        guide: ddim.Guide = _by_gradients(anchors, case.mask)
    else:
        rates = tuple(closed_form_rate(LR, n) for n in ITERATIONS)
        guide = AnchorGuide(Anchors(anchors, case.mask), rates_per_token(rates, case.mask.float()))
    x_0 = ddim.sample(bound(case.asked), start, schedule, guide=guide)
    return x_0, decoded(case, x_0)


def _by_gradients(anchors: Tensor, mask: Tensor) -> ddim.Guide:
    def guide(step: int, x: Tensor) -> Tensor:
        with torch.enable_grad():
            for _ in range(ITERATIONS[step]):
                moved = x.detach().requires_grad_(True)
                (gradient,) = torch.autograd.grad((((moved - anchors[step]) * mask[..., None]) ** 2).sum(), moved)
                x = (moved - LR * gradient).detach()
        return x

    return guide


def timed(work: Callable[[], T], repeats: int = REPEATS) -> tuple[T, float]:
    """What came out, and the quickest run's seconds: other jobs only ever make one slower."""
    best, out = float("inf"), None
    for _ in range(repeats):
        begun = time.perf_counter()
        out = work()
        best = min(best, time.perf_counter() - begun)
    assert out is not None
    return out, best


def memory_mb() -> float:
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_guided_generation(case: Case) -> None:
    folding_s = time.perf_counter()
    fold = Fold(case.denoiser, published().timesteps)
    folding_s = time.perf_counter() - folding_s
    ours(case, WAYS[4], None, fold)  # warm
    before = memory_mb()
    (wanted, motion, levels), plain_s = timed(lambda: plainly(case))
    sizes = [sum(parameter.numel() for parameter in module.parameters()) / 1e6 for module in (case.denoiser, case.codec)]
    print(f"\n\nguided generation, two exemplars, encoding to decoding, float32, {torch.get_num_threads()} threads")
    print(f"denoiser {sizes[0]:.0f} M parameters, auto-encoders 4 x {sizes[1] / 4:.0f} M")
    print(f"inverted latents up to {float(levels[:, :, FREE].abs().max()):.1f}, spread at the noisiest level {float(levels[0][:, FREE].std()):.2f}")
    print(f"| | predicted | times faster | seconds | largest difference |\n|---|---|---|---|---|\n| plain | 1 | 1.00 | {plain_s:.2f} | |")
    for way in WAYS:
        (found, moved), seconds = timed(partial(ours, case, way, levels, fold))
        error = float((found - wanted)[:, FREE].abs().max() / wanted[:, FREE].abs().max())
        error = max(error, float((moved - motion).abs().max() / motion.abs().max()))
        print(f"| {way.name} | {way.predicted} | {plain_s / seconds:.2f} | {seconds:.2f} | {error:.1e} |")
        assert error <= 1e-4, way.name
        assert (found - case.noise)[:, FREE].abs().max() > 0.1
    print(f"folding once per model and number of steps: {folding_s:.2f} s; peak memory {before:.0f} MiB with ours, {memory_mb():.0f} MiB after the plain one")


def test_codecs() -> None:
    torch.manual_seed(0)
    latents = torch.randn(1, LAYOUT.tokens, 512)
    print("\n| auto-encoders of published sizes, four parts, one window | parameters, M | encode, ms | decode, ms |\n|---|---|---|---|")
    for arch in ("all_encoder", "encoder_decoder"):
        codec = CodecConfig("transformer", 512, vaes=tuple(VaeConfig(FEATURES_OF_PART[part], decoder_arch=arch) for part in PARTS)).build().eval()  # type: ignore[arg-type]
        with torch.no_grad():
            features = codec.decode(latents)
            _, decode_s = timed(partial(codec.decode, latents))
            _, encode_s = timed(partial(codec.encode, features))
        count = sum(parameter.numel() for parameter in codec.parameters()) / 4e6
        print(f"| {arch} | 4 x {count:.0f} | {1000 * encode_s:.0f} | {1000 * decode_s:.0f} |")
        assert torch.isfinite(features.upper).all()
