"""Contacts by a user's SMPL-X file, on a body made in code: the same joints as the smplx package, the same rule as the mean body's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from helpers_smplx import smplx_arrays, write_smplx
from raggesture.body.features import foot_contacts
from raggesture.body.joints import PARENTS
from raggesture.body.skeleton import rest_joints
from raggesture.corpus.contacts import SmplxJoints
from raggesture.errors import ModelError
from raggesture.motion import Motion

VERTICES = 70


def _motion(frames: int = 40) -> Motion:
    rng = np.random.default_rng(0)
    steps = rng.normal(0, 0.006, (frames, 3)).cumsum(0)
    return Motion(rng.normal(0, 0.05, (frames, 55, 3)).cumsum(0) * 0.2, steps, rng.normal(0, 1, (frames, 100)), 15.0)


def _body(path: Path, *, shapes: int = 400, scale: float = 0.02) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    arrays = {
        "v_template": rng.normal(0, 0.5, (VERTICES, 3)),
        "shapedirs": rng.normal(0, scale, (VERTICES, 3, shapes)),
        "J_regressor": rng.dirichlet(np.ones(VERTICES), 55),
    }
    write_smplx(path, VERTICES, **arrays)
    return arrays


def test_joints_are_those_of_the_smplx_package(tmp_path: Path) -> None:
    from smplx.lbs import lbs

    arrays = _body(tmp_path / "body.npz")
    motion, betas = _motion(), np.random.default_rng(2).normal(0, 1, 300).astype(np.float32)
    shape = torch.from_numpy(np.concatenate([np.tile(betas, (motion.frames, 1)), motion.expression], axis=1).astype(np.float64))
    tensors = {name: torch.from_numpy(np.asarray(array, np.float64)) for name, array in arrays.items()}
    posed = torch.zeros(54 * 9, VERTICES * 3, dtype=torch.float64)
    weights = torch.full((VERTICES, 55), 1 / 55, dtype=torch.float64)
    pose = torch.from_numpy(np.array(motion.rotations, np.float64)).flatten(1)
    parents = torch.tensor([-1, *PARENTS[1:]])
    _, wanted = lbs(shape, pose, tensors["v_template"], tensors["shapedirs"], posed, tensors["J_regressor"], parents, weights)
    found = SmplxJoints.of_file(tmp_path / "body.npz").positions(motion, betas)
    np.testing.assert_allclose(found, wanted.numpy() + motion.translation[:, None], atol=1e-5)


def test_mean_body_gives_the_contacts_of_the_mean_body(tmp_path: Path) -> None:
    rest = np.zeros((VERTICES, 3))
    rest[:55] = rest_joints()
    write_smplx(tmp_path / "body.npz", VERTICES, v_template=rest, shapedirs=np.zeros((VERTICES, 3, 400)), J_regressor=np.eye(55, VERTICES))
    motion = _motion(300)
    wanted = foot_contacts(motion)
    assert 0.02 < wanted.mean() < 0.98 and wanted[-1].all()
    assert (SmplxJoints.of_file(tmp_path / "body.npz").contacts(motion) == wanted).mean() > 0.999


def test_shape_counts(tmp_path: Path) -> None:
    _body(tmp_path / "body.npz", scale=0.2)
    body, motion = SmplxJoints.of_file(tmp_path / "body.npz"), _motion(300)
    tall = np.zeros(300, np.float32)
    tall[0] = 5
    assert not np.array_equal(body.positions(motion, tall), body.positions(motion, np.zeros(300, np.float32)))


def test_other_files_are_refused_as_everywhere(tmp_path: Path) -> None:
    _body(tmp_path / "small.npz", shapes=20)
    (tmp_path / "half.npz").write_bytes(b"PK")
    np.savez(tmp_path / "pickle.npz", **{**smplx_arrays(VERTICES), "v_template": np.array([{"a": 1}], dtype=object)})  # type: ignore[arg-type]
    for name, said in (
        ("nowhere", "no such file"),
        ("half", "cannot be read as an npz of plain arrays"),
        ("small", "not the body of 2020 with 300 shapes and 100 expressions"),
        ("pickle", "no zip archive of plain arrays"),
    ):
        with pytest.raises(ModelError, match=said) as fault:
            SmplxJoints.of_file(tmp_path / f"{name}.npz")
        assert str(tmp_path / f"{name}.npz") in str(fault.value) and "https://smpl-x.is.tue.mpg.de" in str(fault.value)
