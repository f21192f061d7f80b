"""The embedded index: exemplars to search, and the motion and conditions around each of them.

Conventions: seconds from the start of a clip, model frames at 15 fps. Opening maps files and reads no event: columns are views of
the map, exemplars are made when one is asked for, the tracks of a clip are unpacked when a window of it is cut. An open index
stays as it was opened, whatever a writer does to its folder.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raggesture.body.joints import N_CONTACTS, N_EXPRESSIONS, N_JOINTS
from raggesture.clock import WINDOW_FRAMES
from raggesture.errors import ModelError
from raggesture.resources import sha256_of
from raggesture.retrieval.arrays import checksum_of
from raggesture.retrieval.columns import columns_of
from raggesture.retrieval.event_table import Exemplars
from raggesture.retrieval.facts import HANDS, names_of
from raggesture.retrieval.opened import Opened, open_files
from raggesture.retrieval.packing import AUDIO_STEP, CONTACT_STEP, EXPRESSION_STEP, ROTATION_STEP_RAD, TRANSLATION_STEP_M, unpack_track, unpack_vectors
from raggesture.retrieval.prosody import WordProminence, words_by_clip
from raggesture.retrieval.rows import ClipRow
from raggesture.retrieval.store import MANIFEST
from raggesture.retrieval.words import clean_word as clean_word
from raggesture.types import Exemplar, Hit, Query

if TYPE_CHECKING:
    from raggesture.corpus.clip import Clip
    from raggesture.encoders.base import AudioEncoder, TextEncoder
    from raggesture.retrieval.build import Progress
    from raggesture.retrieval.rank import Weights
    from raggesture.retrieval.summary import IndexInfo

_ROWS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class ClipWindow:
    """What lies around an exemplar: motion with ``context`` frames on either side, conditions without.

    ``rotations`` (F + 2c, 55, 3) rad, ``translation`` (F + 2c, 3) m, ``expression`` (F + 2c, 100), ``contacts`` (F + 2c, 4);
    ``text`` (F, Ct) frame-aligned word vectors, ``audio`` (F, Ca). Outside the clip the first or last frame
    of the motion is repeated; text and audio are zero there (a pause), as in training. Both are empty, (0, C), where
    the index keeps none because the encoders read windows (``retrieval.clip_conditions`` hears them). All float32.
    """

    rotations: NDArray[np.float32]
    translation: NDArray[np.float32]
    expression: NDArray[np.float32]
    contacts: NDArray[np.float32]
    text: NDArray[np.float32]
    audio: NDArray[np.float32]
    speaker: str


class Index:
    """An opened index. Make one with ``Index.build``, open it with ``Index.open``; it is never changed in place."""

    def __init__(self, path: Path, opened: Opened, text_encoder: TextEncoder | None = None) -> None:
        self.path = path
        self.manifest = opened.manifest
        self.events = opened.events
        self.exemplars: Sequence[Exemplar] = Exemplars(opened.events)
        self.vocabulary: tuple[str, ...] = opened.rows.words()
        self.columns = columns_of(opened.events, self.vocabulary)
        self.allowed: NDArray[np.bool_] = np.ones(len(opened.events), bool)
        self._opened = opened
        self._place = {name: k for k, name in enumerate(opened.events.clips)}
        self._clips: dict[str, ClipRow] = {}
        self._vectors: NDArray[np.float32] = opened.vectors.get("words").astype(np.float32)
        self._encoder = text_encoder
        self._asked: dict[str, NDArray[np.float32]] = {word: self._vectors[k] for k, word in enumerate(self.vocabulary)}
        self._word_place = {word: k for k, word in enumerate(self.vocabulary)}
        self._hnsw: Any = None

    @classmethod
    def build(
        cls,
        clips: Iterable[Clip],
        out_dir: Path,
        *,
        text_encoder: TextEncoder,
        audio_encoder: AudioEncoder,
        progress: Progress | None = None,
        licence: str = "",
        force: bool = False,
        grid: str = "stroke",
    ) -> Index:
        """Build an index of ``clips`` in ``out_dir`` and open it; see ``raggesture.retrieval.build``."""
        from raggesture.retrieval.build import build_index

        build_index(clips, out_dir, text_encoder=text_encoder, audio_encoder=audio_encoder, progress=progress, licence=licence, force=force, grid=grid)
        return cls.open(out_dir, text_encoder=text_encoder)

    @classmethod
    def open(cls, folder: Path, *, text_encoder: TextEncoder | None = None) -> Index:
        """Open the index in ``folder``; ``text_encoder`` (default: the one that built it, loaded when a new word is asked for).

        Raises:
            ModelError: no index there, or a file is missing, truncated, altered or of another schema.
        """
        return cls(folder, open_files(folder), text_encoder)

    def excluding(self, clips: Collection[str]) -> Index:
        """The same index in which no exemplar of ``clips`` is found (a clip never retrieves itself). Shares all data."""
        unwanted = [self._place[name] for name in clips if name in self._place]
        return self.only(~np.isin(self.events.clip, unwanted))

    def only(self, wanted: NDArray[np.bool_]) -> Index:
        """The same index in which only the exemplars of a mask (N,) are found. Shares all data."""
        view: Index = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view.allowed = self.allowed & wanted
        return view

    def narrowed(self, query: Query, weights: Weights, limit: int, exclude: Collection[str] = ()) -> Index:
        """An index that holds at least the ``limit`` best exemplars for ``query``: this one, unless a server can leave out what cannot be among them."""
        return self

    def use_encoder(self, encoder: TextEncoder) -> None:
        """Encode new words with ``encoder``, which is loaded already, instead of loading the one that built the index."""
        self._encoder = encoder

    @property
    def identity(self) -> tuple[str, str]:
        """Name, and what tells this state of the index from another: the sha256 of its manifest."""
        return self.path.name, sha256_of(self.path / MANIFEST)

    # words ------------------------------------------------------------------------------------------------------------

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(N, D) unit vectors of the exemplars' words."""
        return self._vectors[self.columns.word_number]

    @property
    def word_table(self) -> NDArray[np.float32]:
        """(V, D) unit vectors of the vocabulary, zeros for an empty word."""
        return self._vectors

    @property
    def sentence_vectors(self) -> NDArray[np.float16]:
        """(S, D) unit vectors of the sentences that hold the events, memory-mapped; ``events.sentence`` says which belongs to an event."""
        vectors: NDArray[np.float16] = self._opened.vectors.get("sentences")
        return vectors

    def sentence_similarities(self, text: str) -> NDArray[np.float32]:
        """(S,) cosine between a text and each sentence, a batch at a time."""
        encoder = self._text_encoder()
        vector = np.asarray(encoder.sentences([text]), np.float32)[0]
        stored = self.sentence_vectors
        found = np.zeros(len(stored), np.float32)
        for first in range(0, len(stored), _ROWS_AT_ONCE):
            found[first : first + _ROWS_AT_ONCE] = stored[first : first + _ROWS_AT_ONCE].astype(np.float32) @ vector
        return found

    def sentence(self, row: int) -> str:
        """The sentence that an event is part of, "" where it has none."""
        number = int(self.events.sentence[row])
        words = self._opened.rows.all(
            "SELECT w.text || rtrim(w.after) FROM sentences s JOIN words w ON w.clip = s.clip AND w.position >= s.first AND w.position < s.stop "
            "WHERE s.number = ? ORDER BY w.position",
            number,
        )
        return " ".join(text for (text,) in words)

    def _text_encoder(self) -> TextEncoder:
        """The encoder, loaded at the first use."""
        if self._encoder is None:
            from raggesture.encoders.registry import text_encoder

            self._encoder = text_encoder(self.manifest.text_encoder)
        if self._encoder.dim != self.manifest.text_dim:
            raise ModelError(
                f"{self.path}: holds {self.manifest.text_dim} numbers a word ({self.manifest.text_encoder}); expected {self._encoder.dim} "
                f"({self._encoder.name}) - build the index again with the encoder of the model"
            )
        return self._encoder

    def learn_words(self, words: Iterable[str]) -> None:
        """Encode words that the index does not hold, all at once; ``word_vector`` then has them at hand.

        Raises:
            ModelError: the encoder is not installed, or is not the one that built the index.
        """
        unknown = sorted({key for word in words if (key := clean_word(word)) and key not in self._asked})
        if not unknown:
            return
        self._asked.update(zip(unknown, np.asarray(self._text_encoder().sentences(unknown), np.float32), strict=True))

    def word_vector(self, word: str) -> NDArray[np.float32]:
        """(D,) unit vector of a word, zeros for an empty one; the encoder is loaded only for a word that the index does not hold."""
        key = clean_word(word)
        if not key:
            return np.zeros(self.manifest.text_dim, np.float32)
        self.learn_words([key])
        return self._asked[key]

    def nearest_words(self, vector: NDArray[np.float32], k: int = 10) -> tuple[tuple[str, float], ...]:
        """The ``k`` words of the vocabulary nearest to ``vector`` (D,) with their cosine, nearest first, by hnswlib."""
        numbers, cosines = self._nearest(vector, k)
        return tuple((self.vocabulary[number], float(cosine)) for number, cosine in zip(numbers, cosines, strict=True))

    def word_graph(self) -> Any:
        """Graph of the vocabulary (hnswlib): the one on disk, or with few words one made at the first use."""
        if self._hnsw is None:
            from raggesture.retrieval.graph import make_graph

            stored = self._opened.graph
            self._hnsw = make_graph(self._vectors) if stored is None else stored.get(self._vectors)
        return self._hnsw

    def _nearest(self, vector: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        k = min(k, len(self.vocabulary))
        if k <= 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        graph = self.word_graph()
        graph.set_ef(max(2 * k, 128))
        numbers, distances = graph.knn_query(vector[None], k=k, num_threads=1)
        return numbers[0].astype(np.int64), (1 - distances[0]).astype(np.float32)

    def vocabulary_similarities(self, word: str) -> NDArray[np.float32]:
        """(V,) cosine in [0, 1] between ``word`` and each word of the vocabulary, one by one; zeros for an empty word."""
        cosines: NDArray[np.float32] = np.clip(self._vectors @ self.word_vector(word), 0.0, 1.0)
        return cosines

    def word_number(self, word: str) -> int:
        """Place of a cleaned word in the vocabulary, -1 where it is not there or empty."""
        return self._word_place.get(word, -1) if word else -1

    def search(self, query: Query, *, limit: int = 10) -> tuple[Hit, ...]:
        """Hits for ``query``, best first, by ``raggesture.retrieval.rank.by_terms`` with its default weights."""
        from raggesture.retrieval.rank import by_terms

        return by_terms(query, self, limit=limit)

    # clips ------------------------------------------------------------------------------------------------------------

    @property
    def clip_frames(self) -> dict[str, int]:
        """Model frames of every clip."""
        return dict(zip(self.events.clips, self.events.clip_frames.tolist(), strict=True))

    def clip(self, name: str) -> ClipRow:
        """A clip's row with its transcript.

        Raises:
            ModelError: the index holds no such clip.
        """
        if name not in self._clips:
            found = self._opened.rows.clip(name) if name in self._place else None
            if found is None:
                raise ModelError(f"{self.path}: no clip {name!r}; expected one of its {len(self._place)} clips - use the index that was searched")
            self._clips[name] = found
        return self._clips[name]

    def word_prominence(self) -> WordProminence:
        """Every word of every clip with its prominence, read from the rows at each call: keep what you make of it."""
        place = {number: k for k, number in enumerate(self.events.clip_number.tolist())}
        return words_by_clip((place[number], start, end, height) for number, start, end, height in self._opened.rows.spoken(_ROWS_AT_ONCE))

    def stored_exemplars(self) -> Iterator[Exemplar]:
        """The exemplars as the rows in SQLite have them, to be held against the columns."""
        statement = (
            "SELECT c.name, c.speaker, e.word, e.kind, e.start, e.end, e.stroke, e.gesture, e.prominence, e.row, e.hand, e.derived "
            "FROM exemplars e JOIN clips c ON c.number = e.clip WHERE e.row >= ? AND e.row < ? ORDER BY e.row"
        )
        for first in range(0, self.manifest.exemplars, _ROWS_AT_ONCE):
            for *facts, hand, derived in self._opened.rows.all(statement, first, first + _ROWS_AT_ONCE):
                yield replace(Exemplar(*facts), hand=HANDS[hand], derived=names_of(derived))

    def clips_of_voice(self, voice: str) -> tuple[str, ...]:
        """Names of the clips with the same recording, told by its samples (see ``product.voice_of``), not by its name."""
        return tuple(name for (name,) in self._opened.rows.all("SELECT name FROM clips WHERE voice = ? AND voice <> '' ORDER BY number", voice))

    def array(self, clip: ClipRow, name: str) -> NDArray[Any]:
        """One of the arrays of a clip (see ``product.TRACKS``), as it is stored."""
        segment = self._opened.segments.get(clip.segment)
        if segment is None:
            raise ModelError(f"{self.path}: clip {clip.name!r} lies in segment {clip.segment}, which is not there; expected it - build the index again")
        return segment.get(f"{clip.number:06d}.{name}")

    def _track(self, clip: ClipRow, name: str, columns: int, step: float) -> NDArray[np.float32]:
        try:
            return unpack_track(self.array(clip, name), clip.frames, columns, step)
        except ModelError as fault:
            raise ModelError(f"{self._opened.segments[clip.segment].path}: {name} of clip {clip.name!r}: {fault}") from fault

    def word_features(self, clip: ClipRow) -> NDArray[np.float32]:
        """(words, Ct) vectors of a clip's words, held against their checksum."""
        packed, scale = self.array(clip, "text"), self.array(clip, "text_scale")
        if checksum_of(packed, scale) != clip.checksum:
            path = self._opened.segments[clip.segment].path
            raise ModelError(f"{path}: word vectors of clip {clip.name!r} are not those that were written; expected a whole file - copy it again")
        return unpack_vectors(packed, scale)

    def _conditions(self, row: ClipRow, inner: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Text (F, Ct) and audio (F, Ca) at frames of a clip, zeros outside it; (0, Ct), (0, Ca) where an encoder hears windows and none is stored."""
        from raggesture.encoders.base import frame_aligned

        at, inside = inner.clip(0, row.frames - 1), ((inner >= 0) & (inner < row.frames)).astype(np.float32)[:, None]
        text, audio = np.zeros((0, self.manifest.text_dim), np.float32), np.zeros((0, self.manifest.audio_dim), np.float32)
        vectors = self.word_features(row)
        if len(vectors) == len(row.transcript.words):
            text = np.asarray(frame_aligned(vectors, row.transcript, row.frames)[at] * inside, np.float32)
        if self.array(row, "audio").size:
            audio = self._track(row, "audio", self.manifest.audio_dim, AUDIO_STEP)[at] * inside
        return text, audio

    def clip_window(self, clip: str, start_frame: int, frames: int = WINDOW_FRAMES, context: int = 7) -> ClipWindow:
        """Cut ``frames`` model frames of a clip from ``start_frame`` (may be negative), with ``context`` frames more motion on each side."""
        row = self.clip(clip)
        at = np.arange(start_frame - context, start_frame + frames + context).clip(0, row.frames - 1)
        inner = np.arange(start_frame, start_frame + frames)
        rotations = self._track(row, "rotations", 3 * N_JOINTS, ROTATION_STEP_RAD)[at].reshape(-1, N_JOINTS, 3)
        kept = self.array(row, "expression_columns").astype(np.int64)
        expression = np.zeros((len(at), N_EXPRESSIONS), np.float32)
        expression[:, kept] = self._track(row, "expression", len(kept), EXPRESSION_STEP)[at]
        text, audio = self._conditions(row, inner)
        return ClipWindow(
            rotations=rotations,
            translation=self._track(row, "translation", 3, TRANSLATION_STEP_M)[at],
            expression=expression,
            contacts=self._track(row, "contacts", N_CONTACTS, CONTACT_STEP)[at],
            text=text,
            audio=audio,
            speaker=row.speaker,
        )

    def info(self) -> IndexInfo:
        """Counts and size."""
        from raggesture.retrieval.summary import summary_of

        return summary_of(self)
