"""BVH files of other skeletons, made from motions of SMPL-X whose world pose is therefore known: other names, rest pose, axes, unit, channels, proportions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from raggesture.body.joints import JOINT_NAMES, PARENTS
from raggesture.body.skeleton import rest_joints
from raggesture.corpus.starter.events import GestureEvent
from raggesture.corpus.starter.perform import perform
from raggesture.corpus.starter.style import STYLES
from raggesture.motion import Motion

NUMBER = {name: number for number, name in enumerate(JOINT_NAMES)}
_FINGERS = {"index": "Index", "middle": "Middle", "pinky": "Pinky", "ring": "Ring", "thumb": "Thumb"}
_LIMBS = {
    "collar": "Shoulder", "shoulder": "Arm", "elbow": "ForeArm", "wrist": "Hand", "hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "foot": "ToeBase",
    **{f"{ours}{k}": f"Hand{theirs}{k}" for ours, theirs in _FINGERS.items() for k in (1, 2, 3)},
}  # fmt: skip
MIXAMO: Mapping[str, str] = {
    "pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck", "head": "Head",
    **{f"{side}_{ours}": f"{side.title()}{theirs}" for side in ("left", "right") for ours, theirs in _LIMBS.items()},
}  # fmt: skip
LIMB_BONES = tuple(
    (f"{side}_{upper}", f"{side}_{lower}")
    for side in ("left", "right")
    for upper, lower in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
)
FINGER_BONES = tuple((f"{side}_{finger}{k}", f"{side}_{finger}{k + 1}") for side in ("left", "right") for finger in _FINGERS for k in (1, 2))


@dataclass(frozen=True)
class Look:
    """How the file differs from SMPL-X. ``names``: SMPL-X's joint -> the file's; joints without a name are not in the file.

    ``rest``: joint -> rotation vector rad of the pose that the file's offsets draw. ``turn`` (3, 3): from our space to the file's. ``unit``: units a metre.
    ``order``: of rotations. ``longer``: joint -> factor of its offset. ``every_position``: all joints have position channels.
    """

    names: Mapping[str, str] = field(default_factory=lambda: MIXAMO)
    prefix: str = "mixamorig:"
    rest: Mapping[str, Sequence[float]] = field(default_factory=dict)
    turn: np.ndarray = field(default_factory=lambda: np.eye(3))
    unit: float = 100.0
    order: str = "ZXY"
    longer: Mapping[str, float] = field(default_factory=dict)
    every_position: bool = False
    fps: float = 30.0


A_POSE = {"left_shoulder": (0.0, 0.0, -0.75), "right_shoulder": (0.0, 0.0, 0.75)}
HANGING = {"left_shoulder": (0.0, 0.0, -1.3), "right_shoulder": (0.0, 0.0, 1.3)}
Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Our y is the file's z, our z its -y."""


def gesturing(seconds: float = 3.0, gesture: str = "big", seed: int = 1, word: str = "big", at: float = 1.5) -> Motion:
    """A person who makes one gesture of the lexicon."""
    event = GestureEvent(gesture, word, at - 0.15, at + 0.25, at)
    return perform([event], STYLES[seed % len(STYLES)], seconds, seed).motion


def world_turns(rotations: np.ndarray) -> np.ndarray:
    """(F, 55, 3) rad -> (F, 55, 3, 3) world turns, without the program's own kinematics."""
    local = Rotation.from_rotvec(rotations.reshape(-1, 3).astype(np.float64)).as_matrix().reshape(-1, 55, 3, 3)
    world = local.copy()
    for joint in range(1, 55):
        world[:, joint] = world[:, PARENTS[joint]] @ local[:, joint]
    return world


def directions(world: np.ndarray, bones: Sequence[tuple[str, str]]) -> np.ndarray:
    """(F, B, 3) unit directions of SMPL-X's bones."""
    rest = rest_joints().astype(np.float64)
    found = [world[:, NUMBER[a]] @ (rest[NUMBER[b]] - rest[NUMBER[a]]) for a, b in bones]
    out = np.stack(found, axis=1)
    return out / np.linalg.norm(out, axis=-1, keepdims=True)


def degrees_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angle between unit vectors."""
    return np.degrees(np.arccos(np.clip(np.sum(first * second, axis=-1), -1, 1)))


def write_like(path: Path, motion: Motion, look: Look) -> Path:
    """Write the motion as a file of another skeleton: every joint's world turn is the motion's, measured from the file's own rest pose."""
    rest_pose = np.zeros((1, 55, 3))
    for name, value in look.rest.items():
        rest_pose[0, NUMBER[name]] = value
    rest_turns = world_turns(rest_pose)[0]  # (55, 3, 3)
    world = look.turn @ world_turns(motion.rotations) @ np.swapaxes(rest_turns, -1, -2) @ look.turn.T
    places = _rest_places(rest_turns, look)
    kept = [NUMBER[name] for name in JOINT_NAMES if name in look.names]
    above = {joint: _kept_parent(joint, kept) for joint in kept}
    local = {joint: world[:, joint] if above[joint] < 0 else np.swapaxes(world[:, above[joint]], -1, -2) @ world[:, joint] for joint in kept}
    root = look.unit * (motion.translation + rest_joints()[0]).astype(np.float64) @ look.turn.T
    lines, columns = ["HIERARCHY"], []
    _write_joint(lines, columns, 0, 0, kept, above, places, look)
    angles = {joint: Rotation.from_matrix(local[joint]).as_euler(look.order, degrees=True) for joint in kept}
    rows = []
    for joint in columns:
        if joint == 0:
            rows.append(root)
        elif look.every_position:
            rows.append(np.tile(places[joint] - places[above[joint]], (motion.frames, 1)))
        rows.append(angles[joint])
    values = np.concatenate(rows, axis=1)
    lines += ["MOTION", f"Frames: {motion.frames}", f"Frame Time: {1 / look.fps:.7f}", *(" ".join(f"{v:.6f}" for v in row) for row in values)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _rest_places(turns: np.ndarray, look: Look) -> np.ndarray:
    """(55, 3) in the file's space and unit, the root at the origin."""
    rest = rest_joints().astype(np.float64)
    places = np.zeros((55, 3))
    for joint in range(1, 55):
        parent = PARENTS[joint]
        offset = (rest[joint] - rest[parent]) * look.longer.get(JOINT_NAMES[joint], 1.0)
        places[joint] = places[parent] + turns[parent] @ offset
    return look.unit * places @ look.turn.T


def _kept_parent(joint: int, kept: Sequence[int]) -> int:
    parent = PARENTS[joint]
    while parent >= 0 and parent not in kept:
        parent = PARENTS[parent]
    return parent


def _write_joint(
    lines: list[str], columns: list[int], joint: int, depth: int, kept: Sequence[int], above: Mapping[int, int], places: np.ndarray, look: Look
) -> None:
    pad = "  " * depth
    offset = places[joint] - (places[above[joint]] if above[joint] >= 0 else places[joint])
    rotations = " ".join(f"{axis}rotation" for axis in look.order)
    moves = depth == 0 or look.every_position
    columns.append(joint)
    lines += [
        f"{pad}{'JOINT' if depth else 'ROOT'} {look.prefix}{look.names[JOINT_NAMES[joint]]}",
        f"{pad}{{",
        f"{pad}  OFFSET {offset[0]:.6f} {offset[1]:.6f} {offset[2]:.6f}",
        f"{pad}  CHANNELS {6 if moves else 3} {'Xposition Yposition Zposition ' if moves else ''}{rotations}",
    ]
    children = [child for child in kept if above[child] == joint]
    for child in children:
        _write_joint(lines, columns, child, depth + 1, kept, above, places, look)
    if not children:
        tip = 0.8 * (places[joint] - places[above[joint]])
        lines += [f"{pad}  End Site", f"{pad}  {{", f"{pad}    OFFSET {tip[0]:.6f} {tip[1]:.6f} {tip[2]:.6f}", f"{pad}  }}"]
    lines.append(f"{pad}}}")


@dataclass(frozen=True)
class Bone:
    """A joint of a skeleton written by hand: its name, its parent's ("" for the root), its place in the rest pose (m, x to its left, y up, z forward)."""

    name: str
    parent: str
    place: tuple[float, float, float]


def _both(name: str, parent: str, place: tuple[float, float, float], middle: bool = False) -> list[Bone]:
    x, y, z = place
    return [Bone(f"{side}{name}", parent if middle else f"{side}{parent}", (sign * x, y, z)) for side, sign in (("Left", 1.0), ("Right", -1.0))]


ACTOR: tuple[Bone, ...] = (
    Bone("Hips", "", (0.0, 1.0, 0.0)), Bone("Spine", "Hips", (0.0, 1.1, -0.01)), Bone("Spine1", "Spine", (0.0, 1.22, -0.02)),
    Bone("Spine2", "Spine1", (0.0, 1.34, -0.02)), Bone("Neck", "Spine2", (0.0, 1.5, -0.03)), Bone("Head", "Neck", (0.0, 1.6, 0.0)),
    *_both("Shoulder", "Spine2", (0.06, 1.44, 0.0), middle=True), *_both("Arm", "Shoulder", (0.18, 1.44, -0.02)), *_both("ForeArm", "Arm", (0.46, 1.44, -0.02)),
    *_both("Hand", "ForeArm", (0.72, 1.44, -0.02)),
    *(bone for finger, z in (("Index", 0.03), ("Middle", 0.01), ("Ring", -0.01), ("Pinky", -0.03)) for k in (1, 2, 3)
      for bone in _both(f"Hand{finger}{k}", f"Hand{finger}{k - 1}" if k > 1 else "Hand", (0.79 + 0.025 * k, 1.44, z - 0.02))),
    *(bone for k in (1, 2, 3) for bone in _both(f"HandThumb{k}", f"HandThumb{k - 1}" if k > 1 else "Hand", (0.73 + 0.02 * k, 1.43, 0.01 + 0.02 * k))),
    *_both("UpLeg", "Hips", (0.09, 0.95, 0.0), middle=True), *_both("Leg", "UpLeg", (0.09, 0.52, 0.0)), *_both("Foot", "Leg", (0.09, 0.09, 0.0)),
    *_both("ToeBase", "Foot", (0.09, 0.02, 0.11)),
)  # fmt: skip
"""A body of Mixamo's names that stands in a straight T-pose, its palms down."""


def write_actor(
    path: Path, poses: Mapping[str, np.ndarray], *, turn: np.ndarray | None = None, unit: float = 100.0, order: str = "ZXY", bones: Sequence[Bone] = ACTOR
) -> Path:
    """Write a motion of ``ACTOR``.

    Args:
        poses: joint -> (F, 3) rotation vectors rad against its parent, in the body's axes; others are not turned. turn: (3, 3) from those to the file's.
    """
    turn = np.eye(3) if turn is None else turn
    frames = max(len(pose) for pose in poses.values())
    names = [bone.name for bone in bones]
    lines, values = ["HIERARCHY"], []

    def write(number: int, depth: int) -> None:
        bone, pad = bones[number], "\t" * depth
        from_parent = np.array(bone.place) - (np.array(bones[names.index(bone.parent)].place) if bone.parent else 0.0)
        offset = np.zeros(3) if not bone.parent else unit * turn @ from_parent
        rotations = " ".join(f"{axis}rotation" for axis in order)
        kind = "JOINT" if bone.parent else "ROOT"
        channels = f"CHANNELS 3 {rotations}" if bone.parent else f"CHANNELS 6 Xposition Yposition Zposition {rotations}"
        lines.extend([f"{pad}{kind} {bone.name}", f"{pad}{{", f"{pad}\tOFFSET {' '.join(f'{v:.6f}' for v in offset)}", f"{pad}\t{channels}"])
        pose = np.asarray(poses.get(bone.name, np.zeros((frames, 3)))) @ turn.T
        if not bone.parent:
            values.append(np.tile(unit * turn @ np.array(bone.place), (frames, 1)))
        with warnings.catch_warnings(action="ignore"):  # at the poles of Euler angles one of two is as good
            values.append(Rotation.from_rotvec(pose).as_euler(order, degrees=True))
        children = [k for k, each in enumerate(bones) if each.parent == bone.name]
        for child in children:
            write(child, depth + 1)
        if not children:
            tip = unit * turn @ (0.02 * from_parent / np.linalg.norm(from_parent))
            lines.extend([f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\tOFFSET {' '.join(f'{v:.6f}' for v in tip)}", f"{pad}\t}}"])
        lines.append(f"{pad}}}")

    write(0, 0)
    rows = np.concatenate(values, axis=1)
    lines += ["MOTION", f"Frames: {frames}", "Frame Time: 0.033333", *(" ".join(f"{v:.6f}" for v in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
