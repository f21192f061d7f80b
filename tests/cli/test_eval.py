"""``raggesture eval`` as it is called: tables, files, two folders, exit codes, and what is said of what could not be used."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers_evaluation import lay_corpus, lay_results
from plugin_projects import installed

__all__ = ["installed"]
Call = Callable[..., Any]
QUICK = ("--metric", "l1div", "--metric", "ldlj")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    lay_corpus(tmp_path / "corpus", 4)
    return tmp_path / "corpus"


@pytest.fixture
def results(tmp_path: Path, corpus: Path) -> Path:
    return lay_results(tmp_path / "results", sorted(path.stem for path in (corpus / "smplxflame_30").glob("*.npz")))


def test_a_table_under_its_heading(call: Call, results: Path, corpus: Path) -> None:
    found = call("eval", results, "--reference", corpus, *QUICK)
    assert found.code == 0, found.err
    heading, columns, *rows = found.out.splitlines()
    for part in ("name default", "scale x1", "speakers ada", "fps 30", "frames_per_clip 300", "clips 4", "autoencoder starter", "body mannequin-x mean"):
        assert part in heading
    assert columns.split("\t")[:4] == ["metric", "results", "95 %", "references"]
    assert [row.split("\t")[0] for row in rows] == ["l1div", "ldlj"]
    low, _, high = rows[0].split("\t")[2].partition(" to ")
    assert float(low) < float(rows[0].split("\t")[1]) < float(high)


def test_json_csv_and_html_say_the_same(call: Call, results: Path, corpus: Path, tmp_path: Path) -> None:
    table, page = tmp_path / "out" / "clips.csv", tmp_path / "out" / "page.html"
    found = call("eval", results, "--reference", corpus, *QUICK, "--json", "--csv", table, "--html", page)
    assert found.code == 0, found.err
    data = json.loads(found.out)
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [row["name"] for row in rows] == [row["name"] for row in data["rows"]]
    assert [float(row["l1div"]) for row in rows] == [row["values"]["l1div"] for row in data["rows"]]
    assert all(f"{row['values']['ldlj']:.4g}" in page.read_text() for row in data["rows"])
    again = call("eval", results, "--reference", corpus, *QUICK, "--html", page)
    assert again.code == 2 and "exists" in again.error
    assert call("eval", results, "--reference", corpus, *QUICK, "--html", page, "--force").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clips.csv", "page.html"]


def test_what_is_left_out_is_named_counted_and_in_the_exit_code(call: Call, results: Path, corpus: Path, tmp_path: Path) -> None:
    (results / "1_ada_0_2_2.npz").write_bytes(b"PK half a file")
    (results / "orphan.npz").write_bytes(b"")
    found = call("eval", results, "--reference", corpus, *QUICK, "--csv", tmp_path / "clips.csv")
    assert found.code == 3
    assert "l1div" in found.out and "clips 3" in found.out and (tmp_path / "clips.csv").is_file()
    for part in ("1_ada_0_2_2.npz", "orphan.npz: no reference of that name", "2 left out"):
        assert sum(part in line for line in found.err.splitlines()) == 1, found.err


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["RESULTS"], 3, "no --reference given"),
        (["RESULTS", "--reference", "NOWHERE"], 3, "no such folder"),
        (["EMPTY", "--reference", "CORPUS"], 3, "nothing to evaluate"),
        (["RESULTS", "--reference", "CORPUS", "--metric", "fdg"], 4, "did you mean 'fgd'"),
        (["RESULTS", "--reference", "CORPUS", "-M", "mismatch"], 4, "NAME.KEY=VALUE"),
        (["RESULTS", "--reference", "CORPUS", "-M", "mismatch.least_frame=60"], 4, "did you mean 'least_frames'"),
        (["RESULTS", "--reference", "CORPUS", "--kit", "NOWHERE"], 5, "AESKConv_240_100.bin"),
        (["RESULTS", "--reference", "CORPUS", "--body", "NOWHERE"], 5, "smpl-x.is.tue.mpg.de"),
        (["RESULTS", "--reference", "CORPUS", "--index", "NOWHERE", "--metric", "gesture-made"], 5, "nowhere"),
        (["RESULTS", "--reference", "CORPUS", "--protocol", "papr"], 2, "did you mean 'paper'"),
        (["RESULTS", "--reference", "CORPUS", "--protocol", "paper", "--frames", "60"], 2, "takes 300"),
        (["RESULTS", "RESULTS", "--reference", "CORPUS", "--csv", "NOWHERE"], 2, "RESULTS alone"),
    ],
)
def test_exit_codes(call: Call, results: Path, corpus: Path, tmp_path: Path, arguments: list[str], code: int, error: str) -> None:
    (tmp_path / "empty").mkdir()
    places = {"RESULTS": results, "CORPUS": corpus, "NOWHERE": tmp_path / "nowhere", "EMPTY": tmp_path / "empty"}
    found = call("eval", *(places.get(each, each) for each in arguments))
    assert found.code == code, found.err
    assert error in found.error and not found.out


def test_two_folders_side_by_side(call: Call, results: Path, corpus: Path, tmp_path: Path) -> None:
    other = lay_results(tmp_path / "other", sorted(path.stem for path in results.glob("*.npz"))[1:], seed=80)
    found = call("eval", results, other, "--reference", corpus, *QUICK, "--html", tmp_path / "both.html")
    assert found.code == 3 and "only in" in found.err, "one clip is not compared"
    heading, names, columns, *rows = found.out.splitlines()
    assert "clips 3" in heading and str(other) in names and columns.split("\t")[3] == "second - first"
    assert rows[0].split("\t")[0] == "l1div" and "most changed:" in rows
    assert "paired by clip" in (tmp_path / "both.html").read_text()
    same = call("eval", results, results, "--reference", corpus, *QUICK, "--json")
    assert same.code == 0 and [row["difference"] for row in json.loads(same.out)["differences"]] == [0, 0]


def test_a_report_by_another_protocol_is_refused(call: Call, results: Path, corpus: Path, tmp_path: Path) -> None:
    saved = tmp_path / "before.json"
    saved.write_text(call("eval", results, "--reference", corpus, *QUICK, "--protocol", "paper", "--json").out)
    assert call("eval", saved, results, "--reference", corpus, *QUICK, "--protocol", "paper").code == 0
    found = call("eval", saved, results, "--reference", corpus, *QUICK)
    assert found.code == 3 and "different protocols (name: 'paper' and 'default')" in found.error


def test_a_plugins_metric_is_a_row_with_its_options(
    call: Call, results: Path, corpus: Path, installed: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("raggesture-example")
    monkeypatch.setenv("RAGGESTURE_PLUGINS", "example")
    arguments = ("eval", results, "--reference", corpus, "--metric", "reach", "--json")
    far, near = (json.loads(call(*arguments, "-M", f"reach.percentile={p}").out)["figures"][0]["value"] for p in (100, 5))
    assert 0.2 < near < far < 1.0
    shown = call("plugins", "show", "reach")
    assert shown.code == 0 and "meaning: How much room" in shown.out and "percentile = 95.0" in shown.out
    assert "reach\tok" in call("plugins", "check", "reach").out


def test_built_in_metrics_are_listed_and_shown(call: Call) -> None:
    plugins = json.loads(call("plugins", "list", "--json").out)["plugins"]
    names = {part["name"] for plugin in plugins for part in plugin["parts"] if part["kind"] == "metric"}
    assert {"fgd", "density-coverage", "diversity", "l1div", "multimodality", "beat-align", "mismatch", "srgr", "gesture-made", "stroke-offset"} <= names
    assert {"survival", "retrieval-recall", "ldlj", "footing", "hand-penetration", "root-drift", "face-mse", "face-lvd", "motion-statistics"} <= names
    (shown,) = json.loads(call("plugins", "show", "beat-align", "--json").out)["parts"]
    assert "not quality" in shown["facts"]["meaning"] and shown["facts"]["direction"] == "reference"
