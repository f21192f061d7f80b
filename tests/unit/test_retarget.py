"""BVH carried over to SMPL-X: a known pose of the file is the pose of the body, whatever rest pose, names, axes, unit, order and rate the file has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from helpers_animation import Shown, real_take, tumbling, wanted_joints
from helpers_bvh import (
    A_POSE,
    ACTOR,
    FINGER_BONES,
    HANGING,
    LIMB_BONES,
    MIXAMO,
    NUMBER,
    Z_UP,
    Bone,
    Look,
    degrees_between,
    directions,
    gesturing,
    world_turns,
    write_actor,
    write_like,
)
from raggesture.body.joints import JOINT_NAMES
from raggesture.corpus.starter.hands import shape_rotations
from raggesture.errors import InputError
from raggesture.export.bvh import BvhExporter, BvhOptions
from raggesture.motion import Motion
from raggesture.retarget import carry
from raggesture.retarget.carry import Carried, read_bvh_motion

HALF = np.pi / 2
_AXES = {"left": (1, 0, 0), "up": (0, 1, 0), "forward": (0, 0, 1), "right": (-1, 0, 0), "down": (0, -1, 0), "back": (0, 0, -1)}
PALMS_FORWARD = {"left_elbow": (-1.4, 0.0, 0.0), "right_elbow": (-1.4, 0.0, 0.0)}
BODY = {name: theirs for name, theirs in MIXAMO.items() if not any(finger in name for finger in ("index", "middle", "pinky", "ring", "thumb"))}
LOOKS: Mapping[str, Look] = {
    "t-pose": Look(),
    "a-pose": Look(rest=A_POSE),
    "arms hanging": Look(rest=HANGING),
    "palms forward": Look(rest=PALMS_FORWARD),
    "curled fingers": Look(rest={f"{side}_{finger}{k}": (0.0, 0.0, -0.4 * sign) for side, sign in (("left", 1), ("right", -1)) for finger in
                                 ("index", "middle", "ring", "pinky") for k in (1, 2, 3)}),
    "z up, metres": Look(rest=A_POSE, turn=Z_UP, unit=1.0, order="XYZ"),
    "inches": Look(unit=39.37, order="YXZ"),
    "facing -x": Look(turn=Rotation.from_rotvec([0, -HALF, 0]).as_matrix()),
    "z up, facing +x": Look(turn=Rotation.from_rotvec([0, 0, HALF]).as_matrix() @ Z_UP),
    "rest and motion of different axes": Look(order="YZX", prefix="Char01_"),
    "positions everywhere": Look(every_position=True, order="ZYX", prefix=""),
    "other proportions": Look(rest=A_POSE, longer={"left_elbow": 1.25, "right_elbow": 1.25, "left_wrist": 0.8, "right_wrist": 0.8, "neck": 1.2}),
}  # fmt: skip


def carried(folder: Path, motion: Motion, look: Look, skeleton: str = "") -> Carried:
    return read_bvh_motion(write_like(folder / "take.bvh", motion, look), skeleton)


def yaw_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(3, 3) The turn about the vertical that brings directions nearest to others."""
    x = np.sum(first[..., 2] * second[..., 0] - first[..., 0] * second[..., 2])
    z = np.sum(first[..., 0] * second[..., 0] + first[..., 2] * second[..., 2])
    return Rotation.from_rotvec([0, np.arctan2(x, z), 0]).as_matrix()


@pytest.fixture(scope="module")
def motion() -> Motion:
    return gesturing(3.0, "big")


@pytest.mark.parametrize("name", LOOKS)
def test_limbs_and_fingers_point_as_in_the_file(tmp_path: Path, motion: Motion, name: str) -> None:
    found = carried(tmp_path, motion, LOOKS[name])
    assert found.skeleton == "mixamo" and found.joints == 52 and found.relaxed == () and found.notes == ()
    mine, wanted = world_turns(found.motion.rotations), world_turns(motion.rotations)
    limbs, wanted_limbs = directions(mine, LIMB_BONES), directions(wanted, LIMB_BONES)
    yaw = yaw_between(wanted_limbs, limbs)
    assert degrees_between(limbs, wanted_limbs @ yaw.T).max() < 1
    assert degrees_between(directions(mine, FINGER_BONES), directions(wanted, FINGER_BONES) @ yaw.T).max() < 1
    for joint in ("pelvis", "spine1", "spine3", "neck", "head", "left_collar", "left_wrist", "right_wrist", "left_ankle"):
        apart = Rotation.from_matrix(np.swapaxes(yaw @ wanted[:, NUMBER[joint]], -1, -2) @ mine[:, NUMBER[joint]]).magnitude()
        assert np.degrees(apart).max() < 2, joint
    for joint in ("left_shoulder", "left_elbow", "right_elbow"):  # the twist along a limb is told by the rest pose alone
        apart = Rotation.from_matrix(np.swapaxes(yaw @ wanted[:, NUMBER[joint]], -1, -2) @ mine[:, NUMBER[joint]]).magnitude()
        assert np.degrees(apart).max() < (45 if "elbow" in joint and name == "palms forward" else 15), joint


@pytest.mark.parametrize("name", LOOKS)
def test_the_body_stands_on_the_floor_at_the_origin_and_faces_forward(tmp_path: Path, motion: Motion, name: str) -> None:
    found = carried(tmp_path, motion, LOOKS[name])
    joints = wanted_joints(found.motion)
    assert found.motion.translation[0, [0, 2]] == pytest.approx([0, 0], abs=1e-6)
    assert found.motion.translation[:, 1].mean() == pytest.approx(motion.translation[:, 1].mean(), abs=0.01)
    assert np.abs(joints[:, [NUMBER["left_ankle"], NUMBER["right_ankle"]], 1].min() - 0.09) < 0.015
    left = joints[:, NUMBER["left_shoulder"]] - joints[:, NUMBER["right_shoulder"]] + joints[:, NUMBER["left_hip"]] - joints[:, NUMBER["right_hip"]]
    heading = np.arctan2(-left[:, 2], left[:, 0])
    assert abs(heading.mean()) < np.radians(3)
    path, wanted = (np.linalg.norm(np.diff(each.translation, axis=0), axis=-1).sum() for each in (found.motion, motion))
    assert path == pytest.approx(wanted, rel=0.02)


def comes_back(folder: Path, motion: Motion) -> None:
    BvhExporter(BvhOptions()).write(Shown("a", motion), folder / "a.bvh")
    found = read_bvh_motion(folder / "a.bvh")
    assert found.skeleton == "smplx" and found.unit == "centimetres" and found.notes == ()
    assert np.abs(wanted_joints(found.motion) - wanted_joints(motion)).max() < 1e-3


def test_our_own_file_comes_back(tmp_path: Path, motion: Motion) -> None:
    for each in (motion, tumbling(90), tumbling(1)):
        comes_back(tmp_path, each)


def test_the_real_take_comes_back(tmp_path: Path, beat2_mini: Path) -> None:
    comes_back(tmp_path, real_take(beat2_mini))


def test_our_own_file_through_a_tool_that_stands_it_up_in_z(tmp_path: Path, motion: Motion) -> None:
    look = Look(names={name: name for name in JOINT_NAMES}, prefix="", turn=Z_UP, unit=1.0, order="XYZ")
    found = carried(tmp_path, motion, look)
    assert (found.skeleton, found.up, found.unit) == ("smplx", "z", "metres")
    assert np.abs(wanted_joints(found.motion) - wanted_joints(motion)).max() < 1e-3


POSES: Mapping[str, tuple[Mapping[str, tuple[float, float, float]], Mapping[tuple[str, str], str]]] = {
    "left arm up, right arm forward, its forearm up": (
        {"LeftArm": (0, 0, HALF), "RightArm": (0, HALF, 0), "RightForeArm": (0, 0, -HALF)},
        {("left_shoulder", "left_elbow"): "up", ("left_elbow", "left_wrist"): "up", ("right_shoulder", "right_elbow"): "forward",
         ("right_elbow", "right_wrist"): "up", ("left_hip", "left_knee"): "down"},
    ),
    "right arm down, left arm across": (
        {"RightArm": (0, 0, HALF), "LeftArm": (0, -HALF, 0), "LeftForeArm": (0, -HALF, 0)},
        {("right_shoulder", "right_elbow"): "down", ("right_elbow", "right_wrist"): "down", ("left_shoulder", "left_elbow"): "forward",
         ("left_elbow", "left_wrist"): "right"},
    ),
    "sitting": (
        {"LeftUpLeg": (-HALF, 0, 0), "RightUpLeg": (-HALF, 0, 0), "LeftLeg": (HALF, 0, 0), "RightLeg": (HALF, 0, 0)},
        {("left_hip", "left_knee"): "forward", ("right_hip", "right_knee"): "forward", ("left_knee", "left_ankle"): "down",
         ("left_shoulder", "left_elbow"): "left", ("right_shoulder", "right_elbow"): "right"},
    ),
}  # fmt: skip
_SPACES = {"y up": np.eye(3), "z up, facing +x": Rotation.from_rotvec([0, 0, HALF]).as_matrix() @ Z_UP, "facing -z": np.diag([-1.0, 1.0, -1.0])}


@pytest.mark.parametrize("space", _SPACES)
@pytest.mark.parametrize("name", POSES)
def test_a_body_of_its_own_takes_a_known_pose(tmp_path: Path, name: str, space: str) -> None:
    """The actor's bones are not SMPL-X's: only where they point is the same."""
    pose, wanted = POSES[name]
    held = {joint: np.tile(np.array(value, float), (4, 1)) for joint, value in pose.items()}
    held["LeftHandIndex2"] = held["RightHandIndex2"] = np.tile([0.0, 0.0, 0.4], (4, 1))
    found = read_bvh_motion(write_actor(tmp_path / "a.bvh", held, turn=_SPACES[space], unit=1 / 0.0254, order="YXZ"))
    assert found.unit == "inches" and found.relaxed == ()
    world = world_turns(found.motion.rotations)
    for bone, direction in wanted.items():
        assert degrees_between(directions(world, (bone,))[:, 0], np.array(_AXES[direction], float)).max() < 1, bone
    assert np.degrees(Rotation.from_matrix(world[:, NUMBER["spine3"]]).magnitude()).max() < 0.5


def test_palms_stay_where_they_face(tmp_path: Path) -> None:
    """The actor's palms are down in its rest pose; the forearm that is raised to the front shows its palm to the front, thumb inwards."""
    held = {"RightArm": np.tile([0, HALF, 0.0], (3, 1)), "RightForeArm": np.tile([0, 0.0, -HALF], (3, 1)), "RightHandIndex2": np.tile([0, 0, -0.3], (3, 1))}
    world = world_turns(read_bvh_motion(write_actor(tmp_path / "a.bvh", held)).motion.rotations)[:, NUMBER["right_wrist"]]
    palm = world @ np.array([0.0, -1.0, 0.0])  # SMPL-X's palms are down in its rest pose
    assert degrees_between(palm, np.array([0.0, 0.0, 1.0])).max() < 12  # knuckles lie a little differently in every hand
    across = directions(world_turns(np.zeros((1, 55, 3))), (("right_pinky1", "right_index1"),))[0, 0]
    assert (world @ across)[:, 0].min() > 0.9  # index towards the body's left, as a right hand that says stop


def test_a_head_turned_to_its_left_is_turned_to_its_left(tmp_path: Path) -> None:
    held = {"Head": np.tile([0.0, 0.7, 0.0], (3, 1))}
    for turn in _SPACES.values():
        world = world_turns(read_bvh_motion(write_actor(tmp_path / "a.bvh", held, turn=turn)).motion.rotations)
        assert Rotation.from_matrix(world[0, NUMBER["head"]]).as_rotvec() == pytest.approx([0, 0.7, 0], abs=0.02)


@pytest.mark.parametrize("count", [0, 1, 2, 4, 5])
def test_a_spine_of_another_number_of_joints_bends_as_far(tmp_path: Path, count: int) -> None:
    """Each joint of the file bends by its share; the chest of ours ends where the file's does, in between it is spread evenly."""
    heights = np.linspace(1.1, 1.34, count) if count else []
    names = [f"Spine{k or ''}" for k in range(count)]
    spine = [Bone(name, names[k - 1] if k else "Hips", (0.0, float(heights[k]), 0.0)) for k, name in enumerate(names)]
    top = names[-1] if names else "Hips"
    others = [replace(bone, parent=top) if bone.parent == "Spine2" else bone for bone in ACTOR if not bone.name.startswith("Spine")]
    held = {name: np.tile([0.6 / count, 0.0, 0.0], (3, 1)) for name in names} or {"Head": np.zeros((3, 3))}
    table = tmp_path / "mine.toml"
    table.write_text('like = "mixamo"\n[joints]\nspine = ["Spine", "Spine1", "Spine2", "Spine3", "Spine4"]\n', encoding="utf-8")
    found = read_bvh_motion(write_actor(tmp_path / "a.bvh", held, bones=[others[0], *spine, *others[1:]]), str(table))
    world = world_turns(found.motion.rotations)[0]
    bends = [Rotation.from_matrix(world[NUMBER[name]]).as_rotvec()[0] for name in ("pelvis", "spine1", "spine2", "spine3", "neck")]
    wanted = [0.0, 0.2, 0.4, 0.6, 0.6] if count else [0.0] * 5
    assert bends == pytest.approx(wanted, abs=0.01)


def test_a_neck_of_two_joints_turns_half_way(tmp_path: Path) -> None:
    bones = [replace(bone, parent="Neck1") if bone.name == "Head" else bone for bone in ACTOR]
    bones.insert(5, Bone("Neck1", "Neck", (0.0, 1.55, -0.02)))
    held = {name: np.tile([0.0, 0.3, 0.0], (3, 1)) for name in ("Neck", "Neck1")}
    found = read_bvh_motion(write_actor(tmp_path / "a.bvh", held, bones=bones))
    assert found.skeleton == "beat"
    world = world_turns(found.motion.rotations)[0]
    assert [Rotation.from_matrix(world[NUMBER[name]]).as_rotvec()[1] for name in ("neck", "head")] == pytest.approx([0.45, 0.6], abs=0.01)


def test_hands_without_fingers_are_relaxed(tmp_path: Path, motion: Motion) -> None:
    found = carried(tmp_path, motion, Look(names=BODY, rest=A_POSE))
    assert found.relaxed == ("left", "right") and "no finger moves in the left and the right hand: relaxed" in found.notes[0]
    relaxed = shape_rotations("relaxed").reshape(15, 3)
    assert np.allclose(found.motion.rotations[:, 25:40], relaxed, atol=1e-5)
    assert np.allclose(found.motion.rotations[:, 40:55], relaxed * [1, -1, -1], atol=1e-5)
    mine, wanted = directions(world_turns(found.motion.rotations), LIMB_BONES), directions(world_turns(motion.rotations), LIMB_BONES)
    assert degrees_between(mine, wanted @ Rotation.from_rotvec([0.0, found.turned_rad, 0.0]).as_matrix().T).max() < 1


def test_a_suit_without_gloves_has_fingers_that_never_move(tmp_path: Path, motion: Motion) -> None:
    rotations = np.array(motion.rotations)
    rotations[:, 25:40] = 0.0
    found = carried(tmp_path, Motion(rotations, motion.translation, motion.expression), Look())
    assert found.relaxed == ("left",)
    assert np.abs(found.motion.rotations[:, 25:40]).max() > 0.3
    posed = rotations.copy()
    posed[:, 25:40] = shape_rotations("fist").reshape(15, 3)
    kept = carried(tmp_path, Motion(posed, motion.translation, motion.expression), Look())
    assert kept.relaxed == () and np.abs(kept.motion.rotations[:, 25:40] - posed[:, 25:40]).max() < 0.05  # a fist that is held is meant


def test_an_upper_body_alone_stands(tmp_path: Path, motion: Motion) -> None:
    look = Look(names={name: theirs for name, theirs in MIXAMO.items() if not any(leg in name for leg in ("hip", "knee", "ankle", "foot"))}, unit=80.0)
    found = carried(tmp_path, motion, look)
    arms = tuple(bone for bone in LIMB_BONES if "elbow" in bone[0] + bone[1])
    mine, wanted = directions(world_turns(found.motion.rotations), arms), directions(world_turns(motion.rotations), arms)
    assert degrees_between(mine, wanted @ yaw_between(wanted, mine).T).max() < 1
    assert np.abs(found.motion.rotations[:, [NUMBER["left_knee"], NUMBER["right_hip"]]]).max() < 1e-5
    assert 1.25 < found.motion.translation[:, 1].mean() < 1.4


def test_offsets_that_draw_no_body_give_way_to_the_first_frame(tmp_path: Path, motion: Motion) -> None:
    """Bones drawn along any axis, as in files whose zero pose is that of the rig's own axes."""
    rng = np.random.default_rng(3)
    look = Look(rest={name: rng.normal(0, 1.5, 3) for name in JOINT_NAMES})
    found = carried(tmp_path, motion, look)
    assert "its offsets draw no body: the first frame counts as the rest pose" in found.notes[0]
    mine, wanted = world_turns(found.motion.rotations), world_turns(motion.rotations)
    limbs = directions(mine, LIMB_BONES)
    yaw = yaw_between(directions(wanted, LIMB_BONES), limbs)
    assert degrees_between(limbs, directions(wanted, LIMB_BONES) @ yaw.T).max() < 1
    assert degrees_between(directions(mine, FINGER_BONES), directions(wanted, FINGER_BONES) @ yaw.T).max() < 1
    table = tmp_path / "mine.toml"
    table.write_text('like = "mixamo"\nrest = "first frame"\n', encoding="utf-8")
    assert carried(tmp_path, motion, Look(), str(table)).notes == ()  # asked for, so not worth a note


def test_a_left_handed_space_is_seen_in_a_mirror(tmp_path: Path, motion: Motion) -> None:
    path = write_like(tmp_path / "a.bvh", motion, Look(rest=A_POSE))
    lines = path.read_text(encoding="utf-8").splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("Frame Time")) + 1
    flipped = []
    for k, line in enumerate(lines):
        words = line.split()
        if words and words[0] == "OFFSET":
            line = f"OFFSET {-float(words[1])} {words[2]} {words[3]}"
        elif k >= start:  # Xposition and, of each joint, Zrotation and Yrotation change sign; Xrotation stays
            row = np.array(words, float)
            row[0] *= -1
            row[3::3] *= -1
            row[5::3] *= -1
            line = " ".join(map(str, row))
        flipped.append(line)
    path.write_text("\n".join(flipped), encoding="utf-8")
    found = read_bvh_motion(path)
    assert "its feet point backwards, as in a left-handed space: it is read in a mirror" in found.notes[0]
    mine, wanted = directions(world_turns(found.motion.rotations), LIMB_BONES), directions(world_turns(motion.rotations), LIMB_BONES)
    assert degrees_between(mine, wanted @ yaw_between(wanted, mine).T).max() < 1
    table = tmp_path / "mine.toml"
    table.write_text('like = "mixamo"\nmirror = false\n', encoding="utf-8")
    assert read_bvh_motion(path, str(table)).notes == ()


def test_legs_that_are_drawn_apart_stand_flat(tmp_path: Path) -> None:
    """CMU's legs are drawn 20 degrees apart with the feet square to them; who stands upright stands on flat feet."""
    apart = np.radians(20)
    bones = []
    for bone in ACTOR:
        side = 1 if bone.name.startswith("Left") else -1
        if bone.name.endswith(("Leg", "Foot", "ToeBase")) and "Up" not in bone.name:
            hip = np.array([0.09 * side, 0.95, 0.0])
            bone = replace(bone, place=tuple(hip + Rotation.from_rotvec([0, 0, apart * side]).apply(np.array(bone.place) - hip)))
        bones.append(bone)
    straight = {f"{name}UpLeg": np.tile([0.0, 0.0, -apart * side], (3, 1)) for name, side in (("Left", 1), ("Right", -1))}
    world = world_turns(read_bvh_motion(write_actor(tmp_path / "a.bvh", straight, bones=bones)).motion.rotations)[0]
    for side in ("left", "right"):
        assert degrees_between(world[NUMBER[f"{side}_ankle"]] @ np.array([0.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0])) < 5


@pytest.mark.parametrize(("fps", "worst_deg"), [(15.0, 3.0), (24.0, 1.0), (25.0, 1.0), (60.0, 0.01), (90.0, 0.01), (100.0, 0.05), (120.0, 0.01), (29.97, 0.5)])
def test_other_rates_become_thirty(tmp_path: Path, fps: float, worst_deg: float) -> None:
    seconds = 4.0
    at = np.arange(round(seconds * 600)) / 600
    swing = np.zeros((len(at), 55, 3))
    swing[:, NUMBER["left_shoulder"], 2] = 0.8 * np.sin(2 * np.pi * 1.1 * at)
    swing[:, NUMBER["right_elbow"], 1] = 0.5 * np.sin(2 * np.pi * 0.7 * at)

    def sampled(rate: float, count: int) -> Motion:
        rows = np.minimum(np.round(np.arange(count) / rate * 600).astype(int), len(at) - 1)
        return Motion(swing[rows].astype(np.float32), np.tile([0, 1.3, 0], (count, 1)).astype(np.float32), np.zeros((count, 100), np.float32), rate)

    found = carried(tmp_path, sampled(fps, round(seconds * fps)), Look(fps=fps))
    wanted = sampled(30.0, 120)
    assert found.motion.fps == 30.0 and found.motion.frames == 120 and found.file_fps == pytest.approx(fps, rel=1e-4)
    inside = slice(0, -3)  # past the last frame of a slow file there is nothing to see
    mine, theirs = (directions(world_turns(each.rotations), LIMB_BONES[:4])[inside] for each in (found.motion, wanted))
    turn = Rotation.from_rotvec([0.0, found.turned_rad, 0.0]).as_matrix()
    assert degrees_between(mine, theirs @ turn.T).max() < worst_deg


def test_blocks_leave_no_seam(tmp_path: Path, motion: Motion, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_like(tmp_path / "a.bvh", motion, Look(fps=25.0))
    whole = read_bvh_motion(path).motion
    monkeypatch.setattr(carry, "_BLOCK_FRAMES", 7)
    pieces = read_bvh_motion(path).motion
    assert np.abs(pieces.rotations - whole.rotations).max() < 1e-5 and np.abs(pieces.translation - whole.translation).max() < 1e-5


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_few_frames(tmp_path: Path, motion: Motion, frames: int) -> None:
    assert carried(tmp_path, motion.cut(slice(0, frames)), Look()).motion.frames == frames
    assert carried(tmp_path, motion.cut(slice(0, frames)), Look(fps=24.0)).motion.frames == max(1, round(frames * 30 / 24))


def test_the_vertical_can_be_said(tmp_path: Path, motion: Motion) -> None:
    table = tmp_path / "mine.toml"
    table.write_text('like = "mixamo"\nup = "z"\n', encoding="utf-8")
    found = carried(tmp_path, motion, Look(turn=Z_UP), str(table))
    assert (found.skeleton, found.up) == ("mine", "z")
    lying = carried(tmp_path, motion, Look(), str(table))  # of a file with y up that is a body on its face
    head, pelvis = (wanted_joints(lying.motion)[0, NUMBER[name]] for name in ("head", "pelvis"))
    assert abs(head[1] - pelvis[1]) < 0.3


def test_a_body_without_lengths_is_refused(tmp_path: Path, motion: Motion) -> None:
    flat = Look(longer=dict.fromkeys(JOINT_NAMES, 0.0))
    with pytest.raises(InputError, match=r"take\.bvh: .*no length; expected OFFSETs of a body"):
        carried(tmp_path, motion, flat)
