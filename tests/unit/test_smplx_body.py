"""The user's SMPL-X file through the smplx package: a made-up file of the right shapes, and everything that can be wrong with one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers_smplx import write_smplx
from raggesture.body.smplx_body import SmplxBody
from raggesture.errors import ModelError
from raggesture.metrics.bodies import MannequinBody, open_body
from raggesture.metrics.samples import swinging


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> SmplxBody:
    return SmplxBody.of_file(write_smplx(tmp_path_factory.mktemp("body") / "SMPLX_NEUTRAL_2020.npz"))


def test_a_body_with_the_mannequins_joints_moves_as_the_mannequin_does(body: SmplxBody) -> None:
    motion = swinging(1, 70)  # more than one batch
    np.testing.assert_allclose(body.joints(motion), MannequinBody().joints(motion), atol=2e-5)
    assert len(body.sha256) == 64 and "SMPLX_NEUTRAL_2020" in body.name and body.has_vertices


def test_joints_do_not_know_expression_and_the_face_knows_nothing_else_than_jaw_and_expression(body: SmplxBody) -> None:
    motion, other = swinging(1, 8), swinging(2, 8)
    mixed = type(motion)(motion.rotations, motion.translation + 1, 3 * motion.expression, motion.fps)
    np.testing.assert_array_equal(body.joints(mixed), body.joints(motion))
    rotations = np.array(other.rotations)
    rotations[:, 22] = motion.rotations[:, 22]
    same_face = type(motion)(rotations, other.translation, motion.expression, motion.fps)
    np.testing.assert_allclose(body.face(same_face), body.face(motion), atol=1e-6)
    assert np.abs(body.face(mixed) - body.face(motion)).max() > 1e-4
    assert body.face(motion).shape == (8, 3 * 10_475)


def test_joints_without_skinning_are_the_packages_own(body: SmplxBody) -> None:
    import roma
    import torch

    motion = swinging(4, 5)
    turns = roma.rotvec_to_rotmat(torch.from_numpy(np.array(motion.rotations)))
    with torch.no_grad():
        out = body.layer(
            global_orient=turns[:, :1], body_pose=turns[:, 1:22], jaw_pose=turns[:, 22:23], leye_pose=turns[:, 23:24], reye_pose=turns[:, 24:25],
            left_hand_pose=turns[:, 25:40], right_hand_pose=turns[:, 40:55],
        )  # fmt: skip
    np.testing.assert_allclose(body.joints(motion), out.joints[:, :55].numpy(), atol=1e-6)


def test_without_a_file_it_is_the_mannequin() -> None:
    assert open_body(None).name == "mannequin-x mean"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"J_regressor": None}, "J_regressor"),
        ({"J_regressor": np.zeros((24, 10_475))}, "J_regressor is (24, 10475)"),
        ({"shapedirs": np.zeros((10_475, 3, 20), np.float32)}, "shapedirs is (10475, 3, 20)"),
        ({"weights": np.zeros((10_475, 24))}, "weights is"),
        ({"v_template": np.array([{"run": "me"}])}, "cannot be read"),
    ],
)
def test_a_wrong_file_is_answered_with_where_to_get_the_right_one(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    path = write_smplx(tmp_path / "body.npz", **changes)
    with pytest.raises(ModelError, match=r"smpl-x\.is\.tue\.mpg\.de.*not for commercial use") as caught:
        SmplxBody.of_file(path)
    assert reason in str(caught.value) and "body.npz" in str(caught.value)


def test_a_small_body_is_no_smplx(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="6890 vertices"):
        SmplxBody.of_file(write_smplx(tmp_path / "small.npz", 6890))


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_bytes(b"no zip"), lambda path: path.mkdir()])
def test_a_missing_file_too(tmp_path: Path, make: object) -> None:
    make(tmp_path / "x.npz")  # type: ignore[operator]
    with pytest.raises(ModelError, match="not for commercial use"):
        SmplxBody.of_file(tmp_path / "x.npz")


def test_pickles_in_the_file_are_never_loaded(tmp_path: Path) -> None:
    """The real file may hold object arrays that nobody needs; they stay where they are."""

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return (Path.touch, (tmp_path / "sprung",))

    path = write_smplx(tmp_path / "body.npz", joint2num=np.array(Trap(), dtype=object))
    SmplxBody.of_file(path)
    assert not (tmp_path / "sprung").exists()
