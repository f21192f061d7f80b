"""Retriever ``none``: nothing is asked and nothing found, the model gestures ungrounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from raggesture.plugins.hookspecs import Retriever, hookimpl
from raggesture.types import Cues, Hit, Query, Speech

if TYPE_CHECKING:
    from raggesture.retrieval.index import Index


class NoneOptions(BaseModel):
    """It has none."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class NoneRetriever:
    """Asks for no gesture."""

    name: ClassVar[str] = "none"
    Options: ClassVar[type[BaseModel]] = NoneOptions

    def __init__(self, options: NoneOptions) -> None:
        self.options = options

    def queries(self, speech: Speech, cues: Cues) -> Sequence[Query]:
        """No query."""
        return ()

    def rank(self, query: Query, index: Index) -> Sequence[Hit]:
        """No hit."""
        return ()


@hookimpl
def raggesture_retrievers() -> list[type[Retriever]]:
    """Bring the retriever ``none``."""
    return [NoneRetriever]
