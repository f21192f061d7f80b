"""``raggesture model``: what a model is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from raggesture.cli import options as o
from raggesture.cli.console import result, result_json
from raggesture.errors import ModelError

SCHEMA = 1
app = typer.Typer(no_args_is_help=True, help="Look into a model.")


@app.callback()
def _root() -> None:
    """Look into a model."""


@app.command()
def info(
    folder: Annotated[str, typer.Argument(metavar="[DIR|starter]", help="Folder of the model, or 'starter' for the packaged one.")] = "starter",
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Say what a model is: speakers, encoders, sizes, licence."""
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.models.checkpoint import read_manifest

        path = _path(folder)
        manifest = read_manifest(path)
        data = asdict(manifest)
        if as_json:
            result_json({"schema": SCHEMA, "path": str(path), **data})
            return
        result(f"{path}: {manifest.name}, {manifest.fps} fps, {manifest.chunks} chunks")
        for key, value in data.items():
            shown = ", ".join(value) if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value) else value
            result(f"{key}: {shown}")


def _path(name: str) -> Path:
    from raggesture.resources import PACK_NAME, packaged_dir

    if name != PACK_NAME:
        return Path(name)
    path = packaged_dir(PACK_NAME, "model")
    if not path.is_dir():
        raise ModelError(f"{path}: not there; expected the packaged model - rebuild it (nox -s starter) or name a folder")
    return path
