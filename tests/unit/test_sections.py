"""A long speech in sections: every sample and every word once, cut where it is quiet, texts that go on after a kill."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raggesture.errors import InputError
from raggesture.speech import sections as module
from raggesture.speech.sections import LONGEST_S, SHORTEST_S, WANTED_S, Section, Timed, Written, quietest, sections, shifted
from raggesture.types import Transcript, Word

RATE = 16_000
SAID = [f"word{k}" for k in range(400)]
"""One a second, so that a word tells its second."""


def hum(seconds: float, quiet: tuple[float, ...] = ()) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    wave = (0.3 * np.sin(2 * np.pi * 150 * t)).astype(np.float32)
    for at in quiet:
        wave[round((at - 0.4) * RATE) : round((at + 0.4) * RATE)] *= 0.01
    return wave


def blocks(wave: np.ndarray, size: int = 20 * RATE) -> Iterator[np.ndarray]:
    return (wave[at : at + size] for at in range(0, len(wave), size))


def words(seconds: float) -> Transcript:
    return Transcript(tuple(Word(SAID[k], k + 0.2, k + 0.7) for k in range(int(seconds))))


@settings(max_examples=25, deadline=None)
@given(seconds=st.floats(0.5, 330), size=st.integers(RATE // 3, 40 * RATE))
def test_sections_hold_every_sample_and_every_word_once(seconds: float, size: int) -> None:
    wave = hum(seconds)
    cut = list(sections(blocks(wave, size), Timed(words(seconds)), len(wave)))
    np.testing.assert_array_equal(np.concatenate([section.wave for section in cut]), wave)
    assert [section.last for section in cut] == [False] * (len(cut) - 1) + [True]
    for section in cut:
        assert round(section.start_s * 15, 6) == section.first_frame and section.first_frame % 3 == 0
        assert section.last or SHORTEST_S - 0.2 <= section.end_s - section.start_s <= WANTED_S + 0.2
    assert cut[-1].end_s - cut[-1].start_s <= LONGEST_S + 0.01
    found = [word for section in cut for word in shifted(section.transcript.words, section.start_s)]
    assert [word.text for word in found] == [word.text for word in words(seconds).words]
    for a, b in pairwise(cut):  # between words, never in one
        assert b.start_s == pytest.approx(a.end_s) and not any(word.start < b.start_s < word.end for word in words(seconds).words)


def test_cut_where_it_is_quiet() -> None:
    assert quietest(hum(80, quiet=(61.0,)), 45.0, 75.0) == pytest.approx(61.0, abs=0.21)
    speech = Transcript(())
    (first, *_) = sections(blocks(hum(200, quiet=(52.4,))), Timed(speech), 200 * RATE)
    assert first.end_s == pytest.approx(52.4, abs=0.21)


class Ears:
    """Hears the words of the seconds that a piece holds; what lies where is told by ``start_s`` of the piece before."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def __call__(self, wave: np.ndarray) -> Transcript:
        start, seconds = self.at_s, len(wave) / RATE
        return Transcript(tuple(Word(SAID[k], k + 0.2 - start, k + 0.7 - start) for k in range(int(start + 0.9), int(start + seconds)) if k < len(SAID)))


class Following(Written):
    """A text whose ears know where they are."""

    def of(self, wave: np.ndarray, start_s: float, *, last: bool) -> Transcript:
        self._transcriber.at_s = start_s  # type: ignore[attr-defined]
        return super().of(wave, start_s, last=last)


@pytest.fixture
def ears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Transcriber", Ears)
    monkeypatch.setattr(module, "refine", lambda wave, rough: rough)


def taken(text: Written, seconds: float, known: dict[int, Transcript] | None = None) -> list[Section]:
    wave = hum(seconds)
    return list(sections(blocks(wave), text, len(wave), (known or {}).get))


def test_a_text_is_shared_among_sections_and_goes_on_after_a_kill(ears: None) -> None:
    text = " ".join(SAID[:240])
    whole = taken(Following("talk.txt", text), 240)
    assert len(whole) >= 3
    assert [word.text for section in whole for word in section.transcript.words] == SAID[:240]
    for done in range(1, len(whole)):
        again = taken(Following("talk.txt", text), 240, {k: whole[k].transcript for k in range(done)})
        assert [section.transcript for section in again] == [section.transcript for section in whole]


def test_a_text_that_is_longer_than_the_speech_is_warned_of(ears: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "raggesture"):
        cut = taken(Following("talk.txt", " ".join([*SAID[:200], *(f"unsaid{k}" for k in range(300))])), 200)
    assert [word.text for section in cut for word in section.transcript.words] == SAID[:200]
    assert "talk.txt: 300 words at its end, from 'unsaid0 unsaid1" in caplog.text


def test_another_text_is_refused_where_it_begins_to_differ(ears: None) -> None:
    other = [*SAID[:70], *(f"other{k}" for k in range(200))]
    with pytest.raises(InputError, match=r"talk\.txt: the word 'other\d+' and others are not heard in the voice after \d+ s"):
        taken(Following("talk.txt", " ".join(other)), 240)
