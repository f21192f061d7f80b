"""The performer: distinct gestures, motion like a person's, hands out of the body, feet that stay, determinism."""

from __future__ import annotations

from dataclasses import asdict, fields
from itertools import pairwise

import numpy as np
import pytest
import torch

from raggesture.body.skeleton import forward_kinematics
from raggesture.clock import frames_of_seconds
from raggesture.corpus.starter.events import GestureEvent, Performance
from raggesture.corpus.starter.lexicon_file import load_lexicon
from raggesture.corpus.starter.perform import perform
from raggesture.corpus.starter.sheet import renditions
from raggesture.corpus.starter.style import STYLES
from raggesture.errors import ConfigError, InputError
from raggesture.metrics.gesture_made import GestureClassifier, hand_paths
from raggesture.metrics.motion_statistics import motion_statistics
from raggesture.motion import read_npz
from raggesture.training.statistics import REAL_TAKES, STANDING, widened


def _speech(seed: int, duration_s: float) -> list[GestureEvent]:
    rng = np.random.default_rng(seed)
    lexicon = load_lexicon()
    gestures = [g.name for g in lexicon.gestures if not g.additive]
    beats = [g.name for g in lexicon.gestures if g.additive]
    events, t = [], 1.0
    while t < duration_s - 1:
        name = str(rng.choice(gestures if rng.random() < 0.45 else beats))
        events.append(GestureEvent(name, "w", t - 0.1, t + 0.2, t, hold_s=float(rng.uniform(0.1, 0.5)), prominence=float(rng.uniform(0.5, 2))))
        t += float(rng.uniform(1.1, 2.0)) if rng.random() < 0.85 else 3.0
    return events


@pytest.fixture(scope="module")
def minutes() -> list[Performance]:
    envelope = np.abs(np.sin(np.arange(1800) / 3.0)) * (np.sin(np.arange(1800) / 40) > -0.6)
    return [perform(_speech(k, 60.0), STYLES[i], 60.0, k, envelope) for k, i in enumerate((0, 3, 6))]


def test_statistics_within_the_real_takes_widened_by_a_quarter(minutes: list[Performance]) -> None:
    rows = [asdict(motion_statistics(p.motion)) for p in minutes]
    off = []
    for name, ranges in REAL_TAKES.items():
        for k, real in enumerate(ranges):
            low, high = widened(real)
            low, high = (low - 0.015, high + 0.015) if name.startswith("wrist_") and name.endswith("_m") else (low, high)  # three random minutes
            value = float(np.median([np.atleast_1d(row[name])[k] for row in rows]))
            if not low <= value <= high and (name, k) != STANDING:
                off.append(f"{name}[{k}] {value:.3f} outside {low:.3f}..{high:.3f}")
    assert not off, "; ".join(off)


def test_never_a_statue_and_no_jumps(minutes: list[Performance]) -> None:
    for performance in minutes:
        rotations = torch.from_numpy(np.array(performance.motion.rotations))
        positions, _ = forward_kinematics(rotations, torch.from_numpy(np.array(performance.motion.translation)))
        speed = np.linalg.norm(np.diff(positions[:, [0, 15, 20, 21]].numpy(), axis=0), axis=-1) * 30
        assert speed.max() < 3.5
        assert np.convolve(speed[:, 1], np.ones(30) / 30, "valid").min() > 0.005  # the head moves in every second


def test_planted_feet_stay(minutes: list[Performance]) -> None:
    for performance in minutes:
        positions, _ = forward_kinematics(torch.from_numpy(np.array(performance.motion.rotations)), torch.from_numpy(np.array(performance.motion.translation)))
        feet = positions[:, [7, 8, 10, 11]].numpy()
        speed = np.linalg.norm(np.diff(feet, axis=0), axis=-1) * 30
        assert np.percentile(speed, 75) < 0.02
        planted = (speed[:, :2] < 0.15).any(axis=1)  # never both in the air or sliding
        assert planted.mean() > 0.99
        assert feet[:, 2:, 1].min() > -0.02


def test_hands_out_of_the_body_and_apart(minutes: list[Performance]) -> None:
    for performance in minutes:
        positions, turns = forward_kinematics(torch.from_numpy(np.array(performance.motion.rotations)))
        apart = (positions[:, 20] - positions[:, 21]).norm(dim=-1)
        assert float(apart.min()) > 0.145
        inside = 0.0
        for joint in (20, 21, 30, 45):  # wrists and middle finger tips
            for level in (0, 3, 6, 9):
                local = torch.einsum("fji,fj->fi", turns[:, level], positions[:, joint] - positions[:, level])
                near = (local[:, 1].abs() < 0.06) & (((local[:, 0] / 0.15) ** 2 + ((local[:, 2] - 0.02) / 0.12) ** 2) < 1)
                inside = max(inside, float(near.float().mean()))
        assert inside < 0.014  # real takes leave 1.4-3.5 %


def test_gestures_are_distinct() -> None:
    """Five renditions of every form of every gesture are enough to tell nearly all of another speaker's; the wrong name is hardly ever taken."""
    lexicon = load_lexicon()
    known = [pair for seed in range(5) for pair in renditions(lexicon, seed, seed)]
    asked = renditions(lexicon, 100, 5)
    assert len(asked) == sum(len(gesture.forms) for gesture in lexicon.gestures if not gesture.additive)
    classifier = GestureClassifier.of(known)
    assert np.mean([classifier.name_of(window) == name for name, window in asked]) >= 0.95
    assert np.mean([classifier.name_of(asked[(k + 1) % len(asked)][1]) == name for k, (name, _) in enumerate(asked)]) < 0.02


def test_same_seed_same_motion_other_seed_other_motion() -> None:
    events = _speech(5, 8.0)
    a, b, c = (perform(events, STYLES[1], 8.0, seed).motion for seed in (1, 1, 2))
    assert a.rotations.tobytes() == b.rotations.tobytes() and a.translation.tobytes() == b.translation.tobytes()
    assert a.rotations.tobytes() != c.rotations.tobytes()


@pytest.mark.parametrize("duration", [0.5, 3.317, 10.0])
def test_no_events_is_idle_motion_of_the_exact_length(duration: float) -> None:
    performance = perform([], STYLES[0], duration, 0)
    assert performance.motion.frames == frames_of_seconds(duration, 30)
    assert performance.labels == ()
    assert np.abs(np.diff(performance.motion.rotations[:, 15], axis=0)).max() > 1e-4


def test_phases_are_in_order_and_the_stroke_is_where_it_was_asked(minutes: list[Performance]) -> None:
    asked = {round(e.stroke_s, 6) for e in _speech(0, 60.0)}
    labels = minutes[0].labels
    assert len(labels) > 20
    for label in labels:
        assert label.phases is not None
        assert label.phases == tuple(sorted(label.phases))
        assert round(label.phases[1], 6) in asked
    for before, after in pairwise(labels):
        assert before.hold_end is not None and after.stroke is not None and before.hold_end < after.stroke


def test_hand_and_size_are_obeyed() -> None:
    def at_stroke(hand: str, size: float) -> tuple[float, float]:
        event = GestureEvent("over_there", "there", 1.9, 2.2, 2.0, hand, size)  # type: ignore[arg-type]
        wrists = hand_paths(perform([event], STYLES[0], 4.0, 3).motion).wrists[60, :, 0]
        return float(wrists[0]), float(wrists[1])

    left, right = at_stroke("left", 1.0)
    assert left > right + 0.15
    left, right = at_stroke("right", 1.0)
    assert right > left + 0.15
    assert at_stroke("right", 1.25)[1] > at_stroke("right", 0.8)[1] + 0.02


def test_jaw_follows_the_voice_and_closes_in_silence() -> None:
    envelope = np.zeros(300)
    envelope[100:200] = np.abs(np.sin(np.arange(100) / 3.0))
    jaw = np.linalg.norm(perform([], STYLES[0], 10.0, 0, envelope).motion.rotations[:, 22], axis=-1)
    assert jaw[110:190].mean() > 1.5 * jaw[:90].mean()
    assert jaw.max() < 0.12


def test_crowded_events_are_thinned_not_mangled() -> None:
    events = [GestureEvent("big", "w", 1 + 0.2 * k, 1.1 + 0.2 * k, 1 + 0.2 * k) for k in range(20)]
    labels = perform(events, STYLES[0], 6.0, 0).labels
    strokes = [label.stroke for label in labels if label.stroke is not None]
    assert 3 <= len(strokes) < 10
    assert np.diff(strokes).min() >= 0.74


def test_bad_input_is_named() -> None:
    with pytest.raises(ConfigError, match="nonsense"):
        perform([GestureEvent("nonsense", "w", 1, 1.2, 1.1)], STYLES[0], 3.0, 0)
    with pytest.raises(InputError, match="duration"):
        perform([], STYLES[0], 0.0, 0)
    with pytest.raises(InputError, match="stroke_s"):
        GestureEvent("big", "w", 1, 1.2, float("nan"))


def test_statistics_give_the_published_figures_on_the_real_take(beat2_mini) -> None:  # type: ignore[no-untyped-def]
    found = motion_statistics(read_npz(next((beat2_mini / "smplxflame_30").glob("*.npz"))))
    for name, expected in {
        "right_wrist_speed_m_s": (0.41, 1.11, 1.89),
        "wrist_acceleration_m_s2": (3.4, 7.9, 12.8),
        "wrist_jerk_m_s3": (39, 93, 184),
        "wrist_up_m": (-0.13, 0.04, 0.24),
        "wrist_distance_m": (0.31, 0.53, 0.83),
        "head_turn_rad_s": (0.43, 0.82, 1.45),
        "feet_speed_m_s": (0.01, 0.43, 1.28),
        "finger_turn_rad_s": (0.57, 1.64),
    }.items():
        assert np.allclose(getattr(found, name), expected, rtol=0.02, atol=0.006), name
    assert abs(found.still_share - 0.08) < 0.006
    assert {field.name for field in fields(found)} >= set(REAL_TAKES)
