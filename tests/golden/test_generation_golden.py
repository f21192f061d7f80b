"""A whole generation of the published architecture: two exemplars inverted, injected, sampled in every mode, decoded."""

from __future__ import annotations

from pathlib import Path

import pytest
import roma
import torch
from golden_model import KEEP, MIXING, RELEASED, arrays, assert_close, conditions, small_denoiser, weights
from torch import Tensor

from raggesture.body.joints import LatentLayout
from raggesture.body.rotations import rot6d_to_axis_angle
from raggesture.diffusion import ddim, released
from raggesture.diffusion.noise import published
from raggesture.diffusion.schedules import DecreasingTill25, IterationOptions
from raggesture.models.mixing import bind
from raggesture.models.vae import TransformerVae, VaeConfig

SCHEDULE = published()
LAYOUT = LatentLayout()
PLACED = ((slice(1, 3), slice(2, 4)), (slice(4, 7), slice(6, 9)))
"""Chunks of the exemplar and of the query, as the file's two ``startends`` say."""
BOUND = 1e-4 if torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512") else 2e-2
"""Under the released mask tokens 20 and 30 carry the rounding noise of -1e6 before a LayerNorm, which differs between CPU kernels."""
FIRST_TOKENS, LAST_TOKENS = [0, 11, 22, 33], [9, 20, 31, 42]
ITERATIONS = DecreasingTill25(IterationOptions()).iterations(50)


@pytest.fixture(scope="module")
def data(goldens: Path) -> dict[str, Tensor]:
    return arrays(goldens, "generation_small")


@pytest.fixture(scope="module")
def inverted(goldens: Path, data: dict[str, Tensor]) -> list[Tensor]:
    denoiser = small_denoiser(goldens, RELEASED)
    calls = [bind(denoiser, conditions(data, f"exemplar{k}_"), MIXING["js1"], timesteps=SCHEDULE.timesteps) for k in (0, 1)]
    return [released.invert(call, data[f"exemplar{k}_latent"], SCHEDULE) for k, call in enumerate(calls)]


@pytest.fixture(scope="module")
def call(goldens: Path, data: dict[str, Tensor]) -> ddim.Denoise:
    return bind(small_denoiser(goldens, RELEASED), conditions(data, "query_"), MIXING["js1"], timesteps=SCHEDULE.timesteps)


def inject(into: Tensor, exemplars: list[Tensor]) -> Tensor:
    """Upper body and hands of the exemplars' chunks, at the query's chunks; arrays (..., T, D)."""
    out = into.clone()
    for (source, target), exemplar in zip(PLACED, exemplars, strict=True):
        for part in ("upper", "hands"):
            out[..., LAYOUT.tokens_of(part, target), :] = exemplar[..., LAYOUT.tokens_of(part, source), :]
    return out


def continued(previous: Tensor) -> Tensor:
    out = torch.zeros_like(previous)
    out[:, FIRST_TOKENS] = previous[:, LAST_TOKENS]
    return out


def test_plain(data: dict[str, Tensor], call: ddim.Denoise) -> None:
    assert_close(ddim.sample(call, data["start_randn"], SCHEDULE), data["plain_latents"], tokens=KEEP, bound=BOUND)


def test_outpaint(data: dict[str, Tensor], call: ddim.Denoise) -> None:
    guide = released.outpaint(SCHEDULE, data["outpaint_in_seq"], data["q_noise"])
    assert_close(ddim.sample(call, data["outpaint_start_noise"], SCHEDULE, guide=guide), data["outpaint_latents"], tokens=KEEP, bound=BOUND)


@pytest.mark.parametrize(("mode", "entry"), [("inversion", -1), ("inversion_start_time10", 10)])
def test_inversion(data: dict[str, Tensor], call: ddim.Denoise, inverted: list[Tensor], mode: str, entry: int) -> None:
    start = inject(data["start_randn"], [exemplar[entry] for exemplar in inverted])
    assert_close(start, data[f"{mode}_start_noise"], tokens=KEEP, bound=BOUND)
    assert_close(ddim.sample(call, start, SCHEDULE), data[f"{mode}_latents"], tokens=KEEP, bound=BOUND)


def test_inversion_guided(data: dict[str, Tensor], call: ddim.Denoise, inverted: list[Tensor]) -> None:
    start = inject(data["start_randn"], [exemplar[-1] for exemplar in inverted])
    masked = inject(torch.zeros_like(inverted[0]), inverted)
    assert_close(masked, data["inversion_guided_masked_inverted"], tokens=KEEP, bound=BOUND)
    guide = released.ReleasedGuidance(SCHEDULE, masked, ITERATIONS, 0.1, data["q_noise"])
    assert_close(ddim.sample(call, start, SCHEDULE, guide=guide), data["inversion_guided_latents"], tokens=KEEP, bound=BOUND)


def test_longform_next(data: dict[str, Tensor], call: ddim.Denoise, inverted: list[Tensor]) -> None:
    known = continued(data["prev_latent"])
    assert_close(known, data["longform_next_in_seq"], tokens=KEEP, bound=BOUND)
    masked = inject(torch.zeros_like(inverted[0]), inverted)
    masked[:, :, FIRST_TOKENS] = 0.0
    assert_close(masked, data["longform_next_masked_inverted"], tokens=KEEP, bound=BOUND)
    start = inject(data["start_randn"], [exemplar[-1] for exemplar in inverted])
    assert_close(start, data["longform_next_start_noise"], tokens=KEEP, bound=BOUND)
    guide = released.ReleasedGuidance(SCHEDULE, masked, ITERATIONS, 0.1, data["q_noise"], first=known)
    assert_close(ddim.sample(call, start, SCHEDULE, guide=guide), data["longform_next_latents"], tokens=KEEP, bound=BOUND)


@pytest.mark.parametrize("mode", ["longform_next_inversion_only", "longform_next_plain"])
def test_longform_without_guidance(data: dict[str, Tensor], call: ddim.Denoise, mode: str) -> None:
    guide = released.outpaint(SCHEDULE, data[f"{mode}_in_seq"], data["q_noise"])
    assert_close(ddim.sample(call, data[f"{mode}_start_noise"], SCHEDULE, guide=guide), data[f"{mode}_latents"], tokens=KEEP, bound=BOUND)


def test_longform_first(data: dict[str, Tensor], call: ddim.Denoise, inverted: list[Tensor]) -> None:
    masked = inject(torch.zeros_like(inverted[0]), inverted)
    guide = released.ReleasedGuidance(SCHEDULE, masked, ITERATIONS, 0.1, data["q_noise"])
    assert_close(ddim.sample(call, data["longform_first_start_noise"], SCHEDULE, guide=guide), data["longform_first_latents"], tokens=KEEP, bound=BOUND)


def well_conditioned(six: Tensor, rotations: Tensor) -> Tensor:
    """Joints whose axis-angle vector the published code had in float32 to better than 1e-4: its quaternion is four square roots of differences, each
    with an error of 1e-7 under the root, and Gram-Schmidt divides by the sine between the random decoder's two vectors."""
    first, second = six[..., :3], six[..., 3:]
    sine = torch.linalg.cross(first, second).norm(dim=-1) / (first.norm(dim=-1) * second.norm(dim=-1))
    return (roma.rotmat_to_unitquat(rotations).abs().amin(-1) > 0.003) & (sine > 0.1)


@torch.no_grad()
def test_decoded_motion(goldens: Path, data: dict[str, Tensor]) -> None:
    state, features = weights(goldens, "gesture_rep_encoder"), {}
    for part, name, width in (("upper", "upper", 78), ("hands", "hands", 180), ("face", "face", 106), ("lower", "lowertrans", 61)):
        codec = TransformerVae(VaeConfig(nfeats=width, latent_dim=32, num_layers=2, num_heads=2, ff_size=48))
        prefix = f"{name}_vae."
        codec.load_state_dict({key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)})
        features[part] = codec.eval().decode(data["inversion_guided_latents"][:, LAYOUT.span(part)])
    for part, name, joints in (("upper", "upper", 13), ("hands", "hands", 30), ("face", "facepose", 1), ("lower", "lower", 9)):
        six = features[part][..., : 6 * joints].unflatten(-1, (joints, 6))
        wanted = roma.rotvec_to_rotmat(data[f"inversion_guided_pred_{name}"].unflatten(-1, (joints, 3)).double())
        found = roma.rotvec_to_rotmat(rot6d_to_axis_angle(six).double())
        sound = well_conditioned(six, wanted)
        assert sound.float().mean() > 0.9
        assert_close(found[sound], wanted[sound], bound=1e-4)
        assert_close(found, wanted, bound=5e-4)
    assert_close(features["lower"][..., 54:57], data["inversion_guided_pred_transl"])
    assert_close(features["face"][..., 6:], data["inversion_guided_pred_exps"])
