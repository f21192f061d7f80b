"""Motions for the animation files, and readers of GLB that know nothing of the writer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pygltflib
import torch
from scipy.spatial.transform import Rotation

from raggesture.body.joints import JOINT_NAMES
from raggesture.body.skeleton import forward_kinematics
from raggesture.motion import Motion, read_npz

_NUMBERS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass(frozen=True)
class Shown:
    name: str
    motion: Motion
    speech: Any = None
    trace: Any = None


def tumbling(frames: int = 200, fps: float = 30.0, seed: int = 0) -> Motion:
    """Every joint turns smoothly through large angles, also through the poles of Euler angles and past half turns; eyes and jaw too."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None, None] / fps
    speed, phase = rng.uniform(0.3, 1.5, (1, 55, 3)), rng.uniform(0, 6, (1, 55, 3))
    rotations = (2.2 * np.sin(speed * t + phase)).astype(np.float32)
    translation = np.array([0.3, 1.2, -0.4]) + np.cumsum(rng.normal(0, 0.01, (frames, 3)), axis=0)
    expression = np.zeros((frames, 100))
    expression[:, [0, 8, 41]] = np.sin(t[:, :, 0] * (1.0, 2.0, 0.5))
    return Motion(rotations, translation.astype(np.float32), expression.astype(np.float32), fps)


def real_take(folder: Path) -> Motion:
    """The real take of BEAT2 (the fixture ``beat2_mini``)."""
    return read_npz(folder / "smplxflame_30" / "2_scott_0_1_1.npz")


def still(frames: int, fps: float = 30.0) -> Motion:
    return Motion(np.zeros((frames, 55, 3), np.float32), np.zeros((frames, 3), np.float32), np.zeros((frames, 100), np.float32), fps)


def wanted_joints(motion: Motion) -> np.ndarray:
    """(F, 55, 3) m by our forward kinematics."""
    joints, _ = forward_kinematics(torch.tensor(motion.rotations).double(), torch.tensor(motion.translation).double())
    return joints.numpy()


def accessor(gltf: pygltflib.GLTF2, k: int) -> np.ndarray:
    """(count, width) of an accessor, normalised where it says so."""
    found = gltf.accessors[k]
    view = gltf.bufferViews[found.bufferView]
    start = (view.byteOffset or 0) + (found.byteOffset or 0)
    dtype, width = np.dtype(_NUMBERS[found.componentType]), _WIDTHS[found.type]
    array = np.frombuffer(gltf.binary_blob(), dtype, found.count * width, start).reshape(found.count, width)
    return array / np.iinfo(dtype).max if found.normalized else array


@dataclass(frozen=True)
class Posed:
    """A GLB as a player sees it at each of its key times: ``times`` (F,), ``worlds`` (F, N, 4, 4) of all nodes, ``weights`` (F, targets)."""

    gltf: pygltflib.GLTF2
    times: np.ndarray
    worlds: np.ndarray
    weights: np.ndarray

    def joints(self) -> np.ndarray:
        """(F, 55, 3) by name."""
        names = [node.name for node in self.gltf.nodes]
        return self.worlds[..., :3, 3][:, [names.index(joint) for joint in JOINT_NAMES]]

    def vertices(self, frame: int) -> np.ndarray:
        """(V, 3): morph targets, then linear blend skinning."""
        primitive, skin = self.gltf.meshes[0].primitives[0], self.gltf.skins[0]
        places = accessor(self.gltf, primitive.attributes.POSITION).astype(np.float64)
        for weight, target in zip(self.weights[frame], primitive.targets or [], strict=True):
            places = places + weight * accessor(self.gltf, target["POSITION"])
        inverse = accessor(self.gltf, skin.inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
        matrices = self.worlds[frame, skin.joints] @ inverse  # (55, 4, 4)
        joints, weights = accessor(self.gltf, primitive.attributes.JOINTS_0), accessor(self.gltf, primitive.attributes.WEIGHTS_0)
        blended = (weights[:, :, None, None] * matrices[joints]).sum(axis=1)
        return (blended @ np.concatenate([places, np.ones((len(places), 1))], axis=1)[:, :, None])[:, :3, 0]


def posed(path: Path) -> Posed:
    gltf = pygltflib.GLTF2().load(str(path))
    (animation,) = gltf.animations
    times = max((accessor(gltf, sampler.input)[:, 0] for sampler in animation.samplers), key=len)
    frames, count = len(times), len(gltf.nodes)
    places = np.tile([node.translation or (0, 0, 0) for node in gltf.nodes], (frames, 1, 1)).astype(np.float64)
    turns = np.tile(np.eye(3), (frames, count, 1, 1))
    targets = len(gltf.meshes[0].primitives[0].targets or [])
    weights = np.zeros((frames, targets))
    for channel in animation.channels:
        sampler = animation.samplers[channel.sampler]
        keys, values = accessor(gltf, sampler.input)[:, 0], accessor(gltf, sampler.output)
        assert len(keys) in (1, frames) and (np.diff(keys) > 0).all() and sampler.interpolation == "LINEAR"
        node = channel.target.node
        if channel.target.path == "rotation":
            turns[:, node] = Rotation.from_quat(values).as_matrix()
        elif channel.target.path == "translation":
            places[:, node] = values
        else:
            weights[:] = values.reshape(frames, targets)
    local = np.tile(np.eye(4), (frames, count, 1, 1))
    local[..., :3, :3], local[..., :3, 3] = turns, places
    worlds = np.zeros_like(local)

    def place(node: int, above: np.ndarray) -> None:
        worlds[:, node] = above @ local[:, node]
        for child in gltf.nodes[node].children or []:
            place(child, worlds[:, node])

    for root in gltf.scenes[gltf.scene].nodes:
        place(root, np.tile(np.eye(4), (frames, 1, 1)))
    return Posed(gltf, times, worlds, weights)
