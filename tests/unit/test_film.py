"""Whole films, taken apart again: pictures, voice, both in step; the figure where forward kinematics has it; what goes wrong."""

from __future__ import annotations

import errno
import gc
import logging
import os
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers_film import HOSTILE, RATE_HZ, SMALL, ShownScene, decoded, is_figure, needs_stage, pixel, scene, small_scene, spoken, still, waving_motion
from helpers_smplx import write_smplx
from raggesture.body.joints import JOINT_NAMES, N_JOINTS
from raggesture.body.skeleton import rest_joints
from raggesture.clock import frames_of_seconds
from raggesture.errors import ConfigError, InputError, ModelError
from raggesture.export.film import encode, film, floor, stage
from raggesture.export.film.body import BodySkin, read_body_file
from raggesture.export.film.camera import Camera, pixel_m
from raggesture.export.film.look import BACKDROP
from raggesture.export.film.options import FilmOptions
from raggesture.export.film.poses import Pose, Poses
from raggesture.export.film.shape import wooden
from raggesture.export.film.skins import BonesSkin, Skin
from raggesture.export.film.stage import NoStageError, Stage
from raggesture.export.mp4 import Mp4Exporter, raggesture_exporters
from raggesture.motion import Motion

pytest.importorskip("av", reason="the extra 'film' is not installed")
LINES = FilmOptions(width=SMALL, height=SMALL, figure="skeleton", crf=12)
BARE = FilmOptions(width=SMALL, height=SMALL, figure="skeleton", crf=12, titles=False)
BODY = FilmOptions(width=160, height=160, crf=8, titles=False)
SRC = Path(__file__).parents[2] / "src"


@pytest.fixture
def on_stage() -> None:
    needs_stage()


def raised(arm: float) -> Motion:
    """One frame: arms hang, the right one is turned by ``arm`` rad against that."""
    rotations = np.zeros((1, 55, 3), np.float32)
    rotations[0, 16, 2], rotations[0, 17, 2] = -1.1, 1.1 - arm
    return Motion(rotations, np.zeros((1, 3), np.float32), np.zeros((1, 100), np.float32), 30.0)


def drawn(motion: Motion, size: tuple[int, int] = (200, 200), view: str = "front", samples: int = 4) -> tuple[np.ndarray, Camera, Poses]:
    """The first picture of a motion on a stage, (H, W, 3)."""
    poses = Poses(motion, 30)
    pose = poses.pose(0)
    camera = Camera.of(view, size, poses.floor_m, pose.centre)  # type: ignore[arg-type]
    on = Stage(size, samples)
    try:
        skin = BonesSkin(on.context, wooden(pixel_m(view, size)))  # type: ignore[arg-type]
        return on.draw(skin, pose, 0, camera, poses.floor_m)[..., :3].copy(), camera, poses
    finally:
        on.close()


# pictures and voice ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "fps"), [(0.7, 30), (0.7, 24)])
def test_a_film_has_the_motion_s_length_and_a_voice_of_the_same(tmp_path: Path, seconds: float, fps: int) -> None:
    film.film_of([scene(seconds, speech=spoken(seconds))], tmp_path / "a.mp4", LINES.model_copy(update={"fps": fps}))
    found = decoded(tmp_path / "a.mp4")
    assert found.codecs == ("h264", "aac") and found.pixel_format == "yuv420p"
    assert found.pictures.shape == (frames_of_seconds(seconds, fps), SMALL, SMALL, 3)
    assert np.allclose(found.at_s, np.arange(len(found.at_s)) / fps, atol=1e-4)
    assert abs(len(found.sound) / found.rate_hz - len(found.at_s) / fps) <= 1 / fps


def test_a_click_is_heard_in_the_picture_that_moves(tmp_path: Path) -> None:
    click_s, picture = 0.5, 15
    wave = np.zeros(RATE_HZ, np.float32)
    wave[round(click_s * RATE_HZ) : round(click_s * RATE_HZ) + 40] = 0.9
    motion = waving_motion(1.0)
    rotations = np.zeros_like(motion.rotations)
    rotations[picture:, 17, 2] = 1.2
    jump = Motion(rotations, np.zeros_like(motion.translation), motion.expression, 30.0)
    film.film_of([ShownScene("jump", jump, spoken(1.0, wave=wave))], tmp_path / "a.mp4", BARE)
    found = decoded(tmp_path / "a.mp4")
    steps = np.abs(np.diff(found.pictures.astype(int), axis=0)).mean(axis=(1, 2, 3))
    assert found.at_s[steps.argmax() + 1] == pytest.approx(click_s, abs=1e-4)
    loud = np.abs(found.sound) > 0.3
    assert loud.any() and np.argmax(loud) / found.rate_hz == pytest.approx(click_s, abs=0.004)


def test_the_voice_is_cut_or_filled_to_the_film_and_a_difference_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for voice_s in (0.2, 1.5):
        film.film_of([scene(0.5, speech=spoken(voice_s))], tmp_path / "a.mp4", BARE)
        found = decoded(tmp_path / "a.mp4")
        assert len(found.pictures) == 15
        assert len(found.sound) / found.rate_hz == pytest.approx(0.5, abs=0.034)
    assert "the voice lasts 1.5 s, the motion 0.5 s; the film is as long as the motion" in caplog.text


@pytest.mark.parametrize("frames", [1, 2])
def test_hardly_any_frames(tmp_path: Path, frames: int) -> None:
    film.film_of([ShownScene("still", still(frames))], tmp_path / "a.mp4", LINES)
    found = decoded(tmp_path / "a.mp4")
    assert len(found.pictures) == frames and found.codecs == ("h264",)


def test_no_frames_and_no_scene_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="0 frames; expected at least one"):
        film.film_of([ShownScene("none", still(0))], tmp_path / "a.mp4", LINES)
    with pytest.raises(InputError, match="no result"):
        film.film_of([], tmp_path / "a.mp4", LINES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [HOSTILE, "na me ümläut \u202e\x00\n 名前", "", "%s{0}<b>"])
def test_hostile_names_are_drawn_and_nothing_else(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "a folder, ünd"
    folder.mkdir()
    shown = small_scene(4.0)
    film.film_of([ShownScene(name, waving_motion(0.2), shown.speech, shown.trace)], folder / "a b ü.mp4", LINES)
    assert len(decoded(folder / "a b ü.mp4").pictures) == 6
    assert [path.name for path in folder.iterdir()] == ["a b ü.mp4"]


def test_titles_change_where_the_word_changes(tmp_path: Path) -> None:
    shown = ShownScene("still", still(24), spoken(0.8))
    film.film_of([shown], tmp_path / "a.mp4", LINES.model_copy(update={"width": 256, "height": 256, "crf": 4}))
    pictures = decoded(tmp_path / "a.mp4").pictures.astype(int)
    panel = film.Titles(film.Frame(1, 256, 256, 30, 0.8), ["still"], [film.story_of(shown)], shown.speech.wave).panel_px
    caption = pictures[:, 256 - panel : 256 - panel + round(62 * 256 / 720)]
    steps = np.abs(np.diff(caption, axis=0)).max(axis=(1, 2, 3))
    assert np.flatnonzero(steps > 60).tolist() == [5, 11, 17]  # words begin with pictures 6, 12 and 18


def test_side_by_side_has_two_figures_and_one_voice(tmp_path: Path) -> None:
    first, second = still(6), waving_motion(0.4)
    film.film_of([ShownScene("left", first, spoken(0.4)), ShownScene("right", second)], tmp_path / "two.mp4", LINES)
    found = decoded(tmp_path / "two.mp4")
    assert found.pictures.shape == (12, SMALL, 2 * SMALL, 3)  # as long as the longer one
    for column, shown in enumerate((ShownScene("left", first, spoken(0.4)), ShownScene("right", second, spoken(0.4)))):
        film.film_of([shown], tmp_path / f"{column}.mp4", LINES)
        alone = decoded(tmp_path / f"{column}.mp4").pictures
        half = found.pictures[: len(alone), :90, column * SMALL : (column + 1) * SMALL]
        assert np.abs(half.astype(int) - alone[:, :90]).mean() < 2
        assert is_figure(half[0]).sum() > 30
    assert np.abs(found.pictures[5, :90, :SMALL].astype(int) - found.pictures[11, :90, :SMALL]).mean() < 1  # the shorter one holds


def test_the_same_scene_gives_the_same_pictures(tmp_path: Path) -> None:
    shown = replace(small_scene(4.0), motion=waving_motion(0.5))
    for name in ("one", "two"):
        film.film_of([shown], tmp_path / f"{name}.mp4", FilmOptions(width=SMALL, height=SMALL))
    one, two = decoded(tmp_path / "one.mp4"), decoded(tmp_path / "two.mp4")
    assert np.array_equal(one.pictures, two.pictures) and np.array_equal(one.sound, two.sound)


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    options = FilmOptions(width=64, height=64, figure="skeleton")
    peaks = []
    for frames in (45, 45, 180):
        shown = ShownScene("long", still(frames), spoken(frames / 30))
        gc.collect()
        tracemalloc.start()
        film.film_of([shown], tmp_path / "a.mp4", options)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    voice = 4 * 5 * RATE_HZ * 2  # the wave and its absolute values, which are the scene's own size
    assert peaks[2] < peaks[1] + voice + 1_000_000, peaks


# the body --------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("on_stage")
@pytest.mark.parametrize("view", ["front", "side"])
def test_the_figure_is_where_forward_kinematics_has_it(view: str) -> None:
    picture, camera, poses = drawn(raised(0.9), view=view)
    figure, joints = is_figure(picture), poses.pose(0).joints
    for name in ("head", "left_elbow", "right_elbow", "left_knee", "right_ankle", "spine2", "right_wrist", "left_middle1"):
        assert figure[pixel(camera, joints[JOINT_NAMES.index(name)])], name
    places = camera.pixels(joints)
    rows, columns = np.nonzero(figure)
    nearest = np.linalg.norm(np.stack([columns, rows], axis=1)[:, None] + 0.5 - places, axis=2).min(axis=1)
    assert nearest.max() < 0.27 / pixel_m(view, (200, 200))  # type: ignore[arg-type]


@pytest.mark.usefixtures("on_stage")
def test_a_raised_arm_changes_the_pixels_of_that_arm() -> None:
    (down, camera, low), (up, _, high) = drawn(raised(0.0)), drawn(raised(2.0))
    changed = is_figure(down) != is_figure(up)
    arm = [JOINT_NAMES.index(f"right_{name}") for name in ("shoulder", "elbow", "wrist", "middle2")]
    for poses, picture in ((low, down), (high, up)):
        places = poses.pose(0).joints[arm]
        assert changed[pixel(camera, places[2])] and is_figure(picture)[pixel(camera, places[2])]
    shoulder = camera.pixels(low.pose(0).joints[arm[0]])
    columns = np.nonzero(changed)[1]
    assert changed.sum() > 150 and columns.max() < shoulder[0] + 12  # all on the right arm's side of the picture


@pytest.mark.usefixtures("on_stage")
def test_multisampling_smooths_edges_and_a_shadow_lies_on_the_floor() -> None:
    plain, smooth = drawn(raised(0.0), samples=1)[0], drawn(raised(0.0), samples=4)[0]
    differ = (plain != smooth).any(axis=2)
    assert 0.005 < differ.mean() < 0.2
    floor = smooth[-30:][~is_figure(smooth)[-30:]].astype(int).sum(axis=1)
    assert floor.min() < 0.85 * np.median(floor)


def all_with_many_samples(on: Stage, skin: Skin, pose: Pose, camera: Camera, floor_m: float) -> np.ndarray:
    """The picture as it would be if floor and body were drawn with four samples a pixel together: much slower, nothing laid over anything."""
    context, size = on.context, camera.size
    on.draw(skin, pose, 0, camera, floor_m)  # the shadow's map, and what programs must know
    many = context.framebuffer([context.renderbuffer(size, 4, samples=4)], context.depth_renderbuffer(size, samples=4))
    plain = context.framebuffer([context.renderbuffer(size, 4)])
    many.use()
    many.clear(*(channel / 255 for channel in BACKDROP), 1.0, depth=1.0)
    on._shade.use(0)
    context.enable_only(context.DEPTH_TEST | context.CULL_FACE)
    context.front_face = "cw"
    skin.lit.render()
    context.enable_only(context.DEPTH_TEST)
    for part in (on._floor._near, on._floor._far):
        part.render()
    context.copy_framebuffer(plain, many)
    return np.frombuffer(plain.read(components=3), np.uint8).reshape(size[1], size[0], 3)


@pytest.mark.usefixtures("on_stage")
@pytest.mark.parametrize("view", ["front", "side", "upper"])
def test_the_body_laid_over_the_floor_is_all_drawn_with_many_samples(view: str) -> None:
    """Several poses on one stage, of a walk away from where the camera looks: the layer grows, moves, and reaches over the picture's edge; once it sinks in."""
    size = (150, 222)
    motion = waving_motion(2.0)
    walk = np.array(motion.translation)
    walk[:, 0] += np.linspace(0, 1.2, len(walk))
    walk[40, 1] -= 0.2
    poses = Poses(Motion(motion.rotations, walk, motion.expression, 30.0), 30)
    found = []
    for samples in (4, 1):
        on = Stage(size, samples)
        skin = BonesSkin(on.context, wooden(pixel_m(view, size)))  # type: ignore[arg-type]
        for picture in (0, 59, 20, 40):
            pose = poses.pose(picture)
            camera = Camera.of(view, size, poses.floor_m, poses.pose(0).centre)  # type: ignore[arg-type]
            found.append(on.draw(skin, pose, picture, camera, poses.floor_m)[..., :3].astype(int))
            if samples == 4:
                apart = np.abs(found[-1] - all_with_many_samples(on, skin, pose, camera, poses.floor_m)).max(axis=2)
                assert apart.mean() < 0.2 and (apart > 3).mean() < 2e-4, (picture, apart.mean(), apart.max())
        on.close()
    assert poses.pose(40).joints[:, 1].min() < poses.floor_m - 0.1
    smooth, coarse = np.array(found[:4]), np.array(found[4:])
    assert (np.abs(smooth - coarse).max(axis=3) > 8).sum() > 300  # so that it is not for want of samples that they are alike


@pytest.mark.usefixtures("on_stage")
def test_nothing_is_dark_outside_of_what_the_shadow_lies_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the whole of the floor around the body drawn as if in shadow, the picture is the same."""
    for picture, view in enumerate(("front", "side", "upper")):
        tight = drawn(raised(1.5 * picture), view=view)[0].astype(int)
        with monkeypatch.context() as patched:
            patched.setattr(floor, "shaded", lambda hull, feet, floor_m, middle: middle + floor._ASIDE_M + 1.2 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]))
            whole = drawn(raised(1.5 * picture), view=view)[0].astype(int)
        assert np.abs(tight - whole).max() <= 2 and (tight != whole).mean() < 0.05


@pytest.mark.usefixtures("on_stage")
def test_a_body_that_is_not_in_the_picture_and_one_that_stands_in_the_camera() -> None:
    poses = Poses(raised(0.0), 30)
    pose, size = poses.pose(0), (120, 120)
    for away, seen in (((5.0, 0.0), False), ((-5.0, 0.0), False), ((0.0, -3.6), True), ((0.0, -6.0), False)):
        camera = Camera.of("front", size, poses.floor_m, pose.centre + np.array(away))
        on = Stage(size, 4)
        picture = on.draw(BonesSkin(on.context, wooden(pixel_m("front", size))), pose, 0, camera, poses.floor_m)
        assert picture.shape == (120, 120, 4) and (picture[..., 3] == 255).all()
        assert is_figure(picture[..., :3]).any() == seen
        on.close()


@pytest.mark.usefixtures("on_stage")
def test_the_jaw_and_nothing_else_moves_the_mouth() -> None:
    closed = raised(0.0)
    rotations = np.array(closed.rotations)
    rotations[0, JOINT_NAMES.index("jaw"), 0] = 0.25
    opened = Motion(rotations, closed.translation, closed.expression, 30.0)
    (first, camera, poses), (second, _, _) = drawn(closed, view="upper", size=(400, 400)), drawn(opened, view="upper", size=(400, 400))
    rows, columns = np.nonzero((first != second).any(axis=2))
    head = camera.pixels(poses.pose(0).joints[JOINT_NAMES.index("head")])
    assert 5 < len(rows) < 400 and np.abs(columns - head[0]).max() < 20 and np.abs(rows - head[1]).max() < 40


# the user's SMPL-X -----------------------------------------------------------------------------------------------------


def made_up_body(path: Path, **changes: np.ndarray) -> Path:
    """A file of SMPL-X's shapes, made of the mannequin: its skin, and 55 more vertices where the joints are. One expression drops the chin."""
    shape = wooden(0.01).shape
    count = len(shape.vertices) + N_JOINTS
    weights = np.zeros((count, N_JOINTS), np.float32)
    for bones, shares in zip(shape.bones.T, shape.weights.T, strict=True):
        weights[np.arange(len(bones)), np.minimum(bones, 15 + 0 * bones) * (bones == 55) + bones * (bones < 55)] += shares
    weights[len(shape.vertices) :, :] = np.eye(N_JOINTS)
    template = np.concatenate([shape.vertices, rest_joints()])
    directions = np.zeros((count, 3, 400), np.float32)
    chin = (template[:, 1] < 0.25) & (template[:, 1] > 0.2) & (template[:, 2] > 0.05)
    directions[chin, 1, 300] = -0.05
    regressor = np.zeros((N_JOINTS, count), np.float32)
    regressor[:, len(shape.vertices) :] = np.eye(N_JOINTS)
    mine = {"v_template": template, "shapedirs": directions, "J_regressor": regressor, "weights": weights, "f": shape.faces.astype(np.uint32)}
    return write_smplx(path, count, **mine | changes)


@pytest.mark.usefixtures("on_stage")
def test_the_user_s_body_stands_where_the_mannequin_stands_and_has_a_face(tmp_path: Path) -> None:
    body = read_body_file(made_up_body(tmp_path / "SMPLX.npz"))
    motion = raised(1.3)
    smiling = np.zeros((1, 100), np.float32)
    smiling[0, 0] = 1.0
    wood, camera, poses = drawn(motion)
    pictures = []
    for expression in (motion.expression, smiling):
        mine = Poses(Motion(motion.rotations, motion.translation, expression, 30.0), 30)
        on = Stage((200, 200), 4)
        pictures.append(on.draw(BodySkin(on.context, body, mine), mine.pose(0), 0, camera, mine.floor_m)[..., :3].copy())
        on.close()
    assert (is_figure(wood) == is_figure(pictures[0])).mean() > 0.985
    rows, columns = np.nonzero((pictures[0] != pictures[1]).any(axis=2))
    head = camera.pixels(poses.pose(0).joints[JOINT_NAMES.index("head")])
    assert len(rows) > 3 and np.abs(columns - head[0]).max() < 15 and np.abs(rows - head[1]).max() < 25


@pytest.mark.usefixtures("on_stage")
def test_a_film_of_the_user_s_body(tmp_path: Path) -> None:
    options = BODY.model_copy(update={"body": str(made_up_body(tmp_path / "my body.npz"))})
    film.film_of([scene(0.6)], tmp_path / "a.mp4", options)  # 18 pictures: more than one block
    film.film_of([scene(0.6)], tmp_path / "b.mp4", BODY)
    mine, wood = decoded(tmp_path / "a.mp4").pictures, decoded(tmp_path / "b.mp4").pictures
    assert len(mine) == len(wood) == 18
    assert is_figure(wood).mean() > 0.05 and (is_figure(mine) == is_figure(wood)).mean() > 0.98


def test_vertices_are_smplx_s_own(tmp_path: Path) -> None:
    body = read_body_file(made_up_body(tmp_path / "SMPLX.npz"))
    motion = waving_motion(0.2)
    vertices = body.vertices(motion.rotations, motion.translation, motion.expression)
    poses = Poses(motion, 30)
    for picture in (0, 5):
        assert np.allclose(vertices[picture, -N_JOINTS:], poses.pose(picture).joints, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"posedirs": np.zeros((3, 3, 207))}, r"posedirs is \(3, 3, 207\), not"),
        ({"weights": np.zeros((9, 24))}, r"weights is \(9, 24\), not"),
        ({"f": np.full((4, 3), 10**6)}, "its faces name vertices that are not there"),
        ({"v_template": np.array([{}], object)}, "cannot be read as an npz of plain arrays"),
    ],
)
def test_a_wrong_body_says_where_the_right_one_is(tmp_path: Path, changes: dict[str, np.ndarray], said: str) -> None:
    path = made_up_body(tmp_path / "wrong.npz", **changes)
    with pytest.raises(ModelError, match=said) as fault:
        read_body_file(path)
    assert str(path) in str(fault.value) and "https://smpl-x.is.tue.mpg.de" in str(fault.value) and "licence" in str(fault.value)


def test_a_missing_body_is_said_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"SMPLX\.npz: no such file.*https://smpl-x\.is\.tue\.mpg\.de"):
        Mp4Exporter(FilmOptions(body=str(tmp_path / "SMPLX.npz")))
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(ModelError, match="cannot be read as an npz"):
        read_body_file(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", poses=np.zeros(3))
    with pytest.raises(ModelError, match="no array 'v_template'"):
        read_body_file(tmp_path / "other.npz")


# what is not there -----------------------------------------------------------------------------------------------------


def test_without_moderngl_the_film_is_of_lines_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "moderngl", None)
    film.film_of([scene(0.3)], tmp_path / "a.mp4", FilmOptions(width=SMALL, height=SMALL))
    assert "moderngl: not installed" in caplog.text and "raggesture[film]" in caplog.text and "the film shows a skeleton of lines" in caplog.text
    film.film_of([scene(0.3)], tmp_path / "b.mp4", FilmOptions(width=SMALL, height=SMALL, figure="skeleton"))
    assert np.array_equal(decoded(tmp_path / "a.mp4").pictures, decoded(tmp_path / "b.mp4").pictures)


def test_without_egl_the_film_is_of_lines_and_says_what_to_install(tmp_path: Path) -> None:
    pytest.importorskip("moderngl", reason="the extra 'film' is not installed")
    program = (
        "import logging, sys; logging.basicConfig(stream=sys.stdout); from pathlib import Path; from helpers_film import scene;"
        "from raggesture.export.film.film import film_of; from raggesture.export.film.options import FilmOptions;"
        "film_of([scene(0.2)], Path('a.mp4'), FilmOptions(width=64, height=64))"
    )
    paths = os.pathsep.join([str(SRC), str(Path(__file__).parents[1])])
    none = str(tmp_path / "none.json")  # no vendor of EGL is to be found there
    environment = {**os.environ, "PYTHONPATH": paths, "__EGL_VENDOR_LIBRARY_FILENAMES": none, "__EGL_VENDOR_LIBRARY_DIRS": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "OpenGL: no EGL context" in done.stdout and "apt-get install libegl1 libgl1-mesa-dri" in done.stdout
    assert len(decoded(tmp_path / "a.mp4").pictures) == 6


def test_an_old_driver_is_no_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    moderngl = pytest.importorskip("moderngl", reason="the extra 'film' is not installed")

    def refuse(**settings: object) -> None:
        raise ValueError("Requested OpenGL version 330, got version 210")

    monkeypatch.setattr(moderngl, "create_context", refuse)
    with pytest.raises(NoStageError, match="version 210"):
        stage.Stage((64, 64), 4)


@pytest.mark.usefixtures("on_stage")
def test_a_driver_that_refuses_our_programs_is_no_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage.shaders, "FLOOR_FRAGMENT", "#version 330\nvoid main() { nonsense; }")
    with pytest.raises(NoStageError, match=r"OpenGL: .*nonsense.*expected a driver of OpenGL 3\.3"):
        stage.Stage((64, 64), 4)


def test_without_an_encoder_or_a_codec_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import av

    monkeypatch.setattr(av, "codecs_available", {"aac", "mpeg4"})
    with pytest.raises(ConfigError, match=r"without the codec libx264.*raggesture\[film\]"):
        film.film_of([scene(0.2)], tmp_path / "a.mp4", LINES)
    monkeypatch.setattr(encode, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"PyAV is not installed.*raggesture\[film\]"):
        Mp4Exporter(LINES)
    assert not list(tmp_path.iterdir())


# what goes wrong on the way --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_nothing_is_left_of_a_film_that_was_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]) -> None:
    real = film.draw_lines
    drawn_so_far = []

    def breaking(*arguments: object) -> np.ndarray:
        drawn_so_far.append(1)
        if len(drawn_so_far) == 20:
            raise fault
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(film, "draw_lines", breaking)
    with pytest.raises(fault):
        film.film_of([scene(1.5, speech=spoken(1.5))], tmp_path / "a.mp4", LINES)
    assert not list(tmp_path.iterdir())


def test_pictures_wait_their_turn_where_the_encoder_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of pictures is used again, but never that of one that still waits; lines of 66 pixels are longer in memory than in the picture."""
    real = encode.Encoder._put

    def slowly(self: encode.Encoder, frame: object, samples: np.ndarray) -> None:
        time.sleep(0.01)
        real(self, frame, samples)

    monkeypatch.setattr(encode.Encoder, "_put", slowly)
    with encode.Encoder(tmp_path / "a.mp4", (66, 64), 30, 4, voice=False) as out:
        for k in range(20):
            picture = np.full((64, 66, 4), 12 * k, np.uint8)
            picture[:, 33:] = 255 - 12 * k
            out.add(picture, np.zeros(0, np.float32))
            picture[:] = 128  # it was copied
    pictures = decoded(tmp_path / "a.mp4").pictures.astype(int)
    assert pictures.shape == (20, 64, 66, 3)
    for k, picture in enumerate(pictures):
        assert np.abs(picture[:, :30] - 12 * k).max() < 12 and np.abs(picture[:, 36:] - (255 - 12 * k)).max() < 12


def test_a_folder_that_is_not_there_is_an_error_with_the_path(tmp_path: Path) -> None:
    path = tmp_path / "not there" / "a.mp4"
    with pytest.raises(OSError, match="No such file") as fault:
        film.film_of([scene(0.2)], path, LINES)
    assert fault.value.filename == str(path)


FULL = """
import resource, sys
from pathlib import Path

import numpy as np

from helpers_film import scene, spoken
from raggesture.export.film.options import FilmOptions
from raggesture.export.mp4 import Mp4Exporter
from raggesture.outputs import new_files

noise = np.random.default_rng(0).uniform(-0.5, 0.5, 32_000).astype(np.float32)
shown = scene(2.0, speech=spoken(2.0, wave=noise))
for room in map(int, sys.argv[1:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        with new_files([Path("a.mp4")]) as partial:
            Mp4Exporter(FilmOptions(width=128, height=128, figure="skeleton")).write(shown, partial[0])
        print("written")
    except Exception as fault:
        print(f"{type(fault).__name__} {fault.exit_code}: {fault}", len(list(Path().iterdir())))
"""


def test_a_full_disk_is_an_error_that_names_the_file_and_nothing_is_left(tmp_path: Path) -> None:
    """The system's limit on a file's size stands for the full disk: writing fails in the same places, with another number."""
    paths = os.pathsep.join([str(SRC), str(Path(__file__).parents[1])])
    command = [sys.executable, "-c", FULL, "0", "8000", "40000", "10000000"]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *full, last = done.stdout.splitlines()
    assert len(full) == 3 and last == "written"
    for line in full:
        assert line.startswith("UsageError 2: ") and f"partial.mp4: cannot be written ({os.strerror(errno.EFBIG)})" in line and line.endswith(" 0")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


# the part --------------------------------------------------------------------------------------------------------------


def test_the_hook_gives_the_exporter(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (cls,) = raggesture_exporters()
    assert (cls.name, cls.suffix) == ("mp4", ".mp4")
    with caplog.at_level(logging.WARNING):
        cls(LINES).write(scene(0.2), tmp_path / "a.mp4")
    assert len(decoded(tmp_path / "a.mp4").pictures) == 6 and not caplog.records
