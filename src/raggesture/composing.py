"""Gestures that bring along less than a whole part of the body, or the legs: the exemplar put into a draft of the window.

A token holds a whole part for a second, so a head or one arm cannot be guided alone. The window is first sampled ungrounded (same noise, same held
tokens): the draft. The joints that a gesture brings go into the draft's features over its slot, with soft edges; what that changes in the latents is added
to the draft's, the result inverted under the window's own conditions, and the tokens that hold those joints are guided towards it. Everything
else in these tokens is the draft, so it stays what the model would have done.

Legs come the same way: turned to the draft's heading and moved to the draft's place at the slot's start, so that the ground stays where it was.
Nothing of this is in the published code, where upper body and hands are brought whole. Source: METHOD part I (e).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from raggesture.body.features import TRANSLATION_OF_LOWER, PartFeatures, window
from raggesture.body.joints import JOINT_NAMES, JOINTS_OF_PART, PARTS, Part
from raggesture.clock import CHUNK_FRAMES, WINDOW_FRAMES
from raggesture.models.conditions import Conditions
from raggesture.synthesis import Held, Insertion, Synthesizer
from raggesture.types import Bringable

SOFT_FRAMES = 7
"""Frames at each end of a slot over which the draft goes over into the exemplar."""
_WHOLE: tuple[Part, ...] = ("upper", "hands", "face")
"""Parts whose tokens can be taken from the exemplar as they are; the lower body's hold its place on the ground."""


def _arm(side: str) -> frozenset[int]:
    names = [f"{side}_{joint}" for joint in ("collar", "shoulder", "elbow", "wrist")]
    fingers = [k for k in JOINTS_OF_PART["hands"] if JOINT_NAMES[k].startswith(side)]
    return frozenset([JOINT_NAMES.index(name) for name in names] + fingers)


_JOINTS: dict[Bringable, frozenset[int]] = {
    "upper": frozenset(JOINTS_OF_PART["upper"]),
    "hands": frozenset(JOINTS_OF_PART["hands"]),
    "face": frozenset(JOINTS_OF_PART["face"]),
    "lower": frozenset(JOINTS_OF_PART["lower"]),
    "head": frozenset({JOINT_NAMES.index("neck"), JOINT_NAMES.index("head")}),
    "left-arm": _arm("left"),
    "right-arm": _arm("right"),
}


@dataclass(frozen=True, slots=True)
class Brought:
    """What of a body a gesture brings along. ``joints``: of the 55; ``parts``: parts that hold any of them; ``composite``: not all of each, or the legs."""

    joints: frozenset[int]
    parts: tuple[Part, ...]
    composite: bool

    @classmethod
    def of(cls, names: Sequence[Bringable]) -> Brought:
        """From names such as ``("upper", "hands")``; several add up."""
        joints = frozenset().union(*(_JOINTS[name] for name in names))
        parts = tuple(part for part in PARTS if joints & set(JOINTS_OF_PART[part]))
        whole = all(part in _WHOLE and joints >= set(JOINTS_OF_PART[part]) for part in parts)
        return cls(joints, parts, not whole)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """An exemplar's features (1, F, n) over its window, what of it goes in, and where."""

    insertion: Insertion
    brought: Brought
    features: PartFeatures


@torch.no_grad()
def composites(synthesizer: Synthesizer, conditions: Conditions, noise: Tensor, held: Held | None, pieces: Sequence[Piece]) -> Tensor:
    """Clean latents (B, T, D) of a batch of windows with the pieces put into their drafts.

    Args:
        conditions, noise (B, T, D), held: of the windows, as they will be sampled.
    """
    codec = synthesizer.model.codec
    draft = synthesizer.sample(conditions, noise * synthesizer.model.manifest.temperature, held=held)
    features = codec.decode(draft)
    changed = PartFeatures(*(tensor.clone() for _, tensor in features))
    for piece in pieces:
        put_in(changed, piece)
    before, after = (codec.encode(window(each, 0, WINDOW_FRAMES, codec.context_frames)) for each in (features, changed))
    return draft + after - before


def put_in(features: PartFeatures, piece: Piece) -> None:
    """Write a piece into the features (B, F, n) of its item, in place, with soft edges."""
    item, slot = piece.insertion.item, slice(CHUNK_FRAMES * piece.insertion.chunks.start, CHUNK_FRAMES * piece.insertion.chunks.stop)
    share = soft_slot(slot, features.upper.device)
    own = PartFeatures(*(tensor.to(features.upper.device) for _, tensor in piece.features))
    if "lower" in piece.brought.parts:
        own = _on_the_ground(own, features.lower[item], slot.start)
    for part in piece.brought.parts:
        ours, theirs = features.part(part)[item], own.part(part)[0]
        ours[:] = ours + share[:, None] * _columns(part, piece.brought.joints).to(ours) * (theirs - ours)


def soft_slot(slot: slice, device: torch.device | str = "cpu") -> Tensor:
    """(F,) share of the exemplar at each frame of a window: 1 inside the slot, 0 outside, half a cosine over its first and last frames."""
    at = torch.arange(WINDOW_FRAMES, device=device, dtype=torch.float32)
    inside = torch.minimum(at - slot.start + 1, slot.stop - at) / (SOFT_FRAMES + 1)
    share: Tensor = 0.5 - 0.5 * torch.cos(math.pi * inside.clamp(0.0, 1.0))
    return share


def _columns(part: Part, joints: frozenset[int]) -> Tensor:
    """(n,) 1 where a part's feature belongs to one of the joints; expressions go with the jaw, translation and contacts with the pelvis."""
    chosen = torch.tensor([joint in joints for joint in JOINTS_OF_PART[part]], dtype=torch.float32).repeat_interleave(6)
    extras = {"upper": 0, "hands": 0, "face": 100, "lower": 7}[part]
    return torch.cat([chosen, chosen.new_full((extras,), float(bool(joints & {0, 22})))])


def _on_the_ground(own: PartFeatures, draft: Tensor, first: int) -> PartFeatures:
    """The exemplar's lower body turned about the vertical and moved so that it has the draft's heading and place on the ground at frame ``first``.

    Args:
        draft: (F, 61) features of the draft's lower body.
    """
    lower = own.lower.clone()
    turn = _heading(draft[first]) - _heading(lower[0, first])
    c, s = math.cos(turn), math.sin(turn)
    about = lower.new_tensor([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    rotation = _matrix(lower[0, :, :6])  # (F, 3, 3)
    lower[0, :, :6] = (about @ rotation)[:, :2].flatten(1)
    x, z = TRANSLATION_OF_LOWER.start, TRANSLATION_OF_LOWER.start + 2
    place = lower[0, :, x : z + 1] @ about.T
    place = place + (draft[first, x : z + 1] - place[first]) * place.new_tensor([1.0, 0.0, 1.0])
    lower[0, :, x], lower[0, :, z] = place[:, 0], place[:, 2]
    return PartFeatures(own.upper, own.hands, own.face, lower)


def _matrix(rows: Tensor) -> Tensor:
    """(F, 6) first two rows -> (F, 3, 3), orthonormal."""
    first = torch.nn.functional.normalize(rows[:, :3], dim=-1)
    second = torch.nn.functional.normalize(rows[:, 3:6] - (first * rows[:, 3:6]).sum(-1, keepdim=True) * first, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=1)


def _heading(lower: Tensor) -> float:
    """Angle about the vertical of the pelvis' forward axis, from features (61,)."""
    forward = _matrix(lower[None, :6])[0, :, 2]
    return math.atan2(float(forward[0]), float(forward[2]))
