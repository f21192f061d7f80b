"""Films by the command line: the exporter by its name, its options by a profile and the environment, two results side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from helpers_film import decoded, is_figure, needs_stage, waving_motion
from raggesture.motion import Motion, write_npz

pytest.importorskip("av", reason="the extra 'film' is not installed")
Call = Callable[..., Any]
SMALL = {"WIDTH": "128", "HEIGHT": "128", "CRF": "8"}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL.items():
        monkeypatch.setenv(f"RAGGESTURE_EXPORT__MP4__{name}", value)


@pytest.fixture
def motions(tmp_path: Path) -> tuple[Path, Path]:
    """Two motions of 0.6 s, the first with a voice beside it."""
    paths = (tmp_path / "ours and ünd.npz", tmp_path / "theirs.npz")
    motion = waving_motion(0.6)
    write_npz(motion, paths[0])
    still = Motion(np.repeat(motion.rotations[:1], 18, axis=0), np.repeat(motion.translation[:1], 18, axis=0), motion.expression, 30.0)
    write_npz(still, paths[1])
    soundfile.write(paths[0].with_suffix(".wav"), 0.1 * np.sin(np.arange(9600) / 9), 16_000)
    return paths


def test_export_makes_a_film_with_the_voice_beside_the_motion(call: Call, tmp_path: Path, motions: tuple[Path, Path]) -> None:
    needs_stage()
    found = call("export", motions[0], "--format", "mp4,npz", "--out", tmp_path / "out")
    assert found.code == 0, found.err
    assert found.err == ""
    film = decoded(tmp_path / "out" / "ours and ünd.mp4")
    assert film.pictures.shape == (18, 128, 128, 3) and film.codecs == ("h264", "aac")
    assert is_figure(film.pictures[:, :100]).mean(axis=(1, 2)).min() > 0.03
    assert call("export", motions[0], "--format", "mp4", "--out", tmp_path / "out").code == 2
    assert call("export", motions[0], "--format", "mp4", "--out", tmp_path / "out", "--force").code == 0


def test_options_come_from_the_environment_and_wrong_ones_have_an_address(
    call: Call, tmp_path: Path, motions: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGGESTURE_EXPORT__MP4__FIGURE", "skeleton")
    monkeypatch.setenv("RAGGESTURE_EXPORT__MP4__FPS", "15")
    monkeypatch.setenv("RAGGESTURE_EXPORT__MP4__TITLES", "false")
    assert call("export", motions[1], "--format", "mp4", "--out", tmp_path / "out").code == 0
    assert decoded(tmp_path / "out" / "theirs.mp4").pictures.shape == (9, 128, 128, 3)
    monkeypatch.setenv("RAGGESTURE_EXPORT__MP4__WIDTH", "99")
    found = call("export", motions[1], "--format", "mp4", "--out", tmp_path / "two")
    assert found.code == 4 and "width" in found.error.lower() and not (tmp_path / "two").exists()
    monkeypatch.setenv("RAGGESTURE_EXPORT__MP4__WIDTH", "128")
    monkeypatch.setenv("RAGGESTURE_EXPORT__MP4__FIGURE", "mannequin")
    monkeypatch.setenv("RAGGESTURE_EXPORT__MP4__BODY", str(tmp_path / "SMPLX_NEUTRAL_2020.npz"))
    found = call("export", motions[1], "--format", "mp4", "--out", tmp_path / "two")
    assert found.code == 5 and "https://smpl-x.is.tue.mpg.de" in found.error and not (tmp_path / "two").exists()


def test_generate_makes_a_film_with_its_words(call: Call, voice: Callable[[str], Path], toy_pipeline: list[Any], tmp_path: Path) -> None:
    needs_stage()
    found = call("generate", voice("hum.wav"), "--out", tmp_path / "out", "--format", "mp4", "--retriever", "none")
    assert found.code == 0, found.err
    film = decoded(tmp_path / "out" / "hum.mp4")
    assert len(film.pictures) == 60
    trace = json.loads((tmp_path / "out" / "hum.trace.json").read_text(encoding="utf-8"))
    assert trace["transcript"]["words"]


def test_plugins_show_lists_the_film_s_options(call: Call) -> None:
    found = call("plugins", "show", "mp4")
    assert found.code == 0 and all(name in found.out for name in ("width", "camera", "samples", "body", "titles"))


# Enabled when cli/export.py has the option.


def needs_side_by_side(call: Call) -> None:
    if "--side-by-side" not in call("export", "--help").out:
        pytest.skip("export has no --side-by-side yet")


def test_two_results_side_by_side(call: Call, tmp_path: Path, motions: tuple[Path, Path]) -> None:
    needs_side_by_side(call)
    needs_stage()
    found = call("export", motions[0], "--side-by-side", motions[1], "--format", "mp4", "--out", tmp_path / "out")
    assert found.code == 0, found.err
    film = decoded(tmp_path / "out" / "ours and ünd.mp4")
    assert film.pictures.shape == (18, 128, 256, 3) and film.codecs == ("h264", "aac")
    halves = film.pictures[..., :128, :], film.pictures[..., 128:, :]
    assert all(is_figure(half[:, :90]).mean(axis=(1, 2)).min() > 0.03 for half in halves)
    moving = [np.abs(half[0, 10:90].astype(int) - half[-1, 10:90]).mean() for half in halves]
    assert moving[0] > 5 * moving[1]  # the left one waves, the right one stands
    labelled = call("export", motions[0], "--side-by-side", motions[1], "--labels", "<ours>,theirs", "--format", "mp4", "--out", tmp_path / "named")
    assert labelled.code == 0, labelled.err
    other = decoded(tmp_path / "named" / "ours and ünd.mp4")
    assert (other.pictures[0, :12].astype(int) != film.pictures[0, :12]).any()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--side-by-side", "THEIRS", "--format", "npz"), 2, "mp4"),
        (("--side-by-side", "nothing.npz", "--format", "mp4"), 3, "nothing.npz: no such file"),
        (("--side-by-side", "THEIRS", "--labels", "one", "--format", "mp4"), 2, "labels"),
        (("--labels", "one,two", "--format", "mp4"), 2, "--side-by-side"),
    ],
)
def test_side_by_side_refused(call: Call, tmp_path: Path, motions: tuple[Path, Path], arguments: tuple[str, ...], code: int, said: str) -> None:
    needs_side_by_side(call)
    found = call("export", motions[0], *(motions[1] if each == "THEIRS" else each for each in arguments), "--out", tmp_path / "out")
    assert found.code == code and said in found.error and not (tmp_path / "out").exists()
