"""The embedded index: exemplars to search, and the motion and conditions around each of them.

Conventions: seconds from the start of a clip, model frames at 15 fps. Nothing large is read before it is asked for: rows and
word vectors on opening, the tracks of a clip when a window of it is cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raggesture.body.joints import N_CONTACTS, N_EXPRESSIONS, N_JOINTS
from raggesture.clock import WINDOW_FRAMES, seconds_of_frame
from raggesture.errors import ModelError
from raggesture.retrieval.packing import AUDIO_STEP, CONTACT_STEP, EXPRESSION_STEP, ROTATION_STEP_RAD, TRANSLATION_STEP_M, unpack_track, unpack_vectors
from raggesture.retrieval.store import CONDITIONS, FILES, MANIFEST, MOTION, ROWS, ClipRow, IndexManifest, Rows, read_manifest, read_rows
from raggesture.types import Exemplar, Hit, Query

if TYPE_CHECKING:
    from raggesture.corpus.clip import Clip
    from raggesture.encoders.base import AudioEncoder, TextEncoder
    from raggesture.retrieval.build import Progress

EXACT_WORDS = 4096
"""Up to so many distinct words are compared one by one; beyond, only the nearest that hnswlib finds."""
NEAREST_WORDS = 512
_HNSW_SEED = 20260101


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The exemplars as arrays (N,), for vectorised ranking. ``prominence`` is NaN where unknown.

    ``word`` is lower-cased; ``word_number`` its place in the index's vocabulary.
    """

    kind: NDArray[np.str_]
    word: NDArray[np.str_]
    gesture: NDArray[np.str_]
    speaker: NDArray[np.str_]
    clip: NDArray[np.str_]
    prominence: NDArray[np.float64]
    word_number: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ClipWindow:
    """What lies around an exemplar: motion with ``context`` frames on either side, conditions without.

    ``rotations`` (F + 2c, 55, 3) rad, ``translation`` (F + 2c, 3) m, ``expression`` (F + 2c, 100), ``contacts`` (F + 2c, 4);
    ``text`` (F, Ct) frame-aligned word vectors, ``audio`` (F, Ca). Outside the clip the first or last frame
    of the motion is repeated; text and audio are zero there (a pause), as in training. All float32.
    """

    rotations: NDArray[np.float32]
    translation: NDArray[np.float32]
    expression: NDArray[np.float32]
    contacts: NDArray[np.float32]
    text: NDArray[np.float32]
    audio: NDArray[np.float32]
    speaker: str


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What ``raggesture index info`` shows. Counts per kind and gesture are in falling order."""

    path: str
    manifest: IndexManifest
    duration_s: float
    size_bytes: int
    kinds: tuple[tuple[str, int], ...]
    gestures: tuple[tuple[str, int], ...]


def clean_word(text: str) -> str:
    """Lower-cased letters, digits, inner apostrophes, hyphens and single blanks of a word: what two words are compared by."""
    kept = "".join(c if c.isalnum() or c in "'-" else "'" if c == "’" else " " for c in text.casefold())
    return " ".join(part for piece in kept.split() if (part := piece.strip("'-")))


def _columns(rows: Rows) -> Columns:
    found = rows.exemplars
    return Columns(
        kind=np.array([e.kind for e in found], dtype=np.str_),
        word=np.array([clean_word(e.word) for e in found], dtype=np.str_),
        gesture=np.array([e.gesture for e in found], dtype=np.str_),
        speaker=np.array([e.speaker for e in found], dtype=np.str_),
        clip=np.array([e.clip for e in found], dtype=np.str_),
        prominence=np.array([np.nan if e.prominence is None else e.prominence for e in found], dtype=np.float64),
        word_number=np.array(rows.word_numbers, dtype=np.int64),
    )


class _Tensors:
    """A safetensors file whose tensors are read when asked for."""

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        self._path = path
        try:
            self._file: Any = safe_open(str(path), framework="np")
        except (SafetensorError, OSError) as fault:
            raise ModelError(f"{path}: cannot be read as safetensors ({fault}); expected a file of an index - build the index again") from fault
        self._names = frozenset(self._file.keys())  # type: ignore[no-untyped-call]

    def get(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise ModelError(f"{self._path}: no tensor {name!r}; expected what 'raggesture index build' writes - build the index again")
        tensor: NDArray[Any] = self._file.get_tensor(name)
        return tensor


class Index:
    """An opened index. Make one with ``Index.build``, open it with ``Index.open``; it is never changed in place."""

    def __init__(self, path: Path, manifest: IndexManifest, rows: Rows, text_encoder: TextEncoder | None = None) -> None:
        self.path = path
        self.manifest = manifest
        self.exemplars: tuple[Exemplar, ...] = rows.exemplars
        self.columns = _columns(rows)
        self.allowed: NDArray[np.bool_] = np.ones(len(rows.exemplars), bool)
        self._rows = rows
        self._clips = {clip.name: clip for clip in rows.clips}
        self._motion = _Tensors(path / MOTION)
        self._conditions = _Tensors(path / CONDITIONS)
        self._vectors: NDArray[np.float32] = self._conditions.get("vocabulary").astype(np.float32)
        self._encoder = text_encoder
        self._asked: dict[str, NDArray[np.float32]] = {word: self._vectors[k] for k, word in enumerate(rows.vocabulary)}
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
    ) -> Index:
        """Build an index of ``clips`` in ``out_dir`` and open it; see ``raggesture.retrieval.build``."""
        from raggesture.retrieval.build import build_index

        build_index(clips, out_dir, text_encoder=text_encoder, audio_encoder=audio_encoder, progress=progress, licence=licence, force=force)
        return cls.open(out_dir, text_encoder=text_encoder)

    @classmethod
    def open(cls, folder: Path, *, text_encoder: TextEncoder | None = None) -> Index:
        """Open the index in ``folder``; ``text_encoder`` (default: the one that built it, loaded when a new word is asked for).

        Raises:
            ModelError: no index there, or a file is missing, truncated, altered or of another schema.
        """
        manifest = read_manifest(folder)
        return cls(folder, manifest, read_rows(folder / ROWS), text_encoder)

    def excluding(self, clips: Collection[str]) -> Index:
        """The same index in which no exemplar of ``clips`` is found (a clip never retrieves itself). Shares all data."""
        view = object.__new__(Index)
        view.__dict__.update(self.__dict__)
        view.allowed = self.allowed & ~np.isin(self.columns.clip, list(clips))
        return view

    # words ------------------------------------------------------------------------------------------------------------

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The distinct words of the exemplars, cleaned."""
        return self._rows.vocabulary

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(N, D) unit vectors of the exemplars' words."""
        return self._vectors[self.columns.word_number]

    def learn_words(self, words: Iterable[str]) -> None:
        """Encode words that the index does not hold, all at once; ``word_vector`` then has them at hand.

        Raises:
            ModelError: the encoder is not installed, or is not the one that built the index.
        """
        unknown = sorted({key for word in words if (key := clean_word(word)) and key not in self._asked})
        if not unknown:
            return
        if self._encoder is None:
            from raggesture.encoders.registry import text_encoder

            self._encoder = text_encoder(self.manifest.text_encoder)
        if self._encoder.dim != self.manifest.text_dim:
            raise ModelError(
                f"{self.path}: holds {self.manifest.text_dim} numbers a word ({self.manifest.text_encoder}); expected {self._encoder.dim} "
                f"({self._encoder.name}) - build the index again with the encoder of the model"
            )
        self._asked.update(zip(unknown, np.asarray(self._encoder.sentences(unknown), np.float32), strict=True))

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

    def _nearest(self, vector: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        import hnswlib

        k = min(k, len(self.vocabulary))
        if k <= 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        if self._hnsw is None:
            graph = hnswlib.Index("cosine", self.manifest.text_dim)
            graph.init_index(len(self.vocabulary), M=16, ef_construction=100, random_seed=_HNSW_SEED)
            graph.add_items(self._vectors, num_threads=1)  # one thread: the same graph each time
            self._hnsw = graph
        self._hnsw.set_ef(max(2 * k, 64))
        numbers, distances = self._hnsw.knn_query(vector[None], k=k, num_threads=1)
        return numbers[0].astype(np.int64), (1 - distances[0]).astype(np.float32)

    def word_similarities(self, word: str) -> NDArray[np.float64]:
        """(N,) cosine in [0, 1] between ``word`` and each exemplar's word (beyond ``EXACT_WORDS``: 0 unless among the nearest)."""
        vector = self.word_vector(word)
        if len(self.vocabulary) <= EXACT_WORDS:
            of_words = (self._vectors @ vector).astype(np.float64)
        else:
            of_words = np.zeros(len(self.vocabulary))
            numbers, cosines = self._nearest(vector, NEAREST_WORDS)
            of_words[numbers] = cosines
        return np.clip(of_words, 0.0, 1.0)[self.columns.word_number]

    def search(self, query: Query, *, limit: int = 10) -> tuple[Hit, ...]:
        """Hits for ``query``, best first, by ``raggesture.retrieval.rank.by_terms`` with its default weights."""
        from raggesture.retrieval.rank import by_terms

        return by_terms(query, self, limit=limit)

    # clips ------------------------------------------------------------------------------------------------------------

    @property
    def clip_frames(self) -> dict[str, int]:
        """Model frames of every clip."""
        return {clip.name: clip.frames for clip in self._rows.clips}

    def clip(self, name: str) -> ClipRow:
        """A clip's row.

        Raises:
            ModelError: the index holds no such clip.
        """
        if name not in self._clips:
            raise ModelError(f"{self.path}: no clip {name!r}; expected one of its {len(self._clips)} clips - use the index that was searched")
        return self._clips[name]

    def _track(self, clip: ClipRow, name: str, columns: int, step: float) -> NDArray[np.float32]:
        return unpack_track(self._motion.get(f"{clip.number:06d}.{name}"), clip.frames, columns, step)

    def clip_window(self, clip: str, start_frame: int, frames: int = WINDOW_FRAMES, context: int = 7) -> ClipWindow:
        """Cut ``frames`` model frames of a clip from ``start_frame`` (may be negative), with ``context`` frames more motion on each side."""
        from raggesture.encoders.base import frame_aligned

        row = self.clip(clip)
        at = np.arange(start_frame - context, start_frame + frames + context).clip(0, row.frames - 1)
        inner = np.arange(start_frame, start_frame + frames)
        inside = (inner >= 0) & (inner < row.frames)
        rotations = self._track(row, "rotations", 3 * N_JOINTS, ROTATION_STEP_RAD)[at].reshape(-1, N_JOINTS, 3)
        kept = self._motion.get(f"{row.number:06d}.expression_columns").astype(np.int64)
        expression = np.zeros((len(at), N_EXPRESSIONS), np.float32)
        expression[:, kept] = self._track(row, "expression", len(kept), EXPRESSION_STEP)[at]
        key = f"{row.number:06d}"
        vectors = unpack_vectors(self._conditions.get(f"{key}.text"), self._conditions.get(f"{key}.text_scale"))
        text = np.zeros((0, self.manifest.text_dim), np.float32)
        if len(vectors) == len(row.transcript.words):
            text = np.asarray(frame_aligned(vectors, row.transcript, row.frames), np.float32)[inner.clip(0, row.frames - 1)] * inside[:, None]
        packed = self._conditions.get(f"{key}.audio")
        audio = np.zeros((0, self.manifest.audio_dim), np.float32)
        if packed.size > 8:
            audio = unpack_track(packed, row.frames, self.manifest.audio_dim, AUDIO_STEP)[inner.clip(0, row.frames - 1)] * inside[:, None]
        return ClipWindow(
            rotations=rotations,
            translation=self._track(row, "translation", 3, TRANSLATION_STEP_M)[at],
            expression=expression,
            contacts=self._track(row, "contacts", N_CONTACTS, CONTACT_STEP)[at],
            text=np.asarray(text, np.float32),
            audio=np.asarray(audio, np.float32),
            speaker=row.speaker,
        )

    def info(self) -> IndexInfo:
        """Counts and size."""
        return IndexInfo(
            path=str(self.path),
            manifest=self.manifest,
            duration_s=seconds_of_frame(self.manifest.frames),
            size_bytes=sum((self.path / name).stat().st_size for name in (MANIFEST, *FILES)),
            kinds=tuple(Counter(self.columns.kind.tolist()).most_common()),
            gestures=tuple(Counter(name for name in self.columns.gesture.tolist() if name).most_common()),
        )
