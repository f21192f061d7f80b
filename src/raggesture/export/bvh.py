"""The ``bvh`` exporter: the 55 joints as BVH text, which Blender, MotionBuilder and most retargeting tools read.

Conventions: centimetres; x to the character's left, y up, z forward (as SMPL-X); degrees; every joint's channels are
``Zrotation Xrotation Yrotation``, in which order its matrix is ``Z @ X @ Y``. The zero of all rotations is SMPL-X's rest pose, a T-pose that
faces +z. The root's OFFSET is zero and its position channels hold the place of the pelvis in the world, so that programs that add the offset
and programs that replace it agree. Euler angles are chosen frame by frame next to the ones before (no jumps of 180 or 360 degrees), so curves
can be edited and resampled. The motion's own rate is kept. Shape: the mean body; ``betas`` and expression are not part of BVH.

Frames are written in blocks: memory does not grow with the length of the motion.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TextIO

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.spatial.transform import Rotation

from raggesture.body.joints import JOINT_NAMES, N_JOINTS, PARENTS
from raggesture.body.skeleton import rest_joints
from raggesture.export.checks import check_animated
from raggesture.export.progress import Told, told_to
from raggesture.motion import Motion
from raggesture.plugins.hookspecs import Exporter, Scene, hookimpl

CM_PER_M = 100.0
_BLOCK_FRAMES = 2048
_ORDER = "ZXY"
_ROTATIONS = "Zrotation Xrotation Yrotation"
_TIP_SHARE = 0.8
"""An end site lies so far beyond a joint as the bone before it is long, times this; it is there to be drawn."""
_FACE_TIP_M = (0.0, 0.0, 0.03)
_FACE_JOINTS = (22, 23, 24)

Floats = NDArray[np.float64]


class BvhOptions(BaseModel):
    """``bvh`` has no options."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


@dataclass(frozen=True, slots=True, eq=False)
class EulerState:
    """Where a stream of angles stands. ``raw`` and ``smooth`` (J, 3) degrees of the last frame, ``flipped`` (J,): it is told by the other solution."""

    raw: Floats
    smooth: Floats
    flipped: NDArray[np.bool_]


def _apart(first: Floats, second: Floats) -> Floats:
    """(..., 3) twice -> (...): how far angles lie apart, whole turns left out."""
    turn = np.abs(first - second) % 360
    distance: Floats = np.minimum(turn, 360 - turn).sum(axis=-1)
    return distance


def _other(angles: Floats) -> Floats:
    """The second solution of the same rotations: (z + 180, 180 - x, y + 180)."""
    mirrored: Floats = np.stack([angles[..., 0] + 180, 180 - angles[..., 1], angles[..., 2] + 180], axis=-1)
    return mirrored


def euler_angles(rotations: NDArray[np.float32], state: EulerState | None = None) -> tuple[Floats, EulerState]:
    """Continuous ZXY angles of a block of frames.

    Of the two solutions a rotation has, the one nearer the frame before is taken, with whole turns added so that nothing jumps.

    Args:
        rotations: (F, J, 3) axis-angle rad, F >= 1. state: what the call for the block before returned.
    Returns:
        (F, J, 3) degrees in the order z, x, y, and the state for the block after.
    """
    frames, joints, _ = rotations.shape
    raw = Rotation.from_rotvec(rotations.reshape(-1, 3).astype(np.float64)).as_euler(_ORDER, degrees=True).reshape(frames, joints, 3)
    before = EulerState(raw[0], raw[0], np.zeros(joints, np.bool_)) if state is None else state
    chain = np.concatenate([before.raw[None], raw])  # (F + 1, J, 3)
    # the second solution is the same map for every frame, so whether it is nearer depends on two neighbours only
    turns = _apart(_other(chain[1:]), chain[:-1]) < _apart(chain[1:], chain[:-1])  # (F, J)
    flipped = (np.cumsum(turns, axis=0) + before.flipped) % 2 == 1
    chosen = np.where(flipped[..., None], _other(raw), raw)
    smooth = np.unwrap(np.concatenate([before.smooth[None], chosen]), period=360, axis=0)[1:]
    return smooth, EulerState(raw[-1], smooth[-1], flipped[-1])


def _children(joint: int) -> tuple[int, ...]:
    return tuple(child for child in range(N_JOINTS) if PARENTS[child] == joint)


def file_order() -> tuple[int, ...]:
    """The joints as BVH lists them: every joint before its children, branch by branch."""

    def below(joint: int) -> Iterator[int]:
        yield joint
        for child in _children(joint):
            yield from below(child)

    return tuple(below(0))


def _tip_m(joint: int) -> Floats:
    rest = rest_joints().astype(np.float64)
    return np.asarray(_FACE_TIP_M) if joint in _FACE_JOINTS else _TIP_SHARE * (rest[joint] - rest[PARENTS[joint]])


def _offset(metres: Floats) -> str:
    return "OFFSET " + " ".join(f"{CM_PER_M * value:.6f}" for value in metres)


def _joint_lines(joint: int, depth: int) -> Iterator[str]:
    rest = rest_joints().astype(np.float64)
    pad, root = "\t" * depth, joint == 0
    yield f"{pad}{'ROOT' if root else 'JOINT'} {JOINT_NAMES[joint]}"
    yield f"{pad}{{"
    yield f"{pad}\t{_offset(np.zeros(3) if root else rest[joint] - rest[PARENTS[joint]])}"
    yield f"{pad}\t" + (f"CHANNELS 6 Xposition Yposition Zposition {_ROTATIONS}" if root else f"CHANNELS 3 {_ROTATIONS}")
    for child in _children(joint):
        yield from _joint_lines(child, depth + 1)
    if not _children(joint):
        yield from (f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\t{_offset(_tip_m(joint))}", f"{pad}\t}}")
    yield f"{pad}}}"


def hierarchy() -> str:
    """BVH's section HIERARCHY of the 55 joints."""
    return "\n".join(("HIERARCHY", *_joint_lines(0, 0))) + "\n"


def _write_frames(motion: Motion, stream: TextIO, told: Told) -> None:
    order = list(file_order())
    rest = rest_joints()[0].astype(np.float64)
    line = " ".join(["%.4f"] * (3 + 3 * N_JOINTS)) + "\n"
    state: EulerState | None = None
    for start in range(0, motion.frames, _BLOCK_FRAMES):
        block = slice(start, start + _BLOCK_FRAMES)
        angles, state = euler_angles(motion.rotations[block, order], state)  # (f, 55, 3)
        places = CM_PER_M * (motion.translation[block].astype(np.float64) + rest)  # (f, 3)
        rows = np.concatenate([places, angles.reshape(len(angles), -1)], axis=1).round(4) + 0.0  # (f, 168); + 0.0: no "-0.0000"
        stream.writelines(line % tuple(row) for row in rows.tolist())
        done = start + len(rows)
        told(f"frame {done} of {motion.frames}", done / motion.frames)


class BvhExporter:
    """Writes the motion; the same motion gives the same bytes."""

    name: ClassVar[str] = "bvh"
    suffix: ClassVar[str] = ".bvh"
    Options: ClassVar[type[BaseModel]] = BvhOptions

    def __init__(self, options: BvhOptions) -> None:
        self._options = options

    def write(self, scene: Scene, path: Path) -> None:
        """Write ``scene.motion`` to ``path``.

        Raises:
            InputError: the motion has no frames or no rate.
        """
        motion = scene.motion
        check_animated(motion)
        with path.open("w", encoding="ascii", newline="\n") as stream:
            stream.write(hierarchy())
            stream.write(f"MOTION\nFrames: {motion.frames}\nFrame Time: {1 / motion.fps:.10f}\n")
            _write_frames(motion, stream, told_to(scene))


@hookimpl
def raggesture_exporters() -> list[type[Exporter]]:
    """The exporter of this module."""
    return [BvhExporter]
