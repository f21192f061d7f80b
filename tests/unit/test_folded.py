"""The folded denoiser gives the plain one's numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from raggesture.body.joints import LatentLayout
from raggesture.models.conditions import Conditions
from raggesture.models.denoiser import Denoiser
from raggesture.models.denoiser_config import OUR_SEPARATORS, RELEASED_MASK, DenoiserConfig
from raggesture.models.folded import Fold, foldable
from raggesture.models.mixing import CONDITION_ONLY, Mixing, bind

TIMESTEPS = torch.tensor([999, 500, 100, 14, 0])
SMALL = DenoiserConfig(latent_dim=8, text_dim=6, audio_dim=5, n_speakers=3, width=16, layers=2, heads=4, ff_dim=24, time_dim=32, prediction="x0")
PUBLISHED_MIXING = Mixing("published", per_part_scale=(1.2, 1.1, 0.9, 0.8))


def made(config: DenoiserConfig) -> Denoiser:
    torch.manual_seed(0)
    denoiser = Denoiser(config).eval()
    with torch.no_grad():
        for parameter in denoiser.parameters():
            parameter += 0.2 * torch.randn_like(parameter)  # the modules that start at zero too
    return denoiser


def heard(batch: int = 2, *, per_frame: bool = False) -> Conditions:
    generator = torch.Generator().manual_seed(1)
    speaker = torch.arange(batch) % 3
    speaker = speaker[:, None].expand(-1, 150).clone() if per_frame else speaker
    return Conditions(torch.randn(batch, 150, 6, generator=generator), torch.randn(batch, 499, 5, generator=generator), speaker)


@pytest.mark.parametrize("prediction", ["x0", "v"])
@pytest.mark.parametrize("masked", [OUR_SEPARATORS, RELEASED_MASK])
@pytest.mark.parametrize("mixing", [CONDITION_ONLY, Mixing("constant", 1.4), PUBLISHED_MIXING], ids=["condition only", "constant", "published"])
@pytest.mark.parametrize("per_frame", [True, False])
def test_folded_is_plain(prediction: str, masked: tuple[int, ...], mixing: Mixing, per_frame: bool) -> None:
    denoiser = made(replace(SMALL, prediction=prediction, masked_tokens=masked))
    conditions, fold = heard(per_frame=per_frame), Fold(denoiser, TIMESTEPS)
    plain, folded = bind(denoiser, conditions, mixing), bind(denoiser, conditions, mixing, fold=fold)
    layout = LatentLayout()
    x = torch.randn(2, layout.tokens, 8, generator=torch.Generator().manual_seed(2))
    rounded = [k for k in range(layout.tokens) if k in masked and k not in layout.separators]  # -1e6 leaves sixteenths of them
    free = [k for k in range(layout.tokens) if k not in rounded]
    for t in TIMESTEPS.tolist():
        found, wanted = folded(x, t), plain(x, t)
        assert found.shape == wanted.shape
        bound = 1e-5 if not rounded else 1e-3  # what two tokens lost by rounding reaches the others through self attention
        assert (found - wanted)[:, free].abs().max() <= bound * wanted.abs().max()
        assert not found[:, list(layout.separators)].any()
    assert (plain(x, 999) - plain(x, 0)).abs().max() > 0.01  # the comparison can tell


def test_conditions_matter_to_it() -> None:
    denoiser = made(SMALL)
    fold, x = Fold(denoiser, TIMESTEPS), torch.randn(2, 43, 8, generator=torch.Generator().manual_seed(2))
    one = bind(denoiser, heard(), fold=fold)(x, 500)
    for name in ("text", "audio", "speaker"):
        changed = replace(heard(), **{name: (heard().speaker + 1) % 3 if name == "speaker" else -getattr(heard(), name)})
        assert (bind(denoiser, changed, fold=fold)(x, 500) - one).abs().max() > 1e-4, name


def test_a_speaker_that_changes_within_a_sample_does_not_fold() -> None:
    denoiser = made(SMALL)
    conditions = heard(per_frame=True)
    conditions.speaker[0, 100:] += 1
    assert Fold(denoiser, TIMESTEPS).bind(conditions) is None
    x = torch.randn(2, 43, 8, generator=torch.Generator().manual_seed(2))
    wanted = bind(denoiser, conditions)(x, 500)
    assert torch.equal(bind(denoiser, conditions, fold=Fold(denoiser, TIMESTEPS))(x, 500), wanted)


@pytest.mark.parametrize("change", [{"attention": "softmax"}, {"modulation": "adaln"}, {"conditioning": "chunks"}])
def test_other_kinds_do_not_fold(change: dict[str, str]) -> None:
    assert foldable(made(SMALL))
    assert not foldable(made(replace(SMALL, **change)))
    assert not foldable(made(SMALL).train())
