"""Voices through rooms and microphones: varied, repeatable, and the words stay where they are."""

from __future__ import annotations

import numpy as np
import pytest

from raggesture.corpus.starter.microphone import recorded
from raggesture.encoders.prosody import AccentEncoder


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    time_s = np.arange(3 * 16000) / 16000
    envelope = sum(np.exp(-0.5 * ((time_s - at) / 0.05) ** 2) for at in (0.5, 0.9, 1.4, 1.75, 2.4))
    return (0.5 * envelope * np.sin(2 * np.pi * (150 + 20 * np.sin(9 * time_s)) * time_s)).astype(np.float32)


def test_same_draws_same_wave_and_no_two_alike(clean) -> None:
    one, same = (recorded(clean, np.random.default_rng(3)) for _ in range(2))
    assert one.dtype == np.float32 and one.shape == clean.shape
    assert np.array_equal(one, same)
    many = [recorded(clean, np.random.default_rng(seed)) for seed in range(20)]
    assert len({wave.tobytes() for wave in many}) == 20
    peaks = [float(np.abs(wave).max()) for wave in many]
    assert max(peaks) <= 1 and max(peaks) > 3 * min(peaks)


def test_the_direct_sound_stays_where_it_was(clean) -> None:
    """The onset of each burst is found within 20 ms in every room."""
    for seed in range(20):
        wave = recorded(clean, np.random.default_rng(seed)).astype(np.float64)
        lag = np.argmax(np.correlate(np.abs(wave), np.abs(clean.astype(np.float64)), mode="same")) - len(clean) // 2
        assert abs(lag) < 0.035 * 16000


def test_the_nuclei_are_still_heard(clean) -> None:
    encoder = AccentEncoder()
    asked = encoder.encode(clean)[:, 12]
    found = [np.corrcoef(asked, encoder.encode(recorded(clean, np.random.default_rng(seed)))[:, 12])[0, 1] for seed in range(20)]
    assert np.median(found) > 0.7


def test_silence_and_next_to_nothing() -> None:
    for samples in (1, 50):
        wave = recorded(np.zeros(samples, np.float32), np.random.default_rng(1))
        assert wave.shape == (samples,) and np.isfinite(wave).all()
