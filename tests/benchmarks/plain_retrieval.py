"""The published scoring written plainly: one window at a time, dictionaries of lists, as METHOD part I (d) tells it. The yardstick of the benchmark.

A window's annotations are [word, kind, start, end, prominence or None]. Nothing is cached, nothing is vectorised, and nothing is
slower than it has to be to do what is described.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from raggesture.retrieval.released_words import word_similarity

LIMIT = 10
Database = dict[str, dict[str, Any]]
"""By name of the window: ``speaker``, ``marks``, ``tokens`` (n, D)."""
Query = dict[str, Any]


def _prominence(query: Query, marks: list[Any]) -> float:
    near = [4.0 / (1 + 2 * abs(query["prominence"] - mark[4])) for mark in marks if mark[4] is not None] if query["prominence"] is not None else []
    return sum(near) / len(near) if near else 0.0


def _discourse(query: Query, window: dict[str, Any]) -> float:
    marks = [mark for mark in window["marks"] if mark[1] == query["kind"]]
    if not marks:
        return 0.0
    score = 2.0
    if any(mark[0] == query["word"] for mark in marks):
        score += 4.0
    if window["speaker"] == query["speaker"]:
        score += 3.0
    return score + _prominence(query, marks)


def _by_word(query: Query, window: dict[str, Any], speaker: float, *, prominence: bool) -> float:
    marks = [mark for mark in window["marks"] if mark[1] == query["kind"]]
    if not marks:
        return 0.0
    score = 2.0
    if window["speaker"] == query["speaker"]:
        score += speaker
    if any(mark[0] == query["word"] for mark in marks):
        score += 5.0
    else:
        score += 3.0 / (1 + 2 * max(word_similarity(mark[0], query["word"]) for mark in marks))
    return score + (_prominence(query, marks) if prominence else 0.0)


def _text_similarity(query: Query, window: dict[str, Any]) -> float:
    one: NDArray[np.float32] = query["tokens"]
    other: NDArray[np.float32] = window["tokens"]
    shared = min(len(one), len(other))
    return sum(float(np.dot(one[k], other[k])) for k in range(shared)) / max(shared, 1)


def rank(method: str, query: Query, database: Database) -> list[str]:
    """Names of the best windows."""
    scores: dict[str, float] = {}
    for name, window in database.items():
        if method == "discourse":
            scores[name] = _discourse(query, window)
        elif method == "llm":
            scores[name] = _by_word(query, window, 1.0, prominence=True)
        else:
            scores[name] = _by_word(query, window, 2.0, prominence=False)
    ranked: list[str] = []
    for score in sorted({value for value in scores.values() if value > 0}, reverse=True):
        group = [name for name, value in scores.items() if value == score]
        if len(group) > 1:
            similarity = {name: _text_similarity(query, database[name]) for name in group}
            group.sort(key=lambda name: -similarity[name])
        ranked += group
        if len(ranked) >= LIMIT:
            break
    return ranked[:LIMIT]
