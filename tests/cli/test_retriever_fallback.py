"""``--retriever-fallback`` and the filters on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
Voice = Callable[[str], Path]


def shown(call: Call, voice: Voice, *arguments: object) -> dict[str, Any]:
    found = call("generate", voice("speech.wav"), "--dry-run", "--json", *arguments)
    assert found.code == 0, found.err
    settings: dict[str, Any] = json.loads(found.out)["settings"]
    return settings


def test_the_default_and_where_a_choice_came_from(call: Call, voice: Voice, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "generate.retriever_fallback"
    assert shown(call, voice)[key] == {"value": "labeller", "origin": "default"}
    assert shown(call, voice, "--retriever-fallback", "fail")[key] == {"value": "fail", "origin": "command line --retriever-fallback"}
    monkeypatch.setenv("RAGGESTURE_GENERATE__RETRIEVER_FALLBACK", "none")
    assert shown(call, voice)[key] == {"value": "none", "origin": "environment RAGGESTURE_GENERATE__RETRIEVER_FALLBACK"}


def test_the_choice_reaches_the_pipeline(call: Call, voice: Voice, toy_pipeline: list[Any], tmp_path: Path) -> None:
    found = call("generate", voice("speech.wav"), "--out", tmp_path / "out", "--retriever-fallback", "none", "-R", "kinds=iconic", "-R", "hand=left")
    assert found.code == 0, found.err
    _, (_, options, retriever, _) = toy_pipeline
    assert options.retriever_fallback == "none"
    assert (retriever.options.kinds, retriever.options.hand) == (("iconic",), "left")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--retriever-fallback", "perhaps"), "perhaps"),
        (("-R", "hand=third"), "hand"),
        (("-R", "kinds=iconik"), "did you mean 'iconic'"),
        (("-R", "concurrency=0"), "concurrency"),
    ],
)
def test_slips_of_the_pen_have_exit_code_4(call: Call, voice: Voice, toy_pipeline: list[Any], tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    found = call("generate", voice("speech.wav"), "--out", tmp_path / "out", *arguments)
    assert found.code == 4
    assert says in found.error
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
