"""``raggesture longform`` on the command line with a tiny model: outputs, going on after a kill, disk full, refusals."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from helpers_synthesis import toy_pipeline as make_pipeline
from raggesture.longform_work import Work
from raggesture.motion import read_npz
from raggesture.pipeline import Pipeline
from raggesture.trace import read_trace

Call = Callable[..., Any]
SECONDS = 64.0
PROCESS = Path(__file__).parents[1] / "longform_process.py"
FEW = ("--steps", "4", "--retriever", "gesture-type", "--format", "npz")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return make_pipeline(tmp_path_factory.mktemp("index") / "toy")


@pytest.fixture
def tiny(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pipeline, "load", lambda *arguments: pipeline)


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    return recording(tmp_path / "in", SECONDS)


def recording(folder: Path, seconds: float) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "talk.wav"
    t = np.arange(round(seconds * 16_000)) / 16_000
    soundfile.write(path, (0.2 * np.sin(2 * np.pi * 150 * t) * np.clip(np.sin(2 * np.pi * t), 0, 1)).astype(np.float32), 16_000)
    said = ["we", "saw", "a", "huge", "mountain", "over", "there"]
    words = [{"word": said[k % len(said)], "start": k + 0.1, "end": k + 0.6} for k in range(int(seconds))]
    path.with_suffix(".json").write_text(json.dumps({"words": words}))
    return path


def test_outputs(call: Call, tiny: None, speech: Path, tmp_path: Path) -> None:
    found = call("longform", speech, "--out", tmp_path / "out", *FEW)
    assert found.code == 0, found.err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["talk.npz", "talk.trace.json"]
    motion, trace = read_npz(tmp_path / "out" / "talk.npz"), read_trace(tmp_path / "out" / "talk.trace.json")
    assert motion.frames == 64 * 30
    assert len(trace.transcript.words) == 64 and trace.placements and trace.speech.file == "talk.wav"
    assert trace.settings["generate.steps"].value == 4 and {"understand", "sample", "write"} <= set(trace.timings_s)
    again = call("longform", speech, "--out", tmp_path / "out", *FEW)
    assert again.code == 2 and "talk.npz: exists" in again.error
    page = call("longform", speech, "--out", tmp_path / "page", "--steps", 4, "--retriever", "none", "--json")
    assert page.code == 0 and (tmp_path / "page" / "talk.html").stat().st_size > 100_000
    assert json.loads(page.out)["results"][0]["duration_s"] == SECONDS


def test_no_page_of_a_long_speech_unless_asked(call: Call, tiny: None, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raggesture.cli.longform.LONGEST_PAGE_S", 60.0)
    found = call("longform", speech, "--out", tmp_path / "out", "--steps", 4, "--retriever", "none")
    assert found.code == 0 and "no page" in found.err and "--format npz,html" in found.err
    assert not (tmp_path / "out" / "talk.html").exists()
    asked = call("longform", speech, "--out", tmp_path / "asked", "--steps", 4, "--retriever", "none", "--format", "npz,html")
    assert asked.code == 0 and (tmp_path / "asked" / "talk.html").exists()


def process(tmp_path: Path, wait_s: float, *arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "RAGGESTURE_PLUGINS": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(PROCESS), str(tmp_path / "index"), str(wait_s), *(str(each) for each in arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.parametrize("parallel", [0, 2])
def test_killed_and_started_again_it_ends_with_the_same_bytes(tmp_path: Path, parallel: int) -> None:
    speech = recording(tmp_path / "in", SECONDS)
    command = ("longform", speech, *FEW, "--parallel", parallel, "--out")
    whole = process(tmp_path, 0.0, *command, tmp_path / "whole")
    assert whole.wait(200) == 0, whole.stderr.read() if whole.stderr else ""
    cut = process(tmp_path, 0.5, *command, tmp_path / "cut")
    work = tmp_path / "cut" / "talk.longform"
    deadline = time.monotonic() + 200
    while not (work / "window-000002.safetensors").exists():
        assert time.monotonic() < deadline and cut.poll() is None
        time.sleep(0.02)
    cut.send_signal(signal.SIGKILL)
    cut.wait(30)
    assert not (tmp_path / "cut" / "talk.npz").exists()
    kept = {path.name: path.stat().st_mtime_ns for path in work.glob("window-*")}
    assert kept and len(kept) < 7
    for path in work.glob("motion-*.npz"):
        assert read_npz(path).frames
    other = process(tmp_path, 0.0, *command, tmp_path / "cut", "--seed", 1)
    assert other.wait(200) == 2 and other.stderr is not None
    assert "generate.seed was 0, is 1" in other.stderr.read()
    again = process(tmp_path, 0.0, *command, tmp_path / "cut")
    assert again.wait(200) == 0 and again.stderr is not None
    assert "going on with the work of an earlier run" in again.stderr.read()
    assert (tmp_path / "cut" / "talk.npz").read_bytes() == (tmp_path / "whole" / "talk.npz").read_bytes()
    assert not work.exists()


def test_disk_full_keeps_what_was_made_and_goes_on(call: Call, tiny: None, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put, room = Work._put, [14]

    def full(self: Work, name: str, write: Any) -> None:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        put(self, name, write)

    monkeypatch.setattr(Work, "_put", full)
    found = call("longform", speech, "--out", tmp_path / "out", *FEW)
    assert found.code == 2 and "No space left on device" in found.error and "same command again" in found.error
    work = tmp_path / "out" / "talk.longform"
    kept = sorted(work.glob("motion-*.npz"))
    seconds = sum(read_npz(path).frames for path in kept) / 30
    assert seconds > 20 and f"after {seconds:.0f} s" in found.error
    room[0] = 10**6
    assert call("longform", speech, "--out", tmp_path / "out", *FEW).code == 0
    assert call("longform", speech, "--out", tmp_path / "once", *FEW).code == 0
    assert (tmp_path / "out" / "talk.npz").read_bytes() == (tmp_path / "once" / "talk.npz").read_bytes()


def test_an_interrupt_keeps_the_work(call: Call, tiny: None, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put, count = Work.put_window, [0]

    def interrupted(self: Work, number: int, made: Any) -> None:
        count[0] += 1
        if count[0] == 4:
            raise KeyboardInterrupt
        put(self, number, made)

    monkeypatch.setattr(Work, "put_window", interrupted)
    found = call("longform", speech, "--out", tmp_path / "out", *FEW)
    assert found.code == 130 and "--resume" not in found.err
    assert len(list((tmp_path / "out" / "talk.longform").glob("window-*"))) == 3
    monkeypatch.setattr(Work, "put_window", put)
    assert call("longform", speech, "--out", tmp_path / "out", *FEW).code == 0


def test_silence_and_refusals(call: Call, tiny: None, speech: Path, tmp_path: Path) -> None:
    silent = tmp_path / "in" / "quiet.wav"
    soundfile.write(silent, np.zeros(16_000 * 130, np.float32), 16_000)
    found = call("longform", silent, "--out", tmp_path / "out", *FEW)
    assert found.code == 0, found.err
    trace = read_trace(tmp_path / "out" / "quiet.trace.json")
    assert trace.queries == () and trace.transcript.source == "silence"
    assert read_npz(tmp_path / "out" / "quiet.npz").frames == 130 * 30
    assert call("longform", speech, "--parallel", -1).code == 2
    bad = call("longform", tmp_path / "none.wav", speech, "--out", tmp_path / "two", *FEW)
    assert bad.code == 3 and "none.wav: no such file" in bad.err and (tmp_path / "two" / "talk.npz").exists()
