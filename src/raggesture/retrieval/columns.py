"""The exemplars of an index as columns of names and numbers. Names lie behind integer codes: a million events are a few megabytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.retrieval.event_table import EventTable


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """A column of texts: ``codes`` (N,) are places in ``texts``."""

    codes: NDArray[np.int32]
    texts: Sequence[str]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, row: int) -> str:
        return self.texts[int(self.codes[row])]

    def code(self, text: str) -> int:
        """The code of a text, -1 where no row has it."""
        return self.texts.index(text) if text in self.texts else -1


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The exemplars by column (N,). ``prominence`` is NaN where unknown; ``word`` is cleaned, its codes are the index's vocabulary's numbers."""

    kind: Names
    word: Names
    gesture: Names
    speaker: Names
    clip: Names
    prominence: NDArray[np.float64]

    @property
    def word_number(self) -> NDArray[np.int32]:
        """Places of the words in the index's vocabulary."""
        return self.word.codes


def columns_of(table: EventTable, vocabulary: Sequence[str]) -> Columns:
    """Views of an index's event table; nothing is copied."""
    return Columns(
        kind=Names(table.kind, table.kinds),
        word=Names(table.word_number, vocabulary),
        gesture=Names(table.gesture, table.gestures),
        speaker=Names(table.speaker, table.speakers),
        clip=Names(table.clip, table.clips),
        prominence=table.prominence,
    )
