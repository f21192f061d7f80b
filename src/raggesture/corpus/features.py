"""What models and indexes read of a clip, computed once: body features, words' vectors with their frames, voice features.

Conventions: model frames at 15 fps; F frames, n words, W windows on a grid of ``stride_frames``. Words are kept once, with the word that each
frame hears (-1: none), not once a frame: that is a sixth of the size and gives an index the words themselves.
Source: METHOD part I (a) "Windows", "Audio features", "Words and BERT".
Differs from the released code: what encoders of a whole speech give is kept once a clip, not once a window (30 times as much at a stride of five frames);
features of windows are kept in half precision.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raggesture.body.features import features_of
from raggesture.clock import WINDOW_FRAMES
from raggesture.corpus.clip import Clip
from raggesture.encoders.conditioning import ConditionEncoder, SpeechConditions, window_transcript
from raggesture.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

PUBLISHED_STRIDE_FRAMES = 5
"""Between the starts of training windows. Source: METHOD part I (a) "Windows"."""
_WHOLE, _HALF = np.dtype(np.float32), np.dtype(np.float16)


@dataclass(frozen=True, slots=True, eq=False)
class ClipFeatures:
    """Features of one clip.

    ``upper`` (F, 78), ``hands`` (F, 180) and ``face`` (F, 106) float16; ``lower`` (F, 61) float32, translation absolute, its last four columns the contacts.
    ``words`` (M, Ct): float32, M = n words of the clip in their order; of a text encoder that reads windows float16, the words of one window after another.
    ``word_of_frame`` int32: (F,) row of ``words`` or -1; (W, 150) where windows are read by themselves.
    ``audio`` (F, Ca) float32; (W, Na, Ca) float16 of an audio encoder that hears windows.
    """

    upper: NDArray[np.float16]
    hands: NDArray[np.float16]
    face: NDArray[np.float16]
    lower: NDArray[np.float32]
    words: NDArray[np.floating]
    word_of_frame: NDArray[np.int32]
    audio: NDArray[np.floating]

    def __post_init__(self) -> None:
        frames = {array.shape[0] for array in (self.upper, self.hands, self.face, self.lower)}
        tracks = {array.shape[0] for array, whole in ((self.word_of_frame, 1), (self.audio, 2)) if array.ndim == whole}
        windows = {array.shape[0] for array, whole in ((self.word_of_frame, 1), (self.audio, 2)) if array.ndim > whole}
        last = int(self.word_of_frame.max(initial=-1))
        if len(frames) != 1 or not tracks <= frames or len(windows) > 1 or last >= self.words.shape[0]:
            shapes = ", ".join(f"{each.name} {getattr(self, each.name).shape}" for each in fields(self))
            raise InputError(f"features of a clip: {shapes}; expected one number of frames, and of windows - compute them again")

    @property
    def frames(self) -> int:
        """F."""
        return int(self.upper.shape[0])

    @property
    def contacts(self) -> NDArray[np.float32]:
        """(F, 4) of 0 and 1: which ankles and feet stand."""
        return self.lower[:, -4:]

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """All arrays by name, as they are written."""
        return {each.name: np.ascontiguousarray(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> ClipFeatures:
        """The counterpart of ``arrays``. Raises KeyError if one is missing."""
        found: list[Any] = [arrays[each.name] for each in fields(cls)]
        return cls(*found)


def window_starts(frames: int, stride_frames: int) -> tuple[int, ...]:
    """First frames of the windows of a clip on the grid: all that lie inside it, and at least the one from 0 (its end is silence)."""
    return tuple(range(0, max(frames - WINDOW_FRAMES, 0) + 1, stride_frames))


def encode_clip(
    clip: Clip, encoder: ConditionEncoder, *, stride_frames: int = PUBLISHED_STRIDE_FRAMES, contacts: NDArray[np.float32] | None = None
) -> ClipFeatures:
    """Compute the features of a clip.

    Args:
        clip: at 15 fps. encoder: of words and voice. stride_frames: grid of the windows, where an encoder works on windows. contacts: see ``features_of``.

    Raises:
        InputError: the clip's recording cannot be read, or its motion is at another rate.
    """
    body = features_of(clip.motion, contacts)
    speech = encoder.speech(clip.transcript, body.frames, lambda: _voice(clip))
    starts = window_starts(body.frames, stride_frames)
    words, owner = _read_windows(speech, starts) if encoder.reads_windows else _read_whole(speech)
    if encoder.audio.per_window:
        audio: NDArray[np.floating] = speech.audios(starts).astype(_HALF)
    else:
        audio = speech.audio(0, body.frames).astype(_WHOLE)
    parts = {part: tensor[0].numpy() for part, tensor in body}
    half = {part: parts[part].astype(np.float16) for part in ("upper", "hands", "face")}
    return ClipFeatures(half["upper"], half["hands"], half["face"], parts["lower"].astype(np.float32), words, owner, audio)


def _voice(clip: Clip) -> NDArray[np.float32] | None:
    from raggesture.speech.audio import load_audio

    return None if clip.wave_path is None else load_audio(clip.wave_path)


def _numbered(encoder: ConditionEncoder, speech: SpeechConditions, frames: int) -> NDArray[np.int32]:
    """(frames,) index of the word that each frame hears, -1 for none, by the encoder's rule."""
    numbers = np.arange(1, len(speech.transcript.words) + 1, dtype=np.float32)[:, None]
    return encoder.aligned(numbers, speech.transcript, frames)[:, 0].astype(np.int32) - 1


def _read_whole(speech: SpeechConditions) -> tuple[NDArray[np.floating], NDArray[np.int32]]:
    encoder, words = speech.encoder, speech.transcript.words
    vectors = encoder.text.words(speech.transcript) if words else np.zeros((0, encoder.text.dim), np.float32)
    return vectors.astype(_WHOLE), _numbered(encoder, speech, speech.frames)


def _read_windows(speech: SpeechConditions, starts: tuple[int, ...]) -> tuple[NDArray[np.floating], NDArray[np.int32]]:
    encoder = speech.encoder
    vectors: list[NDArray[np.float32]] = [np.zeros((0, encoder.text.dim), np.float32)]
    owners: list[NDArray[np.int32]] = []
    rows = 0
    for start in starts:
        heard = window_transcript(speech.transcript, start, WINDOW_FRAMES, encoder.rules.border_words)
        owner = _numbered(encoder, encoder.speech(heard, WINDOW_FRAMES, lambda: None), WINDOW_FRAMES)
        owners.append(np.where(owner < 0, owner, owner + rows).astype(np.int32))
        if heard.words:
            vectors.append(encoder.text.words(heard))
        rows += len(heard.words)
    return np.concatenate(vectors).astype(_HALF), np.stack(owners)
