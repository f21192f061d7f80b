"""Read a plain folder of takes: ``take.npz`` beside ``take.wav``, and a transcript of the same stem if there is one.

Takes may lie in sub-folders, one a speaker; else the speaker is told from the name as in BEAT2 (``2_scott_0_1_1``), or the take is
its own speaker. Without a transcript the words are recognised (faster-whisper) and aligned. Seconds from the start of the
take; motion comes out at 15 fps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from raggesture.corpus.beat2 import speaker_of
from raggesture.corpus.body_file import read_body
from raggesture.corpus.clip import Clip
from raggesture.errors import InputError
from raggesture.speech.load import load_speech
from raggesture.speech.transcript import find_sidecar

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".opus", ".aac")


@dataclass(frozen=True, slots=True)
class TakeFiles:
    """Where the pieces of a take lie; None for one that is not there. ``name`` is the stem they share."""

    name: str
    speaker: str
    motion: Path | None
    audio: Path | None

    @property
    def transcript(self) -> Path | None:
        """The written words beside the recording."""
        return None if self.audio is None else find_sidecar(self.audio)


def find_takes(root: Path) -> tuple[TakeFiles, ...]:
    """The takes of a folder and its sub-folders (one level), in order of their paths; also those that lack motion or audio.

    Raises:
        InputError: no such folder, or nothing in it that could be a take.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; expected a corpus in BEAT2's layout or a folder of takes - check the path")
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))]
    takes = []
    for folder in folders:
        files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
        motions = {path.stem: path for path in files if path.suffix.lower() == ".npz"}
        voices = {path.stem: path for path in reversed(files) if path.suffix.lower() in AUDIO_SUFFIXES}
        for stem in sorted(motions.keys() | voices.keys()):
            speaker = speaker_of(stem) if folder == root else folder.name
            takes.append(TakeFiles(stem, speaker, motions.get(stem), voices.get(stem)))
    if not takes:
        raise InputError(f"{root}: no motion and no recording; expected BEAT2's layout (smplxflame_30) or a folder of takes - check the path")
    return tuple(takes)


def read_take(take: TakeFiles) -> Clip:
    """Read one take. Labels, relations and prominence are named in ``Clip.derived``, and ``words`` where they were recognised.

    Raises:
        InputError: motion or audio is missing, malformed, or the transcript does not fit; the message names the file.
    """
    if take.motion is None:
        raise InputError(f"{take.audio}: audio without motion; expected {take.name}.npz beside it - add it or take the recording away")
    if take.audio is None:
        raise InputError(f"{take.motion}: motion without audio; expected {take.name}.wav beside it - add the recording")
    motion = read_body(take.motion).motion
    speech = load_speech(take.audio, speaker=take.speaker)
    derived = ("relations", "labels", "prominence", *(() if take.transcript else ("words",)))
    return Clip(take.name, take.speaker, motion, speech.transcript, wave_path=take.audio, derived=derived)
