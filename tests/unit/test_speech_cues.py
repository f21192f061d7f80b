"""Prominence, stress instants and discourse relations."""

from __future__ import annotations

import numpy as np
import pytest

from raggesture.speech.cues import find_cues
from raggesture.speech.discourse import find_relations
from raggesture.speech.pitch import pitch
from raggesture.speech.prominence import word_prominence
from raggesture.types import Speech, Transcript, Word


def spoken(text: str, seconds: float = 0.3) -> Transcript:
    """A transcript in which ``/`` is a pause of half a second."""
    words, at = [], 0.2
    for token in text.split():
        if token == "/":
            at += 0.5
            continue
        bare = token.rstrip(".,!?")
        words.append(Word(bare, at, at + seconds, token[len(bare) :]))
        at += seconds
    return Transcript(tuple(words))


def syllables(levels: list[float], tones_hz: list[float]) -> tuple[np.ndarray, Transcript]:
    """One vowel-like sound of 0.3 s per word: loudness and pitch as asked."""
    time = np.arange(4800) / 16000
    bell = np.hanning(4800)
    parts = [level * bell * sum(np.sin(2 * np.pi * k * hz * time) / k for k in range(1, 8)) for level, hz in zip(levels, tones_hz, strict=True)]
    wave = np.concatenate([np.zeros(3200), *parts, np.zeros(3200)]).astype(np.float32)
    return wave, Transcript(tuple(Word(f"w{i}", 0.2 + 0.3 * i, 0.5 + 0.3 * i) for i in range(len(levels))))


def test_louder_higher_word_is_prominent_and_the_mean_is_one() -> None:
    levels, tones = [0.08] * 9, [120.0] * 9
    levels[4], tones[4] = 0.25, 170.0
    values, stress = word_prominence(*syllables(levels, tones))
    assert np.argmax(values) == 4
    assert values[4] > 1.5
    assert np.mean(values) == pytest.approx(1, abs=0.15)
    assert abs(stress[4] - (0.2 + 4 * 0.3 + 0.15)) < 0.03


def test_prominence_does_not_depend_on_the_microphone() -> None:
    rng = np.random.default_rng(3)
    wave, transcript = syllables(list(rng.uniform(0.05, 0.3, 12)), list(rng.uniform(100, 200, 12)))
    loud, _ = word_prominence(wave, transcript)
    quiet, _ = word_prominence((0.1 * wave).astype(np.float32), transcript)
    np.testing.assert_allclose(loud, quiet, rtol=0.05, atol=0.02)


def test_longer_word_of_the_same_sound_is_more_prominent() -> None:
    wave, even = syllables([0.1] * 9, [120.0] * 9)
    words = [Word(w.text, w.start, w.end) for w in even.words]
    words[4] = Word("w4", words[4].start - 0.12, words[4].end + 0.12)
    words[3] = Word("w3", words[3].start, words[4].start)
    words[5] = Word("w5", words[4].end, words[5].end)
    values, _ = word_prominence(wave, Transcript(tuple(words)))
    assert values[4] > values[3] and values[4] > values[5]


def test_stress_is_inside_its_word_and_follows_the_energy() -> None:
    wave = np.zeros(16000, np.float32)
    wave[12000:12800] = 0.5 * np.sin(np.arange(800) * 0.3)
    _, stress = word_prominence(wave, Transcript((Word("a", 0.1, 0.9), Word("b", 0.95, 1.4))))
    assert stress[0] == pytest.approx(0.775, abs=0.03)
    assert 0.95 <= stress[1] <= 1.4


@pytest.mark.parametrize("wave", [np.zeros(16000), np.full(16000, 1e-7), np.random.default_rng(0).normal(0, 0.1, 8000)])
def test_no_speech_gives_finite_values(wave: np.ndarray) -> None:
    samples = wave.astype(np.float32)
    assert word_prominence(samples, Transcript(())) == ((), ())
    values, stress = word_prominence(samples, spoken("one two three"))
    assert len(values) == len(stress) == 3
    assert np.isfinite(values).all() and min(values) >= 0


@pytest.mark.parametrize("hz", [80, 120, 210, 400])
def test_pitch_of_a_tone_in_noise(hz: int) -> None:
    time = np.arange(16000) / 16000
    wave = sum(np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 6)) * 0.2
    track = pitch((wave + np.random.default_rng(0).normal(0, 0.01, 16000)).astype(np.float32))
    assert track.voiced[5:-5].all()
    assert np.abs(track.f0_hz[5:-5] / hz - 1).max() < 0.02


def test_noise_and_silence_have_no_pitch() -> None:
    assert pitch(np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)).voiced.mean() < 0.02
    assert not pitch(np.zeros(16000, np.float32)).voiced.any()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("we ran home because it was raining", [("because", "Contingency.Cause", "we ran home", "it was raining")]),
        ("because it was raining, we ran home", [("because", "Contingency.Cause", "we ran home", "it was raining")]),
        ("I like tea but she likes coffee", [("but", "Comparison.Contrast", "I like tea", "she likes coffee")]),
        ("if you go / I will stay", [("if", "Contingency.Condition", "I will stay", "you go")]),
        ("he slept / although he was hungry", [("although", "Comparison.Concession", "he slept", "he was hungry")]),
        ("I like fruit. For example, I eat pears", [("For example", "Expansion.Instantiation", "I like fruit", "I eat pears")]),
        ("it was dark so we went home", [("so", "Contingency.Cause", "it was dark", "we went home")]),
        ("we ate and then we slept", [("and then", "Temporal.Asynchronous", "we ate", "we slept")]),
        ("I have lived here since I was born", [("since", "Temporal.Asynchronous", "I have lived here", "I was born")]),
        ("since you are here / we can start", [("since", "Contingency.Cause", "we can start", "you are here")]),
    ],
)
def test_relations_and_their_arguments(text: str, expected: list[tuple[str, str, str, str]]) -> None:
    found = find_relations(spoken(text))
    assert [(r.connective, r.sense, r.arg1, r.arg2) for r in found] == expected


@pytest.mark.parametrize("text", ["salt and pepper", "it is so big", "tea or coffee", "the day after tomorrow", "as big as that", "a rather long word"])
def test_words_that_are_not_used_as_connectives(text: str) -> None:
    assert find_relations(spoken("look at " + text)) == ()


def test_every_relation_lies_inside_the_speech_whatever_is_said() -> None:
    rng = np.random.default_rng(0)
    stock = ("and but so because if when then as since while for example i we it was the big house ran / / or although though not only").split()  # noqa: SIM905
    for _ in range(300):
        transcript = spoken(" ".join(rng.choice(stock, rng.integers(1, 25))))
        for relation in find_relations(transcript):
            assert relation.start <= relation.connective_start <= relation.connective_end <= relation.end
            assert transcript.words[0].start <= relation.start and relation.end <= transcript.words[-1].end
    assert find_relations(Transcript(())) == ()


def test_cues_of_an_empty_and_of_a_short_speech() -> None:
    wave = np.zeros(16000, np.float32)
    assert find_cues(Speech("a", wave, Transcript(()))).prominence == ()
    cues = find_cues(Speech("a", wave.copy(), spoken("we ran because it rained")))
    assert len(cues.prominence) == len(cues.stress_s) == 5
    assert cues.relations[0].sense == "Contingency.Cause"
