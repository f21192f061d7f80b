"""From BVH to SMPL-X: read a file, find its skeleton, and let SMPL-X's bones point where the file's do, thirty times a second.

Every joint's world turn is the file's turn since its rest pose, laid on SMPL-X's rest (``align``): so limbs point exactly as in the file, whatever its
rest pose was. A spine of another number of joints is spread over ours by its length in joints; missing joints keep SMPL-X's rest, hands without
fingers are relaxed. The unit is found by the length of the legs, the vertical by where the head is, and (``place = "stand"``) the body is put on the
floor at the origin and turned to face +z. Bodies differ: the ends of limbs are where SMPL-X's proportions bring them, and contacts of hands with each
other or with the body are not kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from raggesture.body.joints import JOINT_NAMES, N_EXPRESSIONS, N_JOINTS, PARENTS
from raggesture.body.leg_ik import ANKLE_HEIGHT_M, LEG_JOINTS
from raggesture.body.skeleton import forward_kinematics, rest_joints
from raggesture.body.turn import unit
from raggesture.clock import MOTION_FPS
from raggesture.corpus.starter.hands import shape_rotations
from raggesture.errors import InputError
from raggesture.motion import Motion
from raggesture.retarget.align import NUMBER, Zero, alignment, bottom_and_top, is_mirrored, zero_of
from raggesture.retarget.bvh import read_bvh
from raggesture.retarget.names import FINGERS, SIDES, Matched, find_skeleton
from raggesture.retarget.source import Placed, Source

Floats = NDArray[np.float64]
SUFFIX = ".bvh"
_BLOCK_FRAMES = 2048
_SAMPLES = 64
_FLOOR_PERCENT = 5.0
"""The floor is where the lower sole is, but for the lowest frames (a step that dips, a jump's landing)."""
_MOVES_DEG = 0.05
_UPRIGHT = 0.6
"""Of a body that stands, the mean direction from feet to head has so much of the vertical."""
_SPINE = ("spine1", "spine2", "spine3")
_TURNS = {"y": np.eye(3), "z": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])}
_UNITS = (("metres", 1.0), ("centimetres", 0.01), ("inches", 0.0254), ("millimetres", 0.001))
_LIKE_UNIT = 1.35
"""A leg this much shorter or longer than SMPL-X's still tells the unit; else it is only called by its length."""


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """A file as motion of SMPL-X at 30 frames a second.

    ``skeleton``: the table that was used; ``joints``: how many of the file's joints have a part; ``unit``: a word; ``up``: the file's vertical axis;
    ``turned_rad``: about the vertical; ``file_fps``; ``relaxed``: sides whose hand is relaxed because no finger moves; ``notes``: what a user should look at.
    """

    motion: Motion
    skeleton: str
    joints: int
    unit: str
    up: str
    turned_rad: float
    file_fps: float
    relaxed: tuple[str, ...]
    notes: tuple[str, ...]

    def summary(self) -> str:
        """One line on what was understood."""
        return (
            f"skeleton {self.skeleton}, {self.joints} joints, {self.unit}, {self.up} up, turned by {np.degrees(self.turned_rad):.0f} degrees, "
            f"{self.file_fps:g} to {MOTION_FPS} frames a second"
        )


@dataclass(frozen=True, eq=False)
class _Carrier:
    """All that stays the same from frame to frame. ``turn`` (3, 3) from the file's space to ours, ``lay`` (55, 3, 3), ``relaxed`` sides."""

    source: Source
    matched: Matched
    zero: Zero
    turn: Floats
    scale: float
    lay: Floats
    relaxed: tuple[str, ...]

    @cached_property
    def chain(self) -> tuple[int, ...]:
        """Joints of the file from the pelvis up to the chest."""
        return (self.matched.of["pelvis"][0], *self.matched.of.get("spine", ()))

    def block(self, first: int, stop: int) -> tuple[Floats, Floats]:
        """Rotations (f, 55, 3) rad and the pelvis' places (f, 3) m of frames at 30 a second."""
        placed = self.source.at(first, stop)
        world = self._world(placed)
        local = np.empty_like(world)
        local[:, 0] = world[:, 0]
        for joint in range(1, N_JOINTS):
            local[:, joint] = np.swapaxes(world[:, PARENTS[joint]], -1, -2) @ world[:, joint]
        rotations = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(-1, N_JOINTS, 3)
        for side, slot, mirror in (("left", slice(25, 40), 1.0), ("right", slice(40, 55), -1.0)):
            if side in self.relaxed:
                rotations[:, slot] = shape_rotations("relaxed").reshape(15, 3) * np.array([1.0, mirror, mirror])
        return rotations, self.scale * placed.places[:, self.chain[0]] @ self.turn.T

    def _since(self, placed: Placed, joint: int) -> Floats:
        """(f, 3, 3) World turn of a joint since the rest pose, in our space."""
        return np.asarray(self.turn @ placed.rotations[:, joint] @ self.zero.placed.rotations[0, joint].T @ self.turn.T, np.float64)

    def _world(self, placed: Placed) -> Floats:
        """(f, 55, 3, 3) World turns of SMPL-X's joints."""
        world = np.empty((len(placed.places), N_JOINTS, 3, 3))
        for name, turns in self._trunk(placed).items():
            world[:, NUMBER[name]] = turns
        of = self._joints()
        for joint, name in enumerate(JOINT_NAMES):
            if name in ("pelvis", *_SPINE, "neck", "head"):
                continue
            if joint in of:
                world[:, joint] = self._since(placed, of[joint]) @ self.lay[joint]
            else:
                world[:, joint] = world[:, PARENTS[joint]]
        return world

    def _joints(self) -> dict[int, int]:
        """SMPL-X's joint -> the file's, of limbs and face."""
        found = {}
        for part, chain in self.matched.of.items():
            side, _, role = part.partition("_")
            for k, joint in enumerate(chain):
                name = f"{part}{k + 1}" if role in FINGERS else f"{part}_smplhf" if role == "eye" else part
                if joint >= 0 and name in NUMBER and not (role in FINGERS and side in self.relaxed):
                    found[NUMBER[name]] = joint
        return found

    def _trunk(self, placed: Placed) -> dict[str, Floats]:
        """World turns from the pelvis to the head; joints that the file has more or fewer of are spread evenly."""
        count = len(self.chain) - 1
        lays = _between(self.lay[0][None], self.lay[NUMBER["spine3"]][None], np.linspace(0, 1, count + 1)) if count else self.lay[:1]
        nodes = [self._since(placed, joint) @ lay for joint, lay in zip(self.chain, lays, strict=True)]
        out = {"pelvis": nodes[0]}
        for k, name in enumerate(_SPINE, start=1):
            at = count * k / len(_SPINE)
            low = min(int(at), max(count - 1, 0))
            out[name] = _between(nodes[low], nodes[min(low + 1, count)], at - low) if count else nodes[0]
        lay = self.lay[NUMBER["head"]]
        head, necks = self.matched.one("head"), self.matched.of.get("neck", ())
        turns = [self._since(placed, joint) @ lay for joint in necks]
        top = self._since(placed, head) @ lay if head is not None else turns[-1] if turns else out["spine3"]
        out["neck"] = _between(turns[(len(turns) - 1) // 2], turns[len(turns) // 2], 0.5) if turns else _between(out["spine3"], top, 0.5)
        out["head"] = top
        return out


def _between(first: Floats, second: Floats, share: float | Floats) -> Floats:
    """(f, 3, 3) twice: the share of the shortest way from one rotation to the other."""
    way = Rotation.from_matrix(np.swapaxes(first, -1, -2) @ second).as_rotvec()
    return np.asarray(first @ Rotation.from_rotvec(np.atleast_1d(share)[:, None] * way).as_matrix(), np.float64)


def read_bvh_motion(path: Path, skeleton: str = "") -> Carried:
    """Read a BVH file as motion of SMPL-X.

    Args:
        skeleton: name of a packaged table of joints, or a TOML file of one ("": the packaged table that knows most of the file's joints).

    Raises:
        InputError: the file is not BVH as it should be (names the line), or its joints fit no table. ConfigError: the table is not as it should be.
    """
    file = read_bvh(path)
    matched = find_skeleton(path, [joint.name for joint in file.joints], skeleton)
    source = Source(file)
    notes = []
    mirror = matched.skeleton.mirror
    if mirror is None and is_mirrored(matched, source):
        mirror = True
        notes.append(f"{path}: its feet point backwards, as in a left-handed space: it is read in a mirror (mirror = false in a table prevents it)")
    source = Source(file, bool(mirror))
    carrier, up, turned = _carrier(path, matched, source)
    if not carrier.zero.drawn and matched.skeleton.rest == "auto":
        notes.append(f"{path}: its offsets draw no body: the first frame counts as the rest pose, twists of the limbs are taken from there")
    if carrier.relaxed:
        notes.append(f"{path}: no finger moves in the {' and the '.join(carrier.relaxed)} hand: relaxed")
    blocks = [carrier.block(first, min(first + _BLOCK_FRAMES, source.frames)) for first in range(0, source.frames, _BLOCK_FRAMES)]
    rotations, places = (np.concatenate(pieces) for pieces in zip(*blocks, strict=True))
    translation = places - np.asarray(rest_joints()[0], np.float64)
    if matched.skeleton.place == "stand":
        translation = _stood(rotations, translation)
    motion = Motion(rotations.astype(np.float32), translation.astype(np.float32), np.zeros((len(places), N_EXPRESSIONS), np.float32), float(MOTION_FPS))
    return Carried(motion, matched.skeleton.name, matched.joints, _unit(carrier.scale), up, turned, file.fps, carrier.relaxed, tuple(notes))


def _carrier(path: Path, matched: Matched, source: Source) -> tuple[_Carrier, str, float]:
    """The carrier, the vertical axis of the file, and by how much about the vertical it is turned."""
    zero = zero_of(matched, source)
    samples = source.sampled(_SAMPLES)
    up = matched.skeleton.up if matched.skeleton.up != "auto" else _vertical(matched, zero.placed, samples)
    turn = _TURNS[up]
    turned = 0.0
    if matched.skeleton.place == "stand":
        turned = -_heading(matched, samples, turn)
        turn = Rotation.from_rotvec([0.0, turned, 0.0]).as_matrix() @ turn
    scale = _scale(path, matched, zero.placed)
    carrier = _Carrier(source, matched, zero, turn, scale, alignment(matched, source, zero, turn), _relaxed(matched, source, zero))
    return carrier, up, turned


def _vertical(matched: Matched, rest: Placed, samples: Placed) -> str:
    """``y`` or ``z``: along which the body stands, in its motion if it stands in it, else in its rest pose."""
    for placed in (samples, rest):
        low, high = bottom_and_top(matched, placed)
        mean = np.mean(unit(high - low), axis=0)
        if max(mean[1], mean[2]) > _UPRIGHT:
            return "y" if mean[1] >= mean[2] else "z"
    return "y"


def _heading(matched: Matched, samples: Placed, turn: Floats) -> float:
    """Mean direction in rad in which the body looks, 0 for +z, positive to its left."""
    left = np.zeros((len(samples.places), 3))
    for part in ("hip", "shoulder"):
        ends = [matched.one(f"{side}_{part}") for side in SIDES]
        if ends[0] is not None and ends[1] is not None:
            left = left + unit(samples.places[:, ends[0]] - samples.places[:, ends[1]])
    ahead = unit(np.cross(left @ turn.T, np.array([0.0, 1.0, 0.0])) * np.array([1.0, 0.0, 1.0])).mean(axis=0)
    return float(np.arctan2(ahead[0], ahead[2]))


def _scale(path: Path, matched: Matched, rest: Placed) -> float:
    """Metres of SMPL-X a unit of the file: by the legs, else by the arms."""
    ours = np.asarray(rest_joints(), np.float64)
    for limb in (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")):
        sums = np.zeros(2)
        for side in SIDES:
            joints = [matched.one(f"{side}_{part}") for part in limb]
            if any(joint is None for joint in joints):
                continue
            theirs = rest.places[0, [joint for joint in joints if joint is not None]]
            mine = ours[[NUMBER[f"{side}_{part}"] for part in limb]]
            sums += [float(np.linalg.norm(np.diff(points, axis=0), axis=-1).sum()) for points in (mine, theirs)]
        if sums[1] > 1e-6:
            return float(sums[0] / sums[1])
    raise InputError(f"{path}: its legs and arms have no length; expected OFFSETs of a body - export the skeleton with its offsets")


def _unit(scale: float) -> str:
    name, size = min(_UNITS, key=lambda each: abs(np.log(each[1] / scale)))
    return name if 1 / _LIKE_UNIT < size / scale < _LIKE_UNIT else f"units of {scale:.3g} m"


def _relaxed(matched: Matched, source: Source, zero: Zero) -> tuple[str, ...]:
    """Sides whose fingers are not in the file, or stay in their rest pose from its first frame to its last (a suit without gloves)."""
    found = []
    for side in SIDES:
        fingers = [joint for finger in FINGERS for joint in matched.of.get(f"{side}_{finger}", ()) if joint >= 0]
        columns = [
            each.column + place
            for each in (source.file.joints[joint] for joint in fingers)
            for place, name in enumerate(each.channels)
            if name.endswith("rotation")
        ]
        values = source.file.values[:, columns]
        still = not columns or (np.ptp(values, axis=0).max() < _MOVES_DEG and (not zero.drawn or np.abs(values).max() < _MOVES_DEG))
        if still and (not fingers or matched.skeleton.place == "stand"):
            found.append(side)
    return tuple(found)


def _stood(rotations: Floats, translation: Floats) -> Floats:
    """The body on the floor (y = 0), its first frame at the origin."""
    rest = np.asarray(rest_joints(), np.float64)
    soles = []
    for first in range(0, len(rotations), _BLOCK_FRAMES):
        at = slice(first, first + _BLOCK_FRAMES)
        places = forward_kinematics(torch.from_numpy(rotations[at]), torch.from_numpy(translation[at]))[0].numpy()
        heights = []
        for _, _, ankle, foot in LEG_JOINTS.values():
            heights += [places[:, ankle, 1] - ANKLE_HEIGHT_M, places[:, foot, 1] - (ANKLE_HEIGHT_M + rest[foot, 1] - rest[ankle, 1])]
        soles.append(np.min(heights, axis=0))
    floor = float(np.percentile(np.concatenate(soles), _FLOOR_PERCENT))
    return np.asarray(translation - np.array([translation[0, 0], floor, translation[0, 2]]), np.float64)
