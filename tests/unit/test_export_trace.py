"""The trace: built from the program's types, written strictly, read back whole, refused when it does not fit."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from raggesture.errors import InputError
from raggesture.trace import Inserted, Setting, Trace, read_trace, trace_from_json, write_trace
from raggesture.types import Cues, Drop, Exemplar, Hit, Placement, Query, Relation, Speech, Transcript, Word

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))
import scenes


@pytest.fixture
def speech() -> Speech:
    words = (Word("so", 0.0, 0.3), Word("huge", 12.0, 12.4), Word("l\u2028ne\udc80", 12.5, 12.6))
    return Speech("talk", scenes.humming(14.0), Transcript(words, source="aligned"), "ada")


@pytest.fixture
def trace(speech: Speech) -> Trace:
    asked, extra = Query("huge", "iconic", 12.0, 12.4, weight=0.8), Query("so", "beat", 0.0, 0.3)
    found = Exemplar("3_bea_0_1_1", "bea", "big", "iconic", 5.0, 5.4, 5.2, row=4)
    hit = Hit(asked, found, 1.5, {"type": 1.0, "word": 0.5})
    second = Hit(asked, Exemplar("4_cy_0_2_2", "cy", "tall", "iconic", 1.0, 1.4, 1.2), 1.1, {"type": 1.0, "word": 0.1})
    place = Placement(hit, window=1, target=slice(2, 5), source=slice(3, 6), source_frame=-5, shift_frames=1)
    return Trace.of(
        speech=speech,
        file=Path("some/folder/talk.wav"),
        cues=Cues((Relation("so", "Contingency.Cause", 0.0, 12.0, 0.0, 0.3),), (0.5, 1.9, 1.0), (0.1, 12.2, 12.55)),
        queries=[asked],
        hits=[hit],
        runners_up={asked: [second]},
        placements=[Inserted(place, window_start_s=9.0, strength=0.79)],
        drops=[Drop(extra, "no slot left")],
        settings={"generate.steps": Setting(50), "generate.rates": Setting([0.5, 1], "profile paper.toml")},
        seed=7,
        timings_s={"sample": 1.23456},
    )


def test_fields_are_plain_and_say_seconds(trace: Trace, speech: Speech) -> None:
    data = trace.to_json()
    assert data["schema"] == 1
    assert data["speech"]["file"] == "talk.wav"
    assert data["speech"]["sha256"] == hashlib.sha256(speech.wave.tobytes()).hexdigest()
    assert data["speech"]["duration_s"] == 14.0
    assert [query["word"] for query in data["queries"]] == ["huge", "so"]  # the dropped query is there too
    assert data["drops"] == [{"query": 1, "reason": "no slot left"}]
    assert data["hits"][0]["terms"] == {"type": 1.0, "word": 0.5}
    assert data["hits"][0]["runners_up"][0]["exemplar"]["clip"] == "4_cy_0_2_2"
    place = data["placements"][0]
    assert (place["start_s"], place["end_s"]) == (11.0, 14.0)
    assert place["source_start_s"] == pytest.approx(3 - 5 / 15)
    assert place["source_end_s"] == pytest.approx(6 - 5 / 15)
    assert (place["weight"], place["strength"], place["shift_frames"]) == (0.8, 0.79, 1)
    assert data["settings"]["generate.steps"] == {"value": 50, "origin": "default"}
    assert {"raggesture", "torch", "numpy", "python"} <= set(data["versions"])


def test_written_trace_reads_back_equal(trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "talk.trace.json"
    write_trace(trace, path)
    again = read_trace(path)
    assert again.transcript.words[2].text == "l\u2028ne?"  # half a surrogate pair is no text
    assert again.to_json() == trace.to_json()
    assert (again.queries, again.hits, again.placements, again.cues, again.settings) == (
        trace.queries,
        trace.hits,
        trace.placements,
        trace.cues,
        trace.settings,
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["talk.trace.json"]
    json.loads(path.read_bytes().decode("utf-8"))


def test_two_equal_words_keep_their_own_queries(speech: Speech) -> None:
    first, second = Query("so", "beat", 0.0, 0.3), Query("so", "beat", 12.0, 12.3)
    trace = Trace.of(speech=speech, queries=[first, second], drops=[Drop(second, "later"), Drop(first, "earlier")])
    assert [(drop.query, drop.reason) for drop in trace.drops] == [(1, "later"), (0, "earlier")]


def test_nan_is_never_written(speech: Speech, tmp_path: Path) -> None:
    trace = Trace.of(speech=speech, timings_s={"sample": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_trace(trace, tmp_path / "t.json")
    assert list(tmp_path.iterdir()) == []


def _without(data: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name != key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: {**d, "schema": 2}, "schema 2; expected a trace with schema 1"),
        (lambda d: [d], "schema 'list'"),
        (lambda d: {**d, "plasements": []}, "unknown field 'plasements'; did you mean 'placements'"),
        (lambda d: _without(d, "transcript"), "transcript: Field required"),
        (lambda d: {**d, "seed": "7"}, "seed: Input should be a valid integer"),
        (lambda d: {**d, "hits": [{**d["hits"][0], "query": 9}]}, r"hits\.0\.query: 9; expected a row of the 2 queries"),
        (lambda d: {**d, "queries": [{**d["queries"][0], "weight": 3.0}, d["queries"][1]]}, r"trace: query 'huge': weight 3\.0"),
    ],
)
def test_what_does_not_fit_is_named(trace: Trace, change: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        trace_from_json(change(trace.to_json()))


@pytest.mark.parametrize("text", ["", "{", '{"schema": NaN}', "[" * 100_000, None])
def test_unreadable_files_are_one_input_error(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "x.trace.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=r"x\.trace\.json"):
        read_trace(path)
