"""The released retrieval, word for word and score for score: similarity, answers, prominence, rankings, placement."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raggesture.errors import InputError
from raggesture.retrieval.released import Mark, Method, Point, Window, WindowDatabase
from raggesture.retrieval.released_place import TOKENS, Pasted, place_released, token_sources
from raggesture.retrieval.released_words import locate, map_prominence, parse_answer, word_similarity


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


def marks(rows: list[Any], *, discourse: bool) -> tuple[Mark, ...]:
    if discourse:
        return tuple(Mark(row[0], row[1], row[6], row[7]) for row in rows)
    return tuple(Mark(row["word"], row["name"], row["start"], row["end"]) for row in rows)


@pytest.fixture(scope="module")
def database(goldens: Path) -> WindowDatabase:
    features = np.load(goldens / "retrieval" / "retrieval_text_features.npz")
    windows = []
    for row in read(goldens, "retrieval_windows"):
        name = row["sample_name"]
        if int(name.rpartition("/")[2]) % 15:
            continue
        spoken = tuple((str(word), value) for word, _, _, value in row["prominence"])
        relations, labels = marks(row["discourse"], discourse=True), marks(row["gesture_labels"], discourse=False)
        windows.append(Window(name, str(row["speaker_id"]), relations, labels, features[name.replace("/", "__")], spoken))
    return WindowDatabase(windows)


def points_of(record: Any, query: Any, tokens: Any) -> tuple[list[Point], dict[str, list[Any]]]:
    """The points of a query as its method sees them, and their bounds."""
    method, speaker = record["method"], str(query["speaker_id"])
    spoken = [(str(word), value) for word, _, _, value in record.get("prominence", query["prominence"])]
    if method == "llm":
        pairs = [(each["word"], each["name"]) for each in record["parsed"]]
        times = [time for time, _ in record["text_times"]]
        found = [(each.name, pairs[k][1], each.places) for k, each in locate([word for word, _ in pairs], [text for _, text in record["text_times"]])]
        asked = [(name, kind, min(times[p][0] for p in places), max(times[p][1] for p in places)) for name, kind, places in found]
    else:
        found_marks = marks(query["discourse"], discourse=True) if method == "discourse" else marks(query["gesture_labels"], discourse=False)
        asked = [(mark.word, mark.kind, mark.start, mark.end) for mark in found_marks if mark.kind != "beat"]
    known = map_prominence([word for word, *_ in asked], spoken) if spoken and asked else (None,) * len(asked)
    points = [Point(word, kind, speaker, each and each[1], tokens) for (word, kind, *_), each in zip(asked, known, strict=True)]
    return points, {str(k): [word.lower(), kind, start, end] for k, (word, kind, start, end) in enumerate(asked)}


METHODS: dict[str, Method] = {"discourse": "discourse", "gesture_type": "gesture-type", "llm": "llm"}


def test_the_database_is_the_released_one(goldens: Path, database: WindowDatabase) -> None:
    stored = read(goldens, "retrieval_database")
    assert list(database.names) == stored["order"]
    for method, table, names in (("discourse", "idx_2_prominence", "idx_2_sense"), ("llm", "idx_2_gestprom", "idx_2_gesture_labels")):
        found = database.prominences(METHODS[method])
        for name in stored["order"]:
            expected = [None if each is None else each[1] for each in stored[table][name].values()]
            assert [None if np.isnan(value) else value for value in found[name]] == expected or (not expected and not stored[names][name][1:]), name


def test_rankings_scores_and_bounds(goldens: Path, database: WindowDatabase) -> None:
    queries, features = read(goldens, "retrieval_queries"), np.load(goldens / "retrieval" / "retrieval_query_text_features.npz")
    checked = 0
    for record in read(goldens, "retrieval_results"):
        method = METHODS[record["method"].removeprefix("retrieve:")]
        query = queries[record["query"]]
        plain_record = {**record, "method": record["method"].removeprefix("retrieve:")}
        points, bounds = points_of(plain_record, query, features[f"q{record['query']}"])
        ranked = {str(k): database.rank(method, point) for k, point in enumerate(points)}
        where = f"{record['method']} {record['query']}"
        if "chosen" in record:
            chosen = {k: [each.window for each in found if each.window != query["sample_name"]][:1] for k, found in ranked.items()}
            assert chosen == record["chosen"], where
            continue
        assert {k: [each.window for each in found] for k, found in ranked.items()} == record["ranked"], where
        assert bounds == record["query_bounds"], where
        used = {k: {c.window: [c.mark.word, c.mark.kind, round(c.mark.start, 3), round(c.mark.end, 3)] for c in found} for k, found in ranked.items()}
        assert used == record["bounds"], where
        for point, expected in zip(points, record["scores"], strict=True):
            assert dict(zip(database.names, database.scores(method, point).tolist(), strict=True)) == expected, where
            checked += len(expected)
        for found in ranked.values():
            assert all(sum(each.terms.values()) == pytest.approx(each.score, abs=1e-12) for each in found)
    assert checked > 3000


def test_placement(goldens: Path) -> None:
    cases, latents = read(goldens, "placement"), np.load(goldens / "retrieval" / "placement_latents.npz")
    assert len(cases) == 48
    for case in cases:
        spans = [(row[0], row[1]) for row in case["query"]], [(row[0], row[1]) for row in case["retrieved"]]
        placed = place_released(METHODS[case["method"]], *spans)
        where = f"case {case['case']}"
        assert {str(each.point): list(each.source) for each in placed.pasted} == case["retr_startends"], where
        assert {str(each.point): list(each.target) for each in placed.pasted} == case["query_startends"], where
        assert [str(point) for point in placed.listed] == case["listed"], where
        assert sorted(15 * chunk for each in placed.pasted for chunk in range(*each.target)) == case["raw_active_frames"], where
        point, token = token_sources(placed.pasted).T
        np.testing.assert_array_equal(np.where(point < 0, 0, 100 * (point + 1) + token + 1), latents[f"case{case['case']}_latents"], err_msg=where)
        np.testing.assert_array_equal(point >= 0, latents[f"case{case['case']}_re_mask"].astype(bool), err_msg=where)
        everywhere = token_sources(placed.pasted, range(4))[:, 0] >= 0
        np.testing.assert_array_equal(everywhere, latents[f"case{case['case']}_latent_mask_all_parts"].astype(bool), err_msg=where)


def test_the_token_layout(goldens: Path) -> None:
    tokens = read(goldens, "masks_and_schedule")["tokens"]
    whole = token_sources((Pasted(0, (0, 10), (0, 10)),), range(4))[:, 1]
    assert [k for k in range(TOKENS) if whole[k] < 0] == tokens["sep_true"] == tokens["motion_mask_zero"]
    for part, name in enumerate(("upper", "hands", "face", "lowertrans")):
        assert [k for k in range(TOKENS) if token_sources((Pasted(0, (0, 10), (0, 10)),), (part,))[k, 0] == 0] == tokens[name]
