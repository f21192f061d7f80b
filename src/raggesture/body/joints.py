"""The 55 SMPL-X joints, the four parts of the body, and the only token arithmetic of the program.

Source: METHOD part I (a) "Joints and parts" and (b) "Latent sequence".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from raggesture.clock import WINDOW_CHUNKS

Part = Literal["upper", "hands", "face", "lower"]
PARTS: tuple[Part, ...] = get_args(Part)
"""Order of the parts in the latent sequence."""

_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
JOINT_NAMES: tuple[str, ...] = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "jaw", "left_eye_smplhf", "right_eye_smplhf",
    *(f"{side}_{finger}{k}" for side in ("left", "right") for finger in _FINGERS for k in (1, 2, 3)),
)  # fmt: skip
N_JOINTS = len(JOINT_NAMES)

PARENTS: tuple[int, ...] = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15,
    *(20 if k == 0 else 25 + 3 * finger + k - 1 for finger in range(5) for k in range(3)),
    *(21 if k == 0 else 40 + 3 * finger + k - 1 for finger in range(5) for k in range(3)),
)  # fmt: skip

JOINTS_OF_PART: dict[Part, tuple[int, ...]] = {
    "upper": (3, 6, 9, *range(12, 22)),
    "hands": tuple(range(25, 55)),
    "face": (22,),
    "lower": (0, 1, 2, 4, 5, 7, 8, 10, 11),
}
EYE_JOINTS = (23, 24)
CONTACT_JOINTS = (7, 8, 10, 11)
N_EXPRESSIONS = 100
N_TRANSLATION = 3
N_CONTACTS = len(CONTACT_JOINTS)

FEATURES_OF_PART: dict[Part, int] = {
    "upper": 6 * 13,
    "hands": 6 * 30,
    "face": 6 + N_EXPRESSIONS,
    "lower": 6 * 9 + N_TRANSLATION + N_CONTACTS,
}
"""Width of the features a part's codec sees: 6D rotations (first two rows, flattened), then the part's extras."""


@dataclass(frozen=True, slots=True)
class LatentLayout:
    """Where the parts' tokens lie in the sequence: upper, separator, hands, separator, face, separator, lower.

    ``chunks``: tokens per part. With ``chunks = 10`` the sequence has 43 tokens and separators at 10, 21 and 32.
    """

    chunks: int = WINDOW_CHUNKS

    @property
    def tokens(self) -> int:
        """T, the length of the whole sequence."""
        return len(PARTS) * self.chunks + len(PARTS) - 1

    @property
    def separators(self) -> tuple[int, ...]:
        """Positions of the separator tokens."""
        return tuple((k + 1) * (self.chunks + 1) - 1 for k in range(len(PARTS) - 1))

    def span(self, part: Part) -> slice:
        """Token range of a part."""
        start = PARTS.index(part) * (self.chunks + 1)
        return slice(start, start + self.chunks)

    def tokens_of(self, part: Part, chunks: slice) -> slice:
        """Token range of some chunks of a part."""
        start = self.span(part).start
        return slice(start + chunks.start, start + chunks.stop)
