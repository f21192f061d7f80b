"""The one reader of the user's SMPL-X file, on small made-up files: what it reads, what it opens, and one answer to all that can be wrong."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from helpers_smplx import smplx_arrays, write_smplx
from raggesture.body.joints import N_JOINTS, PARENTS
from raggesture.body.smplx_body import SmplxBody
from raggesture.body.smplx_file import N_SHAPES, PACKAGE_ARRAYS, POSEDIRS, check_there, read_smplx_file
from raggesture.errors import ModelError
from raggesture.export.film.body import read_body_file
from raggesture.export.skins import smplx_skin
from raggesture.motion import N_BETAS

VERTICES = 70
ONES = np.eye(N_JOINTS)[np.arange(VERTICES) % N_JOINTS]
ANSWER = r"expected SMPL-X's neutral body as \.npz.*https://smpl-x\.is\.tue\.mpg\.de.*licence.*not for commercial use"


def trapped(folder: Path) -> np.ndarray:
    """An array whose pickle makes a file when it is loaded."""

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return (Path.touch, (folder / "sprung",))

    return np.array([Trap()], dtype=object)


@pytest.mark.parametrize("also", [(), (POSEDIRS,), PACKAGE_ARRAYS])
def test_arrays_come_as_they_are_in_the_file(tmp_path: Path, also: tuple[str, ...]) -> None:
    found = read_smplx_file(write_smplx(tmp_path / "body.npz", VERTICES), also)
    arrays = smplx_arrays(VERTICES)
    by_name = found.by_name()
    assert set(by_name) == {"v_template", "f", "weights", "shapedirs", "J_regressor", "kintree_table", *also} and set(found.more) == set(also)
    for name, array in by_name.items():
        assert array.dtype == arrays[name].dtype
        np.testing.assert_array_equal(array, arrays[name])
    np.testing.assert_array_equal(found.expressions, arrays["shapedirs"][:, :, 300:])


def test_shapes_are_as_many_as_a_motion_has() -> None:
    assert N_SHAPES == N_BETAS


@pytest.mark.parametrize(("directions", "span"), [(20, slice(10, 20)), (399, slice(10, 20)), (400, slice(300, 400)), (410, slice(300, 400))])
def test_expressions_lie_behind_the_shapes_of_each_file(tmp_path: Path, directions: int, span: slice) -> None:
    numbers = np.random.default_rng(0).normal(size=(VERTICES, 3, directions))
    found = read_smplx_file(write_smplx(tmp_path / "body.npz", VERTICES, shapedirs=numbers))
    np.testing.assert_array_equal(found.expressions, numbers[:, :, span])


@pytest.mark.parametrize("root", [-1, 0, 2**32 - 1])
def test_the_root_s_parent_is_whatever_it_is(tmp_path: Path, root: int) -> None:
    tree = np.array([[root, *PARENTS[1:]], range(N_JOINTS)], np.int64)
    assert read_smplx_file(write_smplx(tmp_path / "body.npz", VERTICES, kintree_table=tree)).kintree_table[0, 0] == root


def test_rounding_of_weights_is_no_fault(tmp_path: Path) -> None:
    weights = ONES * 1.0004 - 1e-6
    np.testing.assert_array_equal(read_smplx_file(write_smplx(tmp_path / "body.npz", VERTICES, weights=weights)).weights, weights)


def test_pickles_are_opened_neither_where_nobody_needs_them_nor_where_somebody_does(tmp_path: Path) -> None:
    path = write_smplx(tmp_path / "body.npz", VERTICES, posedirs=trapped(tmp_path), joint2num=trapped(tmp_path))
    assert len(read_smplx_file(path).v_template) == VERTICES
    with pytest.raises(ModelError, match=r"it is no zip archive of plain arrays.*without pickles"):
        read_smplx_file(path, (POSEDIRS,))
    assert not (tmp_path / "sprung").exists()


def test_the_body_before_that_of_2020_has_glb_and_film_but_no_evaluation(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(VERTICES, 3, 20))
    path = write_smplx(tmp_path / "body.npz", VERTICES, shapedirs=numbers)
    np.testing.assert_array_equal(smplx_skin(path).expressions, numbers[:, :, 10:])
    np.testing.assert_array_equal(read_body_file(path).expressions.numpy(), numbers[:, :, 10:].astype(np.float32))
    with pytest.raises(ModelError, match=rf"shapedirs is \(70, 3, 20\), not the body of 2020.*{ANSWER}"):
        SmplxBody.of_file(path)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        *(({name: None}, rf"no array '{name}', found \[") for name in smplx_arrays(VERTICES) if name != "part2num"),
        ({"v_template": np.zeros((VERTICES, 2))}, r"v_template is \(70, 2\), not \(any, 3\)"),
        ({"v_template": np.array(3.0)}, r"v_template is \(\), not \(any, 3\)"),
        ({"v_template": np.zeros((0, 3))}, r"weights is \(70, 55\), not \(0, 55\)"),
        ({"v_template": np.full((VERTICES, 3), np.nan)}, "v_template is float64, not all of it finite numbers"),
        ({"v_template": np.full((VERTICES, 3), "a")}, "v_template is <U1, not all of it finite numbers"),
        ({"v_template": np.zeros((VERTICES, 3), complex)}, "v_template is complex128, not all of it finite numbers"),
        ({"f": np.zeros((4, 4), int)}, r"f is \(4, 4\), not \(any, 3\)"),
        ({"f": np.zeros((0, 3), int)}, "its faces name vertices that are not there, of 70"),
        ({"f": np.full((4, 3), -1)}, "its faces name vertices that are not there, of 70"),
        ({"f": np.full((4, 3), VERTICES)}, "its faces name vertices that are not there, of 70"),
        ({"weights": np.ones((VERTICES, 24)) / 24}, r"weights is \(70, 24\), not \(70, 55\)"),
        ({"weights": ONES * 0}, "weights of a vertex sum to 0, not 1"),
        ({"weights": ONES * 1.5}, r"weights of a vertex sum to 1\.5, not 1"),
        ({"weights": ONES + np.eye(N_JOINTS)[7] - np.eye(N_JOINTS)[8]}, "weights go down to -1, below 0"),
        ({"weights": ONES + np.inf}, "weights is float64, not all of it finite numbers"),
        ({"shapedirs": np.zeros((VERTICES, 400))}, r"shapedirs is \(70, 400\), not \(70, 3, any\)"),
        ({"shapedirs": np.zeros((VERTICES, 3, 19))}, r"shapedirs is \(70, 3, 19\), not of 300 shapes and 100 expressions, nor of the older 20"),
        ({"J_regressor": np.zeros((24, VERTICES))}, r"J_regressor is \(24, 70\), not \(55, 70\)"),
        ({"kintree_table": np.zeros((2, 52), int)}, r"kintree_table is \(2, 52\), not \(2, 55\)"),
        ({"kintree_table": np.zeros((2, N_JOINTS), int)}, "kintree_table is not the tree of SMPL-X's 55 joints"),
        ({"posedirs": np.zeros((VERTICES, 3, 207))}, r"posedirs is \(70, 3, 207\), not \(70, 3, 486\)"),
        ({"hands_meanr": np.zeros(24)}, r"hands_meanr is \(24,\), not \(45\)"),
        ({"hands_componentsl": np.zeros((45, 24))}, r"hands_componentsl is \(45, 24\), not \(any, 45\)"),
        ({"lmk_bary_coords": np.zeros((68, 3))}, r"lmk_bary_coords is \(68, 3\), not \(51, 3\)"),
        ({"lmk_faces_idx": np.full(51, 20)}, "its landmarks name faces that are not there"),
    ],
)
def test_a_wrong_array_has_one_answer(tmp_path: Path, changes: dict[str, object], found: str) -> None:
    path = write_smplx(tmp_path / "body.npz", VERTICES, **changes)
    with pytest.raises(ModelError, match=rf"body\.npz: ({found}).*; {ANSWER}") as caught:
        read_smplx_file(path, PACKAGE_ARRAYS)
    assert caught.value.exit_code == 5


def truncated(path: Path) -> None:
    data = write_smplx(path, VERTICES).read_bytes()
    path.write_bytes(data[: len(data) // 2])


def altered(path: Path) -> None:
    """A byte in the middle of the compressed numbers is another."""
    np.savez_compressed(path, **{**smplx_arrays(VERTICES), "v_template": np.random.default_rng(0).normal(size=(VERTICES, 3))})  # type: ignore[arg-type]
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("v_template.npy").header_offset + 200
    data = bytearray(path.read_bytes())
    data[at : at + 40] = bytes(255 - byte for byte in data[at : at + 40])
    path.write_bytes(bytes(data))


def single(path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, np.zeros((3, 3)))


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"hello"),
        lambda path: path.write_bytes(b"\x80\x04pickled"),
        lambda path: path.write_bytes(b"PK\x03\x04"),
        truncated,
        altered,
        single,
    ],
    ids=["empty", "text", "pickle", "begun", "truncated", "altered", "npy"],
)
@pytest.mark.parametrize("read", [read_smplx_file, smplx_skin, read_body_file, SmplxBody.of_file])
def test_what_is_no_npz_has_the_same_answer_for_every_user(tmp_path: Path, make: Callable[[Path], object], read: Callable[[Path], object]) -> None:
    path = tmp_path / "body.npz"
    make(path)
    with pytest.raises(ModelError, match=rf"body\.npz: cannot be read as an npz of plain arrays \(.+\); {ANSWER}"):
        read(path)


@pytest.mark.parametrize("read", [check_there, read_smplx_file, smplx_skin, read_body_file, SmplxBody.of_file])
def test_a_missing_file_and_a_folder_have_the_same_answer_for_every_user(tmp_path: Path, read: Callable[[Path], object]) -> None:
    (tmp_path / "folder.npz").mkdir()
    for name in ("nothing.npz", "folder.npz"):
        with pytest.raises(ModelError, match=rf"{name}: no such file; {ANSWER}"):
            read(tmp_path / name)
