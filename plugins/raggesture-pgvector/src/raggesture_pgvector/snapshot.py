"""Events of a library as columns, as they are in one instant: what the shared ranking reads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from raggesture.retrieval.event_table import EventTable, Exemplars
from raggesture.retrieval.facts import HANDS, bits_of
from raggesture.types import Exemplar
from raggesture_pgvector.schema import Address, statement

_COLUMNS = 'e.row, c.name, e.speaker, e.kind, e.gesture, e.word, v.word, e."start", e."end", e.stroke, e.prominence, e.hand, e.derived'
_FROM = "FROM {lib}.exemplars e JOIN {lib}.clips c ON c.number = e.clip JOIN {lib}.vocabulary v ON v.number = e.vocabulary"
_SOME = f'SELECT {_COLUMNS}, -1, e."window" {_FROM} WHERE e.row = ANY(%s) ORDER BY e.row'
_ALL = f"""
SELECT {_COLUMNS}, CASE WHEN e.sentence < 0 THEN -1 ELSE e.sentence + s.before END, e."window" {_FROM}
JOIN (SELECT number, coalesce(sum(n) OVER (ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::integer AS before
      FROM (SELECT c.number, count(s.clip) AS n FROM {{lib}}.clips c LEFT JOIN {{lib}}.sentences s ON s.clip = c.number GROUP BY 1) AS counted) AS s
  ON s.number = e.clip
ORDER BY e.row
"""
"""Sentences are numbered over the whole library only where all of it is read."""


@dataclass(frozen=True, slots=True, eq=False)
class LibraryEvents(EventTable):
    """Columns of some events of a library; ``ids`` (N,) are their numbers there."""

    ids: NDArray[np.int64] = None  # type: ignore[assignment]  # a default, because the columns before it have none

    def exemplar(self, row: int) -> Exemplar:
        """One event as an object, with its number in the library."""
        return replace(EventTable.exemplar(self, row), row=int(self.ids[row]))


class LibraryExemplars(Exemplars):
    """Exemplars of a library, each made when it is asked for."""

    def __init__(self, table: LibraryEvents) -> None:
        super().__init__(table)
        self._ids = table.ids

    def __contains__(self, found: object) -> bool:
        if not isinstance(found, Exemplar):
            return False
        place = int(np.searchsorted(self._ids, found.row))
        return place < len(self) and self[place] == found

    def __iter__(self) -> Iterator[Exemplar]:
        return (self[row] for row in range(len(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Some or all events of a library with the words they use, as of ``version``. ``vectors`` (V, D) of ``vocabulary``."""

    version: int
    table: LibraryEvents
    vocabulary: tuple[str, ...]
    vectors: NDArray[np.float32]


def _numbered(texts: Sequence[str]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    places: dict[str, int] = {}
    return np.array([places.setdefault(text, len(places)) for text in texts], np.int32), tuple(places)


def _table(rows: Sequence[tuple[Any, ...]], words: Sequence[str], clips: Sequence[tuple[str, int, str]]) -> LibraryEvents:
    """Columns from rows of ``_SOME`` or ``_ALL``; ``clips``: name, frames, speaker of the clips in it."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * 15
    ids, clip, speaker, kind, gesture, word, cleaned, start, end, stroke, prominence, hand, derived, sentence, window = columns
    place = {name: k for k, (name, _, _) in enumerate(clips)}
    spoken = {name: k for k, name in enumerate(words)}
    speaker_codes, speakers = _numbered([*speaker, *(each for _, _, each in clips)])
    kinds, gestures, spellings = _numbered(kind), _numbered(gesture), _numbered(word)
    return LibraryEvents(
        clip=np.array([place[name] for name in clip], np.int32),
        speaker=speaker_codes[: len(rows)],
        kind=kinds[0],
        gesture=gestures[0],
        spelling=spellings[0],
        word_number=np.array([spoken[name] for name in cleaned], np.int32),
        start=np.array(start, np.float64),
        end=np.array(end, np.float64),
        stroke=np.array(stroke, np.float64),
        prominence=np.array([math.nan if each is None else each for each in prominence], np.float64),
        hand=np.array([HANDS.index(each) for each in hand], np.uint8),
        derived=np.array([bits_of(each) for each in derived], np.uint8),
        sentence=np.array(sentence, np.int32),
        window=np.array(window, np.int32),
        clip_number=np.arange(len(clips), dtype=np.int32),
        clip_frames=np.array([frames for _, frames, _ in clips], np.int32),
        clip_speaker=speaker_codes[len(rows) :],
        clips=tuple(name for name, _, _ in clips),
        speakers=speakers,
        kinds=kinds[1],
        gestures=gestures[1],
        spellings=spellings[1],
        ids=np.array(ids, np.int64),
    )


def read_snapshot(connection: psycopg.Connection, address: Address, text_dim: int, rows: Sequence[int] | None = None) -> Snapshot:
    """All events of a library, or those numbered ``rows``, as they are in one instant."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        (version,) = connection.execute(statement("SELECT version FROM {lib}.library", address)).fetchone() or (0,)
        found = connection.execute(statement(_ALL, address)) if rows is None else connection.execute(statement(_SOME, address), (list(rows),))
        events = found.fetchall()
        clips = statement("SELECT name, frames, speaker FROM {lib}.clips WHERE %(all)s OR name = ANY(%(names)s) ORDER BY number", address)
        known = connection.execute(clips, {"all": rows is None, "names": sorted({event[1] for event in events})}).fetchall()
        said = statement("SELECT word, vector FROM {lib}.vocabulary WHERE word = ANY(%s) ORDER BY number", address)
        words = connection.execute(said, (sorted({event[6] for event in events}),)).fetchall()
    vocabulary = tuple(str(word) for word, _ in words)
    vectors = np.array([vector.to_numpy() for _, vector in words], np.float32).reshape(len(words), text_dim)
    return Snapshot(int(version), _table(events, vocabulary, known), vocabulary, vectors)
