"""Explicit discourse connectives to PDTB-3 senses, with the spans of their two arguments.

A table of connectives, the longest first, and a few rules for those with several uses (``so``, ``and``, ``since``, ``as``,
``while``, ``but``, ``then``). Clauses end at pauses and at punctuation. Senses: Webber, Prasad, Lee, Joshi 2019, "The Penn
Discourse Treebank 3.0 Annotation Manual" (second level).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raggesture.speech.connectives import (
    ASYNCHRONOUS,
    BEFORE_DEGREE,
    CAUSE,
    CONCESSION,
    CONNECTIVES,
    CONTRAST,
    DETERMINERS,
    FINITE,
    PURPOSE,
    SO_DEGREE,
    SUBJECTS,
    SUBORDINATING,
    SYNCHRONOUS,
)
from raggesture.types import Relation, Transcript, Word

_LONGEST = max(len(name.split()) for name in CONNECTIVES)
_CLAUSE_PAUSE_S = 0.25
_FURTHEST_S = 6.0
_SUBJECTS_WITH_VERB = ("'m", "'s", "'re", "'ve", "'d", "'ll")


@dataclass(frozen=True, slots=True)
class _Found:
    start: int
    stop: int
    name: str
    sense: str


def find_relations(transcript: Transcript) -> tuple[Relation, ...]:
    """Find the relations that explicit connectives signal, in time order.

    Args:
        transcript: words with times; punctuation helps where it is known, pauses do where it is not.

    Returns:
        One Relation per connective in discourse use; connectives that only join two words are left out.
    """
    words = transcript.words
    texts = [word.text.lower() for word in words]
    borders = _clause_borders(words)
    found: list[_Found] = []
    at = 0
    while at < len(texts):
        match = _match(words, texts, borders, at)
        if match is not None:
            found.append(match)
        at = match.stop if match is not None else at + 1
    return tuple(_relation(words, borders, each, found) for each in found)


def _match(words: Sequence[Word], texts: Sequence[str], borders: frozenset[int], at: int) -> _Found | None:
    for length in range(min(_LONGEST, len(texts) - at), 0, -1):
        name = " ".join(texts[at : at + length])
        if name not in CONNECTIVES or any(words[i].after.strip("-") for i in range(at, at + length - 1)):
            continue
        sense = _sense(texts, borders, at, at + length, name)
        if sense is not None:
            return _Found(at, at + length, name, sense)
    return None


def _clause_borders(words: Sequence[Word]) -> frozenset[int]:
    """Indices of words that begin a clause: after a pause or punctuation."""
    begins = {0, len(words)}
    for i in range(1, len(words)):
        before = words[i - 1]
        if words[i].start - before.end >= _CLAUSE_PAUSE_S or any(mark in before.after for mark in ".,;:!?—"):
            begins.add(i)
    return frozenset(begins)


def _starts_clause(texts: Sequence[str], at: int) -> bool:
    """Whether a subject stands here, or a noun phrase with a verb after it."""
    if at >= len(texts):
        return False
    if texts[at] in SUBJECTS or any(texts[at].endswith(ending) for ending in _SUBJECTS_WITH_VERB):
        return True
    return any(text in FINITE or text.endswith("ed") for text in texts[at + 1 : at + (5 if texts[at] in DETERMINERS else 4)])


def _sense(texts: Sequence[str], borders: frozenset[int], start: int, stop: int, name: str) -> str | None:
    """Sense of a connective where it stands; None when it is not used as one."""
    following = texts[stop] if stop < len(texts) else ""
    previous = texts[start - 1] if start else ""
    clause_after = _starts_clause(texts, stop)
    at_border = start in borders
    if not following and start:
        return CONNECTIVES[name] if name in ("though", "anyway", "instead", "too", "also", "afterwards") else None
    match name:
        case "and" | "or" | "plus":
            return CONNECTIVES[name] if clause_after or at_border else None
        case "but":
            return CONCESSION if clause_after and following in ("i", "we", "it", "still", "then") and not at_border else CONTRAST
        case "so":
            if following in SO_DEGREE or (previous in BEFORE_DEGREE and not at_border):
                return None
            return PURPOSE if following in ("that", "i", "we", "you", "they") and texts[stop : stop + 2][-1] in ("can", "could") else CAUSE
        case "since":
            return CAUSE if clause_after and not _looks_temporal(texts, stop) else ASYNCHRONOUS
        case "while":
            return CONTRAST if at_border and start == 0 else (SYNCHRONOUS if clause_after or following.endswith("ing") else None)
        case "as":
            return SYNCHRONOUS if clause_after and previous not in ("same", "such", "known", "well") and "as" not in texts[max(0, start - 3) : start] else None
        case "then":
            return ASYNCHRONOUS if previous not in ("since", "by", "until", "back") else None
        case "after" | "before" | "until" | "till" | "once":
            return ASYNCHRONOUS if clause_after or following.endswith("ing") else None
        case "cause" | "like" | "still" | "yet" | "rather" | "next" | "later" | "either" | "besides" | "despite" | "that is" | "overall":
            return CONNECTIVES[name] if at_border and (clause_after or name in ("next", "later", "overall", "despite")) else None
        case "if" | "when" | "whenever" | "though" | "although":
            return CONNECTIVES[name]
        case _:
            return CONNECTIVES[name]


def _looks_temporal(texts: Sequence[str], at: int) -> bool:
    """``since I was``, ``since last year``, ``since then``: time, not cause."""
    nearby = texts[at : at + 3]
    past = ("was", "were", "started", "began", "left", "came")
    return bool(nearby) and (nearby[0] in ("then", "last", "yesterday") or any(text in past for text in nearby[1:]))


def _relation(words: Sequence[Word], borders: frozenset[int], found: _Found, others: Sequence[_Found]) -> Relation:
    """Arguments: the clause after the connective, and the clause before it (after it, for a subordinate clause put first)."""
    second = _clause_after(words, borders, found.stop, found, others)
    first = _clause_before(words, borders, found, others)
    if (found.name in SUBORDINATING and found.start in borders and _sentence_start(words, found.start)) or not _length(first):
        later = _clause_after(words, borders, second.stop, found, others)
        first = later if _length(later) else first
    used = [*range(found.start, found.stop), *range(first.start, first.stop), *range(second.start, second.stop)]
    return Relation(
        connective=" ".join(word.text for word in words[found.start : found.stop]),
        sense=found.sense,
        start=min(words[i].start for i in used),
        end=max(words[i].end for i in used),
        connective_start=words[found.start].start,
        connective_end=max(word.end for word in words[found.start : found.stop]),
        arg1=" ".join(word.text for word in words[first]),
        arg2=" ".join(word.text for word in words[second]),
    )


def _length(span: slice) -> int:
    return int(span.stop) - int(span.start)


def _sentence_start(words: Sequence[Word], at: int) -> bool:
    if at == 0:
        return True
    before = words[at - 1]
    return any(mark in before.after for mark in ".!?") or words[at].start - before.end >= 2 * _CLAUSE_PAUSE_S


def _clause_after(words: Sequence[Word], borders: frozenset[int], at: int, found: _Found, others: Sequence[_Found]) -> slice:
    """From ``at`` to the next clause border or connective (a comma right after the connective is passed over)."""
    starts = {each.start for each in others if each is not found}
    stop = at
    while stop < len(words) and words[stop].end - words[at].start <= _FURTHEST_S:
        if stop > at and (stop in starts or (stop in borders and stop - at >= 2)):
            break
        stop += 1
    return slice(at, stop)


def _clause_before(words: Sequence[Word], borders: frozenset[int], found: _Found, others: Sequence[_Found]) -> slice:
    """From the last clause border or connective before ``found`` up to it (and to the connectives right before it)."""
    stops = {each.stop: each.start for each in others if each is not found}
    end = found.start
    while end in stops:
        end = stops[end]
    start = end
    while start > 0 and words[end - 1].end - words[start - 1].start <= _FURTHEST_S:
        start -= 1
        if start in stops or (start in borders and end - start >= 2):
            break
    return slice(start, end)
