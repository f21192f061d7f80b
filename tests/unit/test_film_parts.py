"""The parts of the film that need neither OpenGL nor an encoder: times, words, camera, poses, the thinned mannequin."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from helpers_film import HOSTILE, ShownScene, made_up_trace, small_scene, spoken, still, waving_motion
from raggesture.body.joints import JOINT_NAMES, N_JOINTS
from raggesture.body.skeleton import forward_kinematics, rest_joints
from raggesture.errors import InputError
from raggesture.export.bvh import BvhExporter, BvhOptions
from raggesture.export.film.camera import STANDS, TO_SUN, Camera, followed, sunlight
from raggesture.export.film.caption import BEFORE_S, STAYS_S, Caption, Now, fitted, lines_of
from raggesture.export.film.floor import shaded
from raggesture.export.film.lines import draw_lines
from raggesture.export.film.look import BACKDROP, font, tone
from raggesture.export.film.options import FilmOptions
from raggesture.export.film.poses import BLOCK, Poses, moved
from raggesture.export.film.shape import MOUTH, N_BONES, Grid, normals_of, wooden
from raggesture.export.film.skins import rooms_of
from raggesture.export.film.story import Said, Shown, Story, clock_text, plain, story_of
from raggesture.export.film.strip import NEEDLE, Strip, Whole
from raggesture.export.film.titles import Frame, Titles
from raggesture.export.html import HtmlExporter, HtmlOptions

PIXEL_M = 0.004


def test_options_have_defaults_and_know_their_bounds() -> None:
    assert (FilmOptions().width, FilmOptions().height, FilmOptions().fps, FilmOptions().samples) == (720, 720, 30, 4)
    for wrong in ({"width": 721}, {"height": 62}, {"fps": 0}, {"camera": "back"}, {"samples": 3}, {"crf": 52}, {"width": "720"}, {"nonsense": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            FilmOptions.model_validate(wrong)


def test_text_is_one_line_of_characters_that_can_be_drawn() -> None:
    assert plain("a\nb\u2028c\td") == "a b c d"
    assert plain("\x00\x1b[31mred\u202e \ud800!") == "[31mred !"
    assert plain(HOSTILE) == HOSTILE
    assert plain("zwölf Πλάτων") == "zwölf Πλάτων"
    assert len(plain("x" * 100_000)) == 200


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (9.99, "0:09"), (61, "1:01"), (3600, "1:00:00"), (3725.5, "1:02:05")])
def test_clock(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


def test_story_is_what_the_trace_says() -> None:
    scene = small_scene(8.0)
    story = story_of(scene)
    places = scene.trace["placements"]
    assert [gesture.start_s for gesture in story.gestures] == [place["start_s"] for place in places]
    assert {gesture.word for gesture in story.gestures} == {plain(scene.trace["queries"][place["query"]]["word"]) for place in places}
    assert all(plain(place["clip"]) in gesture.whence for gesture, place in zip(story.gestures, places, strict=True))
    marked = {word.text for word in story.words if word.kind}
    assert marked >= {gesture.word for gesture in story.gestures}
    assert all("\u2028" not in word.text for word in story.words)


def test_story_without_speech_takes_the_trace_s_words_and_without_both_has_none() -> None:
    scene = small_scene(8.0)
    silent = ShownScene("silent", scene.motion, None, scene.trace)
    assert [word.text for word in story_of(silent).words] == [word.text for word in story_of(scene).words]
    assert story_of(ShownScene("bare", scene.motion)) == Story()


def test_lines_break_at_pauses_full_stops_and_the_edge() -> None:
    typeface = font(20)
    words = [Said(f"word{k}", 0.3 * k, 0.3 * k + 0.3) for k in range(30)]
    lines = lines_of(words, typeface, 300)
    assert [word for line in lines for word in line] == words
    assert all(typeface.getlength(" ".join(word.text for word in line)) <= 300 for line in lines)
    assert len(lines_of([Said("a", 0, 0.2), Said("b", 0.3, 0.4), Said("c", 1.5, 1.6)], typeface, 300)) == 2
    long = Said("this goes on and on.", 0, 1)
    assert len(lines_of([long, Said("so", 1, 1.1), Said("there", 1.1, 1.2)], typeface, 900)) == 1
    assert len(lines_of([Said("first", 0, 0.1), long, Said("next", 1, 1.1)], typeface, 900)) == 2
    assert lines_of([], typeface, 300) == ()


def test_a_text_is_cut_to_fit() -> None:
    typeface = font(20)
    assert fitted("short", typeface, 500) == "short"
    cut = fitted("an enormous word", typeface, 90)
    assert cut.endswith("…") and typeface.getlength(cut) <= 90
    assert fitted("word", typeface, 0) == "…"


def test_the_caption_follows_the_words() -> None:
    caption = Caption([Said("one", 1.0, 1.4), Said("two", 1.5, 1.9), Said("three", 3.0, 3.5)], (400, 60), 20)
    assert caption.now(0.5) == Now()
    assert caption.now(1.0 - BEFORE_S) == Now(0, -1, 0)
    assert caption.now(1.2) == Now(0, 0, 1)
    assert caption.now(1.45) == Now(0, -1, 1)
    assert caption.now(1.6) == Now(0, 1, 2)
    assert caption.now(3.2) == Now(1, 0, 1)
    assert caption.now(3.5 + STAYS_S + 0.1) == Now()
    first, second = caption.band(1.2), caption.band(1.6)
    assert (first != second).any()
    assert np.array_equal(caption.band(1.21), first)
    assert first.shape == (60, 400, 4)


@pytest.mark.parametrize("view", STANDS)
def test_camera_looks_at_the_figure_with_left_to_its_right(view: str) -> None:
    camera = Camera.of(view, (400, 300), 0.2, np.array([1.0, -2.0]))  # type: ignore[arg-type]
    stand = STANDS[view]  # type: ignore[index]
    middle = np.array([1.0, 0.2 + stand.height_m, -2.0])
    assert np.allclose(camera.pixels(middle), (200, 150))
    above = camera.pixels(middle + np.array([0, 0.3, 0]))
    assert above[1] < 150 and abs(above[0] - 200) < 1e-6
    left = camera.pixels(middle + np.array([0.3, 0, 0]))
    if view != "side":
        assert left[0] > 205  # it faces us: its left is on our right
    ends = camera.pixels(middle + np.array([[0, -stand.tall_m / 2, 0], [0, stand.tall_m / 2, 0]]))
    assert 270 < ends[0, 1] - ends[1, 1] < 310


def test_the_sun_s_cube_holds_the_body() -> None:
    matrix = sunlight(TO_SUN, np.array([0.5, 0.5]), -1.3, 1.35)
    joints = rest_joints().astype(float) + np.array([0.5, 0.0, 0.5])
    clip = joints @ matrix[:3, :3].T + matrix[:3, 3]
    assert np.abs(clip).max() < 1
    towards = (joints + TO_SUN) @ matrix[:3, :3].T + matrix[:3, 3]
    assert (towards[:, 2] < clip[:, 2]).all()  # nearer to the sun is nearer


def test_the_camera_follows_slowly_and_stays_near() -> None:
    walk = np.zeros((900, 3))
    walk[:, 0] = np.linspace(0, 9, 900)
    path = followed(walk, 30.0)
    assert np.abs(path[:, 0] - walk[:, 0]).max() < 0.95
    assert np.allclose(path[200:700, 0], walk[200:700, 0], atol=1e-6)
    assert np.array_equal(followed(np.ones((1, 3)), 30.0), [[1.0, 1.0]])


def test_whole_frames_are_the_motion_s_own_and_between_them_rotations_go_the_short_way() -> None:
    motion = waving_motion(1.0, 15.0)
    again = moved(motion, np.arange(motion.frames))
    assert np.array_equal(again.rotations, motion.rotations) and np.array_equal(again.translation, motion.translation)
    at = np.array([3.5, 7.25])
    between = roma.rotvec_to_rotmat(torch.from_numpy(np.array(moved(motion, at).rotations)).double())
    first = roma.rotvec_to_rotmat(torch.from_numpy(motion.rotations[[3, 7]].copy()).double())
    second = roma.rotvec_to_rotmat(torch.from_numpy(motion.rotations[[4, 8]].copy()).double())
    whole = roma.rotmat_geodesic_distance(first, second)
    share = torch.tensor([[0.5], [0.25]])
    assert torch.allclose(roma.rotmat_geodesic_distance(first, between), whole * share, atol=1e-5)
    assert torch.allclose(roma.rotmat_geodesic_distance(between, second), whole * (1 - share), atol=1e-5)
    held = moved(motion, np.array([-3.0, 99.0]))
    assert np.array_equal(held.rotations, motion.rotations[[0, -1]])


def test_poses_are_forward_kinematics_across_blocks_and_after_the_end() -> None:
    motion = waving_motion((2 * BLOCK + 5) / 30)
    poses = Poses(motion, 30)
    joints, _ = forward_kinematics(torch.from_numpy(motion.rotations.copy()).double(), torch.from_numpy(motion.translation.copy()).double())
    for picture in (0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 4, 3, 2 * BLOCK + 60):
        assert np.allclose(poses.pose(picture).joints, joints[min(picture, motion.frames - 1)].numpy(), atol=1e-9)


def test_bones_carry_the_rest_joints_to_the_pose() -> None:
    pose = Poses(waving_motion(0.5), 30).pose(9)
    bones = pose.bones(np.array([0.0, 0.24, 0.1]))
    assert bones.shape == (N_BONES, 3, 4)
    placed = (bones[:N_JOINTS, :, :3] @ rest_joints()[:, :, None])[..., 0] + bones[:N_JOINTS, :, 3]
    assert np.allclose(placed, pose.joints, atol=1e-5)


def test_the_hull_encloses_the_surface_in_every_pose_and_the_box_its_pixels() -> None:
    body = wooden(PIXEL_M)
    shape, rooms = body.shape, rooms_of(body.shape)
    rng = np.random.default_rng(0)
    rotations = np.clip(rng.normal(0, 0.7, (6, 55, 3)), -2, 2).astype(np.float32)
    motion = type(still(1))(rotations, rng.normal(0, 0.5, (6, 3)).astype(np.float32), np.zeros((6, 100), np.float32), 30.0)
    poses = Poses(motion, 30)
    for picture in range(6):
        pose = poses.pose(picture)
        bones, hull = pose.bones(body.mouth), rooms.moved(pose.bones(body.mouth))
        at = np.concatenate([shape.vertices, np.ones((len(shape.vertices), 1), np.float32)], axis=1)
        surface = np.einsum("vb,vbij,vj->vi", shape.weights, bones[shape.bones], at)
        directions = rng.normal(0, 1, (200, 3))  # a hull reaches at least as far every way
        assert ((hull @ directions.T).max(axis=0) >= (surface @ directions.T).max(axis=0) - 1e-5).all()
        for view in STANDS:
            camera = Camera.of(view, (300, 200), poses.floor_m, pose.centre)
            left, top, right, bottom = camera.box(hull)
            assert 0 <= left <= right <= 300 and 0 <= top <= bottom <= 200
            pixels = camera.pixels(surface)
            pixels = pixels[((pixels >= 0) & (pixels < (300, 200))).all(axis=1)]
            assert (pixels >= (left, top)).all() and (pixels <= (right, bottom)).all()
    standing = Poses(still(1), 30).pose(0)
    left, top, right, bottom = Camera.of("front", (300, 200), -1.3, standing.centre).box(rooms.moved(standing.bones(body.mouth)))
    assert (right - left) * (bottom - top) < 0.75 * 300 * 200  # it is worth something


def test_a_point_behind_the_camera_takes_the_whole_picture() -> None:
    camera = Camera.of("front", (300, 200), 0.0, np.zeros(2))
    assert camera.box(np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 99.0]])) == (0, 0, 300, 200)
    beside = camera.box(np.array([[99.0, 1.0, 0.0], [98.0, 2.0, 0.0]]))
    assert beside[0] == beside[2] == 300  # nothing


def test_the_shadow_s_place_holds_feet_and_cast_points_and_stays_near_the_middle() -> None:
    hull = np.array([[0.0, 0.0, 0.0], [0.1, 1.7, 0.0], [-0.5, 1.3, 0.2]])
    feet = np.array([[0.1, 0.0], [-0.1, 0.1]])
    corners = shaded(hull, feet, 0.0, np.zeros(2))
    axes = np.stack([corners[1] - corners[0], corners[3] - corners[0]])
    assert abs(axes[0] @ axes[1]) < 1e-9  # a rectangle

    def inside(points: np.ndarray) -> np.ndarray:
        shares = (points - corners[0]) @ axes.T / (axes**2).sum(axis=1)
        return ((shares > 0) & (shares < 1)).all(axis=1)

    cast = hull[:2, (0, 2)] - hull[:2, 1:2] * TO_SUN[[0, 2]] / TO_SUN[1]
    assert inside(feet).all() and inside(cast[:1]).all()
    assert np.linalg.norm(axes[0]) < 2.31 and np.linalg.norm(axes[1]) < 2.31
    lost = shaded(hull + np.array([50.0, 0.0, 0.0]), feet + np.array([50.0, 0.0]), 0.0, np.zeros(2))
    assert np.abs(lost).max() < 3  # far from what the camera follows: the ring around it stays a ring


def test_exporters_tell_a_scene_that_listens_how_far_they_are(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Listening(ShownScene):
        progress: Callable[[str, float], None] = print

    for exporter, last in ((HtmlExporter(HtmlOptions()), 0.9), (BvhExporter(BvhOptions()), 1.0)):
        seen: list[tuple[str, float]] = []
        shown = small_scene(4.0)
        exporter.write(Listening(shown.name, shown.motion, shown.speech, shown.trace, progress=lambda *told, seen=seen: seen.append(told)), tmp_path / "heard")
        exporter.write(shown, tmp_path / "unheard")
        shares = [share for _, share in seen]
        assert len(seen) > 0 and shares == sorted(shares) and shares[0] >= 0 and last <= shares[-1] <= 1
        assert (tmp_path / "heard").read_bytes() == (tmp_path / "unheard").read_bytes()


def test_the_mouth_opens_with_the_jaw_and_nothing_else_does() -> None:
    motion = still(2)
    opened = np.array(motion.rotations)
    opened[1, JOINT_NAMES.index("jaw"), 0] = 0.2
    poses = Poses(type(motion)(opened, motion.translation, motion.expression, 30.0), 30)
    mouth = wooden(PIXEL_M).mouth
    closed, wide = poses.pose(0).bones(mouth), poses.pose(1).bones(mouth)
    changed = np.abs(closed - wide).max(axis=(1, 2)) > 1e-7
    assert changed[MOUTH] and set(np.flatnonzero(changed)) <= {MOUTH, JOINT_NAMES.index("jaw")}
    assert wide[MOUTH, 1, 1] > 3 * closed[MOUTH, 1, 1]
    assert np.allclose(closed[MOUTH, :, :3] @ mouth + closed[MOUTH, :, 3], wide[MOUTH, :, :3] @ mouth + wide[MOUTH, :, 3], atol=1e-6)


@pytest.mark.parametrize("fps", [0.0, math.nan, -30.0])
def test_motion_without_frames_or_rate_is_refused(fps: float) -> None:
    with pytest.raises(InputError, match="0 frames; expected at least one"):
        Poses(still(0), 30)
    with pytest.raises(InputError, match="expected a positive frame rate"):
        Poses(still(3, fps), 30)


def test_thinning_keeps_the_outline_and_the_bonds() -> None:
    fine, coarse = wooden(0.0005).shape, wooden(PIXEL_M).shape
    assert len(coarse.vertices) < 0.5 * len(fine.vertices)
    for shape in (fine, coarse):
        assert shape.faces.min() >= 0 and shape.faces.max() < len(shape.vertices)
        assert np.allclose(shape.weights.sum(axis=1), 1, atol=1e-6) and shape.bones.max() == MOUTH
        assert np.allclose(np.linalg.norm(shape.normals, axis=1), 1, atol=1e-4)
    assert np.abs(fine.vertices.min(axis=0) - coarse.vertices.min(axis=0)).max() < 2 * PIXEL_M
    assert np.abs(fine.vertices.max(axis=0) - coarse.vertices.max(axis=0)).max() < 2 * PIXEL_M
    assert set(fine.bones[fine.weights > 0]) == set(coarse.bones[coarse.weights > 0])


def test_grid_and_normals() -> None:
    grid = Grid(0.01, 0.02, 0.03, 0.015)
    hand, head, hip = JOINT_NAMES.index("left_index1"), JOINT_NAMES.index("head"), JOINT_NAMES.index("left_hip")
    sizes = grid.cells(np.array([hand, head, hip, hip, hand]), np.array([False, False, False, True, True]))
    assert sizes[:, 0].tolist() == [0.01, 0.02, 0.03, 0.015, 0.01]
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], float)
    assert np.allclose(normals_of(corners, np.array([[0, 1, 2]])), [[0, 0, 1]] * 3)


def test_the_strip_runs_by_whole_pixels_and_the_needle_stands() -> None:
    story = Story((), (Shown("word", "iconic", "iconic", "80%", 1.0, 2.0, 0.8),))
    strip = Strip([story], np.zeros(0, np.float32), 400, (20, 0), 0.5, 30, 10.0)
    pictures = []
    for picture in (90, 91):
        into = np.zeros((strip.height, 400, 4), np.uint8)
        strip.draw(picture, into)
        pictures.append(into)
    needle = round(400 * NEEDLE)
    assert np.array_equal(pictures[1][:, : needle - 2], pictures[0][:, 2:needle])
    edge = (np.abs(pictures[0][..., :3].astype(int) - tone("iconic")).max(axis=2) == 0).any(axis=0)
    seen = np.flatnonzero(edge)
    assert abs(seen.min() - (needle - 2.0 * 60)) <= 2  # it began two seconds ago, at 60 pixels a second
    assert abs(seen.max() - (needle - 1.0 * 60)) <= 3


def test_the_bar_of_the_whole_fills() -> None:
    whole = Whole([Story()], 100, 10, 4.0)
    pictures = []
    for share in (0.0, 0.25, 1.0):
        into = np.zeros((10, 100, 4), np.uint8)
        whole.draw(share, into)
        pictures.append(into)
    changed = (pictures[0] != pictures[1]).any(axis=(0, 2))
    assert np.array_equal(np.flatnonzero(changed), np.arange(25))
    assert (pictures[0] != pictures[2]).any(axis=(0, 2)).all()


def test_titles_say_what_goes_on_when_it_goes_on() -> None:
    speech = spoken(4.0, ("one", "enormous", "three", "four"))
    told = story_of(ShownScene("a", still(120), speech, made_up_trace(speech, 1.0).to_json()))
    assert told.gestures
    first = told.gestures[0]
    titles = Titles(Frame(1, 256, 256, 30, 4.0), ["name"], [told], speech.wave)

    def drawn(seconds: float) -> np.ndarray:
        onto = np.full((256, 256, 4), (*BACKDROP, 255), np.uint8)
        titles.draw(round(seconds * 30), onto)
        assert (onto[..., 3] == 255).all()
        return onto[..., :3]

    stage = slice(0, 256 - titles.panel_px)
    before, during = drawn(first.start_s - 0.1)[stage], drawn((first.start_s + first.end_s) / 2)[stage]
    bar = (np.abs(during.astype(int) - tone(first.kind)).max(axis=2) < 40).sum()
    assert bar > 4 and (np.abs(before.astype(int) - tone(first.kind)).max(axis=2) < 40).sum() == 0
    assert (before != np.array(BACKDROP, np.uint8)).any()  # the name
    assert not (during[:, 160:] != np.array(BACKDROP, np.uint8)).any()  # the figure's place stays free
    assert np.array_equal(drawn(0.5), drawn(0.5))


@pytest.mark.parametrize("size", [(64, 64), (64, 256), (640, 64)])
def test_titles_fit_into_small_and_odd_pictures(size: tuple[int, int]) -> None:
    scene = small_scene(4.0, name="a very long name " * 20)
    titles = Titles(Frame(1, *size, 30, 4.0), [scene.name], [story_of(scene)], scene.speech.wave)
    onto = np.zeros((size[1], size[0], 4), np.uint8)
    for picture in range(0, 120, 7):
        titles.draw(picture, onto)
    assert 0 < titles.panel_px < size[1] / 2


def test_lines_are_drawn_where_the_joints_are_and_a_raised_arm_moves_them() -> None:
    down, up = np.zeros((2, 55, 3), np.float32), np.zeros((2, 3), np.float32)
    down[0, 17, 2], down[1, 17, 2] = 1.2, -1.0
    motion = type(still(1))(down, up, np.zeros((2, 100), np.float32), 30.0)
    poses = Poses(motion, 30)
    camera = Camera.of("front", (200, 200), poses.floor_m, np.zeros(2))
    pictures = [draw_lines(poses.pose(k), camera, poses.floor_m).astype(int) for k in (0, 1)]
    for k, picture in enumerate(pictures):
        for name in ("left_elbow", "right_elbow", "left_knee", "right_wrist", "spine2"):
            x, y = camera.pixels(poses.pose(k).joints[JOINT_NAMES.index(name)])
            assert np.abs(picture[int(y), int(x)] - BACKDROP).max() > 40, name
    changed = np.argwhere(np.abs(pictures[0] - pictures[1]).max(axis=2) > 20)
    shoulder = camera.pixels(poses.pose(0).joints[JOINT_NAMES.index("right_shoulder")])
    assert len(changed) > 50 and (changed[:, 1] < shoulder[0] + 6).all()
