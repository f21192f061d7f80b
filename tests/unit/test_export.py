"""The npz and html exporters without a browser: bytes, escaping, quantisation, the bundle's origin."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from raggesture.body.joints import JOINT_NAMES, PARENTS
from raggesture.body.skeleton import forward_kinematics, rest_joints
from raggesture.errors import InputError
from raggesture.export import html as html_export
from raggesture.export import npz as npz_export
from raggesture.export.ghosts import ghost_tracks
from raggesture.export.tracks import Track, companded_track, floor_height_m, mannequin, motion_tracks, peaks, quantised, voice_track
from raggesture.motion import Motion, read_npz

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))
import scenes

PAGE = html_export.PAGE_DIR


def unpacked(track: Track) -> np.ndarray:
    planes = np.frombuffer(gzip.decompress(base64.b64decode(track.data)), np.uint8).reshape(2, track.rows, track.columns).astype(np.uint16)
    integers = np.cumsum(planes[0] | (planes[1] << 8), axis=1, dtype=np.uint16).view(np.int16)
    return (integers * track.quantum).T


def script(page: str, kind: str) -> str:
    return re.search(rf"<script{kind}>(.*?)</script>", page, re.DOTALL)[1]


@pytest.fixture(scope="module")
def scene() -> scenes.ShownScene:
    return scenes.small_scene(4.0, name="a <b>name</b> & {{data}}")


@pytest.fixture(scope="module")
def page(scene: scenes.ShownScene) -> str:
    return html_export.page_text(scene)


def test_same_motion_gives_the_same_npz_bytes_and_reads_back(tmp_path: Path, scene: scenes.ShownScene) -> None:
    exporter = npz_export.NpzExporter(npz_export.NpzOptions())
    paths = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for path in paths:
        exporter.write(scene, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    again = read_npz(paths[0])
    assert np.array_equal(again.rotations, scene.motion.rotations)
    assert np.array_equal(again.translation, scene.motion.translation)
    moved = scenes.ShownScene("other", replace(scene.motion, translation=scene.motion.translation + np.float32(0.01)))
    exporter.write(moved, tmp_path / "three.npz")
    assert (tmp_path / "three.npz").read_bytes() != paths[0].read_bytes()


def test_hooks_give_classes_with_names_suffixes_and_default_options() -> None:
    (npz_class,), (html_class,) = npz_export.raggesture_exporters(), html_export.raggesture_exporters()
    assert (npz_class.name, npz_class.suffix, html_class.name, html_class.suffix) == ("npz", ".npz", "html", ".html")
    for exporter in (npz_class, html_class):
        exporter(exporter.Options())
        with pytest.raises(ValueError, match="Extra inputs"):
            exporter.Options(nonsense=1)


def test_same_scene_gives_the_same_page(tmp_path: Path, scene: scenes.ShownScene, page: str) -> None:
    html_export.HtmlExporter(html_export.HtmlOptions()).write(scene, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page


def test_hostile_text_stays_text(scene: scenes.ShownScene, page: str) -> None:
    assert page.count("</script>") == page.count("<script") == 6  # data, rotations, translation, mannequin, voice, program
    assert scenes.HOSTILE not in page
    assert "\u2028" not in page
    assert "<title>a &lt;b&gt;name&lt;/b&gt; &amp; {{data}} - raggesture</title>" in page
    data = json.loads(script(page, ' type="application/json" id="data"'))
    assert data["name"] == scene.name
    assert [word["text"] for word in data["words"]] == [word.text for word in scene.speech.transcript.words]
    assert data["trace"] == scene.trace


def test_policy_lets_only_the_page_s_own_program_run_and_nothing_connect(page: str) -> None:
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])
    digest = base64.b64encode(hashlib.sha256(script(page, "").encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    without_program = page.replace(script(page, ""), "")
    assert not re.search(r"""(src|href)\s*=\s*["']?\s*(https?:)?//""", without_program)


def test_page_is_small(page: str) -> None:
    assert len(page) < 1.5e6  # 4 s; the mannequin and the program are most of it


def test_rotations_survive_packing_within_a_millimetre(scene: scenes.ShownScene) -> None:
    tracks = motion_tracks(scene.motion)
    rotations = unpacked(tracks["rotations"]).reshape(-1, 55, 3).astype(np.float32)
    translation = unpacked(tracks["translation"]).astype(np.float32)
    wanted, _ = forward_kinematics(torch.tensor(scene.motion.rotations), torch.tensor(scene.motion.translation))
    found, _ = forward_kinematics(torch.tensor(rotations), torch.tensor(translation))
    assert (wanted - found).norm(dim=-1).max() < 1e-3


@pytest.mark.parametrize("peak", [0.5, 8.5, 300.0])
def test_quantum_grows_where_int16_does_not_reach(peak: float) -> None:
    values = np.linspace(-peak, peak, 999, dtype=np.float32).reshape(333, 3)
    track = quantised(values, 1 / 4096)
    assert np.abs(unpacked(track) - values).max() <= track.quantum
    assert track.quantum <= max(1 / 4096, peak / 32767) * 1.0001


def test_voice_survives_packing_as_16_bits() -> None:
    wave = np.random.default_rng(0).uniform(-1.2, 1.2, 5000).astype(np.float32)
    assert np.abs(unpacked(voice_track(wave))[:, 0] - wave.clip(-1, 1)).max() < 1 / 32767


def test_a_long_voice_survives_in_8_bits_with_38_db() -> None:
    t = np.arange(200_000) / 16_000
    wave = (0.4 * np.sin(2 * np.pi * 170 * t) * np.sin(2 * np.pi * 0.7 * t) ** 2).astype(np.float32)
    wave[:3] = (-1.5, 1.5, 0.0)
    track = companded_track(wave)
    steps = np.frombuffer(gzip.decompress(base64.b64decode(track.data)), np.uint8)
    codes = np.cumsum(steps, dtype=np.uint8).view(np.int8).astype(np.float64)
    found = np.sign(codes) * (256 ** (np.abs(codes) / 127) - 1) / 255
    assert found[:3].tolist() == [-1.0, 1.0, 0.0]
    noise = found[3:] - wave[3:]
    assert 10 * np.log10((wave[3:] ** 2).mean() / (noise**2).mean()) > 37.5
    assert np.abs(noise).max() < 0.012
    assert len(track.data) < len(voice_track(wave).data)


@pytest.mark.parametrize(("seconds", "law"), [(599.0, "linear"), (601.0, "mu-law")])
def test_the_voice_is_kept_in_8_bits_from_ten_minutes_on(scene: scenes.ShownScene, seconds: float, law: str) -> None:
    speech = replace(scene.speech, wave=np.zeros(int(16_000 * seconds), np.float32))
    blocks = html_export.Blocks()
    audio = html_export.page_data(replace(scene, speech=speech), blocks)["audio"]
    assert audio["law"] == law
    assert audio["track"]["columns"] == speech.wave.size
    assert set(gzip.decompress(base64.b64decode(blocks.texts["voice"]))) == {0}


def test_ghosts_are_packed_one_after_the_other_at_about_15_fps() -> None:
    haunted = scenes.haunted_scene()
    tracks = ghost_tracks(haunted.ghosts, len(haunted.trace["placements"]))
    rotations, translation = unpacked(tracks.rotations), unpacked(tracks.translation)
    assert [row[0] for row in tracks.rows] == [ghost.placement for ghost in haunted.ghosts]
    for ghost, (_, fps, first, frames) in zip(haunted.ghosts, tracks.rows, strict=True):
        assert fps == 15.0
        assert frames == round(ghost.motion.duration_s * 15)
        step = round(ghost.motion.fps / 15)
        wanted = ghost.motion.rotations[::step].reshape(frames, -1)
        assert np.abs(rotations[first : first + frames] - wanted).max() <= tracks.rotations.quantum
        assert np.abs(translation[first : first + frames] - ghost.motion.translation[::step]).max() <= tracks.translation.quantum
    assert sum(row[3] for row in tracks.rows) == tracks.rotations.columns
    assert ghost_tracks((), 3) is None


def test_ghosts_of_nothing_are_refused() -> None:
    ghost = scenes.haunted_scene().ghosts[0]
    with pytest.raises(InputError, match="ghost 1: placement 1; expected a row of the trace's 1 placements"):
        ghost_tracks((ghost,), 1)
    with pytest.raises(InputError, match="ghost 2: placement 1 has a ghost already"):
        ghost_tracks((ghost, ghost), 3)
    none = Motion(ghost.motion.rotations[:0], ghost.motion.translation[:0], ghost.motion.expression[:0])
    with pytest.raises(InputError, match="ghost 1: 0 frames"):
        ghost_tracks((replace(ghost, motion=none),), 3)
    with pytest.raises(InputError, match="ghost 1: placement"):  # a motion without a trace has no placements
        html_export.page_text(replace(scenes.haunted_scene(), trace=None))


def test_a_second_result_without_frames_is_refused() -> None:
    pair = scenes.pair_scene()
    still = pair.second.motion
    none = Motion(still.rotations[:0], still.translation[:0], still.expression[:0])
    with pytest.raises(InputError, match="0 frames"):
        html_export.page_text(replace(pair, second=replace(pair.second, motion=none)))


def test_a_scene_that_knows_of_neither_is_shown(scene: scenes.ShownScene) -> None:
    @dataclass(frozen=True)
    class Plain:
        name: str
        motion: Motion
        speech: None = None
        trace: None = None

    data = html_export.page_data(Plain("plain", scene.motion), html_export.Blocks())
    assert data["ghosts"] is None
    assert data["second"] is None


def test_peaks_of_silence_and_of_a_click() -> None:
    silence, rate = peaks(np.zeros(16_000, np.float32))
    assert set(base64.b64decode(silence)) == {0}
    wave = np.zeros(16_000, np.float32)
    wave[8_000] = -0.2
    levels = np.frombuffer(base64.b64decode(peaks(wave)[0]), np.uint8)
    assert levels.argmax() == 0.5 * rate
    assert levels.max() == 255
    assert (levels > 0).sum() == 1


def test_floor_is_under_the_standing_feet() -> None:
    still = Motion(np.zeros((10, 55, 3), np.float32), np.full((10, 3), 0.5, np.float32), np.zeros((10, 100), np.float32))
    body = mannequin()
    assert floor_height_m(still) == pytest.approx(0.5 + body.low[1], abs=0.01)


def test_mannequin_is_bound_to_the_joints_it_is_drawn_around() -> None:
    body = mannequin()
    raw = np.frombuffer(gzip.decompress(base64.b64decode(body.data)), np.uint8)
    v, n = body.vertices, body.faces
    assert len(raw) == 6 * v + 6 * n + 8 * v
    planes = raw[: 6 * v].reshape(2, 3, v).astype(np.uint16)
    vertices = np.cumsum(planes[0] | (planes[1] << 8), axis=1, dtype=np.uint16).T / 65535 * body.span + body.low
    joints, weights = raw[-8 * v : -4 * v].reshape(v, 4), raw[-4 * v :].reshape(v, 4)
    assert (weights.astype(int).sum(axis=1) == 255).all()
    assert joints.max() < 55
    assert not np.isin(joints[weights > 0], (22, 23, 24)).any()
    strongest = joints[np.arange(v), weights.argmax(axis=1)]
    rest = rest_joints()
    children = [[k for k, parent in enumerate(PARENTS) if parent == j] for j in range(55)]
    for name in ("left_elbow", "right_wrist", "left_index2", "right_knee", "head"):
        joint = JOINT_NAMES.index(name)
        mine = vertices[strongest == joint]
        around = [rest[joint], *(rest[k] for k in children[joint])]
        assert len(mine) > 20
        assert np.linalg.norm(mine.mean(axis=0) - np.mean(around, axis=0)) < 0.12


def test_motion_without_frames_is_refused_and_one_frame_is_not() -> None:
    def still(frames: int) -> scenes.ShownScene:
        zeros = Motion(np.zeros((frames, 55, 3), np.float32), np.zeros((frames, 3), np.float32), np.zeros((frames, 100), np.float32))
        return scenes.ShownScene("still", zeros)

    assert "still" in html_export.page_text(still(1))
    with pytest.raises(InputError, match="0 frames; expected at least one"):
        html_export.page_text(still(0))


def test_bundle_was_built_from_the_sources_beside_it() -> None:
    names = ["build.mjs", "package-lock.json", "package.json", *(f"src/{path.name}" for path in (PAGE / "src").iterdir())]
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(f"{name}\0".encode() + (PAGE / name).read_bytes() + b"\0")
    for built in ("page.js", "page.css"):
        text = (PAGE / "bundle" / built).read_text(encoding="utf-8")
        assert f"sources sha256 {digest.hexdigest()} " in text.splitlines()[0], "run: npm ci && npm run build (in export/page)"
    program = (PAGE / "bundle" / "page.js").read_text(encoding="utf-8")
    assert "Permission is hereby granted, free of charge" in program
    assert "three.js authors" in program
    assert "</script" not in program
    assert "resolved" not in (PAGE / "package-lock.json").read_text(encoding="utf-8")
