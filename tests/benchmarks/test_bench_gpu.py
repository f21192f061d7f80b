"""On a GPU, published sizes: windows a second at batch 1 and 64, milliseconds a step, and how far that is from what the device can do.

``pytest -s -m gpu tests/benchmarks/test_bench_gpu.py``. Limits: a step reads the folded weights once (memory) and does two operations for every weight and
token (arithmetic). Bandwidth and arithmetic are measured here, by a copy and by a large product, not taken from a data sheet.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch

from raggesture.body.joints import FEATURES_OF_PART, PARTS
from raggesture.models.checkpoint import Model, ModelManifest
from raggesture.models.codec_config import CodecConfig
from raggesture.models.conditions import Conditions
from raggesture.models.denoiser import Denoiser, DenoiserConfig
from raggesture.models.mixing import Mixing
from raggesture.models.numerics import Numerics
from raggesture.models.vae import VaeConfig
from raggesture.synthesis import Synthesizer

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
STEPS = 50
WAYS = (Numerics(), Numerics("bfloat16"), Numerics("float32", True), Numerics("bfloat16", True))
BATCHES = (1, 64)


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The quickest run, after one that is not counted."""
    work()
    best = float("inf")
    for _ in range(repeats):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        work()
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begun)
    return best


def limits(dtype: torch.dtype) -> tuple[float, float]:
    """Bytes and operations a second that the device reaches."""
    source = torch.empty(2**28, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    a = torch.randn(8192, 8192, device="cuda", dtype=dtype)
    return 2 * source.numel() / seconds(lambda: target.copy_(source)), 2 * 8192**3 / seconds(lambda: a @ a)


def weights_of_a_step(config: DenoiserConfig) -> tuple[int, int]:
    """Weights that the folded layers multiply with at each step, for a token with conditions and for one without."""
    d, f = config.width, config.ff_dim
    own = 3 * d * d + d * d + 2 * d * f + d * d  # q, k, v; out; feed-forward; out
    return config.layers * (own + 2 * d * d + 3 * d * d) + 2 * config.latent_dim * d, config.layers * (own + d * d) + 2 * config.latent_dim * d


def published_model() -> Model:
    config = DenoiserConfig.published()
    codec = CodecConfig("transformer", 512, 0, tuple(VaeConfig(FEATURES_OF_PART[part], decoder_arch="all_encoder") for part in PARTS))
    torch.manual_seed(0)
    denoiser = Denoiser(config)
    with torch.no_grad():
        for parameter in denoiser.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.02)
    manifest = ModelManifest("bench", "bert", "wav2vec2", ("one",), config, codec, Mixing("published"))
    return Model(denoiser.eval().requires_grad_(False).cuda(), codec.build().eval().requires_grad_(False).cuda(), manifest)


def test_windows_per_second() -> None:
    model = published_model()
    with_conditions, without = weights_of_a_step(model.manifest.denoiser)
    tokens = int(model.denoiser.keep.numel())
    print(f"\n\n{torch.cuda.get_device_name()}, torch {torch.__version__}, {STEPS} steps, two branches")
    print("| format | batch | windows / s | ms / step | x the memory limit | x the arithmetic limit | peak, MiB |\n|---|---|---|---|---|---|---|")
    for numerics in WAYS:
        bandwidth, arithmetic = limits(numerics.dtype)
        memory_s = with_conditions * torch.finfo(numerics.dtype).bits / 8 / bandwidth
        synthesizer = Synthesizer(model, STEPS, numerics)
        for batch in BATCHES:
            torch.cuda.reset_peak_memory_stats()
            generator = torch.Generator().manual_seed(0)
            text, audio = torch.randn(batch, 150, 768, generator=generator), torch.randn(batch, 499, 768, generator=generator)
            conditions = Conditions(text, audio, torch.zeros(batch, dtype=torch.int64)).to("cuda")
            noise = synthesizer.noise(batch, generator)
            taken = seconds(lambda synthesizer=synthesizer, conditions=conditions, noise=noise: synthesizer.decode(synthesizer.sample(conditions, noise)))
            step_s = seconds(lambda synthesizer=synthesizer, conditions=conditions, noise=noise: synthesizer.sample(conditions, noise)) / STEPS
            arithmetic_s = 2 * batch * tokens * (with_conditions + without) / arithmetic
            peak = torch.cuda.max_memory_allocated() / 2**20
            print(
                f"| {numerics.key} | {batch} | {batch / taken:.2f} | {1000 * step_s:.2f} | {step_s / memory_s:.1f} | {step_s / arithmetic_s:.1f} | {peak:.0f} |"
            )
            assert bool(torch.isfinite(synthesizer.sample(conditions, noise)).all())
