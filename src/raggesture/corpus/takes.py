"""Read a plain folder of takes: ``take.npz`` or ``take.bvh`` beside ``take.wav``, and a transcript and ``take.gestures.toml`` if there are any.

Takes may lie in sub-folders, one a speaker; else the speaker is told from the name as in BEAT2 (``2_scott_0_1_1``), or the take is
its own speaker. Without a transcript the words are recognised (faster-whisper) and aligned; without labels the labeller finds them. Seconds from the
start of the take; motion comes out at 15 fps. A BVH is carried over to SMPL-X (``retarget``); where both kinds of motion lie there, the npz is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from raggesture.body.joints import JOINTS_OF_PART
from raggesture.corpus.beat2 import speaker_of
from raggesture.corpus.body_file import read_body, to_model_rate
from raggesture.corpus.clip import Clip
from raggesture.corpus.faults import STRICT, Sieve
from raggesture.corpus.take_labels import SUFFIX as LABELS_SUFFIX
from raggesture.corpus.take_labels import read_take_labels
from raggesture.errors import InputError
from raggesture.motion import Motion
from raggesture.speech.load import load_speech
from raggesture.speech.transcript import find_sidecar

_STILL_RAD = 1e-4
MOTION_SUFFIXES = (".npz", ".bvh")
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".opus", ".aac")


@dataclass(frozen=True, slots=True)
class TakeFiles:
    """Where the pieces of a take lie; None for one that is not there. ``name`` is the stem they share.

    ``skeleton``: the table of joints that a BVH is read with, "" for the one that fits.
    """

    name: str
    speaker: str
    motion: Path | None
    audio: Path | None
    skeleton: str = ""

    @property
    def transcript(self) -> Path | None:
        """The written words beside the recording."""
        return None if self.audio is None else find_sidecar(self.audio)

    @property
    def labels(self) -> Path | None:
        """What its maker says of its gestures."""
        beside = self.audio or self.motion
        path = None if beside is None else beside.with_name(f"{self.name}{LABELS_SUFFIX}")
        return path if path is not None and path.is_file() else None

    @property
    def files(self) -> tuple[Path, ...]:
        """All that the take is read from."""
        table = Path(self.skeleton) if self.skeleton and Path(self.skeleton).is_file() else None
        return tuple(path for path in (self.motion, self.audio, self.transcript, self.labels, table) if path is not None)


def find_takes(root: Path, skeleton: str = "") -> tuple[TakeFiles, ...]:
    """The takes of a folder and its sub-folders (one level), in order of their paths; also those that lack motion or audio.

    Args:
        skeleton: a table of joints for BVH (``retarget.names``), "" for the one that fits.

    Raises:
        InputError: no such folder, or nothing in it that could be a take.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; expected a corpus in BEAT2's layout or a folder of takes - check the path")
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))]
    takes = []
    for folder in folders:
        files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
        motions = {path.stem: path for suffix in reversed(MOTION_SUFFIXES) for path in files if path.suffix.lower() == suffix}
        voices = {path.stem: path for path in reversed(files) if path.suffix.lower() in AUDIO_SUFFIXES}
        for stem in sorted(motions.keys() | voices.keys()):
            speaker = speaker_of(stem) if folder == root else folder.name
            takes.append(TakeFiles(stem, speaker, motions.get(stem), voices.get(stem), skeleton))
    if not takes:
        raise InputError(f"{root}: no motion and no recording; expected BEAT2's layout (smplxflame_30) or a folder of takes - check the path")
    return tuple(takes)


def read_take(take: TakeFiles, sieve: Sieve = STRICT) -> Clip:
    """Read one take. Relations and prominence are named in ``Clip.derived``, and ``labels``, ``words``, ``hands`` where nobody gave them.

    Args:
        sieve: takes gestures of ``take.gestures.toml`` that cannot be used.

    Raises:
        InputError: motion or audio is missing, malformed, or the transcript does not fit; the message names the file.
    """
    if take.motion is None:
        raise InputError(f"{take.audio}: audio without motion; expected {take.name}.npz or {take.name}.bvh beside it - add it or take the recording away")
    if take.audio is None:
        raise InputError(f"{take.motion}: motion without audio; expected {take.name}.wav beside it - add the recording")
    motion, relaxed = _read_motion(take.motion, take.skeleton)
    speech = load_speech(take.audio, speaker=take.speaker)
    labels = None if take.labels is None else read_take_labels(take.labels, speech.transcript, motion.duration_s, sieve.of(take.name))
    lacking = {"labels": labels is None, "words": take.transcript is None, "hands": relaxed}
    derived = ("relations", "prominence", *(name for name, lacks in lacking.items() if lacks))
    return Clip(take.name, take.speaker, motion, speech.transcript, labels=labels or (), wave_path=take.audio, derived=derived)


def _read_motion(path: Path, skeleton: str) -> tuple[Motion, bool]:
    """Motion at 15 fps, and whether its hands are not the file's own: relaxed for want of fingers, or posed and never moved (which a BVH may mean)."""
    if path.suffix.lower() != ".bvh":
        return read_body(path).motion, False
    from raggesture.retarget.carry import read_bvh_motion

    carried = read_bvh_motion(path, skeleton)
    fingers = carried.motion.rotations[:, JOINTS_OF_PART["hands"]]
    return to_model_rate(carried.motion), bool(carried.relaxed) or bool(np.ptp(fingers, axis=0).max() < _STILL_RAD)
