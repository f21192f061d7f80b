"""What the choreographer lays over words."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from raggesture.corpus.starter.choreograph import choreograph
from raggesture.corpus.starter.lexicon_file import load_lexicon
from raggesture.corpus.starter.style import STYLES
from raggesture.types import Cues, Relation, Transcript, Word

FILLER = ["chalk", "marble", "carpet", "window", "market", "paper"]


def _speech(text: str, word_s: float = 0.3, pause_every: int = 12, pause_s: float = 0.6) -> tuple[Transcript, Cues]:
    words, at = [], 0.5
    for k, token in enumerate(text.split()):
        words.append(Word(token, at, at + word_s * 0.95))
        at += word_s + (pause_s if k % pause_every == pause_every - 1 else 0.0)
    rng = np.random.default_rng(0)
    prominence = tuple(float(value) for value in rng.uniform(0.3, 2.0, len(words)))
    return Transcript(tuple(words)), Cues((), prominence, tuple(word.start + 0.1 for word in words))


def _text(trigger: str, times: int, apart: int = 7) -> str:
    words = []
    for k in range(times):
        words += [trigger, *(FILLER[(k + j) % len(FILLER)] for j in range(apart))]
    return " ".join(words)


def test_trigger_words_get_their_gesture_on_the_stress() -> None:
    transcript, cues = _speech(_text("huge", 60))
    for style in STYLES[:3]:
        events = [event for event in choreograph(transcript, cues, style, 3) if event.gesture == "big"]
        assert len(events) >= 0.85 * 60
        assert all(abs(event.stroke_s - event.word_start - 0.1) < 1e-9 for event in events)
        assert {event.word for event in events} == {"huge"}


def test_gestures_keep_their_distance_and_beats_fill_the_rest() -> None:
    transcript, cues = _speech(_text("throw", 20, apart=1) + " " + _text("tiny", 20, apart=14))
    lexicon = load_lexicon()
    events = choreograph(transcript, cues, STYLES[0], 1)
    gestures = [event.stroke_s for event in events if lexicon[event.gesture].kind != "beat"]
    beats = [event for event in events if lexicon[event.gesture].kind == "beat"]
    assert min(b - a for a, b in pairwise(gestures)) >= 1.1 - 1e-9
    assert len(beats) >= 15
    for beat in beats:
        assert min(abs(beat.stroke_s - stroke) for stroke in gestures) >= 0.5


def test_all_events_lie_on_words_and_in_order() -> None:
    transcript, cues = _speech(_text("idea", 10), pause_every=5, pause_s=3.0)
    events = choreograph(transcript, cues, STYLES[1], 1)
    strokes = [event.stroke_s for event in events]
    assert strokes == sorted(strokes)
    assert all(any(word.start <= stroke <= word.end for word in transcript.words) for stroke in strokes)


def test_same_seed_same_events() -> None:
    transcript, cues = _speech(_text("balance", 8))
    assert choreograph(transcript, cues, STYLES[0], 1) == choreograph(transcript, cues, STYLES[0], 1)
    assert choreograph(transcript, cues, STYLES[0], 1) != choreograph(transcript, cues, STYLES[0], 2)


def test_hands_follow_the_speaker_and_swap_at_a_contrast() -> None:
    transcript, cues = _speech(_text("never", 30), pause_every=8)
    right = replace(STYLES[0], handedness=1.0)
    hands = [event.hand for event in choreograph(transcript, cues, right, 1) if event.gesture == "away"]
    assert set(hands) == {"right"}
    word = transcript.words[9]
    contrast = Relation("but", "Comparison.Contrast", word.start, word.end, word.start, word.end)
    swapped = choreograph(transcript, replace(cues, relations=(contrast,)), right, 1)
    assert any(event.hand == "left" for event in swapped)


def test_no_words_no_events() -> None:
    assert choreograph(Transcript(()), Cues(), STYLES[0], 1) == ()
