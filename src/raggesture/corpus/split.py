"""Which clips of a corpus belong to a split, and who speaks in them: ``train_test_split.csv``, ids, the published numbering of speakers.

Ids are ``<number>_<name>_<type>_<start>_<end>`` (``2_scott_0_1_1``). Source: METHOD part I (a) "Split", "Frame rate, speakers".
"""

from __future__ import annotations

import csv
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from raggesture.corpus.faults import STRICT, Sieve
from raggesture.errors import InputError, did_you_mean

MOTION_DIR = "smplxflame_30"
SPLIT_FILE = "train_test_split.csv"
ADDITIONAL = "additional"
N_PUBLISHED_SPEAKERS = 25
_MOVED = {30: 7, 28: 13, 27: 18}
"""Numbers of speakers of BEAT2 English that are put on the places which its other speakers leave free."""
_FALLBACK_ROWS = 8


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One row of the table: its number in the file (the header is 1), the clip and its split."""

    number: int
    clip: str
    kind: str


def speaker_of(clip_id: str) -> str:
    """Name of the speaker in an id: ``2_scott_0_1_1`` -> ``scott``; an id of another form is its own speaker."""
    parts = clip_id.split("_")
    return parts[1] if len(parts) >= 5 and parts[0].isdigit() else clip_id


def speaker_number(clip_id: str) -> int | None:
    """Number at the front of an id, None where there is none."""
    head = clip_id.split("_", 1)[0]
    return int(head) if head.isascii() and head.isdigit() else None


def published_speaker(clip_id: str) -> int:
    """Index of the speaker's embedding in the published model: number - 1, and 30 -> 7, 28 -> 13, 27 -> 18 (25 embeddings).

    Raises:
        InputError: the id has no number, or one that has no embedding.
    """
    number = speaker_number(clip_id)
    index = None if number is None else _MOVED.get(number, number - 1)
    if index is None or not 0 <= index < N_PUBLISHED_SPEAKERS:
        raise InputError(
            f"clip {clip_id!r}: {'no number' if number is None else f'speaker number {number}'}; expected an id that begins with 1..25, 27, 28 or 30 "
            "(2_scott_0_1_1), as the published model knows them - rename the clip's files or leave the speaker to be learned"
        )
    return index


def read_split(root: Path, sieve: Sieve = STRICT) -> tuple[SplitRow, ...]:
    """Rows of the table. A row without id or type, or with a path for an id, is left out (or raised).

    Raises:
        InputError: the table is missing, cannot be read, or lacks the columns ``id`` and ``type``.
    """
    path = root / SPLIT_FILE
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            if not {"id", "type"} <= set(reader.fieldnames or ()):
                raise InputError(f"{path}: columns {reader.fieldnames}; expected id,type - add the header row")
            rows = [SplitRow(reader.line_num, (row["id"] or "").strip(), (row["type"] or "").strip()) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise InputError(f"{path}: cannot be read ({fault}); expected a table with the columns id,type - write it again") from fault
    kept = []
    for row in rows:
        if row.clip and row.kind and Path(row.clip).name == row.clip:
            kept.append(row)
            continue
        reason = f"{path}: row {row.number} is {row.clip!r},{row.kind!r}; expected the id of a clip and its split - correct it"
        sieve.of(row.clip or "?").leave_out(path, reason, row.number)
    return tuple(kept)


def _spoken_by(clip_id: str, speakers: Collection[str | int] | None) -> bool:
    return speakers is None or speaker_of(clip_id) in speakers or speaker_number(clip_id) in speakers


def _rows_of(root: Path, split: str, rows: tuple[SplitRow, ...], speakers: Collection[str | int] | None, *, additional: bool, fallback: bool) -> list[SplitRow]:
    known = {row.kind for row in rows}
    if split not in known:
        raise InputError(f"{root / SPLIT_FILE}: no split {split!r}; {did_you_mean(split, known)} - name one of these")
    ahead = [row for row in rows if row.kind == ADDITIONAL] if split == "train" and additional else []
    chosen = [row for row in (*ahead, *(row for row in rows if row.kind == split)) if _spoken_by(row.clip, speakers)]
    if not chosen and fallback:
        chosen = [row for row in rows if row.kind == "train" and _spoken_by(row.clip, speakers)][:_FALLBACK_ROWS]
    return chosen


def clip_ids(
    root: Path,
    split: str | None = None,
    speakers: Collection[str | int] | None = None,
    *,
    sieve: Sieve | None = None,
    additional: bool = True,
    fallback: bool = False,
) -> tuple[str, ...]:
    """Ids of the corpus in order: of one split, or (``None``) of every motion file.

    Args:
        speakers: names or numbers (the published ``training_speakers``) to keep. sieve: takes rows that are malformed and ids that come
            a second time; without one the first are errors and the second stay. additional: put the rows of type ``additional`` in front of
            ``train``. fallback: the published way with an empty selection: the first eight rows of ``train`` by these speakers.

    Raises:
        InputError: the folder is not a corpus, the split file is missing or malformed, or the split is unknown.
    """
    if not (root / MOTION_DIR).is_dir():
        raise InputError(f"{root}: no folder {MOTION_DIR}; expected a corpus in BEAT2's layout - check the path")
    if split is None:
        return tuple(clip_id for clip_id in sorted(path.stem for path in (root / MOTION_DIR).glob("*.npz")) if _spoken_by(clip_id, speakers))
    path = root / SPLIT_FILE
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected it for the split {split!r} - add it, or read the whole corpus")
    rows = _rows_of(root, split, read_split(root, sieve or STRICT), speakers, additional=additional, fallback=fallback)
    if sieve is None:
        return tuple(row.clip for row in rows)
    first: dict[str, int] = {}
    for row in rows:
        if row.clip not in first:
            first[row.clip] = row.number
            continue
        reason = f"{path}: row {row.number} names {row.clip!r} again (first in row {first[row.clip]}); expected every clip once - remove one of the rows"
        sieve.of(row.clip).leave_out(path, reason, row.number)
    return tuple(first)
