"""Retriever ``gesture-type``: words by the kind of gesture they want, as the built-in labeller sees it.

Source: METHOD part I (d) "gesture_type" (2 for the type, 2 for the speaker, 5 for the word, 3 for a similar word, no prominence).
Differs from the released code: works on any speech, since the kinds come from the words; there they are read from the
annotation of the very clip whose motion is to be made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, Field

from raggesture.plugins.hookspecs import Retriever, hookimpl
from raggesture.retrieval.filters import check_kinds
from raggesture.retrieval.labels import KINDS, choose, label_words
from raggesture.retrieval.query import query_of_word
from raggesture.retrieval.rank import Weights
from raggesture.retrieval.weighting import Ranking, RankingOptions
from raggesture.types import Cues, Hit, Query, Speech

if TYPE_CHECKING:
    from raggesture.retrieval.index import Index

WEIGHTS = Weights(kind=2.0, word=5.0, similarity=3.0, speaker=2.0, prominence=0.0)


class GestureTypeOptions(RankingOptions):
    """``max_words``: gestures per ``window_s`` seconds; ``weight``: how strongly an exemplar shapes the motion; and ``RankingOptions``."""

    max_words: int = Field(default=2, ge=0, le=20)
    window_s: float = Field(default=10.0, gt=0)
    weight: float = Field(default=1.0, ge=0, le=1)


class GestureTypeRetriever:
    """Queries from the labeller; ranks by kind, word and speaker."""

    name: ClassVar[str] = "gesture-type"
    Options: ClassVar[type[BaseModel]] = GestureTypeOptions

    def __init__(self, options: GestureTypeOptions) -> None:
        check_kinds(options.kinds, KINDS)
        self.options = options
        self._ranking = Ranking("gesture-type", options, WEIGHTS)

    def queries(self, speech: Speech, cues: Cues) -> Sequence[Query]:
        """One query per chosen word."""
        options = self.options
        wanted = [label for label in label_words(speech.transcript, cues.prominence) if not options.kinds or label.kind in options.kinds]
        labels = choose(wanted, speech.transcript, options.max_words, options.window_s)
        return tuple(query_of_word(speech, cues, label.position, label.kind, options.weight) for label in labels)

    def rank(self, query: Query, index: Index) -> Sequence[Hit]:
        """Rank by the published terms."""
        return self._ranking(query, index)


@hookimpl
def raggesture_retrievers() -> list[type[Retriever]]:
    """Bring the retriever ``gesture-type``."""
    return [GestureTypeRetriever]
