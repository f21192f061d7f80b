"""Plans for tests: text of one that is whole, and a toy index and speech to follow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from helpers_synthesis import toy_speech
from raggesture.plan_file.data import GivenPlan, PlanExemplar, PlanFile, PlanGesture, PlanSpeech
from raggesture.trace import SpeechFact
from raggesture.types import Cues, Speech

HEAD = 'schema = 1\n[speech]\nname = "s"\nduration_s = 10.0\nsha256 = "x"\n'
GESTURE = '[[gesture]]\nword = "huge"\nkind = "iconic"\n'
WORDS = "a huge mountain over there you had one idea huge"
HUGE = {"clip": "1_ann_0_1_1", "stroke": 1.5}
SMALL = {"clip": "1_ann_0_1_1", "stroke": 6.5}
IDEA = {"clip": "1_ann_0_2_2", "stroke": 3.5}


def speech_of(duration_s: float = 10.5, words: str = WORDS) -> Speech:
    return toy_speech(duration_s, words)


def cues_of(speech: Speech) -> Cues:
    """A prominence that grows, and a stressed vowel in the first third of every word."""
    words = speech.transcript.words
    return Cues((), tuple(0.5 + 0.1 * k for k in range(len(words))), tuple(w.start + 0.2 for w in words))


def gesture(word: str = "mountain", kind: str = "iconic", exemplar: Mapping[str, Any] | None = None, **keys: Any) -> PlanGesture:
    return PlanGesture(word, kind, exemplar=PlanExemplar(**exemplar) if exemplar else None, **keys)


def given(gestures: Sequence[PlanGesture], speech: Speech, name: str = "speech.plan.toml") -> GivenPlan:
    fact = SpeechFact.of(speech)
    return GivenPlan(name, PlanFile(PlanSpeech(fact.name, fact.duration_s, fact.sha256), gesture=tuple(gestures)), "5a")
