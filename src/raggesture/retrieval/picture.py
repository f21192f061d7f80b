"""A picture of what an index holds: kinds, gestures, speakers, hands, words, and how long gestures last and stand out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from raggesture.plots import COLOURS, bars, drawn
from raggesture.retrieval.index import Index
from raggesture.retrieval.summary import summary_of

_LONGEST_S = 6.0


def draw_index(index: Index, path: Path) -> None:
    """Draw ``index`` as a PNG.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    info, table = summary_of(index), index.events
    words = Counter(word for k in range(len(table)) if (word := index.exemplars[k].word.lower())) if len(table) <= 200_000 else Counter()
    with drawn(path, 12.0, 7.2) as figure:
        places = figure.subplots(2, 3, width_ratios=(1, 1, 1))
        figure.suptitle(f"{index.path.name}: {len(table)} gestures, {info.manifest.clips} clips, {info.duration_s / 60:.1f} minutes")
        bars(places[0, 0], "kinds and senses", info.kinds)
        bars(places[0, 1], "gestures of a lexicon", info.gestures)
        bars(places[0, 2], "words", tuple(words.most_common()))
        bars(places[1, 0], "speakers", info.speakers)
        lengths = np.minimum(np.asarray(table.end, np.float64) - np.asarray(table.start, np.float64), _LONGEST_S)
        places[1, 1].hist(lengths, bins=np.linspace(0.0, _LONGEST_S, 31), color=COLOURS[0])
        places[1, 1].set(title="length", xlabel="s (longer ones in the last bar)", ylabel="gestures")
        known = np.asarray(table.prominence, np.float64)
        places[1, 2].hist(known[np.isfinite(known)], bins=np.linspace(0.0, 4.0, 33), color=COLOURS[1])
        places[1, 2].set(title="prominence of their words", xlabel="1 is average-stressed", ylabel="gestures")
