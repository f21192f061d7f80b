"""``raggesture index``: build an index from a corpus, extend it, thin it, check it. Searching: ``cli.index_search``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raggesture.cli import options as o
from raggesture.cli.agreement import agreement
from raggesture.cli.console import LOGGER, progress_bar, result, result_json, table
from raggesture.cli.index_search import SCHEMA, backend_at, check_own, index_path, open_location, search
from raggesture.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raggesture.retrieval.jobs import JobProgress, LeftOut
    from raggesture.retrieval.summary import IndexInfo

app = typer.Typer(no_args_is_help=True, help="Build an index of gestures from a corpus, keep it up to date, look into it.")
app.command()(search)
app.command()(agreement)

Folder = Annotated[str, typer.Argument(metavar="DIR|starter", help="Folder of the index, or 'starter' for the packaged one.")]
Corpus = Annotated[
    Path, typer.Argument(metavar="CORPUS", help="A folder in BEAT2's layout, or of takes: take.npz or take.bvh beside take.wav (docs/library.md).")
]
Split = Annotated[
    str | None,
    typer.Option("--split", metavar="NAME", help="train, val, test, or all. (default: train where there is a train_test_split.csv, else all)"),
]
Speakers = Annotated[list[str] | None, typer.Option("--speaker", metavar="NAME", help="Only this speaker; repeatable.")]
Workers = Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Processes.")]
Features = Annotated[
    Path | None, typer.Option("--features", metavar="DIR", help="Take encoded words and voices from a store that 'train' made (OUT/cache), and keep new ones.")
]
Strict = Annotated[bool, typer.Option("--strict", help="A clip that cannot be used is an error: nothing is built.")]
Licence = Annotated[str, typer.Option("--licence", metavar="TEXT", help="Licence of the corpus, kept in the index.")]


@contextmanager
def _clip_progress(quiet: bool) -> Iterator[JobProgress]:
    """Clips done, with the time that is left."""
    with progress_bar(quiet=quiet, remaining=True) as show:
        yield lambda name, done, total: show(f"{done}/{total} {name}", done / max(total, 1))


def _warn(left_out: Sequence[LeftOut]) -> None:
    for each in left_out:
        LOGGER.warning("left out: %s", each.reason)
    clips = sum(each.whole for each in left_out)
    if left_out:
        LOGGER.warning("%d clips and %d rows left out, see above; the index is built without them", clips, len(left_out) - clips)


@app.command()
def build(
    corpus: Corpus,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Folder of the index, or a place that a plugin's backend keeps (scheme://...).")],
    split: Split = None,
    speakers: Speakers = None,
    text_encoder: Annotated[str, typer.Option("--text-encoder", metavar="NAME", help="As the model was trained.")] = "minilm",
    audio_encoder: Annotated[str, typer.Option("--audio-encoder", metavar="NAME", help="As the model was trained.")] = "accents",
    licence: Licence = "",
    released_grid: Annotated[
        bool, typer.Option("--released-grid", help="Keep the events of every fifteenth window of the published sliding grid, not one window round each stroke.")
    ] = False,
    workers: Workers = 1,
    strict: Strict = False,
    features: Features = None,
    skeleton: o.Skeleton = "",
    force: o.Force = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Build an index of the gestures of CORPUS. Clips that cannot be used are left out and named.

    What the corpus does not say (gesture labels, discourse relations, prominence, words) is derived and marked as derived.
    A build that was interrupted goes on where it stopped when the same command is given again.
    """
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.encoders import registry
        from raggesture.outputs import check_output_folder
        from raggesture.retrieval.elsewhere import check_free, put_corpus
        from raggesture.retrieval.update import Choice, build_corpus

        backend, grid = backend_at(out), "released" if released_grid else "stroke"
        if backend is None:
            check_output_folder(Path(out), force=force)
        else:
            check_free(backend, out, force=force)
        encoders = (registry.text_encoder(text_encoder), registry.audio_encoder(audio_encoder))
        choice = Choice(split, tuple(speakers) if speakers else None, workers, strict, features, skeleton)
        with _clip_progress(quiet) as progress:
            if backend is None:
                report = build_corpus(corpus, Path(out), encoders, choice, licence=licence, grid=grid, force=force, progress=progress)
            else:
                report = put_corpus(backend, out, corpus, encoders, choice, licence=licence, grid=grid, replace=force, progress=progress)
        _warn(report.left_out)
        _show_info(open_location(out).info(), as_json=as_json, more={"left_out": [asdict(each) for each in report.left_out]})


@app.command()
def add(
    folder: Folder,
    corpus: Corpus,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Leave the index as it is and write a copy with CORPUS added.")] = None,
    split: Split = None,
    speakers: Speakers = None,
    licence: Licence = "",
    workers: Workers = 1,
    strict: Strict = False,
    features: Features = None,
    skeleton: o.Skeleton = "",
    force: o.Force = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Add the clips of CORPUS to an index, with the encoders that built it. Who is reading it keeps what was opened.

    The packaged index is not changed: 'index add starter MINE --out both' writes one with its gestures and yours.
    """
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.encoders import registry
        from raggesture.retrieval.copying import copy_with
        from raggesture.retrieval.elsewhere import put_corpus
        from raggesture.retrieval.store import read_manifest
        from raggesture.retrieval.update import Choice, add_corpus

        backend = backend_at(folder)
        _check_added(folder, out, force=force, elsewhere=backend is not None)
        manifest = read_manifest(index_path(folder)) if backend is None else backend.open(folder).manifest
        encoders = (registry.text_encoder(manifest.text_encoder), registry.audio_encoder(manifest.audio_encoder))
        choice = Choice(split, tuple(speakers) if speakers else None, workers, strict, features, skeleton)
        with _clip_progress(quiet) as progress:
            if out is not None:
                report = copy_with(index_path(folder), out, corpus, encoders, choice, licence=licence, force=force, progress=progress)
            elif backend is None:
                report = add_corpus(index_path(folder), corpus, encoders, choice, licence=licence, progress=progress)
            else:
                report = put_corpus(backend, folder, corpus, encoders, choice, licence=licence, grid=manifest.grid, progress=progress)
        _warn(report.left_out)
        _show_info(
            open_location(folder if out is None else str(out)).info(),
            as_json=as_json,
            more={"added": list(report.clips), "left_out": [asdict(each) for each in report.left_out]},
        )


def _check_added(folder: str, out: Path | None, *, force: bool, elsewhere: bool) -> None:
    """Refuse what would change the packaged index, a copy of what is no folder, and an output that stands in the way."""
    from raggesture.outputs import check_output_folder

    if out is None:
        if force:
            raise UsageError("--force: given without --out; expected --out DIR, whose index is replaced - leave it out")
        check_own(folder)
        return
    if elsewhere:
        raise UsageError(f"--out {out}: given with {folder}; expected a folder to copy - add to the place itself, without --out")
    check_output_folder(out, force=force)


@app.command()
def remove(
    folder: Folder,
    clips: Annotated[list[str] | None, typer.Option("--clip", metavar="NAME", help="This clip; repeatable.")] = None,
    speakers: Annotated[list[str] | None, typer.Option("--speaker", metavar="NAME", help="All clips of this speaker; repeatable.")] = None,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Remove clips from an index: their rows, their motion and their vectors."""
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.retrieval.update import remove_clips

        check_own(folder)
        backend = backend_at(folder)
        gone = remove_clips(index_path(folder), clips or (), speakers or ()) if backend is None else backend.remove(folder, clips or (), speakers or ())
        _show_info(open_location(folder).info(), as_json=as_json, more={"removed": list(gone)})


@app.command()
def info(
    folder: Folder,
    recall: Annotated[int, typer.Option("--recall", metavar="N", min=0, help="Search N times exactly and by neighbours: recall, times, memory.")] = 0,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Also draw it as a PNG: kinds, gestures, words, speakers, lengths.")] = None,
    force: o.Force = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Say what an index holds, and with --recall how well and how fast it is searched."""
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.outputs import check_output, new_files
        from raggesture.retrieval.neighbours import EXACT_WORDS, Neighbours, recall_report
        from raggesture.retrieval.picture import draw_index

        if plot is not None:
            check_output(plot, force=force)
        opened = open_location(folder)
        if plot is not None:
            with new_files([plot], force=force) as (partial,):
                draw_index(opened, partial)
        neighbours = Neighbours(opened, graph=opened.word_graph() if len(opened.vocabulary) > EXACT_WORDS else None) if recall else None
        report = recall_report(opened, recall, neighbours=neighbours) if recall else None
        _show_info(opened.info(), as_json=as_json, more={"recall": asdict(report)} if report else {})
        if report and not as_json:
            result(
                f"search, {report.queries} queries: exact {report.exact_ms:.2f} ms, by neighbours {report.neighbours_ms:.2f} ms with recall@10 "
                f"{report.recall:.3f}; in memory {report.columns_bytes / 1e6:.1f} MB, with neighbours {report.neighbours_bytes / 1e6:.1f} MB more"
            )


@app.command()
def upgrade(folder: Folder, verbose: o.Verbose = False, quiet: o.Quiet = False) -> None:
    """Bring an index of an older schema to the present one, in its place."""
    with o.command(verbose=verbose, quiet=quiet):
        import json

        from raggesture.encoders.registry import text_encoder
        from raggesture.retrieval.store import MANIFEST
        from raggesture.retrieval.store import SCHEMA as STORED
        from raggesture.retrieval.upgrade import schema_of, upgrade_index

        path = index_path(folder)
        if schema_of(path) == STORED:
            result(f"{path}: schema {STORED} already, nothing to do")
            return
        name = str(json.loads((path / MANIFEST).read_text(encoding="utf-8")).get("text_encoder", ""))
        upgrade_index(path, text_encoder=text_encoder(name))
        result(f"{path}: schema {STORED} now")


@app.command()
def verify(folder: Folder, as_json: o.Json = False, verbose: o.Verbose = False, quiet: o.Quiet = False) -> None:
    """Hold every file of an index against its checksum, and every row against the arrays."""
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.errors import ModelError
        from raggesture.retrieval.verify import Verdict, verify_index

        backend = backend_at(folder)
        if backend is None:
            found = verify_index(index_path(folder))
        else:
            held = backend.open(folder)
            found = Verdict(held.identity[0], 0, held.manifest.clips, held.manifest.exemplars, backend.verify(folder))
        if as_json:
            result_json({"schema": SCHEMA, **asdict(found), "intact": not found.faults})
        elif not found.faults:
            result(f"{found.path}: intact, {found.files} files, {found.clips} clips, {found.exemplars} exemplars")
        if found.faults:
            for fault in found.faults[1:]:
                LOGGER.warning("%s", fault)
            raise ModelError(found.faults[0])


def _show_info(found: IndexInfo, *, as_json: bool, more: dict[str, Any]) -> None:
    if as_json:
        result_json({"schema": SCHEMA, **asdict(found), **more})
        return
    manifest = found.manifest
    result(f"{found.path}: {manifest.exemplars} exemplars in {manifest.clips} clips, {found.duration_s / 3600:.2f} h, {found.size_bytes / 1e6:.1f} MB")
    result(f"encoders: {manifest.text_encoder} ({manifest.text_dim}), {manifest.audio_encoder} ({manifest.audio_dim})")
    result(f"licence: {manifest.licence or 'not stated'}")
    if manifest.grid != "stroke":
        result("windows: every fifteenth of the published sliding grid")
    derived = [f"{name} {100 * share:.0f} %" for name, share in found.derived if share]
    result(f"derived by the program: {', '.join(derived) or 'nothing'}")
    table(("kind", "exemplars"), [(kind, str(count)) for kind, count in found.kinds])
    if found.gestures:
        table(("gesture", "exemplars"), [(name, str(count)) for name, count in found.gestures])
    table(("speaker", "exemplars"), [(name, str(count)) for name, count in found.speakers])
    table(("hand", "exemplars"), [(name, str(count)) for name, count in found.hands])
