"""From a gesture of a plan to a query: where its word is spoken, its stress, its stroke."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.errors import InputError, did_you_mean
from raggesture.plan_file.data import PlanGesture, seconds
from raggesture.retrieval.words import clean_word
from raggesture.types import Cues, Query, Speech, Word

_ROUNDED_S = 0.0015
"""A plan's times are written to the millisecond."""
_NEAR_S = 1.0
"""So near to a word must a start be that means it."""
_LATE_S = 1.0
"""Recognisers let the last word end after the recording."""


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """The words of a speech, made ready for many look-ups. ``starts``, ``ends`` (N,) seconds; ``clean`` as words are compared."""

    words: tuple[Word, ...]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    clean: tuple[str, ...]
    duration_s: float

    @classmethod
    def of(cls, speech: Speech) -> Said:
        """The words of ``speech``."""
        return cls.of_words(speech.transcript.words, speech.duration_s)

    @classmethod
    def of_words(cls, words: tuple[Word, ...], duration_s: float) -> Said:
        """Words of a speech of ``duration_s``."""
        times = np.array([(word.start, word.end) for word in words]).reshape(-1, 2)
        return cls(words, times[:, 0], times[:, 1], tuple(clean_word(word.text) for word in words), duration_s)


def query_of_gesture(gesture: PlanGesture, at: str, said: Said, cues: Cues, speaker: str = "") -> Query:
    """The query that a gesture stands for, its stroke already moved by ``shift_s``.

    Args:
        at: the gesture's address, for messages. cues: of the same words. speaker: whose exemplars are preferred.

    Raises:
        InputError: a time outside the speech; a word that is not spoken, or several times where no ``start`` says which.
    """
    _check_inside(gesture, at, said.duration_s)
    if gesture.start is not None and gesture.end is not None:
        start, end = gesture.start, gesture.end
        middle = (said.starts + said.ends) / 2
        own: Sequence[int] = np.flatnonzero((start - _ROUNDED_S <= middle) & (middle <= end + _ROUNDED_S)).tolist()
    else:
        own = _spoken(gesture, at, said)
        start, end = said.words[own[0]].start, said.words[own[-1]].end
    stroke = gesture.stroke
    if stroke is None:
        vowel = _stressed(own, cues)
        stroke = (start + end) / 2 if vowel is None else min(max(vowel, start), end)
    moved = stroke + gesture.shift_s
    if not 0 <= moved < said.duration_s:
        how = f"stroke {seconds(stroke)} with shift_s {gesture.shift_s:g}" if gesture.shift_s else "stroke"
        raise InputError(f"{at}: {how} is at {seconds(moved)}; expected it inside the speech, 0 to {seconds(said.duration_s)} - correct it")
    heights = [cues.prominence[k] for k in own if k < len(cues.prominence)]
    wanted = gesture.prominence is None and gesture.chosen is None  # where the exemplar is named, nothing is left to be ranked
    prominence = sum(heights) / len(heights) if wanted and heights else gesture.prominence
    return Query(gesture.word, gesture.kind, start, end, gesture.weight, gesture.gesture, prominence, moved, speaker, gesture.parts)


def doubt_of(gesture: PlanGesture, said: Said) -> str:
    """What is spoken at a gesture's own times where it is something else than its word; "" where it fits or the times are looked up."""
    first, last = gesture.start, gesture.end
    if first is None or last is None:
        return ""
    there = " ".join(said.words[k].text for k in np.flatnonzero((said.ends > first) & (said.starts < last)))
    if f" {clean_word(gesture.word)} " in f" {clean_word(there)} ":
        return ""
    return f"from {seconds(first)} to {seconds(last)} {repr(there) if there else 'nothing'} is spoken, not {gesture.word!r}"


def _check_inside(gesture: PlanGesture, at: str, duration_s: float) -> None:
    limits = (("start", gesture.start, 0.0), ("stroke", gesture.stroke, 0.0), ("end", gesture.end, _LATE_S))
    for key, value, beyond in limits:
        if value is not None and value > duration_s + beyond:
            raise InputError(f"{at}: {key} {seconds(value)} is past the end of the speech, {seconds(duration_s)} - correct it")
    if gesture.start is not None and gesture.end is not None and gesture.end < gesture.start:
        raise InputError(f"{at}: end {seconds(gesture.end)} is before start {seconds(gesture.start)}; expected a time after it - correct it")


def _spoken(gesture: PlanGesture, at: str, said: Said) -> range:
    """Positions of the words that the gesture names, the nearest to its start where it has one."""
    wanted, words = tuple(clean_word(gesture.word).split()), said.words
    runs = [range(k, k + len(wanted)) for k in range(len(words) - len(wanted) + 1) if wanted and said.clean[k : k + len(wanted)] == wanted]
    if not runs:
        known = did_you_mean(gesture.word, {word.text for word in words}) if words else "no word was understood"
        raise InputError(f"{at}: word {gesture.word!r} is not spoken; {known} - correct it, or give start and end")
    starts = [words[run[0]].start for run in runs]
    if gesture.start is None:
        if len(runs) > 1:
            when = ", ".join(seconds(each) for each in starts[:10]) + (" ..." if len(starts) > 10 else "")
            raise InputError(f"{at}: word {gesture.word!r} is spoken {len(runs)} times, at {when}; expected to be told which - add start")
        return runs[0]
    nearest = min(range(len(runs)), key=lambda k: abs(starts[k] - (gesture.start or 0.0)))
    if abs(starts[nearest] - gesture.start) > _NEAR_S:
        raise InputError(f"{at}: word {gesture.word!r} is not spoken near start {seconds(gesture.start)}; nearest at {seconds(starts[nearest])} - correct it")
    return runs[nearest]


def _stressed(own: Sequence[int], cues: Cues) -> float | None:
    """The stressed vowel of the most prominent of some words."""
    known = [k for k in own if k < len(cues.stress_s)]
    if not known:
        return None
    return cues.stress_s[max(known, key=lambda k: cues.prominence[k] if k < len(cues.prominence) else 0.0)]
