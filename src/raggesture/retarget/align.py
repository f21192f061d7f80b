"""How the zero pose of a file lies against SMPL-X's: the turn that SMPL-X's bones need to lie as the file's do when nothing in it is turned.

T-pose, A-pose, hanging arms and palms of any turn come out alike: each limb's bone takes the file's direction by the shortest arc from its parent's
turn, a hand takes its whole orientation from its knuckles, half of what that turns the palm goes to the forearm. Trunk, neck, head and collars keep
SMPL-X's own shape (their joints lie elsewhere in every skeleton): they are turned as a whole. Feet are turned about the vertical alone, so that they
stay flat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from raggesture.body.joints import JOINT_NAMES, N_JOINTS, PARENTS
from raggesture.body.skeleton import rest_joints
from raggesture.body.turn import shortest_arc, unit
from raggesture.retarget.names import FINGERS, SIDES, Matched
from raggesture.retarget.source import Placed, Source

Floats = NDArray[np.float64]
NUMBER: Mapping[str, int] = {name: number for number, name in enumerate(JOINT_NAMES)}
_LIMBS = ((("shoulder", "elbow"), ("elbow", "wrist")), (("hip", "knee"), ("knee", "ankle")))
_PAIRS = ("hip", "knee", "ankle", "collar", "shoulder", "elbow", "wrist")
_AXIS = 0.97
"""A direction within 14 degrees of an axis is that axis: files' zero poses stand upright, their joints lie only nearly symmetrically."""
_STRAIGHT = 0.7
_FORWARD = 0.3
_APART = 0.985
"""Cosine of ten degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class Zero:
    """The pose that counts as the file's rest: ``placed`` (F = 1), the body's axes in it, left, up and forward as columns, of pelvis and chest.

    ``drawn``: it is the pose that the offsets draw, and no frame of the motion.
    """

    placed: Placed
    pelvis: Floats
    chest: Floats
    drawn: bool


def place_of(matched: Matched, placed: Placed, part: str, frame: int = 0) -> Floats | None:
    """(3,) Where a part's first joint is, None where the file lacks it."""
    joint = matched.one(part)
    return None if joint is None else placed.places[frame, joint]


def bottom_and_top(matched: Matched, placed: Placed) -> tuple[Floats, Floats]:
    """(F, 3) twice: between the ankles (else the pelvis), and the neck (else the head, else between the shoulders)."""
    ankles = [placed.places[:, joint] for side in SIDES if (joint := matched.one(f"{side}_ankle")) is not None]
    low = np.mean(ankles, axis=0) if ankles else placed.places[:, matched.of["pelvis"][0]]
    high = [matched.one(part) for part in ("neck", "head")]
    shoulders = np.mean([placed.places[:, matched.of[f"{side}_shoulder"][0]] for side in SIDES], axis=0)
    return low, next((placed.places[:, joint] for joint in high if joint is not None), shoulders)


def _axes(matched: Matched, placed: Placed, pairs: Sequence[str]) -> Floats:
    """(3, 3) Left, up and forward as columns, from the joints that are there twice."""
    low, high = bottom_and_top(matched, placed)
    up = unit((high - low)[0])
    left = np.zeros(3)
    for pair in pairs:
        ends = [place_of(matched, placed, f"{side}_{pair}") for side in SIDES]
        if ends[0] is not None and ends[1] is not None:
            left = left + ends[0] - ends[1]
    left = unit(left - np.dot(left, up) * up)
    return np.stack([left, up, np.cross(left, up)], axis=-1)


def _on_axes(axes: Floats) -> Floats:
    """The axes moved onto those of the file's space where they all lie near them."""
    nearest = np.where(np.abs(axes) > _AXIS, np.sign(axes), 0.0)
    return nearest if np.allclose(nearest.T @ nearest, np.eye(3)) else axes


def _is_body(matched: Matched, placed: Placed, axes: Floats) -> bool:
    """Whether a pose is one that a body can be told from: legs below, left and right apart, no arm across."""
    if not np.isclose(np.linalg.norm(axes[:, 0]), 1, atol=1e-3):
        return False
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        hip, ankle = (place_of(matched, placed, f"{side}_{part}") for part in ("hip", "ankle"))
        if hip is not None and ankle is not None and np.dot(unit(ankle - hip), axes[:, 1]) > -_STRAIGHT:
            return False
        shoulder, wrist = (placed.places[0, matched.of[f"{side}_{part}"][0]] for part in ("shoulder", "wrist"))
        if np.dot(unit(wrist - shoulder), axes[:, 0]) * sign < -_STRAIGHT:
            return False
    return True


def zero_of(matched: Matched, source: Source) -> Zero:
    """The rest pose: what the offsets draw, unless that is no body (``rest = "auto"``) or the table says otherwise; then the first frame."""
    placed = source.rest()
    axes = _axes(matched, placed, _PAIRS)
    wanted = matched.skeleton.rest
    if wanted == "offsets" or (wanted == "auto" and _is_body(matched, placed, axes)):
        axes = _on_axes(axes)
        return Zero(placed, axes, axes, drawn=True)
    first = source.sampled(1)
    return Zero(first, _axes(matched, first, ("hip",)), _axes(matched, first, ("collar", "shoulder")), drawn=False)


def is_mirrored(matched: Matched, source: Source) -> bool:
    """Whether both feet point backwards of what left and right say: the file's space is left-handed, or its sides are exchanged."""
    zero = zero_of(matched, source)
    toes = []
    for side in SIDES:
        ankle = matched.one(f"{side}_ankle")
        foot = place_of(matched, zero.placed, f"{side}_foot")
        if ankle is None:
            return False
        tip = source.tip(ankle) if foot is None else foot - zero.placed.places[0, ankle]
        if tip is None:
            return False
        toes.append(float(np.dot(unit(tip), zero.pelvis[:, 2])))
    return max(toes) < -_FORWARD


def alignment(matched: Matched, source: Source, zero: Zero, turn: Floats) -> Floats:
    """(55, 3, 3) For every joint of SMPL-X the world turn that lays it as the file's rest pose lies.

    Args:
        turn: (3, 3) from the file's space to ours.
    """
    rest = np.asarray(rest_joints(), np.float64)
    pelvis, chest = turn @ zero.pelvis, turn @ zero.chest
    out = np.tile(chest, (N_JOINTS, 1, 1))
    out[0] = pelvis
    for side in SIDES:
        for limb, base in zip(_LIMBS, (chest, pelvis), strict=True):
            before = base
            for upper, lower in limb:
                before = _laid(rest, before, f"{side}_{upper}", f"{side}_{lower}", _bone(matched, source, zero, f"{side}_{upper}", f"{side}_{lower}", turn))
                out[NUMBER[f"{side}_{upper}"]] = before
        _lay_hand(out, rest, matched, source, zero, side, turn)
        _lay_foot(out, rest, matched, source, zero, side, turn)
    return out


def _bone(matched: Matched, source: Source, zero: Zero, part: str, following: str, turn: Floats) -> Floats | None:
    """(3,) Direction of a bone in the rest pose, in our space; None where it is not known."""
    start, end = place_of(matched, zero.placed, part), place_of(matched, zero.placed, following)
    if start is None:
        return None
    if end is None:
        joint = matched.of[part][0]
        tip = source.tip(joint)
        bone = None if tip is None else zero.placed.rotations[0, joint] @ tip
    else:
        bone = end - start
    return None if bone is None or np.linalg.norm(bone) < 1e-9 else unit(turn @ bone)


def _laid(rest: Floats, before: Floats, joint: str, child: str, bone: Floats | None) -> Floats:
    """The turn of a joint: its parent's, and from there the shortest way to the bone."""
    if bone is None:
        return before
    own = unit(rest[NUMBER[child]] - rest[NUMBER[joint]])
    return np.asarray(shortest_arc(before @ own, bone) @ before, np.float64)


def _knuckles(points: Mapping[str, Floats], wrist: Floats) -> Floats | None:
    """(3, 3) Axes of a hand from two or more of its knuckles, the index side first and the little finger's last."""
    across = [points[finger] for finger in ("index", "middle", "ring", "pinky") if finger in points]
    if len(across) < 2:
        return None
    ahead = unit(np.mean(across, axis=0) - wrist)
    beside = across[0] - across[-1]
    beside = unit(beside - np.dot(beside, ahead) * ahead)
    return np.stack([ahead, beside, np.cross(ahead, beside)], axis=-1)


def _lay_hand(out: Floats, rest: Floats, matched: Matched, source: Source, zero: Zero, side: str, turn: Floats) -> None:
    elbow, wrist = NUMBER[f"{side}_elbow"], NUMBER[f"{side}_wrist"]
    own_wrist = matched.of[f"{side}_wrist"][0]
    bases = {finger: base for finger in FINGERS if (base := place_of(matched, zero.placed, f"{side}_{finger}")) is not None}
    theirs = _knuckles({finger: turn @ base for finger, base in bases.items()}, turn @ zero.placed.places[0, own_wrist])
    ours = _knuckles({finger: rest[NUMBER[f"{side}_{finger}1"]] for finger in bases}, rest[wrist])
    if theirs is not None and ours is not None:
        out[wrist] = theirs @ ours.T
        forearm = unit(out[elbow] @ (rest[wrist] - rest[elbow]))
        out[elbow] = Rotation.from_rotvec(0.5 * _twist(out[wrist] @ out[elbow].T, forearm) * forearm).as_matrix() @ out[elbow]
    else:
        out[wrist] = _laid(rest, out[elbow], f"{side}_wrist", f"{side}_middle1", _bone(matched, source, zero, f"{side}_wrist", f"{side}_middle", turn))
    for finger in FINGERS:
        before = out[wrist]
        chain = matched.of.get(f"{side}_{finger}", ())
        for k, joint in enumerate(chain):
            number = NUMBER[f"{side}_{finger}{k + 1}"]
            bone = _phalanx(source, zero, chain, k, turn) if joint >= 0 else None
            own = unit(rest[number + 1] - rest[number]) if k < 2 else unit(rest[number] - rest[PARENTS[number]])
            before = before if bone is None else shortest_arc(before @ own, bone) @ before
            out[number] = before


def _phalanx(source: Source, zero: Zero, chain: Sequence[int], k: int, turn: Floats) -> Floats | None:
    joint = chain[k]
    following = chain[k + 1] if k + 1 < len(chain) else -1
    if following >= 0:
        bone = zero.placed.places[0, following] - zero.placed.places[0, joint]
    else:
        tip = source.tip(joint)
        if tip is None:
            return None
        bone = zero.placed.rotations[0, joint] @ tip
    return unit(turn @ bone) if np.linalg.norm(bone) > 1e-9 else None


def _twist(rotation: Floats, axis: Floats) -> float:
    """Angle in rad, within half a turn, by which a rotation turns about an axis."""
    x, y, z, w = Rotation.from_matrix(rotation).as_quat()
    angle = 2 * float(np.arctan2(np.dot([x, y, z], axis), w))
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _stand(rest: Floats, matched: Matched, zero: Zero, side: str, turn: Floats, pelvis: Floats) -> Floats:
    """(3, 3) On what a foot is flat: the floor, or where the legs are drawn far apart (CMU's 20 degrees) what is square to its leg."""
    hip, ankle = (place_of(matched, zero.placed, f"{side}_{part}") for part in ("hip", "ankle"))
    if hip is None or ankle is None:
        return pelvis
    own = pelvis @ unit(rest[NUMBER[f"{side}_ankle"]] - rest[NUMBER[f"{side}_hip"]])
    leg = unit(turn @ (ankle - hip))
    return np.asarray(shortest_arc(own, leg) @ pelvis, np.float64) if np.dot(own, leg) < _APART else pelvis


def _lay_foot(out: Floats, rest: Floats, matched: Matched, source: Source, zero: Zero, side: str, turn: Floats) -> None:
    """A foot of a drawn rest pose is flat: only its heading counts. In a frame of the motion it may be lifted: its direction counts."""
    ankle, foot = NUMBER[f"{side}_ankle"], NUMBER[f"{side}_foot"]
    bone = _bone(matched, source, zero, f"{side}_ankle", f"{side}_foot", turn)
    if bone is None:
        out[ankle] = out[0] if zero.drawn else out[NUMBER[f"{side}_knee"]]
    elif zero.drawn:
        stand = _stand(rest, matched, zero, side, turn, out[0])
        up = stand[:, 1]
        flat = [unit(each - np.dot(each, up) * up) for each in (stand @ (rest[foot] - rest[ankle]), bone)]
        out[ankle] = shortest_arc(flat[0], flat[1]) @ stand
    else:
        out[ankle] = _laid(rest, out[0], f"{side}_ankle", f"{side}_foot", bone)
    out[foot] = out[ankle]
