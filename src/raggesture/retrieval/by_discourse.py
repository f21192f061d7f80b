"""Retriever ``discourse``: connectives by the sense of their relation.

Source: METHOD part I (d) "discourse" (2 for the sense, 4 for the connective, 3 for the speaker, up to 4 for the prominence).
Differs from the released code: queries come in time order; the exemplar that is scored is the one used; connectives are
compared without regard to case.
"""

from __future__ import annotations

from collections.abc import Sequence
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

WEIGHTS = Weights(kind=2.0, word=4.0, similarity=0.0, speaker=3.0, prominence=4.0)


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
        """Rank by the published terms."""
        return self._ranking(query, index)


@hookimpl
def raggesture_retrievers() -> list[type[Retriever]]:
    """Bring the retriever ``discourse``."""
    return [DiscourseRetriever]
