"""The weighting ``released`` as an option of the built-in retrievers: published windows and scores over an index of exemplars."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from helpers_retrieval import ToyAudio, ToyText, make_clip, toy_corpus
from raggesture.corpus.starter.lexicon_file import load_lexicon
from raggesture.retrieval.by_discourse import DiscourseOptions, DiscourseRetriever
from raggesture.retrieval.by_gesture_type import GestureTypeOptions, GestureTypeRetriever
from raggesture.retrieval.by_llm import LlmOptions, LlmRetriever
from raggesture.retrieval.index import Index
from raggesture.retrieval.rank import Weights, by_terms
from raggesture.retrieval.weighting import Ranking, RankingOptions, windows_of
from raggesture.types import Query

RELEASED = RankingOptions(weighting="released")
HUGE = Query("huge", "iconic", 0, 1, speaker="bob", prominence=0.7)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    clips = (*toy_corpus(), make_clip("3_eve_0_1_1", "a big tree " + "and so it went on " * 5, [("big", "iconic", "big"), ("tree", "iconic", "tall")], "eve"))
    return Index.build(clips, tmp_path_factory.mktemp("index") / "toy", text_encoder=ToyText(), audio_encoder=ToyAudio())


def test_windows_are_the_published_grid(index: Index) -> None:
    found = {window.name: window for window in windows_of(index)}
    frames = index.clip_frames
    for clip, length in frames.items():
        kept = [name for name in found if name.startswith(f"{clip}/")]
        assert kept == [f"{clip}/{k}" for k in range(0, max(15 * (length // 15) - 150, -1) // 5 + 1, 15)]
    first, second = found["1_ann_0_1_1/0"], found["1_ann_0_1_1/15"]
    assert [mark.word for mark in first.labels] == ["huge", "there", "small"]  # "round" begins in the eleventh second
    assert [mark.word for mark in second.labels] == ["small", "round"]
    assert second.labels[0].start == pytest.approx(first.labels[2].start - 5.0)
    assert [mark.word for mark in first.relations] == ["but"]
    assert len(first.tokens) == 10


def test_scores_reward_unlike_words_as_published(index: Index) -> None:
    ranking = Ranking("gesture-type", RELEASED, Weights())
    hits = ranking(Query("bigger", "iconic", 0, 1), index)
    scores = {hit.exemplar.clip: hit for hit in hits}
    assert scores["3_eve_0_1_1"].terms == {"kind": 2.0, "similarity": 3 / (1 + 2 * 1.0)}  # "big" lies in "bigger": similarity 1, reward 1
    assert scores["2_bob_0_1_1"].score > scores["3_eve_0_1_1"].score
    assert by_terms(Query("bigger", "iconic", 0, 1), index)[0].exemplar.word == "big"


def test_prominence_overrides_the_word_for_llm_alone(index: Index) -> None:
    near_small = replace(HUGE, prominence=1.1, speaker="")  # the prominence of "small"
    in_llm = {hit.exemplar.word for hit in Ranking("llm", RELEASED, Weights())(near_small, index)}
    of_type = {hit.exemplar.word for hit in Ranking("gesture-type", RELEASED, Weights())(near_small, index)}
    assert "small" in in_llm and "small" not in of_type and "huge" in of_type


@pytest.mark.parametrize("method", ["llm", "gesture-type", "discourse"])
def test_hits_are_whole(index: Index, method: str) -> None:
    query = replace(HUGE, kind="Comparison.Contrast", word="but") if method == "discourse" else HUGE
    hits = Ranking(method, RELEASED, Weights())(query, index)  # type: ignore[arg-type]
    assert hits and [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len({hit.exemplar.row for hit in hits}) == len(hits)
    for hit in hits:
        assert hit.query is query and hit.exemplar.kind == query.kind and hit.exemplar == index.exemplars[hit.exemplar.row]
        assert sum(hit.terms.values()) == pytest.approx(hit.score)


def test_what_is_left_out_is_not_found(index: Index) -> None:
    ranking = Ranking("gesture-type", RELEASED, Weights())
    every = {hit.exemplar.clip for hit in ranking(HUGE, index)}
    assert "2_bob_0_1_1" in every
    assert "2_bob_0_1_1" not in {hit.exemplar.clip for hit in ranking(HUGE, index.excluding(["2_bob_0_1_1"]))}
    assert {hit.exemplar.clip for hit in ranking(HUGE, index)} == every
    of_eve = Ranking("gesture-type", RankingOptions(weighting="released", speaker="eve"), Weights())
    assert {hit.exemplar.speaker for hit in of_eve(HUGE, index)} == {"eve"}
    assert ranking(replace(HUGE, kind="juggling"), index) == ()


def test_a_named_gesture_and_the_default_are_ranked_by_terms(index: Index) -> None:
    named = replace(HUGE, gesture="small")
    assert Ranking("llm", RELEASED, Weights())(named, index) == by_terms(named, index)
    assert Ranking("llm", RankingOptions(), Weights())(named, index) == by_terms(named, index)
    assert Ranking("llm", RankingOptions(least_similarity=0, lexicon=False), Weights())(HUGE, index) == by_terms(HUGE, index)


@pytest.mark.parametrize("least", [0.2, 0.44, 0.9, 1.0])
def test_a_word_that_is_not_near_brings_no_gesture(index: Index, least: float) -> None:
    ranking = Ranking("llm", RankingOptions(least_similarity=least, lexicon=False), Weights())
    for word in ("huge", "bigger", "there", "mountain"):
        query = replace(HUGE, word=word)
        every, near = by_terms(query, index), ranking(query, index)
        cosines = [index.vocabulary_similarities(word)[index.word_number(hit.exemplar.word)] for hit in every]
        assert near == tuple(hit for hit, cosine in zip(every, cosines, strict=True) if hit.exemplar.word == word or cosine >= least - 1e-6)
    assert {hit.exemplar.word for hit in ranking(HUGE, index)} >= {"huge"}, "the word itself is always near"
    without = Weights(similarity=0.0)
    assert Ranking("discourse", RankingOptions(least_similarity=least, lexicon=False), without)(HUGE, index) == by_terms(HUGE, index, without)
    assert ranking(replace(HUGE, word=""), index) == by_terms(replace(HUGE, word=""), index)


def test_a_word_of_the_lexicon_gets_its_gesture(index: Index) -> None:
    """ "massive" is in no clip; the lexicon has it under "big", which clips make on other words."""
    assert [gesture.name for gesture in load_lexicon().for_word("massive")] == ["big"] and index.word_number("massive") < 0
    massive = replace(HUGE, word="Massive,", prominence=None)
    hits = Ranking("llm", RankingOptions(), Weights())(massive, index)
    of_big = [hit for hit in hits if hit.exemplar.gesture == "big"]
    assert of_big and list(hits[: len(of_big)]) == of_big, "its own gesture first"
    assert all(hit.query is massive and hit.terms["gesture"] == 5.0 and sum(hit.terms.values()) == pytest.approx(hit.score) for hit in of_big)
    assert len({hit.exemplar.row for hit in hits}) == len(hits)
    without = Ranking("llm", RankingOptions(lexicon=False), Weights())(massive, index)
    assert not any("gesture" in hit.terms for hit in without)
    for other in (replace(massive, kind="deictic"), replace(massive, word="xylophone")):
        assert not any("gesture" in hit.terms for hit in Ranking("llm", RankingOptions(), Weights())(other, index))


def test_it_is_an_option_of_the_retrievers(index: Index) -> None:
    for retriever, query in (
        (LlmRetriever(LlmOptions(weighting="released")), HUGE),
        (GestureTypeRetriever(GestureTypeOptions(weighting="released")), HUGE),
        (DiscourseRetriever(DiscourseOptions(weighting="released")), replace(HUGE, kind="Comparison.Contrast", word="But")),  # case counts there
    ):
        assert retriever.rank(query, index) != type(retriever)(type(retriever).Options()).rank(query, index)  # type: ignore[attr-defined]
    with pytest.raises(ValidationError, match="released"):
        LlmOptions(weighting="published")  # type: ignore[arg-type]


def test_an_index_of_short_clips_has_no_windows(tmp_path: Path) -> None:
    built = Index.build(
        (make_clip("1_ann_0_1_1", "a huge thing", [("huge", "iconic", "big")]),), tmp_path / "i", text_encoder=ToyText(), audio_encoder=ToyAudio()
    )
    assert list(windows_of(built)) == []
    assert Ranking("llm", RELEASED, Weights())(HUGE, built) == ()
