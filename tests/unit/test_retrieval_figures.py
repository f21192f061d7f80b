"""Figures of retrieval: counting, what counts as right, and that the whole comparison runs on any named corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers_retrieval import ToyAudio, ToyText, make_clip, toy_corpus
from raggesture.metrics.retrieval import Found, found_of
from raggesture.retrieval.index import Index
from raggesture.retrieval.rank import Weights, by_terms
from raggesture.training.retrieval_figures import figures, given_labels, left_out, main, measure, table


def test_counting() -> None:
    rankings = [[True, False], [False, False, True], [False] * 6 + [True], [False], []]
    assert found_of(rankings) == Found(5, 1 / 5, 2 / 5, pytest.approx((1 + 1 / 3 + 1 / 7) / 5))
    assert found_of([]) == Found(0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return Index.build(toy_corpus(), tmp_path_factory.mktemp("index") / "toy", text_encoder=ToyText(), audio_encoder=ToyAudio())


HELD_OUT = (
    make_clip("9_ann_0_9_9", "a huge house but small trees", [("huge", "iconic", "big"), ("small", "iconic", "small"), ("trees", "beat", "beat_on")]),
    make_clip("9_bob_0_9_8", "the whale swam there", [("whale", "iconic", "juggle"), ("there", "deictic", "there")], "bob"),
)


def test_right_is_the_gesture_that_was_made(index: Index) -> None:
    asked = given_labels(HELD_OUT)
    assert [(each.query.word, set(each.gestures)) for each in asked] == [("huge", {"big"}), ("small", {"small"}), ("whale", {"juggle"}), ("there", {"there"})]
    assert asked[0].query.prominence == pytest.approx(0.6)
    found = measure(index, asked, by_terms)
    assert (found.queries, found.recall_at_1, found.recall_at_5) == (4, 0.75, 0.75)


def test_without_its_term_the_same_word_is_the_most_similar_one() -> None:
    fewer = left_out(Weights())
    assert fewer["without word"].word == Weights().similarity
    assert set(fewer) == {"without word", "without similarity", "without speaker", "without prominence"}
    assert "without prominence" not in left_out(Weights(prominence=0.0))


def test_every_way_to_ask_and_to_rank(index: Index) -> None:
    pytest.importorskip("spacy", reason="the extra 'offline' is not installed")
    rows, labelled = figures(index, HELD_OUT)
    ways = [(row.asked, row.weighting) for row in rows]
    for asked in ("given label", "llm", "gesture-type", "discourse"):
        assert (asked, "default") in ways and (asked, "released") in ways
    assert labelled >= 2
    assert all(0 <= row.found.recall_at_1 <= row.found.mrr <= row.found.recall_at_5 + 0.2 <= 1.2 for row in rows)
    assert table(rows).count("\n") == len(rows) + 2


def test_bad_folders_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path / "nothing"), "--out", str(tmp_path / "out")]) == 3
    assert "nothing" in capsys.readouterr().err
    assert main(["--data", str(tmp_path), "--index", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 5
    assert not (tmp_path / "out").exists()
