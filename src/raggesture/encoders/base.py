"""What an encoder of speech is: the protocols, and words' vectors laid out on model frames.

Audio encoders give vectors at a rate of their own, text encoders one per word (and one per sentence). An encoder is either of a
whole speech (``per_window`` off: one track, cut into windows; an index stores it) or of one window at a time (``per_window``
on: the vectors know their window and nothing else, as those of the published model; an index encodes when asked).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import MODEL_FPS, frame_of_seconds
from raggesture.errors import InputError
from raggesture.types import Transcript


@runtime_checkable
class AudioEncoder(Protocol):
    """Voice to vectors.

    ``encode`` returns (F, dim) float32. Of a whole speech: at the model's 15 Hz, F = frames_of_seconds(duration, 15). Per window: at any
    rate, the same F for every window of one length (499 of 160 000 samples, wav2vec2).
    """

    @property
    def name(self) -> str:
        """Name in a model's manifest."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    @property
    def rate_hz(self) -> float:
        """Vectors per second."""
        ...

    @property
    def per_window(self) -> bool:
        """Whether a window has to be encoded by itself."""
        ...

    def encode(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """Encode a mono wave (N,) at 16 kHz to (F, dim)."""
        ...


@runtime_checkable
class BatchedAudioEncoder(Protocol):
    """An audio encoder that takes many windows of one length at once."""

    def encode_batch(self, waves: NDArray[np.float32]) -> NDArray[np.float32]:
        """Encode mono waves (B, N) at 16 kHz, each by itself, to (B, F, dim)."""
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """Words and sentences to vectors."""

    @property
    def name(self) -> str:
        """Name in a model's manifest."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    @property
    def per_window(self) -> bool:
        """Whether the text of a window has to be encoded by itself."""
        ...

    def words(self, transcript: Transcript) -> NDArray[np.float32]:
        """Encode every word in its context: (n_words, dim) float32."""
        ...

    def sentences(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts to unit-norm vectors: (n, dim) float32."""
        ...


def frame_aligned(vectors: NDArray[np.float32], transcript: Transcript, frames: int) -> NDArray[np.float32]:
    """Lay the words' vectors on ``frames`` model frames, zeros where nobody speaks.

    A word owns the frames whose centre it covers, and at least the frame that holds its middle. When two words claim one
    frame, the later one has it, unless that is the earlier word's only frame.

    Args:
        vectors: (n_words, dim). transcript: its words, in the same order. frames: number of frames at 15 Hz.

    Returns:
        (frames, dim) float32.

    Raises:
        InputError: the number of vectors and words differ.
    """
    _check_vectors(vectors, transcript)
    aligned = np.zeros((frames, vectors.shape[1]), dtype=np.float32)
    only = np.zeros(frames, dtype=bool)
    for vector, word in zip(vectors, transcript.words, strict=True):
        first = frame_of_seconds(word.start + 0.5 / MODEL_FPS)
        last = frame_of_seconds(word.end - 0.5 / MODEL_FPS)
        middle = frame_of_seconds((word.start + word.end) / 2)
        owned = [frame for frame in range(max(first, 0), min(last + 1, frames)) if not only[frame]]
        if not owned and 0 <= middle < frames:
            free = [frame for frame in (middle, middle + 1, middle - 1) if 0 <= frame < frames and not only[frame]]
            owned = free[:1] or [middle]
        for frame in owned:
            aligned[frame] = vector
        if len(owned) == 1:
            only[owned[0]] = True
    return aligned


def frame_aligned_released(vectors: NDArray[np.float32], transcript: Transcript, frames: int) -> NDArray[np.float32]:
    """The published rule: a word sets frames ``int(start * 15)`` to ``int(end * 15) - 1``; later words overwrite, a word within one frame gets none.

    Arguments, result and errors as ``frame_aligned``. Source: METHOD part I (a) "Words and BERT".
    """
    _check_vectors(vectors, transcript)
    aligned = np.zeros((frames, vectors.shape[1]), dtype=np.float32)
    for vector, word in zip(vectors, transcript.words, strict=True):
        aligned[int(word.start * MODEL_FPS) : int(word.end * MODEL_FPS)] = vector
    return aligned


def _check_vectors(vectors: NDArray[np.float32], transcript: Transcript) -> None:
    if vectors.ndim != 2 or vectors.shape[0] != len(transcript.words):
        raise InputError(f"word vectors: shape {vectors.shape}; expected ({len(transcript.words)}, dim), one per word - encode this transcript")
