"""Building, extending and thinning an index on disk. Readers see the old index until the new one is whole (see ``store``)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from raggesture.errors import InputError, UsageError, did_you_mean
from raggesture.retrieval.arrays import MappedArrays
from raggesture.retrieval.build import (
    About,
    Segments,
    about_of,
    check_target,
    manifest_of,
    place_index,
    put_in,
    word_vectors,
    write_index,
    write_segment,
    write_tables,
)
from raggesture.retrieval.jobs import Found, JobProgress, LeftOut, find_clips, jobs_of, products_of, rows_left_out, work_folder, work_on
from raggesture.retrieval.rows import RowsReader, writing_rows
from raggesture.retrieval.store import GRAPH, ROWS, VECTORS, IndexFile, IndexManifest, check_files, read_manifest, segment_number, swap_manifest, sweep, writing

if TYPE_CHECKING:
    from raggesture.encoders.base import AudioEncoder, TextEncoder

Encoders = tuple["TextEncoder", "AudioEncoder"]
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Choice:
    """Which clips of a corpus, and how. ``split`` and ``speakers``: see ``jobs.find_clips``; ``strict``: a clip left out is an error.

    ``features``: a store of features shared with training. ``skeleton``: a table of joints for BVH takes, "" for the one that fits.
    """

    split: str | None = None
    speakers: tuple[str, ...] | None = None
    workers: int = 1
    strict: bool = False
    features: Path | None = None
    skeleton: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a build or an addition did. ``clips`` that were put in; ``left_out`` with reasons."""

    clips: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def check_left_out(corpus: Path, left_out: Sequence[LeftOut], *, strict: bool, nothing: bool) -> None:
    """Raise InputError where nothing is left, or with ``strict`` where anything was left out."""
    left_out = [each for each in left_out if not each.outside]
    reasons = "; ".join(each.reason for each in left_out[:_SHOWN]) + (f"; and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else "")
    if nothing:
        why = f" ({reasons})" if left_out else ""
        raise InputError(f"{corpus}: no clips to index{why}; expected at least one - check the corpus folder and its split")
    if strict and left_out:
        raise InputError(f"{corpus}: {len(left_out)} clips or rows cannot be used ({reasons}); expected none with --strict - repair them")


def build_corpus(
    corpus: Path,
    target: Path,
    encoders: Encoders,
    choice: Choice | None = None,
    *,
    licence: str = "",
    grid: str = "stroke",
    force: bool = False,
    progress: JobProgress | None = None,
) -> Report:
    """Build the index of a corpus (BEAT2's layout or a plain folder of takes) in ``target``; goes on where a killed build stopped.

    Encoders must be known by name to ``encoders.registry`` when there is more than one worker.

    Raises:
        InputError: no corpus, no usable clip, or with ``strict`` any that is not. UsageError: ``target`` is in use.
    """
    choice = choice or Choice()
    check_target(target, force)
    text, audio = encoders
    found = find_clips(corpus, choice.split, choice.speakers, choice.skeleton)
    about = About(target.name, text.name, text.dim, audio.name, audio.dim, licence, grid)
    with work_folder(target) as work:
        jobs = jobs_of(corpus, found, (text.name, audio.name), grid, work, choice.features)
        left_out = (*found.left_out, *work_on(jobs, choice.workers, encoders, progress), *rows_left_out(jobs))
        done = tuple(job.name for job in jobs if job.target.is_file())
        check_left_out(corpus, left_out, strict=choice.strict, nothing=not done)
        folder = work / "index"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        place_index(write_index(products_of(jobs), folder, about, text), folder, target)
    return Report(done, left_out)


def _without(found: Found, known: Collection[str], folder: Path) -> Found:
    """The clips that the index does not hold yet."""
    there = tuple(name for name in found.names if name in known)
    said = f"{folder}: holds this clip already; expected a new name - remove it first ('index remove') or rename this one"
    reasons = tuple(LeftOut(name, f"{said} ({name})") for name in there)
    names = tuple(name for name in found.names if name not in known)
    return Found(names, tuple(take for take in found.takes if take.name in set(names)), (*found.left_out, *reasons))


def _copy_rows(folder: Path, manifest: IndexManifest) -> Path:
    """The rows as a file of its own that may be changed."""
    partial = folder / f".rows.{os.getpid()}.partial"
    shutil.copyfile(folder / manifest.file(ROWS).name, partial)
    return partial


def _put(folder: Path, about: About, files: Sequence[IndexFile]) -> None:
    swap_manifest(folder, manifest_of(about, folder / next(each.name for each in files if each.role == ROWS), files))


def add_corpus(
    folder: Path, corpus: Path, encoders: Encoders, choice: Choice | None = None, *, licence: str = "", progress: JobProgress | None = None
) -> Report:
    """Add the clips of a corpus to an index; those it holds already are left out.

    Raises:
        InputError: no usable clip, or with ``strict`` any that is not. ModelError: the index is not whole, or has other encoders.
        UsageError: another process is changing it.
    """
    choice = choice or Choice()
    text, audio = encoders
    with writing(folder):
        before = read_manifest(folder)
        check_files(folder, before)
        names = (before.text_encoder, before.text_dim, before.audio_encoder, before.audio_dim)
        if names != (text.name, text.dim, audio.name, audio.dim):
            raise UsageError(f"{folder}: built with {before.text_encoder} and {before.audio_encoder}; expected {text.name} and {audio.name} - use its encoders")
        old = RowsReader(folder / before.file(ROWS).name)
        known = {name for (name,) in old.all("SELECT name FROM clips")}
        old.close()
        found = _without(find_clips(corpus, choice.split, choice.speakers, choice.skeleton), known, folder)
        with work_folder(folder) as work:
            jobs = jobs_of(corpus, found, (text.name, audio.name), before.grid, work, choice.features)
            left_out = (*found.left_out, *work_on(jobs, choice.workers, encoders, progress), *rows_left_out(jobs))
            done = tuple(job.name for job in jobs if job.target.is_file())
            check_left_out(corpus, left_out, strict=choice.strict, nothing=not done)
            try:
                segments = Segments(folder, 1 + max((segment_number(each.role) for each in before.segments), default=-1))
                rows = _copy_rows(folder, before)
                with writing_rows(rows) as writer:
                    sentences = put_in(writer, segments, products_of(jobs), None)
                stored, reader = MappedArrays(folder / before.file(VECTORS).name), RowsReader(rows)
                vectors = {"words": word_vectors(reader.words(), text, stored.get("words")), "sentences": np.concatenate([stored.get("sentences"), *sentences])}
                reader.close()
                licences = [each for each in (before.licence, licence) if each]
                about = replace(about_of(before), licence="; ".join(dict.fromkeys(licences)))
                graph = folder / before.file(GRAPH).name if before.has(GRAPH) else None
                tables = write_tables(folder, rows, vectors, graph, len(stored.get("words")))
                _put(folder, about, [*tables, *before.segments, *segments.files])
            except BaseException:
                sweep(folder, read_manifest(folder))
                raise
    return Report(done, left_out)


def _chosen(reader: RowsReader, folder: Path, clips: Collection[str], speakers: Collection[str]) -> tuple[str, ...]:
    """Names of the clips to remove."""
    rows = reader.all("SELECT name, speaker FROM clips ORDER BY number")
    for what, asked, known in (("clip", clips, {name for name, _ in rows}), ("speaker", speakers, {speaker for _, speaker in rows})):
        for name in asked:
            if name not in known:
                raise UsageError(f"{folder}: no {what} {name!r}; {did_you_mean(name, known) if len(known) < 100 else 'see index info'} - name one of its own")
    chosen = tuple(name for name, speaker in rows if name in clips or speaker in speakers)
    if not chosen:
        raise UsageError(f"{folder}: nothing to remove; expected --clip or --speaker - name at least one")
    if len(chosen) == len(rows):
        raise UsageError(f"{folder}: that would remove all {len(rows)} clips; expected to keep some - remove the folder instead")
    return chosen


def _thin_segments(folder: Path, manifest: IndexManifest, reader: RowsReader, gone: Collection[str]) -> list[IndexFile]:
    """The segments without the arrays of removed clips; those that hold none of them stay as they are."""
    files = {segment_number(each.role): each for each in manifest.segments}
    left: dict[int, list[int]] = {number: [] for number in files}
    touched = set()
    for number, name, segment in reader.all("SELECT number, name, segment FROM clips ORDER BY number"):
        if name in gone:
            touched.add(segment)
        else:
            left[segment].append(number)
    kept = [file for number, file in files.items() if number not in touched]
    for segment in sorted(touched):
        stored = MappedArrays(folder / files[segment].name)
        wanted = {f"{number:06d}" for number in left[segment]}
        arrays = {name: stored.get(name) for name in stored.names() if name.partition(".")[0] in wanted}
        if arrays:
            kept.append(write_segment(folder, segment, arrays))
    return kept


def remove_clips(folder: Path, clips: Collection[str] = (), speakers: Collection[str] = ()) -> tuple[str, ...]:
    """Remove clips by name or by speaker, with all that the index holds of them; returns their names.

    Raises:
        UsageError: an unknown name, nothing or everything chosen, or another process is changing the index.
        ModelError: the index is not whole.
    """
    with writing(folder):
        before = read_manifest(folder)
        check_files(folder, before)
        reader = RowsReader(folder / before.file(ROWS).name)
        gone = _chosen(reader, folder, clips, speakers)
        try:
            segments = _thin_segments(folder, before, reader, set(gone))
            place = dict(reader.all("SELECT word, number FROM vocabulary"))
            owners = reader.all("SELECT s.number, c.name FROM sentences s JOIN clips c ON c.number = s.clip ORDER BY s.number")
            sentences = [number for number, name in owners if name not in set(gone)]
            rows = _copy_rows(folder, before)
            with writing_rows(rows) as writer:
                writer.remove(gone)
            stored, after = MappedArrays(folder / before.file(VECTORS).name), RowsReader(rows)
            words = [place[word] for word in after.words()]
            after.close()
            vectors = {"words": stored.get("words")[words], "sentences": stored.get("sentences")[sentences]}
            _put(folder, about_of(before), [*write_tables(folder, rows, vectors), *segments])
        except BaseException:
            sweep(folder, read_manifest(folder))
            raise
        finally:
            reader.close()
    return gone
