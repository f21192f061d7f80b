"""``raggesture index``: build an index from a corpus, look into one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raggesture.cli import options as o
from raggesture.cli.console import LOGGER, progress_bar, result, result_json, table
from raggesture.errors import InputError, ModelError

if TYPE_CHECKING:
    from raggesture.types import Hit

SCHEMA = 1
app = typer.Typer(no_args_is_help=True, help="Build an index of gestures from a corpus, and look into one.")

Folder = Annotated[str, typer.Argument(metavar="DIR|starter", help="Folder of the index, or 'starter' for the packaged one.")]


@app.command()
def build(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A folder in BEAT2's layout.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the index.")],
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="train, val, test, or all.")] = "train",
    speakers: Annotated[list[str] | None, typer.Option("--speaker", metavar="NAME", help="Only this speaker; repeatable.")] = None,
    text_encoder: Annotated[str, typer.Option("--text-encoder", metavar="NAME", help="As the model was trained.")] = "minilm",
    audio_encoder: Annotated[str, typer.Option("--audio-encoder", metavar="NAME", help="As the model was trained.")] = "prosody",
    licence: Annotated[str, typer.Option("--licence", metavar="TEXT", help="Licence of the corpus, kept in the index.")] = "",
    force: o.Force = False,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Build an index of the gestures of CORPUS. Clips that cannot be read are left out and named."""
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.corpus.beat2 import clip_ids, complete, read_corpus
        from raggesture.encoders.registry import audio_encoder as find_audio_encoder
        from raggesture.encoders.registry import text_encoder as find_text_encoder
        from raggesture.outputs import check_output_folder
        from raggesture.retrieval.index import Index

        check_output_folder(out, force=force)
        text, audio = find_text_encoder(text_encoder), find_audio_encoder(audio_encoder)
        wanted, skipped = None if split == "all" else split, list[InputError]()
        total = len(clip_ids(corpus, wanted, speakers))
        with progress_bar(quiet=quiet) as progress:
            clips = (complete(clip) for clip in read_corpus(corpus, wanted, speakers, errors="skip", skipped=skipped))
            built = Index.build(
                clips,
                out,
                text_encoder=text,
                audio_encoder=audio,
                licence=licence,
                force=force,
                progress=lambda done, name: progress(name, done / max(total, 1)),
            )
        for fault in skipped:
            LOGGER.warning("left out: %s", fault)
        _show_info(built.info(), as_json=as_json, left_out=[str(fault) for fault in skipped])


@app.command()
def info(folder: Folder, as_json: o.Json = False, verbose: o.Verbose = False, quiet: o.Quiet = False) -> None:
    """Say what an index holds."""
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.retrieval.index import Index

        _show_info(Index.open(_path(folder)).info(), as_json=as_json, left_out=None)


@app.command()
def upgrade(folder: Folder, verbose: o.Verbose = False, quiet: o.Quiet = False) -> None:
    """Bring an index of an older schema to the present one, in its place."""
    with o.command(verbose=verbose, quiet=quiet):
        import json

        from raggesture.encoders.registry import text_encoder
        from raggesture.retrieval.store import MANIFEST, SCHEMA
        from raggesture.retrieval.upgrade import schema_of, upgrade_index

        path = _path(folder)
        if schema_of(path) == SCHEMA:
            result(f"{path}: schema {SCHEMA} already, nothing to do")
            return
        name = str(json.loads((path / MANIFEST).read_text(encoding="utf-8")).get("text_encoder", ""))
        upgrade_index(path, text_encoder=text_encoder(name))
        result(f"{path}: schema {SCHEMA} now")


@app.command()
def verify(folder: Folder, as_json: o.Json = False, verbose: o.Verbose = False, quiet: o.Quiet = False) -> None:
    """Hold every file of an index against its checksum."""
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.retrieval.store import check_files, read_manifest

        path = _path(folder)
        manifest = read_manifest(path)
        check_files(path, manifest, whole=True)
        if as_json:
            result_json({"schema": SCHEMA, "path": str(path), "files": {each.name: each.sha256 for each in manifest.files}, "intact": True})
        else:
            result(f"{path}: intact, {len(manifest.files)} files")


@app.command()
def search(
    folder: Folder,
    word: Annotated[str, typer.Option("--word", metavar="WORD", help="The word the gesture goes with.")] = "",
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="beat, deictic, iconic, metaphoric, or a discourse sense; default: all four.")] = "",
    gesture: Annotated[str, typer.Option("--gesture", metavar="NAME", help="Exactly this gesture.")] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="So many at most.")] = 10,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Search an index as a retriever does; every score is explained term by term."""
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.errors import UsageError
        from raggesture.retrieval.index import Index
        from raggesture.types import GESTURE_KINDS, Query

        if not (word or kind or gesture):
            raise UsageError("index search: nothing to search for; expected --word, --kind or --gesture - give one")
        opened = Index.open(_path(folder))
        kinds = (kind,) if kind else GESTURE_KINDS[:1] if gesture else GESTURE_KINDS
        hits = [hit for each in kinds for hit in opened.search(Query(word, each, 0.0, 0.0, gesture=gesture), limit=limit)]
        best = sorted(hits, key=lambda hit: -hit.score)[:limit]
        if not best and kind:
            known = ", ".join(name for name, _ in opened.info().kinds)
            LOGGER.warning("nothing of kind %r; the index holds %s", kind, known)
        if as_json:
            result_json({"schema": SCHEMA, "hits": [{"exemplar": asdict(h.exemplar), "score": h.score, "terms": dict(h.terms)} for h in best]})
        else:
            table(("score", "word", "kind", "gesture", "clip", "stroke s", "terms"), [_row(hit) for hit in best])


def _row(hit: Hit) -> tuple[str, ...]:
    found = hit.exemplar
    terms = " + ".join(f"{name} {value:.2f}" for name, value in hit.terms.items())
    return f"{hit.score:.2f}", found.word, found.kind, found.gesture, found.clip, f"{found.stroke:.2f}", terms


def _path(name: str) -> Path:
    from raggesture.resources import PACK_NAME, packaged_dir

    if name != PACK_NAME:
        return Path(name)
    path = packaged_dir(PACK_NAME, "index")
    if not path.is_dir():
        raise ModelError(f"{path}: not there; expected the packaged index - rebuild it (nox -s starter) or name a folder")
    return path


def _show_info(found: Any, *, as_json: bool, left_out: list[str] | None) -> None:
    data = asdict(found)
    if as_json:
        result_json({"schema": SCHEMA, **data, **({} if left_out is None else {"left_out": left_out})})
        return
    manifest = found.manifest
    result(f"{found.path}: {manifest.exemplars} exemplars in {manifest.clips} clips, {found.duration_s / 60:.1f} min, {found.size_bytes / 1e6:.1f} MB")
    result(f"speakers: {', '.join(manifest.speakers)}")
    result(f"encoders: {manifest.text_encoder} ({manifest.text_dim}), {manifest.audio_encoder} ({manifest.audio_dim})")
    result(f"licence: {manifest.licence or 'not stated'}")
    table(("kind", "exemplars"), [(kind, str(count)) for kind, count in found.kinds])
    if found.gestures:
        table(("gesture", "exemplars"), [(name, str(count)) for name, count in found.gestures])
