"""The glb exporter, read back by pygltflib, posed and skinned here, held against forward kinematics, mannequin-x and smplx."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers_animation import Posed, Shown, accessor, posed, real_take, still, tumbling, wanted_joints
from helpers_smplx import write_smplx
from raggesture.body.joints import JOINT_NAMES, PARENTS
from raggesture.errors import InputError, ModelError
from raggesture.export import glb, gltf
from raggesture.export.skins import bound, vertex_normals, wooden_skin
from raggesture.export.wooden import wooden
from raggesture.motion import Motion


def written(motion: Motion, path: Path, *, name: str = "name", body: str = "", quantise: bool = False) -> Posed:
    glb.GlbExporter(glb.GlbOptions(body=body, quantise=quantise)).write(Shown(name, motion), path)
    return posed(path)


@pytest.mark.parametrize("frames", [1, 2, 150])
def test_joints_come_back(tmp_path: Path, frames: int) -> None:
    motion = tumbling(frames)
    found = written(motion, tmp_path / "a.glb")
    assert np.abs(found.joints() - wanted_joints(motion)).max() < 1e-4
    assert found.times == pytest.approx(np.arange(frames) / 30)


def test_every_frame_of_the_real_take_comes_back(tmp_path: Path, beat2_mini: Path) -> None:
    motion = real_take(beat2_mini)
    assert np.abs(written(motion, tmp_path / "a.glb").joints() - wanted_joints(motion)).max() < 1e-4
    quantised = written(motion, tmp_path / "q.glb", quantise=True)
    assert 1e-7 < np.abs(quantised.joints() - wanted_joints(motion)).max() < 5e-4
    assert (tmp_path / "q.glb").stat().st_size < (tmp_path / "a.glb").stat().st_size


def test_the_body_moves_as_mannequin_x_moves_it(tmp_path: Path) -> None:
    from mannequin import Mannequin

    motion = tumbling(4)
    calm = replace(motion, rotations=motion.rotations * np.float32(0.3))
    found = written(calm, tmp_path / "a.glb")
    body = Mannequin("wooden", flat_hand_mean=True)
    for frame in range(4):
        turns = calm.rotations[frame]
        pose = body.rest_pose() | {
            "pelvis_rotation": turns[0],
            "body_pose": turns[1:22],
            "hand_pose": turns[25:],
            "global_translation": calm.translation[frame],
        }
        off = np.linalg.norm(found.vertices(frame) - body.vertices(pose), axis=1)
        assert off.max() < 0.012 and np.median(off) < 0.004  # mannequin-x draws on a symmetric skeleton, millimetres beside SMPL-X's


def test_nodes_are_the_joints_and_the_bind_pose_is_the_rest_pose(tmp_path: Path) -> None:
    found = written(still(2), tmp_path / "a.glb", name="Zoë's talk/走")
    nodes = found.gltf.nodes
    assert [node.name for node in nodes] == [*JOINT_NAMES, "Zoë's talk/走", "body_mesh"]
    parents = {child: k for k, node in enumerate(nodes) for child in node.children or []}
    assert parents == {joint: PARENTS[joint] for joint in range(1, 55)} | {0: 55}
    body = wooden()
    assert np.abs(found.vertices(0) - body.vertices).max() < 1e-5
    assert found.gltf.animations[0].name == "Zoë's talk/走"
    assert found.gltf.asset.version == "2.0" and len(found.gltf.animations) == len(found.gltf.skins) == len(found.gltf.meshes) == 1


def test_what_does_not_move_has_one_key(tmp_path: Path) -> None:
    motion = tumbling(300)
    turns = np.zeros_like(motion.rotations)
    turns[:, 17] = motion.rotations[:, 17]
    found = written(replace(motion, rotations=turns), tmp_path / "a.glb")
    keys = {
        (c.target.node, c.target.path): len(accessor(found.gltf, found.gltf.animations[0].samplers[c.sampler].input)) for c in found.gltf.animations[0].channels
    }
    assert {where for where, count in keys.items() if count == 300} == {(0, "translation"), (17, "rotation")}
    assert sum(count == 1 for count in keys.values()) == 54


def test_quaternions_stay_on_one_side() -> None:
    turns = np.zeros((200, 3), np.float32)
    turns[:, 1] = np.linspace(0, 12, 200)  # nearly two whole turns
    found = glb.quaternions(turns)
    assert (found[1:] * found[:-1]).sum(axis=1).min() > 0.99
    assert np.abs(np.linalg.norm(found, axis=1) - 1).max() < 1e-9


def test_a_wooden_head_has_no_expression(tmp_path: Path) -> None:
    found = written(tumbling(10), tmp_path / "a.glb")
    assert not found.gltf.meshes[0].primitives[0].targets
    assert {channel.target.path for channel in found.gltf.animations[0].channels} == {"rotation", "translation"}


def test_same_motion_same_bytes_and_the_container_is_whole(tmp_path: Path) -> None:
    motion = tumbling(30)
    written(motion, tmp_path / "a.glb")
    written(motion, tmp_path / "b.glb")
    data = (tmp_path / "a.glb").read_bytes()
    assert data == (tmp_path / "b.glb").read_bytes()
    assert struct.unpack_from("<4sII", data) == (b"glTF", 2, len(data))
    length, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON" and length % 4 == 0
    document = json.loads(data[20 : 20 + length])
    assert struct.unpack_from("<I4s", data, 20 + length) == (document["buffers"][0]["byteLength"], b"BIN\0")


def test_a_name_that_is_no_unicode_becomes_one(tmp_path: Path) -> None:
    found = written(still(1), tmp_path / "a.glb", name="caf\udce9")
    assert found.gltf.nodes[55].name == "caf?"


@pytest.mark.parametrize(("motion", "said"), [(still(0), "0 frames; expected at least one"), (still(3, 0.0), "0 frames a second")])
def test_what_is_no_animation_is_refused(tmp_path: Path, motion: Motion, said: str) -> None:
    with pytest.raises(InputError, match=said):
        glb.GlbExporter(glb.GlbOptions()).write(Shown("x", motion), tmp_path / "a.glb")
    assert list(tmp_path.iterdir()) == []


def test_more_than_the_format_holds_is_refused_before_it_is_computed(tmp_path: Path) -> None:
    def never() -> np.ndarray:
        raise AssertionError("computed")

    with pytest.raises(InputError, match=r"expected at most 4294967295.*cut the motion"):
        gltf.write_glb(tmp_path / "a.glb", {}, [gltf.Block("f4", "VEC4", 2**28, never)])
    assert not (tmp_path / "a.glb").exists()


def test_a_full_disk_is_said() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError, match="No space left"):
        glb.GlbExporter(glb.GlbOptions()).write(Shown("x", still(2)), Path("/dev/full"))


def test_influences_are_merged_sorted_and_whole() -> None:
    joints, weights = bound(np.array([[3, 3, 5, 7, 9, 11], [4, 0, 0, 0, 0, 0]]), np.array([[0.2, 0.2, 0.3, 0.15, 0.1, 0.05], [2.0, 0, 0, 0, 0, 0]]))
    assert joints.tolist() == [[3, 5, 7, 9], [4, 0, 0, 0]]
    assert weights.astype(int).sum(axis=1).tolist() == [65535, 65535]
    assert weights[0] / 65535 == pytest.approx(np.array([0.4, 0.3, 0.15, 0.1]) / 0.95, abs=1e-4)
    skin = wooden_skin()
    for row, at in zip(skin.joints[:500], skin.weights[:500], strict=True):
        assert len(set(row[at > 0])) == (at > 0).sum()


def test_normals_of_a_cube_s_corner_and_of_a_lonely_vertex() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [5, 5, 5]], float)
    normals = vertex_normals(vertices, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2]]))
    assert normals[0] == pytest.approx(np.full(3, -(3**-0.5)))
    assert normals[4].tolist() == [0, 1, 0]
    skin = wooden_skin()
    assert np.abs(np.linalg.norm(skin.normals, axis=1) - 1).max() < 1e-6
    corners = skin.vertices[skin.faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert 0.02 < (corners[:, 0] * across).sum() / 6 < 0.15  # m3: positive where the faces look outward
    assert ((across * skin.normals[skin.faces[:, 0]]).sum(axis=1) > 0).mean() > 0.95


@pytest.fixture(scope="module")
def smplx_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up model file of SMPL-X's shapes: no correctives, and joints that no expression moves."""
    rng = np.random.default_rng(0)
    count, faces = 10475, 20908
    vertices = rng.normal(0, 0.3, (count, 3))
    weights = np.zeros((count, 55), np.float32)
    for _ in range(3):
        np.add.at(weights, (np.arange(count), rng.integers(0, 55, count)), rng.uniform(0.2, 1, count))
    regressor = np.zeros((55, count), np.float32)
    regressor[np.arange(55), rng.choice(1000, 55, replace=False)] = 1
    directions = np.zeros((count, 3, 400), np.float32)
    directions[1000:3000, :, 300:] = rng.normal(0, 0.01, (2000, 3, 100))
    return write_smplx(
        tmp_path_factory.mktemp("smplx") / "SMPLX_NEUTRAL_2020.npz",
        v_template=vertices.astype(np.float32),
        f=rng.integers(0, count, (faces, 3)).astype(np.uint32),
        weights=weights / weights.sum(axis=1, keepdims=True),
        J_regressor=regressor,
        shapedirs=directions,
        kintree_table=np.stack([np.array(PARENTS), np.arange(55)]).astype(np.int64),
    )


def test_a_smplx_body_moves_as_smplx_moves_it(tmp_path: Path, smplx_file: Path) -> None:
    import smplx

    motion = tumbling(3)
    found = written(motion, tmp_path / "a.glb", body=str(smplx_file))
    model = smplx.SMPLX(str(smplx_file), num_betas=10, num_expression_coeffs=100, use_pca=False, flat_hand_mean=True, batch_size=3)
    turns = torch.tensor(motion.rotations)

    def part(first: int, stop: int) -> torch.Tensor:
        return turns[:, first:stop].reshape(3, -1)

    with torch.no_grad():
        wanted = model(
            global_orient=part(0, 1),
            body_pose=part(1, 22),
            jaw_pose=part(22, 23),
            leye_pose=part(23, 24),
            reye_pose=part(24, 25),
            left_hand_pose=part(25, 40),
            right_hand_pose=part(40, 55),
            expression=torch.tensor(motion.expression),
            transl=torch.tensor(motion.translation),
        )
    assert np.abs(found.joints() - wanted.joints[:, :55].numpy()).max() < 1e-4
    for frame in range(3):
        assert np.abs(found.vertices(frame) - wanted.vertices[frame].numpy()).max() < 2e-4
    assert found.gltf.meshes[0].extras["targetNames"] == ["expression_000", "expression_008", "expression_041"]
    assert np.abs(found.weights - motion.expression[:, [0, 8, 41]]).max() < 1e-6


def _with(path: Path, to: Path, **changed: np.ndarray | None) -> Path:
    with np.load(path, allow_pickle=False) as archive:
        small = {name: archive[name] for name in ("f", "v_template", "weights", "J_regressor", "shapedirs", "kintree_table")}
    np.savez(to, **{name: array for name, array in (small | changed).items() if array is not None})
    return to


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"weights": None}, "no array 'weights'"),
        ({"weights": np.zeros((10475, 24))}, r"weights is \(10475, 24\), not \(10475, 55\)"),
        ({"shapedirs": np.zeros((10475, 3, 12))}, r"shapedirs is \(10475, 3, 12\), not"),
        ({"kintree_table": np.zeros((2, 55), np.int64)}, "kintree_table is not the tree"),
        ({"kintree_table": np.zeros((2, 52), np.int64)}, r"kintree_table is \(2, 52\)"),
        ({"f": np.full((3, 3), 10475)}, "faces name vertices that are not there"),
        ({"weights": np.zeros((10475, 55))}, "weights of a vertex sum to 0, not 1"),
        ({"v_template": np.full((10475, 3), np.nan)}, "not all of it finite numbers"),
        ({"v_template": np.array(3.0)}, r"v_template is \(\)"),
        ({"v_template": np.array([{"a": 1}], dtype=object)}, "without pickles"),
    ],
)
def test_a_body_file_that_is_none(tmp_path: Path, smplx_file: Path, changed: dict[str, np.ndarray | None], said: str) -> None:
    path = _with(smplx_file, tmp_path / "body.npz", **changed)
    with pytest.raises(ModelError, match=said):
        written(still(1), tmp_path / "a.glb", body=str(path))
    assert not (tmp_path / "a.glb").exists()


def test_an_older_body_file_has_ten_expressions(tmp_path: Path, smplx_file: Path) -> None:
    directions = np.zeros((10475, 3, 20), np.float32)
    directions[:, 1, 18] = 0.25
    path = _with(smplx_file, tmp_path / "body.npz", shapedirs=directions)
    found = written(tumbling(5), tmp_path / "a.glb", body=str(path))
    assert found.gltf.meshes[0].extras["targetNames"] == ["expression_000", "expression_008"]  # the motion's 41 is not among them
    moved = accessor(found.gltf, found.gltf.meshes[0].primitives[0].targets[1]["POSITION"])
    assert np.abs(moved - (0.0, 0.25, 0.0)).max() < 1e-6


@pytest.mark.parametrize(
    ("content", "said"), [(None, "no such file"), (b"\x80\x04pickled", "cannot be read as an npz"), (b"PK\x03\x04", "cannot be read as an npz")]
)
def test_a_body_file_that_is_no_npz(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "body.pkl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=said):
        written(still(1), tmp_path / "a.glb", body=str(path))
