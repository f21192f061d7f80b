"""Explicit discourse connectives to PDTB-3 senses, with the spans of their two arguments.

A table of connectives, the longest first; whether a word of it is a connective where it stands, and in which sense, is told
from parts of speech, dependencies and position (``senses``), or from the words alone where no tagger is installed
(``plain_senses``). Clauses end at pauses, at punctuation and, where the tagger is there, where the parse says so. Senses: Webber,
Prasad, Lee, Joshi 2019, "The Penn Discourse Treebank 3.0 Annotation Manual" (second level).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from raggesture.speech.clauses import SUBJECT_DEPS, Place
from raggesture.speech.connectives import CONNECTIVES, NOT_CONNECTIVES, SUBORDINATING
from raggesture.speech.plain_senses import plain_sense
from raggesture.speech.senses import sense_at
from raggesture.speech.tagging import Tag, tag_words, tagger_is_installed
from raggesture.types import Relation, Transcript, Word

_LOG = logging.getLogger("raggesture")
_PHRASES = CONNECTIVES.keys() | NOT_CONNECTIVES
_LONGEST = max(len(name.split()) for name in _PHRASES)
_CLAUSE_PAUSE_S = 0.25
_SENTENCE_PAUSE_S = 0.5
_FURTHEST_S = 6.0

SenseOf = Callable[[int, int, str], str | None]


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
        One Relation per connective in discourse use; connectives that only join two words are left out. Without the extra
        ``offline`` the words alone decide, which is said once in the log.
    """
    words = transcript.words
    if not words:
        return ()
    texts = [word.text.lower().replace("’", "'") for word in words]
    borders = _borders(words, _CLAUSE_PAUSE_S, ".,;:!?—")
    sentences = _borders(words, _SENTENCE_PAUSE_S, ".!?")
    clauses, sense_of = borders, _plain(texts, borders)
    if tagger_is_installed():
        tags = tag_words(words)
        sense_of, clauses = _tagged(tags, borders, sentences), borders | _clause_starts(tags)
    else:
        _LOG.info("connectives: the extra 'offline' is not installed (no part-of-speech tagger); the words alone tell their senses, less exactly")
    found: list[_Found] = []
    at = 0
    while at < len(texts):
        match = _match(words, texts, sense_of, at)
        if isinstance(match, _Found):
            found.append(match)
            at = match.stop
        else:
            at = match
    return tuple(_relation(words, clauses, sentences, each, found) for each in found)


def _plain(texts: Sequence[str], borders: frozenset[int]) -> SenseOf:
    return lambda start, stop, name: plain_sense(texts, borders, start, stop, name)


def _tagged(tags: Sequence[Tag], borders: frozenset[int], sentences: frozenset[int]) -> SenseOf:
    return lambda start, stop, name: sense_at(Place(tags, borders, sentences, start, stop), name)


def _match(words: Sequence[Word], texts: Sequence[str], sense_of: SenseOf, at: int) -> _Found | int:
    """The connective that begins at ``at``, else where to look next."""
    for length in range(min(_LONGEST, len(texts) - at), 0, -1):
        name = " ".join(texts[at : at + length])
        if name not in _PHRASES or any(words[i].after.strip("-") for i in range(at, at + length - 1)):
            continue
        if name in NOT_CONNECTIVES:
            return at + length
        sense = sense_of(at, at + length, name)
        if sense is not None:
            return _Found(at, at + length, name, sense)
    return at + 1


def _borders(words: Sequence[Word], pause_s: float, marks: str) -> frozenset[int]:
    """Indices of words that begin something: after a pause or punctuation; the first, and one past the last."""
    begins = {0, len(words)}
    for i in range(1, len(words)):
        before = words[i - 1]
        if words[i].start - before.end >= pause_s or any(mark in before.after for mark in marks):
            begins.add(i)
    return frozenset(begins)


def _clause_starts(tags: Sequence[Tag]) -> frozenset[int]:
    """Indices of words at which the parse begins a clause: an adverbial clause and what follows it, a further clause, a new sentence."""
    begins = set()
    for at, tag in enumerate(tags):
        if not tag.verb or tag.dep not in ("advcl", "conj", "parataxis", "ROOT"):
            continue
        subjects = [k for k in range(max(tag.left, at - 8), at) if tags[k].head == at and tags[k].dep in SUBJECT_DEPS]
        if subjects:
            begins.add(tags[subjects[0]].left)
        if tag.dep == "advcl":
            begins |= {tag.left, tag.right + 1}
    return frozenset(begins)


def _relation(words: Sequence[Word], borders: frozenset[int], sentences: frozenset[int], found: _Found, others: Sequence[_Found]) -> Relation:
    """Arguments: the clause after the connective, and the clause before it (after it, for a subordinate clause put first)."""
    second = _clause_after(words, borders, found.stop, found, others)
    first = _clause_before(words, borders, found, others)
    if (found.name in SUBORDINATING and found.start in sentences) or not _length(first):
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
