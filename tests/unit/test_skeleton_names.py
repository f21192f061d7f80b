"""Tables of joints: the packaged ones know their files, a user's own is held to its form."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers_bvh import MIXAMO
from raggesture.body.joints import JOINT_NAMES
from raggesture.errors import ConfigError, InputError
from raggesture.retarget.names import NEEDED, ROLES, find_skeleton, load_packaged, load_skeleton, match, packaged

FINGERS = ("Index", "Middle", "Ring", "Pinky", "Thumb")
SIDES = ("Left", "Right")
_ARMS_AND_LEGS = [f"{side}{name}" for side in SIDES for name in ("Shoulder", "Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot", "ToeBase")]
_FINGERS = [f"{side}Hand{finger}{k}" for side in SIDES for finger in FINGERS for k in (1, 2, 3, 4)]
# Joints as files of these programs name them, in no order of ours.
FILES: dict[str, list[str]] = {
    "smplx": list(JOINT_NAMES),
    "mixamo": ["Hips", "Spine", "Spine1", "Spine2", "Neck", "Head", "HeadTop_End", *_ARMS_AND_LEGS, *_FINGERS],
    "beat": ["Hips", "Spine", "Spine1", "Spine2", "Spine3", "Neck", "Neck1", "Head", "HeadEnd", *_ARMS_AND_LEGS, "LeftForeFoot", "RightForeFoot", *_FINGERS]
    + [f"{side}Hand{finger}" for side in SIDES for finger in FINGERS],
    "cmu": ["Hips", "LHipJoint", "RHipJoint", "LowerBack", "Spine", "Spine1", "Neck", "Neck1", "Head", *_ARMS_AND_LEGS,
            "LeftFingerBase", "LeftHandIndex1", "LThumb", "RightFingerBase", "RightHandIndex1", "RThumb"],
    "daz": ["hip", "abdomen", "chest", "neck", "head", "leftEye", "rightEye"]
    + [f"{side}{name}" for side in "lr" for name in ("Collar", "Shldr", "ForeArm", "Hand", "Thumb1", "Index1", "Mid1", "Ring1", "Pinky1")]
    + [f"{side}{name}" for side in "lr" for name in ("Buttock", "Thigh", "Shin", "Foot")],
    "rokoko": ["Hips", "Spine1", "Spine2", "Spine3", "Spine4", "Neck", "Head"]
    + [f"{side}{name}" for side in SIDES for name in ("Shoulder", "Arm", "ForeArm", "Hand", "Thigh", "Shin", "Foot", "Toe", "ToeTip")]
    + [f"{side}Finger{k}{bone}" for side in SIDES for k in range(1, 6) for bone in ("Metacarpal", "Proximal", "Medial", "Distal", "Tip")],
    "unreal": ["root", "pelvis", "spine_01", "spine_02", "spine_03", "spine_04", "spine_05", "neck_01", "neck_02", "head"]
    + [f"{name}_{side}" for side in "lr" for name in ("clavicle", "upperarm", "upperarm_twist_01", "lowerarm", "hand", "thigh", "calf", "foot", "ball")]
    + [f"{finger}_{k}_{side}" for side in "lr" for finger in ("thumb", "index", "middle", "ring", "pinky") for k in ("metacarpal", "01", "02", "03")],
    "rigify": ["spine", *(f"spine.00{k}" for k in range(1, 7))]
    + [f"{name}.{side}" for side in "LR" for name in ("shoulder", "upper_arm", "forearm", "hand", "thigh", "shin", "foot", "toe", "pelvis", "palm.01")]
    + [f"{finger}.0{k}.{side}" for side in "LR" for finger in ("thumb", "f_index", "f_middle", "f_ring", "f_pinky") for k in (1, 2, 3)],
    "humanoid": ["hips", "spine", "chest", "upperChest", "neck", "head"]
    + [f"{side}{name}" for side in ("left", "right") for name in ("Shoulder", "UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot", "Toes")]
    + [f"{side}{finger}{bone}" for side in ("left", "right") for finger in ("Index", "Middle", "Ring", "Little") for bone in
       ("Proximal", "Intermediate", "Distal")] + [f"{side}Thumb{bone}" for side in ("left", "right") for bone in ("Metacarpal", "Proximal", "Distal")],
}  # fmt: skip
BIOVISION = ["Hips", "Chest", "Chest2", "Neck", "Head"] + [
    f"{side}{name}" for side in SIDES for name in ("Collar", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Toe")
]
SPINES = {"smplx": 3, "mixamo": 3, "beat": 4, "cmu": 3, "daz": 2, "rokoko": 4, "unreal": 5, "rigify": 3, "humanoid": 3}
HANDS = {"cmu": 0, "daz": 5}


def parts(path: Path, names: list[str], chosen: str = "") -> tuple[str, dict[str, list[str]]]:
    """Name of the table, and part -> names of the file's joints ("" for one that the file lacks)."""
    found = find_skeleton(path, names, chosen)
    return found.skeleton.name, {part: [names[joint] if joint >= 0 else "" for joint in chain] for part, chain in found.of.items()}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("prefix", ["", "mixamorig:", "Character1_", "Model:Reference:"])
def test_each_file_is_known_by_its_names(name: str, prefix: str) -> None:
    chosen, found = parts(Path("a.bvh"), [f"{prefix}{joint}" for joint in reversed(FILES[name])])
    assert chosen == name
    assert set(NEEDED) <= set(found) and {f"{side}_{part}" for side in ("left", "right") for part in ("hip", "knee", "ankle", "collar")} <= set(found)
    assert len(found["spine"]) == SPINES[name]
    fingers = [joint for part, chain in found.items() if part.partition("_")[2] in ("index", "middle", "pinky", "ring", "thumb") for joint in chain if joint]
    assert len(fingers) == 2 * HANDS.get(name, 15)
    used = [joint for chain in found.values() for joint in chain if joint]
    assert len(set(used)) == len(used)  # no joint has two parts
    lefts = {joint.replace(prefix, "").lower() for part, chain in found.items() if part.startswith("left_") for joint in chain if joint}
    assert all(joint.startswith("l") or joint.endswith(("_l", ".l")) for joint in lefts)


def test_every_packaged_table_has_a_file_here() -> None:
    assert set(packaged()) == set(FILES) and packaged()[0] == "smplx"
    for name in packaged():
        skeleton = load_packaged(name)
        assert skeleton.about and set(NEEDED) <= set(skeleton.joints)


def test_names_that_mean_two_things() -> None:
    _, old = parts(Path("a.bvh"), BIOVISION)
    assert (old["left_collar"], old["left_shoulder"], old["left_elbow"]) == (["LeftCollar"], ["LeftShoulder"], ["LeftElbow"])
    assert old["pelvis"] == ["Hips"] and old["left_hip"] == ["LeftHip"]
    _, new = parts(Path("a.bvh"), FILES["humanoid"])
    assert (new["left_collar"], new["left_shoulder"]) == (["leftShoulder"], ["leftUpperArm"])
    assert new["left_thumb"] == ["leftThumbMetacarpal", "leftThumbProximal", "leftThumbDistal"]
    older = [name.replace("ThumbProximal", "ThumbIntermediate").replace("ThumbMetacarpal", "ThumbProximal") for name in FILES["humanoid"]]
    assert parts(Path("a.bvh"), older)[1]["left_thumb"] == ["leftThumbProximal", "leftThumbIntermediate", "leftThumbDistal"]


def test_a_file_that_no_table_knows_is_told_what_is_missing() -> None:
    names = [name for name in FILES["mixamo"] if name not in ("LeftForeArm", "RightHand")]
    with pytest.raises(InputError) as found:
        find_skeleton(Path("take.bvh"), names)
    said = str(found.value)
    assert (
        said.startswith("take.bvh: its joints (Hips, Spine, ")
        and "the nearest is 'mixamo', which lacks left_elbow (LeftForeArm), right_wrist (RightHand)" in said
    )
    assert said.endswith("name the joints in a table and give it with --skeleton (docs/library.md)")


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    table = tmp_path / "studio.toml"
    table.write_text('like = "mixamo"\nsides = ["L_", "R_"]\nup = "z"\nmirror = true\n[joints]\nshoulder = "*Upper"\nindex = ["*Pointer1"]\n', encoding="utf-8")
    skeleton = load_skeleton(str(table))
    assert (skeleton.name, skeleton.up, skeleton.rest, skeleton.place, skeleton.mirror) == ("studio", "z", "auto", "stand", True)
    assert skeleton.joints["left_shoulder"] == (("L_Upper",),) and skeleton.joints["right_index"] == (("R_Pointer1",),)
    assert skeleton.joints["left_elbow"] == (("LeftForeArm",),)  # as in the table that it is like
    names = [{"LeftArm": "L_Upper", "RightArm": "R_Upper"}.get(name, name) for name in MIXAMO.values()]
    assert parts(Path("a.bvh"), names, str(table))[1]["left_shoulder"] == ["L_Upper"]
    with pytest.raises(InputError, match=r"lacks left_shoulder \(LeftArm\)"):
        find_skeleton(Path("a.bvh"), names)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("like = 3", "like = 3; known: "),
        ('like = "miximo"', "did you mean 'mixamo'?"),
        ('liek = "mixamo"', "unknown key 'liek'; did you mean 'like'?"),
        ('like = "mixamo"\nup = "x"', "up = 'x'; expected 'auto' or 'y' or 'z'"),
        ('like = "mixamo"\nrest = ["offsets"]', r"rest = \['offsets'\]; expected"),
        ('like = "mixamo"\nmirror = "yes"', "mirror = 'yes'; expected true or false"),
        ('like = "mixamo"\nsides = ["Left"]', r"sides \['Left'\]; expected two texts"),
        ('[joints]\npelvis = "Hips"', "sides None; expected two texts"),
        ('like = "mixamo"\njoints = 3', "joints is no table"),
        ('like = "mixamo"\n[joints]\nelbo = "x"', "joints: unknown part 'elbo'; did you mean 'elbow'?"),
        ('like = "mixamo"\n[joints]\nelbow = ["a", "b"]', "joints: elbow = .*expected a name"),
        ('like = "mixamo"\n[joints]\nindex = ["a", "b", "c", "d"]', "joints: index = .*expected a list of at most 3 names"),
        ('like = "mixamo"\n[joints]\nindex = [1]', "joints: index = .*expected a list"),
        ('like = "mixamo"\n[joints]\nelbow = []', "names no left_elbow; expected at least pelvis"),
        ('sides = ["L", "R"]\n[joints]\npelvis = "Hips"', "names no left_shoulder"),
        ("up = ", "cannot be read as TOML"),
    ],
)
def test_a_table_that_breaks_the_form(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"mine\.toml: .*{said}"):
        load_skeleton(str(tmp_path / "mine.toml"))


def test_an_unknown_table() -> None:
    with pytest.raises(ConfigError, match=r"--skeleton mixmo: unknown; did you mean 'mixamo'\?"):
        load_skeleton("mixmo")
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read"):
        load_skeleton("none.toml")


def test_more_matched_joints_win_and_then_the_closer_table() -> None:
    mixamo, beat = (match(load_packaged(name), FILES["mixamo"]) for name in ("mixamo", "beat"))
    assert mixamo.joints == beat.joints and mixamo.fit > beat.fit
    assert match(load_packaged("beat"), FILES["beat"]).joints > match(load_packaged("mixamo"), FILES["beat"]).joints
    assert ROLES["spine"] >= 5
