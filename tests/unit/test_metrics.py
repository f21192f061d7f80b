"""Each metric: perfect, empty, malformed, symmetric; the report on a folder made here."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from raggesture.errors import InputError, ModelError
from raggesture.metrics.distribution import diversity, frechet_distance, l1_divergence
from raggesture.metrics.fgd import MotionAutoencoder, fgd_features, load_kit, pose_features, save_kit
from raggesture.metrics.timing import beat_align
from raggesture.motion import Motion
from raggesture.training.evaluation import FgdTraining, autoencoder_task
from raggesture.training.loop import train


def _motion(seed: int, frames: int = 320) -> Motion:
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None, None] / 30
    rate, phase = rng.uniform(0.3, 1.5, (1, 55, 3)), rng.uniform(0, 6, (1, 55, 3))
    return Motion((0.3 * np.sin(2 * np.pi * rate * time + phase)).astype(np.float32), np.zeros((frames, 3)), np.zeros((frames, 100)))


def _clicks(seconds: float = 11.0) -> np.ndarray:
    wave = 1e-3 * np.random.default_rng(0).standard_normal(int(16_000 * seconds)).astype(np.float32)
    for k in range(1, int(2 * seconds)):
        wave[8000 * k : 8000 * k + 400] += 0.5 * np.sin(np.arange(400) * 0.3).astype(np.float32)
    return wave


def test_frechet_is_zero_on_itself_symmetric_and_grows_with_distance():
    rows = np.random.default_rng(0).standard_normal((200, 8))
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-6)
    near, far = frechet_distance(rows, rows + 0.1), frechet_distance(rows, rows + 1)
    assert 0 < near < far == pytest.approx(8.0, rel=1e-3)
    assert frechet_distance(rows, rows * 2) == pytest.approx(frechet_distance(rows * 2, rows), rel=1e-6)


@pytest.mark.parametrize("bad", [np.zeros((0, 8)), np.zeros((1, 8)), np.zeros((5, 7))])
def test_frechet_refuses_what_has_no_covariance(bad):
    with pytest.raises(InputError):
        frechet_distance(bad, np.random.default_rng(0).standard_normal((20, 8)))


def test_l1_divergence_of_a_statue_is_zero_and_of_nothing_an_error():
    assert l1_divergence([np.ones((30, 165))]) == 0
    assert l1_divergence([np.concatenate([np.zeros((5, 1)), np.ones((5, 1)) * 2])]) == pytest.approx(1.0)
    with pytest.raises(InputError):
        l1_divergence([])


def test_diversity_of_copies_is_zero_and_needs_two_of_one_length():
    a = np.random.default_rng(0).standard_normal((30, 165))
    assert diversity([a, a]) == 0
    for bad in ([a], [a, a[:20]]):
        with pytest.raises(InputError):
            diversity(bad)


def test_beat_align_prefers_motion_that_stops_on_the_onsets():
    from raggesture.metrics.timing import audio_onsets

    onsets = audio_onsets(_clicks(), 330)
    period = 0.5
    first = float(np.median(onsets % period))
    time = np.arange(330) / 30 - 1 / 3  # onsets are counted from the end of the margin

    def swing(at: float) -> np.ndarray:
        joints = np.zeros((330, 55, 3))
        speed = 1.2 - np.cos(2 * np.pi * (time - at) / (2 * period)) ** 2  # slowest at `at` and every period after it
        joints[:, :, 0] = np.cumsum(speed)[:, None] / 30
        return joints

    mean_speed = np.full(55, 0.3)
    on_beat = beat_align(swing(first), _clicks(), mean_speed)
    off_beat = beat_align(swing(first + period / 2), _clicks(), mean_speed)
    assert on_beat > 0.95
    assert off_beat < on_beat - 0.1
    assert beat_align(np.zeros((330, 55, 3)), _clicks(), mean_speed) == 0
    assert math.isnan(beat_align(swing(0.0), np.zeros(16_000 * 11, np.float32), mean_speed))
    with pytest.raises(InputError):
        beat_align(swing(0.0)[:, :24], _clicks(), mean_speed)


def trained(motions, **options):
    settings = FgdTraining(**options)
    task = autoencoder_task(motions, settings, torch.device("cpu"))
    train(task, settings)
    return task.objective.autoencoder


def test_autoencoder_learns_is_seeded_and_its_file_survives(tmp_path):
    motions = [_motion(k) for k in range(4)]
    model, again = (trained(motions, steps=150, seed=3, batch=16) for _ in range(2))
    assert all(bool((a == b).all()) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))
    untrained = MotionAutoencoder()
    untrained.mean.copy_(model.mean)
    untrained.std.copy_(model.std)
    x = pose_features(motions[0])[None, :320]
    with torch.no_grad():
        assert float(((model(x) - x) ** 2).mean()) < 0.8 * float(((untrained(x) - x) ** 2).mean())
    path = tmp_path / "kit.safetensors"
    save_kit(model, np.full(55, 0.5), "test", path)
    kit = load_kit(path)
    np.testing.assert_allclose(fgd_features(kit.autoencoder, motions[0]), fgd_features(model, motions[0]), atol=0.05)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="truncated"):
        load_kit(path)
