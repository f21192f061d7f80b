"""From speech to the conditions of a window: words at borders, contexts, rates, the voice of a window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from raggesture.clock import SAMPLE_RATE_HZ, frames_of_seconds
from raggesture.encoders.conditioning import (
    RELEASED_RULES,
    ConditionEncoder,
    ConditionRules,
    SpeechConditions,
    WindowConditions,
    window_transcript,
    window_wave,
)
from raggesture.errors import ModelError
from raggesture.speech.audio import resample_there_and_back
from raggesture.types import Transcript, Word

WORDS = Transcript(
    (Word("one", 0.2, 0.8), Word("two", 9.4, 10.2), Word("three", 9.8, 10.8), Word("four", 12.0, 12.05), Word("five", 19.99, 20.4)), source="given"
)


class CountingText:
    """A word's vector: how many words it was encoded with, and its own length."""

    name, dim = "counting", 2

    def __init__(self, *, per_window: bool) -> None:
        self.per_window = per_window
        self.calls: list[tuple[str, ...]] = []

    def words(self, transcript: Transcript) -> np.ndarray:
        self.calls.append(tuple(word.text for word in transcript.words))
        return np.array([[len(transcript.words), len(word.text)] for word in transcript.words], np.float32).reshape(-1, 2)

    def sentences(self, texts):
        raise NotImplementedError


class Loudness:
    """Of a whole speech: its mean level at 15 Hz."""

    name, dim, rate_hz, per_window = "loudness", 1, 15.0, False

    def encode(self, wave: np.ndarray) -> np.ndarray:
        frames = frames_of_seconds(len(wave) / SAMPLE_RATE_HZ, 15)
        return np.full((frames, 1), np.abs(wave).max(initial=0), np.float32) + np.arange(frames, dtype=np.float32)[:, None]


class Slices:
    """Per window, seven vectors however long it is: sums of its samples."""

    name, dim, rate_hz, per_window = "slices", 1, 0.7, True

    def __init__(self) -> None:
        self.heard: list[np.ndarray] = []

    def encode(self, wave: np.ndarray) -> np.ndarray:
        self.heard.append(wave)
        return np.array([[part.sum()] for part in np.array_split(wave, 7)], np.float32)


def speech(encoder: ConditionEncoder, seconds: float = 21.0, calls: list[int] | None = None) -> SpeechConditions:
    wave = np.linspace(0.1, 1.0, round(seconds * SAMPLE_RATE_HZ), dtype=np.float32)

    def voice() -> np.ndarray:
        if calls is not None:
            calls.append(1)
        return wave

    return encoder.speech(WORDS, frames_of_seconds(seconds, 15), voice)


def window_of(encoder: ConditionEncoder, start: int) -> WindowConditions:
    return speech(encoder).window(start)


def test_encoders_of_a_whole_speech_are_asked_once() -> None:
    text, calls = CountingText(per_window=False), list[int]()
    heard = speech(ConditionEncoder(text, Loudness()), calls=calls)
    first, second = heard.window(0), heard.window(135)
    assert text.calls == [("one", "two", "three", "four", "five")] and calls == [1]
    assert first.text.shape == second.text.shape == (150, 2) and first.audio.shape == (150, 1)
    np.testing.assert_array_equal(first.text[135:], second.text[:15])
    np.testing.assert_array_equal(first.audio[135:], second.audio[:15])
    past = heard.window(300)
    assert (past.audio[:15] != 0).all() and not past.audio[15:].any() and not past.text[15:].any()
    np.testing.assert_array_equal(heard.window(-20).audio[:20], 0)


def test_encoders_of_one_window_are_asked_for_each() -> None:
    text, audio, calls = CountingText(per_window=True), Slices(), list[int]()
    heard = speech(ConditionEncoder(text, audio), calls=calls)
    first = heard.window(0)
    assert first.text.shape == (150, 2) and first.audio.shape == (7, 1)
    assert calls == [1] and text.calls == [("one", "two")] and [len(wave) for wave in audio.heard] == [160_000]
    heard.window(135)
    assert text.calls[1] == ("two", "three", "four") and calls == [1]  # 9 to 19 s; "five" has its middle at 20.2
    np.testing.assert_array_equal(audio.heard[1][:16_000], audio.heard[0][144_000:])


def test_many_windows_of_a_voice() -> None:
    class Batched(Slices):
        def encode_batch(self, waves: np.ndarray) -> np.ndarray:
            return np.stack([Slices.encode(self, wave) for wave in waves])

    starts = (0, 5, 135, 300)
    one_by_one, together, track = Slices(), Batched(), Loudness()
    wanted = [speech(ConditionEncoder(CountingText(per_window=True), one_by_one)).audio(start) for start in starts]
    for audio in (one_by_one, together):
        np.testing.assert_array_equal(speech(ConditionEncoder(CountingText(per_window=True), audio)).audios(starts), np.stack(wanted))
    assert speech(ConditionEncoder(CountingText(per_window=True), track)).audios(starts).shape == (4, 150, 1)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (ConditionRules(), ("one", "two")),
        (ConditionRules(border_words="inside"), ("one",)),
        (ConditionRules(text_context="speech"), ("one", "two", "three", "four", "five")),
    ],
)
def test_what_a_word_is_read_with(rules: ConditionRules, words: tuple[str, ...]) -> None:
    text = CountingText(per_window=True)
    window_of(ConditionEncoder(text, Loudness(), rules), 0)
    assert text.calls == [words]


def test_a_speech_encoder_can_be_made_to_read_windows() -> None:
    text = CountingText(per_window=False)
    window_of(ConditionEncoder(text, Loudness(), ConditionRules(text_context="window")), 150)
    assert text.calls == [("three", "four")]  # "three" has its middle at 10.3 s, "five" at 20.195


def test_no_word_is_lost_between_windows_that_touch() -> None:
    windows = [window_transcript(WORDS, start) for start in (0, 150, 300)]
    assert [word.text for window in windows for word in window.words] == [word.text for word in WORDS.words]
    (_, two), (three, _), (five,) = (window.words for window in windows)
    assert (two.start, two.end) == (9.4, 10.0)  # cut at the border
    assert (three.start, three.end) == pytest.approx((0.0, 0.8)) and (five.start, five.end) == pytest.approx((0.0, 0.4))
    inside = [window_transcript(WORDS, start, border="inside") for start in (0, 150, 300)]
    assert [word.text for window in inside for word in window.words] == ["one", "four"]  # as published: the others are in no window


def test_alignments_differ_where_a_word_is_shorter_than_a_frame() -> None:
    text = CountingText(per_window=True)
    ours = window_of(ConditionEncoder(text, Loudness()), 150).text[:, 1]
    released = window_of(ConditionEncoder(text, Loudness(), replace(RELEASED_RULES, resampling="once")), 150).text[:, 1]
    assert set(ours) == {0, 4, 5} and set(released) == {0}  # "three" crosses the border, "four" is within one frame


def test_a_window_without_words_or_voice() -> None:
    silent = ConditionEncoder(CountingText(per_window=True), Slices()).speech(Transcript(()), 150, lambda: None).window(0)
    assert silent.text.shape == (150, 2) and not silent.text.any() and not silent.audio.any() and silent.audio.shape == (7, 1)
    track = ConditionEncoder(CountingText(per_window=False), Loudness()).speech(Transcript(()), 20, lambda: None).window(0)
    assert not track.text.any() and not track.audio.any() and track.audio.shape == (150, 1)


@pytest.mark.parametrize("start", [-200, -30, 0, 1, 7, 135, 310, 400])
def test_samples_of_a_window(start: int) -> None:
    wave = np.arange(1, 21 * SAMPLE_RATE_HZ + 1, dtype=np.float32)
    found = window_wave(wave, start)
    first = int(np.floor(start * 16000 / 15))
    at = np.arange(first, first + 160_000)
    inside = (at >= 0) & (at < len(wave))
    np.testing.assert_array_equal(found, np.where(inside, wave[at.clip(0, len(wave) - 1)], 0))
    assert len(window_wave(wave, start, 7)) == int(7 / 15 * 16000)


def test_double_resampling_is_what_librosa_did_there() -> None:
    import librosa

    rng = np.random.default_rng(0)
    wave = (0.2 * rng.standard_normal(30_001)).astype(np.float32)
    wanted = librosa.resample(librosa.resample(wave, orig_sr=16000, target_sr=22050), orig_sr=22050, target_sr=16000)
    found = resample_there_and_back(wave)
    assert found.shape == wave.shape and found.dtype == np.float32
    common = min(len(found), len(wanted)) - 1
    np.testing.assert_allclose(found[:common], wanted[:common], atol=1e-5)
    assert np.abs(found - wave).max() > 1e-3  # it takes the top of the band away
    audio = Slices()
    window_of(ConditionEncoder(CountingText(per_window=True), audio, ConditionRules(resampling="double")), 0)
    plain = Slices()
    window_of(ConditionEncoder(CountingText(per_window=True), plain), 0)
    assert 0 < np.abs(audio.heard[0] - plain.heard[0]).max() < 0.2


def test_widths_are_held_against_the_model() -> None:
    encoder = ConditionEncoder(CountingText(per_window=True), Loudness())
    encoder.check_widths(2, 1, "model")
    with pytest.raises(ModelError, match=r"big: takes text vectors of 768 numbers, and its text encoder 'counting' gives 2; expected the same"):
        encoder.check_widths(768, 1, "big")
    with pytest.raises(ModelError, match=r"big: takes audio vectors of 768 numbers"):
        encoder.check_widths(2, 768, "big")


def test_rules_have_a_key() -> None:
    assert RELEASED_RULES.key == "window/inside/released/double" != ConditionRules().key
