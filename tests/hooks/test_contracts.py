"""The contract tests of ``raggesture.testing``: the built-ins keep the contract, and each clause can fail."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

from raggesture.metrics.measured import Combined
from raggesture.plugins.manager import EXPORTERS, METRICS, RETRIEVERS, SCHEDULES, PluginManager
from raggesture.testing import GuidanceScheduleContract, problems_of_part, sample_cues, sample_index, sample_speech
from raggesture.types import Hit, Query

BUILTIN = PluginManager(find=lambda: [])


class Nothing(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Plain:
    name: ClassVar[str] = "plain"
    Options: ClassVar[type[BaseModel]] = Nothing

    def __init__(self, options: Nothing) -> None:
        pass

    def queries(self, speech: Any, cues: Any) -> list[Query]:
        return [Query(word.text, "iconic", word.start, word.end) for word in speech.transcript.words]

    def rank(self, query: Query, index: Any) -> list[Hit]:
        return list(index.search(query))


class OutOfTime(Plain):
    def queries(self, speech: Any, cues: Any) -> list[Query]:
        return super().queries(speech, cues)[::-1]


class Outside(Plain):
    def queries(self, speech: Any, cues: Any) -> list[Query]:
        return [Query("late", "beat", 100.0, 101.0)]


class Random(Plain):
    def queries(self, speech: Any, cues: Any) -> list[Query]:
        return [Query("x", "beat", random.random(), 2.0)] if speech.transcript.words else []


class WorstFirst(Plain):
    def rank(self, query: Query, index: Any) -> list[Hit]:
        return super().rank(query, index)[::-1]


class Unexplained(Plain):
    def rank(self, query: Query, index: Any) -> list[Hit]:
        return [Hit(hit.query, hit.exemplar, hit.score + 1, hit.terms) for hit in super().rank(query, index)]


def test_a_plain_retriever_keeps_the_contract() -> None:
    assert problems_of_part(RETRIEVERS, Plain) == ()


@pytest.mark.parametrize(
    ("retriever", "problem"),
    [(OutOfTime, "time order"), (Outside, "outside the speech"), (Random, "global random"), (WorstFirst, "best first"), (Unexplained, "sum to its score")],
)
def test_each_clause_can_fail(retriever: type, problem: str) -> None:
    assert any(problem in line for line in problems_of_part(RETRIEVERS, retriever))


def test_a_schedule_that_overshoots_is_found() -> None:
    class Wild(Plain):
        def rates(self, n_steps: int) -> tuple[float, ...]:
            return (2.0,) * n_steps

    class Short(Plain):
        def rates(self, n_steps: int) -> tuple[float, ...]:
            return (0.5,) * 50

    assert any("no float in" in line for line in problems_of_part(SCHEDULES, Wild))
    assert any("gave 50 values" in line for line in problems_of_part(SCHEDULES, Short))


@pytest.mark.parametrize("name", BUILTIN.names(SCHEDULES))
class TestBuiltinSchedules(GuidanceScheduleContract):
    @pytest.fixture(autouse=True)
    def _part(self, name: str) -> None:
        type(self).part = BUILTIN.part(SCHEDULES, name).cls


@pytest.mark.parametrize("name", BUILTIN.names(EXPORTERS))
def test_builtin_exporters_keep_the_contract(name: str) -> None:
    assert problems_of_part(EXPORTERS, BUILTIN.part(EXPORTERS, name).cls) == ()


@pytest.mark.parametrize("name", BUILTIN.names(METRICS))
def test_builtin_metrics_keep_the_contract(name: str) -> None:
    assert problems_of_part(METRICS, BUILTIN.part(METRICS, name).cls) == ()


def _spoilt(**changes: Any) -> type:
    return type("Spoilt", (BUILTIN.part(METRICS, "l1div").cls,), changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"direction": "up"}, "direction is 'up'"),
        ({"meaning": " "}, "meaning is empty"),
        ({"needs": ("luck",)}, "needs is"),
        ({"version": 0}, "version is missing"),
        ({"measure": lambda self, clip: {"value": np.array([random.random()])}}, "global random"),
        ({"measure": lambda self, clip: {"value": np.array(["much"])}}, "else than numbers"),
        ({"combine": lambda self, measured: Combined(lambda counts: {"": (1.0, 2.0)})}, "of nothing; expected NaN"),
        ({"combine": lambda self, measured: Combined(lambda counts: {str(counts.min()): (math.nan, math.nan)})}, "labels change"),
    ],
)
def test_each_clause_for_metrics_can_fail(changes: dict[str, Any], problem: str) -> None:
    assert any(problem in line for line in problems_of_part(METRICS, _spoilt(**changes)))


@pytest.mark.parametrize("name", ["discourse", "gesture-type", "none", "llm"])
def test_builtin_retrievers_keep_the_contract(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    assert problems_of_part(RETRIEVERS, BUILTIN.part(RETRIEVERS, name).cls) == ()


def test_samples_fit_together(tmp_path: Path) -> None:
    speech, cues, index = sample_speech(), sample_cues(), sample_index(tmp_path)
    assert len(cues.prominence) == len(speech.transcript.words)
    assert {exemplar.kind for exemplar in index.exemplars} >= {"beat", "deictic", "iconic", "metaphoric"}
    best = index.search(Query("huge", "metaphoric", 1.5, 2.0))
    assert best and best[0].exemplar.word == "huge"
