"""A gesture where the voice puts its weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from raggesture.types import Cues, Hit, Query, Speech

if TYPE_CHECKING:
    from raggesture.retrieval.index import Index


class EmphasisOptions(BaseModel):
    """When and what."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    kind: Literal["beat", "deictic", "iconic", "metaphoric"] = Field("beat", description="The kind of gesture asked for.")
    spacing_s: float = Field(3.0, gt=0, description="Seconds between two gestures, at least.")
    threshold: float = Field(1.0, ge=0, description="Prominence a word must have; 1 is a word stressed as words usually are.")
    weight: float = Field(1.0, ge=0, le=1, description="How strongly the exemplar shapes the motion.")


class Emphasis:
    """Asks for a gesture on the most prominent words, the strongest first, no two closer than ``spacing_s``."""

    name: ClassVar[str] = "emphasis"
    Options: ClassVar[type[BaseModel]] = EmphasisOptions

    def __init__(self, options: EmphasisOptions) -> None:
        self._options = options

    def queries(self, speech: Speech, cues: Cues) -> Sequence[Query]:
        """Return one query for each word chosen, in time order."""
        candidates = []
        for k, (word, prominence) in enumerate(zip(speech.transcript.words, cues.prominence, strict=False)):
            if prominence >= self._options.threshold:
                stroke = cues.stress_s[k] if k < len(cues.stress_s) else None
                candidates.append(Query(word.text, self._options.kind, word.start, word.end, self._options.weight, prominence=prominence, stroke=stroke))
        chosen: list[Query] = []
        for query in sorted(candidates, key=lambda each: (-(each.prominence or 0.0), each.start)):
            if all(abs(query.stroke_s - other.stroke_s) >= self._options.spacing_s for other in chosen):
                chosen.append(query)
        return sorted(chosen, key=lambda each: each.start)

    def rank(self, query: Query, index: Index) -> Sequence[Hit]:
        """Rank by the shared terms: kind, word, similarity, speaker, prominence."""
        return index.search(query)
