"""The choreographer: words with times, stress and relations -> the gestures a speaker makes to them.

A word of the lexicon gets its gesture nearly always (that is what a model can learn from), the stroke on its stressed
vowel; between gestures beats fall on prominent words. Rates are those of the speaker's style; what gives way to what is
decided here, how it is moved in the performer. Stroke on stress is our design (in real takes hands are not visibly locked
to it, see the notes on choreography).

Conventions: seconds from the start of the clip. All draws come from one seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raggesture.corpus.starter.events import GestureEvent, Hand
from raggesture.corpus.starter.lexicon import Gesture, Lexicon
from raggesture.corpus.starter.lexicon_file import load_lexicon
from raggesture.corpus.starter.style import Style
from raggesture.types import Cues, Transcript, Word

_STROKE_GAP_S = 1.1
"""Least time between the strokes of two gestures."""
_BEAT_SPACING_S = (0.7, 1.6)
"""Time from one stroke to the next beat where there is no gesture."""
_BEAT_CLEAR_S = 0.5
"""A beat keeps this distance from the end of a gesture's keys and from the start of the next one's."""
_PHRASE_PAUSE_S = 0.25
_SAME_S = 0.05
_HOLD_S = (0.15, 1.2)
_USUAL_RATE_HZ, _USUAL_BEATS_HZ = 0.32, 0.45


@dataclass(frozen=True, slots=True)
class _Spoken:
    """A word with what is known of it."""

    word: Word
    stroke_s: float
    prominence: float
    phrase_end: float


def _spoken(transcript: Transcript, cues: Cues) -> list[_Spoken]:
    words = transcript.words
    ends = [0.0] * len(words)
    end = 0.0
    for index in range(len(words) - 1, -1, -1):
        last = index + 1 == len(words) or words[index + 1].start - words[index].end > _PHRASE_PAUSE_S
        end = words[index].end if last or end == 0.0 else end
        ends[index] = end
    stress = cues.stress_s or tuple((word.start + word.end) / 2 for word in words)
    prominence = cues.prominence or (1.0,) * len(words)
    return [_Spoken(word, float(np.clip(at, word.start, word.end)), value, end) for word, at, value, end in zip(words, stress, prominence, ends, strict=True)]


def _connects(gesture: Gesture, word: Word, cues: Cues) -> bool:
    """A gesture of the discourse wants its word as a connective of one of its relations; any other gesture just the word."""
    if not gesture.relations:
        return True
    senses = [relation.sense for relation in cues.relations if abs(relation.connective_start - word.start) < _SAME_S]
    return any(sense.startswith(gesture.relations) for sense in senses)


def _triggered(spoken: Sequence[_Spoken], cues: Cues, lexicon: Lexicon, style: Style, rng: np.random.Generator) -> list[tuple[_Spoken, Gesture]]:
    """Trigger words that want their gesture: 90 to 98 of a hundred, more for a lively speaker."""
    chance = float(np.clip(0.94 + 0.12 * (style.gesture_rate / _USUAL_RATE_HZ - 1), 0.91, 0.98))
    wanted = []
    for item in spoken:
        gestures = [gesture for gesture in lexicon.for_word(item.word.text) if _connects(gesture, item.word, cues)]
        if gestures and rng.random() < chance:
            wanted.append((item, gestures[int(rng.integers(len(gestures)))]))
    return wanted


def _with_room(wanted: Sequence[tuple[_Spoken, Gesture]]) -> list[tuple[_Spoken, Gesture]]:
    """The subset with strokes at least ``_STROKE_GAP_S`` apart that keeps the most, prominent words first (dynamic programming)."""
    best: list[tuple[float, int]] = []  # value up to and with k, the one before
    for k, (item, _) in enumerate(wanted):
        value, before = 0.0, -1
        for j in range(k):
            if item.stroke_s - wanted[j][0].stroke_s >= _STROKE_GAP_S and best[j][0] > value:
                value, before = best[j][0], j
        best.append((value + 1.0 + 0.2 * min(item.prominence, 2.5), before))
    at = max(range(len(best)), key=lambda k: best[k][0], default=-1)
    kept = []
    while at >= 0:
        kept.append(wanted[at])
        at = best[at][1]
    return kept[::-1]


def _contrasts(cues: Cues) -> list[float]:
    """Instants at which the other hand takes over: comparisons and alternatives."""
    return sorted(relation.connective_start for relation in cues.relations if relation.sense.startswith("Comparison") or "Disjunction" in relation.sense)


def _other(hand: Hand) -> Hand:
    return "left" if hand == "right" else "right"


class _Hands:
    """The hand that leads: drawn anew at each phrase, swapped at a contrast."""

    def __init__(self, style: Style, contrasts: Sequence[float], rng: np.random.Generator) -> None:
        self._style, self._rng, self._contrasts = style, rng, list(contrasts)
        self._phrase_end, self._hand = -1.0, self._draw()

    def _draw(self) -> Hand:
        return "right" if self._rng.random() < self._style.handedness else "left"

    def at(self, item: _Spoken) -> Hand:
        """Leading hand at a word; to be asked in the order of time."""
        if item.phrase_end > self._phrase_end + 1e-6:
            self._phrase_end = item.phrase_end
            self._hand = self._draw()
        while self._contrasts and self._contrasts[0] <= item.stroke_s:
            self._contrasts.pop(0)
            self._hand = _other(self._hand)
        return self._hand


def _event(item: _Spoken, gesture: Gesture, hand: Hand, rng: np.random.Generator) -> GestureEvent:
    loud = float(np.clip(item.prominence, 0.3, 2.5))
    variant = int(rng.integers(1 << 16))
    form = gesture.form(variant)
    keys_end = item.stroke_s + form.keys[-1].t
    return GestureEvent(
        gesture=gesture.name,
        word=item.word.text.lower(),
        word_start=item.word.start,
        word_end=item.word.end,
        stroke_s=item.stroke_s,
        hand="both" if form.two_handed else hand,
        size=float(np.clip(0.94 + 0.08 * (loud - 1) + rng.normal(0, 0.06), 0.8, 1.25)),
        tempo=float(np.clip(1 + rng.normal(0, 0.05), 0.88, 1.12)),
        hold_s=float(np.clip(item.phrase_end - keys_end, *_HOLD_S)),
        prominence=loud,
        variant=variant,
    )


def _beat_room(events: Sequence[tuple[float, Gesture]], at: float) -> bool:
    """Nothing of the gestures around is disturbed by a beat at ``at``."""
    spans = ((stroke + gesture.main.keys[0].t, stroke + gesture.main.keys[-1].t) for stroke, gesture in events)
    return all(at <= first - _BEAT_CLEAR_S or at >= last + _BEAT_CLEAR_S for first, last in spans)


def _beat_name(item: _Spoken, after_gesture_s: float, contrast: bool, rng: np.random.Generator) -> str:
    if contrast:
        return "beat_flick"
    if after_gesture_s < 1.4 and rng.random() < 0.6:
        return "beat_on"
    strong = item.prominence > 1.6
    names = ("beat_down", "beat_flick", "beat_both")
    return str(rng.choice(names, p=(0.3, 0.2, 0.5) if strong else (0.5, 0.3, 0.2)))


def _beats(
    spoken: Sequence[_Spoken], gestures: Sequence[tuple[float, Gesture]], cues: Cues, style: Style, rng: np.random.Generator
) -> list[tuple[_Spoken, str]]:
    """Beats on the most prominent word of each stretch of speech that has no gesture."""
    contrasts = _contrasts(cues)
    open_words = [item for item in spoken if _beat_room(gestures, item.stroke_s)]
    slow = _USUAL_BEATS_HZ / style.beat_rate
    beats: list[tuple[_Spoken, str]] = []
    last = -1.0
    strokes = [stroke for stroke, _ in gestures]
    while True:
        low = last + _BEAT_SPACING_S[0] * slow
        following = [item for item in open_words if item.stroke_s >= low]
        if not following:
            return beats
        first = following[0].stroke_s
        window = [item for item in following if item.stroke_s <= first + (_BEAT_SPACING_S[1] - _BEAT_SPACING_S[0]) * slow]
        item = max(window, key=lambda one: one.prominence + (0.5 if any(abs(one.word.start - at) < 0.05 for at in contrasts) else 0.0) + 0.2 * rng.random())
        last = item.stroke_s
        if item.prominence < 0.45 or rng.random() < 0.08:
            continue
        since = min((item.stroke_s - stroke for stroke in strokes if stroke < item.stroke_s), default=9.0)
        contrast = any(abs(item.word.start - at) < 0.05 for at in contrasts)
        beats.append((item, _beat_name(item, since, contrast, rng)))


def choreograph(transcript: Transcript, cues: Cues, style: Style, seed: int, *, lexicon: Lexicon | None = None) -> tuple[GestureEvent, ...]:
    """Lay gestures and beats over a speech.

    Args:
        transcript: words with times; cues: prominence and stress per word, relations; style: who speaks; seed: of all draws.

    Returns:
        Events in the order of their strokes; gestures at least 1.1 s apart, none in a pause.
    """
    lexicon = lexicon or load_lexicon()
    rng = np.random.default_rng([seed, 7])
    spoken = _spoken(transcript, cues)
    gestures = _with_room(_triggered(spoken, cues, lexicon, style, rng))
    beats = [(item, lexicon[name]) for item, name in _beats(spoken, [(item.stroke_s, gesture) for item, gesture in gestures], cues, style, rng)]
    hands = _Hands(style, _contrasts(cues), rng)
    planned = sorted([*gestures, *beats], key=lambda pair: pair[0].stroke_s)
    return tuple(_event(item, gesture, hands.at(item), rng) for item, gesture in planned)
