"""Motion: shapes are checked, files survive the way there and back, and doubling undoes halving."""

from __future__ import annotations

import numpy as np
import pytest

from raggesture.errors import InputError
from raggesture.motion import Motion, double_rate, halve_rate, read_npz, write_npz


def _motion(frames: int = 120) -> Motion:
    time = np.arange(frames)[:, None, None] / 30
    rotations = 0.5 * np.sin(2 * np.pi * 0.8 * time + np.arange(165).reshape(1, 55, 3))
    translation = np.stack([0.1 * time[:, 0, 0], 1.3 + 0 * time[:, 0, 0], 0.2 * np.sin(time[:, 0, 0])], axis=1)
    return Motion(rotations, translation, np.tile(np.cos(time[:, 0]), (1, 100)))


def test_doubling_keeps_the_frames_that_halving_kept_and_guesses_the_others_well():
    whole = _motion()
    back = double_rate(halve_rate(whole), whole.frames)
    np.testing.assert_allclose(back.rotations[::2], whole.rotations[::2], atol=1e-5)
    inner = slice(4, -4)
    np.testing.assert_allclose(back.rotations[inner], whole.rotations[inner], atol=2e-3)
    np.testing.assert_allclose(back.translation[inner], whole.translation[inner], atol=1e-3)
    late = double_rate(halve_rate(whole), whole.frames, released=True)
    assert np.abs(late.rotations[inner] - whole.rotations[inner]).max() > 5 * np.abs(back.rotations[inner] - whole.rotations[inner]).max()


@pytest.mark.parametrize("frames", [1, 2, 3, 7, 30])
@pytest.mark.parametrize("released", [False, True])
def test_any_length_comes_out(frames, released):
    short = halve_rate(_motion(frames))
    for wanted in (1, 2 * short.frames - 1, 2 * short.frames, 2 * short.frames + 3):
        assert double_rate(short, wanted, released=released).frames == wanted


def test_npz_round_trip_same_bytes_and_scalar_rate(tmp_path):
    motion = _motion(40)
    write_npz(motion, tmp_path / "a.npz")
    write_npz(motion, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back = read_npz(tmp_path / "a.npz")
    for name in ("rotations", "translation", "expression"):
        np.testing.assert_array_equal(getattr(back, name), getattr(motion, name))
    with np.load(tmp_path / "a.npz") as archive:
        assert archive["mocap_frame_rate"].shape == ()
        assert archive["poses"].shape == (40, 165)
        assert archive["betas"].shape == (300,)


@pytest.mark.parametrize(
    ("name", "array"),
    [("poses", np.zeros((10, 156), np.float32)), ("poses", np.full((10, 165), np.nan, np.float32)), ("trans", np.zeros((9, 3), np.float32)), ("trans", None)],
)
def test_wrong_arrays_are_refused_by_name(tmp_path, name, array):
    arrays = {"poses": np.zeros((10, 165), np.float32), "trans": np.zeros((10, 3), np.float32), "expressions": np.zeros((10, 100), np.float32)}
    arrays[name] = array
    path = tmp_path / "bad.npz"
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(InputError, match=r"bad\.npz"):
        read_npz(path)


def test_pickles_are_never_loaded(tmp_path):
    path = tmp_path / "evil.npz"
    np.savez(path, poses=np.array([{"a": 1}], dtype=object), trans=np.zeros((1, 3)))
    with pytest.raises(InputError, match="pickle"):
        read_npz(path)
