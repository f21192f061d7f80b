"""What glb writes, before the validator of Khronos (npm's gltf-validator, pinned). Needs node, npm and npm's registry once."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers_animation import Shown, still, tumbling
from raggesture.export.glb import GlbExporter, GlbOptions
from raggesture.export.gltf import write_glb
from raggesture.export.skins import wooden_skin
from raggesture.motion import Motion

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder the validator is installed in."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("gltf-validator")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "gltf-validator" / name, folder)
    done = subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        pytest.skip(f"npm cannot install gltf-validator here: {done.stderr.strip().splitlines()[-1:]}")
    return folder


def said(validator: Path, file: Path) -> dict[str, Any]:
    done = subprocess.run(["node", HERE / "gltf-validator" / "validate.mjs", validator, file], capture_output=True, text=True, check=True, timeout=120)
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["version"] == "2.0.0-dev.3.10"
    return report


@pytest.mark.parametrize(
    ("motion", "quantise"),
    [(tumbling(90), False), (tumbling(90), True), (still(1), False), (tumbling(40, 120.0), False)],
    ids=["float", "short", "one", "120 fps"],
)
def test_nothing_to_complain_of(validator: Path, tmp_path: Path, motion: Motion, quantise: bool) -> None:
    GlbExporter(GlbOptions(quantise=quantise)).write(Shown("Zoë's 走", motion), tmp_path / "a.glb")
    report = said(validator, tmp_path / "a.glb")
    assert report["issues"]["messages"] == []
    assert report["info"]["animationCount"] == 1 and report["info"]["hasSkins"] and report["info"]["maxInfluences"] == 4


def test_morph_targets_and_their_weights(validator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skin = wooden_skin()
    faced = replace(skin, expressions=np.random.default_rng(0).normal(0, 0.01, (len(skin.vertices), 3, 100)))
    monkeypatch.setattr("raggesture.export.glb.wooden_skin", lambda: faced)
    GlbExporter(GlbOptions()).write(Shown("face", tumbling(60)), tmp_path / "a.glb")
    report = said(validator, tmp_path / "a.glb")
    assert report["issues"]["messages"] == []
    assert report["info"]["hasMorphTargets"]


def test_the_validator_does_complain(validator: Path, tmp_path: Path) -> None:
    write_glb(tmp_path / "a.glb", {"asset": {"version": "2.0"}, "scene": 3}, [])
    assert said(validator, tmp_path / "a.glb")["issues"]["numErrors"] > 0
