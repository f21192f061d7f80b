"""What is learnt: auto-encoders and their loss, sampled latents, overfitting of one window, FGD on the way, codecs of parts in files, settings."""

from __future__ import annotations

import math
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers_training import LATENTS, OPTIONS, OURS, SMALL, one_window, small_codec, small_dataset
from raggesture.body.joints import FEATURES_OF_PART, PARTS
from raggesture.config import Overrides, load_settings
from raggesture.config_model import CodecTable, DenoiserRun, DenoiserTable, FgdRun, MixingTable, PlannerRun, RunTable, Table, VaeRun, VaeTable
from raggesture.diffusion.noise import published
from raggesture.errors import ConfigError, ModelError
from raggesture.metrics.fgd import EvaluationKit, MotionAutoencoder
from raggesture.models.checkpoint import load_model
from raggesture.models.codec_config import CodecConfig
from raggesture.models.denoiser import Denoiser, DenoiserConfig
from raggesture.models.mixing import Mixing
from raggesture.models.vae import TransformerVae, VaeConfig
from raggesture.profiles import Leaf
from raggesture.training.codecs import CodecTraining
from raggesture.training.curves import CurvePoint, read_curve
from raggesture.training.dataset import MotionDataset
from raggesture.training.denoiser import BatchSource, DenoiserTraining, HeldOut, denoiser_task, loss_mask, train_denoiser
from raggesture.training.evaluation import FgdTraining
from raggesture.training.loop import CURVE_FILE
from raggesture.training.optimisation import Optimisation
from raggesture.training.parts import load_parts, part_file, save_part
from raggesture.training.planner import PlannerTraining
from raggesture.training.recipe import Place, Recipe, TrainingData, make_codec, train_model, train_parts
from raggesture.training.settings import kit_of, recipe_of
from raggesture.training.starter import starter_recipe
from raggesture.training.vae import VaeObjective, VaeTraining, divergence, motion_error, train_vae
from raggesture.training.validation import SampledFgd

TINY = {"latent_dim": 16, "num_layers": 1, "num_heads": 1, "ff_size": 16, "dropout": 0.0}
VAES = tuple(VaeConfig(FEATURES_OF_PART[part], **TINY) for part in PARTS)  # type: ignore[arg-type]
TRANSFORMER = CodecConfig("transformer", 16, vaes=VAES)


@pytest.fixture(scope="module")
def dataset() -> MotionDataset:
    return small_dataset()


# the auto-encoder's loss -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["normal", "multivariate_normal"])
def test_divergence_is_that_of_normal_distributions(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    mean, raw = torch.randn((2, 3, 4), generator=generator), torch.randn((2, 3, 4), generator=generator)
    std = raw.exp() ** 0.5 if kind == "normal" else torch.nn.functional.softplus(raw) + 1e-8
    wanted = torch.distributions.kl_divergence(torch.distributions.Normal(mean, std), torch.distributions.Normal(0.0, 1.0)).mean()
    assert float(divergence(mean, raw, kind)) == pytest.approx(float(wanted), rel=1e-5)
    assert float(divergence(torch.zeros(1), torch.zeros(1), "normal")) == 0


def test_motion_error_counts_places_speeds_and_changes_of_speed() -> None:
    options = VaeTraining(steps=1, reconstruction=1.0, velocity=10.0, acceleration=100.0)
    still, t = torch.zeros(1, 30, 2), torch.arange(30.0)[None, :, None]
    assert float(motion_error(still + 0.5, still, options)) == pytest.approx(0.25)
    line = motion_error((0.1 * t).expand(1, 30, 2), still, options)
    assert float(line) == pytest.approx(float((0.1 * t).square().mean()) + 10 * 0.01, rel=1e-4)
    bend = motion_error((0.05 * t * t).expand(1, 30, 2), still, replace(options, reconstruction=0.0, velocity=0.0))
    assert float(bend) == pytest.approx(100 * 0.01, rel=1e-4)


def test_objective_is_error_of_a_sample_and_divergence() -> None:
    torch.manual_seed(0)
    vae = TransformerVae(VAES[0]).eval()
    options = VaeTraining(steps=1, kl=0.5)
    features, noise = torch.randn(2, 150, 78), torch.randn(2, 10, 16)
    mean, raw = vae.distribution(features)
    wanted = motion_error(vae.decode(vae.posterior(features, noise)), features, options) + 0.5 * divergence(mean, raw, "normal")
    assert float(VaeObjective(vae, options)(features, noise).detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)


# it learns -------------------------------------------------------------------------------------------------------------


def test_auto_encoder_learns_one_window_by_heart() -> None:
    """Squared error under 5 % of the features' variance (measured: 2 %); the mean pose has 100 %."""
    one = one_window()
    config = VaeConfig(78, latent_dim=96, num_layers=1, num_heads=1, ff_size=192, dropout=0.0, transformer_normalize_before=True)
    options = VaeTraining(
        steps=400, batch=1, learning_rate=4e-3, report_every=200, measure_every=200, held_out_windows=1, acceleration=0.0, kl=0.0, clip=1.0, warmup=0.05
    )
    points: list[CurvePoint] = []
    vae, outcome = train_vae(one, "upper", config, options, held_out=one, progress=lambda point, share: points.append(point))
    assert points[-1].reconstruction < 0.05 and points[-1].loss < points[0].loss and outcome.steps == 400
    features = one.motion_windows(torch.tensor([0]), torch.tensor([0]), 0).upper
    error = (vae.decode(vae.encode(features)) - features).square().mean() / features.flatten(0, 1).var(0).mean()
    assert not vae.training and float(error) < 0.05


def test_denoiser_learns_one_window_by_heart() -> None:
    """Held-out loss (on that window) under a third of the untrained network's (measured: .17)."""
    one = one_window()
    codec = small_codec(one)
    config = replace(SMALL, n_speakers=1, width=32)
    held = HeldOut.of(BatchSource(one, codec), 32, 16)
    options = DenoiserTraining(steps=200, batch=16, report_every=200, **OURS | {"learning_rate": 1e-2, "ema_decay": 0.99})
    trained, _ = train_denoiser(one, codec, config, options)
    mask = loss_mask(trained.layout)
    assert held.measure(trained, published(), mask)[0] < held.measure(Denoiser(config), published(), mask)[0] / 3


def test_fgd_falls_while_one_window_is_learnt(tmp_path: Path) -> None:
    one = one_window()
    codec = small_codec(one)
    config = replace(SMALL, n_speakers=1, width=32)
    torch.manual_seed(0)
    kit = EvaluationKit(MotionAutoencoder().eval(), torch.ones(55).double().numpy(), "random", "")
    fgd = SampledFgd(kit, one, codec, Mixing(), windows=4, steps=6)
    untrained = Denoiser(config).eval()
    before = {name: value.clone() for name, value in untrained.state_dict().items()}
    start = fgd(untrained)
    assert start == fgd(untrained) > 0 and all(torch.equal(value, before[name]) for name, value in untrained.state_dict().items())
    options = DenoiserTraining(steps=120, batch=16, report_every=60, validate_every=60, **OURS | {"learning_rate": 1e-2, "ema_decay": 0.9})
    train_denoiser(one, codec, config, options, held_out=one, folder=tmp_path, fgd=fgd)
    curve = read_curve(tmp_path / CURVE_FILE)
    assert curve[-1].fgd < start / 2 and all(math.isfinite(point.fgd) for point in curve)


# batches as published --------------------------------------------------------------------------------------------------


def test_latents_are_samples_of_the_posterior(dataset: MotionDataset) -> None:
    """Transformer codecs: means when measuring, samples when training, the same for every split of the rows; conv codecs have no posterior."""
    torch.manual_seed(1)
    codec = TRANSFORMER.build().eval().requires_grad_(False)
    source = BatchSource(dataset, codec)

    def draw(**more: Any) -> Any:
        return source.draw(8, torch.Generator().manual_seed(3), timesteps="uniform", **more)

    means, samples = draw().x_0, draw(sampled=True).x_0
    assert not torch.allclose(means, samples) and not samples[:, [10, 21, 32]].any()
    clip, start = dataset.draw(8, torch.Generator().manual_seed(3))
    _, raw = codec.parts["upper"].distribution(dataset.motion_windows(clip, start, 0).upper)  # type: ignore[operator]
    spread = (samples - means)[:, :10] / (0.5 * raw).exp()
    assert abs(float(spread.mean())) < 0.1 and float(spread.std()) == pytest.approx(1.0, abs=0.1)
    parts = [draw(sampled=True, rows=rows) for rows in (slice(0, 4), slice(4, 8))]
    assert torch.allclose(torch.cat([part.x_0 for part in parts]), samples, atol=1e-5)
    whole = draw(sampled=True)
    for name in ("t", "eps", "conditioned"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name))
    conv = BatchSource(dataset, small_codec(dataset))
    drawn = [conv.draw(8, torch.Generator().manual_seed(3), sampled=sampled).x_0 for sampled in (True, False)]
    assert torch.equal(*drawn)


def test_published_draws(dataset: MotionDataset) -> None:
    """t uniform over 0..999, a tenth of the samples lose everything they are told, together."""
    source = BatchSource(dataset, small_codec(dataset))
    task = denoiser_task(dataset, source.codec, SMALL, DenoiserTraining(steps=1, batch=800))
    _, _, _, _, t, eps, conditioned = task.draw(800, slice(None), torch.Generator().manual_seed(0))
    assert int(t.min()) < 10 and int(t.max()) > 990 and torch.unique(t).numel() < 1000
    assert float(t.float().mean()) == pytest.approx(499.5, abs=40)
    assert float(conditioned.float().mean()) == pytest.approx(0.9, abs=0.03)
    assert float(eps.std()) == pytest.approx(1.0, abs=0.02)
    assert task.samples_per_epoch == sum((max(frames - 150, 0)) // 5 + 1 for frames in (200, 90, 400))


# codecs of parts in files ----------------------------------------------------------------------------------------------


def test_parts_round_trip_and_damage(tmp_path: Path) -> None:
    torch.manual_seed(2)
    body = TRANSFORMER.build()
    with pytest.raises(ModelError, match="raggesture train vae --part upper"):
        load_parts(TRANSFORMER, tmp_path)
    for part in PARTS:
        save_part(body, part, TRANSFORMER, tmp_path)
    again = load_parts(TRANSFORMER, tmp_path)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in body.state_dict().items())
    other = replace(TRANSFORMER, vaes=tuple(replace(vae, num_heads=2) for vae in VAES))
    with pytest.raises(ModelError, match="other settings"):
        load_parts(other, tmp_path)
    path = part_file(tmp_path, "hands")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError, match="cannot be read"):
        load_parts(TRANSFORMER, tmp_path)


def test_recipe_with_transformer_codecs(dataset: MotionDataset, tmp_path: Path) -> None:
    """Four auto-encoders, then the denoiser on their samples, then a model folder; latents stay as they are, as published."""
    vae = VaeTraining(steps=3, batch=4, learning_rate=1e-3, held_out_windows=2, report_every=1)
    config = CodecTraining(TRANSFORMER, statistics_windows=0)
    recipe = Recipe(config, replace(SMALL, prediction="x0"), replace(OPTIONS, steps=2), vae, name="tiny", storage="float32")
    data, place = TrainingData(dataset, dataset), Place(tmp_path)
    paths, outcomes = train_parts(data, recipe, place)
    assert [path.name for path in paths] == [f"{part}.safetensors" for part in PARTS] and [run.name for run in outcomes] == [f"vae {part}" for part in PARTS]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted(f"vae-{part}" for part in PARTS)
    train_model(data, recipe, place)
    model = load_model(tmp_path / "tiny")
    assert model.manifest.codec == TRANSFORMER and bool((model.codec.latent_std == 1).all()) and not model.codec.latent_mean.any()
    kept = load_parts(TRANSFORMER, tmp_path / "codec").state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in model.codec.state_dict().items() if name.startswith("parts."))
    normal = make_codec(data, replace(recipe, codec=replace(config, statistics_windows=20)), place)
    assert float(normal.latent_std.max()) != 1
    with pytest.raises(ConfigError, match=r"training\.vae"):
        train_parts(data, replace(recipe, vae=None), place)


# settings --------------------------------------------------------------------------------------------------------------


def _defaults(cls: type) -> dict[str, Any]:
    return {each.name: each.default for each in fields(cls) if each.default is not MISSING}


_RUNS = [(RunTable, Optimisation), (DenoiserRun, DenoiserTraining), (VaeRun, VaeTraining), (FgdRun, FgdTraining), (PlannerRun, PlannerTraining)]


@pytest.mark.parametrize(("table", "cls"), _RUNS)
def test_run_tables_are_their_classes(table: type[Table], cls: type) -> None:
    bounds = {"steps", "minutes", "epochs"}
    assert table().model_dump(exclude={"length"}) == {key: value for key, value in _defaults(cls).items() if key not in bounds}


def test_model_tables_are_their_classes() -> None:
    published_model = DenoiserConfig.published()
    ours = {"masked_tokens", "condition_dim", "planner_dim"}
    assert all(getattr(published_model, key) == value for key, value in DenoiserTable().model_dump(exclude=ours).items())
    of_data = {"latent_dim", "text_dim", "audio_dim", "n_speakers", "gestures", "chunks"}
    assert set(DenoiserTable.model_fields) | of_data == {each.name for each in fields(DenoiserConfig)}
    assert MixingTable().model_dump(exclude={"kind"}) == {key: value for key, value in _defaults(Mixing).items() if key != "kind"}
    shared = {key: value for key, value in _defaults(VaeConfig).items() if key in VaeTable.model_fields}
    assert VaeTable().model_dump(exclude={"decoder_arch"}) == {key: value for key, value in shared.items() if key != "decoder_arch"}
    assert set(CodecTable.model_fields) == {"kind", "latent_dim", "context_frames", "fit_windows", "statistics_windows", "vae"}


def test_paper_is_the_published_model_and_training() -> None:
    recipe = recipe_of(load_settings("paper", environ={}), name="m")
    assert recipe == recipe_of(load_settings(None, environ={}), name="m")
    assert replace(recipe.denoiser, text_dim=768, audio_dim=768, n_speakers=25, masked_tokens=(10, 20, 30)) == DenoiserConfig.published()
    training = recipe.training
    assert (training.epochs, training.batch, training.optimizer, training.learning_rate, training.final_rate) == (500, 128, "adam", 1e-4, 1e-6)
    assert (training.condition_dropout, training.clip, training.ema_decay, training.weight_decay, training.warmup) == (0.1, 0, 0, 0, 0)
    assert recipe.codec.codec.kind == "transformer" and len(recipe.codec.codec.vaes) == 4 and recipe.codec.statistics_windows == 0
    assert recipe_of(load_settings("released", environ={}), name="m").denoiser.masked_tokens == (10, 20, 30)


def test_starter_is_a_profile_of_the_same_code() -> None:
    """The recipe that packaged the model, value by value."""
    recipe = starter_recipe()
    sizes = {"latent_dim": 128, "text_dim": 1, "audio_dim": 1, "n_speakers": 1, "width": 192, "layers": 6, "heads": 8, "ff_dim": 384, "time_dim": 96}
    kinds = {"attention": "softmax", "modulation": "adaln", "conditioning": "planned-chunks", "prediction": "v"}
    assert recipe.denoiser == DenoiserConfig(**sizes, **kinds, condition_dim=96, planner_dim=128, dropout=0.0)  # type: ignore[arg-type]
    ours = OURS | {"learning_rate": 1.5e-3, "part_weights": (1.3, 1.3, 0.7, 0.7), "spread_power": 1.0}
    assert recipe.training == DenoiserTraining(steps=6000, batch=64, seed=1, **ours)
    assert recipe.planner == PlannerTraining(steps=400, measure_every=100, held_out_windows=256, seed=1)
    assert recipe.codec == CodecTraining(CodecConfig(latent_dim=128), 1200, 3000, 1)
    assert recipe.mixing == Mixing(scale=2.0, guided_scale=-0.5)
    assert (recipe.temperature, recipe.text_encoder, recipe.audio_encoder, recipe.storage) == (1.1, "minilm", "accents", "float16")
    assert kit_of(load_settings("starter", environ={})).steps == 600
    other = starter_recipe(5.0, 7)
    assert (other.training.minutes, other.training.seed, other.codec.seed) == (5.0, 7, 7) and "5 minutes, seed 7" in other.provenance


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[training.denoiser]\nlerning_rate = 1.0", "t.toml: training.denoiser.lerning_rate: unknown key 'lerning_rate'; did you mean 'learning_rate'"),
        ("[training.denoiser]\nlength = '5 weeks'", r"t.toml: training.denoiser.length: expected a length such as .*, got str '5 weeks'"),
        ("[training.vae]\nbatch = 0", "t.toml: training.vae.batch: expected .*, got int 0"),
        ("[model.codec.vae]\ndecoder_arch = 'x'", "t.toml: model.codec.vae.decoder_arch: expected 'encoder_decoder' or 'all_encoder'"),
        ("[training.vea]\nbatch = 3", "t.toml: training.vea.batch: unknown key 'vea'; did you mean 'vae'"),
    ],
)
def test_bad_settings_have_an_address(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text(f"schema = 1\n{text}\n")
    with pytest.raises(ConfigError, match=message):
        load_settings(str(path), environ={})


def test_profile_environment_and_command_line(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text('schema = 1\nextends = "starter"\n[training.denoiser]\nbatch = 8\nclip = 2.0\n')
    flags = {("training", "denoiser", "batch"): Leaf(32, "command line --batch", "--batch")}
    found = load_settings(str(path), overrides=Overrides({}, training=flags), environ={"RAGGESTURE_TRAINING__DENOISER__CLIP": "3"})
    assert (found.training.denoiser.batch, found.training.denoiser.clip, found.training.denoiser.length) == (32, 3.0, "6000 steps")
    origins = found.origins_of_training
    assert origins["training.denoiser.batch"] == (32, "command line --batch") and origins["training.denoiser.clip"][1].startswith("environment")
    assert origins["training.denoiser.length"][1] == "profile starter.toml" and origins["training.vae.kl"] == (1e-4, "default")
    assert LATENTS and "training.denoiser.batch" not in found.to_json()  # a trace of 'generate' does not show it
