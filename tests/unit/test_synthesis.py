"""From exemplars to latents and from latents to motion: with a tiny model, a real codec and a toy index."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers_synthesis import LATENTS, tiny_model, toy_index
from raggesture.body.joints import LatentLayout
from raggesture.clock import CHUNK_FRAMES, WINDOW_FRAMES
from raggesture.diffusion.guidance import DIAL, Anchors
from raggesture.models.conditions import Conditions
from raggesture.motion import Motion
from raggesture.retrieval.index import ClipWindow, Index
from raggesture.synthesis import INJECTED_PARTS, Held, Insertion, Synthesizer, inject
from raggesture.windows import OVERLAP_FRAMES, STRIDE_FRAMES, join_windows

STEPS = 12
LAYOUT = LatentLayout()
FULL, OFF = (1.0,) * STEPS, (0.0,) * STEPS
HALF = (1 + (STEPS - 1) * float(DIAL.guided(torch.tensor(0.5)))) / STEPS
"""Mean rate of weight .5 under FULL."""
MIDDLE_OF_CHUNK = CHUNK_FRAMES // 2
"""The one frame of a chunk that no neighbour reaches, with seven frames of overlap."""


@pytest.fixture(scope="module")
def synthesizer() -> Synthesizer:
    return Synthesizer(tiny_model(), STEPS)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return toy_index(tmp_path_factory.mktemp("index") / "toy")


@pytest.fixture(scope="module")
def windows(synthesizer: Synthesizer, index: Index) -> list[ClipWindow]:
    places = (("1_ann_0_1_1", 30), ("1_ann_0_2_2", 45), ("2_bob_0_1_1", 0))
    return [index.clip_window(clip, start, context=synthesizer.model.codec.context_frames) for clip, start in places]


@pytest.fixture(scope="module")
def clean(synthesizer: Synthesizer, windows: list[ClipWindow]) -> Tensor:
    return synthesizer.encode(windows)


@pytest.fixture(scope="module")
def levels(synthesizer: Synthesizer, windows: list[ClipWindow], clean: Tensor) -> Tensor:
    return synthesizer.invert(clean, synthesizer.conditions(windows))


def noise_of(synthesizer: Synthesizer, batch: int, seed: int = 0) -> Tensor:
    return synthesizer.noise(batch, torch.Generator().manual_seed(seed))


def made(synthesizer: Synthesizer, windows: list[ClipWindow], how: str, levels: Tensor, clean: Tensor, insertions: list[Insertion], rates=FULL) -> Tensor:
    """Sample one window with insertions."""
    noise = noise_of(synthesizer, 1)
    injection = inject(synthesizer, how, levels, clean, insertions, noise, rates)  # type: ignore[arg-type]
    return synthesizer.sample(synthesizer.conditions(windows[:1]), injection.start, injection.guide)


def test_shapes(synthesizer: Synthesizer, windows: list[ClipWindow], clean: Tensor, levels: Tensor) -> None:
    assert clean.shape == (3, 43, LATENTS) and levels.shape == (STEPS, 3, 43, LATENTS)
    assert not clean[:, list(LAYOUT.separators)].any()
    anchors, weights = synthesizer.anchors(levels, [Insertion(2, 1, slice(3, 5), 0.5)], 2)
    assert isinstance(anchors, Anchors) and anchors.latents.shape == (STEPS, 2, 43, LATENTS) and weights.shape == (2, 43)
    expected = [LAYOUT.span(part).start + k for part in INJECTED_PARTS for k in (3, 4)]
    assert anchors.mask[1].nonzero().flatten().tolist() == expected and not anchors.mask[0].any()
    assert torch.equal(anchors.latents[:, 1, expected], levels[:, 2, expected])
    assert weights[1, expected].tolist() == [0.5] * 4 and float(weights.sum()) == 2.0
    assert not anchors.latents[:, 0].any()
    motions = synthesizer.decode(clean)
    assert [(m.frames, m.fps) for m in motions] == [(150, 15)] * 3


def test_encode_and_decode_give_the_clip_back(synthesizer: Synthesizer, windows: list[ClipWindow], clean: Tensor) -> None:
    edge, middle = synthesizer.model.codec.context_frames, slice(10, 140)
    for cut, motion in list(zip(windows, synthesizer.decode(clean), strict=True))[:2]:  # the third shows the ends of its clip, which stand still
        rotations = cut.rotations[edge : edge + WINDOW_FRAMES]
        assert np.abs(motion.rotations[middle] - rotations[middle])[:, 12:22].max() < 0.004
        moved = cut.translation[edge : edge + WINDOW_FRAMES] - cut.translation[edge] * [1, 0, 1]
        assert np.abs(motion.translation[middle] - moved[middle]).max() < 0.001


def test_inversion_comes_back(synthesizer: Synthesizer, windows: list[ClipWindow], clean: Tensor, levels: Tensor) -> None:
    back = synthesizer.sample(synthesizer.conditions(windows), levels[0])
    kept = [k for k in range(43) if k not in LAYOUT.separators]
    assert (back - clean)[:, kept].square().mean().sqrt() < 0.35 * clean[:, kept].square().mean().sqrt()
    other = synthesizer.sample(synthesizer.conditions(windows), noise_of(synthesizer, 3))
    assert (back - clean).square().mean() < 0.1 * (other - clean).square().mean()


def test_inversion_in_batches_is_the_same(
    synthesizer: Synthesizer, windows: list[ClipWindow], clean: Tensor, levels: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raggesture.synthesis.INVERSION_BATCH", 2)
    again = synthesizer.invert(clean, synthesizer.conditions(windows))
    assert torch.allclose(again, levels, atol=1e-4)


@pytest.mark.parametrize("how", ["inversion+guidance", "noised", "inpaint"])
def test_a_chunk_injected_at_full_rate_is_the_exemplars(synthesizer: Synthesizer, windows: list[ClipWindow], clean: Tensor, levels: Tensor, how: str) -> None:
    used = synthesizer.noised(clean, noise_of(synthesizer, 3, 5)) if how == "noised" else levels
    x_0 = made(synthesizer, windows, how, used, clean, [Insertion(1, 0, slice(4, 6))])
    motion, exemplar = synthesizer.decode(x_0)[0], synthesizer.decode(clean)[1]
    inside = slice(4 * CHUNK_FRAMES + MIDDLE_OF_CHUNK, 6 * CHUNK_FRAMES - MIDDLE_OF_CHUNK)  # elsewhere a neighbour is mixed in
    joints = [*range(12, 22), *range(25, 55)]
    far = np.abs(motion.rotations[inside] - exemplar.rotations[inside])[:, joints].max()
    assert far < 0.005
    alone = synthesizer.decode(made(synthesizer, windows, "none", levels, clean, []))[0]
    assert np.abs(alone.rotations[inside] - exemplar.rotations[inside])[:, joints].max() > 20 * far


@pytest.mark.parametrize("how", ["inversion+guidance", "inversion", "noised", "inpaint", "none"])
def test_weight_zero_is_ungrounded_to_the_bit(synthesizer: Synthesizer, windows: list[ClipWindow], clean: Tensor, levels: Tensor, how: str) -> None:
    noise = noise_of(synthesizer, 1)
    alone = synthesizer.sample(synthesizer.conditions(windows[:1]), noise)
    assert torch.equal(made(synthesizer, windows, how, levels, clean, [Insertion(1, 0, slice(4, 6), 0.0)]), alone)
    injection = inject(synthesizer, how, levels, clean, [Insertion(1, 0, slice(4, 6), 0.0)], noise, FULL)  # type: ignore[arg-type]
    assert injection.strengths == (0.0,) and injection.guide is None


def test_ways_to_inject_differ(synthesizer: Synthesizer, windows: list[ClipWindow], clean: Tensor, levels: Tensor) -> None:
    half = tuple(1.0 if k < STEPS // 2 else 0.0 for k in range(STEPS))
    results = [made(synthesizer, windows, how, levels, clean, [Insertion(1, 0, slice(4, 6))], half) for how in ("inversion+guidance", "inversion", "inpaint")]
    results.append(made(synthesizer, windows, "noised", synthesizer.noised(clean, noise_of(synthesizer, 3, 5)), clean, [Insertion(1, 0, slice(4, 6))], half))
    results.append(made(synthesizer, windows, "none", levels, clean, [Insertion(1, 0, slice(4, 6))], half))
    for k, one in enumerate(results):
        assert all((one - other).abs().max() > 1e-3 for other in results[:k])


def test_strength_is_the_mean_rate_and_zero_rates_leave_the_start(synthesizer: Synthesizer, clean: Tensor, levels: Tensor) -> None:
    insertions = [Insertion(0, 0, slice(0, 2), 1.0), Insertion(1, 0, slice(4, 6), 0.5), Insertion(2, 0, slice(8, 9), 0.0)]
    noise = noise_of(synthesizer, 1)
    guided = inject(synthesizer, "inversion+guidance", levels, clean, insertions, noise, FULL)
    assert guided.strengths == pytest.approx((1.0, HALF, 0.0))
    anchored = [*range(0, 2), *range(4, 6), *range(11, 13), *range(15, 17)]
    expected = [levels[0, exemplar, token] for exemplar, tokens in ((0, (0, 1)), (1, (4, 5)), (0, (11, 12)), (1, (15, 16))) for token in tokens]
    assert torch.equal(guided.start[0, anchored], torch.stack(expected))
    free = [k for k in range(43) if k not in anchored]
    assert torch.equal(guided.start[:, free], noise[:, free])
    assert inject(synthesizer, "inversion", levels, clean, insertions, noise, FULL).guide is None


def test_three_windows_at_once_are_three_windows(synthesizer: Synthesizer, windows: list[ClipWindow], clean: Tensor, levels: Tensor) -> None:
    noise = noise_of(synthesizer, 3)
    insertions = [Insertion(k, k, slice(2 * k + 1, 2 * k + 3), 1.0 - 0.3 * k) for k in range(3)]
    conditions = synthesizer.conditions(windows)
    together = inject(synthesizer, "inversion+guidance", levels, clean, insertions, noise, FULL)
    x_0 = synthesizer.sample(conditions, together.start, together.guide)
    for k, insertion in enumerate(insertions):
        alone = inject(synthesizer, "inversion+guidance", levels, clean, [Insertion(k, 0, insertion.chunks, insertion.weight)], noise[k : k + 1], FULL)
        one = synthesizer.sample(conditions.take(slice(k, k + 1)), alone.start, alone.guide)
        assert torch.allclose(one, x_0[k : k + 1], atol=1e-5)
        assert alone.strengths[0] == pytest.approx(together.strengths[k])


def _two_windows(synthesizer: Synthesizer, conditions: Conditions, seed: int, *, hold: bool = True) -> tuple[Tensor, Tensor, Held]:
    first = synthesizer.sample(conditions, noise_of(synthesizer, 1, seed))
    held = synthesizer.continuation(first)
    return first, synthesizer.sample(conditions, noise_of(synthesizer, 1, seed + 100), held=held if hold else None), held


@pytest.mark.parametrize("seed", [0, 1])
def test_the_next_window_keeps_the_last_chunk(synthesizer: Synthesizer, windows: list[ClipWindow], seed: int) -> None:
    first, second, held = _two_windows(synthesizer, synthesizer.conditions(windows[1:2]), seed)
    assert held.mask.nonzero()[:, 1].tolist() == [LAYOUT.span(part).start for part in ("upper", "hands", "face", "lower")]
    for part in ("upper", "hands", "face"):
        start = LAYOUT.span(part).start  # type: ignore[arg-type]
        assert torch.allclose(second[0, start], first[0, start + 9], atol=1e-5), part
    assert torch.equal(second[held.mask], held.latents[held.mask])
    before, after = synthesizer.decode(first)[0], synthesizer.decode(second)[0]
    then, now = STRIDE_FRAMES + MIDDLE_OF_CHUNK, MIDDLE_OF_CHUNK
    joints = [0, 3, 6, *range(9, 23), *range(25, 55)]
    assert np.abs(before.rotations[then] - after.rotations[now])[joints].max() < 1e-3
    moved = before.translation[then] - before.translation[STRIDE_FRAMES] * [1, 0, 1]
    assert np.abs(after.translation[now] - moved).max() < 1e-3, "the lower body is relative to its window's first frame"


def _steps(motion: Motion) -> np.ndarray:
    """(F - 1,) largest change of an upper joint's rotation from frame to frame, rad."""
    return np.abs(np.diff(motion.rotations[:, 12:22], axis=0)).max(axis=(1, 2))


def test_the_joined_motion_has_no_jump_at_the_seam(synthesizer: Synthesizer, windows: list[ClipWindow]) -> None:
    conditions = synthesizer.conditions(windows[1:2])
    at_seam, elsewhere, gaps, walks, walks_elsewhere = [], [], [], [], []
    for seed in range(6):
        first, second, _ = _two_windows(synthesizer, conditions, seed)
        motions = [synthesizer.decode(x)[0] for x in (first, second)]
        joined = join_windows(motions)
        assert joined.frames == STRIDE_FRAMES + WINDOW_FRAMES
        seam = np.zeros(joined.frames - 1, bool)
        seam[STRIDE_FRAMES - 1 : STRIDE_FRAMES + OVERLAP_FRAMES] = True
        steps = _steps(joined)
        walk = np.linalg.norm(np.diff(joined.translation, axis=0), axis=1)
        at_seam.append(steps[seam].mean())
        elsewhere.append(steps[~seam].mean())
        walks.append(walk[seam].max())
        walks_elsewhere.append(walk[~seam].max())
        free = synthesizer.decode(_two_windows(synthesizer, conditions, seed, hold=False)[1])[0]
        tail = motions[0].rotations[STRIDE_FRAMES:, 12:22]
        gaps.append((np.abs(tail - motions[1].rotations[:OVERLAP_FRAMES, 12:22]).mean(), np.abs(tail - free.rotations[:OVERLAP_FRAMES, 12:22]).mean()))
    assert np.mean(at_seam) < 1.5 * np.mean(elsewhere)
    assert np.mean(walks) < 1.5 * np.mean(walks_elsewhere)
    held, free_gap = np.mean(gaps, axis=0)
    assert held < 0.5 * free_gap, "what is held says nothing about the overlap"


def test_noise_is_the_generators(synthesizer: Synthesizer) -> None:
    assert torch.equal(noise_of(synthesizer, 2, 3), noise_of(synthesizer, 2, 3))
    assert not torch.equal(noise_of(synthesizer, 2, 3), noise_of(synthesizer, 2, 4))


def test_the_random_state_and_the_inputs_are_left_alone(synthesizer: Synthesizer, windows: list[ClipWindow], clean: Tensor, levels: Tensor) -> None:
    before, state = (clean.clone(), levels.clone()), torch.random.get_rng_state()
    made(synthesizer, windows, "inversion+guidance", levels, clean, [Insertion(0, 0, slice(1, 3))])
    synthesizer.continuation(clean[:1])
    assert torch.equal(before[0], clean) and torch.equal(before[1], levels)
    assert torch.equal(state, torch.random.get_rng_state())
