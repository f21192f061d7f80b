"""Each metric moves the way its sentence says, on a real take: against itself, late, frozen, shaken. ``raggesture.training.sanity`` makes the table."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from raggesture.training.sanity import figures_of_take, table

Figures = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def shown(beat2_mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Figures:
    return figures_of_take(beat2_mini, "2_scott_0_1_1", tmp_path_factory.mktemp("take"))


def test_itself_is_perfect(shown: Figures) -> None:
    itself, truth = shown["itself"], shown["references"]
    assert itself["fgd"] == pytest.approx(0, abs=1e-6) and itself["density-coverage coverage"] == 1.0
    assert itself["face-mse"] == itself["face-lvd"] == 0
    for name in ("beat-align", "mismatch", "l1div", "diversity", "ldlj", "srgr", "footing slide", "root-drift end"):
        assert itself[name] == pytest.approx(truth[name], rel=1e-6), name


def test_late_motion_is_as_lifelike_and_means_less(shown: Figures) -> None:
    itself, late = shown["itself"], shown["2 s late"]
    assert late["ldlj"] == pytest.approx(itself["ldlj"], rel=0.05) and late["l1div"] == pytest.approx(itself["l1div"], rel=0.15)
    assert late["srgr"] < itself["srgr"] and late["face-mse"] > 0 and late["face-lvd"] > 0
    assert 0 < late["fgd"] < 0.2 * shown["frozen"]["fgd"], "FGD says nothing of speech"


def test_a_frozen_pose_slides_nowhere_and_does_nothing(shown: Figures) -> None:
    itself, frozen = shown["itself"], shown["frozen"]
    assert frozen["l1div"] == pytest.approx(0, abs=1e-2) and frozen["beat-align"] == 0
    assert math.isnan(frozen["ldlj"]) and math.isnan(frozen["mismatch"])
    assert frozen["footing slide"] == frozen["root-drift farthest"] == 0 and frozen["footing contact"] == 1.0
    assert frozen["fgd"] > 5 * shown["2 s late"]["fgd"] and frozen["density-coverage coverage"] < 0.8 * itself["density-coverage coverage"]
    assert frozen["srgr"] < itself["srgr"]


def test_noise_on_joints_is_rough_and_beat_align_likes_it(shown: Figures) -> None:
    itself, noise = shown["itself"], shown["noise"]
    assert noise["ldlj"] < itself["ldlj"] - 3 and noise["footing slide"] > 3 * itself["footing slide"]
    assert noise["l1div"] > itself["l1div"] and 0.01 < noise["fgd"] < shown["frozen"]["fgd"], "the packaged autoencoder hardly sees trembling"
    assert noise["beat-align"] > itself["beat-align"], "what BeatAlign's sentence warns of"
    assert noise["face-mse"] > 0 and noise["face-lvd"] > 0 and noise["hand-penetration depth"] >= itself["hand-penetration depth"]


def test_the_table_has_a_row_for_each_figure(shown: Figures) -> None:
    text = table(shown)
    assert text.splitlines()[0] == "| | itself | 2 s late | frozen | noise |"
    assert len(text.splitlines()) == 2 + len([name for name in shown["itself"] if any(math.isfinite(shown[way][name]) for way in shown if way != "references")])
