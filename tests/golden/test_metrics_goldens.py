"""The published metrics, to the goldens."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from raggesture.metrics.aeskconv import encoder_of, neighbours, topology
from raggesture.metrics.distribution import diversity, frechet_distance, frechet_of_moments, l1_divergence, pair_distances, weighted_moments
from raggesture.metrics.face import face_lvd, face_mse
from raggesture.metrics.semantic import masked_distance, srgr
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


def test_the_fast_frechet_distance_is_the_published_one(arrays):
    moments = [weighted_moments(rows.astype(np.float64), np.ones(len(rows))) for rows in (arrays["fid_A"], arrays["fid_B"])]
    np.testing.assert_allclose(moments[0][1], np.cov(arrays["fid_A"], rowvar=False), rtol=1e-6, atol=1e-9)
    assert frechet_of_moments(*moments[0], *moments[1]) == pytest.approx(float(arrays["fid"]), rel=1e-5)


def test_diversity_by_blocks_is_the_published_one(arrays):
    clips = arrays["div_feats"]  # (6, 30, 165)
    apart = pair_distances([clips[:4].reshape(4, -1), clips[4:].reshape(2, -1)])
    upper = apart[np.triu_indices(len(clips), k=1)]
    assert upper.mean() / clips.shape[1] == pytest.approx(float(arrays["avg_distance"]), rel=1e-5)


def test_srgr(arrays):
    pred, gt, close = (arrays[key].reshape(300, 55, 3) for key in ("joints_pred", "joints_gt", "srgr_close"))
    score = arrays["sem_score"]
    assert srgr(close, pred, score) == pytest.approx(float(arrays["srgr_rate_close"]), rel=1e-5)
    assert srgr(pred, gt, score) == pytest.approx(float(arrays["srgr_rate_far"]), rel=1e-5)
    assert np.mean([srgr(close, pred, score), srgr(pred, gt, score)]) == pytest.approx(float(arrays["srgr_avg"]), rel=1e-5)


def test_survival(arrays):
    pred, gt, mask = arrays["joints_pred"].reshape(300, 55, 3), arrays["joints_gt"].reshape(300, 55, 3), arrays["mpjpe_mask"] > 0
    everything = np.ones_like(mask)
    assert masked_distance(pred, gt, mask, released=True) == pytest.approx(float(arrays["mpjpe_pred_rootnorm_vs_gt_masked"]), rel=1e-5)
    assert masked_distance(pred, gt, mask) == pytest.approx(float(arrays["mpjpe_true_masked_mean"]), rel=1e-5)
    assert masked_distance(pred, gt, everything) == pytest.approx(float(arrays["mpjpe_nomask"]), rel=1e-5)
    assert masked_distance(gt, pred, everything, released=True) == pytest.approx(float(arrays["mpjpe_swapped_nomask"]), rel=1e-5)


def test_face(arrays):
    pred, gt = arrays["face_verts_pred"].reshape(60, -1), arrays["face_verts_gt"].reshape(60, -1)
    assert face_mse(pred, gt) == pytest.approx(float(arrays["face_mse"]), rel=1e-5)
    assert face_lvd(pred, gt, released=True) == pytest.approx(float(arrays["face_lvd_released"]), rel=1e-5)
    assert face_lvd(pred, gt) == pytest.approx(float(arrays["face_lvd_true"]), rel=1e-5)


def test_the_tree_of_the_published_autoencoder(goldens):
    theirs = json.loads((goldens / "retrieval" / "eval_topology.json").read_text())
    again = json.loads((goldens / "model" / "vaeskconv_topology.json").read_text())
    ours = topology()
    assert len(ours) == len(theirs["pooling"]) == 4
    for layer, (edges, groups) in enumerate(ours):
        assert [list(edge) for edge in edges] == theirs["edges"][layer] == again["topologies"][layer]
        assert [list(group) for group in groups] == theirs["pooling"][layer] == again["pooling_lists"][layer]
        assert [list(near) for near in neighbours(edges)] == theirs["neighbours"][layer]


def test_the_published_autoencoder_layer_by_layer(goldens):
    with np.load(goldens / "model" / "vaeskconv.npz") as archive:
        arrays = {key: archive[key] for key in archive}
    encoder = encoder_of({key[3:]: torch.from_numpy(value) for key, value in arrays.items() if key.startswith("sd.")}, "goldens")
    x = torch.from_numpy(arrays["x"])
    with torch.no_grad():
        inner = x.transpose(1, 2)
        for layer, module in enumerate(encoder.layers):
            inner = module(inner)
            wanted = arrays[f"layer{layer}_out"]
            np.testing.assert_allclose(inner.transpose(1, 2).numpy(), wanted, atol=1e-5 * np.abs(wanted).max())
        np.testing.assert_allclose(encoder(x).numpy(), arrays["latent"], atol=1e-5 * np.abs(arrays["latent"]).max())
