"""Both published auto-encoder variants: posterior, decoding, decoding of unequal lengths; names of the released files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from golden_model import arrays, assert_close, weights

from raggesture.models.vae import TransformerVae, VaeConfig

NAMES = ["vae_allenc_sine_pre", "vae_encdec_learned_post"]


def vae(goldens: Path, name: str) -> TransformerVae:
    model = TransformerVae(VaeConfig.from_json((goldens / "model" / f"{name}.config.json").read_text()))
    model.load_state_dict(weights(goldens, name))
    return model.eval()


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_encode(goldens: Path, name: str) -> None:
    data, model = arrays(goldens, name), vae(goldens, name)
    mean, logvar = model.distribution(data["feats"])
    assert_close(mean, data["mu"], bound=1e-5)
    assert_close(logvar, data["logvar"], bound=1e-5)
    assert_close(model.posterior(data["feats"], data["noise"]), data["z"], bound=1e-5)
    assert torch.equal(model.encode(data["feats"]), mean)


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_decode(goldens: Path, name: str) -> None:
    data, model = arrays(goldens, name), vae(goldens, name)
    assert_close(model.decode(data["z"]), data["decoded"], bound=1e-5)
    assert_close(model.decode(data["z"][:, :6], torch.tensor([90, 60])), data["decoded_len90_60"], bound=1e-5)


def test_sine_tables_are_the_published_ones(goldens: Path) -> None:
    name = "vae_allenc_sine_pre"
    fresh = TransformerVae(VaeConfig.from_json((goldens / "model" / f"{name}.config.json").read_text())).state_dict()
    for key, value in weights(goldens, name).items():
        if key.endswith(".pe"):
            assert_close(fresh[key], value, bound=1e-6)


@pytest.mark.parametrize("arch", ["all_encoder", "encoder_decoder"])
def test_names_are_the_published_ones(goldens: Path, arch: str) -> None:
    wanted = json.loads((goldens / "model" / "full_checkpoint_keys.json").read_text())[f"vae_if_{arch}"]["upper"]
    with torch.device("meta"):
        state = TransformerVae(VaeConfig(nfeats=78, decoder_arch=arch)).state_dict()
    assert {key: list(value.shape) for key, value in state.items()} == wanted
