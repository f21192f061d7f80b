"""The account of a long speech, put together from its sections and windows: what ``Trace`` holds, with times of the whole speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from raggesture.chain import inserted_of
from raggesture.clock import SAMPLE_RATE_HZ
from raggesture.planning import Plan, Searched
from raggesture.speech.sections import shifted
from raggesture.speech.voice_file import VoiceFile
from raggesture.trace import Found, HitFact, Identity, Inserted, Setting, SpeechFact, Trace
from raggesture.types import Cues, Drop, Hit, Query, Relation, Speech, Transcript, Word
from raggesture.windowing import WindowMade


@dataclass(slots=True, eq=False)
class Account:
    """Grows with every section that is understood and every window that is made."""

    name: str
    voice: VoiceFile
    speaker: str = ""
    timings_s: dict[str, float] = field(default_factory=dict)
    words: list[Word] = field(default_factory=list)
    source: str = ""
    relations: list[Relation] = field(default_factory=list)
    prominence: list[float] = field(default_factory=list)
    stress_s: list[float] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    runners_up: dict[Query, Sequence[Hit]] = field(default_factory=dict)
    drops: list[Drop] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    inserted: list[Inserted] = field(default_factory=list)

    def understand(self, section: Trace, start_s: float) -> Searched:
        """Take in a section's account, whose times are from ``start_s``; gives what it asks for, with times of the whole speech."""
        self.words += shifted(section.transcript.words, start_s)
        if section.transcript.words:  # a section of silence says nothing of the others
            self.source = self.source or section.transcript.source
        self.relations += [_relation_at(relation, start_s) for relation in section.cues.relations]
        self.prominence += section.cues.prominence
        self.stress_s += [instant + start_s for instant in section.cues.stress_s]
        self.notes += [note for note in section.notes if note not in self.notes]
        facts = {fact.query: fact for fact in section.hits}
        hits = tuple(None if (fact := facts.get(row)) is None else _hit(query, fact) for row, query in enumerate(section.queries))
        others = {query: tuple(_hit(query, found) for found in facts[row].runners_up) for row, query in enumerate(section.queries) if row in facts}
        return Searched(tuple(section.queries), hits, others).moved(start_s)

    def place(self, plan: Plan) -> None:
        """Take in what was asked for in a window and where it goes."""
        self.queries += plan.queries
        self.hits += [hit for hit in plan.hits if hit]
        self.runners_up.update(plan.runners_up)
        self.drops += plan.drops
        self.notes += [note for note in plan.notes if note not in self.notes]

    def insert(self, number: int, plan: Plan, made: WindowMade) -> None:
        """Take in a window that was made."""
        self.inserted += inserted_of(number, plan.placements, made)

    @property
    def transcript(self) -> Transcript:
        """All words."""
        return Transcript(tuple(self.words), source=self.source or "silence")

    @property
    def cues(self) -> Cues:
        """All cues."""
        return Cues(tuple(self.relations), tuple(self.prominence), tuple(self.stress_s))

    def fact(self, file: Path | None = None) -> SpeechFact:
        """Facts of the recording."""
        facts = self.voice.facts
        return SpeechFact(self.name, file.name if file else "", facts.duration_s, SAMPLE_RATE_HZ, facts.sha256, self.speaker)

    def trace(self, identities: tuple[Identity, Identity | None], seed: int, settings: Mapping[str, Setting] | None, file: Path | None = None) -> Trace:
        """The whole account."""
        silent = Speech(self.name, np.zeros(0, np.float32), self.transcript, self.speaker)
        trace = Trace.of(
            speech=silent, cues=self.cues, queries=self.queries, hits=self.hits,
            runners_up=self.runners_up, placements=self.inserted, drops=self.drops, settings=settings, seed=seed, model=identities[0],
            index=identities[1], timings_s=self.timings_s, notes=self.notes,
        )  # fmt: skip
        return replace(trace, speech=self.fact(file))


def _hit(query: Query, found: Found | HitFact) -> Hit:
    return Hit(query, found.exemplar, found.score, found.terms)


def _relation_at(relation: Relation, start_s: float) -> Relation:
    return replace(
        relation, start=relation.start + start_s, end=relation.end + start_s, connective_start=relation.connective_start + start_s,
        connective_end=relation.connective_end + start_s,
    )  # fmt: skip
