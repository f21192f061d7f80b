"""Films by the command line: the exporter by its name, its options by a profile and the environment, two results side by side."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def test_two_results_side_by_side(call: Call, tmp_path: Path, motions: tuple[Path, Path]) -> None:
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
    found = call("export", motions[0], *(motions[1] if each == "THEIRS" else each for each in arguments), "--out", tmp_path / "out")
    assert found.code == code and said in found.error and not (tmp_path / "out").exists()


# how far it is ---------------------------------------------------------------------------------------------------------


@contextmanager
def listening(seen: list[tuple[str, float]]) -> Iterator[Callable[[str, float], None]]:
    yield lambda what, share: seen.append((what, share))


def test_export_says_which_picture_it_is_at(call: Call, tmp_path: Path, motions: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGGESTURE_EXPORT__MP4__FIGURE", "skeleton")
    seen: list[tuple[str, float]] = []
    monkeypatch.setattr("raggesture.cli.export.progress_bar", lambda **asked: listening(seen))
    found = call("export", *motions, "--format", "npz,mp4,bvh", "--out", tmp_path / "out")
    assert found.code == 0 and found.err == ""
    pictures = [(what, share) for what, share in seen if "picture" in what]
    assert [what for what, _ in pictures[:18]] == [f"ours and ünd.npz: mp4: picture {k} of 18" for k in range(1, 19)]
    assert len(pictures) == 36 and "theirs.npz: bvh: frame 18 of 18" in [what for what, _ in seen]
    shares = [share for _, share in seen]
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] == pytest.approx(1.0)
    assert pictures[17][1] == pytest.approx(1 / 2 * 2 / 3)  # the first of two motions, two of three formats done
    del seen[:]
    assert call("export", motions[0], "--side-by-side", motions[1], "--format", "html,mp4", "--out", tmp_path / "two").code == 0
    assert seen[-1] == ("ours and ünd.npz: mp4: picture 18 of 18", 1.0) and "ours and ünd.npz: html: the voice" in [what for what, _ in seen]


@pytest.mark.parametrize("speeches", [1, 2])
def test_generate_says_which_picture_it_is_at(
    call: Call, voice: Callable[[str], Path], toy_pipeline: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speeches: int
) -> None:
    """Alone, and where recordings are made side by side under one bar."""
    monkeypatch.setenv("RAGGESTURE_EXPORT__MP4__FIGURE", "skeleton")
    seen: list[tuple[str, float]] = []
    for module in ("worker", "together"):
        monkeypatch.setattr(f"raggesture.cli.{module}.progress_bar", lambda **asked: listening(seen))
    voices = [voice(f"hum{k}.wav") for k in range(speeches)]
    found = call("generate", *voices, "--out", tmp_path / "out", "--format", "mp4", "--retriever", "none")
    assert found.code == 0, found.err
    pictures = [(what, share) for what, share in seen if "picture" in what]
    assert [what for what, _ in pictures] == [f"hum{k}.wav: mp4: picture {n} of 60" for k in range(speeches) for n in range(1, 61)]
    shares = [share for _, share in pictures]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0)


def test_a_person_at_a_terminal_sees_it_and_nobody_else(call: Call, tmp_path: Path, motions: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("RAGGESTURE_EXPORT__MP4__FIGURE", "skeleton")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    screen = Terminal()
    with monkeypatch.context() as patched:
        patched.setattr("sys.stderr", screen)
        assert call("export", motions[0], "--format", "mp4", "--out", tmp_path / "out").code == 0
    assert "mp4: picture 18 of 18" in screen.getvalue()
    silent = call("export", motions[0], "--format", "mp4", "--out", tmp_path / "json", "--json")
    assert silent.err == "" and json.loads(silent.out)["results"][0]["outputs"] == [str(tmp_path / "json" / "ours and ünd.mp4")]


# what goes wrong -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"trans": np.full((20, 3), np.nan)}, "translation is not finite at frame 0"),
        ({"poses": np.full((20, 165), np.inf)}, "rotations is not finite at frame 0"),
        ({"poses": np.zeros((0, 165)), "trans": np.zeros((0, 3))}, "0 frames; expected at least one"),
        ({"mocap_frame_rate": 0}, "expected a positive frame rate"),
        ({"mocap_frame_rate": np.nan}, "expected a positive frame rate"),
    ],
)
def test_no_film_of_a_motion_that_is_none(call: Call, tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    path = tmp_path / "näme with a space.npz"
    members = {"poses": np.zeros((20, 165)), "trans": np.zeros((20, 3)), "mocap_frame_rate": 30}
    np.savez(path, **(members | arrays))  # type: ignore[arg-type]
    found = call("export", path, "--format", "mp4", "--out", tmp_path / "out")
    assert found.code == 3 and said in found.error and found.error.startswith(f"error: {path}: "), found.err
    assert not (tmp_path / "out").exists()


def test_a_film_of_one_frame_without_a_voice(call: Call, tmp_path: Path) -> None:
    needs_stage()
    write_npz(waving_motion(1 / 30), tmp_path / "名前 \U0001f44b ü.npz")
    found = call("export", tmp_path / "名前 \U0001f44b ü.npz", "--format", "mp4", "--out", tmp_path / "out")
    assert found.code == 0 and found.err == ""
    film = decoded(tmp_path / "out" / "名前 \U0001f44b ü.mp4")
    assert film.pictures.shape == (1, 128, 128, 3) and film.codecs == ("h264",) and is_figure(film.pictures[0]).mean() > 0.03


def test_a_codec_that_is_missing_is_named_with_what_to_install(call: Call, tmp_path: Path, motions: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    import av

    from raggesture.export.film import encode

    with monkeypatch.context() as patched:
        patched.setattr(av, "codecs_available", {"mpeg4", "aac"})
        found = call("export", motions[0], "--format", "bvh,mp4", "--out", tmp_path / "out")
    assert found.code == 4 and "without the codec libx264" in found.error and "raggesture[film]" in found.error
    monkeypatch.setattr(encode, "find_spec", lambda name: None)
    found = call("export", motions[0], "--format", "bvh,mp4", "--out", tmp_path / "out")
    assert found.code == 4 and "PyAV is not installed" in found.error and "raggesture[film]" in found.error
    assert not (tmp_path / "out").exists()


def test_without_a_driver_a_warning_says_what_to_install_and_lines_are_filmed(
    call: Call, tmp_path: Path, motions: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    moderngl = pytest.importorskip("moderngl", reason="the extra 'film' is not installed")

    def refuse(**settings: object) -> None:
        raise Exception("eglInitialize failed (0x3001)")

    monkeypatch.setattr(moderngl, "create_context", refuse)
    found = call("export", motions[1], "--format", "mp4", "--out", tmp_path / "out")
    assert found.code == 0 and "eglInitialize failed" in found.err and "apt-get install libegl1 libgl1-mesa-dri" in found.err
    assert "the film shows a skeleton of lines" in found.err and len(found.err.splitlines()) == 1
    assert len(decoded(tmp_path / "out" / "theirs.mp4").pictures) == 18
