"""A small local server that speaks the chat completions protocol, rightly or as rudely as a test asks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raggesture.retrieval.by_llm import LlmOptions, LlmRetriever
from raggesture.types import Speech, Transcript, Word

SECRET = "sk-test-0123456789-secret"
SENTENCE = "we saw that huge house and that huge tree over there today"
WORDS = tuple(Word(w, 0.5 * k, 0.5 * k + 0.4) for k, w in enumerate(SENTENCE.split()))
LATER = tuple(Word(w, 12 + k, 12.5 + k) for k, w in enumerate(["a", "new", "idea", "came"]))


@dataclass(frozen=True)
class Answer:
    """What goes over the wire. ``length`` other than the body's: the connection ends in the middle of it; ``hang_up``: nothing is sent;

    ``drip``: byte after byte until the client goes away.
    """

    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    drip: bool = False
    length: int | None = None


Behave = Callable[["Server", dict[str, Any]], "tuple[int, str] | Answer"]


def speech(words: tuple[Word, ...] = WORDS) -> Speech:
    return Speech("s", np.zeros(16000 * 20, np.float32), Transcript(words), "ann")


def completion(content: object) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    return json.dumps(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        }
    )


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.over = threading.Event()
        self.behave: Behave = right
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away in the middle is none of the server's faults."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        said = self.server.behave(self.server, body)
        answer = said if isinstance(said, Answer) else Answer(*said)
        if answer.hang_up:
            self.close_connection = True
            return
        try:
            sent = answer.text.encode()
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sent) if answer.length is None else answer.length))
            self.end_headers()
            while answer.drip and not self.server.over.wait(0.02):
                self.wfile.write(b" ")
            self.wfile.write(sent)
            self.close_connection = answer.length is not None
        except OSError:
            pass  # the client has given up

    def log_message(self, format: str, *args: object) -> None:
        pass


def right(server: Server, body: dict[str, Any]) -> tuple[int, str]:
    enum = [token.rstrip(",.!?") for token in body["messages"][-1]["content"].split("\n\n", 1)[1].split(" ")]
    huge = [name for name in enum if name.endswith((":huge", ":idea"))][-1]
    return 200, completion({"gestures": [{"word": huge, "kind": "iconic"}, {"word": enum[-1], "kind": "deictic"}]})


def retriever(**options: Any) -> LlmRetriever:
    return LlmRetriever(LlmOptions(**{"max_retries": 0, "timeout_s": 120.0, **options}))


def words_of(queries: object) -> list[tuple[str, str, float]]:
    return [(q.word, q.kind, q.start) for q in queries]  # type: ignore[attr-defined]


@pytest.fixture
def llm_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """The server, named by the environment, with a cache of its own."""
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{made.server_port}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("RAGGESTURE_CACHE", str(tmp_path / "cache"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield made
    made.over.set()
    made.shutdown()
    made.server_close()
