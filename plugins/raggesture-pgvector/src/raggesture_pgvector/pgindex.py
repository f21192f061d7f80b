"""An opened library: to retrievers and to the pipeline an index like any other.

What is asked for one query is asked of the server; what a retriever wants to see whole (``columns``, ``exemplars``, ``vectors``) is fetched when
it is asked for, and again when the library has changed. A library grows while it is open: each search sees what was committed before it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from raggesture.clock import MODEL_FPS, seconds_of_frame
from raggesture.encoders.base import TextEncoder
from raggesture.errors import ModelError, ServiceError
from raggesture.retrieval.columns import columns_of
from raggesture.retrieval.facts import DERIVED
from raggesture.retrieval.index import Index
from raggesture.retrieval.packing import unpack_track, unpack_vectors
from raggesture.retrieval.prosody import WordProminence, words_by_clip
from raggesture.retrieval.rank import Weights
from raggesture.retrieval.rows import ClipRow
from raggesture.retrieval.store import IndexManifest
from raggesture.retrieval.summary import IndexInfo
from raggesture.retrieval.words import clean_word
from raggesture.types import Query, Transcript, Word
from raggesture_pgvector.schema import Address, connect, statement
from raggesture_pgvector.search import Narrowing, best_rows, nearest_words
from raggesture_pgvector.snapshot import LibraryExemplars, Snapshot, read_snapshot
from raggesture_pgvector.writer import read_facts, unpack_tracks

_KEPT_CLIPS = 64


@contextmanager
def answering(address: Address) -> Iterator[None]:
    """Turn what the driver raises into an error that names the library.

    Raises:
        ServiceError: the server went away, or refused the statement.
    """
    try:
        yield
    except psycopg.Error as fault:
        reason = " ".join(str(fault).split()) or type(fault).__name__
        raise ServiceError(f"{address.shown}: {reason}; expected an answer - see whether the server runs and lets you read the library") from fault


class Part(Index):
    """Some exemplars of a library, as the shared ranking wants them."""

    def __init__(self, library: PgIndex, snapshot: Snapshot) -> None:
        self.path = library.path
        self.manifest = library.manifest
        self.events = snapshot.table
        self.exemplars = LibraryExemplars(snapshot.table)
        self.vocabulary = snapshot.vocabulary
        self.columns = columns_of(snapshot.table, snapshot.vocabulary)
        self.allowed = ~np.isin(snapshot.table.clip, [k for k, name in enumerate(snapshot.table.clips) if name in library.without])
        self.version = snapshot.version
        self._vectors = snapshot.vectors
        self._place = {name: k for k, name in enumerate(snapshot.table.clips)}
        self._word_place = {word: k for k, word in enumerate(snapshot.vocabulary)}
        self._library = library
        self._hnsw: Any = None

    def learn_words(self, words: Iterable[str]) -> None:
        """Have the vectors of words at hand, as the library has them."""
        self._library.learn_words(words)

    def word_vector(self, word: str) -> NDArray[np.float32]:
        """(D,) unit vector of a word."""
        return self._library.word_vector(word)

    def clip(self, name: str) -> ClipRow:
        """A clip's row with its transcript."""
        return self._library.clip(name)

    def word_prominence(self) -> WordProminence:
        """Every word of the clips in it, with its prominence."""
        rows = self._library._spoken(self.events.clips)
        return words_by_clip((self._place[name], *word) for name, *word in rows)

    def array(self, clip: ClipRow, name: str) -> NDArray[Any]:
        """One of the arrays of a clip."""
        return self._library.array(clip, name)

    def word_features(self, clip: ClipRow) -> NDArray[np.float32]:
        """(words, Ct) vectors of a clip's words."""
        return self._library.word_features(clip)


class PgIndex(Index):
    """A library on a PostgreSQL server, opened for searching."""

    def __init__(self, address: Address, connection: psycopg.Connection, text_encoder: TextEncoder | None = None) -> None:
        self.address = address
        self.path = Path(address.library)
        self.without: frozenset[str] = frozenset()
        self._connection = connection
        self._encoder = text_encoder
        self._lock = threading.RLock()
        self._asked: dict[str, NDArray[np.float32]] = {}
        self._cut: OrderedDict[str, tuple[ClipRow, dict[str, NDArray[Any]]]] = OrderedDict()
        self._all: Part | None = None
        self.facts = read_facts(connection, address)

    @classmethod
    def at(cls, address: Address, *, timeout_s: int = 10, text_encoder: TextEncoder | None = None) -> PgIndex:
        """Open the library at an address.

        Raises:
            ServiceError: the server cannot be reached. ModelError: no library there, or of another schema.
        """
        with answering(address):
            return cls(address, connect(address, timeout_s), text_encoder)

    def close(self) -> None:
        """Let go of the server."""
        self._connection.close()

    def _ask(self, text: str, values: Any = ()) -> list[tuple[Any, ...]]:
        with answering(self.address), self._lock:
            return self._connection.execute(statement(text, self.address), values).fetchall()

    @property
    def manifest(self) -> IndexManifest:  # type: ignore[override]  # counted when asked: a library grows
        """What the library says of itself, counted now."""
        counts = "(SELECT count(*) FROM {lib}.%s)"
        columns = ", ".join(counts % table for table in ("clips", "words", "sentences", "exemplars"))
        ((clips, words, sentences, exemplars, frames),) = self._ask(f"SELECT {columns}, (SELECT coalesce(sum(frames), 0) FROM {{lib}}.clips)")
        speakers = tuple(name for (name,) in self._ask("SELECT DISTINCT speaker FROM {lib}.clips ORDER BY speaker"))
        facts = self.facts
        encoders = (facts.text_encoder, facts.text_dim, facts.audio_encoder, facts.audio_dim)
        head = (self.address.library, MODEL_FPS, *encoders, speakers, facts.licence)
        return IndexManifest(*head, clips, int(frames), words, sentences, exemplars, facts.grid, ())

    @property
    def version(self) -> int:
        """Grows with every change of the library."""
        return int(self._ask("SELECT version FROM {lib}.library")[0][0])

    @property
    def identity(self) -> tuple[str, str]:
        """The address, and the version of what is there."""
        return self.address.shown, f"version {self.version}"

    # the whole ---------------------------------------------------------------------------------------------------------

    def _whole(self) -> Part:
        with answering(self.address), self._lock:
            if self._all is None or self._all.version != self.version:
                self._all = Part(self, read_snapshot(self._connection, self.address, self.facts.text_dim))
            return self._all

    events = property(lambda self: self._whole().events)
    exemplars = property(lambda self: self._whole().exemplars)
    vocabulary = property(lambda self: self._whole().vocabulary)
    columns = property(lambda self: self._whole().columns)
    allowed = property(lambda self: self._whole().allowed)
    _vectors = property(lambda self: self._whole()._vectors)
    _word_place = property(lambda self: self._whole()._word_place)

    def excluding(self, clips: Collection[str]) -> PgIndex:
        """The same library in which no exemplar of ``clips`` is found."""
        view = object.__new__(PgIndex)
        view.__dict__.update(self.__dict__, without=self.without | set(clips), _all=None)
        return view

    def only(self, wanted: NDArray[np.bool_]) -> Index:
        """The exemplars of a mask over the whole library."""
        return self._whole().only(wanted)

    # one query ---------------------------------------------------------------------------------------------------------

    def narrowed(self, query: Query, weights: Weights, limit: int, exclude: Collection[str] = ()) -> Index:
        """The exemplars that can be among the ``limit`` best for a query, chosen by the server."""
        wanted = Narrowing(query, weights, tuple(sorted(self.without | set(exclude))), limit)
        with answering(self.address), self._lock:
            rows = best_rows(self._connection, self.address, wanted, self.word_vector(query.word))
            return Part(self, read_snapshot(self._connection, self.address, self.facts.text_dim, rows))

    def learn_words(self, words: Iterable[str]) -> None:
        """Have the vectors of words at hand: the library's own where it has them, else encoded."""
        unknown = sorted({key for word in words if (key := clean_word(word)) and key not in self._asked})
        if unknown:
            found = self._ask("SELECT word, vector FROM {lib}.vocabulary WHERE word = ANY(%s)", (unknown,))
            self._asked.update({word: vector.to_numpy().astype(np.float32) for word, vector in found})
            self._encode([word for word in unknown if word not in self._asked])

    def _encode(self, words: list[str]) -> None:
        if not words:
            return
        if self._encoder is None:
            from raggesture.encoders.registry import text_encoder

            self._encoder = text_encoder(self.facts.text_encoder)
        if self._encoder.dim != self.facts.text_dim:
            raise ModelError(
                f"{self.address.shown}: holds {self.facts.text_dim} numbers a word ({self.facts.text_encoder}); expected {self._encoder.dim} "
                f"({self._encoder.name}) - build the library again with the encoder of the model"
            )
        self._asked.update(zip(words, np.asarray(self._encoder.sentences(words), np.float32), strict=True))

    def word_vector(self, word: str) -> NDArray[np.float32]:
        """(D,) unit vector of a word, zeros for an empty one."""
        key = clean_word(word)
        if not key:
            return np.zeros(self.facts.text_dim, np.float32)
        self.learn_words([key])
        return self._asked[key]

    def nearest_words(self, vector: NDArray[np.float32], k: int = 10) -> tuple[tuple[str, float], ...]:
        """The ``k`` words of the library nearest to ``vector`` (D,) with their cosine, nearest first, by pgvector's graph."""
        with answering(self.address), self._lock:
            return nearest_words(self._connection, self.address, vector, k)

    # clips -------------------------------------------------------------------------------------------------------------

    @property
    def clip_frames(self) -> dict[str, int]:
        """Model frames of every clip."""
        return dict(self._ask("SELECT name, frames FROM {lib}.clips ORDER BY number"))  # type: ignore[arg-type]

    def _kept(self, name: str) -> tuple[ClipRow, dict[str, NDArray[Any]]]:
        with self._lock:
            if name not in self._cut:
                self._cut[name] = self._fetch(name)
                while len(self._cut) > _KEPT_CLIPS:
                    self._cut.popitem(last=False)
            self._cut.move_to_end(name)
            return self._cut[name]

    def _fetch(self, name: str) -> tuple[ClipRow, dict[str, NDArray[Any]]]:
        found = self._ask("SELECT number, speaker, frames, language, source, wave, voice, checksum, tracks FROM {lib}.clips WHERE name = %s", (name,))
        if not found:
            raise ModelError(f"{self.address.shown}: no clip {name!r}; expected one of the library's - it was removed, or another index was searched")
        number, speaker, frames, language, source, wave, voice, checksum, tracks = found[0]
        words = self._ask('SELECT text, "start", "end", "after" FROM {lib}.words WHERE clip = %s ORDER BY position', (number,))
        transcript = Transcript(tuple(Word(*word) for word in words), language, source)
        return ClipRow(number, name, speaker, frames, transcript, wave, voice), dict(unpack_tracks(bytes(tracks), checksum, name))

    def clip(self, name: str) -> ClipRow:
        """A clip's row with its transcript."""
        return self._kept(name)[0]

    def word_prominence(self) -> WordProminence:
        """Every word of the library with its prominence, fetched at each call."""
        return self._whole().word_prominence()

    def _spoken(self, clips: Collection[str]) -> list[tuple[Any, ...]]:
        """Clip, start, end and prominence of each word of some clips."""
        text = 'SELECT c.name, w."start", w."end", w.prominence FROM {lib}.words w JOIN {lib}.clips c ON c.number = w.clip WHERE c.name = ANY(%s)'
        return self._ask(f"{text} ORDER BY c.number, w.position", (list(clips),))

    def clips_of_voice(self, voice: str) -> tuple[str, ...]:
        """Names of the clips with the same recording."""
        return tuple(name for (name,) in self._ask("SELECT name FROM {lib}.clips WHERE voice = %s AND voice <> '' ORDER BY number", (voice,)))

    def array(self, clip: ClipRow, name: str) -> NDArray[Any]:
        """One of the arrays of a clip, as it is stored."""
        tracks = self._kept(clip.name)[1]
        if name not in tracks:
            raise ModelError(f"{self.address.shown}: clip {clip.name!r} has no {name}; expected it - remove the clip and add it again")
        return tracks[name]

    def _track(self, clip: ClipRow, name: str, columns: int, step: float) -> NDArray[np.float32]:
        return unpack_track(self.array(clip, name), clip.frames, columns, step)

    def word_features(self, clip: ClipRow) -> NDArray[np.float32]:
        """(words, Ct) vectors of a clip's words."""
        return unpack_vectors(self.array(clip, "text"), self.array(clip, "text_scale"))

    @property
    def sentence_vectors(self) -> NDArray[np.float16]:
        """(S, D) unit vectors of all sentences, in the order of ``events.sentence``: fetched whole, so for looking into a library, not for searching one."""
        found = self._ask("SELECT vector FROM {lib}.sentences ORDER BY clip, position")
        return np.array([vector.to_numpy() for (vector,) in found], np.float16).reshape(len(found), self.facts.text_dim)

    def sentence(self, row: int) -> str:
        """The sentence that an event is part of, "" where it has none."""
        text = (
            'SELECT w.text || rtrim(w."after") FROM {lib}.exemplars e JOIN {lib}.sentences s ON s.clip = e.clip AND s.position = e.sentence '
            "JOIN {lib}.words w ON w.clip = s.clip AND w.position >= s.first AND w.position < s.stop WHERE e.row = %s ORDER BY w.position"
        )
        return " ".join(word for (word,) in self._ask(text, (row,)))

    def info(self) -> IndexInfo:
        """Counts and size."""

        def counts(column: str) -> tuple[tuple[str, int], ...]:
            found = self._ask(f"SELECT {column}, count(*) FROM {{lib}}.exemplars WHERE {column} <> '' GROUP BY 1 ORDER BY 2 DESC, min(row)")
            return tuple((str(name), int(count)) for name, count in found)

        derived = dict(
            self._ask(
                "SELECT piece, count(*)::float8 / (SELECT greatest(count(*), 1) FROM {lib}.exemplars) FROM {lib}.exemplars, "
                "unnest(string_to_array(derived, ',')) AS piece WHERE piece <> '' GROUP BY 1"
            )
        )  # type: ignore[arg-type]
        size = self._ask("SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c WHERE c.relnamespace = %s::regnamespace AND c.relkind = 'r'",
                         (self.address.library,))  # fmt: skip
        manifest = self.manifest
        return IndexInfo(
            path=self.address.shown,
            manifest=manifest,
            duration_s=seconds_of_frame(manifest.frames),
            size_bytes=int(size[0][0]),
            kinds=counts("kind"),
            gestures=counts("gesture"),
            speakers=counts("speaker"),
            hands=counts("hand"),
            derived=tuple((piece, float(derived.get(piece, 0.0))) for piece in DERIVED),
        )
