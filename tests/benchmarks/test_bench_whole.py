"""The whole published generation against ours: two exemplars encoded, inverted, the released guided loop with its faults, one decode; memory by stage.

``pytest -s tests/benchmarks/test_bench_whole.py`` (about two minutes on two idle cores). What ``test_bench_released.py`` leaves out is in: the auto-encoders,
and the loop that overwrites guided positions, one level off, after gradient steps that therefore have no effect.
Then what bfloat16 and torch.compile do to one call on this machine.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from plain_released import PlainDenoiser, Spoken
from test_bench_released import FREE, ITERATIONS, LAYOUT, LR, PLACES, Case, case  # noqa: F401
from torch import Tensor

from raggesture.body.features import PartFeatures
from raggesture.body.joints import FEATURES_OF_PART, PARTS
from raggesture.clock import WINDOW_FRAMES
from raggesture.diffusion.noise import NoiseSchedule
from raggesture.inversions import InversionCache, Inverted, inverted
from raggesture.models.checkpoint import Model, ModelManifest
from raggesture.models.codec import BodyCodec
from raggesture.models.codec_config import CodecConfig
from raggesture.models.conditions import Conditions
from raggesture.models.numerics import Numerics
from raggesture.models.vae import VaeConfig
from raggesture.released_loop import released_entries, released_injection
from raggesture.synthesis import INJECTED_PARTS, Insertion, Synthesizer

STEPS, SEED = 50, 4
T = TypeVar("T")


class Stages:
    """Seconds and peak memory of named stages; the peak is reset before each where the system allows it."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, float]] = []

    def run(self, name: str, work: Callable[[], T]) -> T:
        clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
        if clear.exists():
            clear.write_text("5")
        begun = time.perf_counter()
        out = work()
        taken = time.perf_counter() - begun
        peak = next((float(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM")), 0.0) if status.exists() else 0.0
        self.rows.append((name, taken, peak))
        return out

    @property
    def seconds(self) -> float:
        return sum(taken for _, taken, _ in self.rows)


def eps_of(x: Tensor, x_0: Tensor, abar: float) -> Tensor:
    return (x / math.sqrt(abar) - x_0) / math.sqrt(1 / abar - 1)


@torch.no_grad()
def plain_entries(plain: PlainDenoiser, clean: Tensor, spoken: Spoken, schedule: NoiseSchedule) -> list[Tensor]:
    """Clean to noisy, each one level off, the last pure predicted noise: METHOD part II 3."""
    x, entries = clean, []
    for step in range(STEPS - 1, -1, -1):
        x_0 = plain(x, schedule.timestep(step), spoken)
        following = schedule.abar(step - 1) if step else 0.0
        x = math.sqrt(following) * x_0 + math.sqrt(1 - following) * eps_of(x, x_0, schedule.abar(step))
        entries.append(x)
    return entries


def plain_loop(plain: PlainDenoiser, spoken: Spoken, start: Tensor, entries: Sequence[Tensor], schedule: NoiseSchedule, rng: torch.Generator) -> Tensor:
    """Gradient steps by autograd on the mean square, then the overwriting: METHOD part II 1."""
    x = start
    for step in range(STEPS):
        if step:
            entry = entries[STEPS - 1 - step]
            mask = (entry != 0).any(-1, keepdim=True).float()
            for _ in range(ITERATIONS[step]):
                moved = x.detach().requires_grad_(True)
                (gradient,) = torch.autograd.grad(((moved * mask - entry) ** 2).mean(), moved)
                x = (moved - LR * gradient).detach()
            abar = schedule.abar(step)
            x = torch.where(entry != 0, math.sqrt(abar) * entry + math.sqrt(1 - abar) * torch.randn(x.shape, generator=rng), x)
        with torch.no_grad():
            x_0 = plain(x, schedule.timestep(step), spoken)
        torch.randn(x.shape, generator=rng)
        before = schedule.abar(step + 1)
        x = math.sqrt(before) * x_0 + math.sqrt(1 - before) * eps_of(x, x_0, schedule.abar(step))
    return x


@torch.no_grad()
def plainly(case: Case, codec: BodyCodec, cut: Sequence[PartFeatures], schedule: NoiseSchedule) -> tuple[Tensor, PartFeatures, Stages]:  # noqa: F811
    stages, plain = Stages(), PlainDenoiser(case.denoiser.state_dict(), case.denoiser.config, case.mixing)
    clean = stages.run("encode", lambda: [codec.encode(each) for each in cut])
    own = [plain.encode(case.own.text[k : k + 1], case.own.audio[k : k + 1], case.own.speaker[k : k + 1]) for k in range(2)]
    asked = plain.encode(case.asked.text, case.asked.audio, case.asked.speaker)
    levels = stages.run("invert", lambda: [plain_entries(plain, each, spoken, schedule) for each, spoken in zip(clean, own, strict=True)])
    start, entries = case.noise.clone(), [torch.zeros_like(case.noise) for _ in range(STEPS)]
    for place, mine in zip(PLACES, levels, strict=True):
        for part in INJECTED_PARTS:
            at = LAYOUT.tokens_of(part, place)
            start[:, at] = mine[-1][:, at]
            for entry, level in zip(entries, mine, strict=True):
                entry[:, at] = level[:, at]
    with torch.enable_grad():
        x_0 = stages.run("sample", lambda: plain_loop(plain, asked, start, entries, schedule, torch.Generator().manual_seed(SEED)))
    return x_0, stages.run("decode", lambda: codec.decode(x_0)), stages


@torch.no_grad()
def ours(case: Case, synthesizer: Synthesizer, cut: Sequence[PartFeatures], cache: InversionCache) -> tuple[Tensor, PartFeatures, Stages]:  # noqa: F811
    stages, codec = Stages(), synthesizer.model.codec

    def invert(rows: Sequence[int]) -> Tensor:
        together = PartFeatures(*(torch.cat([dict(cut[row])[part] for row in rows]) for part in PARTS))
        return released_entries(synthesizer, codec.encode(together), case.own.take(torch.tensor(rows)))

    key = [Inverted("bench", "bench", "released", "ddim", STEPS, "", f"{k}", 0, (place.start, place.stop), "cpu") for k, place in enumerate(PLACES)]
    levels = stages.run("encode and invert", lambda: inverted(cache, key, 512, synthesizer.device, invert, shared=False))
    insertions = [Insertion(k, 0, place) for k, place in enumerate(PLACES)]
    rng = torch.Generator().manual_seed(SEED)
    made = released_injection(synthesizer, "inversion+guidance", levels, None, insertions, case.noise, None, rng)
    x_0 = stages.run("sample", lambda: synthesizer.sample(case.asked, made.start, made.guide))
    return x_0, stages.run("decode", lambda: codec.decode(x_0)), stages


@pytest.fixture(scope="module")
def model(case: Case) -> Model:  # noqa: F811
    torch.manual_seed(1)
    config = CodecConfig("transformer", 512, 0, tuple(VaeConfig(FEATURES_OF_PART[part], decoder_arch="all_encoder") for part in PARTS))
    manifest = ModelManifest("bench", "bert", "wav2vec2", ("one",), case.denoiser.config, config, case.mixing)
    return Model(case.denoiser.requires_grad_(False), config.build().eval().requires_grad_(False), manifest)


def test_whole_generation(case: Case, model: Model, tmp_path: Path) -> None:  # noqa: F811
    generator = torch.Generator().manual_seed(2)
    cut = [PartFeatures(*(torch.randn(1, WINDOW_FRAMES, FEATURES_OF_PART[part], generator=generator) for part in PARTS)) for _ in range(2)]
    synthesizer = Synthesizer(model, STEPS)
    ours(case, synthesizer, cut, InversionCache(tmp_path / "warm", 10**9))
    rounds = []
    for k in range(2):
        cache = InversionCache(tmp_path / str(k), 10**9)
        rounds.append([plainly(case, model.codec, cut, synthesizer.schedule), ours(case, synthesizer, cut, cache), ours(case, synthesizer, cut, cache)])
    print(f"\n\nwhole generation, two exemplars, published sizes, float32, {torch.get_num_threads()} threads, quickest of {len(rounds)} interleaved rounds")
    print("| | times faster | seconds by stage | peak MiB by stage | largest difference, latents | features |\n|---|---|---|---|---|---|")
    quickest = [min((each[way] for each in rounds), key=lambda made: made[2].seconds) for way in range(3)]
    (wanted, features, plain), *_ = quickest
    for name, (x_0, decoded, stages) in zip(("plain", "ours", "ours, inversions cached"), quickest, strict=True):
        error = float((x_0 - wanted)[:, FREE].abs().max() / wanted[:, FREE].abs().max())
        apart = max(float((a - b).abs().max() / b.abs().max()) for (_, a), (_, b) in zip(decoded, features, strict=True))
        times = ", ".join(f"{what} {taken:.2f}" for what, taken, _ in stages.rows)
        peaks = ", ".join(f"{peak:.0f}" for _, _, peak in stages.rows)
        print(f"| {name} | {plain.seconds / stages.seconds:.2f} | {times} | {peaks} | {error:.1e} | {apart:.1e} |")
        assert error <= 1e-4 and apart <= 1e-3
    assert torch.equal(quickest[1][0], quickest[2][0])


def test_numerics(case: Case, model: Model) -> None:  # noqa: F811
    """One call with both branches, batch 1."""
    ways = [Numerics(), Numerics("bfloat16"), Numerics("float32", True)]
    calls = [Synthesizer(model, STEPS, way).bind(Conditions(case.asked.text, case.asked.audio, case.asked.speaker), case.mixing) for way in ways]
    t = Synthesizer(model, STEPS).schedule.timestep(10)
    first = []
    for call in calls:
        begun = time.perf_counter()
        call(case.noise, t)
        first.append(time.perf_counter() - begun)
    best, made = [math.inf] * len(calls), [case.noise] * len(calls)
    for _ in range(20):
        for k, call in enumerate(calls):
            begun = time.perf_counter()
            made[k] = call(case.noise, t)
            best[k] = min(best[k], time.perf_counter() - begun)
    print("\n| one call, published sizes, CPU | times faster | ms | first call, s | difference, relative norm |\n|---|---|---|---|---|")
    for way, quickest, begun, x_0 in zip(ways, best, first, made, strict=True):
        error = float((x_0 - made[0])[:, FREE].norm() / made[0][:, FREE].norm())
        print(f"| {way.key} | {best[0] / quickest:.2f} | {1000 * quickest:.1f} | {begun:.1f} | {error:.1e} |")
        assert error < 0.05
