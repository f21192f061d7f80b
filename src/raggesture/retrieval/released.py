"""The weighting ``released``: windows ranked as the published code ranks them, score for score and tie for tie.

What is scored is a window of ten seconds, by its best annotation of the asked kind; windows of equal score are ordered by an un-normalised
product of their token features, position by position; the annotation that is used may be another than the one whose word scored.
Source: METHOD part I (d). Computed over columns of annotations; the rankings are those of the goldens.
Differs from the released code: nothing is remembered between requests (there, the second request for a name fails).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from raggesture.retrieval.released_words import map_prominence, plain, word_similarity

Method = Literal["discourse", "gesture-type", "llm"]
LIMIT = 10


@dataclass(frozen=True, slots=True)
class Rule:
    """What each term of a method adds. ``unlike``: numerator of the term that falls with the similarity of words, 0 for none.

    ``override``: the annotation nearest in prominence is used, even where another has the asked word.
    """

    speaker: float
    word: float
    unlike: float
    prominence: float
    override: bool
    kind: float = 2.0


RULES: dict[Method, Rule] = {
    "discourse": Rule(speaker=3.0, word=4.0, unlike=0.0, prominence=4.0, override=False),
    "gesture-type": Rule(speaker=2.0, word=5.0, unlike=3.0, prominence=0.0, override=False),
    "llm": Rule(speaker=1.0, word=5.0, unlike=3.0, prominence=4.0, override=True),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """An annotation of a window: a gesture's word or a connective, its kind or sense, seconds in the window; ``row`` of its exemplar (-1: none).

    ``prominence`` counts where the window's words have none of their own.
    """

    word: str
    kind: str
    start: float
    end: float
    row: int = -1
    prominence: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Ten seconds of a clip. ``tokens`` (n, D) are its token features, ``spoken`` its (word, prominence) in time order."""

    name: str
    speaker: str
    relations: tuple[Mark, ...]
    labels: tuple[Mark, ...]
    tokens: NDArray[np.float32]
    spoken: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """What is asked for: one word or connective of a window, with the window's ``speaker`` and ``tokens`` (n, D)."""

    word: str
    kind: str
    speaker: str
    prominence: float | None
    tokens: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Choice:
    """A window that was found, the annotation of it that is used, and the terms of its score."""

    window: str
    mark: Mark
    score: float
    terms: dict[str, float]


def _prominences(marks: Sequence[Mark], spoken: Sequence[tuple[str, float]]) -> list[float]:
    """Of each annotation, NaN where unknown."""
    if not spoken:
        return [np.nan if mark.prominence is None else mark.prominence for mark in marks]
    return [np.nan if each is None else each[1] for each in map_prominence([mark.word for mark in marks], spoken)]


class _Table:
    """Annotations of one sort of all windows as columns (M,), window after window."""

    def __init__(self, marks: Sequence[Sequence[Mark]], spoken: Sequence[Sequence[tuple[str, float]]]) -> None:
        self.marks: list[Mark] = [mark for each in marks for mark in each]
        self.window = np.repeat(np.arange(len(marks)), [len(each) for each in marks])
        self.kinds = {kind: k for k, kind in enumerate(dict.fromkeys(mark.kind for mark in self.marks))}
        self.words = {word: k for k, word in enumerate(dict.fromkeys(mark.word for mark in self.marks))}
        self.kind = np.array([self.kinds[mark.kind] for mark in self.marks], np.int32)
        self.word = np.array([self.words[mark.word] for mark in self.marks], np.int32)
        self.prominence = np.array([p for each, said in zip(marks, spoken, strict=True) for p in _prominences(each, said)], np.float64)

    def similarities(self, rows: NDArray[np.int64], asked: str) -> NDArray[np.float64]:
        """Similarity of the asked word to the words of some annotations; every distinct word is compared once."""
        numbers, places = np.unique(self.word[rows], return_inverse=True)
        words = list(self.words)
        return np.array([word_similarity(words[number], asked) for number in numbers.tolist()])[places]


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """Windows (W,) that have the asked kind, ascending; their score and its terms; where the annotations of each begin among ``rows``."""

    windows: NDArray[np.int64]
    score: NDArray[np.float64]
    terms: dict[str, NDArray[np.float64]]
    rows: NDArray[np.int64]
    starts: NDArray[np.int64]


class WindowDatabase:
    """Windows to rank, in the byte order of their names."""

    def __init__(self, windows: Iterable[Window]) -> None:
        found = sorted(windows, key=lambda window: window.name.encode())
        self.names = tuple(window.name for window in found)
        self._speakers = np.array([window.speaker for window in found], dtype=np.str_)
        spoken = [window.spoken for window in found]
        self._relations = _Table([window.relations for window in found], spoken)
        self._labels = _Table([window.labels for window in found], spoken)
        lengths = np.array([len(window.tokens) for window in found], np.int64)
        self._token_start = np.concatenate([[0], np.cumsum(lengths)])
        self._tokens = np.concatenate([window.tokens for window in found]) if found else np.zeros((0, 0), np.float32)

    def _table(self, method: Method) -> _Table:
        return self._relations if method == "discourse" else self._labels

    def prominences(self, method: Method) -> dict[str, list[float]]:
        """Prominence of the annotations of each window in their order, NaN where unknown."""
        table = self._table(method)
        borders = np.searchsorted(table.window, np.arange(len(self.names) + 1))
        return {name: table.prominence[borders[k] : borders[k + 1]].tolist() for k, name in enumerate(self.names)}

    def _score(self, method: Method, point: Point) -> _Scored | None:
        rule, table = RULES[method], self._table(method)
        if point.kind not in table.kinds:
            return None
        rows = np.flatnonzero(table.kind == table.kinds[point.kind])
        windows, starts = np.unique(table.window[rows], return_index=True)
        asked = plain(point.word.lower()) if method == "llm" else point.word
        same = np.logical_or.reduceat(table.word[rows] == table.words.get(asked, -1), starts)
        terms: dict[str, NDArray[np.float64]] = {"kind": np.full(len(windows), rule.kind)}
        terms["word"] = rule.word * same
        if rule.unlike:
            nearest = np.maximum.reduceat(table.similarities(rows, asked), starts)
            terms["similarity"] = np.where(same, 0.0, rule.unlike / (1 + 2 * nearest))
        terms["speaker"] = rule.speaker * (self._speakers[windows] == point.speaker)
        if rule.prominence and point.prominence is not None:
            near = rule.prominence / (1 + 2 * np.abs(point.prominence - table.prominence[rows]))
            group = np.searchsorted(windows, table.window[rows])
            known = np.bincount(group, ~np.isnan(near))
            terms["prominence"] = np.bincount(group, np.nan_to_num(near)) / np.maximum(known, 1)  # adds one by one: equal scores stay exactly equal
        return _Scored(windows, sum(terms.values(), start=np.zeros(len(windows))), terms, rows, starts.astype(np.int64))

    def scores(self, method: Method, point: Point) -> NDArray[np.float64]:
        """(N,) of every window, 0 without an annotation of the asked kind."""
        found, total = self._score(method, point), np.zeros(len(self.names))
        if found is not None:
            total[found.windows] = found.score
        return total

    def _text_similarity(self, windows: NDArray[np.int64], tokens: NDArray[np.float32]) -> NDArray[np.float64]:
        """Mean product of tokens at equal positions, not normalised."""
        start = self._token_start[windows]
        shared = np.minimum(self._token_start[windows + 1] - start, len(tokens))
        total = np.zeros(len(windows))
        for position in range(int(shared.max(initial=0))):
            some = np.flatnonzero(shared > position)
            total[some] += self._tokens[start[some] + position].astype(np.float64) @ tokens[position].astype(np.float64)
        mean: NDArray[np.float64] = total / np.maximum(shared, 1)
        return mean

    def _used(self, method: Method, point: Point, rows: NDArray[np.int64]) -> Mark:
        """Which annotation of a window is used, of those of the asked kind."""
        rule, table = RULES[method], self._table(method)
        marks: list[Mark] = [table.marks[row] for row in rows.tolist()]
        asked = plain(point.word.lower()) if method == "llm" else point.word
        same = next((mark for mark in marks if mark.word == asked), None)
        apart = np.abs(table.prominence[rows] - point.prominence) if rule.prominence and point.prominence is not None else np.full(len(rows), np.nan)
        nearest = None if np.isnan(apart).all() else marks[int(np.nanargmin(apart))]
        if nearest is not None and (rule.override or same is None):
            return nearest
        if same is not None:
            return same
        return marks[int(np.argmax(table.similarities(rows, asked)))] if rule.unlike else marks[0]

    def rank(self, method: Method, point: Point, *, limit: int = LIMIT) -> tuple[Choice, ...]:
        """The best windows for a point, ``limit`` at most; none where no window has its kind."""
        found = self._score(method, point)
        if found is None:
            return ()
        order: list[int] = []
        for score in np.unique(found.score)[::-1]:
            group = np.flatnonzero(found.score == score)
            if len(group) > 1:
                group = group[np.argsort(-self._text_similarity(found.windows[group], point.tokens), kind="stable")]
            order += group.tolist()
            if len(order) >= limit:
                break
        stops: NDArray[Any] = np.append(found.starts[1:], len(found.rows))
        return tuple(
            Choice(
                self.names[found.windows[k]],
                self._used(method, point, found.rows[found.starts[k] : stops[k]]),
                float(found.score[k]),
                {name: float(values[k]) for name, values in found.terms.items() if values[k]},
            )
            for k in order[:limit]
        )
