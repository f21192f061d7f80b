"""What ``raggesture train`` does once its options are read: check the places, run the stages, tell what came of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raggesture.cli.console import LOGGER, progress_bar, result, result_json, table
from raggesture.cli.train import Request
from raggesture.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from raggesture.config import Settings
    from raggesture.metrics.fgd import EvaluationKit
    from raggesture.training.curves import CurvePoint
    from raggesture.training.loop import Outcome
    from raggesture.training.recipe import Place, Recipe

SCHEMA = 1
EVALUATION_FILE = "evaluation.safetensors"
CACHE_FOLDER = "cache"


def device_of(name: str) -> str:
    """cpu or cuda. Raises UsageError for another name, ConfigError for a GPU that is not there."""
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {name!r}: unknown; expected auto, cpu or cuda - name one")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch finds no CUDA device; expected one - use --device cpu or auto")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def check(request: Request) -> None:
    """Raise UsageError where an output could not be written, before hours are spent."""
    from raggesture.outputs import check_output, check_output_folder
    from raggesture.training.parts import part_file
    from raggesture.training.recipe import CODEC_FOLDER

    again = request.force or request.resume
    if "vae" in request.stages:
        for part in request.parts:
            check_output(part_file(request.out / CODEC_FOLDER, part), force=again)
    if "fgd" in request.stages:
        check_output(request.out / EVALUATION_FILE, force=again)
    if "denoiser" in request.stages:
        check_output_folder(request.out / request.name, force=again)


def show_plan(request: Request, settings: Settings) -> None:
    """Settings with their origins, then sizes, steps and memory."""
    from raggesture.training.plan import lengths_of, plan
    from raggesture.training.processes import launched
    from raggesture.training.settings import kit_of, recipe_of

    runs = plan(recipe_of(settings, name=request.name), kit_of(settings), lengths_of(request.data, request.split), request.stages, request.parts, launched())
    shown = {key: {"value": value, "origin": origin} for key, (value, origin) in settings.origins_of_training.items()}
    if request.as_json:
        result_json({"schema": SCHEMA, "settings": shown, "runs": [asdict(run) for run in runs]})
        return
    table(("setting", "value", "origin"), [(key, str(each["value"]), str(each["origin"])) for key, each in shown.items()])
    rows = [
        (run.stage, f"{run.parameters / 1e6:.1f} M", f"{run.minutes:g} min" if run.steps is None else str(run.steps), str(run.batch), _gib(run.memory_bytes))
        for run in runs
    ]
    table(("run", "parameters", "steps", "batch", "memory, about"), rows)


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"


@dataclass(frozen=True, slots=True)
class _Made:
    """Files and folders that were written, and what the runs say of themselves."""

    paths: list[Path]
    outcomes: list[Outcome]


def carry_out(request: Request, settings: Settings) -> None:
    """Run the stages in order and show what came of them. With several processes, the main one speaks."""
    from raggesture.training.processes import Processes
    from raggesture.training.settings import kit_of, recipe_of

    processes = Processes.start(device_of(request.device))
    recipe = recipe_of(settings, name=request.name, provenance=f"raggesture train, profile {Path(request.profile).name}", licence=request.licence)
    recipe = replace(recipe, codec=replace(recipe.codec, codec=_codec_config(request, recipe)))
    _check_validation(request, recipe)
    _check_parts(request, recipe)
    made = _Made([], [])
    with training_progress(quiet=request.quiet or not processes.is_main) as (stage, report):
        from raggesture.training.evaluation import train_kit
        from raggesture.training.recipe import Place, read_data, train_parts

        place = Place(request.out, processes, request.resume, report)
        if "fgd" in request.stages:
            kit_path = request.out / EVALUATION_FILE
            _, outcome = train_kit(
                request.data, request.split, kit_path, kit_of(settings), name=request.name, folder=place.run("fgd"), resume=request.resume,
                progress=report, stage=stage, processes=processes,
            )  # fmt: skip
            made.paths.append(kit_path)
            made.outcomes.append(outcome)
        if request.stages != ("fgd",):
            with processes.main_first():
                folders = settings.encoders.folders()
                data = read_data(
                    request.data, request.features or request.out / CACHE_FOLDER, recipe, request.held_out, split=request.split, progress=stage,
                    folders=folders, device=str(processes.device), workers=request.workers, strict=request.strict,
                )  # fmt: skip
        if "vae" in request.stages and request.codec is None:
            paths, outcomes = train_parts(data, recipe, place, request.parts)
            made.paths.extend(paths)
            made.outcomes.extend(outcomes)
        if "denoiser" in request.stages:
            made.outcomes.extend(_denoiser(request, recipe, place, data))
            made.paths.append(request.out / request.name)
    if processes.is_main:
        _show(made, as_json=request.as_json)


def _codec_config(request: Request, recipe: Recipe) -> Any:
    from raggesture.models.checkpoint import read_manifest

    return recipe.codec.codec if request.codec is None else read_manifest(request.codec).codec


def _denoiser(request: Request, recipe: Recipe, place: Place, data: Any) -> tuple[Outcome, ...]:
    from raggesture.models.checkpoint import load_model
    from raggesture.training.recipe import train_model

    codec = None if request.codec is None else load_model(request.codec).codec
    return train_model(data, recipe, place, codec=codec, kit=_kit(request, recipe))[1]


def _check_validation(request: Request, recipe: Recipe) -> None:
    """Raise before the first step what validation would meet after the last: no motion to compare with, a file that is none."""
    if not recipe.training.validate_every or "denoiser" not in request.stages:
        return
    if request.held_out is None:
        raise UsageError("--validate-every with no held-out split; expected motion to compare with - name one with --held-out")
    if request.kit is not None:
        from raggesture.metrics.fgd import load_kit

        load_kit(request.kit)


def _check_parts(request: Request, recipe: Recipe) -> None:
    """Raise before the corpus is encoded, which can take hours, where the codec that a denoiser is to be trained on is missing, damaged or another one."""
    from raggesture.corpus.split import clip_ids
    from raggesture.training.parts import has_all_parts, load_parts
    from raggesture.training.recipe import CODEC_FOLDER

    clip_ids(request.data)  # a corpus that is not there is said first
    folder, config = request.out / CODEC_FOLDER, recipe.codec.codec
    if request.stages == ("denoiser",) and request.codec is None and (config.kind != "conv" or has_all_parts(folder)):
        load_parts(config, folder)


def _kit(request: Request, recipe: Recipe) -> EvaluationKit | None:
    """The weights FGD is measured with: named, trained here before, or packaged."""
    from raggesture.metrics.fgd import load_kit
    from raggesture.resources import PACK_NAME, packaged_dir

    if not recipe.training.validate_every:
        return None
    own = request.out / EVALUATION_FILE
    return load_kit(request.kit or (own if own.is_file() else packaged_dir(PACK_NAME, EVALUATION_FILE)))


@contextmanager
def training_progress(*, quiet: bool) -> Iterator[tuple[Any, Any]]:
    """Two callbacks: for what is being prepared, and for points of a curve."""
    with progress_bar(quiet=quiet, remaining=True) as bar:

        def stage(text: str) -> None:
            bar(text, 0.0)

        def report(point: CurvePoint, share: float) -> None:
            pace = "" if math.isnan(point.samples_per_s) else f", {point.samples_per_s:.0f} samples/s"
            extra = "".join(f", {name} {value:.4g}" for name, value in (("held out", point.held_out), ("FGD", point.fgd)) if not math.isnan(value))
            bar(f"step {point.step}, loss {point.loss:.4g}{extra}{pace}", share)
            LOGGER.debug("step %d (%.0f %%): loss %.4g%s%s", point.step, 100 * share, point.loss, extra, pace)

        yield stage, report


def _show(made: _Made, *, as_json: bool) -> None:
    if as_json:
        runs = [{key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(run).items()} for run in made.outcomes]
        result_json({"schema": SCHEMA, "outputs": [str(path) for path in made.paths], "runs": runs})
        return
    for run in made.outcomes:
        several = f" in {run.processes} processes" if run.processes > 1 else ""
        pace = "" if math.isnan(run.samples_per_s) else f", {run.samples_per_s:.1f} samples/s"
        LOGGER.info("%s: %d steps in %.1f min%s on %s%s, peak memory %s", run.name, run.steps, run.minutes, pace, run.device, several, _gib(run.peak_bytes))
    for path in made.paths:
        result(str(path))
