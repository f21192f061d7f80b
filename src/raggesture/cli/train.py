"""``raggesture train``: codecs and denoiser, evaluation weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raggesture.cli import options as o
from raggesture.cli.console import LOGGER, progress_bar, result, result_json
from raggesture.errors import ConfigError, ModelError, UsageError, did_you_mean

if TYPE_CHECKING:
    from raggesture.models.denoiser_config import DenoiserConfig
    from raggesture.training.curves import CurvePoint

SCHEMA = 1
EVALUATION_FILE = "evaluation.safetensors"
DEFAULT_MINUTES = 60.0
app = typer.Typer(no_args_is_help=True, help="Train a model on a corpus in BEAT2's layout.")

Data = Annotated[Path, typer.Option("--data", metavar="CORPUS", help="A folder in BEAT2's layout.")]
OutFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the results.")]
Name = Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the model, and of its folder in DIR.")]
Steps = Annotated[int | None, typer.Option("--steps", metavar="N", min=1, help="Train so many steps ...")]
Minutes = Annotated[float | None, typer.Option("--minutes", metavar="M", min=0.01, help="... or so many minutes. (default: 60)")]
Batch = Annotated[int, typer.Option("--batch", metavar="N", min=1, help="Windows a step.")]
LatentDim = Annotated[int, typer.Option("--latent-dim", metavar="N", min=1, help="Channels of a latent token.")]
Setting = Annotated[list[str] | None, typer.Option("-D", metavar="KEY=VALUE", help="A setting of the denoiser (layers, width, attention ...); repeatable.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0)]
HeldOut = Annotated[str, typer.Option("--held-out", metavar="SPLIT", help="Split that is measured, not trained on; empty for none.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in DIR.")]
Device = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where to compute.")]
KitSteps = Annotated[int, typer.Option("--kit-steps", metavar="N", min=1, help="Steps of the evaluation autoencoder.")]
Licence = Annotated[str, typer.Option("--licence", metavar="TEXT", help="Licence of the corpus, kept in the model.")]


@app.command("all")
def train_all(
    data: Data,
    out: OutFolder,
    name: Name = "model",
    steps: Steps = None,
    minutes: Minutes = None,
    batch: Batch = 64,
    latent_dim: LatentDim = 96,
    settings: Setting = None,
    seed: Seed = 0,
    held_out: HeldOut = "test",
    licence: Licence = "",
    kit_steps: KitSteps = 2000,
    resume: Resume = False,
    device: Device = "auto",
    force: o.Force = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Train everything: codecs, denoiser, and the weights that 'eval' measures with."""
    with o.command(verbose=verbose, quiet=quiet):
        request = Request(
            data, out, name, steps, minutes, batch, latent_dim, tuple(settings or ()), seed, held_out, licence, device, resume=resume, force=force, quiet=quiet
        )
        model = _denoiser(request)
        kit = _kit(data, out, kit_steps, seed, name, force=force or resume, quiet=quiet)
        _show([model, kit], as_json=as_json)


@app.command("denoiser")
def train_denoiser(
    data: Data,
    out: OutFolder,
    name: Name = "model",
    steps: Steps = None,
    minutes: Minutes = None,
    batch: Batch = 64,
    latent_dim: LatentDim = 96,
    settings: Setting = None,
    seed: Seed = 0,
    held_out: HeldOut = "test",
    licence: Licence = "",
    resume: Resume = False,
    device: Device = "auto",
    force: o.Force = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Fit the codecs (seconds) and train the denoiser on their latents: a model folder that 'generate --model' takes."""
    with o.command(verbose=verbose, quiet=quiet):
        request = Request(
            data, out, name, steps, minutes, batch, latent_dim, tuple(settings or ()), seed, held_out, licence, device, resume=resume, force=force, quiet=quiet
        )
        _show([_denoiser(request)], as_json=as_json)


@app.command("fgd")
def train_fgd(
    data: Data,
    out: OutFolder,
    name: Name = "evaluation",
    kit_steps: KitSteps = 2000,
    seed: Seed = 0,
    force: o.Force = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Train the weights that 'eval' measures with: the feature autoencoder of FGD, mean joint speeds."""
    with o.command(verbose=verbose, quiet=quiet):
        _show([_kit(data, out, kit_steps, seed, name, force=force, quiet=quiet)], as_json=as_json)


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asked for."""

    data: Path
    out: Path
    name: str
    steps: int | None
    minutes: float | None
    batch: int
    latent_dim: int
    settings: tuple[str, ...]
    seed: int
    held_out: str
    licence: str
    device: str
    resume: bool
    force: bool
    quiet: bool

    def __post_init__(self) -> None:
        if self.steps is not None and self.minutes is not None:
            raise UsageError(f"--steps {self.steps} --minutes {self.minutes}: both given; expected one of them - leave one out")

    @property
    def bound_minutes(self) -> float | None:
        """Minutes to train, unless steps were asked for."""
        return None if self.steps is not None else self.minutes or DEFAULT_MINUTES


def _denoiser(request: Request) -> Path:
    """Train a model; its state lies in ``out / "run"`` and survives an interrupt, the model appears when it is done."""
    from raggesture.models.codec_config import CodecConfig
    from raggesture.outputs import check_output_folder
    from raggesture.training.codecs import CodecTraining
    from raggesture.training.denoiser import DenoiserTraining
    from raggesture.training.recipe import Recipe, read_data, train_model

    check_output_folder(request.out / request.name, force=request.force or request.resume)
    recipe = Recipe(
        CodecTraining(CodecConfig(latent_dim=request.latent_dim), seed=request.seed),
        _config(request.settings),
        DenoiserTraining(steps=request.steps, minutes=request.bound_minutes, batch=request.batch, seed=request.seed),
        name=request.name,
        licence=request.licence,
    )
    device = _device(request.device)
    with progress_bar(quiet=request.quiet) as progress:
        arrays = read_data(request.data, request.out / "cache", recipe, request.held_out or None, progress=lambda clip: progress(clip, 0.0))

        def tell(point: CurvePoint, share: float) -> None:
            progress(f"step {point.step}, loss {point.loss:.4f}", share)
            if not math.isnan(point.held_out):
                LOGGER.debug("step %d: loss %.4f, held out %.4f", point.step, point.loss, point.held_out)

        train_model(arrays, recipe, request.out, device=device, resume=request.resume, progress=tell)
    return request.out / request.name


def _config(settings: Sequence[str]) -> DenoiserConfig:
    """The denoiser's settings; sizes of the data are filled in later."""
    import json

    from raggesture.models.denoiser_config import DenoiserConfig
    from raggesture.profiles import option_leaves, readings

    of_the_data = {"latent_dim", "text_dim", "audio_dim", "n_speakers"}
    chosen = asdict(DenoiserConfig(latent_dim=1, text_dim=1, audio_dim=1, n_speakers=1))
    for where, leaf in option_leaves("denoiser", "settings", "-D", settings).items():
        if where[2] not in chosen or where[2] in of_the_data:
            raise ConfigError(f"{leaf.address}: unknown setting; {did_you_mean(where[2], set(chosen) - of_the_data)}")
        chosen[where[2]] = readings(leaf.value)[0]
    try:
        return DenoiserConfig.from_json(json.dumps(chosen))
    except ModelError as fault:
        raise ConfigError(f"-D: {fault}") from fault


def _device(name: str) -> str:
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {name!r}: unknown; expected auto, cpu or cuda - name one")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch finds no CUDA device; expected one - use --device cpu or auto")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def _kit(data: Path, out: Path, steps: int, seed: int, name: str, *, force: bool, quiet: bool) -> Path:
    from raggesture.outputs import new_files
    from raggesture.training.evaluation import train_kit

    path = out / EVALUATION_FILE
    with new_files([path], force=force) as (partial,), progress_bar(quiet=quiet) as progress:
        train_kit(data, "train", partial, steps=steps, seed=seed, name=name, progress=progress)
    return path


def _show(paths: Sequence[Path], *, as_json: bool) -> None:
    if as_json:
        result_json({"schema": SCHEMA, "outputs": [str(path) for path in paths]})
        return
    for path in paths:
        result(str(path))
