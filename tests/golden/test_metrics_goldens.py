"""The published metrics, to the goldens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raggesture.metrics.distribution import diversity, frechet_distance, l1_divergence
from raggesture.metrics.timing import audio_onsets, beat_align, motion_beats


@pytest.fixture(scope="module")
def arrays(goldens: Path) -> dict[str, np.ndarray]:
    with np.load(goldens / "model" / "metrics.npz") as archive:
        return {key: archive[key] for key in archive}


def test_onsets(arrays):
    np.testing.assert_allclose(audio_onsets(arrays["audio"], 300), arrays["onset_times"], rtol=1e-9)


@pytest.mark.parametrize("which", ["pred", "gt"])
def test_beats_of_every_upper_joint(arrays, which):
    joints = arrays[f"joints_{which}"].reshape(300, 55, 3)
    padded = arrays[f"beats_{which}_padded"]
    upper = (3, 6, 9, *range(12, 22))
    for beats, joint in zip(motion_beats(joints, arrays["mean_vel"], released_threshold=True), upper, strict=True):
        np.testing.assert_array_equal(np.round(beats * 30), padded[joint][padded[joint] >= 0])


@pytest.mark.parametrize("which", ["pred", "gt"])
def test_beat_align(arrays, which):
    score = beat_align(arrays[f"joints_{which}"].reshape(300, 55, 3), arrays["audio"], arrays["mean_vel"], released_threshold=True)
    assert score == pytest.approx(float(arrays[f"align_{which}"]), rel=1e-9)


def test_beat_align_threshold_at_the_right_frame(arrays, goldens):
    with np.load(goldens / "model" / "metrics_beatalign_slow.npz") as slow:
        joints = (arrays["joints_pred"] * float(slow["scale"])).astype(np.float32).reshape(300, 55, 3)
        released = beat_align(joints, arrays["audio"], arrays["mean_vel"], released_threshold=True)
        ours = beat_align(joints, arrays["audio"], arrays["mean_vel"])
        assert released == pytest.approx(float(slow["align_released"]), rel=1e-6)
        assert ours == pytest.approx(float(slow["align_threshold_right_frame"]), rel=1e-6)


def test_distribution(arrays):
    assert frechet_distance(arrays["fid_A"], arrays["fid_B"]) == pytest.approx(float(arrays["fid"]), rel=1e-5)
    assert frechet_distance(arrays["fid_A"][:60], arrays["fid_B"]) == pytest.approx(float(arrays["fid_rankdef_A60"]), rel=1e-3)
    assert l1_divergence([arrays["joints_pred"]]) == pytest.approx(float(arrays["l1div_pred"]), rel=1e-5)
    assert l1_divergence([arrays["joints_pred"], arrays["joints_gt"]]) == pytest.approx(float(arrays["l1div_pred_then_gt"]), rel=1e-5)
    assert diversity(list(arrays["div_feats"])) == pytest.approx(float(arrays["avg_distance"]), rel=1e-5)
