"""From a file to a Speech: the whole road of listening. A transcript if there is one, else Whisper; exact word times."""

from __future__ import annotations

import logging
from pathlib import Path

from raggesture.clock import SAMPLE_RATE_HZ, seconds_of_samples
from raggesture.errors import InputError
from raggesture.speech.align import AlignmentError, refine
from raggesture.speech.audio import Samples, is_silent, load_audio
from raggesture.speech.fit import fit_text
from raggesture.speech.transcribe import transcribe
from raggesture.speech.transcript import CUE_SOURCE, find_sidecar, read_transcript
from raggesture.types import Speech, Transcript

_log = logging.getLogger("raggesture")


def load_speech(path: Path, transcript: Path | None = None, *, speaker: str = "") -> Speech:
    """Read a voice and find its words.

    Words come from ``transcript``, else from a file of the same stem beside the audio, else from Whisper. Word times
    are those of a TextGrid or JSON; for everything else they come from forced alignment. Silence is no error: a warning
    and no words.

    Args:
        path: an audio file (see ``audio.load_audio``). transcript: TextGrid, JSON, SRT or plain text. speaker: whose voice.

    Raises:
        InputError: the audio cannot be used, or the transcript cannot be read or does not fit the audio.
        ModelError: a transcriber or aligner is needed and not installed.
    """
    wave = load_audio(path)
    beside = find_sidecar(path) if transcript is None else transcript
    return Speech(path.stem, wave, _transcript_of(path, wave, beside), speaker)


def _transcript_of(path: Path, wave: Samples, written: Path | None) -> Transcript:
    duration_s = seconds_of_samples(wave.shape[0], SAMPLE_RATE_HZ)
    given = None if written is None else read_transcript(written, duration_s)
    if is_silent(wave):
        _log.warning("%s: silence, no speech in it; the motion will be idle", path)
        return Transcript((), source="silence")
    if given is None:
        heard = transcribe(wave)
        if not heard.words:
            _log.warning("%s: no words were understood in it; the motion follows the sound alone", path)
        return refine(wave, heard)
    if isinstance(given, Transcript):
        return refine(wave, given) if given.source == CUE_SOURCE else given
    try:
        return fit_text(wave, given)
    except AlignmentError as error:
        raise InputError(f"{written}: {error}") from error
