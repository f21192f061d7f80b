"""``raggesture model``: what a model is, and the published weights turned into one and back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from raggesture.cli import options as o
from raggesture.cli.console import result, result_json, table
from raggesture.errors import ModelError, UsageError

if TYPE_CHECKING:
    from raggesture.models.official import ImportOptions, ImportReport
    from raggesture.models.summary import ModelSummary

SCHEMA = 1
app = typer.Typer(no_args_is_help=True, help="Look into a model; import and export the published weights.")
Vaes = Literal["both", "files", "checkpoint"]


@app.callback()
def _root() -> None:
    """Look into a model; import and export the published weights."""


@app.command()
def info(
    folder: Annotated[str, typer.Argument(metavar="[DIR|starter]", help="Folder of the model, or 'starter' for the packaged one.")] = "starter",
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Say what a model is: parts, sizes, encoders, speakers, where it came from, licence, checksum (verified)."""
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.models.summary import summarise

        path = _path(folder)
        summary = summarise(path)
        if as_json:
            parts = [asdict(part) for part in summary.parts]
            files = {"files": dict(summary.files), "sha256": summary.sha256, "verified": True}
            result_json({"schema": SCHEMA, "path": str(path), **asdict(summary.manifest), "parts": parts, **files})
            return
        manifest = summary.manifest
        result(f"{path}: {manifest.name}, {manifest.fps} fps, {manifest.chunks} chunks")
        table(("part", "kind", "parameters", "tensors", "MB"), _rows(summary))
        for key, value in _facts(summary).items():
            result(f"{key}: {value}")


def _rows(summary: ModelSummary) -> list[tuple[str, ...]]:
    rows = [(part.name, part.kind, f"{part.parameters:,}", str(part.tensors), f"{part.bytes / 1e6:.1f}") for part in summary.parts]
    whole = ("all", "", f"{sum(part.parameters for part in summary.parts):,}", str(sum(part.tensors for part in summary.parts)))
    return [*rows, (*whole, f"{sum(part.bytes for part in summary.parts) / 1e6:.1f}")]


def _facts(summary: ModelSummary) -> dict[str, str]:
    manifest = summary.manifest
    sources = [f"{source.path} ({source.bytes:,} bytes, sha256 {source.sha256})" for source in manifest.sources]
    epoch = {} if manifest.epoch is None else {"epoch": str(manifest.epoch)}
    return {
        "text_encoder": manifest.text_encoder,
        "audio_encoder": manifest.audio_encoder,
        "speakers": ", ".join(manifest.speakers),
        "prediction": manifest.denoiser.prediction,
        "conditioning": manifest.denoiser.conditioning,
        "masked tokens": ", ".join(map(str, manifest.denoiser.masked_tokens)),
        "mixing": ", ".join(f"{key} {value}" for key, value in asdict(manifest.mixing).items()),
        "temperature": f"{manifest.temperature:g}",
        "plan": "decided" if manifest.decides else "as likely" if manifest.denoiser.conditioning == "planned-chunks" else "none",
        "provenance": manifest.provenance or "not said",
        **{f"source {k + 1}": source for k, source in enumerate(sources)},
        **epoch,
        "licence": manifest.licence or "not said",
        "files": ", ".join(f"{name} ({size:,} bytes)" for name, size in summary.files.items()),
        "sha256": f"{summary.sha256} (all files verified)",
    }


@app.command("import")
def import_(
    experiments: Annotated[str, typer.Argument(metavar="EXPERIMENTS", help="Folder with the released files, or a repository of the hub (owner/name).")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The model folder to write.")],
    name: Annotated[str, typer.Option("--name", help="How the model is called. (default: the folder's name)")] = "",
    revision: Annotated[str | None, typer.Option("--revision", metavar="REV", help="Branch, tag or commit of the repository.")] = None,
    checkpoint: Annotated[Path | None, typer.Option("--checkpoint", metavar="FILE", help="The diffusion file, where there are several.")] = None,
    per_joint_scale: Annotated[
        str | None, typer.Option("--per-joint-scale", metavar="upper=1.2,...", help="Scale of a part when sampling. (default: the config's, else 1)")
    ] = None,
    heads: Annotated[int | None, typer.Option("--heads", min=1, metavar="N", help="Attention heads of the denoiser. (default: the config's)")] = None,
    masked_tokens: Annotated[
        str | None, typer.Option("--masked-tokens", metavar="LIST", help="Tokens that the weights were trained with as masked. (default: 10,20,30)")
    ] = None,
    vaes: Annotated[
        Vaes, typer.Option("--vaes", help="Whose auto-encoders count, where the checkpoint's copies differ from their files: 'both' makes that an error.")
    ] = "both",
    licence: Annotated[str, typer.Option("--licence", metavar="TEXT", help="The weights' licence, for the manifest.")] = "",
    force: o.Force = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Turn the published weights into a model: four auto-encoders with their yaml, one diffusion checkpoint. No code of theirs runs."""
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.models.checkpoint import check_target
        from raggesture.models.denoiser_config import RELEASED_MASK
        from raggesture.models.hub import fetch_repository, is_repository
        from raggesture.models.official import ImportOptions, import_official

        given = ImportOptions(
            name=name, checkpoint=checkpoint, per_joint_scale=None if per_joint_scale is None else _scales(per_joint_scale), heads=heads,
            masked_tokens=RELEASED_MASK if masked_tokens is None else _tokens(masked_tokens), vaes=vaes, licence=licence,
            source=experiments if is_repository(experiments) else "",
        )  # fmt: skip
        check_target(out, force=force)  # before anything is fetched
        if revision is not None and not given.source:
            raise UsageError(f"--revision {revision}: {experiments} is a folder; expected a repository of the hub - leave it out")
        root = fetch_repository(experiments, revision) if given.source else Path(experiments)
        _show(import_official(root, out, given, force=force), out, given, as_json=as_json)


def _show(report: ImportReport, out: Path, given: ImportOptions, *, as_json: bool) -> None:
    if as_json:
        left = [{**asdict(file), "left_out": [{"name": what, "why": why} for what, why in file.left_out]} for file in report.files]
        result_json({"schema": SCHEMA, "path": str(out), **asdict(report), "files": left})
        return
    rows = [(file.path, file.kind, str(file.tensors), str(file.renamed), f"{file.values:,}", file.sha256[:12]) for file in report.files]
    table(("file", "part", "tensors taken", "renamed", "values", "sha256"), rows)
    for file in report.files:
        for what, why in file.left_out:
            result(f"left out: {file.path}: {what} ({why})")
    for path in report.ignored:
        result(f"left out: {path} (no part of the model)")
    for note in report.notes:
        result(f"note: {note}")
    result(f"{out}: {report.model}{f', from {given.source}' if given.source else ''}")


@app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the model.")],
    out: Annotated[Path, typer.Option("--out", metavar="EXPERIMENTS", help="Folder for the published files.")],
    force: o.Force = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Write a model back as the files that the published code loads; an imported one as it came, bit for bit."""
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.models.official_export import export_official

        written = export_official(folder, out, force=force)
        if as_json:
            result_json({"schema": SCHEMA, "path": str(out), "files": [path.relative_to(out).as_posix() for path in written]})
            return
        for path in written:
            result(str(path))


def _scales(text: str) -> dict[str, float]:
    from raggesture.body.joints import PARTS

    scales: dict[str, float] = {}
    for each in text.split(","):
        part, equals, value = (piece.strip() for piece in each.partition("="))
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not equals or part not in PARTS or not 0 < number < float("inf") or part in scales:
            raise UsageError(
                f"--per-joint-scale {text!r}: {each.strip()!r}; expected PART=NUMBER above 0 with parts {', '.join(PARTS)}, each once - correct it"
            )
        scales[part] = number
    return scales


def _tokens(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(each) for each in text.split(",") if each.strip())
    except ValueError as fault:
        raise UsageError(f"--masked-tokens {text!r}: not a list of numbers; expected such as 10,20,30 - correct it") from fault


def _path(name: str) -> Path:
    from raggesture.resources import PACK_NAME, packaged_dir

    if name != PACK_NAME:
        return Path(name)
    path = packaged_dir(PACK_NAME, "model")
    if not path.is_dir():
        raise ModelError(f"{path}: not there; expected the packaged model - rebuild it (nox -s starter) or name a folder")
    return path
