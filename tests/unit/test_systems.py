"""Known systems side by side: which clips are taken, what is made of them without a model, and how figures are shown."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from helpers_evaluation import FRAMES, lay_corpus
from raggesture.errors import InputError
from raggesture.metrics.report import Figure, Report
from raggesture.motion import read_npz, write_npz
from raggesture.testing import sample_index, sample_speech
from raggesture.trace import Identity, Inserted, Trace, write_trace
from raggesture.training.systems import PASTED, TRUTH, UNGROUNDED, Plan, choose_clips, copy_truth, main, paste
from raggesture.training.systems_figure import COLUMNS, draw, table
from raggesture.types import Hit, Placement, Query


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    clips = lay_corpus(tmp_path / "corpus", 3)
    return Plan(tmp_path / "corpus", tmp_path / "out", tuple(clips), 4.0, 2, 0)


def test_clips_are_long_enough_and_of_every_speaker(plan: Plan) -> None:
    for name in ("2_ben_0_1_1", "2_ben_0_2_2"):
        for folder, ending in (("smplxflame_30", "npz"), ("wave16k", "wav")):
            (plan.corpus / folder / f"{name}.{ending}").write_bytes((plan.corpus / folder / f"1_ada_0_1_1.{ending}").read_bytes())
    assert choose_clips(plan.corpus, 2, 4.0) == ("1_ada_0_1_1", "2_ben_0_1_1")
    assert len(choose_clips(plan.corpus, 99, 5.0)) == 5
    with pytest.raises(InputError, match="no clip of 60 s"):
        choose_clips(plan.corpus, 2, 60.0)


def test_truth_is_the_corpus_own_motion_and_what_is_there_stays(plan: Plan) -> None:
    copy_truth(plan)
    made = plan.folder(TRUTH) / f"{plan.clips[0]}.npz"
    whole = read_npz(plan.corpus / "smplxflame_30" / f"{plan.clips[0]}.npz")
    assert whole.frames == FRAMES
    np.testing.assert_array_equal(read_npz(made).rotations, whole.rotations[:120])
    made.write_bytes(b"mine")
    copy_truth(plan)
    assert made.read_bytes() == b"mine"


def test_pasted_is_the_exemplar_where_it_was_placed_and_the_ungrounded_motion_elsewhere(plan: Plan, tmp_path: Path) -> None:
    index = sample_index(tmp_path)
    (plan.folder(UNGROUNDED)).mkdir(parents=True)
    plan.folder("llm").mkdir(parents=True)
    exemplar = index.exemplars[0]
    hit = Hit(Query("word", "iconic", 1.0, 1.5), exemplar, 1.0, {"word": 1.0})
    placed = Inserted(Placement(hit, 0, slice(1, 3), slice(1, 3), 30), 0.0, 1.0)
    trace = Trace.of(speech=sample_speech(), hits=[hit], placements=[placed], index=Identity(*index.identity))
    for clip in plan.clips:
        write_npz(read_npz(plan.corpus / "smplxflame_30" / f"{clip}.npz"), plan.folder(UNGROUNDED) / f"{clip}.npz")
        write_trace(trace, plan.folder("llm") / f"{clip}.trace.json")
    paste(plan, index)
    plain, made = (read_npz(plan.folder(name) / f"{plan.clips[0]}.npz").rotations for name in (UNGROUNDED, PASTED))
    assert np.abs(made[30:90, 16:22]).max() < 1e-3 < np.abs(plain[30:90, 16:22]).min(axis=(1, 2)).max(), "the sample index holds still bodies"
    np.testing.assert_array_equal(made[:30], plain[:30])
    np.testing.assert_array_equal(made[90:], plain[90:])
    np.testing.assert_array_equal(made[:, [0, 1, 2, 22]], plain[:, [0, 1, 2, 22]])


def _report(value: float) -> Report:
    names = [column.name.partition(" ") for column in COLUMNS[:5]]
    figures = [Figure(metric, label, value, value - 1, value + 1, math.nan, math.nan, math.nan, "1", "lower", 3) for metric, _, label in names]
    return Report({"name": "default", "clips": 3, "metrics": "hidden"}, tuple(figures), ())


def test_one_table_and_one_plot(tmp_path: Path) -> None:
    reports = {"ground truth": _report(1.0), "ours": _report(2.0)}
    lines = table(reports).splitlines()
    assert lines[0] == "Protocol: name default, clips 3"
    assert lines[4].startswith("| ground truth | 1.0 (0.0 to 2.0) |") and lines[5].count("| - ") == len(COLUMNS) - 5
    draw(reports, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_wrong_options_end_with_their_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "o"), "--clips", "1"]) == 2
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "o")]) == 3
    assert capsys.readouterr().err.count("error: ") == 2 and not (tmp_path / "o").exists()
