"""Reading BVH: what other libraries and programs write is read, what is broken is refused by its line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pybvh
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from helpers_animation import Shown, tumbling
from helpers_bvh import Look, gesturing, write_like
from raggesture.errors import InputError
from raggesture.export.bvh import BvhExporter, BvhOptions
from raggesture.retarget import bvh
from raggesture.retarget.bvh import read_bvh
from raggesture.retarget.source import Source

SMALL = """HIERARCHY
ROOT Hips
{
  OFFSET 1.0 2.0 3.0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Spine
  {
    OFFSET 0.0 10.0 0.0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0.0 5.0 0.0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.033333
0 90 0 10 20 30 1 2 3
0 91 0 11 21 31 4 5 6
"""


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "take.bvh"
    path.write_bytes(text.encode(encoding))
    return path


def refused(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as found:
        read_bvh(written(folder, text))
    message = str(found.value)
    assert message.startswith(f"{folder / 'take.bvh'}: line ")
    assert "; expected " in message and " - " in message
    return message.removeprefix(f"{folder / 'take.bvh'}: ")


def test_what_is_in_a_small_file(tmp_path: Path) -> None:
    found = read_bvh(written(tmp_path, SMALL))
    hips, spine = found.joints
    assert (hips.name, hips.parent, hips.offset, hips.column, hips.end) == ("Hips", -1, (1.0, 2.0, 3.0), 0, None)
    assert hips.channels == ("Xposition", "Yposition", "Zposition", "Zrotation", "Xrotation", "Yrotation")
    assert (spine.name, spine.parent, spine.column, spine.end) == ("Spine", 0, 6, (0.0, 5.0, 0.0))
    assert found.fps == 30.0 and found.frames == 2
    assert found.values[1].tolist() == [0, 91, 0, 11, 21, 31, 4, 5, 6]


@pytest.mark.parametrize(
    "text",
    [
        SMALL.replace("\n", "\r\n"),
        SMALL.replace("  ", "\t").replace("Frames: 2", "Frames:\t2"),
        "\ufeff" + SMALL,
        SMALL.replace("ROOT Hips\n{", "ROOT Hips {").replace("End Site\n    {", "End Site {"),
        SMALL.replace("HIERARCHY", "hierarchy").replace("Zrotation", "ZROTATION").replace("ROOT", "Root").replace("MOTION", "Motion"),
        SMALL.replace("CHANNELS", "\n\nCHANNELS").replace("MOTION", "\nMOTION\n"),
        SMALL + "\n\n  \n",
        SMALL.removesuffix("\n"),
        SMALL.replace("1 2 3\n", "1e0 2.0 +3\n"),
    ],
)
def test_ways_to_write_the_same(tmp_path: Path, text: str) -> None:
    found, plain = read_bvh(written(tmp_path, text)), read_bvh(written(tmp_path, SMALL))
    assert [replace(joint) for joint in found.joints] == list(plain.joints)
    assert (found.values == plain.values).all() and found.fps == plain.fps


def test_names_may_hold_blanks_and_any_letters(tmp_path: Path) -> None:
    found = read_bvh(written(tmp_path, SMALL.replace("Hips", "Bip01 L Hüfte").replace("Spine", "背骨")))
    assert [joint.name for joint in found.joints] == ["Bip01 L Hüfte", "背骨"]
    assert len(read_bvh(written(tmp_path, SMALL.replace("Spine", "Rücken"), "cp1252")).joints) == 2  # one letter is lost, not the file


@pytest.mark.parametrize(
    ("seconds", "fps"),
    [
        ("0.033333", 30.0), ("0.0333333", 30.0), ("0.0333", 30.0), ("0.008333", 120.0), ("0.0083", 120.0), ("0.016667", 60.0), ("0.0416667", 24.0),
        ("0.04", 25.0), ("0.01", 100.0), ("0.033367", 1 / 0.033367), ("0.0417083", 1 / 0.0417083), ("0.0080645", 1 / 0.0080645), ("1.0", 1.0),
    ],
)  # fmt: skip
def test_a_rounded_frame_time_means_the_usual_rate(tmp_path: Path, seconds: str, fps: float) -> None:
    assert read_bvh(written(tmp_path, SMALL.replace("0.033333", seconds))).fps == pytest.approx(fps, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("HIERARCHY\n", ""), "line 1: 'ROOT Hips' where the file begins; expected HIERARCHY"),
        (("ROOT Hips", "ROOT"), "line 2: a joint without a name"),
        (("ROOT Hips\n{", "ROOT Hips\nOFFSET 1 2 3"), "line 3: 'OFFSET 1 2 3' after joint 'Hips'; expected '{'"),
        (("OFFSET 1.0 2.0 3.0", "OFFSET 1.0 2.0"), "line 4: OFFSET '1.0 2.0'; expected three numbers"),
        (("OFFSET 1.0 2.0 3.0", "OFFSET 1,0 2,0 3,0"), "line 4: OFFSET '1,0 2,0 3,0'; expected three numbers"),
        (("OFFSET 1.0 2.0 3.0", "OFFSET 1.0 nan 3.0"), "line 4: OFFSET '1.0 nan 3.0'; expected finite numbers"),
        (("  OFFSET 1.0 2.0 3.0\n", "  OFFSET 1 2 3\n  OFFSET 1 2 3\n"), "line 5: a second OFFSET of joint 'Hips'"),
        (("CHANNELS 6", "CHANNELS 5"), "line 5: CHANNELS '5 Xposition"),
        (("CHANNELS 3", "CHANNELS three"), "line 9: CHANNELS 'three"),
        (("CHANNELS 3 Zrotation", "CHANNELS 3 Wrotation"), "line 9: channel 'Wrotation'; expected Xposition"),
        (("CHANNELS 3 Zrotation Xrotation", "CHANNELS 3 Zrotation Zrotation"), "line 9: CHANNELS 'Zrotation Zrotation Yrotation'; expected each channel once"),
        (("    OFFSET 0.0 10.0 0.0\n", ""), "line 13: joint 'Spine' ends without OFFSET"),
        (("      OFFSET 0.0 5.0 0.0\n", "      JOINT Neck\n"), "line 12: 'JOINT Neck' in an End Site"),
        (("    }\n  }\n}\n", "    }\n  }\n"), "line 15: MOTION while 1 blocks are open; expected a '}'"),
        (("    }\n  }\n}\n", "    }\n  }\n}\n}\n"), "line 16: '}' outside of ROOT"),
        (("MOTION", "ROOT Prop"), "line 16: a second ROOT, 'Prop'; expected one skeleton - export one character alone"),
        (("MOTION\n", "WHATEVER\n"), "line 16: 'WHATEVER' outside of ROOT"),
        (("Frames: 2\n", ""), "line 17: 'Frame Time: 0.033333'; expected 'Frames: NUMBER'"),
        (("Frames: 2", "Frames: 0"), "line 17: Frames: 0; expected at least one frame"),
        (("Frames: 2", "Frames: -2"), "line 17: Frames: -2"),
        (("Frames: 2", "Frames: 3"), "line 20: the file ends after 2 frames; expected 3"),
        (("Frames: 2", "Frames: 1"), "line 20: frame 2; expected 1 frames"),
        (("0.033333", "0"), "line 18: Frame Time: 0; expected seconds"),
        (("0.033333", "nan"), "line 18: Frame Time: nan"),
        (("0.033333", "30"), "line 18: Frame Time: 30; expected seconds"),
        (("Frame Time", "Time"), "line 18: 'Time: 0.033333'; expected 'Frame Time: SECONDS'"),
        (("4 5 6\n", "4 5\n"), "line 20: 8 numbers; expected 9, one a channel"),
        (("4 5 6\n", "4 5 6 7\n"), "line 20: 10 numbers; expected 9"),
        (("4 5 6\n", "4 x 6\n"), "line 20: number 8 is 'x'; expected a finite number"),
        (("4 5 6\n", "4 nan 6\n"), "line 20: number 8 is 'nan'"),
        (("4 5 6\n", "4 1e999 6\n"), "line 20: number 8 is '1e999'"),
        (("4 5 6\n", "4 5_0 6\n"), "line 20: number 8 is '5_0'"),
        (("0 91", "\n0 91"), "line 20: empty, with frames after it"),
    ],
)  # fmt: skip
def test_what_is_broken_is_named_by_its_line(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    assert change[0] in SMALL
    assert refused(tmp_path, SMALL.replace(*change, 1)).startswith(said)


@pytest.mark.parametrize("size", [0, 30, 200, len(SMALL) - 60, len(SMALL) - 12])
def test_a_file_that_is_cut_off(tmp_path: Path, size: int) -> None:
    refused(tmp_path, SMALL[:size])


def test_what_is_no_text_and_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "take.bvh").write_bytes(np.random.default_rng(0).bytes(100_000))
    with pytest.raises(InputError, match=r"line 1: .*expected HIERARCHY"):
        read_bvh(tmp_path / "take.bvh")
    (tmp_path / "take.bvh").write_bytes(b"HIERARCHY\nROOT " + b"x" * 2_000_000)
    with pytest.raises(InputError, match="line 2: more than 1000000 letters"):
        read_bvh(tmp_path / "take.bvh")
    for path in (tmp_path, tmp_path / "none.bvh"):
        with pytest.raises(InputError, match=rf"{path}: cannot be read"):
            read_bvh(path)


def test_a_hierarchy_without_end_is_refused(tmp_path: Path) -> None:
    deep = "".join(f"JOINT j{k}\n{{\nOFFSET 0 1 0\n" for k in range(300))
    assert "201 deep; expected at most 2000, 200 deep" in refused(tmp_path, f"HIERARCHY\nROOT r\n{{\nOFFSET 0 0 0\n{deep}")
    wide = "".join(f"JOINT j{k}\n{{\nOFFSET 0 1 0\n}}\n" for k in range(2100))
    assert "2001 joints" in refused(tmp_path, f"HIERARCHY\nROOT r\n{{\nOFFSET 0 0 0\n{wide}")


def test_a_promise_of_too_much_takes_no_memory(tmp_path: Path) -> None:
    assert "999999999 frames of 9 numbers; expected at most" in refused(tmp_path, SMALL.replace("Frames: 2", "Frames: 999999999"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(SMALL) - 1), byte=st.sampled_from(list("{}\n 0.-xJ:\x00")), cut=st.booleans())
def test_any_damage_is_read_or_refused(tmp_path: Path, at: int, byte: str, cut: bool) -> None:
    text = SMALL[:at] + ("" if cut else byte + SMALL[at + 1 :])
    try:
        found = read_bvh(written(tmp_path, text))
    except InputError as fault:
        assert "line " in str(fault)
    else:
        assert np.isfinite(found.values).all() and found.frames == len(found.values) > 0


def test_blocks_leave_no_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_like(tmp_path / "a.bvh", tumbling(50), Look())
    whole = read_bvh(path).values
    monkeypatch.setattr(bvh, "_BLOCK_LINES", 7)
    assert (read_bvh(path).values == whole).all()
    lines = path.read_text(encoding="utf-8").splitlines()
    number = len(lines) - 10
    lines[number - 1] += " 1"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match=f"line {number}: 160 numbers"):
        read_bvh(path)


@pytest.mark.parametrize("order", ["ZXY", "XYZ", "YXZ", "ZYX"])
@pytest.mark.parametrize("every_position", [False, True])
def test_joints_are_where_another_library_sees_them(tmp_path: Path, order: str, every_position: bool) -> None:
    look = Look(order=order, every_position=every_position)
    path = write_like(tmp_path / "a.bvh", tumbling(20), look)
    placed = Source(read_bvh(path)).at(0, 20)
    other = pybvh.read_bvh_file(str(write_like(tmp_path / "b.bvh", tumbling(20), replace(look, every_position=False))))  # pybvh knows no such positions
    names = [joint.name for joint in read_bvh(path).joints]
    assert np.abs(placed.places - other.node_positions()[:, [other.node_index[name] for name in names]]).max() < 1e-3


def test_joints_of_one_channel_and_of_none(tmp_path: Path) -> None:
    text = SMALL.replace("CHANNELS 3 Zrotation Xrotation Yrotation", "CHANNELS 1 Xrotation").replace("1 2 3\n", "90\n").replace("4 5 6\n", "45\n")
    placed = Source(read_bvh(written(tmp_path, text))).at(0, 2)
    turned = Rotation.from_matrix(placed.rotations[0, 0].T @ placed.rotations[0, 1]).as_rotvec(degrees=True)
    assert turned == pytest.approx([90, 0, 0])
    text = SMALL.replace("    CHANNELS 3 Zrotation Xrotation Yrotation\n", "").replace("1 2 3\n", "\n").replace("4 5 6\n", "\n")
    placed = Source(read_bvh(written(tmp_path, text))).at(0, 2)
    assert np.allclose(placed.rotations[:, 0], placed.rotations[:, 1])


def test_our_own_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    motion = gesturing(2.0)
    BvhExporter(BvhOptions()).write(Shown("a", motion), tmp_path / "a.bvh")
    found = read_bvh(tmp_path / "a.bvh")
    assert (found.frames, len(found.joints), found.fps) == (60, 55, 30.0)
