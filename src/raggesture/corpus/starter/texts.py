"""Texts of the starter corpus: passages of forty to seventy seconds, put together from sentence templates.

A passage has a genre (explanation, story, instruction, argument, description, dialogue) and a topic whose nouns all its
sentences share. Openings, middles and closings belong to the genre; between them stand sentences of a bank that is
ordered by gesture. Of several candidates the one is taken whose trigger words the corpus still lacks, so that every
gesture of the lexicon gets its share. Templates are data (``texts/``): ``{slot}`` a trigger word, ``<noun>`` of the
topic, ``[filler]``, ``(a|b)`` a choice. Everything was written for this project.

Deterministic: the same seed gives the same passages, and a longer corpus begins like a shorter one.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count, islice, pairwise
from pathlib import Path
from typing import Any

import tomli

from raggesture.corpus.starter.lexicon import Lexicon
from raggesture.corpus.starter.lexicon_file import load_lexicon
from raggesture.corpus.starter.voices import words_of
from raggesture.errors import ConfigError

_FOLDER = Path(__file__).parent / "texts"
_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
_MARK = re.compile(r"\{(\w+)\}|<(\w+)>|\[(\w+)\]")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])(?!uni|use|one\b|once)")
_NO_ARTICLE = re.compile(r"\b([Aa])n (?=[bcdfgjklmnpqrstvwxyz])")
_LINKED = 0.3
"""Share of bank sentences that begin with a connective."""
_TAILED = 0.5
"""Share of bank sentences that may get a tail, and of their candidates that do."""
_CANDIDATES = 18
_SENTENCES = (10, 15)
_APART_WORDS = 4
"""Triggers nearer than this are too close for two gestures."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One text. ``sentences`` are spoken with pauses between them."""

    number: int
    genre: str
    topic: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """The sentences joined by spaces."""
        return " ".join(self.sentences)


@dataclass(frozen=True, slots=True)
class Grammar:
    """The data of ``texts/``. ``genres``: name -> part -> templates; ``past`` names the genres told in the past tense."""

    genres: Mapping[str, Mapping[str, tuple[str, ...]]]
    past: frozenset[str]
    bank: Mapping[str, tuple[str, ...]]
    bank_past: Mapping[str, tuple[str, ...]]
    links: Mapping[bool, tuple[str, ...]]
    tails: Mapping[bool, tuple[str, ...]]
    leads: frozenset[str]
    slots: Mapping[str, tuple[str, tuple[str, ...]]]
    topics: tuple[Mapping[str, str], ...]
    bound: Mapping[str, tuple[str, ...]]
    free: Mapping[str, tuple[str, ...]]

    @property
    def templates(self) -> int:
        """Number of sentence templates."""
        banks = (*self.bank.values(), *self.bank_past.values())
        return sum(map(len, banks)) + sum(len(lines) for parts in self.genres.values() for lines in parts.values())


@dataclass(slots=True)
class _Tally:
    """What the corpus has so far: gestures triggered, words and templates used."""

    gestures: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    templates: Counter[str] = field(default_factory=Counter)


def _lines(name: str) -> Iterator[str]:
    for line in (_FOLDER / name).read_text("utf-8").splitlines():
        if line.strip():
            yield line.strip()


def _tables(name: str) -> dict[str, Any]:
    return tomli.loads((_FOLDER / name).read_text("utf-8"))


def _sections(name: str) -> dict[tuple[str, str], list[str]]:
    """(chapter, section) -> lines; ``# chapter`` and ``## section`` are headings, other ``#`` lines comments."""
    sections: dict[tuple[str, str], list[str]] = {}
    chapter, section = "", ""
    for line in _lines(name):
        if line.startswith("## "):
            section = line[3:].strip()
            sections[chapter, section] = []
        elif line.startswith("# "):
            chapter = line[2:].strip()
        elif (chapter, section) in sections:
            sections[chapter, section].append(line)
    return sections


def _slots() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name of each slot -> its gesture and words."""
    slots: dict[str, tuple[str, tuple[str, ...]]] = {}
    for path in sorted(_FOLDER.glob("slots*.toml")):
        for name, slot in _tables(path.name)["slot"].items():
            if name in slots:
                raise ConfigError(f"{path}: the slot {name!r} is there twice, of {slots[name][0]!r} and {slot['gesture']!r}; expected one - rename one")
            slots[name] = (slot["gesture"], tuple(slot["words"]))
    return slots


@cache
def load_grammar() -> Grammar:
    """Read the templates and word lists that come with the program."""
    genres: dict[str, dict[str, tuple[str, ...]]] = {}
    past: set[str] = set()
    links: dict[bool, tuple[str, ...]] = {}
    for (chapter, part), lines in _sections("genres.txt").items():
        name, tense = chapter.split()
        if name == "links":
            links[tense == "past"] = tuple(lines)
            continue
        genres.setdefault(name, {})[part] = tuple(lines)
        if tense == "past":
            past.add(name)
    bank: dict[str, list[str]] = {}
    for path in sorted(_FOLDER.glob("bank*.txt")):
        for (_, section), lines in _sections(path.name).items():
            bank.setdefault(section, []).extend(lines)
    words = _tables("words.toml")
    tails = [line for line in _lines("tails.txt") if not line.startswith("#")]
    return Grammar(
        genres=genres,
        past=frozenset(past),
        bank={name: tuple(line for line in lines if not line.startswith("~")) for name, lines in bank.items()},
        bank_past={name: tuple(line[1:] for line in lines if line.startswith("~")) for name, lines in bank.items()},
        links=links,
        tails={past: tuple(tail.lstrip("~+") for tail in tails if not tail.startswith("+" if past else "~")) for past in (False, True)},
        leads=frozenset(words["leads"]["words"]),
        slots={
            name: (slot["gesture"], tuple(slot["words"])) for path in sorted(_FOLDER.glob("slots*.toml")) for name, slot in _tables(path.name)["slot"].items()
        },
        topics=tuple(_tables("topics.toml")["topic"]),
        bound={name: tuple(values) for name, values in words["bound"].items()},
        free={name: tuple(values) for name, values in words["free"].items()},
    )


def _sentence_case(text: str) -> str:
    text = _NO_ARTICLE.sub(r"\1 ", _ARTICLE.sub(r"\1n ", text))
    return text[:1].upper() + text[1:]


class _Writer:
    """Writes passages one after the other; keeps the tally that evens the gestures out."""

    def __init__(self, grammar: Grammar, lexicon: Lexicon, seed: int) -> None:
        self._grammar, self._lexicon, self._rng = grammar, lexicon, random.Random(seed)
        self._tally = _Tally()
        self._bound: dict[str, str] = {}
        self._topic: Mapping[str, str] = {}
        triggered = tuple(gesture.name for gesture in lexicon.gestures if gesture.words)
        self._gestures = tuple(name for name in triggered if name in grammar.bank)
        if len(self._gestures) < len(triggered):
            raise ConfigError(f"texts/bank.txt: no section for {sorted(set(triggered) - set(self._gestures))}; expected one a gesture - add sentences")
        self._topics: list[Mapping[str, str]] = []
        self._trigger = {word: gesture.name for gesture in lexicon.gestures for word in gesture.words}
        self._since_trigger = 99

    def _filled(self, template: str) -> str:
        rng, grammar = self._rng, self._grammar
        text = _CHOICE.sub(lambda found: rng.choice(found.group(1).split("|")), template)

        def fill(found: re.Match[str]) -> str:
            slot, noun, filler = found.groups()
            if slot is not None:
                words = grammar.slots[slot][1]
                return min(rng.sample(words, len(words)), key=lambda word: self._tally.words[word])
            if noun is not None:
                return self._topic[noun]
            return self._bound[filler] if filler in self._bound else rng.choice(grammar.free[filler])

        return _sentence_case(_MARK.sub(fill, text))

    def triggers(self, words: Sequence[str]) -> list[tuple[int, str, str]]:
        """(place in the sentence, word, gesture) of each trigger word."""
        return [(at, word, self._trigger[word]) for at, word in enumerate(words) if word in self._trigger]

    def _score(self, sentence: str, template: str, seen: Counter[str], mean: float) -> float:
        """Higher: lacks of the corpus filled and many triggers, without crowding, repeating words or templates."""
        words = words_of(sentence)
        found = self.triggers(words)
        need = sum(max(-3.0, min(3.0, (mean + 1 - self._tally.gestures[name]) / (0.05 * mean + 2))) for _, _, name in found)
        dense = 2.4 * min(len(found), len(words) / 4.8) + sum(2.0 / (1 + self._tally.words[word]) for _, word, _ in found)
        places = [-self._since_trigger, *(at for at, _, _ in found)]
        close = sum(1 for one, two in pairwise(places) if two - one < _APART_WORDS)
        repeated = sum(seen[word] for _, word, _ in found)
        return need + dense - 3.2 * close - repeated - 0.25 * self._tally.templates[template] + self._rng.random()

    def _count(self, sentence: str, seen: Counter[str]) -> None:
        """Add a sentence's triggers to the tally; those too close to the one before get no gesture and do not count."""
        before = -self._since_trigger
        words = words_of(sentence)
        for at, word, name in self.triggers(words):
            self._tally.words[word] += 1
            seen[word] += 1
            if at - before >= _APART_WORDS:
                self._tally.gestures[name] += 1
                before = at
        self._since_trigger = len(words) + 2 - before  # a pause counts as two words

    def _tailed(self, sentence: str, tails: Sequence[str]) -> str:
        """The sentence, often with an end hung on it."""
        if not tails or not sentence.endswith(".") or "," in sentence or self._rng.random() > _TAILED:
            return sentence
        return f"{sentence[:-1]}, {self._rng.choice(tails)}."

    def _pick(self, templates: Sequence[str], used: set[str], seen: Counter[str], link: str = "", tails: Sequence[str] = ()) -> str:
        fresh = [template for template in templates if template not in used] or list(templates)
        chosen = self._rng.sample(fresh, min(_CANDIDATES, len(fresh)))
        mean = sum(self._tally.gestures.values()) / len(self._gestures)
        rendered = [(template, self._tailed(self._filled(template), tails)) for template in chosen]
        template, sentence = max(rendered, key=lambda pair: self._score(pair[1], pair[0], seen, mean))
        if link and sentence.split()[0].strip(",") not in self._grammar.leads:
            sentence = f"{link} {self._lowered(sentence)}"
        used.add(template)
        self._tally.templates[template] += 1
        self._count(sentence, seen)
        return sentence

    def _lowered(self, sentence: str) -> str:
        first = sentence.split()[0].strip(",")
        keep = first in ("I", "I'm", "I've") or first in self._bound.values()
        return sentence if keep else sentence[0].lower() + sentence[1:]

    def _bank_pool(self, past: bool, last: str) -> list[str]:
        """Sentences of the gestures the corpus lacks most, never of the gesture just made."""
        bank = self._grammar.bank_past if past else self._grammar.bank
        names = sorted((name for name in self._gestures if name != last), key=lambda name: (self._tally.gestures[name], self._rng.random()))
        return [line for name in (*names[:6], self._rng.choice(names)) for line in bank[name]]

    def passage(self, number: int) -> Passage:
        """The next passage."""
        rng, grammar = self._rng, self._grammar
        genres = sorted(grammar.genres)
        genre = genres[number % len(genres)]
        if not self._topics:
            self._topics = rng.sample(grammar.topics, len(grammar.topics))
        self._topic = self._topics.pop()
        self._bound = {name: rng.choice(values) for name, values in grammar.bound.items()}
        past, parts = genre in grammar.past, grammar.genres[genre]
        used: set[str] = set()
        seen: Counter[str] = Counter()
        sentences = [self._pick(parts["open"], used, seen)]
        last = ""
        for k in range(rng.randint(*_SENTENCES) - 2):
            if k % 6 == 3:
                sentences.append(self._pick(parts["body"], used, seen))
            else:
                link = rng.choice(grammar.links[past]) if rng.random() < _LINKED else ""
                sentences.append(self._pick(self._bank_pool(past, last), used, seen, link, grammar.tails[past] if rng.random() < _TAILED else ()))
            found = self.triggers(words_of(sentences[-1]))
            last = found[-1][2] if found else ""
        sentences.append(self._pick(parts["close"], used, seen))
        return Passage(number, genre, self._topic["thing"], tuple(sentences))


def iter_passages(seed: int, *, grammar: Grammar | None = None, lexicon: Lexicon | None = None) -> Iterator[Passage]:
    """Passages without end, of about a minute each.

    Raises:
        ConfigError: the lexicon has a gesture for which the bank holds no sentences.
    """
    writer = _Writer(grammar or load_grammar(), lexicon or load_lexicon(), seed)
    return map(writer.passage, count())


def write_passages(number: int, seed: int) -> tuple[Passage, ...]:
    """The first ``number`` passages of a seed."""
    return tuple(islice(iter_passages(seed), number))
