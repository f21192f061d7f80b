"""The folder in which a long speech is made: sections understood, windows sampled, motion so far. What was cut off goes on from here.

Every file comes whole under its name or not at all, in an order that leaves no gap: a section's account, then a window's latents, then the motion
that they decide. Motion lies in npz files of a few seconds that any reader of BEAT2 opens. Random numbers, groups and batches depend
on windows' numbers alone, so that work which goes on ends with the bytes of work that was never cut off.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from raggesture.errors import ModelError, UsageError
from raggesture.motion import Motion, write_npz
from raggesture.trace import Trace, read_trace, write_trace
from raggesture.windowing import WindowMade

SCHEMA = 1
_JOB, _LOCK = "job.json", "lock"
_OURS = (_JOB, _LOCK, "section-", "window-", "motion-", ".")
"""How the names of files begin that are written here; whatever else lies in the folder is left alone."""
_LATENTS, _STRENGTHS = "latents", "strengths"


@dataclass(slots=True, eq=False)
class Work:
    """A folder of unfinished work. Make one with ``open_work``; leave it with ``close`` or ``remove``."""

    folder: Path
    resumed: bool
    _lock: IO[str] | None = field(repr=False)

    def section(self, number: int) -> Trace | None:
        """The account of a section that was understood before."""
        path = self.folder / f"section-{number:05d}.json"
        return read_trace(path) if path.is_file() else None

    def put_section(self, number: int, trace: Trace) -> None:
        """Keep the account of a section."""
        self._put(f"section-{number:05d}.json", lambda path: write_trace(trace, path))

    def window(self, number: int) -> WindowMade | None:
        """A window that was sampled before; None where it was not, or its file is damaged."""
        path = self.folder / f"window-{number:06d}.safetensors"
        if not path.is_file():
            return None
        try:
            kept = load(path.read_bytes())
            return WindowMade(kept[_LATENTS], tuple(kept[_STRENGTHS].tolist()))
        except (SafetensorError, KeyError, ValueError, OSError):
            return None

    def put_window(self, number: int, made: WindowMade) -> None:
        """Keep a window's latents and strengths."""
        arrays: dict[str, Tensor] = {_LATENTS: made.latents.detach().cpu().contiguous(), _STRENGTHS: torch.tensor(made.strengths, dtype=torch.float64)}
        self._put(f"window-{number:06d}.safetensors", lambda path: path.write_bytes(save(arrays)))

    def motion_path(self, number: int) -> Path:
        """Where piece ``number`` of the motion lies."""
        return self.folder / f"motion-{number:06d}.npz"

    def put_motion(self, number: int, motion: Motion) -> None:
        """Keep a piece of the motion (not one without frames, not one that is there)."""
        if motion.frames and not self.motion_path(number).is_file():
            self._put(self.motion_path(number).name, lambda path: write_npz(motion, path))

    def motions(self) -> list[Path]:
        """All pieces of the motion, in order."""
        return sorted(self.folder.glob("motion-*.npz"))

    def close(self) -> None:
        """Let others have the folder; what is in it stays."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def remove(self) -> None:
        """The work is done: take the folder away."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _put(self, name: str, write: Callable[[Path], object]) -> None:
        handle, partial = tempfile.mkstemp(dir=self.folder, prefix=".", suffix=f".partial{Path(name).suffix}")
        os.close(handle)
        try:
            write(Path(partial))
            with Path(partial).open("rb") as written:
                os.fsync(written.fileno())
            Path(partial).replace(self.folder / name)
        finally:
            Path(partial).unlink(missing_ok=True)


def open_work(folder: Path, job: Mapping[str, Any], *, resume: bool) -> Work:
    """Open the folder of a job: new, or with what an earlier run of the same job has left.

    Args:
        job: all that the result depends on, as JSON data; kept in the folder. resume: go on with earlier work; else it is thrown away.

    Raises:
        UsageError: the folder cannot be made, another process works in it, or it holds another job's work.
    """
    wanted = json.loads(json.dumps({"schema": SCHEMA, **job}))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _locked(folder)
        found = _job_of(folder)
        strangers = sorted(path.name for path in folder.iterdir() if path.is_dir() or not path.name.startswith(_OURS))
        if strangers:
            lock.close()
            raise UsageError(
                f"{folder}: holds {strangers[0]!r}, which is none of this program's; expected a new folder to work in - move it or choose another --out"
            )
        if found is not None and resume and found != wanted:
            lock.close()
            raise UsageError(
                f"{folder}: holds unfinished work of another job ({_difference(found, wanted)}); expected this one's - "
                "run that command again to finish it, or --no-resume to throw it away"
            )
        if found is None or not resume:
            for path in folder.iterdir():
                if path.name != _LOCK:
                    path.unlink()
        work = Work(folder, found is not None and resume, lock)
        work._put(_JOB, lambda path: path.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8"))
    except OSError as fault:
        raise UsageError(f"{folder}: cannot be worked in ({fault.strerror or fault}); expected a folder to write in - choose another --out") from fault
    return work


def _locked(folder: Path) -> IO[str]:
    """A lock that ends with the process."""
    lock = (folder / _LOCK).open("w")
    with suppress(ImportError):  # where there is no flock nobody is kept out
        import fcntl

        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            lock.close()
            raise UsageError(f"{folder}: another process is working in it; expected it free - wait for it or choose another --out") from fault
    return lock


def _job_of(folder: Path) -> dict[str, Any] | None:
    path = folder / _JOB
    if not path.is_file():
        return None
    try:
        job = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise ModelError(f"{path}: cannot be read ({fault}); expected the job of unfinished work - use --no-resume to begin anew") from fault
    return job if isinstance(job, dict) else {}


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first thing in which two jobs differ."""
    for key in sorted({*found, *wanted}):
        theirs, ours = found.get(key), wanted.get(key)
        if theirs == ours:
            continue
        if isinstance(theirs, dict) and isinstance(ours, dict):
            return _difference(theirs, ours)
        return f"{key} was {theirs!r}, is {ours!r}"
    return "nothing"
