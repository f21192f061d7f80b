"""The body codec: one sequence of four parts, normalised; and the part codec's shapes and refusals."""

from __future__ import annotations

import json

import pytest
import torch

from raggesture.body.features import PartFeatures
from raggesture.body.joints import FEATURES_OF_PART, PARTS, LatentLayout
from raggesture.errors import ConfigError, ModelError
from raggesture.models.codec import STD_FLOOR, BodyCodec
from raggesture.models.codec_config import CodecConfig
from raggesture.models.conv import ConvCodec, ConvCodecConfig, principal_components
from raggesture.models.vae import VaeConfig


def make_codec(latents: int = 8, seed: int = 0, context: int = 7) -> BodyCodec:
    codec = CodecConfig(latent_dim=latents, context_frames=context).build()
    generator = torch.Generator().manual_seed(seed)
    for value in codec.parameters():
        value.data = 0.1 * torch.randn(value.shape, generator=generator)
    codec.latent_mean.copy_(torch.randn(codec.latent_mean.shape, generator=generator))
    codec.latent_std.copy_(torch.rand(codec.latent_std.shape, generator=generator) + 0.5)
    return codec.requires_grad_(False)


def make_features(frames: int, batch: int = 2, seed: int = 0) -> PartFeatures:
    generator = torch.Generator().manual_seed(seed)
    return PartFeatures(*(torch.randn(batch, frames, FEATURES_OF_PART[part], generator=generator) for part in PARTS))


def test_sequence_is_the_layout() -> None:
    codec = make_codec()
    features = make_features(150 + 14)
    sequence = codec.encode(features)
    layout = LatentLayout()
    assert sequence.shape == (2, 43, 8)
    assert not sequence[:, list(layout.separators)].any()
    for k, part in enumerate(PARTS):
        own = (codec.part(part).encode(features.part(part)) - codec.latent_mean[k]) / codec.latent_std[k]
        assert torch.allclose(sequence[:, layout.span(part)], own, atol=1e-5)


def test_decode_undoes_normalisation_and_ignores_separators() -> None:
    codec = make_codec()
    sequence = torch.randn(1, 43, 8, generator=torch.Generator().manual_seed(1))
    decoded = codec.decode(sequence)
    assert decoded.frames == 150
    layout = LatentLayout()
    raw = sequence[:, layout.span("lower")] * codec.latent_std[3] + codec.latent_mean[3]
    assert torch.allclose(decoded.lower, codec.part("lower").decode(raw), atol=1e-5)
    sequence[:, list(layout.separators)] = 99.0
    assert torch.equal(codec.decode(sequence).upper, decoded.upper)


def test_any_number_of_chunks() -> None:
    codec = make_codec()
    sequence = codec.encode(make_features(45 + 14))
    assert sequence.shape == (2, 4 * 3 + 3, 8)
    assert codec.decode(sequence).frames == 45


def test_statistics_have_a_floor() -> None:
    codec = make_codec()
    raw = torch.randn(50, 4, 10, 8, generator=torch.Generator().manual_seed(2))
    raw[..., 3] *= 1e-6
    raw[..., 4] += 5.0
    codec.set_statistics(raw)
    assert torch.allclose(codec.latent_std[:, 0], torch.ones(4), atol=0.15)
    assert torch.allclose(codec.latent_std[:, 3], STD_FLOOR * codec.latent_std.amax(1), rtol=1e-4)
    assert torch.allclose(codec.latent_mean[:, 4], torch.full((4,), 5.0), atol=0.2)


def test_refusals() -> None:
    codec = make_codec()
    with pytest.raises(ModelError, match="150 frames; expected a multiple of 15 plus 7"):
        codec.encode(make_features(150))
    with pytest.raises(ModelError, match="4 C"):
        codec.decode(torch.zeros(1, 44, 8))
    with pytest.raises(ModelError, match="one size"):
        BodyCodec({part: ConvCodec(ConvCodecConfig(FEATURES_OF_PART[part], 8 + (part == "face"))) for part in PARTS})
    with pytest.raises(ModelError, match="features; expected"):
        ConvCodec(ConvCodecConfig(5, 3)).encode(torch.zeros(1, 29, 6))
    with pytest.raises(ModelError, match="context_frames"):
        ConvCodecConfig(5, 3, 8)
    with pytest.raises(ConfigError, match="conv"):
        CodecConfig(kind="convv")  # type: ignore[arg-type]


def test_principal_components() -> None:
    generator = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(30, 3, generator=generator)).Q
    rows = torch.randn(400, 3, generator=generator) * torch.tensor([5.0, 2.0, 0.5]) @ directions.T
    before = torch.get_rng_state()
    basis, spread = principal_components(rows, 6, torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.allclose(basis[:3] @ directions, torch.eye(3) * (basis[:3] @ directions).sign(), atol=0.15)
    assert torch.allclose(spread[:3], torch.tensor([5.0, 2.0, 0.5]), rtol=0.12)
    assert spread[3:].abs().max() < 1e-3
    assert torch.allclose(rows @ basis[:3].T @ basis[:3], rows, atol=1e-4)


def test_transformers_are_a_setting() -> None:
    vaes = tuple(VaeConfig(FEATURES_OF_PART[part], latent_dim=16, num_layers=1, num_heads=1, ff_size=16) for part in PARTS)
    config = CodecConfig("transformer", 16, vaes=vaes)
    assert CodecConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    codec = config.build().eval()
    assert codec.context_frames == 0
    with torch.no_grad():
        latents = codec.encode(make_features(150, batch=1))
        assert latents.shape == (1, 43, 16)
        assert codec.decode(latents).frames == 150
    with pytest.raises(ModelError, match="one for each part"):
        CodecConfig("transformer", 16, vaes=vaes[:2])
