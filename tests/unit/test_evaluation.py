"""A folder of results from matching to report: formats, protocols, what cannot be used, what is kept, two side by side."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from pydantic import BaseModel, ConfigDict

from helpers_evaluation import FRAMES, lay_corpus, lay_published, lay_results
from helpers_smplx import write_smplx
from raggesture.clock import MODEL_FPS
from raggesture.errors import ConfigError, InputError, ModelError
from raggesture.evaluation import EvaluationOptions, choose_metrics, evaluate
from raggesture.metrics.aeskconv import AESKCONV_FILE, SkeletonEncoder, load_aeskconv
from raggesture.metrics.compare import compare, compare_reports, read_report
from raggesture.metrics.kit import SPEEDS_FILE, find_kit, open_kit, read_speeds
from raggesture.metrics.measured import Combined, Measurements, clip_values, means
from raggesture.metrics.page import comparison_page, report_page
from raggesture.metrics.protocols import EvaluationProtocol
from raggesture.metrics.report import Figure, Report
from raggesture.metrics.results import find_clips
from raggesture.metrics.samples import swinging
from raggesture.motion import Motion, read_npz, write_npz
from raggesture.plugins.hookspecs import hookimpl
from raggesture.plugins.manager import PluginManager

OURS = PluginManager(find=lambda: [])
QUICK = ("l1div", "ldlj", "root-drift")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    lay_corpus(tmp_path / "corpus")
    return tmp_path / "corpus"


@pytest.fixture
def results(tmp_path: Path, corpus: Path) -> Path:
    return lay_results(tmp_path / "results", [path.stem for path in (corpus / "smplxflame_30").glob("*.npz")])


def _run(results: Path, reference: Path | None, *metrics: str, **options: Any) -> Report:
    return evaluate(results, reference, EvaluationOptions(metrics=metrics, cache=False, **options), parts=OURS).report


def _by_name(report: Report) -> dict[str, Figure]:
    return {figure.name: figure for figure in report.figures}


# every metric at once -------------------------------------------------------------------------------------------------


def test_references_against_themselves(corpus: Path) -> None:
    found = _by_name(_run(corpus / "smplxflame_30", corpus))
    assert found["fgd"].value == pytest.approx(0, abs=1e-6)
    assert found["density-coverage coverage"].value == 1.0
    assert found["face-mse"].value == found["face-lvd"].value == 0
    for name in ("l1div", "beat-align", "mismatch", "ldlj", "footing slide", "diversity", "srgr", "root-drift end"):
        assert found[name].value == pytest.approx(found[name].reference, rel=1e-6), name
        assert found[name].low - 1e-9 <= found[name].value <= found[name].high + 1e-9
    assert all(math.isnan(found[name].value) for name in ("survival", "multimodality", "retrieval-recall"))
    assert "needs exemplars" in found["survival"].note and "5 of 5 clips" in found["survival"].note


def test_results_differ_and_the_heading_says_by_which_rules(results: Path, corpus: Path) -> None:
    report = _run(results, corpus)
    found = _by_name(report)
    assert found["fgd"].value > 0.1 and found["srgr"].value < found["srgr"].reference
    head = report.protocol
    assert (head["name"], head["scale"], head["fps"], head["frames_per_clip"], head["clips"]) == ("default", "x1", 30, 300, 5)
    assert head["speakers"] == "ada" and head["body"] == "mannequin-x mean" and head["autoencoder"] == "starter"
    assert len(head["autoencoder_sha256"]) == 64 and head["seed"] == "unknown"
    json.dumps(report.to_json(), allow_nan=False)
    assert not report.left_out and len(report.rows) == 5
    assert [row.trouble for row in report.rows] == sorted((row.trouble for row in report.rows), reverse=True)


def test_the_same_folder_gives_the_same_report(results: Path, corpus: Path) -> None:
    first, again = (_run(results, corpus, *QUICK).to_json() for _ in range(2))
    assert first == again
    other = _run(results, corpus, *QUICK, seed=1).to_json()
    assert [f["value"] for f in other["figures"]] == [f["value"] for f in first["figures"]]
    assert [f["low"] for f in other["figures"]] != [f["low"] for f in first["figures"]]


def test_two_processes_give_what_one_gives(results: Path, corpus: Path) -> None:
    assert _run(results, corpus, *QUICK, "fgd", workers=2).to_json() == _run(results, corpus, *QUICK, "fgd").to_json()


# formats --------------------------------------------------------------------------------------------------------------


def test_published_folders_with_what_was_pasted(tmp_path: Path) -> None:
    folder = lay_published(tmp_path)
    ours, paper = (_run(folder, None, "survival", "l1div", protocol=EvaluationProtocol.named(name)) for name in ("default", "paper"))
    assert [row.name for row in sorted(ours.rows, key=lambda row: row.name)] == [f"1_ada_0_{k}_{k}/0" for k in range(3)]
    assert ours.protocol["speakers"] == "ada" and _by_name(ours)["survival"].value > 0.01
    share = 10 * 6 / (40 * 55)  # ten frames of six joints were pasted
    assert _by_name(paper)["survival"].value == pytest.approx(share * _by_name(ours)["survival"].value, rel=1e-5)


def test_a_long_form_counts_once_unless_counted_as_published(tmp_path: Path) -> None:
    folder = lay_published(tmp_path, 1)
    clip = folder / "1_ada_0_0_0"
    for name, seed in (("full_pred_motion.npz", 1), ("full_gt_motion.npz", 2)):
        write_npz(swinging(seed, 90), clip / name)
    assert [each.name for each in find_clips(folder, None).clips] == ["1_ada_0_0_0"]
    assert [each.name for each in find_clips(folder, None, released=True).clips] == ["1_ada_0_0_0/0"]


def test_takes_of_one_clip_are_one_clip(tmp_path: Path, corpus: Path) -> None:
    folder = tmp_path / "takes"
    folder.mkdir()
    name = "1_ada_0_1_1"
    for k in (0, 1, 2, 10):
        write_npz(swinging(30 + k, FRAMES), folder / f"{name}_rep{k}.npz")
    (clip,) = find_clips(folder, corpus).clips
    assert clip.name == name and clip.predicted.name == f"{name}_rep0.npz"
    assert [path.name for path in clip.takes] == [f"{name}_rep{k}.npz" for k in (1, 2, 10)]
    found = _by_name(_run(folder, corpus, "multimodality"))["multimodality"]
    assert found.value > 0 and found.clips == 1
    for k in (1, 2, 10):
        write_npz(swinging(30, FRAMES), folder / f"{name}_rep{k}.npz")
    assert _by_name(_run(folder, corpus, "multimodality"))["multimodality"].value == 0


# what cannot be used --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir()])
def test_empty_or_missing_folder_is_an_error(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "nothing")
    with pytest.raises(InputError):
        _run(tmp_path / "nothing", None)


def test_each_bad_file_is_named_and_the_others_are_measured(results: Path, corpus: Path) -> None:
    good = _by_name(_run(results, corpus, "l1div"))["l1div"].value
    spoilt = {"not an npz": "b0", "rate": "b1", "joints": "b2", "nan": "b3", "short": "b4"}
    for name in spoilt.values():
        write_npz(swinging(1, FRAMES), corpus / "smplxflame_30" / f"{name}.npz")
    (results / "b0.npz").write_bytes(b"not an npz")
    write_npz(Motion(*_parts(60), float(MODEL_FPS)), results / "b1.npz")
    np.savez(results / "b2.npz", poses=np.zeros((60, 72), np.float32), trans=np.zeros((60, 3), np.float32))
    poses = np.zeros((60, 165), np.float32)
    poses[7, 3] = np.nan
    np.savez(results / "b3.npz", poses=poses, trans=np.zeros((60, 3), np.float32))
    write_npz(Motion(*_parts(1)), results / "b4.npz")
    write_npz(swinging(1, FRAMES), results / "orphan.npz")
    report = _run(results, corpus, "l1div")
    for part in ("b0.npz", "b1.npz: 15 fps; expected 30", "b2.npz: poses (60, 72)", "not finite at frame 7", "b4.npz: 1 frames", "orphan.npz: no reference"):
        assert sum(part in line for line in report.left_out) == 1, part
    assert len(report.left_out) == 6 and report.protocol["clips"] == 5
    assert _by_name(report)["l1div"].value == pytest.approx(good)


def _parts(frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.zeros((frames, 55, 3), np.float32), np.zeros((frames, 3), np.float32), np.zeros((frames, 100), np.float32)


def test_all_bad_is_an_error(tmp_path: Path, corpus: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "1_ada_0_1_1.npz").write_bytes(b"")
    with pytest.raises(InputError, match="none of 1 clips could be read"):
        _run(tmp_path / "r", corpus, "l1div")


def test_one_clip_has_no_covariance_no_pair_and_no_interval(tmp_path: Path, corpus: Path) -> None:
    found = _by_name(_run(lay_results(tmp_path / "one", ["1_ada_0_1_1"]), corpus))
    for name, note in (("fgd", "no covariance"), ("diversity", "no pair"), ("mismatch", "nobody else")):
        assert math.isnan(found[name].value) and note in found[name].note
    assert found["l1div"].value > 0 and math.isnan(found["l1div"].low)


def test_lengths_that_differ_are_cut_and_counted(tmp_path: Path, corpus: Path) -> None:
    folder = lay_results(tmp_path / "long", ["1_ada_0_1_1", "1_ada_0_2_2"], frames=FRAMES + 30)
    write_npz(swinging(9, 90), folder / "1_ada_0_3_3.npz")
    report = _run(folder, corpus, "l1div", "diversity")
    assert {row.name: row.frames for row in report.rows} == {"1_ada_0_1_1": FRAMES, "1_ada_0_2_2": FRAMES, "1_ada_0_3_3": 90}
    assert "3 clips are not as long" in report.notes[0] and "1 shorter clips not counted" in _by_name(report)["diversity"].note


def test_a_bad_voice_costs_what_needs_it_and_is_named(results: Path, corpus: Path) -> None:
    (corpus / "wave16k" / "1_ada_0_2_2.wav").write_bytes(b"RIFF")
    (corpus / "sem" / "1_ada_0_3_3.txt").write_text("06_iconic_big\tzero\t2.2\t1\t0.7\n")
    report = _run(results, corpus, "beat-align", "srgr", "l1div")
    found = _by_name(report)
    assert found["l1div"].clips == 5 and found["beat-align"].clips == 4 and found["srgr"].clips == 4
    assert "1 of 5 clips without: needs a recording" in found["beat-align"].note
    assert len(report.left_out) == 2 and any("1_ada_0_2_2.wav" in line for line in report.left_out) and any("row 1" in line for line in report.left_out)


def test_a_still_body_has_no_jerk_and_makes_no_number_of_it(tmp_path: Path, corpus: Path) -> None:
    folder = tmp_path / "still"
    folder.mkdir()
    for k in range(1, 4):
        write_npz(Motion(*_parts(FRAMES)), folder / f"1_ada_0_{k}_{k}.npz")
    found = _by_name(_run(folder, corpus, "ldlj", "mismatch", "l1div"))
    assert math.isnan(found["ldlj"].value) and "do not move" in found["ldlj"].note
    assert math.isnan(found["mismatch"].value) and found["l1div"].value == pytest.approx(0, abs=1e-3)


# what is measured with ------------------------------------------------------------------------------------------------


@pytest.fixture
def published_kit(corpus: Path) -> Path:
    """A made-up EMAGE autoencoder and joint speeds, where BEAT2 has them."""
    (corpus / "weights").mkdir()
    encoder = SkeletonEncoder()
    generator = torch.Generator().manual_seed(0)
    state = {key: value.clone() for key, value in encoder.state_dict().items()}
    for key, value in state.items():
        if key.endswith(("weight", "bias")) and ".common." not in key:
            state[key] = 0.3 * torch.randn(value.shape, generator=generator)
    held = {f"module.encoder.{key}": value for key, value in state.items()} | {"module.fc_mu.weight": torch.zeros(240, 240)}
    torch.save({"model_state": held}, corpus / "weights" / AESKCONV_FILE)
    np.save(corpus / "weights" / SPEEDS_FILE, np.full(55, 0.1, np.float32))
    return corpus / "weights" / AESKCONV_FILE


def test_the_published_autoencoder_is_used_where_the_user_has_it(results: Path, corpus: Path, published_kit: Path) -> None:
    ours, paper = (_run(results, corpus, "fgd", "beat-align", protocol=EvaluationProtocol.named(name)) for name in ("default", "paper"))
    assert ours.protocol["autoencoder"] == paper.protocol["autoencoder"] == AESKCONV_FILE
    assert paper.protocol["joint_speeds"].startswith(SPEEDS_FILE) and "starter" in ours.protocol["joint_speeds"]
    found = _by_name(paper)["fgd"]
    assert found.value > 0 and "of 240" in found.note and "rank deficient" in found.note
    assert _by_name(_run(corpus / "smplxflame_30", corpus, "fgd"))["fgd"].value == pytest.approx(0, abs=1e-5)
    assert find_kit(published_kit, None) == (published_kit, published_kit.with_name(SPEEDS_FILE))


def test_group_norm_sees_288_of_300_frames(published_kit: Path) -> None:
    kit = open_kit(published_kit, None, released=True)
    motion = swinging(0, 300)
    np.testing.assert_array_equal(kit.rows(motion), kit.rows(motion.cut(slice(0, 288))))
    assert kit.rows(motion).shape == (18, 240) and kit.rows(motion.cut(slice(0, 31))).shape == (0, 240)


@pytest.mark.parametrize("spoil", ["empty", "truncated", "another", "pickle", "mask", "nan", "missing"])
def test_a_bad_autoencoder_is_named_and_runs_nothing(tmp_path: Path, published_kit: Path, spoil: str) -> None:
    held = torch.load(published_kit, weights_only=True)
    key = "module.encoder.layers.0.0.residual.0.mask"
    if spoil == "empty":
        published_kit.write_bytes(b"")
    elif spoil == "truncated":
        published_kit.write_bytes(published_kit.read_bytes()[:-1000])
    elif spoil == "another":
        torch.save({"model_state": {"encoder.layers.0.weight": torch.zeros(3)}}, published_kit)
    elif spoil == "pickle":
        torch.save({"model_state": _Trap(tmp_path / "sprung")}, published_kit)
    elif spoil == "missing":
        published_kit.unlink()
    else:
        held["model_state"][key.replace("mask", "weight") if spoil == "nan" else key].fill_(math.nan if spoil == "nan" else 1.0)
        torch.save(held, published_kit)
    with pytest.raises(ModelError, match=AESKCONV_FILE):
        load_aeskconv(published_kit)
    assert not (tmp_path / "sprung").exists()


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("values", [np.ones(54), np.zeros(55), np.array(["a"] * 55), np.full(55, np.nan)])
def test_bad_speeds_are_named(tmp_path: Path, values: np.ndarray) -> None:
    np.save(tmp_path / SPEEDS_FILE, values)
    with pytest.raises(ModelError, match=SPEEDS_FILE):
        read_speeds(tmp_path / SPEEDS_FILE)


def test_another_body_is_in_the_heading(tmp_path: Path, corpus: Path) -> None:
    results = lay_results(tmp_path / "results", ["1_ada_0_1_1", "1_ada_0_2_2"])
    for path in results.glob("*.npz"):
        write_npz(read_npz(path).cut(slice(0, 40)), path)
    body = write_smplx(tmp_path / "SMPLX_NEUTRAL_2020.npz")
    report = _run(results, corpus, "l1div", "face-mse", body=body)
    plain = _run(results, corpus, "l1div", "face-mse")
    assert "SMPL-X (SMPLX_NEUTRAL_2020.npz)" in report.protocol["body"]
    assert _by_name(report)["l1div"].value == pytest.approx(_by_name(plain)["l1div"].value, rel=1e-4)  # the made-up body has the mannequin's joints
    assert _by_name(report)["face-mse"].value != _by_name(plain)["face-mse"].value


# what is kept ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAGGESTURE_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept" / "eval"


def _kept(results: Path, corpus: Path, *metrics: str, **options: Any) -> dict[str, Any]:
    return evaluate(results, corpus, EvaluationOptions(metrics=metrics, **options), parts=OURS).report.to_json()


def test_a_second_run_measures_nothing_and_says_the_same(results: Path, corpus: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _kept(results, corpus, *QUICK)
    files = {path: path.read_bytes() for path in cache.rglob("*.npz")}
    assert len(files) == 5 and not list(cache.rglob("*.partial"))

    def refuse(*arguments: object) -> None:
        raise AssertionError("a clip was read again")

    monkeypatch.setattr("raggesture.metrics.measuring.read_clip", refuse)
    assert _kept(results, corpus, *QUICK) == first
    assert {path: path.read_bytes() for path in cache.rglob("*.npz")} == files
    with pytest.raises(AssertionError):
        _kept(results, corpus, *QUICK, "footing")


def test_changed_content_protocol_or_options_are_measured_again(results: Path, corpus: Path, cache: Path) -> None:
    first = _kept(results, corpus, "l1div", "mismatch")
    write_npz(swinging(77, FRAMES), results / "1_ada_0_1_1.npz")
    changed = _kept(results, corpus, "l1div", "mismatch")
    assert changed["figures"][0]["value"] != first["figures"][0]["value"]
    shorter = _kept(results, corpus, "l1div", "mismatch", protocol=EvaluationProtocol.named("default", 60))
    assert {row["frames"] for row in shorter["rows"]} == {60} and shorter["figures"][1]["value"] is None
    longer = _kept(results, corpus, "l1div", "mismatch", protocol=EvaluationProtocol.named("default", 60), options={"mismatch": {"least_frames": 45}})
    assert longer["figures"][1]["note"].startswith("by accents, 60 frames")


@pytest.mark.parametrize("damage", [b"", b"PK garbage", None])
def test_a_damaged_file_is_measured_again_and_put_right(results: Path, corpus: Path, cache: Path, damage: bytes | None) -> None:
    first = _kept(results, corpus, "l1div")
    victim = sorted(cache.rglob("*.npz"))[0]
    whole = victim.read_bytes()
    victim.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert _kept(results, corpus, "l1div") == first
    assert victim.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_no_fault(results: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RAGGESTURE_CACHE", str(tmp_path / "file"))
    assert _kept(results, corpus, "l1div")["protocol"]["clips"] == 5


# two side by side -----------------------------------------------------------------------------------------------------


def _evaluate(results: Path, corpus: Path, *metrics: str, **options: Any) -> Any:
    return evaluate(results, corpus, EvaluationOptions(metrics=metrics, cache=False, **options), parts=OURS)


def test_a_result_does_not_differ_from_itself(results: Path, corpus: Path) -> None:
    one = _evaluate(results, corpus, *QUICK, "fgd", "diversity")
    found = compare(one, one, ("a", "b"))
    assert found.clips == 5 and not found.changes and not found.alone
    assert all(each.difference == 0 and each.low == each.high == 0 and each.better == "" for each in found.differences)


def test_a_worse_result_is_shown_worse_and_the_clips_that_changed_are_named(tmp_path: Path, results: Path, corpus: Path) -> None:
    shaken = tmp_path / "shaken"
    shaken.mkdir()
    rng = np.random.default_rng(0)
    for path in results.glob("*.npz"):
        motion = read_npz(path)
        noise = rng.normal(0, 2.0 if path.stem == "1_ada_0_4_4" else 0.1, motion.rotations.shape).astype(np.float32)
        write_npz(Motion(motion.rotations + noise, motion.translation, motion.expression), shaken / path.name)
    (shaken / "1_ada_0_5_5.npz").unlink()
    first, second = (_evaluate(folder, corpus, "ldlj", "l1div", "fgd") for folder in (results, shaken))
    found = compare(first, second, ("plain", "shaken"))
    rows = {each.name: each for each in found.differences}
    assert found.clips == 4 and found.alone == ("1_ada_0_5_5: only in plain",)
    assert rows["ldlj"].difference < -1 and rows["ldlj"].high < 0 and rows["ldlj"].better == "first"
    assert max((change for change in found.changes if change.name == "l1div"), key=lambda change: change.size).clip == "1_ada_0_4_4"
    back = {each.name: each for each in compare(second, first, ("shaken", "plain")).differences}
    for name, row in rows.items():
        assert back[name].difference == pytest.approx(-row.difference)
    assert back["ldlj"].better == "second"
    json.dumps(found.to_json(), allow_nan=False)


def test_two_protocols_are_refused_with_the_difference_named(results: Path, corpus: Path) -> None:
    first, second = (_evaluate(results, corpus, "l1div", protocol=EvaluationProtocol.named(*arguments)) for arguments in (("default",), ("default", 60)))
    with pytest.raises(InputError, match=r"different protocols \(frames_per_clip: 300 and 60\)"):
        compare(first, second, ("a", "b"))
    paper = _evaluate(results, corpus, "l1div", protocol=EvaluationProtocol.named("paper"))
    with pytest.raises(InputError, match="name: 'default' and 'paper'"):
        compare_reports(first.report, paper.report, ("a", "b"))


def test_a_report_is_read_back_and_compared(tmp_path: Path, results: Path, corpus: Path) -> None:
    one = _evaluate(results, corpus, *QUICK)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(one.report.to_json()))
    read = read_report(path)
    assert read.figures == one.report.figures and read.rows == one.report.rows
    found = compare_reports(read, one.report, ("a", "b"))
    assert all(each.difference == 0 for each in found.differences)
    for bad in ("", "[]", '{"schema": 1}', json.dumps({**one.report.to_json(), "rows": [{}]})):
        path.write_text(bad)
        with pytest.raises(InputError, match="cannot be read as a report"):
            read_report(path)


def test_nothing_in_common_is_an_error(tmp_path: Path, corpus: Path) -> None:
    sides = [_evaluate(lay_results(tmp_path / name, [name]), corpus, "l1div") for name in ("1_ada_0_1_1", "1_ada_0_2_2")]
    with pytest.raises(InputError, match="no clip of one name"):
        compare(*sides, ("a", "b"))


# plugins --------------------------------------------------------------------------------------------------------------


class _NoOptions(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Longest:
    """A metric of a third party."""

    name: ClassVar[str] = "longest"
    unit: ClassVar[str] = "frames"
    direction: ClassVar[str] = "reference"
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "here"
    meaning: ClassVar[str] = "How long clips are."
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = _NoOptions

    def __init__(self, options: _NoOptions) -> None:
        pass

    def measure(self, clip: Any) -> Mapping[str, Any]:
        return clip_values(clip.motion.frames)

    def combine(self, measured: Measurements) -> Combined:
        return means(measured)


class Falls(Longest):
    name: ClassVar[str] = "falls"

    def measure(self, clip: Any) -> Mapping[str, Any]:
        raise ZeroDivisionError("by the author")


class Stumbles(Longest):
    name: ClassVar[str] = "stumbles"

    def combine(self, measured: Measurements) -> Combined:
        raise KeyError("again")


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> PluginManager:
    import sys

    module = ModuleType("a_measure")
    module.raggesture_metrics = hookimpl(specname="raggesture_metrics")(lambda: [Longest, Falls, Stumbles])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_measure", module)
    return PluginManager(find=lambda: [EntryPoint("measure", "a_measure", "raggesture")])


def test_a_plugins_metric_is_a_row_and_a_broken_one_costs_itself(results: Path, corpus: Path, third_party: PluginManager) -> None:
    report = evaluate(results, corpus, EvaluationOptions(cache=False), parts=third_party).report
    found = _by_name(report)
    assert found["longest"].value == FRAMES and found["longest"].clips == 5 and found["l1div"].value > 0
    assert math.isnan(found["falls"].value) and "raised ZeroDivisionError: by the author" in found["falls"].note
    assert math.isnan(found["stumbles"].value) and "raised KeyError" in found["stumbles"].note
    assert "motion-statistics still_share" not in found


def test_metrics_are_chosen_by_name_with_their_options() -> None:
    assert [chosen.metric.name for chosen in choose_metrics(OURS, ("ldlj", "fgd", "ldlj"))] == ["ldlj", "fgd"]
    first, second = (choose_metrics(OURS, ("mismatch",), {"mismatch": {"least_frames": n}})[0] for n in (90, 120))
    assert first.identity != second.identity == choose_metrics(OURS, ("mismatch",))[0].identity
    for names, options, match in (
        (("fdg",), {}, "did you mean 'fgd'"),
        (("mismatch",), {"mismatch": {"last_frames": 3}}, "did you mean 'least_frames'"),
        (("mismatch",), {"mismatch": {"least_frames": "many"}}, "least_frames"),
        (("mismatch",), {"fgd": {"x": 1}}, "it is not measured"),
    ):
        with pytest.raises(ConfigError, match=match):
            choose_metrics(OURS, names, options)


# pages ----------------------------------------------------------------------------------------------------------------


def test_the_page_escapes_and_links_and_runs_nothing(tmp_path: Path, corpus: Path) -> None:
    name = "1_ada_0_1_1 <img src=x onerror=alert(1)>"
    for folder in ("smplxflame_30", "wave16k"):
        for path in list((corpus / folder).glob("1_ada_0_1_1.*")):
            path.rename(path.with_name(name + path.suffix))
    results = lay_results(tmp_path / "results", [name, "1_ada_0_2_2"])
    (results / "1_ada_0_2_2.html").write_text("a page")
    report = _run(results, corpus, *QUICK)
    page = report_page(report, results, tmp_path)
    assert "<img" not in page and "&lt;img src=x onerror=alert(1)&gt;" in page
    assert '<a href="results/1_ada_0_2_2.html">' in page and page.count("<a ") == 1
    assert "<script" not in page and "default-src 'none'" in page.replace("&#x27;", "'") and "http" not in page.replace("http-equiv", "")
    assert page.count("<svg") > 4 and "What the figures mean" in page
    assert "&lt;b&gt;" in comparison_page(compare_reports(report, report, ("<b>", "other")))
