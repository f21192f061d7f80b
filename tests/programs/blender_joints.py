"""Run by Blender: imports a file as docs/animators.md says, and writes where the joints are in every frame, to JSON.

blender -b --factory-startup --python blender_joints.py -- FILE OUT.json [FILE.fbx]

With a third name FILE (a glb) is exported as FBX by that name, which is then imported into an empty scene.
"""

from __future__ import annotations

import builtins
import json
import sys
from typing import Any

import bpy
import numpy as np

_open = builtins.open


def _open_without_u(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
    return _open(file, mode.replace("U", ""), *rest, **named)


# Debian's Blender 3.4 runs on a younger Python and numpy than it was written for; its importers fail on these two names
builtins.open = _open_without_u
if not hasattr(np, "bool"):
    np.bool = bool


def bring_in(path: str) -> Any:
    """An empty scene at 30 fps with the file in it; returns the armature."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = 30
    if path.endswith(".bvh"):
        bpy.ops.import_anim.bvh(filepath=path, global_scale=0.01, update_scene_fps=True, update_scene_duration=True)
    elif path.endswith(".glb"):
        bpy.ops.import_scene.gltf(filepath=path)
    else:
        bpy.ops.import_scene.fbx(filepath=path)
    return next(each for each in bpy.data.objects if each.type == "ARMATURE")


def to_fbx(path: str) -> None:
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = (round(value) for value in bpy.data.actions[0].frame_range)
    bpy.ops.export_scene.fbx(
        filepath=path,
        object_types={"ARMATURE", "MESH"},
        add_leaf_bones=False,
        bake_anim_use_all_actions=False,
        bake_anim_use_nla_strips=False,
        bake_anim_simplify_factor=0.0,
    )


def frames_of(armature: Any) -> list[dict[str, list[float]]]:
    scene = bpy.context.scene
    first, last = (round(value) for value in armature.animation_data.action.frame_range)
    found = []
    for frame in range(first, last + 1):
        scene.frame_set(frame)
        posed = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        found.append({bone.name: list(posed.matrix_world @ bone.head) for bone in posed.pose.bones})
    return found


def shapes_of(last_frame: int) -> dict[str, list[float]]:
    """Value of each shape key in every frame."""
    found: dict[str, list[float]] = {}
    for mesh in bpy.data.meshes:
        for key in mesh.shape_keys.key_blocks[1:] if mesh.shape_keys else ():
            key.slider_min, key.slider_max = -10.0, 10.0
            found[key.name] = []
    for frame in range(last_frame + 1) if found else ():
        bpy.context.scene.frame_set(frame)
        for mesh in bpy.data.meshes:
            for key in mesh.shape_keys.key_blocks[1:] if mesh.shape_keys else ():
                found[key.name].append(key.value)
    return found


def main() -> None:
    path, out, *fbx = sys.argv[sys.argv.index("--") + 1 :]
    armature = bring_in(path)
    if fbx:
        to_fbx(fbx[0])
        armature = bring_in(fbx[0])
    meshes = [len(each.data.vertices) for each in bpy.data.objects if each.type == "MESH"]
    shapes = shapes_of(round(armature.animation_data.action.frame_range[1]))
    for mesh in [each for each in bpy.data.objects if each.type == "MESH"]:
        bpy.data.objects.remove(mesh)  # posing the skin in every frame takes most of the time, and only joints are asked for
    about = {"version": bpy.app.version_string, "fps": bpy.context.scene.render.fps, "actions": len(bpy.data.actions)}
    with _open(out, "w") as stream:
        json.dump(about | {"meshes": meshes, "shapes": shapes, "frames": frames_of(armature)}, stream)


main()
