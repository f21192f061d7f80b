"""How often a ranking has the right answer, and how far up. Pure numbers; what is right is the caller's to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """Of ``queries`` rankings: the share whose first hit is right, the share with a right one among the first five, and the mean reciprocal rank.

    Nothing found, or nothing right, counts 0.
    """

    queries: int
    recall_at_1: float
    recall_at_5: float
    mrr: float


def found_of(rankings: Sequence[Sequence[bool]]) -> Found:
    """Figures of rankings that say of each hit, best first, whether it is right. All 0 without rankings."""
    ranks = [next((place for place, right in enumerate(hits, start=1) if right), 0) for hits in rankings]
    count = max(len(ranks), 1)
    return Found(
        queries=len(ranks),
        recall_at_1=sum(rank == 1 for rank in ranks) / count,
        recall_at_5=sum(1 <= rank <= 5 for rank in ranks) / count,
        mrr=sum(1 / rank for rank in ranks if rank) / count,
    )
