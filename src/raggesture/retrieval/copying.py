"""A copy of an index with more in it: how one's own gestures come beside packaged ones, whose index is not to be changed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from raggesture.retrieval.build import check_target, place_index
from raggesture.retrieval.jobs import JobProgress
from raggesture.retrieval.store import LOCK, MANIFEST, check_files, read_manifest
from raggesture.retrieval.update import Choice, Encoders, Report, add_corpus


def copy_with(
    source: Path,
    target: Path,
    corpus: Path,
    encoders: Encoders,
    choice: Choice | None = None,
    *,
    licence: str = "",
    force: bool = False,
    progress: JobProgress | None = None,
) -> Report:
    """Write to ``target`` the index ``source`` with the clips of a corpus added; ``source`` stays as it is.

    Args:
        force: replace an index that is there.

    Raises:
        InputError: no usable clip, or with ``strict`` any that is not. ModelError: the index is not whole. UsageError: ``target`` is in use.
    """
    check_target(target, force)
    manifest = read_manifest(source)
    check_files(source, manifest)
    copy = target.with_name(f"{target.name}.copy")
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    try:
        for each in manifest.files:
            shutil.copyfile(source / each.name, copy / each.name)
        (copy / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        report = add_corpus(copy, corpus, encoders, choice, licence=licence, progress=progress)
        (copy / LOCK).unlink(missing_ok=True)
        place_index(replace(read_manifest(copy), name=target.name), copy, target)
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    return report
