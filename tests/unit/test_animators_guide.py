"""docs/animators.md against the code: the calls that the tests make in Blender, the profile, the names, the channels."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import tomli

from helpers_animation import still
from raggesture.body.joints import JOINT_NAMES
from raggesture.config import load_settings
from raggesture.export.face_csv import CsvOptions, face_channels
from raggesture.motion import Motion

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "animators.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def operators(text: str) -> set[str]:
    """Calls of ``bpy.ops`` without the name of the file."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("bpy.ops."):
            node.keywords = [each for each in node.keywords if each.arg != "filepath"]
            found.add(ast.unparse(node))
    return found


def test_calls_in_the_guide_are_the_ones_that_are_tested_in_blender() -> None:
    tested = operators((ROOT / "tests" / "programs" / "blender_joints.py").read_text(encoding="utf-8"))
    shown = set().union(*(operators(block) for block in blocks("python")))
    assert len(shown) == 4
    assert shown <= tested


def test_other_steps_of_the_guide_are_the_ones_that_are_tested_in_blender() -> None:
    script = (ROOT / "tests" / "programs" / "blender_joints.py").read_text(encoding="utf-8")
    for step in ("key.slider_min, key.slider_max = -10.0, 10.0", '.replace("U", "")', "numpy.bool = bool", "scene.render.fps = 30", ".frame_range)"):
        assert any(step in block for block in blocks("python")), step
        assert step.replace("numpy.", "np.") in script, step


def test_profile_of_the_guide_is_taken(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    settings = load_settings(str(tmp_path / "mine.toml"), environ={"RAGGESTURE_PLUGINS": ""})
    for name, given in tomli.loads(text)["export"].items():
        assert settings.options[("export", name)].model_dump().items() >= given.items()


def test_joints_of_the_guide_exist() -> None:
    paragraph = re.search(r"\*\*Names\.\*\*.*?\n\n", GUIDE, re.DOTALL)[0]
    named = {name for name in re.findall(r"`(\w+)`", paragraph) if not name.endswith("_")}
    assert len(named) > 15 and named <= set(JOINT_NAMES)


def test_channels_of_the_guide_are_the_ones_that_are_written() -> None:
    motion = still(2)
    moving = Motion(motion.rotations + np.float32(0.1), motion.translation, motion.expression)
    written = set(face_channels(moving, CsvOptions(), blinks=True))
    table = GUIDE[GUIDE.index("| channel |") : GUIDE.index("Names are ARKit's.")].strip()
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named <= written
    assert {name for name in written if "Look" not in name} <= named
    assert len([name for name in written if "Look" in name]) == 8 and "(8)" in table
