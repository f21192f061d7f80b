"""Retriever ``discourse``: connectives by the sense of their relation.

Source: METHOD part I (d) "discourse" (2 for the sense, 4 for the connective, 3 for the speaker, up to 4 for the prominence).
Differs from the released code: queries come in time order; the exemplar that is scored is the one used; connectives are
compared without regard to case; prominence counts at most 1, which finds the gesture that was made more often (``training.retrieval_figures``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, Field

from raggesture.plugins.hookspecs import Retriever, hookimpl
from raggesture.retrieval.filters import check_kinds, of_kinds
from raggesture.retrieval.query import query_of_relation
from raggesture.retrieval.rank import Weights
from raggesture.retrieval.weighting import Ranking, RankingOptions
from raggesture.speech.connectives import SENSES
from raggesture.types import Cues, Hit, Query, Speech

if TYPE_CHECKING:
    from raggesture.retrieval.index import Index

_MOST = 10
WEIGHTS = Weights(kind=2.0, word=4.0, similarity=0.0, speaker=3.0, prominence=1.0)
"""As published but for prominence, 4 there: as much as the connective itself, so that another word of the same loudness could replace it."""


class DiscourseOptions(RankingOptions):
    """``weight``: how strongly an exemplar shapes the motion; ``weighting`` and filters of ``RankingOptions``, whose kinds are senses here."""

    weight: float = Field(default=1.0, ge=0, le=1)


class DiscourseRetriever:
    """Queries from the relations of the speech; ranks by sense, connective, speaker and prominence."""

    name: ClassVar[str] = "discourse"
    Options: ClassVar[type[BaseModel]] = DiscourseOptions

    def __init__(self, options: DiscourseOptions) -> None:
        check_kinds(options.kinds, SENSES)
        self.options = options
        self._ranking = Ranking("discourse", options, WEIGHTS)

    def queries(self, speech: Speech, cues: Cues) -> Sequence[Query]:
        """One query per relation, its stroke on the connective."""
        found = of_kinds([query_of_relation(speech, cues, relation, self.options.weight) for relation in cues.relations], self.options.kinds)
        return tuple(sorted(found, key=lambda query: (query.stroke_s, query.start)))

    def rank(self, query: Query, index: Index) -> Sequence[Hit]:
        """Rank by the published terms.

        Differs from the released code: where no exemplar of the sense has the connective, those of a sense of the same class that do have it
        come in too, for half the term of the sense: readers themselves often differ whether a "but" contrasts or denies. Not with ``weighting=released``.
        """
        hits = self._ranking(query, index)
        if self.options.weighting == "released" or any("word" in hit.terms for hit in hits):
            return hits
        near = [hit for sense in SENSES if _siblings(sense, query.kind) for hit in self._ranking(replace(query, kind=sense), index) if "word" in hit.terms]
        lowered = [_lowered(hit, query) for hit in near]
        return tuple(sorted([*hits, *lowered], key=lambda hit: -hit.score))[: max(len(hits), _MOST)]


def _siblings(sense: str, other: str) -> bool:
    return "." in sense and sense != other and sense.split(".")[0] == other.split(".")[0]


def _lowered(hit: Hit, query: Query) -> Hit:
    """A hit of a neighbouring sense as one for ``query``: half of the sense's term is left."""
    terms = {**hit.terms, "kind": hit.terms.get("kind", 0.0) / 2}
    return Hit(query, hit.exemplar, sum(terms.values()), terms)


@hookimpl
def raggesture_retrievers() -> list[type[Retriever]]:
    """Bring the retriever ``discourse``."""
    return [DiscourseRetriever]
