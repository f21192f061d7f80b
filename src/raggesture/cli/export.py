"""``raggesture export``: a motion that exists, in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from raggesture.cli import options as o
from raggesture.cli.console import LOGGER, result, result_json
from raggesture.cli.scene import Scene

SCHEMA = 1


def export(
    motion: Annotated[Path, typer.Argument(metavar="MOTION", help="An npz of generate, or of BEAT2.")],
    formats: Annotated[str, typer.Option("--format", metavar="LIST", help="Comma list: npz, html or a plugin's.")] = "html",
    out: o.Out = Path(),
    audio: Annotated[Path | None, typer.Option("--audio", metavar="FILE", help="The voice; default: a .wav beside the motion, if there is one.")] = None,
    force: o.Force = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Write MOTION in other formats, with the voice and the trace that lie beside it."""
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.config import Overrides, load_settings
        from raggesture.outputs import new_files

        names = list(dict.fromkeys(each.strip() for each in formats.split(",") if each.strip()))
        settings = load_settings(overrides=Overrides({"formats": (names, "--format")}))
        for fault in settings.parts.faults:
            LOGGER.warning("%s - see 'raggesture plugins list'", fault)
        exporters: tuple[Any, ...] = settings.exporters()
        paths = [out / f"{motion.stem}{exporter.suffix}" for exporter in exporters]
        with new_files(paths, force=force) as partial:
            scene = _scene(motion, audio)
            for exporter, path in zip(exporters, partial, strict=True):
                exporter.write(scene, path)
        if as_json:
            result_json({"schema": SCHEMA, "motion": str(motion), "outputs": [str(path) for path in paths]})
        else:
            for path in paths:
                result(str(path))


def _scene(path: Path, audio: Path | None) -> Scene:
    from raggesture.motion import read_npz
    from raggesture.speech.audio import load_audio
    from raggesture.trace import read_trace
    from raggesture.types import Speech, Transcript

    motion = read_npz(path)
    trace_path = path.with_suffix(".trace.json")
    trace = read_trace(trace_path) if trace_path.is_file() else None
    beside = path.with_suffix(".wav")
    voice = audio or (beside if beside.is_file() else None)
    speech = None
    if voice is not None:
        speech = Speech(path.stem, load_audio(voice), trace.transcript if trace is not None else Transcript(()))
    return Scene(path.stem, motion, speech, trace.to_json() if trace is not None else None)
