"""The hand-written sentences with connectives, and how well the finder reads them."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from raggesture.speech import connectives as c
from raggesture.speech.discourse import find_relations
from raggesture.types import Transcript, Word

DATA = Path(__file__).parent / "data" / "connectives.toml"
NO_RELATION = "-"
SENSES = {
    "cause": c.CAUSE, "cond": c.CONDITION, "purp": c.PURPOSE, "contrast": c.CONTRAST, "conc": c.CONCESSION, "sim": c.SIMILARITY,
    "conj": c.CONJUNCTION, "disj": c.DISJUNCTION, "inst": c.INSTANTIATION, "subst": c.SUBSTITUTION, "detail": c.DETAIL, "exc": c.EXCEPTION,
    "async": c.ASYNCHRONOUS, "sync": c.SYNCHRONOUS,
}  # fmt: skip
_MARK = re.compile(r"\{([^=}]+)=([^}]+)\}")
_WORD_S = 0.3


@dataclass(frozen=True)
class Mark:
    """A connective in a sentence: the words ``start`` to ``stop`` and the senses a reader accepts ("-": no relation)."""

    name: str
    start: int
    stop: int
    senses: frozenset[str]


@dataclass(frozen=True)
class Sentence:
    words: tuple[tuple[str, str], ...]
    marks: tuple[Mark, ...]

    def bare(self) -> Sentence:
        """As a transcript without punctuation and capitals has it."""
        return Sentence(tuple((text.lower(), "") for text, _ in self.words), self.marks)

    def transcript(self) -> Transcript:
        """Words of equal length without a pause: nothing but the words tells where a clause ends."""
        return Transcript(tuple(Word(text, _WORD_S * k, _WORD_S * (k + 1), after) for k, (text, after) in enumerate(self.words)))


@dataclass(frozen=True)
class Judgement:
    name: str
    expected: str
    found: str
    right: bool
    sentence: str


def read(part: str) -> list[Sentence]:
    return [parse(text) for text in tomllib.loads(DATA.read_text(encoding="utf-8"))[part]]


def parse(text: str) -> Sentence:
    words: list[tuple[str, str]] = []
    marks: list[Mark] = []

    def take(plain: str) -> None:
        for token in plain.split():
            bare = token.rstrip(".,!?")
            if bare:
                words.append((bare, token[len(bare) :]))
            elif words:
                words[-1] = (words[-1][0], words[-1][1] + token)

    at = 0
    for found in _MARK.finditer(text):
        take(text[at : found.start()])
        start = len(words)
        take(found.group(1))
        senses = frozenset(NO_RELATION if each == NO_RELATION else SENSES[each] for each in found.group(2).split("|"))
        marks.append(Mark(found.group(1).lower(), start, len(words), senses))
        at = found.end()
    take(text[at:])
    return Sentence(tuple(words), tuple(marks))


def judge(sentence: Sentence) -> list[Judgement]:
    """One judgement a mark, and a wrong one for whatever else was found."""
    text = " ".join(word + after for word, after in sentence.words)
    found = {}
    for relation in find_relations(sentence.transcript()):
        start, stop = round(relation.connective_start / _WORD_S), round(relation.connective_end / _WORD_S)
        found[start, stop] = relation
    judged, used = [], set()
    for mark in sentence.marks:
        span = next((each for each in found if each[0] < mark.stop and mark.start < each[1]), None)
        sense = found[span].sense if span else NO_RELATION
        used.add(span)
        judged.append(Judgement(mark.name, "|".join(sorted(mark.senses)), sense, sense in mark.senses, text))
    judged += [Judgement(r.connective.lower(), NO_RELATION, r.sense, False, text) for span, r in found.items() if span not in used]
    return judged


def judge_all(sentences: Sequence[Sentence]) -> list[Judgement]:
    return [each for sentence in sentences for each in judge(sentence)]


def accuracy(judged: Sequence[Judgement]) -> float:
    return sum(each.right for each in judged) / len(judged)


def table(judged: Sequence[Judgement]) -> str:
    """Right / all for each connective, the commonest first."""
    by_name: dict[str, list[bool]] = defaultdict(list)
    for each in judged:
        by_name[each.name].append(each.right)
    rows = sorted(by_name.items(), key=lambda row: (-len(row[1]), row[0]))
    return ", ".join(f"{name} {sum(right)}/{len(right)}" for name, right in rows)
