"""Long speech measured: memory and time by length, seams one after the other and in parallel, many files, a speech that is followed.

``RAGGESTURE_BENCH_MINUTES=1,10,60 pytest -s tests/benchmarks/test_bench_longform.py -k memory`` (an hour takes about a quarter of one).
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from raggesture.body.skeleton import forward_kinematics
from raggesture.clock import MOTION_FPS
from raggesture.motion import read_npz

SPEECH = Path(__file__).parents[1] / "data" / "speech.wav"
MINUTES = tuple(float(text) for text in os.environ.get("RAGGESTURE_BENCH_MINUTES", "1,3").split(","))
COMMAND = (sys.executable, "-m", "raggesture")


def speech_of(folder: Path, seconds: float, *, words: bool) -> Path:
    """The recording of the tests again and again; with ``words`` a transcript lies beside it, so that nobody has to listen."""
    wave, rate = soundfile.read(SPEECH, dtype="float32")
    path = folder / f"talk{round(seconds)}.wav"
    total = round(seconds * rate)
    with soundfile.SoundFile(path, "w", rate, 1) as out:
        left = total
        while left > 0:
            out.write(wave[:left])
            left -= len(wave)
    if words:
        said = subprocess.run(
            [*COMMAND, "generate", str(SPEECH), "--out", str(folder / "said"), "--steps", "3", "--format", "npz", "-q", "--force"], check=True
        )
        assert said.returncode == 0
        heard = json.loads((folder / "said" / "speech.trace.json").read_text())["transcript"]["words"]
        every = [{"word": w["text"], "start": w["start"] + k, "end": w["end"] + k} for k in np.arange(0, seconds, len(wave) / rate) for w in heard]
        path.with_suffix(".json").write_text(json.dumps({"words": [w for w in every if w["end"] < seconds]}))
    return path


def run(*arguments: object) -> tuple[float, float]:
    """Seconds and peak memory (MiB) of a command of its own process."""
    began = time.perf_counter()
    process = subprocess.Popen([*COMMAND, *(str(each) for each in arguments), "-q"], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return time.perf_counter() - began, usage.ru_maxrss / 1024


@pytest.mark.parametrize("minutes", MINUTES)
def test_memory_by_length(tmp_path: Path, minutes: float) -> None:
    """Whisper listening, all defaults: the whole command."""
    path = speech_of(tmp_path, 60 * minutes, words=False)
    seconds, peak = run("longform", path, "--out", tmp_path / "out", "--format", "npz")
    frames = read_npz(tmp_path / "out" / f"{path.stem}.npz").frames
    assert frames == round(60 * minutes * MOTION_FPS)
    print(f"\nlongform, {minutes:g} min: {seconds:.0f} s ({seconds / 60 / minutes:.2f} of real time), peak {peak:.0f} MiB")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def seams(path: Path) -> tuple[float, float, float, float]:
    """Median and 95 % of the wrists' jerk in blended seconds over elsewhere, largest wrist step there over elsewhere, farthest root (m)."""
    motion = read_npz(path)
    places = forward_kinematics(torch.from_numpy(motion.rotations.copy()))[0].numpy()[:, [20, 21]]
    jerk = np.linalg.norm(np.diff(places, n=3, axis=0), axis=-1).max(axis=1)
    step = np.linalg.norm(np.diff(places, axis=0), axis=-1).max(axis=1)[: len(jerk)]
    at = np.zeros(len(jerk), bool)
    for second in range(9, round(len(jerk) / 30), 9):
        at[30 * second - 2 : 30 * second + 32] = True
    root = motion.translation[:, [0, 2]]
    ratios = [float(np.percentile(jerk[at], q) / np.percentile(jerk[~at], q)) for q in (50, 95)]
    return ratios[0], ratios[1], float(step[at].max() / step[~at].max()), float(np.linalg.norm(root - root[0], axis=-1).max())


def test_seams_and_speed_by_way(tmp_path: Path) -> None:
    path = speech_of(tmp_path, 120, words=True)
    print()
    for name, way in (("one after the other", ()), ("--parallel 4", ("--parallel", 4)), ("--parallel 8", ("--parallel", 8))):
        out = tmp_path / name.replace(" ", "")
        seconds, peak = run("longform", path, "--out", out, "--format", "npz", *way)
        median, high, step, root = seams(out / f"{path.stem}.npz")
        figures = f"seams / elsewhere: jerk median {median:.2f}, 95 % {high:.2f}, largest step {step:.2f}; root within {root:.2f} m"
        print(f"{name}: {seconds:.0f} s, {peak:.0f} MiB; {figures}")
        assert median < 1.5 and high < 1.5


def test_many_files(tmp_path: Path) -> None:
    """Sixteen recordings of ten to twenty seconds with transcripts: side by side against one by one, in one run."""
    files = []
    for k in range(16):
        folder = tmp_path / f"f{k}"
        folder.mkdir()
        source = speech_of(tmp_path, 10 + k % 11, words=True) if k < 11 else tmp_path / f"talk{10 + k % 11}.wav"
        for suffix in (".wav", ".json"):
            (folder / f"file{k}{suffix}").write_bytes(source.with_suffix(suffix).read_bytes())
        files.append(folder / f"file{k}.wav")
    taken = {}
    for batch in (1, 8, 16):
        out = tmp_path / f"out{batch}"
        seconds, peak = run("generate", *files, "--batch", batch, "--out", out, "--format", "npz", "--force", "--profile", profile_without_cache(tmp_path))
        taken.setdefault(batch, []).append((seconds, peak))
    base = min(seconds for seconds, _ in taken[1])
    print()
    for batch, runs in taken.items():
        seconds = min(each for each, _ in runs)
        print(f"16 recordings, --batch {batch}: {seconds:.1f} s, {base / seconds:.2f} x one by one, {runs[0][1]:.0f} MiB")
    assert min(seconds for seconds, _ in taken[8]) < base * 1.1


def profile_without_cache(folder: Path) -> Path:
    path = folder / "nocache.toml"
    path.write_text('schema = 1\nextends = "default"\n[anchors]\ncache = "off"\n')
    return path


def test_following(tmp_path: Path) -> None:
    """A minute of speech through a pipe: as fast as it goes, and at the speed at which it is spoken."""
    path = speech_of(tmp_path, 60, words=False)
    wave, _ = soundfile.read(path, dtype="int16")
    print()
    for pace, step_s in (("as fast as it goes", 0.0), ("as it is spoken", 0.1)):
        command = [*COMMAND, "longform", "-", "--follow", "--out", str(tmp_path / pace.replace(" ", "")), "-q"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=(tmp_path / "lines").open("w"))
        assert process.stdin
        began = time.perf_counter()
        for k in range(0, len(wave), 1600):
            process.stdin.write(wave[k : k + 1600].tobytes())
            if step_s:
                time.sleep(max(0.0, began + (k / 16_000) + step_s - time.perf_counter()))
        process.stdin.close()
        assert process.wait() == 0
        lines = [json.loads(line) for line in (tmp_path / "lines").read_text().splitlines()]
        stated, most, factor = lines[0]["latency_s"], lines[-1]["most_behind_s"], lines[-1]["realtime_factor"]
        print(f"follow, {pace}: latency {stated} s stated, {most} s at most; computing {factor} of real time")
        assert lines[-1]["frames"] == 1800
