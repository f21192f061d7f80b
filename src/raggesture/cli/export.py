"""``raggesture export``: motions that exist, in other formats."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raggesture.cli import options as o
from raggesture.cli.console import LOGGER, Progress, error_line, progress_bar, result, result_json
from raggesture.cli.scene import Scene, heard
from raggesture.errors import InputError, RaggestureError, UsageError

if TYPE_CHECKING:
    from raggesture.motion import Motion

SCHEMA = 2
_OF_MOTION = "motion: "
"""So begins what an exporter says of the motion."""


@dataclass(frozen=True, slots=True)
class Job:
    """A motion, its voice (None: what lies beside it), the files to be made of it, and what is shown beside it, with what the two are called."""

    motion: Path
    audio: Path | None
    outputs: tuple[Path, ...]
    beside: Path | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job; ``code`` 0 is success."""

    job: Job
    error: str = ""
    code: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        if self.code:
            return {"motion": str(self.job.motion), "error": self.error, "exit_code": self.code}
        return {"motion": str(self.job.motion), "outputs": [str(path) for path in self.job.outputs]}


def export(
    motions: Annotated[list[Path], typer.Argument(metavar="MOTION", help="SMPL-X npz files (of generate, of BEAT2, of a peer), or BVH of any skeleton.")],
    formats: Annotated[str, typer.Option("--format", metavar="LIST", help="Comma list: npz, html, mp4, bvh, glb, csv or a plugin's.")] = "html",
    out: o.Out = Path(),
    audio: Annotated[
        Path | None, typer.Option("--audio", metavar="FILE", help="The voice of a single MOTION; default: a .wav beside it, if there is one.")
    ] = None,
    beside: Annotated[
        Path | None, typer.Option("--side-by-side", metavar="FILE", help="Another motion, to the right of a single MOTION in one film (mp4).")
    ] = None,
    labels: Annotated[str | None, typer.Option("--labels", metavar="LEFT,RIGHT", help="What the two are called; default: their files' names.")] = None,
    skeleton: o.Skeleton = "",
    profile: o.Profile = None,
    force: o.Force = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Write each MOTION in other formats, with the voice and the trace that lie beside it.

    A BVH is carried over to SMPL-X: 'export take.bvh --format npz,mp4' makes the npz and a film to look at it.
    """
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.config import Overrides, load_settings

        names = list(dict.fromkeys(each.strip() for each in formats.split(",") if each.strip()))
        settings = load_settings(profile, overrides=Overrides({"formats": (names, "--format")}))
        for fault in settings.parts.faults:
            LOGGER.warning("%s - see 'raggesture plugins list'", fault)
        exporters: tuple[Any, ...] = settings.exporters()
        jobs = _jobs(motions, audio, out, [exporter.suffix for exporter in exporters], force=force)
        if beside is not None or labels is not None:
            jobs = [_together(jobs, beside, labels, exporters)]
        with progress_bar(quiet=quiet) as progress:
            shares = [(k / len(jobs), 1 / len(jobs)) for k in range(len(jobs))]
            done = [_attempt(job, exporters, progress, share, skeleton, force=force) for job, share in zip(jobs, shares, strict=True)]
        _report(done, as_json=as_json)


def _jobs(motions: Sequence[Path], audio: Path | None, out: Path, suffixes: Sequence[str], *, force: bool) -> list[Job]:
    """The work, refused before it begins if two motions would become one file or an output stands in the way."""
    from raggesture.outputs import check_output

    if audio is not None and len(motions) > 1:
        raise UsageError(f"--audio {audio}: given with {len(motions)} motions; expected one motion - put each voice beside its motion as a .wav of its name")
    jobs: list[Job] = []
    taken: dict[str, Path] = {}
    for motion in motions:
        if motion.stem in taken:
            raise UsageError(f"{motion}: has the name of {taken[motion.stem]}; expected names that differ - export them to two folders with --out")
        taken[motion.stem] = motion
        jobs.append(Job(motion, audio, tuple(out / f"{motion.stem}{suffix}" for suffix in suffixes)))
    for job in jobs:
        for path in job.outputs:
            if path.resolve() == job.motion.resolve():
                raise UsageError(f"{path}: is the motion itself; expected another place for what is made of it - give --out FOLDER")
            check_output(path, force=force)
    return jobs


def _together(jobs: Sequence[Job], beside: Path | None, labels: str | None, exporters: Sequence[Any]) -> Job:
    """The one job that shows two motions, refused unless there are two and every format can."""
    if beside is None:
        raise UsageError("--labels: given without --side-by-side; expected two motions to tell apart - add --side-by-side FILE")
    if len(jobs) != 1:
        raise UsageError(f"--side-by-side {beside}: given with {len(jobs)} motions; expected one - make one film at a time")
    for exporter in exporters:
        if not hasattr(exporter, "write_together"):
            raise UsageError(f"--side-by-side: format {exporter.name!r} shows one result; expected html or mp4 - choose --format html,mp4")
    names = tuple(name.strip() for name in labels.split(",")) if labels is not None else (jobs[0].motion.stem, beside.stem)
    if len(names) != 2:
        raise UsageError(f"--labels {labels}: {len(names)} labels; expected two, parted by a comma - write LEFT,RIGHT")
    return replace(jobs[0], beside=beside, labels=names)


def _attempt(job: Job, exporters: Sequence[Any], progress: Progress, share: tuple[float, float], skeleton: str, *, force: bool) -> Outcome:
    """One job. ``share``: where it starts in all of the work, and how much of it it is."""
    from raggesture.outputs import new_files

    start, part = share
    try:
        with new_files(job.outputs, force=force) as partial:
            progress(job.motion.name, start)
            scene = _scene(job.motion, job.audio, skeleton)
            other = None if job.beside is None else _scene(job.beside, None, skeleton)
            for k, (exporter, path) in enumerate(zip(exporters, partial, strict=True)):
                told = heard(scene, progress, f"{job.motion.name}: {exporter.name}", start + part * k / len(exporters), part / len(exporters))
                if other is None:
                    _write(exporter, told, path, job.motion)
                else:
                    exporter.write_together([replace(each, name=name) for each, name in zip((told, other), job.labels, strict=True)], path)
    except RaggestureError as fault:
        error_line(fault)
        return Outcome(job, str(fault), fault.exit_code)
    return Outcome(job)


def _write(exporter: Any, scene: Scene, path: Path, motion: Path) -> None:
    try:
        exporter.write(scene, path)
    except InputError as fault:  # an exporter knows the motion, not its file
        said = str(fault)
        raise InputError(f"{motion}: {said.removeprefix(_OF_MOTION)}" if said.startswith(_OF_MOTION) else said) from fault


def _report(done: Sequence[Outcome], *, as_json: bool) -> None:
    """Say what was made; raises typer.Exit with the worst exit code if something failed."""
    if as_json:
        result_json({"schema": SCHEMA, "results": [each.to_json() for each in done]})
    else:
        for path in (path for each in done if not each.code for path in each.job.outputs):
            result(str(path))
    worst = max(each.code for each in done)
    if worst:
        raise typer.Exit(worst)


def _motion(path: Path, skeleton: str) -> Motion:
    """A motion file of either kind, with what was left out or supposed as warnings."""
    if path.suffix.lower() == ".bvh":
        from raggesture.retarget.carry import read_bvh_motion

        carried = read_bvh_motion(path, skeleton)
        LOGGER.info("%s: %s", path, carried.summary())
        for note in carried.notes:
            LOGGER.warning("%s", note)
        return carried.motion
    from raggesture.motion import read_npz

    motion = read_npz(path)
    if _has_shape(path):
        LOGGER.warning("%s: its body shape (betas) is left out: every format has the mean body", path)
    return motion


def _scene(path: Path, audio: Path | None, skeleton: str) -> Scene:
    from raggesture.speech.audio import load_audio
    from raggesture.trace import read_trace
    from raggesture.types import Speech, Transcript

    motion = _motion(path, skeleton)
    trace_path = path.with_suffix(".trace.json")
    trace = read_trace(trace_path) if trace_path.is_file() else None
    beside = path.with_suffix(".wav")
    voice = audio or (beside if beside.is_file() else None)
    speech = None
    if voice is not None:
        speech = Speech(path.stem, load_audio(voice), trace.transcript if trace is not None else Transcript(()))
    return Scene(path.stem, motion, speech, trace.to_json() if trace is not None else None)


def _has_shape(path: Path) -> bool:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            return "betas" in archive and bool(np.any(archive["betas"]))
    except (ValueError, OSError, zipfile.BadZipFile):  # a shape that cannot be read is left out as well
        return True
