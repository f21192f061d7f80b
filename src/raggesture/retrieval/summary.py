"""What an index holds, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import seconds_of_frame
from raggesture.retrieval.facts import DERIVED, HANDS
from raggesture.retrieval.store import MANIFEST, IndexManifest

if TYPE_CHECKING:
    from raggesture.retrieval.index import Index


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What ``raggesture index info`` shows. Counts are in falling order; ``derived`` is the share of exemplars per derived piece."""

    path: str
    manifest: IndexManifest
    duration_s: float
    size_bytes: int
    kinds: tuple[tuple[str, int], ...]
    gestures: tuple[tuple[str, int], ...]
    speakers: tuple[tuple[str, int], ...]
    hands: tuple[tuple[str, int], ...]
    derived: tuple[tuple[str, float], ...]


def summary_of(index: Index) -> IndexInfo:
    """Count what an index holds."""
    table = index.events
    return IndexInfo(
        path=str(index.path),
        manifest=index.manifest,
        duration_s=seconds_of_frame(index.manifest.frames),
        size_bytes=sum(each.bytes for each in index.manifest.files) + (index.path / MANIFEST).stat().st_size,
        kinds=_counts(table.kind, table.kinds),
        gestures=_counts(table.gesture, table.gestures),
        speakers=_counts(table.speaker, table.speakers),
        hands=_counts(table.hand.astype(np.int32), HANDS),
        derived=tuple((name, float(np.mean((table.derived >> bit) & 1)) if len(table) else 0.0) for bit, name in enumerate(DERIVED)),
    )


def _counts(column: NDArray[np.int32], names: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """How often each name occurs, the most frequent first; "" is left out."""
    counts = np.bincount(column, minlength=len(names)).tolist()
    return tuple(Counter({name: count for name, count in zip(names, counts, strict=True) if name and count}).most_common())
