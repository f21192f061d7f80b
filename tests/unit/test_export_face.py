"""The csv exporter: channels of the face, and none that the motion does not hold."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from helpers_animation import Shown, real_take, still, tumbling
from raggesture.corpus.starter.face import make_face
from raggesture.errors import InputError
from raggesture.export.face_csv import CsvExporter, CsvOptions, face_channels, is_packaged_face
from raggesture.motion import Motion
from raggesture.resources import packaged_dir, sha256_of

PACKAGED = {"model": {"name": "starter", "sha256": sha256_of(packaged_dir("starter", "model") / "manifest.json")}}
FRAMES = 300


def authored() -> Motion:
    """What the authored face does to a voice that comes and goes."""
    envelope = np.clip(np.sin(np.arange(FRAMES) / 12), 0, 1)
    jaw, expression = make_face(envelope, 30.0, np.random.default_rng(3))
    motion = still(FRAMES)
    rotations = motion.rotations.copy()
    rotations[:, 22] = jaw
    return replace(motion, rotations=rotations, expression=expression.astype(np.float32))


def written(motion: Motion, path: Path, *, trace: Any = None, **options: Any) -> dict[str, np.ndarray]:
    CsvExporter(CsvOptions(**options)).write(Shown("x", motion, trace=trace), path)
    with path.open(newline="", encoding="ascii") as stream:
        rows = list(csv.DictReader(stream))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def test_columns_are_what_the_motion_holds(tmp_path: Path) -> None:
    found = written(authored(), tmp_path / "a.face.csv", trace=PACKAGED)
    assert list(found) == ["frame", "time_s", "jaw_pitch_rad", "jawOpen", "eyeBlinkLeft", "eyeBlinkRight"]
    assert found["frame"].tolist() == list(range(FRAMES))
    assert found["time_s"] == pytest.approx(np.arange(FRAMES) / 30, abs=1e-6)


def test_the_jaw_is_the_joint_s_angle(tmp_path: Path) -> None:
    motion = authored()
    found = written(motion, tmp_path / "a.face.csv", jaw_open_rad=0.05)
    pitch = motion.rotations[:, 22, 0]
    assert np.abs(found["jaw_pitch_rad"] - pitch).max() < 1e-5
    assert np.abs(found["jawOpen"] - np.clip(pitch / 0.05, 0, 1)).max() < 1e-4
    chin = Rotation.from_rotvec(motion.rotations[:, 22]).apply([0.0, 0.0, 1.0])
    assert np.corrcoef(found["jaw_pitch_rad"], -chin[:, 1])[0, 1] > 0.99  # open: the chin goes down


def test_blinks_are_the_authored_ones(tmp_path: Path) -> None:
    motion = authored()
    found = written(motion, tmp_path / "a.face.csv", trace=PACKAGED)
    shut = np.flatnonzero(found["eyeBlinkLeft"] > 0.8)
    assert len(shut) > 3
    assert found["eyeBlinkLeft"].max() <= 1 and np.median(found["eyeBlinkLeft"]) < 0.05
    assert np.array_equal(found["eyeBlinkLeft"], found["eyeBlinkRight"])


@pytest.mark.parametrize(
    ("trace", "blinks", "there"),
    [
        (PACKAGED, "auto", True),
        (None, "auto", False),
        ({"model": {"name": "starter", "sha256": "0" * 64}}, "auto", False),
        ({"model": None}, "auto", False),
        ([], "auto", False),
        (None, "always", True),
        (PACKAGED, "never", False),
    ],
)
def test_blinks_only_where_the_coefficient_is_known_to_be_one(tmp_path: Path, trace: Any, blinks: str, there: bool) -> None:
    found = written(authored(), tmp_path / "a.face.csv", trace=trace, blinks=blinks)
    assert ("eyeBlinkLeft" in found) is there


def test_a_trace_names_the_packaged_model() -> None:
    assert is_packaged_face(PACKAGED)
    assert not is_packaged_face({"model": {"name": "starter"}})


def test_eyes_look_where_their_joints_turn() -> None:
    motion = still(5)
    rotations = motion.rotations.copy()
    rotations[1, 23:25, 0] = 0.25  # down
    rotations[2, 23:25, 0] = -0.25
    rotations[3, 23:25, 1] = 0.25  # to the character's left
    rotations[4, 23:25, 1] = -2.0
    forward = Rotation.from_rotvec(rotations[:, 23]).apply([0.0, 0.0, 1.0])
    assert forward[1, 1] < 0 < forward[2, 1] and forward[3, 0] > 0 > forward[4, 0]
    found = face_channels(replace(motion, rotations=rotations), CsvOptions(), blinks=False)
    moved = {name: [k for k in range(5) if values[k] > 0] for name, values in found.items() if "Look" in name}
    assert moved == {
        "eyeLookUpLeft": [2], "eyeLookDownLeft": [1], "eyeLookInLeft": [4], "eyeLookOutLeft": [3],
        "eyeLookUpRight": [2], "eyeLookDownRight": [1], "eyeLookInRight": [3], "eyeLookOutRight": [4],
    }  # fmt: skip
    assert found["eyeLookOutLeft"][3] == pytest.approx(0.5) and found["eyeLookInLeft"][4] == 1


def test_the_real_take_has_a_jaw_and_eyes_and_no_blinks(tmp_path: Path, beat2_mini: Path) -> None:
    motion = real_take(beat2_mini)
    found = written(motion, tmp_path / "a.face.csv")
    assert len(found["frame"]) == motion.frames
    assert {name.removesuffix("Left").removesuffix("Right") for name in found} == {
        "frame", "time_s", "jaw_pitch_rad", "jawOpen", "eyeLookUp", "eyeLookDown", "eyeLookIn", "eyeLookOut",
    }  # fmt: skip
    assert 0.1 < found["jawOpen"].max() < 0.3


def test_same_bytes_one_frame_no_frame(tmp_path: Path) -> None:
    motion = tumbling(40)
    written(motion, tmp_path / "a.face.csv")
    written(motion, tmp_path / "b.face.csv")
    assert (tmp_path / "a.face.csv").read_bytes() == (tmp_path / "b.face.csv").read_bytes()
    assert len(written(still(1), tmp_path / "one.face.csv")["frame"]) == 1
    with pytest.raises(InputError, match="0 frames; expected at least one"):
        written(still(0), tmp_path / "none.face.csv")
    assert not (tmp_path / "none.face.csv").exists()
