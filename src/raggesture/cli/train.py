"""``raggesture train``: codecs, denoiser, and the weights that ``eval`` measures with. Settings come from a profile; a few options override them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raggesture.cli import options as o
from raggesture.errors import UsageError, did_you_mean
from raggesture.profiles import Leaf, Where, option_leaves

if TYPE_CHECKING:
    from raggesture.body.joints import Part
    from raggesture.training.plan import Stage

DEFAULT_PROFILE = "paper"
PRECISIONS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "float32": "float32", "bfloat16": "bfloat16", "float16": "float16"}
app = typer.Typer(no_args_is_help=True, help="Train a model on a corpus in BEAT2's layout.")

Data = Annotated[Path, typer.Option("--data", metavar="CORPUS", help="A folder in BEAT2's layout.")]
OutFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the results and of the runs' states.")]
Profile = Annotated[str, typer.Option("--profile", metavar="NAME|FILE", help="Settings: paper as published, starter for a computer without a GPU.")]
Name = Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the model, and of its folder in DIR.")]
Parts = Annotated[list[str] | None, typer.Option("--part", metavar="upper|hands|face|lower", help="A part of the body; repeatable. (default: all)")]
Steps = Annotated[int | None, typer.Option("--steps", metavar="N", min=1, help="Train so many steps ...")]
Minutes = Annotated[float | None, typer.Option("--minutes", metavar="M", min=0.01, help="... or so many minutes ...")]
Epochs = Annotated[float | None, typer.Option("--epochs", metavar="E", min=0.01, help="... or so many times through the corpus.")]
Batch = Annotated[int | None, typer.Option("--batch", metavar="N", min=1, help="Windows a step, of all processes together.")]
Precision = Annotated[str | None, typer.Option("--precision", metavar="fp32|bf16|fp16", help="Arithmetic inside the network; weights stay fp32.")]
Compile = Annotated[bool, typer.Option("--compile", help="Compile the network (torch.compile).")]
Validate = Annotated[int | None, typer.Option("--validate-every", metavar="N", min=1, help="FGD of samples every N steps.")]
Kit = Annotated[Path | None, typer.Option("--kit", metavar="FILE", help="Weights that FGD is measured with. (default: DIR's, or the packaged ones)")]
CodecOf = Annotated[Path | None, typer.Option("--codec", metavar="MODEL", help="Train on the codec of this model folder.")]
DenoiserSetting = Annotated[list[str] | None, typer.Option("-D", metavar="KEY=VALUE", help="A setting of the profile's table model.denoiser; repeatable.")]
Setting = Annotated[list[str] | None, typer.Option("-T", metavar="KEY=VALUE", help="Of table training (vae.kl=1e-5) or model (model.codec.latent_dim=64).")]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="The same seed gives the same weights.")]
Split = Annotated[str, typer.Option("--split", metavar="SPLIT", help="Split that is trained on; empty for the whole corpus.")]
HeldOut = Annotated[str, typer.Option("--held-out", metavar="SPLIT", help="Split that is measured, not trained on; empty for none.")]
Licence = Annotated[str, typer.Option("--licence", metavar="TEXT", help="Licence of the corpus, kept in the model.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the runs in DIR.")]
Device = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where to compute.")]
Workers = Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Processes that encode the corpus.")]
Strict = Annotated[bool, typer.Option("--strict", help="A clip or a row of its annotations that cannot be used is an error.")]
Features = Annotated[Path | None, typer.Option("--features", metavar="DIR", help="Where the encoded corpus is kept. (default: DIR/cache)")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show settings, sizes, steps and estimated memory; train and write nothing.")]


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asked for. ``stages``: in the order in which they are run."""

    stages: tuple[Stage, ...]
    parts: tuple[Part, ...]
    data: Path
    out: Path
    profile: str
    name: str
    leaves: Mapping[Where, Leaf]
    kit: Path | None
    codec: Path | None
    split: str | None
    held_out: str | None
    licence: str
    device: str
    resume: bool
    force: bool
    dry_run: bool
    as_json: bool
    quiet: bool
    workers: int
    strict: bool
    features: Path | None


def _command(name: str, stages: tuple[Stage, ...], help_text: str) -> None:
    """Add a command; all take the same options."""

    def train(
        data: Data,
        out: OutFolder,
        profile: Profile = DEFAULT_PROFILE,
        name: Name = "model",
        part: Parts = None,
        steps: Steps = None,
        minutes: Minutes = None,
        epochs: Epochs = None,
        batch: Batch = None,
        precision: Precision = None,
        compiled: Compile = False,
        validate_every: Validate = None,
        kit: Kit = None,
        codec: CodecOf = None,
        denoiser_settings: DenoiserSetting = None,
        settings: Setting = None,
        seed: Seed = None,
        split: Split = "train",
        held_out: HeldOut = "test",
        licence: Licence = "",
        resume: Resume = False,
        device: Device = "auto",
        workers: Workers = 1,
        strict: Strict = False,
        features: Features = None,
        force: o.Force = False,
        dry_run: DryRun = False,
        as_json: o.Json = False,
        verbose: o.Verbose = False,
        quiet: o.Quiet = False,
    ) -> None:
        with o.command(verbose=verbose, quiet=quiet):
            given = {"batch": batch, "precision": _precision(precision), "compile": compiled or None, "seed": seed, "validate_every": validate_every}
            leaves = _leaves(stages, _length(steps, minutes, epochs), given) | _texts(denoiser_settings or (), settings or ())
            request = Request(
                stages,
                _parts(part),
                data,
                out,
                profile,
                name,
                leaves,
                kit,
                codec,
                split or None,
                held_out or None,
                licence,
                device,
                resume,
                force,
                dry_run,
                as_json,
                quiet,
                workers,
                strict,
                features,
            )
            _train(request)

    app.command(name, help=help_text)(train)


_command("vae", ("vae",), "Train the auto-encoders of the parts (or fit them, where the profile's codec is 'conv').")
_command("denoiser", ("denoiser",), "Train the denoiser on the latents of the codecs in DIR: a model folder that 'generate --model' takes.")
_command("fgd", ("fgd",), "Train the weights that 'eval' measures with: the feature autoencoder of FGD, mean joint speeds.")
_command("all", ("vae", "fgd", "denoiser"), "Train everything: auto-encoders, the weights that 'eval' measures with, denoiser.")


def _length(steps: int | None, minutes: float | None, epochs: float | None) -> tuple[str, str] | None:
    """The length of the runs as the profile writes it, and the flag it came from."""
    given = [(value, unit) for value, unit in ((steps, "steps"), (minutes, "minutes"), (epochs, "epochs")) if value is not None]
    if len(given) > 1:
        raise UsageError(f"{' '.join(f'--{unit} {value}' for value, unit in given)}: both given; expected one of them - leave one out")
    return (f"{given[0][0]} {given[0][1]}", f"--{given[0][1]}") if given else None


def _precision(name: str | None) -> str | None:
    if name is not None and name not in PRECISIONS:
        raise UsageError(f"--precision {name!r}: unknown; {did_you_mean(name, PRECISIONS)}")
    return None if name is None else PRECISIONS[name]


def _parts(names: Sequence[str] | None) -> tuple[Part, ...]:
    from raggesture.body.joints import PARTS

    for name in names or ():
        if name not in PARTS:
            raise UsageError(f"--part {name!r}: unknown; {did_you_mean(name, PARTS)}")
    return tuple(part for part in PARTS if not names or part in names)


def _leaves(stages: Sequence[Stage], length: tuple[str, str] | None, given: Mapping[str, Any]) -> dict[Where, Leaf]:
    """Options as settings of every stage; the length and batch of the evaluation weights are the profile's unless they are all that is trained."""
    leaves: dict[Where, Leaf] = {}
    for stage in stages:
        alone = stage != "fgd" or stages == ("fgd",)
        if length is not None and alone:
            leaves[("training", stage, "length")] = Leaf(length[0], f"command line {length[1]}", length[1])
        for key, value in given.items():
            flag = f"--{key.replace('_', '-')}"
            if value is None or (key == "batch" and not alone) or (key == "validate_every" and stage != "denoiser"):
                continue
            leaves[("training", stage, key)] = Leaf(value, f"command line {flag}", flag)
    return leaves


def _texts(denoiser: Sequence[str], settings: Sequence[str]) -> dict[Where, Leaf]:
    leaves = dict(option_leaves("model", "denoiser", "-D", denoiser))
    for where, leaf in option_leaves("training", "", "-T", settings).items():
        keys = where[2:]
        leaves[keys if keys[0] == "model" else ("training", *keys)] = leaf
    return leaves


def _train(request: Request) -> None:
    from raggesture.cli.training import carry_out, check, show_plan
    from raggesture.config import Overrides, load_settings

    settings = load_settings(request.profile, overrides=Overrides({}, training=request.leaves))
    if request.dry_run:
        show_plan(request, settings)
        return
    check(request)
    carry_out(request, settings)
