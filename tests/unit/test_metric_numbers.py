"""Each measure as a function: perfect, empty, malformed, symmetric, invariant."""

from __future__ import annotations

import math

import numpy as np
import pytest

from raggesture.errors import InputError
from raggesture.metrics.bootstrap import Interval, drawn_counts, interval_of, intervals
from raggesture.metrics.distribution import (
    ball_radii,
    density_coverage,
    distances,
    frechet_distance,
    frechet_of_moments,
    pair_distances,
    weighted_moments,
)
from raggesture.metrics.face import face_lvd, face_mse
from raggesture.metrics.measured import Measurements, clip_values, means
from raggesture.metrics.mismatch import ACCENTS, ENERGY, accent_track, arrivals, belonging, loudness
from raggesture.metrics.physics import footing, hand_depth, log_dimensionless_jerk, root_drift
from raggesture.metrics.samples import sample_clips, swinging
from raggesture.metrics.semantic import masked_distance, srgr

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((120, 6))
JOINTS = sample_clips(count=1)[0].joints


# distribution ---------------------------------------------------------------------------------------------------------


def test_density_and_coverage_of_a_set_against_itself_are_one():
    density, coverage = density_coverage(ROWS, ROWS)
    assert density == pytest.approx(1.0) and coverage == 1.0


def test_density_falls_away_from_the_references_and_coverage_with_one_mode():
    assert density_coverage(ROWS + 100, ROWS) == (0.0, 0.0)
    one_place = np.repeat(ROWS[:1], 120, axis=0)
    density, coverage = density_coverage(one_place, ROWS)
    assert coverage < 0.2 and density > 0


def test_density_and_coverage_do_not_know_order_rotation_or_scale():
    other = RNG.standard_normal((90, 6)) * 1.2
    turn = np.linalg.qr(RNG.standard_normal((6, 6)))[0]
    plain = density_coverage(other, ROWS)
    assert density_coverage(other[::-1], ROWS[RNG.permutation(120)]) == pytest.approx(plain)
    assert density_coverage(3 * other @ turn, 3 * ROWS @ turn) == pytest.approx(plain)


@pytest.mark.parametrize(("ours", "theirs"), [(ROWS, ROWS[:5]), (ROWS[:0], ROWS), (ROWS[:, :3], ROWS)])
def test_density_and_coverage_refuse_what_has_no_balls(ours, theirs):
    with pytest.raises(InputError):
        density_coverage(ours, theirs)


def test_radii_are_the_distance_to_the_kth_other_row():
    brute = np.sort(np.linalg.norm(ROWS[:, None] - ROWS[None], axis=-1), axis=1)
    np.testing.assert_allclose(ball_radii(ROWS, 3), brute[:, 3], rtol=1e-9)
    np.testing.assert_allclose(distances(ROWS, ROWS[:7]), np.linalg.norm(ROWS[:, None] - ROWS[None, :7], axis=-1), atol=1e-7)


def test_moments_count_rows_as_often_as_they_are_there():
    weights = RNG.integers(0, 4, len(ROWS)).astype(float)
    mean, cov = weighted_moments(ROWS, weights)
    repeated = np.repeat(ROWS, weights.astype(int), axis=0)
    np.testing.assert_allclose(mean, repeated.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(cov, np.cov(repeated, rowvar=False), rtol=1e-12)


def test_both_ways_to_the_frechet_distance_agree_and_are_symmetric():
    other = RNG.standard_normal((80, 6)) @ RNG.standard_normal((6, 6)) + 0.5
    a, b = (weighted_moments(rows, np.ones(len(rows))) for rows in (ROWS, other))
    assert frechet_of_moments(*a, *b) == pytest.approx(frechet_distance(ROWS, other), rel=1e-9)
    assert frechet_of_moments(*a, *b) == pytest.approx(frechet_of_moments(*b, *a), rel=1e-9)
    assert frechet_of_moments(*a, *a) == pytest.approx(0, abs=1e-9)


def test_pair_distances_by_blocks_are_exact_also_of_near_copies():
    rows = np.concatenate([RNG.standard_normal((5, 400)) + 50] * 2)
    rows[5:] += 1e-7 * RNG.standard_normal((5, 400))
    wanted = np.linalg.norm(rows[:, None] - rows[None], axis=-1)
    np.testing.assert_allclose(pair_distances([rows[:3], rows[3:8], rows[8:]]), wanted, rtol=1e-8, atol=1e-12)


# timing ---------------------------------------------------------------------------------------------------------------


def test_a_motion_goes_best_with_the_voice_it_follows_also_a_little_late():
    voices = RNG.standard_normal((6, 200)).cumsum(axis=1)
    found = belonging(np.roll(voices, 3, axis=1), voices, 5)
    assert (found.argmax(axis=1) == np.arange(6)).all()
    assert np.diag(found).min() > 0.99 > np.diag(belonging(np.roll(voices, 40, axis=1), voices, 5)).max()
    np.testing.assert_allclose(belonging(voices * 5 + 2, voices, 5), belonging(voices, voices, 5), rtol=1e-9)


def test_what_does_not_change_belongs_to_nobody():
    voices = RNG.standard_normal((3, 100))
    still = voices.copy()
    still[1] = 4.0
    found = belonging(still, voices, 0)
    assert np.isnan(found[1]).all() and np.isfinite(found[[0, 2]]).all()
    for bad in (voices[:, :20], voices[0]):
        with pytest.raises(InputError):
            belonging(bad, bad, 5)


def test_loudness_is_silence_where_the_voice_has_ended():
    wave = np.full(16_000, 0.5, np.float32)
    levels = loudness(wave, 90)
    assert levels.shape == (90,)
    assert levels[:20] == pytest.approx(20 * math.log10(0.5), abs=0.1)
    assert levels[40:] == pytest.approx(-80, abs=0.1)


def _syllables(at_s: np.ndarray, seconds: float, strength: np.ndarray) -> np.ndarray:
    """A wave of vowel-like bursts at given instants."""
    time = np.arange(round(seconds * 16_000)) / 16_000
    tone = np.sin(2 * np.pi * 140 * time) + 0.5 * np.sin(2 * np.pi * 280 * time)
    level = sum(power * np.exp(-0.5 * ((time - at) / 0.05) ** 2) for at, power in zip(at_s, strength, strict=True))
    return (0.3 * tone * level + 1e-4 * np.sin(2 * np.pi * 900 * time)).astype(np.float32)


def _hands_that_arrive(at_s: np.ndarray, seconds: float) -> np.ndarray:
    """Joints whose right wrist goes from side to side and stops at given instants."""
    time = np.arange(round(seconds * 30)) / 30
    place = sum((-1) ** k * np.clip((time - at) / 0.3 + 1, 0, 1) for k, at in enumerate(at_s))
    joints = np.zeros((len(time), 55, 3))
    joints[:, 21, 0] = 0.3 * place
    return joints


def test_strokes_arrive_where_a_wrist_stops():
    found = arrivals(_hands_that_arrive(np.array([2.0, 4.5]), 7.0))
    peaks = [int(found[:90].argmax()), 90 + int(found[90:].argmax())]
    assert np.abs(np.array(peaks) / 30 - [2.0, 4.5]).max() <= 1.5 / 30
    assert arrivals(np.zeros((40, 55, 3))).max() == 0


def test_accents_are_where_syllables_are_and_as_high():
    track = accent_track(_syllables(np.array([1.0, 2.5, 4.0]), 5.0, np.array([0.4, 1.0, 0.4])), 180)
    at = [20 + int(track[20:50].argmax()), 60 + int(track[60:95].argmax()), 105 + int(track[105:140].argmax())]
    assert np.abs((np.array(at) + 0.5) / 30 - [1.0, 2.5, 4.0]).max() <= 2 / 30
    assert track[at[1]] > track[at[0]] and track[155:].max() == 0, "the voice has ended"
    assert not accent_track(np.zeros(32_000, np.float32), 60).any()


def test_motion_whose_strokes_fall_on_accents_is_known_by_its_voice():
    rng = np.random.default_rng(7)
    instants = [np.sort(rng.choice(np.arange(1, 19) * 0.5, 7, replace=False)) + rng.uniform(0, 0.2) for _ in range(6)]
    voices = np.stack([ACCENTS.of_voice(_syllables(at, 10.0, np.ones(len(at))), 300) for at in instants])
    on, late = (np.stack([ACCENTS.of_motion(_hands_that_arrive(at + by, 10.0)) for at in instants]) for by in (0.0, 0.25))
    assert np.nanmean(ACCENTS.table(on, voices)) > 95
    assert np.nanmean(ACCENTS.table(late, voices)) < 60
    assert ENERGY.table(on, voices).shape == (6, 6)


# meaning --------------------------------------------------------------------------------------------------------------


def test_srgr_of_the_reference_is_the_mean_score_and_of_a_stranger_nothing():
    score = np.linspace(0, 1, len(JOINTS))
    assert srgr(JOINTS, JOINTS, score) == pytest.approx(score.mean() / 0.165)
    assert srgr(JOINTS + 1, JOINTS, score) == 0
    assert srgr(JOINTS, JOINTS, np.zeros(len(JOINTS))) == 0
    assert srgr(JOINTS + 5, JOINTS + 5, score) == pytest.approx(srgr(JOINTS, JOINTS, score))
    for bad in ((JOINTS[:5], JOINTS, score), (JOINTS, JOINTS, score[:5]), (JOINTS[:0], JOINTS[:0], score[:0])):
        with pytest.raises(InputError):
            srgr(*bad)


def test_survival_counts_where_something_was_injected_and_does_not_know_the_place():
    mask = np.zeros(JOINTS.shape[:2], bool)
    mask[20:40, 16:20] = True
    moved = JOINTS + np.where(mask[..., None], np.float32([0.1, 0, 0]), 0).astype(np.float32)
    assert masked_distance(moved, JOINTS, mask) == pytest.approx(0.1, rel=1e-5)
    assert masked_distance(moved, JOINTS, mask, released=True) == pytest.approx(0.1 * mask.mean(), rel=1e-5)
    assert masked_distance(JOINTS, moved, mask) == pytest.approx(masked_distance(moved, JOINTS, mask))
    assert masked_distance(JOINTS + 3, JOINTS, mask) == pytest.approx(0, abs=1e-5)
    assert math.isnan(masked_distance(JOINTS, JOINTS, np.zeros_like(mask)))
    for bad in ((JOINTS[:5], JOINTS, mask), (JOINTS, JOINTS, mask[:5])):
        with pytest.raises(InputError):
            masked_distance(*bad)


# physics --------------------------------------------------------------------------------------------------------------


def test_jerk_does_not_know_size_or_place_and_noise_is_rough():
    plain = log_dimensionless_jerk(JOINTS, 30)
    assert log_dimensionless_jerk(3 * JOINTS + 7, 30) == pytest.approx(plain, abs=1e-3)
    assert log_dimensionless_jerk(JOINTS + RNG.normal(0, 0.01, JOINTS.shape), 30) < plain - 3
    assert math.isnan(log_dimensionless_jerk(np.repeat(JOINTS[:1], 50, axis=0), 30))
    with pytest.raises(InputError):
        log_dimensionless_jerk(JOINTS[:7], 30)


def test_jerk_of_a_known_path():
    time = np.arange(3000) / 300
    path = np.zeros((3000, 1, 3))
    path[:, 0, 0] = np.sin(2 * math.pi * time)
    w = 2 * math.pi
    wanted = -math.log(time[-1] ** 3 / w**2 * (w**6 / 2) * time[-1])
    assert log_dimensionless_jerk(path, 300) == pytest.approx(wanted, rel=2e-3)


def _standing(frames: int = 60) -> np.ndarray:
    from raggesture.metrics.bodies import MannequinBody
    from raggesture.motion import Motion

    return MannequinBody().joints(Motion(np.zeros((frames, 55, 3)), np.zeros((frames, 3)), np.zeros((frames, 100))))  # type: ignore[arg-type]


def test_a_statue_stands_and_a_gliding_statue_slides():
    statue = _standing()
    found = footing(statue, 30)
    assert (found.contact, found.slide_m_s) == (1.0, 0.0)
    glide = statue + np.arange(60)[:, None, None] * np.array([0.01, 0, 0])
    assert footing(glide, 30).slide_m_s == pytest.approx(0.3, rel=1e-6)
    jump = statue + np.where(np.arange(60) % 20 < 10, 0, 0.3)[:, None, None] * np.array([0, 1, 0])
    assert footing(jump, 30).contact == pytest.approx(0.5)
    with pytest.raises(InputError):
        footing(statue[:3], 30)


def test_drift_is_horizontal():
    path = np.zeros((10, 3))
    path[:, 1] = np.arange(10)
    assert root_drift(path).farthest_m == 0
    path[:, 0] = [0, 1, 2, 3, 4, 3, 2, 1, 1, 1]
    found = root_drift(path + 5)
    assert (found.end_m, found.farthest_m) == (1.0, 4.0)
    for bad in (path[:0], path[:, :2]):
        with pytest.raises(InputError):
            root_drift(bad)


def test_hands_beside_the_body_are_free_and_hands_in_it_are_not():
    joints = _standing()
    assert hand_depth(joints).max() == 0
    inside = joints.copy()
    inside[30:, [20, *range(25, 40)]] += inside[30:, [6]] - inside[30:, [20]]
    depth = hand_depth(inside)
    assert depth[:30].max() == 0 and depth[30:].min() > 0.05
    mirrored = joints.copy()
    mirrored[30:, [21, *range(40, 55)]] += mirrored[30:, [6]] - mirrored[30:, [21]]
    np.testing.assert_allclose(hand_depth(mirrored), depth, atol=2e-3)
    np.testing.assert_allclose(hand_depth(inside + 4.0), depth, atol=1e-5)


# face -----------------------------------------------------------------------------------------------------------------


def test_a_face_is_nearest_to_itself():
    face = RNG.standard_normal((30, 9))
    assert face_mse(face, face) == face_lvd(face, face) == 0
    assert face_mse(face + 2, face) == pytest.approx(4)
    assert face_lvd(face + 2, face) == pytest.approx(0, abs=1e-12)
    assert face_lvd(face + 2, face, released=True) == pytest.approx(2)
    assert face_mse(face, face[::-1]) == pytest.approx(face_mse(face[::-1], face))
    for bad in ((face[:1], face[:1]), (face, face[:, :3])):
        for measure in (face_mse, face_lvd):
            with pytest.raises(InputError):
                measure(*bad)


# intervals ------------------------------------------------------------------------------------------------------------


def test_draws_are_seeded_and_sum_to_the_clips():
    counts = drawn_counts(7, 50, seed=3)
    assert (counts.sum(axis=1) == 7).all()
    np.testing.assert_array_equal(counts, drawn_counts(7, 50, seed=3))
    assert not np.array_equal(counts, drawn_counts(7, 50, seed=4))


def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    held = 0
    for trial in range(120):
        values = rng.normal(2.0, 1.0, 40)
        measured = Measurements([str(k) for k in range(40)], [clip_values(value) for value in values])
        combined = means(measured)
        counts = drawn_counts(40, 200, seed=trial)
        drawn = counts @ values / 40
        span = interval_of(drawn, combined.figures(np.ones(40))[""][0])
        held += span.low <= 2.0 <= span.high
    assert 0.88 <= held / 120 <= 0.99


def test_a_biased_draw_is_moved_back_and_nothing_known_has_no_interval():
    drawn = np.random.default_rng(0).normal(5, 1, 1000)
    span = interval_of(drawn, 2.0)
    assert (span.low + span.high) / 2 == pytest.approx(2.0, abs=0.1)
    assert interval_of(drawn, 2.0, limits=(1.5, 100)).low == 1.5
    assert not interval_of(np.full(10, np.nan), 2.0).known and not interval_of(drawn, math.nan).known
    two = means(Measurements(["a", "b"], [clip_values(1.0), clip_values(2.0)]))
    assert intervals(two, two.figures(np.ones(2)), 2, 0)[""] == (Interval(), Interval())


def test_means_are_weighted_and_what_is_missing_does_not_count():
    measured = Measurements(["a", "b", "c"], [clip_values([1.0, 10.0], [5.0, 6.0], 1), clip_values([4.0, math.nan], weight=3), {}])
    figures = means(measured, ("x", "y")).figures(np.ones(3))
    assert figures["x"] == (3.25, 5.0) and figures["y"] == (10.0, 6.0)
    assert all(math.isnan(value) for value in means(measured, ("x", "y")).figures(np.array([0.0, 0, 1]))["x"])


def test_large_arrays_leave_memory_and_come_back():
    big, small = RNG.standard_normal((300, 20)).astype(np.float32), np.arange(3)
    measured = Measurements()
    for k in range(5):
        measured.add(str(k), {"big": big * k, "small": small})
    np.testing.assert_array_equal(measured.array(3, "big"), big * 3)
    np.testing.assert_array_equal(measured[2]["small"], small)
    assert measured.shapes("big") == [(300, 20)] * 5 and measured.array(0, "other") is None
    part = measured.subset([4, 1])
    assert part.names == ["4", "1"]
    np.testing.assert_array_equal(part.array(0, "big"), big * 4)
    assert [len(each) for each in measured[1:3]] == [2, 2]


def test_swinging_bodies_are_seeded():
    np.testing.assert_array_equal(swinging(3, 40).rotations, swinging(3, 40).rotations)
