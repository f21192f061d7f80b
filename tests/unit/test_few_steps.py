"""Samplers side by side: the figures by which few steps are held against fifty."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers_synthesis import toy_pipeline, toy_speech
from raggesture.errors import InputError
from raggesture.metrics.bootstrap import drawn_counts
from raggesture.metrics.distribution import frechet_distance
from raggesture.options import GenerateOptions
from raggesture.pipeline import Pipeline
from raggesture.resources import PACK_NAME, packaged_dir
from raggesture.training.few_steps import CONTENDERS, REFERENCE, Row, Time, _moments, fgd_change, main, markdown
from raggesture.training.times import speech_for, time_generation

ROW = Row("ddim", 50, False, 8, 1.0, 1.0, 0.023, 0.84, 1.0, -18.5, 0.0, 0.0, 0.41, 0.0, 0.0, 0.0, 0.9, 0.01, 0.4)


def sets(*shifts: float) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    whole = rng.standard_normal((40, 3, 4))
    return [whole + shift for shift in shifts]


def test_events_drawn_again_count_as_often_as_they_were_drawn() -> None:
    (rows,) = sets(0.0)
    counts = drawn_counts(40, 1, 3)[0]
    repeated = np.concatenate([np.repeat(rows[k : k + 1], int(count), axis=0) for k, count in enumerate(counts)]).reshape(-1, 4)
    mean, covariance = _moments(rows, counts)
    np.testing.assert_allclose(mean, repeated.mean(0))
    np.testing.assert_allclose(covariance, np.cov(repeated, rowvar=False))


def test_a_change_of_fgd_has_its_sign_and_its_interval() -> None:
    truth, near, far = sets(0.0, 0.1, 0.5)
    counts = drawn_counts(40, 60, 0)
    same, around = fgd_change(near, near, truth, counts)
    assert same == 0 == around.low == around.high
    worse, interval = fgd_change(far, near, truth, counts)
    wanted = frechet_distance(far.reshape(-1, 4), truth.reshape(-1, 4)) - frechet_distance(near.reshape(-1, 4), truth.reshape(-1, 4))
    assert worse == pytest.approx(wanted, abs=1e-6) and 0 < interval.low <= worse <= interval.high
    better, interval = fgd_change(near, far, truth, counts)
    assert better == pytest.approx(-worse) and interval.high < 0


def test_the_tables_have_a_line_for_each_sampler() -> None:
    rows = [replace(ROW, sampler=each.sampler, steps=each.steps, forced=forced, fgd_change=0.1) for each in CONTENDERS for forced in (False, True)]
    times = [Time("dpm++", 12, 1, 2, 0.5, (("invert", 0.2), ("sample", 0.3))), Time("ddim", 50, 1, 2, 1.5, (("sample", 1.5),))]
    lines = markdown(rows, times).splitlines()
    quality, cost = lines[: 2 + len(CONTENDERS)], lines[-4:]
    assert len({line.count("|") for line in quality}) == len({line.count("|") for line in cost}) == 1
    assert quality[2].startswith("| DDIM 50 |") and quality[5].startswith("| DPM-Solver++(2M) 12 (default) | 100.0 / 100.0 % |")
    assert "| - / - |" in quality[2] and "| +0.10 (+0.00 to +0.00) / " in quality[3]
    assert cost[2:] == ["| DPM-Solver++(2M) 12 (default) | 1 | **0.50** | 0.20 | 0.30 |", "| DDIM 50 | 1 | **1.50** | 0.00 | 1.50 |"]
    assert markdown(rows, []).splitlines() == quality


def test_the_command_on_the_packaged_model(tmp_path: Path) -> None:
    """The packaged index in the place of a corpus: its own gestures, no voice to time."""
    assert main(["--data", str(packaged_dir(PACK_NAME, "index")), "--out", str(tmp_path), "--events", "4", "--seed", "2"]) == 0
    content = json.loads((tmp_path / "steps.json").read_text())
    rows = {(row["sampler"], row["steps"], row["forced"]): row for row in content["rows"]}
    assert set(rows) == {(each.sampler, each.steps, forced) for each in CONTENDERS for forced in (False, True)} and content["times"] == []
    for forced in (False, True):
        many, few, coarse = rows["ddim", 50, forced], rows["dpm++", 12, forced], rows["ddim", 12, forced]
        assert many["off_reference_m"] == many["fgd_change"] == 0 and many["jerk_over_reference"] == 1
        assert few["asked_is_made"] >= many["asked_is_made"] >= 0.75, "no gesture is lost by fewer steps"
        assert few["off_reference_m"] < coarse["off_reference_m"] < 0.03, "twelve as near as they can be"
        assert few["free_off_reference_m"] < 0.01 and few["seconds"] < many["seconds"]
        assert few["round_trip_m"] < many["round_trip_m"] < coarse["round_trip_m"] and few["inverted_std"] == pytest.approx(many["inverted_std"], abs=0.03)
    with (tmp_path / "steps.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert len(table) == len(rows) and table[0]["sampler"] == REFERENCE.sampler
    assert "DPM-Solver++(2M) 12" in (tmp_path / "steps.md").read_text()


def test_no_thread_is_refused_before_any_work(tmp_path: Path) -> None:
    assert main(["--data", str(tmp_path), "--threads", "0", "--out", str(tmp_path / "out")]) == 2


def test_a_pack_that_is_not_there(tmp_path: Path) -> None:
    assert main(["--data", str(packaged_dir(PACK_NAME, "index")), "--pack", str(tmp_path), "--out", str(tmp_path / "out")]) == 5
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return toy_pipeline(tmp_path_factory.mktemp("toy"))


def test_a_generation_is_timed_from_words_to_files(pipeline: Pipeline) -> None:
    speech = speech_for(pipeline, [toy_speech(9.0, ""), toy_speech(9.0)], 2)
    assert speech.transcript.words
    spent = time_generation(pipeline, speech, GenerateOptions(steps=3), 2, repeats=2)
    stages = dict(spent.stages)
    assert spent.gestures == 2 and list(stages)[-1] == "write" and {"encode", "retrieve", "invert", "sample", "decode"} < set(stages)
    assert spent.whole > 0 and min(stages.values()) >= 0
    with pytest.raises(InputError, match=r"toy: \d gestures were placed; expected 9"):
        time_generation(pipeline, speech, GenerateOptions(steps=3), 9, repeats=1)
    with pytest.raises(InputError, match="none of 1 has places for 2 gestures"):
        speech_for(pipeline, [toy_speech(9.0, "")], 2)
