"""The whole recipe: corpus -> arrays -> codecs -> denoiser -> model folder.

Under ``folder``: ``codec/PART.safetensors`` (what ``train vae`` leaves), ``run/STAGE`` (state and curve of each run), the model by its name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from raggesture.body.joints import FEATURES_OF_PART, PARTS, Part
from raggesture.encoders.conditioning import OUR_RULES, ConditionRules
from raggesture.encoders.registry import audio_encoder, text_encoder
from raggesture.errors import ConfigError
from raggesture.metrics.fgd import EvaluationKit
from raggesture.models.checkpoint import Model, ModelManifest, Storage, save_model
from raggesture.models.codec import BodyCodec
from raggesture.models.codec_config import CodecConfig
from raggesture.models.denoiser import DenoiserConfig
from raggesture.models.mixing import Mixing
from raggesture.models.planner import GesturePlanner
from raggesture.models.vae import TransformerVae, VaeConfig
from raggesture.training.cache import cached_dataset
from raggesture.training.codecs import CodecTraining, take_statistics, train_codecs
from raggesture.training.dataset import MotionDataset
from raggesture.training.denoiser import DenoiserTraining, train_denoiser
from raggesture.training.loop import Outcome, Report
from raggesture.training.parts import has_all_parts, load_parts, save_part
from raggesture.training.planner import PlannerTraining, TaughtFrom, train_planner
from raggesture.training.processes import Processes
from raggesture.training.state import room_to_write
from raggesture.training.strokes import Strokes, labels_of, strokes_of
from raggesture.training.vae import VaeTraining, train_vae
from raggesture.training.validation import SampledFgd

CODEC_FOLDER = "codec"
RUN_FOLDER = "run"
DENOISER_RUN = "denoiser"
PLANNER_RUN = "planner"
UNNAMED_GESTURES = 64
"""Channels of a plan that nobody taught: the denoiser's own error shapes them, where a corpus has no labels."""
LOG = logging.getLogger("raggesture")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to train. The denoiser's latent, text, audio and speaker sizes are taken from the codec and the data, whatever ``denoiser`` says.

    ``rules``: how words and voice become conditions.
    """

    codec: CodecTraining
    denoiser: DenoiserConfig
    training: DenoiserTraining
    vae: VaeTraining | None = None
    planner: PlannerTraining | None = None
    name: str = "starter"
    text_encoder: str = "minilm"
    audio_encoder: str = "accents"
    rules: ConditionRules = OUR_RULES
    mixing: Mixing = Mixing()  # noqa: RUF009 - frozen
    temperature: float = 1.0
    decides: bool = False
    provenance: str = ""
    licence: str = ""
    storage: Storage = "float16"

    @property
    def plans(self) -> bool:
        """Whether the model has a gesture planner."""
        return self.denoiser.conditioning == "planned-chunks"

    def fitted(self, dataset: MotionDataset, gestures: int = 0) -> DenoiserConfig:
        """The denoiser's configuration with the sizes of the data; ``gestures``: how many its labels name."""
        first = dataset.conditions(torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64))
        return replace(
            self.denoiser,
            latent_dim=self.codec.codec.latent_dim,
            text_dim=int(first.text.shape[2]),
            audio_dim=int(first.audio.shape[2]),
            n_speakers=max(len(dataset.speakers), 1),
            gestures=(gestures or UNNAMED_GESTURES) if self.plans else self.denoiser.gestures,
        )


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """The corpus's training arrays and, if it has them, those held out; their strokes, where a planner is to be taught and there are labels."""

    train: MotionDataset
    held_out: MotionDataset | None
    strokes: Strokes | None = None
    held_out_strokes: Strokes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where and how a recipe is carried out. ``resume``: go on with runs that lie in ``folder``."""

    folder: Path
    processes: Processes = Processes()  # noqa: RUF009 - frozen
    resume: bool = False
    progress: Report | None = None

    def run(self, stage: str) -> Path:
        """The folder of a stage's state and curve."""
        return self.folder / RUN_FOLDER / stage


def read_data(
    root: Path,
    cache: Path,
    recipe: Recipe,
    held_out: str | None = "test",
    *,
    split: str | None = "train",
    progress: Callable[[str], None] | None = None,
    folders: Mapping[str, Path] | None = None,
    device: str = "cpu",
    workers: int = 1,
    strict: bool = False,
) -> TrainingData:
    """Windows of a split (None: the whole corpus) and of a held-out one of a BEAT2-layout corpus, through the store in ``cache``.

    ``folders``: encoders' weights by name. ``device``: where the encoders' networks compute. ``workers``: processes that encode; ``strict``: what
    cannot be used is an error, else it is left out with a warning.
    """
    places = folders or {}
    text = text_encoder(recipe.text_encoder, places.get(recipe.text_encoder), device)
    audio = audio_encoder(recipe.audio_encoder, places.get(recipe.audio_encoder), device)
    read = partial(
        cached_dataset, root, cache=cache, text_encoder=text, audio_encoder=audio, progress=progress, rules=recipe.rules, workers=workers, strict=strict
    )
    train = read(split)
    held = None if held_out is None else read(held_out, speakers=train.speakers)
    if not recipe.plans:
        return TrainingData(train, held)
    strokes = strokes_of(train, labels_of(root, train))
    if not strokes.gestures:
        LOG.warning("%s: no gesture labels; the planner is learnt with the denoiser, which takes far longer", root)
        return TrainingData(train, held)
    return TrainingData(train, held, strokes, None if held is None else strokes_of(held, labels_of(root, held), strokes.gestures))


def vae_config(config: CodecConfig, part: Part) -> VaeConfig:
    """The settings of a part's transformer."""
    return config.vaes[PARTS.index(part)] if config.vaes else VaeConfig(FEATURES_OF_PART[part], config.latent_dim)


def train_parts(data: TrainingData, recipe: Recipe, place: Place, parts: Sequence[Part] = PARTS) -> tuple[list[Path], list[Outcome]]:
    """Make the codecs of ``parts`` and write each to the codec folder: transformers by gradient, conv in closed form (all at once, in seconds)."""
    config = recipe.codec.codec
    paths: list[Path] = []
    outcomes: list[Outcome] = []
    body = train_codecs(data.train, recipe.codec) if config.kind == "conv" else config.build()
    for part in parts:
        if config.kind == "transformer":
            if recipe.vae is None:
                raise ConfigError("training.vae: no settings; expected some, to train transformer codecs - add the table to the profile")
            vae, outcome = train_vae(
                data.train, part, vae_config(config, part), recipe.vae, held_out=data.held_out, folder=place.run(f"vae-{part}"),
                resume=place.resume, progress=place.progress, processes=place.processes,
            )  # fmt: skip
            outcomes.append(outcome)
            own = body.parts[part]
            assert isinstance(own, TransformerVae)
            own.load_state_dict({key: value.cpu() for key, value in vae.state_dict().items()})
        if place.processes.is_main:
            paths.append(save_part(body, part, config, place.folder / CODEC_FOLDER))
    place.processes.wait()
    return paths, outcomes


def make_codec(data: TrainingData, recipe: Recipe, place: Place) -> BodyCodec:
    """The codec a denoiser is trained with: the parts in the codec folder and the statistics of their latents; conv without files is fitted.

    Raises: ModelError: a transformer's part is missing or has other settings.
    """
    folder, config = place.folder / CODEC_FOLDER, recipe.codec.codec
    if config.kind == "conv" and not has_all_parts(folder):
        return train_codecs(data.train, recipe.codec)
    body = load_parts(config, folder).to(place.processes.device)
    take_statistics(body, data.train, recipe.codec.statistics_windows, torch.Generator().manual_seed(recipe.codec.seed))
    return body


def teach_planner(data: TrainingData, recipe: Recipe, config: DenoiserConfig, place: Place) -> tuple[GesturePlanner, Outcome] | None:
    """The planner of ``config``, taught from the data's strokes, and what came of it; None where there is none to teach, or nothing to teach it from."""
    if not recipe.plans or data.strokes is None:
        return None
    options = recipe.planner or PlannerTraining(steps=1500)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        planner = GesturePlanner(config.text_dim, config.audio_dim, config.gestures, config.planner_dim)
    held = None if data.held_out is None or data.held_out_strokes is None else TaughtFrom(data.held_out, data.held_out_strokes)
    outcome = train_planner(
        planner, TaughtFrom(data.train, data.strokes), options, held_out=held,
        folder=place.run(PLANNER_RUN), resume=place.resume, progress=place.progress, processes=place.processes,
    )  # fmt: skip
    return planner, outcome


def train_model(
    data: TrainingData, recipe: Recipe, place: Place, *, codec: BodyCodec | None = None, kit: EvaluationKit | None = None
) -> tuple[Model, tuple[Outcome, ...]]:
    """Train the denoiser on the latents of ``codec`` (``make_codec`` when None), and write the model to ``folder / recipe.name``; says what each run came to.

    Args:
        kit: what samples are measured with, every ``recipe.training.validate_every`` steps.
    """
    codec = make_codec(data, recipe, place) if codec is None else codec
    config = recipe.fitted(data.train, 0 if data.strokes is None else len(data.strokes.gestures))
    taught = teach_planner(data, recipe, config, place)
    fgd = None if kit is None or data.held_out is None else SampledFgd(kit, data.held_out, codec, recipe.mixing)
    denoiser, outcome = train_denoiser(
        data.train, codec, config, recipe.training, held_out=data.held_out, folder=place.run(DENOISER_RUN),
        resume=place.resume, progress=place.progress, processes=place.processes, fgd=fgd, planner=taught[0] if taught else None,
    )  # fmt: skip
    manifest = ModelManifest(
        name=recipe.name,
        text_encoder=data.train.text_encoder,
        audio_encoder=data.train.audio_encoder,
        speakers=data.train.speakers,
        denoiser=config,
        codec=recipe.codec.codec,
        mixing=recipe.mixing,
        temperature=recipe.temperature,
        decides=recipe.decides and taught is not None,  # an untaught plan has no gestures to decide between
        provenance=recipe.provenance,
        licence=recipe.licence,
    )
    model = Model(denoiser.to("cpu"), codec.to("cpu"), manifest)
    if place.processes.is_main:
        with room_to_write(place.folder / recipe.name, "the run's last checkpoint is still good"):
            save_model(model, place.folder / recipe.name, storage=recipe.storage, force=True)
    place.processes.wait()
    return model, ((taught[1], outcome) if taught else (outcome,))
