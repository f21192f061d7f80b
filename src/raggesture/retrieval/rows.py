"""The rows of an index in SQLite: clips, words, sentences, vocabulary, exemplars.

The file of a finished index is never written again: a change works on a copy, in one transaction, and readers open it
immutable. Numbers of clips, words of the vocabulary and sentences only grow within a copy; exemplar rows are 0 .. N-1.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raggesture.errors import ModelError
from raggesture.retrieval.facts import HANDS, bits_of
from raggesture.retrieval.words import clean_word
from raggesture.types import Transcript, Word

if TYPE_CHECKING:
    from raggesture.retrieval.events import Event
    from raggesture.retrieval.product import Product

TABLES = """
CREATE TABLE clips (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, speaker TEXT NOT NULL, frames INTEGER NOT NULL,
                    language TEXT NOT NULL, source TEXT NOT NULL, wave TEXT NOT NULL, voice TEXT NOT NULL,
                    segment INTEGER NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE words (clip INTEGER NOT NULL REFERENCES clips, position INTEGER NOT NULL, text TEXT NOT NULL,
                    start REAL NOT NULL, end REAL NOT NULL, after TEXT NOT NULL, prominence REAL,
                    PRIMARY KEY (clip, position)) WITHOUT ROWID;
CREATE TABLE sentences (number INTEGER PRIMARY KEY, clip INTEGER NOT NULL REFERENCES clips, first INTEGER NOT NULL, stop INTEGER NOT NULL);
CREATE TABLE vocabulary (number INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE);
CREATE TABLE exemplars (row INTEGER PRIMARY KEY, clip INTEGER NOT NULL REFERENCES clips, kind TEXT NOT NULL, gesture TEXT NOT NULL,
                        word TEXT NOT NULL, vocabulary INTEGER NOT NULL REFERENCES vocabulary, start REAL NOT NULL, end REAL NOT NULL,
                        stroke REAL NOT NULL, prominence REAL, hand INTEGER NOT NULL, derived INTEGER NOT NULL,
                        sentence INTEGER NOT NULL, window INTEGER NOT NULL);
"""
"""``hand`` and ``derived``: see ``facts.HANDS`` and the bits of ``facts.DERIVED``; ``sentence`` -1: none; ``window`` -1: cut round the stroke."""


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A clip of the index without its arrays. ``number`` names its arrays in segment ``segment``; ``wave`` its recording ("": unknown)."""

    number: int
    name: str
    speaker: str
    frames: int
    transcript: Transcript
    wave: str = ""
    voice: str = ""
    segment: int = 0
    checksum: int = 0


class RowsWriter:
    """Puts clips into a SQLite file inside one transaction (see ``writing_rows``)."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self.clips = {name for (name,) in database.execute("SELECT name FROM clips")}
        self._vocabulary = dict(database.execute("SELECT word, number FROM vocabulary"))
        self._clip = self._next("clips", "number")
        self._row = self._next("exemplars", "row")
        self._sentence = self._next("sentences", "number")

    def _next(self, table: str, column: str) -> int:
        (largest,) = self.database.execute(f"SELECT max({column}) FROM {table}").fetchone()
        return 0 if largest is None else int(largest) + 1

    def _number_of(self, word: str) -> int:
        if word not in self._vocabulary:
            self._vocabulary[word] = len(self._vocabulary)
            self.database.execute("INSERT INTO vocabulary VALUES (?, ?)", (self._vocabulary[word], word))
        return int(self._vocabulary[word])

    def _values(self, event: Event, clip: int, row: int, sentence: int) -> tuple[Any, ...]:
        e = event.exemplar
        vocabulary = self._number_of(clean_word(e.word))
        place = -1 if event.sentence < 0 else sentence + event.sentence
        codes = (HANDS.index(e.hand), bits_of(e.derived), place, event.window)
        return (row, clip, e.kind, e.gesture, e.word, vocabulary, e.start, e.end, e.stroke, e.prominence, *codes)

    def add(self, product: Product, segment: int) -> int:
        """Add a clip with its words, sentences and events; returns its number."""
        number, first = self._clip, self._sentence
        spoken, run = product.transcript, self.database.executemany
        clip = (number, product.name, product.speaker, product.frames, spoken.language, spoken.source, product.wave, product.voice, segment, product.checksum)
        self.database.execute(f"INSERT INTO clips VALUES ({', '.join('?' * 10)})", clip)
        padded = product.prominence or (None,) * len(spoken.words)
        run(
            "INSERT INTO words VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(number, k, w.text, w.start, w.end, w.after, p) for k, (w, p) in enumerate(zip(spoken.words, padded, strict=True))],
        )
        run("INSERT INTO sentences VALUES (?, ?, ?, ?)", [(first + k, number, *span) for k, span in enumerate(product.spans)])
        values = [self._values(event, number, self._row + k, first) for k, event in enumerate(product.events)]
        run(f"INSERT INTO exemplars VALUES ({', '.join('?' * 14)})", values)
        self.clips.add(product.name)
        self._clip, self._sentence, self._row = number + 1, first + len(product.spans), self._row + len(product.events)
        return number

    def remove(self, names: Collection[str]) -> None:
        """Remove clips and all that belongs to them; exemplars, sentences and words that are left are counted anew from 0."""
        run = self.database.execute
        run("CREATE TEMP TABLE gone (number INTEGER PRIMARY KEY)")
        self.database.executemany("INSERT INTO gone SELECT number FROM clips WHERE name = ?", [(name,) for name in sorted(names)])
        for table, column in (("exemplars", "clip"), ("sentences", "clip"), ("words", "clip"), ("clips", "number")):
            run(f"DELETE FROM {table} WHERE {column} IN (SELECT number FROM gone)")
        run("CREATE TEMP TABLE kept AS SELECT number AS old, row_number() OVER (ORDER BY number) - 1 AS new FROM sentences")
        run("CREATE UNIQUE INDEX temp.kept_old ON kept (old)")
        run("CREATE TEMP TABLE said AS SELECT number AS old, row_number() OVER (ORDER BY number) - 1 AS new FROM vocabulary "
            "WHERE number IN (SELECT DISTINCT vocabulary FROM exemplars)")  # fmt: skip
        run("CREATE UNIQUE INDEX temp.said_old ON said (old)")
        run("CREATE TEMP TABLE moved AS SELECT row_number() OVER (ORDER BY e.row) - 1 AS row, e.clip, e.kind, e.gesture, e.word, s.new AS vocabulary, e.start, "
            "e.end, e.stroke, e.prominence, e.hand, e.derived, coalesce(k.new, -1) AS sentence, e.window FROM exemplars e "
            "JOIN said s ON s.old = e.vocabulary LEFT JOIN kept k ON k.old = e.sentence")  # fmt: skip
        run("DELETE FROM exemplars")
        run("INSERT INTO exemplars SELECT * FROM moved ORDER BY row")
        run("DELETE FROM vocabulary WHERE number NOT IN (SELECT old FROM said)")
        for table, names_table in (("sentences", "kept"), ("vocabulary", "said")):  # numbers only fall, so no two ever meet on the way
            run(f"UPDATE {table} SET number = (SELECT new FROM {names_table} WHERE old = number) WHERE number >= 0")
        for table in ("gone", "kept", "said", "moved"):
            run(f"DROP TABLE temp.{table}")
        self.clips -= set(names)


@contextmanager
def writing_rows(path: Path) -> Iterator[RowsWriter]:
    """Open (or begin) a SQLite file and change it in one transaction; a fault leaves it as it was."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = MEMORY")
        database.execute("PRAGMA synchronous = OFF")  # the file is a copy; it is synced when it is put in its place
        if not database.execute("SELECT 1 FROM sqlite_master").fetchone():
            database.executescript(TABLES)
        database.execute("BEGIN")
        try:
            yield RowsWriter(database)
        except BaseException:
            database.execute("ROLLBACK")
            raise
        database.execute("COMMIT")
        database.execute("VACUUM")


class RowsReader:
    """An open SQLite file of a finished index; it stays readable when a writer has removed it meanwhile. Safe for threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
            self._database.execute("SELECT count(*) FROM clips").fetchone()  # the file is opened by the first statement
        except sqlite3.Error as fault:
            raise ModelError(f"{path}: cannot be read ({fault}); expected the rows of an index - build the index again") from fault

    def all(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        try:
            with self._lock:
                return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as fault:
            raise ModelError(f"{self.path}: cannot be read ({fault}); expected the rows of an index - build the index again") from fault

    def clip(self, name: str) -> ClipRow | None:
        """A clip with its transcript, None where there is none of that name."""
        found = self.all("SELECT number, speaker, frames, language, source, wave, voice, segment, checksum FROM clips WHERE name = ?", name)
        if not found:
            return None
        number, speaker, frames, language, source, wave, voice, segment, checksum = found[0]
        words = self.all("SELECT text, start, end, after FROM words WHERE clip = ? ORDER BY position", number)
        return ClipRow(number, name, speaker, frames, Transcript(tuple(Word(*word) for word in words), language, source), wave, voice, segment, checksum)

    def spoken(self, at_once: int) -> Iterator[tuple[int, float, float, float | None]]:
        """Clip's number, start, end and prominence of every word, ``at_once`` rows a time."""
        statement = "SELECT clip, start, end, prominence, position FROM words WHERE (clip, position) > (?, ?) ORDER BY clip, position LIMIT ?"
        clip, position = -1, -1
        while found := self.all(statement, clip, position, at_once):
            for number, start, end, prominence, _ in found:
                yield number, start, end, prominence
            clip, position = found[-1][0], found[-1][4]

    def words(self) -> tuple[str, ...]:
        """The vocabulary in order."""
        return tuple(word for (word,) in self.all("SELECT word FROM vocabulary ORDER BY number"))

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
