"""What a corpus does not say of a clip, found as it is for a query: the built-in labeller, the connectives, the prominence.

And what a clip must be for its gestures to be worth finding: a voice as long as its motion, words, hands that are alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raggesture.body.joints import JOINT_NAMES
from raggesture.clock import frame_of_seconds, seconds_of_samples
from raggesture.corpus.beat2 import complete
from raggesture.corpus.clip import Clip, GestureLabel
from raggesture.errors import InputError
from raggesture.retrieval.stroke import hand_speeds
from raggesture.types import Word

LENGTH_TOLERANCE_S = 1.0
"""Motion and recording of a take may differ by so much (trackers and recorders rarely stop together)."""
_BEFORE_S, _AFTER_S = 0.3, 0.2
"""Around a word, the stretch in which its gesture is looked for."""
_VISIBLE_M_S = 0.25
"""A word has a gesture when a wrist is at least this fast near it."""
_FINGERS = [k for k, name in enumerate(JOINT_NAMES) if any(part in name for part in ("index", "middle", "pinky", "ring", "thumb"))]
_STILL_RAD = 1e-4


def _audio_seconds(path: Path) -> float:
    """Length of a recording, from its header where it has one."""
    import soundfile

    try:
        return float(soundfile.info(str(path)).duration)
    except (soundfile.LibsndfileError, RuntimeError):
        from raggesture.speech.audio import load_audio

        return seconds_of_samples(len(load_audio(path)))


def check_clip(clip: Clip, motion_path: Path) -> None:
    """Raise InputError where a clip of a corpus cannot serve: no voice, another length, flat hands, no words, words beyond its end."""
    if clip.wave_path is None:
        raise InputError(f"{motion_path}: motion without audio; expected the clip's recording beside it (wave16k/{clip.name}.wav) - add it")
    spoken_s = _audio_seconds(clip.wave_path)
    if abs(spoken_s - clip.duration_s) > LENGTH_TOLERANCE_S:
        raise InputError(
            f"{clip.wave_path}: {spoken_s:.2f} s of audio for {clip.duration_s:.2f} s of motion; expected lengths within {LENGTH_TOLERANCE_S:g} s - "
            "cut both to the same take"
        )
    fingers = clip.motion.rotations[:, _FINGERS]
    if clip.motion.frames > 1 and "hands" not in clip.derived and float(np.abs(fingers - fingers[:1]).max()) < _STILL_RAD:
        raise InputError(f"{motion_path}: flat hands, no finger moves in {clip.duration_s:.1f} s; expected the motion of both hands - export them too")
    if not clip.transcript.words:
        raise InputError(f"{clip.wave_path}: no words in its transcript (or none were understood); expected speech - add a transcript with words")
    if (late := clip.transcript.words[-1]).start >= max(spoken_s, clip.duration_s) + LENGTH_TOLERANCE_S:
        raise InputError(f"{clip.wave_path}: word {late.text!r} starts at {late.start:.2f} s, after its end at {spoken_s:.2f} s; expected its own words")


def _label(word: Word, kind: str, speed: NDArray[np.float32], fps: float, duration_s: float) -> GestureLabel | None:
    """The gesture on a word, None where no hand moves near it."""
    start, end = max(word.start - _BEFORE_S, 0.0), min(word.end + _AFTER_S, duration_s)
    near = speed[frame_of_seconds(start, fps) : frame_of_seconds(end, fps) + 1]
    if end <= start or not near.size or float(near.max()) < _VISIBLE_M_S:
        return None
    return GestureLabel(word.text, kind, "", start, end)


def derived_labels(clip: Clip, prominence: Sequence[float]) -> tuple[GestureLabel, ...]:
    """Labels by the built-in labeller: words that want a gesture and have one, as far as the hands show. In time order.

    Raises:
        ModelError: the labeller's tagger is not installed.
    """
    from raggesture.retrieval.labels import label_words

    speed: NDArray[np.float32] = hand_speeds(clip.motion).max(axis=-1)
    words = clip.transcript.words
    wanted = sorted(label_words(clip.transcript, prominence), key=lambda label: label.position)
    found = (_label(words[each.position], each.kind, speed, clip.motion.fps, clip.duration_s) for each in wanted)
    return tuple(label for label in found if label is not None)


def derive(clip: Clip) -> Clip:
    """The clip with its missing relations, prominence and labels derived; ``Clip.derived`` keeps their names.

    Raises:
        InputError: the voice is needed but the clip has none. ModelError: the tagger is not installed.
    """
    whole = complete(clip)
    if "labels" not in whole.derived:
        return whole
    return replace(whole, labels=derived_labels(whole, whole.prominence))
