"""The conditions that an exemplar was recorded under, as its model's encoders hear them.

Tracks of a whole clip lie in the index. What an encoder makes of one window at a time cannot: it is made when it is asked
for, of the words that the index holds and of the recording that it names.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raggesture.encoders.conditioning import OUR_RULES, ConditionEncoder, SpeechConditions, WindowConditions
from raggesture.errors import InputError, ModelError
from raggesture.retrieval.index import Index


class ClipConditions:
    """The clips of ``index`` heard by ``encoder``; a clip's recording is read once."""

    def __init__(self, index: Index, encoder: ConditionEncoder) -> None:
        self.index = index
        self.encoder = encoder
        self._heard: dict[str, SpeechConditions] = {}

    def window(self, clip: str, start_frame: int, stored: WindowConditions) -> WindowConditions:
        """Conditions of a window of ``clip``; ``stored`` are the index's own (empty where it keeps none), kept where they are
        what the encoder would give.

        Raises:
            ModelError: the window has to be heard and the recording is gone.
        """
        rules = self.encoder.rules
        text, audio = stored.text, stored.audio
        if self.encoder.reads_windows or rules.frame_alignment != OUR_RULES.frame_alignment or not len(text):
            text = self._of(clip).text(start_frame)
        if self.encoder.audio.per_window or not len(audio):
            audio = self._of(clip).audio(start_frame)
        return WindowConditions(text, audio)

    def _of(self, clip: str) -> SpeechConditions:
        if clip not in self._heard:
            row = self.index.clip(clip)
            self._heard[clip] = self.encoder.speech(row.transcript, row.frames, lambda: self._voice(clip))
        return self._heard[clip]

    def _voice(self, clip: str) -> NDArray[np.float32] | None:
        from raggesture.speech.audio import load_audio

        wave = self.index.clip(clip).wave
        if not wave:
            return None
        what = f"{self.index.path}: the recording of clip {clip!r}"
        remedy = f"{self.encoder.audio.name} hears a window at a time, so an index holds no voices; put it back, or build the index again where the corpus is"
        if not Path(wave).is_file():
            raise ModelError(f"{what} is gone; expected {wave} - {remedy}")
        try:
            return load_audio(Path(wave))
        except InputError as fault:
            raise ModelError(f"{what} cannot be used ({fault}) - {remedy}") from fault
