"""The released retrieval, word for word and score for score: similarity, answers, prominence, rankings, placement."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raggesture.errors import InputError
from raggesture.retrieval.released_words import map_prominence, parse_answer, word_similarity


def read(goldens: Path, name: str) -> Any:
    return json.loads((goldens / "retrieval" / f"{name}.json").read_text(encoding="utf-8"))


def test_word_similarity(goldens: Path) -> None:
    rows = read(goldens, "word_similarity")
    assert len(rows) == 225
    assert [word_similarity(row["db_word"], row["query_word"]) for row in rows] == [row["score"] for row in rows]


def test_answers_of_language_models(goldens: Path) -> None:
    cases = read(goldens, "parse_llm_answer")
    assert len(cases) == 20
    for case in cases:
        assert [{"word": word, "name": kind} for word, kind in parse_answer(case["answer"])] == case["parsed"], case["answer"]


def test_prominence_of_words(goldens: Path) -> None:
    cases = read(goldens, "map_conns_to_prominence")
    assert len(cases) == 22
    for case in cases:
        spoken = [(str(word), value) for word, _, _, value in case["prominence"]]
        expected = case["without_breakpoint"]
        if "error" in expected:
            assert case["with_breakpoint"] == {"error": "BreakpointHit"}
            with pytest.raises(InputError, match="none for 1 words"):
                map_prominence(case["conns"], spoken)
            continue
        assert case["with_breakpoint"] == expected
        found = {str(k): None if each is None else list(each) for k, each in enumerate(map_prominence(case["conns"], spoken))}
        assert found == expected["result"], case["name"]
