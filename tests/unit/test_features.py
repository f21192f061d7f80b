"""Part features: columns, contacts, windows, and the way back to motion."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from raggesture.body.features import TRANSLATION_OF_LOWER, PartFeatures, features_of, foot_contacts, motion_of, window
from raggesture.body.joints import EYE_JOINTS, FEATURES_OF_PART, JOINT_NAMES, JOINTS_OF_PART, PARTS, LatentLayout
from raggesture.body.rotations import axis_angle_to_6d, rot6d_to_axis_angle, rot6d_to_matrix
from raggesture.errors import InputError
from raggesture.motion import Motion


def make_motion(frames: int = 40, seed: int = 0, still_feet: bool = False) -> Motion:
    rng = np.random.default_rng(seed)
    rotations = rng.normal(0, 0.4, (1, 55, 3)) + rng.normal(0, 0.05, (frames, 55, 3)).cumsum(0)
    translation = np.array([0.3, 0.9, -0.2]) + rng.normal(0, 0.02, (frames, 3)).cumsum(0)
    if still_feet:
        rotations, translation = rotations[:1].repeat(frames, 0), translation[:1].repeat(frames, 0)
    return Motion(rotations.astype(np.float32), translation.astype(np.float32), rng.normal(0, 1, (frames, 100)).astype(np.float32), 15.0)


def test_columns_are_the_published_ones(goldens: Path) -> None:
    masks = json.loads((goldens / "retrieval" / "masks_and_schedule.json").read_text())
    assert list(JOINT_NAMES) == masks["joint_order"]
    for part in PARTS:
        assert list(JOINTS_OF_PART[part]) == masks[f"{part}_joints"]
        assert [3 * j + k for j in JOINTS_OF_PART[part] for k in range(3)] == masks[f"{part}_dims"]
    layout = LatentLayout()
    assert list(layout.separators) == masks["tokens"]["sep_true"] == masks["tokens"]["motion_mask_zero"]
    for part, name in zip(PARTS, ("upper", "hands", "face", "lowertrans"), strict=True):
        span = layout.span(part)
        assert list(range(span.start, span.stop)) == masks["tokens"][name]


def test_rotations_are_the_published_ones(goldens: Path) -> None:
    with np.load(goldens / "retrieval" / "rotations.npz") as archive:
        arrays = {key: torch.from_numpy(archive[key]) for key in archive.files}
    vectors = arrays["axis_angle"]
    assert torch.allclose(roma.rotvec_to_rotmat(vectors), arrays["matrix"], atol=2e-6)
    assert torch.allclose(axis_angle_to_6d(vectors), arrays["rot6d"], atol=2e-6)
    assert torch.allclose(rot6d_to_matrix(arrays["rot6d"]), arrays["matrix_from_6d"], atol=2e-6)
    usable = slice(2, None)  # the first raw vector is zero, the second collinear: ours differ there on purpose
    assert torch.allclose(rot6d_to_matrix(arrays["raw6d"])[usable], arrays["raw6d_matrix"][usable], atol=2e-5)
    back = roma.rotvec_to_rotmat(rot6d_to_axis_angle(arrays["rot6d"]))
    assert torch.allclose(back, arrays["matrix"], atol=3e-4)  # also at pi, where the published way loses signs


def test_features_and_back() -> None:
    motion = make_motion()
    features = features_of(motion)
    assert {part: tensor.shape for part, tensor in features} == {part: (1, 40, FEATURES_OF_PART[part]) for part in PARTS}
    again = motion_of(features)
    seen = [j for j in range(55) if j not in EYE_JOINTS]
    want, got = (roma.rotvec_to_rotmat(torch.from_numpy(np.array(m.rotations[:, seen]))) for m in (motion, again))
    assert torch.allclose(want, got, atol=1e-5)
    assert not again.rotations[:, list(EYE_JOINTS)].any()
    assert np.array_equal(again.expression, motion.expression)
    assert np.array_equal(again.translation, motion.translation)


def test_first_two_rows_in_joint_order() -> None:
    motion = make_motion(3)
    upper = features_of(motion).upper
    left_wrist = JOINTS_OF_PART["upper"].index(20)
    matrix = roma.rotvec_to_rotmat(torch.from_numpy(np.array(motion.rotations[1, 20])))
    assert torch.allclose(upper[0, 1, 6 * left_wrist : 6 * left_wrist + 6], matrix[:2].reshape(6), atol=1e-6)


def test_contacts_count_the_way_to_the_next_frame() -> None:
    still = make_motion(5, still_feet=True)
    moved = np.array(still.translation)
    moved[3:, 0] += 0.02  # a step between frames 2 and 3
    contacts = foot_contacts(Motion(still.rotations, moved, still.expression, 15.0))
    assert contacts.tolist() == [[1.0] * 4, [1.0] * 4, [0.0] * 4, [1.0] * 4, [1.0] * 4]
    moved[3:, 0] -= 0.011
    assert foot_contacts(Motion(still.rotations, moved, still.expression, 15.0)).all()  # 9 mm is standing


def test_window_is_relative_and_a_copy() -> None:
    features = features_of(make_motion(60))
    before = features.lower.clone()
    cut = window(features, 20, 30, context=7)
    assert cut.frames == 44
    place = cut.lower[0, :, TRANSLATION_OF_LOWER]
    assert place[7, 0] == 0 and place[7, 2] == 0
    assert torch.equal(place[:, 1], features.lower[0, 13:57, TRANSLATION_OF_LOWER][:, 1])  # the height stays
    assert torch.allclose(place[20, 0], before[0, 33, TRANSLATION_OF_LOWER][0] - before[0, 20, TRANSLATION_OF_LOWER][0])
    assert torch.equal(features.lower, before)
    cut.upper.zero_()
    assert features.upper.abs().sum() > 0


def test_window_repeats_the_edges() -> None:
    features = features_of(make_motion(20))
    cut = window(features, -5, 30, context=2)
    assert torch.equal(cut.upper[0, :8], features.upper[:, :1].expand(1, 8, 78)[0])
    assert torch.equal(cut.hands[0, -7:], features.hands[0, -1:].expand(7, 180))
    assert torch.equal(cut.face[0, 7:27], features.face[0])


def test_refusals() -> None:
    motion = make_motion(10)
    with pytest.raises(InputError, match="expected 15 fps"):
        features_of(Motion(motion.rotations, motion.translation, motion.expression, 30.0))
    with pytest.raises(InputError, match="contacts"):
        features_of(motion, np.zeros((9, 4), np.float32))
    good = features_of(motion)
    with pytest.raises(InputError, match="features of hands"):
        PartFeatures(good.upper, good.hands[:, :9], good.face, good.lower)
