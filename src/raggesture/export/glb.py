"""The ``glb`` exporter: a skinned body with one animation, as binary glTF 2.0.

Conventions: metres, y up, z forward, as glTF and SMPL-X both have it; joints are nodes with SMPL-X's names; the bind pose is SMPL-X's rest pose
(a T-pose). Each joint has a rotation track (a joint that never moves, one key), the pelvis a translation track, times are seconds from the
start of the speech at the motion's own rate, interpolation is linear. Quaternions are continuous. The default body is the wooden mannequin,
which has no face: jaw and eyes move as joints and nothing hangs on them. With a SMPL-X file the expression coefficients that the motion uses
become morph targets ``expression_000`` ... with a track of weights. The mean body; joints do not follow the expression.

Memory beside the motion: one joint's track at a time (1.7 MB an hour), or the expression's (43 MB an hour with all hundred).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.spatial.transform import Rotation

from raggesture.body.joints import JOINT_NAMES, N_JOINTS, PARENTS
from raggesture.export.checks import check_animated
from raggesture.export.gltf import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, Block, plain_text, write_glb
from raggesture.export.skins import Skin, smplx_skin, wooden_skin
from raggesture.motion import Motion
from raggesture.plugins.hookspecs import Exporter, Scene, hookimpl

_INT16_MAX, _UINT16_MAX = 32767, 65535
_WOOD = {"baseColorFactor": [0.72, 0.55, 0.38, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.7}
_MESH_NODE = N_JOINTS + 1


class GlbOptions(BaseModel):
    """How a GLB is made."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    body: str = Field("", description="A SMPL-X model file (SMPLX_NEUTRAL_2020.npz) to be shown; empty: the wooden mannequin.")
    quantise: bool = Field(False, description="Rotations as 16-bit numbers: half the size, off by some tenths of a millimetre.")


def quaternions(rotations: NDArray[np.float32]) -> NDArray[np.float64]:
    """(F, 3) axis-angle rad -> (F, 4) unit quaternions x, y, z, w, each on the side of the one before."""
    found: NDArray[np.float64] = Rotation.from_rotvec(rotations.astype(np.float64)).as_quat(canonical=True)
    sides = np.where((found[1:] * found[:-1]).sum(axis=1) < 0, -1.0, 1.0)
    found[1:] *= np.cumprod(sides)[:, None]
    return found


class _Blocks:
    """Collects blocks; each gets the number of its accessor."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []

    def add(self, block: Block) -> int:
        self.blocks.append(block)
        return len(self.blocks) - 1

    def mesh(self, component: str, kind: str, values: NDArray[Any], *, target: int = ARRAY_BUFFER, normalised: bool = False, bounded: bool = False) -> int:
        count = values.size if kind == "SCALAR" else len(values)
        return self.add(Block(component, kind, count, lambda: values, target, normalised, bounded))


def _mesh(into: _Blocks, skin: Skin, used: tuple[int, ...]) -> dict[str, Any]:
    """The mesh with one morph target per used expression coefficient."""
    wide = "u4" if len(skin.vertices) > _UINT16_MAX else "u2"
    primitive: dict[str, Any] = {
        "attributes": {
            "POSITION": into.mesh("f4", "VEC3", skin.vertices, bounded=True),
            "NORMAL": into.mesh("f4", "VEC3", skin.normals),
            "JOINTS_0": into.mesh("u1", "VEC4", skin.joints),
            "WEIGHTS_0": into.mesh("u2", "VEC4", skin.weights, normalised=True),
        },
        "indices": into.mesh(wide, "SCALAR", skin.faces, target=ELEMENT_ARRAY_BUFFER),
        "material": 0,
    }
    mesh: dict[str, Any] = {"name": "body", "primitives": [primitive]}
    if used:
        primitive["targets"] = [{"POSITION": into.mesh("f4", "VEC3", skin.expressions[:, :, k], bounded=True)} for k in used]
        mesh |= {"weights": [0.0] * len(used), "extras": {"targetNames": [f"expression_{k:03d}" for k in used]}}
    return mesh


def _nodes(name: str, skin: Skin) -> list[dict[str, Any]]:
    """The 55 joints in SMPL-X's order, the armature that holds them (55) and the mesh (56)."""
    offsets = skin.rest.copy()
    offsets[1:] -= skin.rest[list(PARENTS[1:])]
    nodes: list[dict[str, Any]] = [{"name": joint, "translation": offset.tolist()} for joint, offset in zip(JOINT_NAMES, offsets, strict=True)]
    for joint, node in enumerate(nodes):
        children = [child for child in range(N_JOINTS) if PARENTS[child] == joint]
        if children:
            node["children"] = children
    nodes.append({"name": name, "children": [0]})
    nodes.append({"name": "body_mesh", "mesh": 0, "skin": 0})
    return nodes


def _skin(into: _Blocks, skin: Skin) -> dict[str, Any]:
    inverse = np.tile(np.eye(4), (N_JOINTS, 1, 1))  # column by column, as glTF has matrices
    inverse[:, 3, :3] = -skin.rest
    return {"joints": list(range(N_JOINTS)), "skeleton": 0, "inverseBindMatrices": into.mesh("f4", "MAT4", inverse.reshape(-1, 16), target=0)}


def _tracks(motion: Motion, skin: Skin, used: tuple[int, ...], *, quantise: bool) -> Iterator[tuple[int, str, Block, bool]]:
    """(node, what is moved, values, whether they are one key only) of every track."""
    yield 0, "translation", Block("f4", "VEC3", motion.frames, lambda: motion.translation.astype(np.float64) + skin.rest[0]), False
    for joint in range(N_JOINTS):
        still = bool((motion.rotations[:, joint] == motion.rotations[0, joint]).all())
        rotations = motion.rotations[:1, joint] if still else motion.rotations[:, joint]
        values = partial(_rotation_track, rotations, quantise=quantise)
        yield joint, "rotation", Block("i2" if quantise else "f4", "VEC4", len(rotations), values, normalised=quantise), still
    if used:
        yield _MESH_NODE, "weights", Block("f4", "SCALAR", motion.frames * len(used), partial(np.take, motion.expression, used, axis=1)), False


def _rotation_track(rotations: NDArray[np.float32], *, quantise: bool) -> NDArray[np.float64]:
    found = quaternions(rotations)
    return np.rint(found * _INT16_MAX) if quantise else found


def _key_times(keys: int, fps: float) -> NDArray[np.float64]:
    return np.arange(keys) / fps


def _animation(into: _Blocks, motion: Motion, tracks: Iterable[tuple[int, str, Block, bool]]) -> dict[str, Any]:
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []
    times: dict[int, int] = {}  # keys of a track -> accessor of their times
    for node, path, values, still in tracks:
        keys = 1 if still else motion.frames
        if keys not in times:
            times[keys] = into.add(Block("f4", "SCALAR", keys, partial(_key_times, keys, motion.fps), bounded=True))
        samplers.append({"input": times[keys], "output": into.add(values), "interpolation": "LINEAR"})
        channels.append({"sampler": len(samplers) - 1, "target": {"node": node, "path": path}})
    return {"samplers": samplers, "channels": channels}


def used_expressions(motion: Motion, skin: Skin) -> tuple[int, ...]:
    """The expression coefficients that the motion moves and the body has."""
    moved = np.flatnonzero((motion.expression != 0).any(axis=0))
    return tuple(int(k) for k in moved if k < skin.expressions.shape[2])


class GlbExporter:
    """Writes body and animation; the same motion gives the same bytes."""

    name: ClassVar[str] = "glb"
    suffix: ClassVar[str] = ".glb"
    Options: ClassVar[type[BaseModel]] = GlbOptions

    def __init__(self, options: GlbOptions) -> None:
        self._options = options

    def write(self, scene: Scene, path: Path) -> None:
        """Write ``scene.motion`` to ``path``.

        Raises:
            InputError: the motion has no frames or no rate, or is too long for the format. ModelError: the body's file cannot be used.
        """
        motion = scene.motion
        check_animated(motion)
        skin = smplx_skin(Path(self._options.body).expanduser()) if self._options.body else wooden_skin()
        used = used_expressions(motion, skin)
        tracks = _tracks(motion, skin, used, quantise=self._options.quantise)
        into = _Blocks()
        document = {
            "asset": {"version": "2.0", "generator": "raggesture"},
            "scene": 0,
            "scenes": [{"nodes": [N_JOINTS, _MESH_NODE]}],
            "nodes": _nodes(plain_text(scene.name), skin),
            "meshes": [_mesh(into, skin, used)],
            "materials": [{"name": "wood" if not self._options.body else "body", "pbrMetallicRoughness": _WOOD}],
            "skins": [_skin(into, skin)],
            "animations": [{"name": plain_text(scene.name), **_animation(into, motion, tracks)}],
        }
        write_glb(path, document, into.blocks)


@hookimpl
def raggesture_exporters() -> list[type[Exporter]]:
    """The exporter of this module."""
    return [GlbExporter]
