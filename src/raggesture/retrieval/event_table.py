"""The exemplars of an index as columns: one memory-mapped array per fact, names behind numbers. No object per event.

Written from the rows when an index is built or changed; read on opening at the cost of mapping a file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from raggesture.errors import ModelError
from raggesture.retrieval.arrays import MappedArrays, encode_texts, write_arrays
from raggesture.retrieval.facts import HANDS, names_of
from raggesture.retrieval.rows import RowsReader
from raggesture.types import Exemplar

_NUMBERS: dict[str, str] = {
    "clip": "<i4",
    "speaker": "<i4",
    "kind": "<i4",
    "gesture": "<i4",
    "spelling": "<i4",
    "word_number": "<i4",
    "start": "<f8",
    "end": "<f8",
    "stroke": "<f8",
    "prominence": "<f8",
    "hand": "|u1",
    "derived": "|u1",
    "sentence": "<i4",
    "window": "<i4",
}
_LISTS = ("clips", "speakers", "kinds", "gestures", "spellings")
_BATCH = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class EventTable:
    """Columns (N,) of N events and the lists that their numbers point into.

    ``clip``, ``speaker``, ``kind``, ``gesture`` and ``spelling`` are places in ``clips``, ``speakers``, ``kinds``, ``gestures``, ``spellings`` (a word
    as it was written); ``word_number`` in the index's vocabulary. ``start``, ``end``, ``stroke`` in seconds of the clip, ``prominence`` NaN where
    unknown, ``hand`` a place in ``facts.HANDS``, ``derived`` bits of ``facts.DERIVED``, ``sentence`` the row of its vector (-1: none), ``window``
    the first frame of its grid window (-1: cut round the stroke). ``clip_number``, ``clip_frames``, ``clip_speaker`` (C,) belong to ``clips``.
    """

    clip: NDArray[np.int32]
    speaker: NDArray[np.int32]
    kind: NDArray[np.int32]
    gesture: NDArray[np.int32]
    spelling: NDArray[np.int32]
    word_number: NDArray[np.int32]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    stroke: NDArray[np.float64]
    prominence: NDArray[np.float64]
    hand: NDArray[np.uint8]
    derived: NDArray[np.uint8]
    sentence: NDArray[np.int32]
    window: NDArray[np.int32]
    clip_number: NDArray[np.int32]
    clip_frames: NDArray[np.int32]
    clip_speaker: NDArray[np.int32]
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    kinds: tuple[str, ...]
    gestures: tuple[str, ...]
    spellings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.clip)

    def exemplar(self, row: int) -> Exemplar:
        """One event as an object."""
        prominence = float(self.prominence[row])
        return Exemplar(
            clip=self.clips[self.clip[row]],
            speaker=self.speakers[self.speaker[row]],
            word=self.spellings[self.spelling[row]],
            kind=self.kinds[self.kind[row]],
            start=float(self.start[row]),
            end=float(self.end[row]),
            stroke=float(self.stroke[row]),
            gesture=self.gestures[self.gesture[row]],
            prominence=None if math.isnan(prominence) else prominence,
            row=row,
            hand=HANDS[self.hand[row]],
            derived=names_of(int(self.derived[row])),
        )


class Exemplars(Sequence[Exemplar]):
    """The exemplars of an index, each made when it is asked for."""

    def __init__(self, table: EventTable) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, row: int) -> Exemplar: ...
    @overload
    def __getitem__(self, row: slice) -> tuple[Exemplar, ...]: ...
    def __getitem__(self, row: int | slice) -> Exemplar | tuple[Exemplar, ...]:
        if isinstance(row, slice):
            return tuple(self._table.exemplar(each) for each in range(*row.indices(len(self))))
        if not -len(self) <= row < len(self):
            raise IndexError(f"exemplar {row}: expected 0 to {len(self) - 1}")
        return self._table.exemplar(int(row) % len(self))

    def __iter__(self) -> Iterator[Exemplar]:
        return (self._table.exemplar(row) for row in range(len(self)))

    def __contains__(self, found: object) -> bool:
        return isinstance(found, Exemplar) and 0 <= found.row < len(self) and self[found.row] == found


class _Numbered:
    """Texts to numbers, in order of first appearance."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def of(self, text: str) -> int:
        return self.places.setdefault(text, len(self.places))

    @property
    def texts(self) -> list[str]:
        return list(self.places)


def write_events(path: Path, reader: RowsReader) -> None:
    """Write the columns of all exemplars of a SQLite file."""
    clips = reader.all("SELECT number, name, speaker, frames FROM clips ORDER BY number")
    place = {number: k for k, (number, _, _, _) in enumerate(clips)}
    speakers, kinds, gestures, spellings = _Numbered(), _Numbered(), _Numbered(), _Numbered()
    clip_speaker = [speakers.of(speaker) for _, _, speaker, _ in clips]
    ((count,),) = reader.all("SELECT count(*) FROM exemplars")
    columns: dict[str, NDArray[Any]] = {name: np.zeros(count, np.dtype(kind)) for name, kind in _NUMBERS.items()}
    statement = ("SELECT clip, kind, gesture, word, vocabulary, start, end, stroke, prominence, hand, derived, sentence, window FROM exemplars "
                 "WHERE row >= ? AND row < ? ORDER BY row")  # fmt: skip
    for first in range(0, count, _BATCH):
        rows = reader.all(statement, first, first + _BATCH)
        at = slice(first, first + len(rows))
        number, kind, gesture, word, vocabulary, start, end, stroke, prominence, hand, derived, sentence, window = zip(*rows, strict=True)
        columns["clip"][at] = [place[each] for each in number]
        columns["kind"][at] = [kinds.of(each) for each in kind]
        columns["gesture"][at] = [gestures.of(each) for each in gesture]
        columns["spelling"][at] = [spellings.of(each) for each in word]
        columns["prominence"][at] = [math.nan if each is None else each for each in prominence]
        for name, values in (("word_number", vocabulary), ("start", start), ("end", end), ("stroke", stroke), ("hand", hand), ("derived", derived),
                             ("sentence", sentence), ("window", window)):  # fmt: skip
            columns[name][at] = values
    of_clip = np.array(clip_speaker, np.int32)
    columns["speaker"] = of_clip[columns["clip"]] if count else columns["speaker"]
    lists = {"speakers": speakers.texts, "kinds": kinds.texts, "gestures": gestures.texts, "spellings": spellings.texts}
    columns |= {name: encode_texts(texts) for name, texts in {"clips": [row[1] for row in clips], **lists}.items()}
    columns |= {"clip_number": np.array([row[0] for row in clips], np.int32), "clip_frames": np.array([row[3] for row in clips], np.int32)}
    columns["clip_speaker"] = of_clip
    write_arrays(path, columns)


def read_events(path: Path) -> EventTable:
    """Map the columns of an index.

    Raises:
        ModelError: the file is missing, truncated, or its columns do not belong together.
    """
    stored = MappedArrays(path)
    columns: dict[str, Any] = {name: stored.get(name) for name in (*_NUMBERS, "clip_number", "clip_frames", "clip_speaker")}
    lists: dict[str, Any] = {name: stored.text(name) for name in _LISTS}
    lengths = {len(columns[name]) for name in _NUMBERS}
    if len(lengths) != 1 or len(columns["clip_number"]) != len(lists["clips"]):
        raise ModelError(f"{path}: columns of {sorted(lengths)} events; expected as many in each - build the index again")
    return EventTable(**columns, **lists)
