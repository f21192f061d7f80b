"""What ``nox -s bench`` prints of retrieval: times of one query, exact and by neighbours, beside the published scoring written plainly.

Only what comes out is asserted, never how fast.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import plain_retrieval
import pytest

from helpers_events import DIM, SyntheticIndex, synthetic_index
from raggesture.retrieval.by_discourse import WEIGHTS as DISCOURSE
from raggesture.retrieval.by_gesture_type import WEIGHTS as GESTURE_TYPE
from raggesture.retrieval.neighbours import Neighbours, recall_report, sample_queries
from raggesture.retrieval.rank import Weights, by_terms
from raggesture.retrieval.released import Mark, Method, Point, Window, WindowDatabase
from raggesture.types import Query

METHODS: dict[Method, Weights] = {"llm": Weights(), "gesture-type": GESTURE_TYPE, "discourse": DISCOURSE}
TOKENS, TOKEN_DIM = 27, 768
"""Of a window's sentence: as many as ten seconds of speech have, as wide as BERT makes them."""
PER_WINDOW = 4
"""Annotations of a window: the golden windows hold 3.8 on average (1.9 labels, 1.9 relations), a real take 3.3 labels in ten seconds."""


def _median(work: Callable[[Query], object], queries: Sequence[Query], repeats: int = 1) -> float:
    times = []
    for query in queries:
        for _ in range(repeats):
            start = time.perf_counter()
            work(query)
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def _database(index: SyntheticIndex) -> plain_retrieval.Database:
    """``PER_WINDOW`` events a window."""
    rng, events = np.random.default_rng(1), index.events
    tokens = rng.standard_normal((199, TOKENS, TOKEN_DIM)).astype(np.float32)  # shared, to fit into memory
    texts = list(tokens)
    found: plain_retrieval.Database = {}
    for first in range(0, len(events), PER_WINDOW):
        inside = [events.exemplar(row) for row in range(first, min(first + PER_WINDOW, len(events)))]
        marks = [[e.word, e.kind, e.start, e.end, e.prominence] for e in inside]
        found[f"{first:07d}"] = {"speaker": inside[0].speaker, "marks": marks, "tokens": texts[first // PER_WINDOW % 199]}
    return found


def _released(database: plain_retrieval.Database) -> WindowDatabase:
    def window(name: str, entry: dict) -> Window:  # type: ignore[type-arg]
        marks = tuple(Mark(word, kind, start, end, prominence=p) for word, kind, start, end, p in entry["marks"])
        senses = tuple(mark for mark in marks if "." in mark.kind)
        return Window(name, entry["speaker"], senses, tuple(mark for mark in marks if "." not in mark.kind), entry["tokens"])

    return WindowDatabase(window(name, entry) for name, entry in database.items())


def _queries(index: SyntheticIndex, method: Method, count: int) -> list[Query]:
    asked = sample_queries(index, index.vocabulary, count, seed=4)
    if method != "discourse":
        return [query for query in asked if query.kind != "beat"] or list(asked)
    senses = [kind for kind in index.events.kinds if "." in kind]
    return [Query(q.word, senses[k % len(senses)], 0, 0, prominence=q.prominence, speaker=q.speaker) for k, q in enumerate(asked)]


@pytest.mark.parametrize("windows", [1_000, 10_000, 100_000])
def test_against_the_published_scoring(windows: int) -> None:
    index = synthetic_index(PER_WINDOW * windows)
    database = _database(index)
    released = _released(database)
    print(f"\nretrieval, one query point over {windows} windows, {PER_WINDOW} events each (medians; plain: published scoring as loops over dictionaries)")
    for method, weights in METHODS.items():
        queries = _queries(index, method, 40)
        tokens = np.random.default_rng(2).standard_normal((TOKENS, TOKEN_DIM)).astype(np.float32)
        asked = [{"word": q.word, "kind": q.kind, "speaker": q.speaker, "prominence": q.prominence, "tokens": tokens} for q in queries]
        few = asked[: 3 if windows > 10_000 else 7]
        times = []
        for query in few:
            start = time.perf_counter()
            names = plain_retrieval.rank(method, query, database)
            times.append(time.perf_counter() - start)
            point = Point(query["word"], query["kind"], query["speaker"], query["prominence"], tokens)
            found = [choice.window for choice in released.rank(method, point)]  # the fast way to the same published ranking
            assert len(found) == len(names)  # where names differ, their texts are one array, and equal sums may round apart
            assert all(a == b or database[a]["tokens"] is database[b]["tokens"] for a, b in zip(found, names, strict=True))
        plain = statistics.median(times)
        same = _median(lambda q, m=method, t=tokens: released.rank(m, Point(q.word, q.kind, q.speaker, q.prominence, t)), queries[: len(few)])  # type: ignore[misc]
        ours = _median(lambda q, w=weights: by_terms(q, index, w), queries, 3)  # type: ignore[misc]
        print(
            f"  {method:13s} plain {1000 * plain:9.2f} ms   ours {1000 * ours:7.3f} ms = {plain / ours:6.0f} times faster"
            f"   weighting released {1000 * same:7.2f} ms = {plain / same:5.0f} times"
        )
        assert by_terms(queries[0], index, weights)


@pytest.mark.parametrize("events", [100_000, 1_000_000])
def test_one_query_over_many_events(events: int) -> None:
    index = synthetic_index(events)
    assert index.word_table.shape[1] == DIM
    report = recall_report(index, 100, seed=1)
    print(
        f"\nretrieval over {events} events, {len(index.vocabulary)} words, one thread: exact {report.exact_ms:.2f} ms, by neighbours "
        f"{report.neighbours_ms:.2f} ms, recall@10 {report.recall:.4f}; in memory {report.columns_bytes / 1e6:.0f} MB, neighbours "
        f"{report.neighbours_bytes / 1e6:.0f} MB more, made in {report.build_s:.1f} s"
    )
    assert report.recall >= 0.95


def test_every_method_by_neighbours() -> None:
    index = synthetic_index(100_000)
    neighbours = Neighbours(index)
    for method, weights in METHODS.items():
        queries = _queries(index, method, 40)
        exact = _median(lambda q, w=weights: by_terms(q, index, w), queries)  # type: ignore[misc]
        near = _median(lambda q, w=weights: neighbours.search(q, w), queries)  # type: ignore[misc]
        print(f"\n  {method}: 100000 events, exact {1000 * exact:.2f} ms, by neighbours {1000 * near:.2f} ms", end="")
        shared = [
            sum(h.score >= best[-1].score - 1e-6 for h in neighbours.search(q, weights)) / len(best) for q in queries if (best := by_terms(q, index, weights))
        ]
        assert float(np.mean(shared)) >= 0.95
