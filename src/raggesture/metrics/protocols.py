"""Under which rules figures were made: the part of a report without which its numbers mean nothing, and may not be compared.

``paper``: as the published evaluator (METHOD part I (g) with its quirks, part II 38-42). ``default``: the same cut of the same motions, with the faults
corrected. Numbers in print differ by the scale of FGD, the speakers, the autoencoder and the joint velocities (FIELD): all of them stand in the heading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from raggesture.clock import MOTION_FPS
from raggesture.errors import InputError

Name = Literal["default", "paper"]
PAPER_FRAMES = 300


@dataclass(frozen=True, slots=True)
class EvaluationProtocol:
    """Rules. ``frames``: so many of each clip, from its start (0: all). ``released``: the published forms, faults included.

    What ``released`` decides: BeatAlign's threshold is read ten frames off and its audio went through 22.05 kHz; survival divides by all entries; LVD takes
    the reference in its first difference; joint velocities are the data set's where the user has them; windows of long forms count beside their whole.
    """

    name: Name = "default"
    frames: int = PAPER_FRAMES
    released: bool = False
    fps: int = MOTION_FPS
    scale: str = "x1"

    @classmethod
    def named(cls, name: Name, frames: int | None = None) -> EvaluationProtocol:
        """The protocol of that name; ``frames`` only with ``default``."""
        if name == "paper":
            if frames not in (None, PAPER_FRAMES):
                raise InputError(f"protocol 'paper': {frames} frames; expected its own {PAPER_FRAMES} - use the protocol 'default' with other lengths")
            return cls("paper", PAPER_FRAMES, released=True)
        return cls() if frames is None else replace(cls(), frames=frames)


COMPARED = ("name", "scale", "fps", "frames_per_clip", "autoencoder", "autoencoder_sha256", "joint_speeds", "body", "index", "metrics")
"""What must agree in two headings before their figures may stand side by side."""


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[str, ...]:
    """A line for each rule in which two headings differ."""
    return tuple(f"{key}: {first.get(key)!r} and {second.get(key)!r}" for key in COMPARED if first.get(key) != second.get(key))


def check_same(first: Mapping[str, Any], second: Mapping[str, Any], names: tuple[str, str]) -> None:
    """Refuse to compare what was measured by different rules.

    Raises:
        InputError: names every difference.
    """
    found = differences(first, second)
    if found:
        raise InputError(f"{names[0]} and {names[1]}: measured by different protocols ({'; '.join(found)}); expected the same - evaluate both again by one")
