"""``raggesture generate`` without weights: settings, outputs, faults, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raggesture.errors import ModelError

Call = Callable[..., Any]
Voice = Callable[[str], Path]


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_motion_page_and_trace_appear(call: Call, voice: Voice, toy_pipeline: list[Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = call("generate", voice("speech.wav"), "--out", out, "--retriever", "none", "--seed", 7, "--steps", 5, "-G", "until=0.5")
    assert found.code == 0, found.err
    assert _files(out) == ["speech.html", "speech.npz", "speech.trace.json"]
    assert found.out.splitlines() == [str(out / name) for name in ("speech.npz", "speech.html", "speech.trace.json")]
    with np.load(out / "speech.npz", allow_pickle=False) as archive:
        assert archive["poses"].shape == (60, 165) and int(archive["mocap_frame_rate"]) == 30
    settings = json.loads((out / "speech.trace.json").read_text())["settings"]
    assert settings["generate.seed"] == {"value": 7, "origin": "command line --seed"}
    assert settings["guidance.hold.until"] == {"value": 0.5, "origin": "command line -G"}
    (_, model, index, device), (speech, options, retriever, schedule) = toy_pipeline
    assert (model, index, device) == (None, None, "auto")
    assert (options.steps, options.seed, retriever.name, schedule.rates(4)) == (5, 7, "none", (1.0, 1.0, 0.0, 0.0))
    assert [word.text for word in speech.transcript.words] == ["hello", "there"]


def test_json_result(call: Call, voice: Voice, toy_pipeline: list[Any], tmp_path: Path) -> None:
    found = call("generate", voice("a.wav"), tmp_path / "missing.wav", "--out", tmp_path / "out", "--retriever", "none", "--format", "npz", "--json")
    data = json.loads(found.out)
    assert found.code == 3 and data["schema"] == 1
    assert data["results"][0]["outputs"] == [str(tmp_path / "out" / "a.npz"), str(tmp_path / "out" / "a.trace.json")]
    assert data["results"][0]["duration_s"] == 2.0
    assert data["results"][1]["exit_code"] == 3 and "missing.wav" in data["results"][1]["error"]


def test_goes_on_after_a_bad_file_and_sums_up(call: Call, voice: Voice, toy_pipeline: list[Any], tmp_path: Path) -> None:
    bad = tmp_path / "in" / "bad.wav"
    first, last = voice("first.wav"), voice("last.wav")
    bad.write_text("this is no audio")
    found = call("generate", first, bad, last, "--out", tmp_path / "out", "--retriever", "none", "--format", "npz")
    assert found.code == 3
    assert _files(tmp_path / "out") == ["first.npz", "first.trace.json", "last.npz", "last.trace.json"]
    errors = [line for line in found.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2 and "bad.wav" in errors[0] and "1 of 3 recordings failed" in errors[1]
    assert sum(each[0] == "load" for each in toy_pipeline) == 1


def test_the_worst_exit_code_wins(call: Call, voice: Voice, toy_pipeline: Any, tmp_path: Path) -> None:
    toy_pipeline.fault = ModelError("the model: broken; expected whole - copy it")
    found = call("generate", tmp_path / "missing.wav", voice("a.wav"), "--out", tmp_path / "out", "--retriever", "none")
    assert found.code == 5 and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("fault", "code", "line"),
    [
        (ModelError("m: x; expected y - z"), 5, "error: m: x; expected y - z"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
        (RuntimeError("tensor trouble"), 1, "error: bug: RuntimeError: tensor trouble - please report it"),
    ],
)
def test_a_fault_half_way_leaves_nothing(call: Call, voice: Voice, toy_pipeline: Any, tmp_path: Path, fault: BaseException, code: int, line: str) -> None:
    toy_pipeline.fault = fault
    found = call("generate", voice("a.wav"), "--out", tmp_path / "out" / "deep", "--retriever", "none")
    assert found.code == code and found.error.startswith(line)
    assert not (tmp_path / "out").exists() and found.out == ""


def test_an_interrupt_in_an_exporter_leaves_nothing(call: Call, voice: Voice, toy_pipeline: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from raggesture.export.html import HtmlExporter

    def write(self: HtmlExporter, scene: Any, path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(HtmlExporter, "write", write)
    assert call("generate", voice("a.wav"), "--out", tmp_path, "--retriever", "none").code == 130
    assert _files(tmp_path) == ["in"]


def test_an_output_that_exists(call: Call, voice: Voice, toy_pipeline: list[Any], tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("mine")
    arguments = ("generate", voice("a.wav"), "--out", tmp_path, "--retriever", "none")
    found = call(*arguments)
    assert found.code == 2 and "a.html: exists" in found.error and "--force" in found.error
    assert (tmp_path / "a.html").read_text() == "mine" and toy_pipeline == []
    assert call(*arguments, "--force").code == 0
    assert (tmp_path / "a.html").read_text() != "mine"


def test_out_is_a_file(call: Call, voice: Voice, toy_pipeline: list[Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = call("generate", voice("a.wav"), "--out", tmp_path / "file", "--retriever", "none")
    assert found.code == 2 and "is a file; expected a folder" in found.error
    found = call("generate", voice("a.wav"), "--out", tmp_path / "file" / "below", "--retriever", "none")
    assert found.code == 2 and "file" in found.error


def test_out_cannot_be_made(call: Call, voice: Voice, toy_pipeline: list[Any]) -> None:
    found = call("generate", voice("a.wav"), "--out", "/proc/nowhere", "--retriever", "none")
    assert found.code == 2 and "/proc" in found.error and toy_pipeline == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--retriever", "discource"], 4, "--retriever: retriever 'discource': unknown; did you mean 'discourse'?"),
        (["--guidance", "holt"], 4, "--guidance: guidance schedule 'holt': unknown; did you mean 'hold'?"),
        (["--format", "npz,htlm"], 4, "--format: format 'htlm': unknown; did you mean 'html'?"),
        (["--format", ","], 4, "--format: is empty; expected at least one"),
        (["--inject", "invertion"], 4, "--inject: expected 'inversion+guidance'"),
        (["--weight", "2"], 4, "--weight: expected less than or equal to 1"),
        (["--steps", "0"], 4, "--steps: expected greater than or equal to 2"),
        (["--seed", "-1"], 4, "--seed: expected greater than or equal to 0"),
        (["--device", "tpu"], 4, "--device: expected 'auto', 'cpu' or 'cuda'"),
        (["--profile", "papr"], 4, "profile 'papr': unknown; did you mean 'paper'?"),
        (["--profile", "none.toml"], 4, "none.toml: no such file"),
        (["-G", "untill=1"], 4, "-G untill: unknown key 'untill'; did you mean 'until'?"),
        (["-R", "nothing"], 4, "-R 'nothing': no '='"),
        (["-R", "api_key=hunter2"], 4, "-R api_key: looks like a secret"),
        (["--steps", "many"], 2, "raggesture generate: "),
        (["--retriver", "llm"], 2, "No such option"),
        (["-v", "-q"], 2, "--verbose --quiet: both given"),
    ],
)
def test_one_clear_line_for_a_wrong_option(
    call: Call, voice: Voice, toy_pipeline: list[Any], tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    found = call("generate", voice("a.wav"), "--out", tmp_path / "out", *arguments)
    assert found.code == code and message in found.error and "hunter2" not in found.err
    assert len([line for line in found.err.splitlines() if line.startswith("error: ")]) == 1
    assert not (tmp_path / "out").exists() and toy_pipeline == [] and found.out == ""


def test_an_unknown_key_in_a_profile(call: Call, voice: Voice, tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text("schema = 1\n[retriever.llm]\nmax_wrds = 3\n")
    found = call("generate", voice("a.wav"), "--profile", profile)
    assert found.code == 4 and f"{profile}: retriever.llm.max_wrds: unknown key 'max_wrds'; did you mean 'max_words'?" in found.error
    profile.write_text('schema = 1\n[retriever.llm]\nmax_words = "3"\n')
    assert f"{profile}: retriever.llm.max_words: expected int, got str '3'" in call("generate", voice("a.wav"), "--profile", profile).error


def test_one_transcript_for_one_recording(call: Call, voice: Voice, toy_pipeline: list[Any], tmp_path: Path) -> None:
    found = call("generate", voice("a.wav"), voice("b.wav"), "--transcript", tmp_path / "t.txt")
    assert found.code == 2 and "--transcript" in found.error


def test_two_recordings_of_one_name(call: Call, voice: Voice, toy_pipeline: list[Any], tmp_path: Path) -> None:
    found = call("generate", voice("a.wav"), tmp_path / "elsewhere" / "a.flac", "--retriever", "none")
    assert found.code == 2 and "names" in found.error and toy_pipeline == []


def test_dry_run_shows_values_with_origins_and_writes_nothing(
    call: Call, voice: Voice, toy_pipeline: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGGESTURE_GENERATE__STEPS", "20")
    found = call("generate", voice("a.wav"), "--profile", "fast", "--seed", 3, "--dry-run", "--json", "--out", tmp_path / "out")
    settings = json.loads(found.out)["settings"]
    assert found.code == 0 and toy_pipeline == [] and not (tmp_path / "out").exists()
    assert settings["generate.steps"] == {"value": 20, "origin": "environment RAGGESTURE_GENERATE__STEPS"}
    assert settings["generate.inject"] == {"value": "noised", "origin": "profile fast.toml"}
    assert settings["generate.seed"] == {"value": 3, "origin": "command line --seed"}
    assert settings["generate.device"] == {"value": "auto", "origin": "profile default.toml"}
    assert settings["retriever.llm.max_words"]["origin"] == "default"
    text = call("generate", voice("a.wav"), "--dry-run").out
    assert "generate.steps = 20  (environment RAGGESTURE_GENERATE__STEPS)" in text and "a.wav ->" in text


def test_a_model_that_is_not_there(call: Call, voice: Voice, tmp_path: Path) -> None:
    found = call("generate", voice("a.wav"), "--out", tmp_path / "out", "--retriever", "none", "--model", tmp_path / "nowhere")
    assert found.code == 5 and "nowhere" in found.error and not (tmp_path / "out").exists()


def test_verbose_shows_the_traceback(call: Call, voice: Voice, toy_pipeline: Any, tmp_path: Path) -> None:
    toy_pipeline.fault = RuntimeError("tensor trouble")
    found = call("generate", voice("a.wav"), "--out", tmp_path / "out", "--retriever", "none", "-v")
    assert found.code == 1 and "Traceback" in found.err and "tensor trouble" in found.error


def test_warnings_go_to_stderr_and_quiet_hides_them(call: Call, tmp_path: Path, toy_pipeline: list[Any]) -> None:
    import soundfile

    soundfile.write(tmp_path / "silence.wav", np.zeros(32000, np.float32), 16000)
    found = call("generate", tmp_path / "silence.wav", "--out", tmp_path / "a", "--retriever", "none", "--format", "npz")
    assert found.code == 0 and any(line.startswith("warning: ") and "silence" in line for line in found.err.splitlines())
    found = call("generate", tmp_path / "silence.wav", "--out", tmp_path / "b", "--retriever", "none", "--format", "npz", "-q")
    assert found.code == 0 and found.err == ""
