"""Training: arrays, their cache, the loss, and runs that resume to the same curve."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from helpers_training import LATENTS, OPTIONS, OURS, SMALL, FakeAudio, FakeText, make_clip, small_codec, small_dataset
from raggesture.body.features import TRANSLATION_OF_LOWER, features_of, window
from raggesture.diffusion.noise import published
from raggesture.errors import ConfigError, InputError, ModelError
from raggesture.models.codec import BodyCodec
from raggesture.models.codec_config import CodecConfig
from raggesture.models.denoiser import Denoiser
from raggesture.training.codecs import CodecTraining, feature_scale, train_codecs
from raggesture.training.curves import CurvePoint, append_point, drop_after, read_curve
from raggesture.training.dataset import MotionDataset, build_dataset
from raggesture.training.denoiser import (
    CURVE_FILE,
    STATE_FILE,
    Batch,
    BatchSource,
    DenoiserTraining,
    HeldOut,
    batch_loss,
    blurred,
    loss_mask,
    spread_weights,
    train_denoiser,
)
from raggesture.training.ema import Ema
from raggesture.training.recipe import Place, Recipe, TrainingData, train_model


@pytest.fixture(scope="module")
def dataset() -> MotionDataset:
    return small_dataset()


@pytest.fixture(scope="module")
def codec(dataset: MotionDataset):
    return small_codec(dataset)


def test_windows_are_those_of_the_clip(dataset: MotionDataset) -> None:
    clip, start = torch.tensor([0, 2, 1]), torch.tensor([30, 251, 0])
    windows = dataset.motion_windows(clip, start, 7)
    for row, (name, frames, seed) in enumerate((("a", 200, 0), ("c", 400, 2), ("b", 90, 1))):
        direct = window(features_of(make_clip(name, frames, seed).motion), int(start[row]), 150, 7)
        for part, tensor in direct:
            assert torch.allclose(windows.part(part)[row], tensor[0], atol=2e-3), part
    assert not windows.lower[:, 7, TRANSLATION_OF_LOWER.start].any()


def test_words_lie_on_their_frames(dataset: MotionDataset) -> None:
    conditions = dataset.conditions(torch.tensor([0, 1]), torch.tensor([10, 0]))
    assert conditions.text.shape == (2, 150, 4)
    assert conditions.text[0, 15 - 10 : 22 - 10, 0].tolist() == [5.0] * 7
    assert not conditions.text[1, 90:].any()  # the clip has 90 frames
    assert conditions.speaker.tolist() == [0, 1]


def test_every_start_is_drawn_and_none_beyond(dataset: MotionDataset) -> None:
    clip, start = dataset.draw(4000, torch.Generator().manual_seed(0))
    assert set(clip.tolist()) == {0, 1, 2}
    for k, room in enumerate((51, 1, 251)):
        own = start[clip == k]
        assert own.min() == 0 and own.max() == room - 1
        assert own.numel() == pytest.approx(4000 * room / 303, rel=0.5, abs=15)


def test_unknown_speaker_and_no_clips() -> None:
    with pytest.raises(InputError, match="'ann' is not one of bob"):
        build_dataset([make_clip("a", 20, 0)], FakeText(), FakeAudio(), speakers=("bob",))
    with pytest.raises(InputError, match="no clips"):
        build_dataset([], FakeText(), FakeAudio())


def test_codecs_reconstruct_and_normalise(dataset: MotionDataset) -> None:
    codec = train_codecs(dataset, CodecTraining(CodecConfig(latent_dim=64), fit_windows=60, statistics_windows=100))
    clip, start = dataset.draw(20, torch.Generator().manual_seed(9))
    windows = dataset.motion_windows(clip, start, 7)
    latents = codec.encode(windows)
    error = (codec.decode(latents).upper - windows.upper[:, 7:-7]).square().mean() / windows.upper.var()
    assert error < 0.05
    spread = latents[:, :10, :20].flatten(0, 1).std(0)
    assert spread.min() > 0.5 and spread.max() < 1.6
    again = train_codecs(dataset, CodecTraining(CodecConfig(latent_dim=64), fit_windows=60, statistics_windows=100))
    assert all(torch.equal(one, other) for one, other in zip(codec.state_dict().values(), again.state_dict().values(), strict=True))


def test_scale_weighs_the_spine_most() -> None:
    scale = feature_scale("upper").reshape(13, 6)[:, 0]
    assert scale.argmax() == 0 and scale[-1] < 0.5 * scale[0]


def make_batch(dataset: MotionDataset, codec: BodyCodec, seed: int = 0) -> Batch:
    return BatchSource(dataset, codec).draw(16, torch.Generator().manual_seed(seed), 0.25)  # type: ignore[arg-type]


def test_batches(dataset: MotionDataset, codec: BodyCodec) -> None:
    batch = make_batch(dataset, codec)
    assert batch.x_0.shape == batch.eps.shape == (16, 43, LATENTS)
    assert sorted((batch.t * 16 // 1000).tolist()) == list(range(16))  # spread evenly
    assert 0 < int((~batch.conditioned).sum()) < 10


def test_v_loss_is_the_error_of_the_network(dataset: MotionDataset, codec: BodyCodec) -> None:
    """The last layer starts at zero, so F = 0, and the loss is the size of the target of F, (x_0 - sqrt(abar) x_t) / sqrt(1 - abar)."""
    batch, schedule = make_batch(dataset, codec), published()
    denoiser = Denoiser(SMALL)
    mask = loss_mask(denoiser.layout)
    abar = schedule.alphas_cumprod[batch.t].float()[:, None, None]
    x_t = schedule.at_timestep(batch.x_0, batch.eps, batch.t)
    target = (batch.x_0 - abar.sqrt() * x_t) / (1 - abar).sqrt()
    expected = target[:, mask[0] > 0].square().mean()
    assert float(batch_loss(denoiser, batch, schedule, mask).detach()) == pytest.approx(float(expected), rel=1e-3)
    plain = batch_loss(Denoiser(replace(SMALL, prediction="x0")), batch, schedule, mask)
    assert float(plain.detach()) == pytest.approx(float(batch.x_0[:, mask[0] > 0].square().mean()), rel=1e-3)


def test_separators_do_not_count() -> None:
    mask = loss_mask(Denoiser(SMALL).layout, (1.0, 2.0, 0.5, 1.0))
    assert mask[0, [10, 21, 32]].tolist() == [0.0, 0.0, 0.0]
    assert mask[0, [0, 11, 22, 33]].tolist() == [1.0, 2.0, 0.5, 1.0]


def test_run_learns_and_resumes_to_the_same_curve(dataset: MotionDataset, codec: BodyCodec, tmp_path: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    arguments = (dataset, codec, SMALL, OPTIONS)
    whole, _ = train_denoiser(*arguments, held_out=dataset, folder=tmp_path / "whole")  # type: ignore[arg-type]
    assert torch.equal(torch.get_rng_state(), before)

    class StopError(Exception):
        pass

    def stop(point: CurvePoint, share: float) -> None:
        if point.step == 6:
            raise StopError

    with pytest.raises(StopError):
        train_denoiser(*arguments, held_out=dataset, folder=tmp_path / "parts", progress=stop)  # type: ignore[arg-type]
    parts, _ = train_denoiser(*arguments, held_out=dataset, folder=tmp_path / "parts", resume=True)  # type: ignore[arg-type]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name
    curves = [read_curve(tmp_path / name / CURVE_FILE) for name in ("whole", "parts")]
    assert [p.step for p in curves[1]] == [2, 4, 6, 8]
    for one, other in zip(*curves, strict=True):
        assert (one.loss, one.learning_rate, one.gradient) == (other.loss, other.learning_rate, other.gradient)
        assert one.held_out == other.held_out or math.isnan(one.held_out)
    assert not math.isnan(curves[0][-1].held_out)
    with pytest.raises(ModelError, match="learning_rate"):
        train_denoiser(dataset, codec, SMALL, replace(OPTIONS, learning_rate=1e-4), folder=tmp_path / "parts", resume=True)  # type: ignore[arg-type]
    (tmp_path / "parts" / STATE_FILE).write_bytes(b"x" * 50)
    with pytest.raises(ModelError, match="cannot be read"):
        train_denoiser(*arguments, folder=tmp_path / "parts", resume=True)  # type: ignore[arg-type]


def test_loss_falls(codec: BodyCodec) -> None:
    """One window only: the network can learn it by heart."""
    one = build_dataset([make_clip("a", 150, 0)], FakeText(), FakeAudio())
    held, schedule = HeldOut.of(BatchSource(one, codec), 32, 16), published()  # type: ignore[arg-type]
    config = replace(SMALL, n_speakers=1)
    start = Denoiser(config)
    trained, _ = train_denoiser(one, codec, config, DenoiserTraining(steps=80, batch=16, report_every=80, **OURS | {"learning_rate": 1e-2}))  # type: ignore[arg-type]
    mask = loss_mask(start.layout)
    assert held.measure(trained, schedule, mask)[0] < 0.7 * held.measure(start, schedule, mask)[0]


def test_minutes_bound_a_run(dataset: MotionDataset, codec: BodyCodec) -> None:
    points: list[CurvePoint] = []
    options = replace(OPTIONS, steps=None, minutes=0.01)
    train_denoiser(dataset, codec, SMALL, options, progress=lambda point, share: points.append(point))  # type: ignore[arg-type]
    assert 0.01 <= points[-1].minutes < 0.03
    assert points[-1].learning_rate < OPTIONS.learning_rate / 2


def test_rate_warms_up_and_falls() -> None:
    options = DenoiserTraining(steps=1000, **OURS | {"warmup": 0.1})
    rates = [options.rate_at(k / 100) for k in range(101)]
    assert max(rates) == pytest.approx(1e-3) and rates.index(max(rates)) == 10
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert rates[:11] == sorted(rates[:11]) and rates[10:] == sorted(rates[10:], reverse=True)
    for wrong in ({}, {"steps": 5, "minutes": 1.0}, {"steps": 0}, {"steps": 5, "batch": 0}):
        with pytest.raises(ConfigError):
            DenoiserTraining(**wrong)  # type: ignore[arg-type]


def test_average_follows_the_weights() -> None:
    module = torch.nn.Linear(2, 2)
    ema = Ema(module, 0.9)
    with torch.no_grad():
        module.weight.fill_(1.0)
    for step in range(1, 200):
        ema.update(module, step)
    other = torch.nn.Linear(2, 2)
    ema.copy_to(other)
    assert torch.allclose(other.weight, torch.ones(2, 2), atol=1e-4)
    assert torch.equal(module.bias, other.bias)


def test_curve_file(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    for step in (10, 20, 30):
        append_point(path, CurvePoint(step, 0.5, 1.0, 1e-3, 0.1, math.nan, math.nan, 2.0))
    drop_after(path, 20)
    assert [point.step for point in read_curve(path)] == [10, 20]


def test_whole_recipe(dataset: MotionDataset, tmp_path: Path) -> None:
    from raggesture.models.checkpoint import load_model

    codec = CodecTraining(CodecConfig(latent_dim=LATENTS), fit_windows=20, statistics_windows=20)
    recipe = Recipe(codec, replace(SMALL, latent_dim=99, text_dim=1), replace(OPTIONS, steps=2), name="tiny")
    train_model(TrainingData(dataset, dataset), recipe, Place(tmp_path))
    model = load_model(tmp_path / "tiny")
    assert model.manifest.speakers == ("ann", "bob")
    assert (model.manifest.denoiser.latent_dim, model.manifest.denoiser.text_dim) == (LATENTS, 4)
    assert model.manifest.text_encoder == "fake-text"


def test_loss_by_spread(dataset: MotionDataset, codec: BodyCodec) -> None:
    """With power 2 the loss is that of the latents before normalisation."""
    layout = Denoiser(SMALL).layout
    assert torch.equal(spread_weights(codec, layout, 0.0), torch.ones(43, LATENTS))
    root = spread_weights(codec, layout, 2.0)
    assert torch.allclose(root[0] / root[0, 0], codec.latent_std[0] / codec.latent_std[0, 0], rtol=1e-4)
    assert torch.allclose(root[layout.span("hands")].square().mean(), torch.tensor(1.0), rtol=1e-4)
    batch, schedule = make_batch(dataset, codec), published()
    denoiser = Denoiser(replace(SMALL, prediction="x0"))  # predicts 0
    loss = float(batch_loss(denoiser, batch, schedule, loss_mask(layout), root=root).detach())
    mask = loss_mask(layout)[0] > 0
    assert loss == pytest.approx(float((batch.x_0 * root)[:, mask].square().mean()), rel=1e-4)


def test_blur_is_per_second_and_leaves_pauses(dataset: MotionDataset) -> None:
    clear = dataset.conditions(torch.tensor([0, 2]), torch.tensor([5, 3]))
    dirty = blurred(clear, 0.5, torch.Generator().manual_seed(0))
    spoken = clear.text.any(-1)
    moved = dirty.text - clear.text
    assert not moved[~spoken].any() and moved[spoken].abs().min() > 0
    assert torch.allclose(moved[0, 15 - 5], moved[0, 15 - 5 + 2])  # the same word, the same second
    assert torch.equal(dirty.speaker, clear.speaker)
    assert torch.allclose(moved[spoken].std() / clear.text[spoken].square().mean().sqrt(), torch.tensor(0.5), atol=0.3)


def test_best_weights_are_kept_and_resumed(codec: BodyCodec, tmp_path: Path) -> None:
    """Trained on one clip and measured on another: the loss there rises in the end, and the lowest is what comes back."""
    one, other = (build_dataset([make_clip(name, 150, seed)], FakeText(), FakeAudio()) for name, seed in (("a", 0), ("b", 7)))
    config = replace(SMALL, n_speakers=1)
    options = DenoiserTraining(steps=60, batch=8, report_every=5, measure_every=5, keep_best=True, **OURS | {"learning_rate": 2e-2})
    kept, _ = train_denoiser(one, codec, config, options, held_out=other, folder=tmp_path)
    curve = read_curve(tmp_path / CURVE_FILE)
    lowest = min(point.held_out for point in curve)
    assert lowest < 0.98 * curve[-1].held_out
    held = HeldOut.of(BatchSource(other, codec), options.held_out_windows, options.batch)
    assert held.measure(kept, published(), loss_mask(kept.layout))[0] == pytest.approx(lowest, rel=1e-4)
    again, _ = train_denoiser(one, codec, config, options, held_out=other, folder=tmp_path, resume=True)  # nothing left to do
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in kept.state_dict().items())


def test_dropout_is_seeded(dataset: MotionDataset, codec: BodyCodec) -> None:
    config = replace(SMALL, dropout=0.3)
    one, other = (train_denoiser(dataset, codec, config, replace(OPTIONS, steps=3))[0] for _ in range(2))
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())
