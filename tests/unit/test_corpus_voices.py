"""Word times from the synthesiser's segments."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from raggesture.corpus.starter import voices
from raggesture.corpus.starter.voices import Delivery, align_phones, flite_voice, words_of
from raggesture.errors import ModelError


def test_words_of_strips_punctuation() -> None:
    assert words_of("So, it's a BIG idea.") == ("so", "it's", "a", "big", "idea")


def test_alignment_survives_reduced_vowels_and_lost_phones() -> None:
    assert align_phones(["dh", "ax", "b", "ih", "g"], ["dh", "iy", "b", "ih", "g"]) == (0, 1, 2, 3, 4)
    assert align_phones(["b", "g"], ["b", "ih", "g"]) == (0, 2)
    assert align_phones(["b", "ih", "t", "g"], ["b", "ih", "g"])[-1] == 2


def test_missing_flite_is_a_model_error(monkeypatch) -> None:
    monkeypatch.setattr(voices.shutil, "which", lambda name: None)
    with pytest.raises(ModelError, match="Debian package flite"):
        flite_voice("Hello there.", Delivery("slt"))


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_flite_words_lie_where_the_voice_is() -> None:
    spoken = flite_voice("So here is a big idea, because it matters.", Delivery("slt", 1.1, 1.05))
    assert [word.text for word in spoken.words] == ["So", "here", "is", "a", "big", "idea", "because", "it", "matters"]
    assert spoken.words[5].after == "," and spoken.words[-1].after == "."
    starts, ends = [w.start for w in spoken.words], [w.end for w in spoken.words]
    assert all(a < b for a, b in zip(starts, ends, strict=True)) and starts == sorted(starts)
    assert ends[-1] < len(spoken.wave) / 16_000
    loud = np.abs(spoken.wave) > 0.05
    spoken_samples = np.zeros(len(spoken.wave), bool)
    for word in spoken.words:
        spoken_samples[int(word.start * 16_000) : int(word.end * 16_000)] = True
    assert loud[~spoken_samples].mean() < 0.05 < loud[spoken_samples].mean()


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_pitch_changes_the_voice_but_not_its_tempo() -> None:
    low, high = (flite_voice("A wide river.", Delivery("rms", 1.0, pitch)) for pitch in (0.9, 1.1))
    assert abs(len(low.wave) - len(high.wave)) < 0.03 * len(low.wave)

    def centroid(wave):
        spectrum = np.abs(np.fft.rfft(wave))
        return (spectrum * np.arange(len(spectrum))).sum() / spectrum.sum() / len(wave)

    assert centroid(high.wave) > 1.05 * centroid(low.wave)
