"""A folder of results: which clips are in it, and which files belong to each.

Reads what ``generate`` and ``longform`` write (``NAME.npz`` with ``NAME.trace.json``, beside ``--reference DIR``) and what the published tools write
(``*/*/pred_motion.npz`` with ``gt_motion.npz``, ``gt_audio.wav`` and ``retrieval_0.npz``). What cannot be matched is named. ``NAME_rep0``, ``NAME_rep1``
... are takes of one clip with other seeds: the first is the result, the others are its takes. Data only; nothing is read here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from raggesture.corpus.split import MOTION_DIR
from raggesture.errors import InputError

_TAKE = re.compile(r"(.+)_rep(\d+)")
WHOLE = "full_pred_motion.npz"


@dataclass(frozen=True, slots=True)
class ClipFiles:
    """The files of one clip. ``takes``: results of the same speech with other seeds. What there is none of is None."""

    name: str
    predicted: Path
    reference: Path
    audio: Path | None = None
    words: Path | None = None
    labels: Path | None = None
    strokes: Path | None = None
    trace: Path | None = None
    retrieved: Path | None = None
    takes: tuple[Path, ...] = ()

    @property
    def every(self) -> tuple[tuple[str, Path], ...]:
        """(what it is, file) of all that there are, in a fixed order."""
        named = (
            ("predicted", self.predicted), ("reference", self.reference), ("audio", self.audio), ("words", self.words), ("labels", self.labels),
            ("strokes", self.strokes), ("trace", self.trace), ("retrieved", self.retrieved),
        )  # fmt: skip
        return tuple((what, path) for what, path in named if path is not None) + tuple((f"take{k}", path) for k, path in enumerate(self.takes))


@dataclass(frozen=True, slots=True)
class Found:
    """Clips in the order of their names, and a line for each result that could not be matched."""

    clips: tuple[ClipFiles, ...]
    left_out: tuple[str, ...] = field(default=())


def _first(folders: tuple[Path, ...], *names: str) -> Path | None:
    return next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)


def _published(results: Path, *, released: bool) -> tuple[list[ClipFiles], list[str]]:
    clips, left_out = [], []
    wholes = {path.parent for path in results.glob(f"**/{WHOLE}")}
    paths = sorted(results.glob("**/pred_motion.npz"))
    if not released:  # differs from the released code: a long form counts once, not also in its windows
        paths = sorted([path for path in paths if path.parent.parent not in wholes] + [folder / WHOLE for folder in wholes])
    for path in paths:
        name = path.parent.relative_to(results).as_posix()
        truth = path.with_name("full_gt_motion.npz" if path.name == WHOLE else "gt_motion.npz")
        if not truth.is_file():
            left_out.append(f"{path}: no {truth.name} beside it")
            continue
        here = (path.parent,)
        clips.append(ClipFiles(name, path, truth, _first(here, "gt_audio.wav"), trace=_first(here, "trace.json"), retrieved=_first(here, "retrieval_0.npz")))
    return clips, left_out


def _stem(name: str) -> str:
    found = _TAKE.fullmatch(name)
    return found.group(1) if found else name


def _own(results: Path, reference: Path | None) -> tuple[list[ClipFiles], list[str]]:
    clips, left_out = [], []
    for path in sorted(results.glob("*.npz")):
        name = _stem(path.stem)
        truth = _first((reference, reference / MOTION_DIR), f"{name}.npz") if reference else None
        if truth is None or reference is None:
            left_out.append(f"{path}: no reference of that name{'' if reference else ' (no --reference given)'}")
            continue
        folders = (reference, results)
        clips.append(
            ClipFiles(
                path.stem,
                path,
                truth,
                _first(folders, f"{name}.wav", f"wave16k/{name}.wav"),
                _first(folders, f"{name}.TextGrid", f"textgrid/{name}.TextGrid"),
                _first(folders, f"sem/{name}.txt"),
                _first(folders, f"strokes/{name}.tsv"),
                _first((results,), f"{path.stem}.trace.json"),
            )
        )
    return clips, left_out


def _with_takes(clips: list[ClipFiles]) -> tuple[ClipFiles, ...]:
    """Takes of one clip as one: the first is the result."""
    groups: dict[str, list[ClipFiles]] = {}
    for clip in clips:
        head, slash, last = clip.name.rpartition("/")
        parts = [_stem(part) for part in head.split("/")]
        groups.setdefault(f"{'/'.join(parts)}{slash}{_stem(last)}", []).append(clip)
    out = []
    for name, group in groups.items():
        first, *others = sorted(group, key=lambda clip: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", clip.name)])
        mine = name if others or first.name != name else first.name
        out.append(
            ClipFiles(
                mine, first.predicted, first.reference, first.audio, first.words, first.labels, first.strokes, first.trace, first.retrieved,
                tuple(other.predicted for other in others),
            )
        )  # fmt: skip
    return tuple(sorted(out, key=lambda clip: clip.name))


def find_clips(results: Path, reference: Path | None, *, released: bool = False) -> Found:
    """Match results with references by name.

    Raises:
        InputError: no such folder, or nothing in it has a reference.
    """
    if not results.is_dir():
        raise InputError(f"{results}: no such folder; expected a folder of results - check the path")
    if reference is not None and not reference.is_dir():
        raise InputError(f"{reference}: no such folder; expected references - check the path after --reference")
    clips, left_out = _published(results, released=released)
    if not clips and not left_out:
        clips, left_out = _own(results, reference)
    if not clips:
        detail = f"; {left_out[0]}" if left_out else ""
        raise InputError(f"{results}: nothing to evaluate{detail}; expected NAME.npz with --reference DIR, or */*/pred_motion.npz - see raggesture eval --help")
    return Found(_with_takes(clips), tuple(left_out))
