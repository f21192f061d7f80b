"""Searching by neighbours answers as scoring everything does; what it may miss is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers_events import SyntheticIndex, synthetic_index
from raggesture.retrieval.neighbours import Neighbours, recall_report, sample_queries
from raggesture.retrieval.rank import Scorer, Weights, by_terms, top
from raggesture.types import Query

WEIGHTS = {
    "default": Weights(),
    "discourse": Weights(kind=2.0, word=4.0, similarity=0.0, speaker=3.0, prominence=4.0),
    "gesture-type": Weights(kind=2.0, word=5.0, similarity=3.0, speaker=2.0, prominence=0.0),
    "similarity alone": Weights(kind=0.0, word=3.0, similarity=3.0, speaker=0.0, prominence=0.0),
}


@pytest.fixture(scope="module")
def index() -> SyntheticIndex:
    return synthetic_index(6000, seed=3)


@pytest.fixture(scope="module")
def neighbours(index: SyntheticIndex) -> Neighbours:
    return Neighbours(index)


def shares(index: SyntheticIndex, neighbours: Neighbours, queries: tuple[Query, ...], weights: Weights) -> list[float]:
    found = []
    for query in queries:
        exact, near = by_terms(query, index, weights), neighbours.search(query, weights)
        assert len(near) == len(exact)
        assert [hit.score for hit in near] == sorted((hit.score for hit in near), reverse=True)
        for hit in near:
            assert sum(hit.terms.values()) == pytest.approx(hit.score)
            assert hit.exemplar.kind == query.kind
        found.append(sum(hit.score >= exact[-1].score - 1e-6 for hit in near) / len(exact))
    return found


@pytest.mark.parametrize("name", WEIGHTS)
def test_what_is_found_is_what_scoring_all_finds(index: SyntheticIndex, neighbours: Neighbours, name: str) -> None:
    queries = sample_queries(index, index.vocabulary, 40, seed=5)
    silent = tuple(replace(query, prominence=None, speaker="") for query in queries[:15])
    assert float(np.mean(shares(index, neighbours, queries + silent, WEIGHTS[name]))) >= 0.98


def test_senses_unknown_words_and_kinds(index: SyntheticIndex, neighbours: Neighbours) -> None:
    sense = Query(index.vocabulary[0], "Comparison.Contrast", 0, 0, prominence=1.0, speaker="speaker_3")
    assert shares(index, neighbours, (sense,), WEIGHTS["discourse"]) == [1.0]
    wordless = Query("", "iconic", 0, 0, prominence=0.7, speaker="speaker_1")
    assert shares(index, neighbours, (wordless,), Weights()) == [1.0]
    assert neighbours.search(Query("x", "juggling", 0, 0)) == ()


def test_narrow_questions_are_answered_by_scoring_all(index: SyntheticIndex, neighbours: Neighbours) -> None:
    one = Query(index.vocabulary[4], "iconic", 0, 0, gesture="gesture_7", prominence=1.0)
    assert neighbours.search(one) == by_terms(one, index)
    query = replace(one, gesture="")
    clip = by_terms(query, index)[0].exemplar.clip
    assert neighbours.search(query, exclude=(clip,)) == by_terms(query, index, exclude=(clip,))
    assert clip not in {hit.exemplar.clip for hit in neighbours.search(query, exclude=(clip,))}
    left = SyntheticIndex(index.events, index.vocabulary, index.word_table, index.events.hand == 1)
    assert {hit.exemplar.hand for hit in Neighbours(left).search(query)} == {"left"}


def test_the_graph_is_the_same_each_time(index: SyntheticIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raggesture.retrieval.neighbours.EXACT_WORDS", 8)
    queries = sample_queries(index, index.vocabulary, 20, seed=6)
    one, other = Neighbours(index), Neighbours(index)
    for query in queries:
        assert one.search(query) == other.search(query)
    assert float(np.mean(shares(index, one, queries, Weights()))) >= 0.95


def test_the_report_counts(index: SyntheticIndex, neighbours: Neighbours) -> None:
    report = recall_report(index, 12, seed=1, neighbours=neighbours)
    assert (report.events, report.queries) == (6000, 12)
    assert 0.9 <= report.recall <= 1.0
    assert report.columns_bytes > 6000 * 20
    assert report.neighbours_bytes == neighbours.nbytes > 6000 * 12
    empty = synthetic_index(40)
    none = replace(empty.events, kinds=tuple(f"Sense.{k}" for k in range(8)))
    assert recall_report(SyntheticIndex(none, empty.vocabulary, empty.word_table, empty.allowed)).queries == 0


def test_tables_score_as_the_terms_say(index: SyntheticIndex) -> None:
    for query in sample_queries(index, index.vocabulary, 5, seed=9):
        scorer = Scorer.of(query, index, Weights())
        rows = np.arange(0, 6000, 37)
        assert scorer.scores(rows).tolist() == pytest.approx([sum(scorer.terms(row).values()) for row in rows.tolist()])


@pytest.mark.parametrize("limit", [1, 3, 10, 50])
def test_top_is_a_stable_sort(limit: int) -> None:
    scores = np.random.default_rng(limit).integers(0, 6, 40).astype(float)
    assert top(scores, limit).tolist() == np.argsort(-scores, kind="stable")[:limit].tolist()
