"""Files and folders that appear whole or not at all.

Everything is written under a temporary name beside its place (``.NAME.PID.partial.SUFFIX``) and renamed when all of it is
done; a fault or an interrupt removes what was begun. Nothing is overwritten unless that was asked for.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from raggesture.errors import UsageError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def check_output(path: Path, *, force: bool) -> None:
    """Raise UsageError if ``path`` could not become an output file: it exists (and not ``force``), or its folder cannot take it.

    Nothing is created. Call it before the work, so that hours are not spent on what cannot be kept.
    """
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; expected the name of a file to write - move the folder or choose another name")
    if path.exists() and not force:
        raise UsageError(f"{path}: exists; expected a new file - add --force to overwrite it or choose another --out")
    _check_folder(path.parent)


def check_output_folder(path: Path, *, force: bool) -> None:
    """The same for an output that is a folder of its own. An empty folder counts as free."""
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path}: is a file; expected a folder to write to - choose another --out")
    if path.is_dir() and any(path.iterdir()) and not force:
        raise UsageError(f"{path}: exists and is not empty; expected a new folder - add --force to replace it or choose another --out")
    _check_folder(path.parent)


def _check_folder(folder: Path) -> None:
    at = folder
    try:
        while not at.exists() and at != at.parent:
            at = at.parent
    except OSError as fault:
        raise UsageError(f"{folder}: {fault.strerror or fault}; expected a folder to write to - choose another --out") from fault
    if not at.is_dir():
        raise UsageError(f"{at}: is a file; expected a folder to write to - choose another --out")
    if not os.access(at, os.W_OK | os.X_OK):
        raise UsageError(f"{at}: cannot be written to; expected a folder you may write in - choose another --out or change its rights")


def _make_folder(folder: Path) -> list[Path]:
    """Make ``folder``; returns the folders that were new, innermost first."""
    new = [at for at in (folder, *folder.parents) if not at.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise UsageError(f"{folder}: cannot be made ({fault.strerror or fault}); expected a folder to write to - choose another --out") from fault
    return new


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@contextmanager
def new_files(paths: Sequence[Path], *, force: bool = False) -> Iterator[tuple[Path, ...]]:
    """Give temporary names for ``paths``; on leaving without a fault each becomes the file of its name, all of them or none.

    A temporary file that was not written is left out. What stood there is replaced only with ``force``.

    Raises:
        UsageError: an output exists or cannot be written.
    """
    for path in paths:
        check_output(path, force=force)
    folders = [new for folder in dict.fromkeys(path.parent for path in paths) for new in _make_folder(folder)]
    partial = tuple(_partial(path) for path in paths)
    put: list[Path] = []
    try:
        yield partial
        for path in paths:  # somebody else may have written it meanwhile
            check_output(path, force=force)
        for temporary, path in zip(partial, paths, strict=True):
            if temporary.exists():
                if not path.exists():
                    put.append(path)
                temporary.replace(path)
    except BaseException as fault:
        _remove((*partial, *put))
        for folder in folders:
            with suppress(OSError):
                folder.rmdir()
        if isinstance(fault, OSError) and (fault.errno in _NO_ROOM or (fault.filename is not None and Path(os.fsdecode(fault.filename)) in partial)):
            subject = fault.filename or ", ".join(map(str, paths))  # a write that finds no room does not say where
            raise UsageError(f"{subject}: cannot be written ({fault.strerror}); expected room and rights to write - choose another --out") from fault
        raise


@contextmanager
def new_folder(path: Path, *, force: bool = False) -> Iterator[Path]:
    """Give a temporary folder that becomes ``path`` on leaving without a fault; with ``force`` it replaces what was there.

    Raises:
        UsageError: it exists and is not empty, or cannot be written.
    """
    check_output_folder(path, force=force)
    folders = _make_folder(path.parent)
    temporary, old = _partial(path), path.with_name(f".{path.name}.{os.getpid()}.old.partial")
    _remove((temporary, old))
    try:
        try:
            temporary.mkdir()
        except OSError as fault:
            raise UsageError(f"{path}: cannot be made ({fault.strerror or fault}); expected a folder to write in - choose another --out") from fault
        yield temporary
        check_output_folder(path, force=force)
        if path.exists():
            path.replace(old)
        temporary.replace(path)
    except BaseException:
        if old.exists() and not path.exists():
            old.replace(path)
        _remove((temporary,))
        for folder in folders:
            with suppress(OSError):
                folder.rmdir()
        raise
    _remove((old,))
