"""How much each word of an index's clips stands out: what a retriever that goes by the voice compares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SpokenRow = tuple[int, float, float, float | None]
"""Place of a clip in ``events.clips``, start and end of a word in seconds of the clip, its prominence."""


@dataclass(frozen=True, slots=True, eq=False)
class WordProminence:
    """All words (W,) of all clips, by clip and then as they are spoken.

    ``clip``: place in the index's ``events.clips``; ``start``, ``end``: seconds of the clip; ``prominence``: about 0 to 3, 1 is a word stressed as
    words usually are, NaN where unknown.
    """

    clip: NDArray[np.int32]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    prominence: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.clip)


_ROW = np.dtype([("clip", np.int32), ("start", np.float64), ("end", np.float64), ("prominence", np.float64)])


def words_by_clip(rows: Iterable[SpokenRow]) -> WordProminence:
    """Columns from rows in any order of clips, the words of a clip in their order."""
    table = np.fromiter(((clip, start, end, np.nan if height is None else height) for clip, start, end, height in rows), _ROW)
    order = np.argsort(table["clip"], kind="stable")
    return WordProminence(*(np.ascontiguousarray(table[name][order]) for name in ("clip", "start", "end", "prominence")))
