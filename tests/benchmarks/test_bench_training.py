"""Training, measured: samples a second and memory at the packaged and the published sizes, and what each choice is worth. Ratios, in one run.

Every figure comes from a process of its own (``training_step.py``): memory is what that process grew by from its imports to its peak.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

SCRIPT = Path(__file__).with_name("training_step.py")
BATCH = 8


@dataclass(frozen=True)
class Step:
    parameters: int
    step_s: float
    samples_per_s: float
    peak_mib: float
    estimated_mib: float


def measured(network: str, *arguments: str, steps: int = 5) -> Step:
    command = [sys.executable, str(SCRIPT), network, "--batch", str(BATCH), "--steps", str(steps), *arguments]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1200)
    return Step(**json.loads(found.stdout))


def line(name: str, step: Step, against: Step | None = None) -> str:
    ratio = "" if against is None else f"   {step.samples_per_s / against.samples_per_s:5.2f} x   memory {step.peak_mib / against.peak_mib:4.2f} x"
    return f"  {name:38} {step.parameters / 1e6:6.1f} M  {step.samples_per_s:8.2f} samples/s  peak {step.peak_mib:6.0f} MiB{ratio}"


def test_sizes_and_precisions() -> None:
    print(f"\ntraining, batch {BATCH}, {torch.get_num_threads()} threads")
    for network, profile, steps in (("denoiser", "starter", 20), ("denoiser", "paper", 3), ("vae", "paper", 3)):
        plain = measured(network, "--profile", profile, steps=steps)
        mixed = measured(network, "--profile", profile, "--precision", "bfloat16", steps=steps)
        print(line(f"{network}, {profile}, float32", plain))
        print(line(f"{network}, {profile}, bfloat16", mixed, plain))
        print(f"    memory estimated by --dry-run {plain.estimated_mib:.0f} MiB, {plain.estimated_mib / plain.peak_mib:.2f} of what was measured")
        assert plain.samples_per_s > 0 and mixed.parameters == plain.parameters


def test_chunks_and_frames() -> None:
    """The packaged denoiser gathers its conditions per second; attention to all frames is the published way."""
    chunks, frames = (measured("denoiser", "--conditioning", how, steps=20) for how in ("chunks", "frames"))
    print("\nconditions of the packaged size")
    print(line("cross attention to frames", frames))
    print(line("per chunk", chunks, frames))
    assert chunks.parameters < frames.parameters


def test_the_loop_costs_little() -> None:
    """Drawing, encoding to latents, reporting: the whole loop against the bare steps of the same network."""
    from helpers_training import OURS, small_codec, small_dataset
    from raggesture.models.codec_config import CodecConfig
    from raggesture.training.codecs import CodecTraining, train_codecs
    from raggesture.training.denoiser import DenoiserTraining, denoiser_task, train_denoiser
    from raggesture.training.optimisation import make_optimizer
    from raggesture.training.starter import starter_recipe

    data = small_dataset()
    codec = train_codecs(data, CodecTraining(CodecConfig(latent_dim=128), fit_windows=60, statistics_windows=60))
    assert small_codec(data).latent_dim != codec.latent_dim
    config = json.loads(starter_recipe().denoiser.to_json()) | {"text_dim": 4, "audio_dim": 3, "n_speakers": 2}
    denoiser = type(starter_recipe().denoiser).from_json(json.dumps(config))
    options = DenoiserTraining(steps=20, batch=BATCH, report_every=20, **OURS)
    _, outcome = train_denoiser(data, codec, denoiser, options)
    task = denoiser_task(data, codec, denoiser, options)
    optimizer, generator = make_optimizer(task.objective, options), torch.Generator().manual_seed(0)
    batch = task.draw(BATCH, slice(None), generator)
    began = time.perf_counter()
    for _ in range(20):
        optimizer.zero_grad(set_to_none=True)
        task.objective(*batch).backward()
        optimizer.step()
    bare = 20 * BATCH / (time.perf_counter() - began)
    print(f"\n  the loop, starter's size: {outcome.samples_per_s:.1f} samples/s, {outcome.samples_per_s / bare:.2f} of bare steps ({bare:.1f})")
    assert outcome.steps == 20
