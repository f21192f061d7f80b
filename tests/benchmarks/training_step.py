"""One network trained for a few steps on random batches, in a process of its own: prints samples a second (of the fastest step) and memory as JSON."""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from raggesture.body.joints import FEATURES_OF_PART, LatentLayout
from raggesture.clock import WINDOW_CHUNKS, WINDOW_FRAMES
from raggesture.config import load_settings
from raggesture.models.denoiser import Denoiser, DenoiserConfig
from raggesture.models.vae import TransformerVae
from raggesture.training.denoiser import DenoiserObjective, loss_mask
from raggesture.training.memory import estimate
from raggesture.training.optimisation import Optimisation, make_optimizer
from raggesture.training.recipe import vae_config
from raggesture.training.settings import recipe_of
from raggesture.training.vae import VaeObjective, VaeTraining

CONDITIONS = {"starter": (384, WINDOW_FRAMES, 12), "paper": (768, 499, 768)}
"""Width of the text, frames and width of the audio."""
Batch = tuple[Tensor, ...]


def denoiser(profile: str, conditioning: str, dropout: float) -> tuple[nn.Module, Callable[[int], Batch]]:
    """A denoiser of a profile's size with its loss, and random batches for it."""
    text, frames, audio = CONDITIONS[profile]
    recipe = recipe_of(load_settings(profile, environ={}), name="bench")
    values = {"text_dim": text, "audio_dim": audio, "n_speakers": 8, "conditioning": conditioning or recipe.denoiser.conditioning, "dropout": dropout}
    config = DenoiserConfig.from_json(json.dumps(json.loads(recipe.denoiser.to_json()) | values))
    network = Denoiser(config)

    def draw(count: int) -> Batch:
        latents = torch.randn(2, count, LatentLayout().tokens, config.latent_dim)
        told = (torch.randn(count, WINDOW_FRAMES, text), torch.randn(count, frames, audio), torch.randint(0, 8, (count,)))
        return latents[0], *told, torch.randint(0, 1000, (count,)), latents[1], torch.rand(count) > 0.1

    return DenoiserObjective(network, loss_mask(network.layout)), draw


def vae(profile: str) -> tuple[nn.Module, Callable[[int], Batch]]:
    """The auto-encoder of the upper body."""
    config = vae_config(recipe_of(load_settings(profile, environ={}), name="bench").codec.codec, "upper")

    def draw(count: int) -> Batch:
        return torch.randn(count, WINDOW_FRAMES, FEATURES_OF_PART["upper"]), torch.randn(count, WINDOW_CHUNKS, config.latent_dim)

    return VaeObjective(TransformerVae(config), VaeTraining(steps=1)), draw


def main() -> None:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=("denoiser", "vae"))
    parser.add_argument("--profile", choices=tuple(CONDITIONS), default="starter")
    parser.add_argument("--conditioning", choices=("", "frames", "chunks"), default="")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5)
    given = parser.parse_args()
    torch.manual_seed(0)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    objective, draw = denoiser(given.profile, given.conditioning, 0.0) if given.network == "denoiser" else vae(given.profile)
    options = Optimisation(steps=1, precision=given.precision)
    optimizer = make_optimizer(objective, options)
    expected = estimate(objective, draw(1), averaged=False, dtype=options.dtype)
    times = []
    for _ in range(given.steps + 1):  # the first one warms up
        batch = draw(given.batch)
        began = time.perf_counter()
        with torch.autocast("cpu", dtype=options.dtype, enabled=given.precision != "float32"):
            loss = objective(*batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        times.append(time.perf_counter() - began)
    step = min(times[1:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - base
    estimated = expected.total(given.batch) / 2**20
    print(json.dumps({"parameters": expected.parameters, "step_s": step, "samples_per_s": given.batch / step, "peak_mib": peak, "estimated_mib": estimated}))


if __name__ == "__main__":
    main()
