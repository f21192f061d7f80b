"""Ten takes as an animator would bring them: one gesture each on a word that is said, as BVH of two skeletons and as npz, with voice and words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from helpers_animation import Shown
from helpers_bvh import A_POSE, Look, gesturing, write_like
from raggesture.export.bvh import BvhExporter, BvhOptions
from raggesture.motion import Motion, write_npz

SPEECH = Path(__file__).parent / "data" / "speech.wav"
SPEECH_TEXT = (
    "So I had this big idea. We climbed up that huge mountain over there, and from the top you could see everything between the old house and the river. "
    "But then a storm came, so we ran all the way down."
)
"""What is said in it (data/README.md)."""
_LEAD_S, _LENGTH_S = 1.3, 4.2


@dataclass(frozen=True)
class Said:
    """A piece of the recording from ``start`` to ``end`` s, what is said in it, its gesture, and when the stroke comes in the recording."""

    gesture: str
    text: str
    start: float
    end: float
    stroke: float


TEN = (
    Said("big", "So I had this big idea.", 0.10, 1.68, 1.03),
    Said("idea", "this big idea.", 0.67, 1.68, 1.35),
    Said("climb", "We climbed up.", 1.95, 2.68, 2.28),
    Said("tall", "that huge mountain.", 2.68, 3.82, 3.50),
    Said("over_there", "mountain over there.", 3.30, 4.46, 4.20),
    Said("up", "from the top.", 4.62, 5.30, 5.10),
    Said("everything", "you could see everything.", 5.28, 6.26, 5.90),
    Said("between", "between the old house.", 6.22, 7.48, 6.45),
    Said("wave", "and the river.", 7.46, 8.20, 7.85),
    Said("down", "so we ran all the way down.", 9.62, 11.66, 11.20),
)
MIXAMO_LIKE = Look(rest=A_POSE, unit=92.0, order="XYZ")
"""A Mixamo character in an A-pose, an eighth smaller than SMPL-X in centimetres."""


def make_takes(folder: Path, speaker: str = "mia") -> Path:
    """Write ``folder/speaker/GESTURE.bvh`` (or ``.npz``), ``.wav`` and ``.txt`` of ten takes."""
    place = folder / speaker
    place.mkdir(parents=True)
    recording, rate = soundfile.read(SPEECH, dtype="float32")
    for number, said in enumerate(TEN):
        piece = recording[int(said.start * rate) : int(said.end * rate)]
        wave = np.zeros(int(_LENGTH_S * rate), np.float32)
        wave[int(_LEAD_S * rate) : int(_LEAD_S * rate) + len(piece)] = piece
        soundfile.write(place / f"{said.gesture}.wav", wave, rate)
        (place / f"{said.gesture}.txt").write_text(said.text + "\n", encoding="utf-8")
        motion = gesturing(_LENGTH_S, said.gesture, seed=number, at=_LEAD_S + said.stroke - said.start)
        _write_motion(place / said.gesture, motion, number)
    return folder


def _write_motion(stem: Path, motion: Motion, number: int) -> None:
    """Four as a Mixamo character's BVH, four as our BVH, two as npz."""
    if number % 5 in (0, 2):
        write_like(stem.with_suffix(".bvh"), motion, MIXAMO_LIKE)
    elif number % 5 in (1, 3):
        BvhExporter(BvhOptions()).write(Shown(stem.name, motion), stem.with_suffix(".bvh"))
    else:
        write_npz(motion, stem.with_suffix(".npz"))
