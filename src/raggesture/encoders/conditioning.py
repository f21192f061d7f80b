"""The conditions of a window of speech: its words on frames and its voice, encoded as the model was trained to hear them.

The one place where speech becomes conditions: of a speech to be generated for, of an exemplar in an index, of a window to train
on. Encoders of a whole speech are asked once and their tracks cut; encoders of one window are asked for each window.
Source: METHOD part I (a) "Words and BERT", "Audio features", (f); part III "window borders", "audio".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import WINDOW_FRAMES, sample_of_frame, seconds_of_frame
from raggesture.encoders.base import AudioEncoder, BatchedAudioEncoder, TextEncoder, frame_aligned, frame_aligned_released
from raggesture.errors import ModelError
from raggesture.speech.audio import resample_there_and_back
from raggesture.types import Transcript, Word
from raggesture.windows import cut_window

TextContext = Literal["encoder", "window", "speech"]
BorderWords = Literal["midpoint", "inside"]
FrameAlignment = Literal["covered", "released"]
Resampling = Literal["once", "double"]
Wave = NDArray[np.float32]
_AT_ONCE = 32
"""Windows cut before they are encoded: bounds the memory of a long recording, whose windows overlap."""


@dataclass(frozen=True, slots=True)
class ConditionRules:
    """How words and voice become conditions; each second choice is the published code's.

    ``text_context``: what a word's vector knows: ``window`` its window, ``speech`` all that was said, ``encoder`` what the encoder was made for.
    ``border_words``: a window's words are those whose ``midpoint`` it holds, or those that lie ``inside``. ``frame_alignment``: a word's
    frames are those it has ``covered`` (at least one), or those of the ``released`` rule. ``resampling``: ``double`` takes the voice from 16 kHz
    to 22.05 kHz and back first.
    """

    text_context: TextContext = "encoder"
    border_words: BorderWords = "midpoint"
    frame_alignment: FrameAlignment = "covered"
    resampling: Resampling = "once"

    @property
    def key(self) -> str:
        """The rules as one short text, for whoever keeps something that depends on them."""
        return "/".join(asdict(self).values())


OUR_RULES = ConditionRules()
RELEASED_RULES = ConditionRules("window", "inside", "released", "double")
"""As the published data set was made."""


def window_wave(wave: Wave, start_frame: int, frames: int = WINDOW_FRAMES) -> Wave:
    """Samples (floor(frames / 15 * 16000),) of a window from model frame ``start_frame`` on; silence outside the wave.

    Differs from the released code: the silence is of zeros (there, noise of 1e-6 in long form).
    """
    first = sample_of_frame(start_frame)
    out = np.zeros(sample_of_frame(frames), np.float32)
    begin, end = max(first, 0), min(first + len(out), len(wave))
    if end > begin:
        out[begin - first : end - first] = wave[begin:end]
    return out


def window_transcript(transcript: Transcript, start_frame: int, frames: int = WINDOW_FRAMES, border: BorderWords = "midpoint") -> Transcript:
    """A window's words, their times from its start.

    Args:
        border: ``midpoint``: every word whose middle the window holds, cut at its borders; ``inside``: only words that lie wholly inside.
    """
    begin, end = seconds_of_frame(start_frame), seconds_of_frame(start_frame + frames)
    words: list[Word] = []
    for word in transcript.words:
        if border == "inside":
            if word.start >= begin and word.end <= end:
                words.append(replace(word, start=word.start - begin, end=word.end - begin))
        elif begin <= (word.start + word.end) / 2 < end:
            words.append(replace(word, start=max(word.start - begin, 0.0), end=min(word.end, end) - begin))
    return Transcript(tuple(words), transcript.language, transcript.source)


@dataclass(frozen=True, slots=True, eq=False)
class WindowConditions:
    """``text`` (frames, Ct) word vectors on model frames, ``audio`` (Na, Ca) voice at the encoder's rate; float32."""

    text: NDArray[np.float32]
    audio: NDArray[np.float32]


@dataclass(frozen=True)
class SpeechConditions:
    """A speech from which the conditions of any window can be had; what is the same for all windows is computed once.

    ``voice`` gives the wave at 16 kHz, or None where there is none; it is called at most once, when the first window is asked for.
    """

    encoder: ConditionEncoder
    transcript: Transcript
    frames: int
    voice: Callable[[], Wave | None] = field(repr=False)

    def window(self, start_frame: int, frames: int = WINDOW_FRAMES) -> WindowConditions:
        """Conditions of ``frames`` model frames from ``start_frame`` (may be negative)."""
        return WindowConditions(self.text(start_frame, frames), self.audio(start_frame, frames))

    def text(self, start_frame: int, frames: int = WINDOW_FRAMES) -> NDArray[np.float32]:
        """(frames, Ct) word vectors, zeros where nobody speaks and outside the speech."""
        encoder = self.encoder
        if not encoder.reads_windows:
            return cut_window(self._text_track, start_frame, frames)
        heard = window_transcript(self.transcript, start_frame, frames, encoder.rules.border_words)
        return encoder.aligned(encoder.text.words(heard), heard, frames)

    def audio(self, start_frame: int, frames: int = WINDOW_FRAMES) -> NDArray[np.float32]:
        """(Na, Ca) voice features."""
        if not self.encoder.audio.per_window:
            return cut_window(self._audio_track, start_frame, frames)
        return self.encoder.audio.encode(window_wave(self._wave, start_frame, frames))

    def audios(self, starts: Sequence[int], frames: int = WINDOW_FRAMES) -> NDArray[np.float32]:
        """(W, Na, Ca) voice features of the windows from ``starts``, many at once where the encoder can."""
        audio = self.encoder.audio
        if audio.per_window and isinstance(audio, BatchedAudioEncoder) and starts:
            blocks = [starts[first : first + _AT_ONCE] for first in range(0, len(starts), _AT_ONCE)]
            return np.concatenate([audio.encode_batch(np.stack([window_wave(self._wave, start, frames) for start in block])) for block in blocks])
        return np.stack([self.audio(start, frames) for start in starts])

    @cached_property
    def _wave(self) -> Wave:
        wave = self.voice()
        if wave is None:
            return np.zeros(0, np.float32)
        return resample_there_and_back(wave) if self.encoder.rules.resampling == "double" else wave

    @cached_property
    def _text_track(self) -> NDArray[np.float32]:
        return self.encoder.aligned(self.encoder.text.words(self.transcript), self.transcript, self.frames)

    @cached_property
    def _audio_track(self) -> NDArray[np.float32]:
        """(F, Ca) at the length of the speech: the encoder's last frame is held where rounding leaves one out; zeros without a voice."""
        if not len(self._wave):
            return np.zeros((self.frames, self.encoder.audio.dim), np.float32)
        track = self.encoder.audio.encode(self._wave)
        return np.asarray(track[np.arange(self.frames).clip(0, len(track) - 1)], np.float32)


@dataclass(frozen=True)
class StitchedConditions:
    """The conditions of a long speech of which some neighbouring pieces are at hand.

    ``pieces``: first model frame of each in the speech, in order and without a gap between them.
    """

    encoder: ConditionEncoder
    pieces: tuple[tuple[int, SpeechConditions], ...]

    def window(self, start_frame: int, frames: int = WINDOW_FRAMES) -> WindowConditions:
        """Conditions of ``frames`` model frames; what lies outside the pieces is silence."""
        first, whole = self.pieces[0][0], self._whole
        encoder = self.encoder
        text = whole.text(start_frame - first, frames) if encoder.reads_windows else self._tracks(start_frame, frames, SpeechConditions.text)
        audio = whole.audio(start_frame - first, frames) if encoder.audio.per_window else self._tracks(start_frame, frames, SpeechConditions.audio)
        return WindowConditions(text, audio)

    def _tracks(self, start_frame: int, frames: int, of: Callable[[SpeechConditions, int, int], NDArray[np.float32]]) -> NDArray[np.float32]:
        """Each piece's track where the piece is."""
        tracks = [of(piece, start_frame - first, frames) for first, piece in self.pieces]
        return np.asarray(np.sum(tracks, axis=0), np.float32)

    @cached_property
    def _whole(self) -> SpeechConditions:
        """The pieces as one speech, for encoders that look at windows and not beyond."""
        origin = self.pieces[0][0]
        words = [
            replace(word, start=word.start + seconds_of_frame(first - origin), end=word.end + seconds_of_frame(first - origin))
            for first, piece in self.pieces
            for word in piece.transcript.words
        ]
        last, final = self.pieces[-1]
        return self.encoder.speech(Transcript(tuple(words)), last - origin + final.frames, self._voice)

    def _voice(self) -> Wave:
        return np.concatenate([np.zeros(0, np.float32) if (wave := piece.voice()) is None else wave for _, piece in self.pieces])


@dataclass(frozen=True, slots=True)
class ConditionEncoder:
    """A text and an audio encoder with the rules of their use."""

    text: TextEncoder
    audio: AudioEncoder
    rules: ConditionRules = OUR_RULES

    @property
    def reads_windows(self) -> bool:
        """Whether a window's words are encoded without the words around it."""
        return self.text.per_window if self.rules.text_context == "encoder" else self.rules.text_context == "window"

    def speech(self, transcript: Transcript, frames: int, voice: Callable[[], Wave | None]) -> SpeechConditions:
        """The conditions of a speech of ``frames`` model frames; nothing is encoded yet."""
        return SpeechConditions(self, transcript, frames, voice)

    def aligned(self, vectors: NDArray[np.float32], transcript: Transcript, frames: int) -> NDArray[np.float32]:
        """Words' vectors on frames by the rule that was chosen."""
        lay = frame_aligned if self.rules.frame_alignment == "covered" else frame_aligned_released
        return lay(vectors, transcript, frames)

    def check_widths(self, text_dim: int, audio_dim: int, model: str) -> None:
        """Raise ModelError unless the encoders' vectors are as wide as ``model`` expects."""
        for what, encoder, wanted in (("text", self.text, text_dim), ("audio", self.audio, audio_dim)):
            if encoder.dim != wanted:
                raise ModelError(
                    f"{model}: takes {what} vectors of {wanted} numbers, and its {what} encoder {encoder.name!r} gives {encoder.dim}; "
                    "expected the same - name the folder of the encoder that it was trained with under [encoders]"
                )
