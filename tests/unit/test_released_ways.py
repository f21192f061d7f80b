"""The published ways that [compat] chooses, one by one, on a small random model of the published kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers_published import small_published
from raggesture.body.features import PartFeatures
from raggesture.body.joints import FEATURES_OF_PART, PARTS, LatentLayout
from raggesture.clock import CHUNK_FRAMES, MODEL_FPS, WINDOW_FRAMES
from raggesture.errors import ModelError
from raggesture.models.checkpoint import Model
from raggesture.models.codec import SampledCodec
from raggesture.models.vae import TransformerVae
from raggesture.motion import Motion
from raggesture.retrieval.index import ClipWindow
from raggesture.synthesis import Synthesizer
from raggesture.windows import OVERLAP_FRAMES, STRIDE_FRAMES, join_windows

LAYOUT = LatentLayout()


@pytest.fixture(scope="module")
def model() -> Model:
    return small_published()


def features(seed: int = 0) -> PartFeatures:
    generator = torch.Generator().manual_seed(seed)
    return PartFeatures(*(torch.randn(2, WINDOW_FRAMES, FEATURES_OF_PART[part], generator=generator) for part in PARTS))


def test_a_sample_of_the_posterior_is_drawn_part_by_part(model: Model) -> None:
    given = features()
    mean = model.codec.encode(given)
    sampled = model.codec.encode(given, torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(5)
    for k, part in enumerate(PARTS):
        noise = torch.randn(2, 10, model.codec.latent_dim, generator=generator)  # upper, hands, face, lower: the published order
        vae = model.codec.part(part)
        assert isinstance(vae, TransformerVae) and isinstance(vae, SampledCodec)
        wanted = (vae.posterior(given.part(part), noise) - model.codec.latent_mean[k]) / model.codec.latent_std[k]
        torch.testing.assert_close(sampled[:, LAYOUT.span(part)], wanted)
    assert not torch.allclose(mean, sampled) and torch.equal(model.codec.encode(given), mean)


def test_the_packaged_kind_of_codec_has_nothing_to_sample() -> None:
    from raggesture.models.conv import ConvCodec, ConvCodecConfig

    assert not isinstance(ConvCodec(ConvCodecConfig(6, 4, 7)), SampledCodec)


def test_the_released_continuation_is_the_last_chunks_latents_as_they_are(model: Model) -> None:
    synthesizer = Synthesizer(model, 4)
    latents = torch.randn(1, LAYOUT.tokens, model.codec.latent_dim, generator=torch.Generator().manual_seed(1))
    released, ours = synthesizer.continuation(latents, moved=False), synthesizer.continuation(latents)
    assert torch.equal(released.mask, ours.mask)
    for first, last in zip((0, 11, 22, 33), (9, 20, 31, 42), strict=True):
        assert torch.equal(released.latents[0, first], latents[0, last])
    assert int(released.mask.sum()) == 4 and not released.latents[~released.mask].any()
    lower = LAYOUT.tokens_of("lower", slice(0, 1))
    changed = (released.latents != ours.latents).any(-1)[0]
    assert changed[lower].all() and not changed[[0, 11, 22]].any()  # ours moves what knows of translation, the lower body


def walk(frames: int = WINDOW_FRAMES) -> Motion:
    time = np.arange(frames, dtype=np.float32)
    translation = np.stack([0.01 * time, 1.3 + 0 * time, 0.02 * time], axis=1)
    return Motion(np.zeros((frames, 55, 3), np.float32), translation, np.zeros((frames, 100), np.float32), float(MODEL_FPS))


def test_the_released_joint_goes_back_to_the_origin() -> None:
    """METHOD II.22: linear weights over one second, no offset."""
    joined = join_windows([walk(), walk()], "origin")
    ours = join_windows([walk(), walk()])
    assert joined.frames == ours.frames == 2 * WINDOW_FRAMES - OVERLAP_FRAMES
    rise = np.linspace(0, 1, CHUNK_FRAMES)
    wanted = (1 - rise) * 0.01 * np.arange(STRIDE_FRAMES, WINDOW_FRAMES) + rise * 0.01 * np.arange(OVERLAP_FRAMES)
    np.testing.assert_allclose(joined.translation[STRIDE_FRAMES:WINDOW_FRAMES, 0], wanted, atol=1e-5)
    assert joined.translation[-1, 0] == pytest.approx(1.49)
    steps = [np.abs(np.diff(motion.translation[:, 0])).max() for motion in (joined, ours)]
    assert steps[0] > 0.08 and steps[1] < 0.03  # ours goes on where the last window ended, and comes back from too far slowly


def test_windows_that_nobody_heard_are_refused(model: Model) -> None:
    """What an index cuts for encoders of windows holds motion alone."""
    motion = walk()
    contacts = np.zeros((WINDOW_FRAMES, 4), np.float32)
    text, audio = np.zeros((150, 16), np.float32), np.zeros((499, 24), np.float32)
    cut = ClipWindow(motion.rotations, motion.translation, motion.expression, contacts, text, audio, "scott")
    synthesizer = Synthesizer(model, 4)
    assert synthesizer.conditions([cut, cut]).audio.shape == (2, 499, 24)
    for deaf in (replace(cut, text=text[:0]), replace(cut, audio=audio[:0])):
        with pytest.raises(ModelError, match="exemplars: their conditions were not encoded"):
            synthesizer.conditions([cut, deaf])
