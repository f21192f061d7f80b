"""What the part codecs see: 6D rotations per body part, expressions, translation and foot contacts; and the way back to motion.

Conventions: features are float32 tensors (B, F, n) at the model's 15 fps; widths are ``FEATURES_OF_PART``. Lower body: 54 rotation
values, translation (x, y, z) in metres, four contacts. Source: METHOD part I (a) "Joints and parts".
Differs from the released code: translation is made relative in a copy, never in the caller's array (METHOD II.17); contacts use the
mean body of the mannequin instead of the licensed SMPL-X body.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from raggesture.body.joints import CONTACT_JOINTS, EYE_JOINTS, FEATURES_OF_PART, JOINTS_OF_PART, N_CONTACTS, N_EXPRESSIONS, N_JOINTS, N_TRANSLATION, PARTS, Part
from raggesture.body.rotations import axis_angle_to_6d, rot6d_to_axis_angle
from raggesture.body.skeleton import forward_kinematics
from raggesture.clock import MODEL_FPS
from raggesture.errors import InputError
from raggesture.motion import Motion

CONTACT_DISTANCE_M = 0.01
"""A foot that moves less than this until the next frame (at 15 fps) stands."""
_N_LOWER_ROTATIONS = 6 * len(JOINTS_OF_PART["lower"])
TRANSLATION_OF_LOWER = slice(_N_LOWER_ROTATIONS, _N_LOWER_ROTATIONS + N_TRANSLATION)
"""Columns of the lower body's features that hold the translation."""
_CHUNK_OF_FK = 2048


@dataclass(frozen=True, slots=True, eq=False)
class PartFeatures:
    """Features of the four parts. ``upper`` (B, F, 78), ``hands`` (B, F, 180), ``face`` (B, F, 106), ``lower`` (B, F, 61)."""

    upper: Tensor
    hands: Tensor
    face: Tensor
    lower: Tensor

    def __post_init__(self) -> None:
        head = self.upper.shape[:2]
        for part in PARTS:
            tensor = self.part(part)
            if tensor.ndim != 3 or tensor.shape[:2] != head or tensor.shape[2] != FEATURES_OF_PART[part]:
                raise InputError(f"features of {part}: {tuple(tensor.shape)}; expected {(*head, FEATURES_OF_PART[part])} - use features_of")

    def part(self, part: Part) -> Tensor:
        """Features of one part, (B, F, n)."""
        tensor: Tensor = getattr(self, part)
        return tensor

    def __iter__(self) -> Iterator[tuple[Part, Tensor]]:
        """(part, features) in the order of ``PARTS``."""
        for part in PARTS:
            yield part, self.part(part)

    @property
    def frames(self) -> int:
        """F."""
        return int(self.upper.shape[1])

    @property
    def batch(self) -> int:
        """B."""
        return int(self.upper.shape[0])

    def to(self, device: torch.device | str) -> PartFeatures:
        """The same features in float32 on another device."""
        return PartFeatures(*(tensor.to(device=device, dtype=torch.float32) for _, tensor in self))


def batch_of(items: list[PartFeatures]) -> PartFeatures:
    """Put features of equal length one after another along B."""
    return PartFeatures(*(torch.cat([item.part(part) for item in items]) for part in PARTS))


@torch.no_grad()
def foot_contacts(motion: Motion) -> NDArray[np.float32]:
    """Which of the two ankles and two feet stand: (F, 4) of 0 and 1 in the order of ``CONTACT_JOINTS``.

    1 where the joint moves less than 1 cm until the next frame; the last frame counts as standing. Source: METHOD part I (a).
    """
    places = []
    for start in range(0, motion.frames, _CHUNK_OF_FK):
        piece = motion.cut(slice(start, start + _CHUNK_OF_FK))
        positions, _ = forward_kinematics(torch.from_numpy(np.array(piece.rotations)), torch.from_numpy(np.array(piece.translation)))
        places.append(positions[:, list(CONTACT_JOINTS)].numpy())  # (f, 4, 3)
    feet = np.concatenate(places) if places else np.zeros((0, N_CONTACTS, 3), np.float32)
    contacts = np.ones(feet.shape[:2], np.float32)  # (F, 4)
    contacts[:-1] = np.linalg.norm(np.diff(feet, axis=0), axis=-1) < CONTACT_DISTANCE_M
    return contacts


def features_of(motion: Motion, contacts: NDArray[np.float32] | None = None) -> PartFeatures:
    """Features of one motion, B = 1, translation absolute (``window`` makes it relative).

    Args:
        motion: at 15 fps (``halve_rate`` brings 30 fps there). contacts: (F, 4); computed by ``foot_contacts`` when None.
    Raises:
        InputError: another frame rate, or contacts that do not fit.
    """
    if motion.fps != MODEL_FPS:
        raise InputError(f"motion: {motion.fps} fps; expected {MODEL_FPS} fps - call halve_rate first")
    standing = foot_contacts(motion) if contacts is None else np.asarray(contacts, np.float32)
    if standing.shape != (motion.frames, N_CONTACTS):
        raise InputError(f"contacts: {standing.shape}; expected {(motion.frames, N_CONTACTS)} - use foot_contacts of the same motion")
    rot6d = axis_angle_to_6d(torch.from_numpy(np.array(motion.rotations)))  # (F, 55, 6)
    flat = {part: rot6d[:, list(joints)].flatten(1) for part, joints in JOINTS_OF_PART.items()}  # (F, 6 J)
    face = torch.cat((flat["face"], torch.from_numpy(np.array(motion.expression))), dim=1)  # (F, 106)
    lower = torch.cat((flat["lower"], torch.from_numpy(np.array(motion.translation)), torch.from_numpy(standing)), dim=1)  # (F, 61)
    return PartFeatures(flat["upper"][None], flat["hands"][None], face[None], lower[None])


@torch.no_grad()
def motion_of(features: PartFeatures, item: int = 0) -> Motion:
    """Motion at 15 fps of one item of the batch: 6D -> axis-angle by Gram-Schmidt, eyes at rest, contacts dropped."""
    pieces = {part: tensor[item].detach().to("cpu", torch.float32) for part, tensor in features}  # (F, n)
    rotations = torch.zeros(features.frames, N_JOINTS, 3)
    for part, joints in JOINTS_OF_PART.items():
        rot6d = pieces[part][:, : 6 * len(joints)].reshape(-1, len(joints), 6)
        rotations[:, list(joints)] = rot6d_to_axis_angle(rot6d)
    rotations[:, list(EYE_JOINTS)] = 0.0
    expression = pieces["face"][:, 6 : 6 + N_EXPRESSIONS]
    return Motion(rotations.numpy(), pieces["lower"][:, TRANSLATION_OF_LOWER].numpy(), expression.numpy(), float(MODEL_FPS))


def window(features: PartFeatures, start: int, frames: int, context: int = 0) -> PartFeatures:
    """Cut ``frames`` frames from ``start`` with ``context`` true frames on each side; a clip's first and last frame are repeated outside it.

    The horizontal translation (x, z) becomes relative to frame ``start``, the height stays. The input is not changed.

    Returns:
        (B, frames + 2 * context, n) features; ``start`` may be negative or beyond the end.
    """
    if features.frames == 0:
        raise InputError("features: no frames; expected at least one - check the clip")
    at = torch.arange(start - context, start + frames + context, device=features.upper.device).clamp(0, features.frames - 1)
    cut = {part: tensor[:, at] for part, tensor in features}  # advanced indexing copies
    cut["lower"] = relative_translation(cut["lower"], context)
    return PartFeatures(cut["upper"], cut["hands"], cut["face"], cut["lower"])


def relative_translation(lower: Tensor, first_frame: int) -> Tensor:
    """A copy of lower-body features (B, F, 61) whose x and z are relative to those of ``first_frame``."""
    moved = lower.clone()
    column = TRANSLATION_OF_LOWER.start
    for axis in (column, column + 2):
        moved[..., axis] = lower[..., axis] - lower[:, first_frame : first_frame + 1, axis]
    return moved
