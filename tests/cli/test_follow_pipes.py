"""``raggesture longform --follow`` with a tiny model: pipes that flow, stop, stall and lie."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raggesture.cli.pipes import wave_data
from raggesture.errors import InputError
from raggesture.motion import read_npz
from raggesture.speech.live import word_of_line
from raggesture.trace import read_trace
from raggesture.types import Word

Call = Callable[..., Any]
PROCESS = Path(__file__).parents[1] / "longform_process.py"
SECONDS = 21.0


def pcm(seconds: float = SECONDS) -> bytes:
    t = np.arange(round(seconds * 16_000)) / 16_000
    wave = 0.2 * np.sin(2 * np.pi * 150 * t) * np.clip(np.sin(2 * np.pi * t), 0, 1)
    return (wave * 32767).astype("<i2").tobytes()


def wav_header(rate: int = 16_000, channels: int = 1, bits: int = 16) -> bytes:
    head = b"RIFF\xff\xff\xff\xffWAVEfmt " + (16).to_bytes(4, "little") + (1).to_bytes(2, "little") + channels.to_bytes(2, "little")
    head += rate.to_bytes(4, "little") + (rate * channels * bits // 8).to_bytes(4, "little") + (channels * bits // 8).to_bytes(2, "little")
    return head + bits.to_bytes(2, "little") + b"LIST\x04\x00\x00\x00abcd" + b"data\xff\xff\xff\xff"


def words_text() -> list[str]:
    said = ["we", "saw", "a", "huge", "mountain", "over", "there"]
    return [json.dumps({"word": said[k % len(said)], "start": k + 0.1, "end": k + 0.6}) + "\n" for k in range(int(SECONDS))]


def started(tmp_path: Path, *arguments: object, wait_s: float = 0.0) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "RAGGESTURE_PLUGINS": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(PROCESS), str(tmp_path / "index"), str(wait_s), "longform", "--follow", "--steps", "4", "--retriever", "gesture-type"]
    command += [str(each) for each in arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def lines_of(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_sound_and_late_words_in_motion_out(tmp_path: Path) -> None:
    """Sound by stdin behind a WAV header, words by a FIFO; frames come while the sound still flows."""
    fifo = tmp_path / "words"
    os.mkfifo(fifo)
    process = started(tmp_path, "-", "--words", fifo, "--word-delay", "20", "--out", tmp_path / "out")
    assert process.stdin and process.stdout and process.stderr

    def speak() -> None:
        with fifo.open("w") as stream:
            for number, line in enumerate(words_text()):
                stream.write("not a word\n" if number == 2 else line)
                stream.flush()
                time.sleep(0.01)

    threading.Thread(target=speak, daemon=True).start()
    process.stdin.write(wav_header() + pcm(12.0))
    process.stdin.flush()
    first = json.loads(process.stdout.readline())
    assert first["kind"] == "start" and first["fps"] == 30 and 20 < first["latency_s"] < 27
    early = json.loads(process.stdout.readline())  # while the pipe is still open
    assert early["kind"] == "motion" and early["frame"] == 0 and len(early["poses"]) == early["frames"] > 30
    assert len(early["poses"][0]) == 165 and len(early["expressions"][0]) == 100
    process.stdin.write(pcm()[len(pcm(12.0)) :] + b"\x01")  # an odd byte at the end
    process.stdin.close()
    rest = lines_of(process.stdout.read())
    error = process.stderr.read().decode()
    assert process.wait(200) == 0, error
    assert "line 3: 'not a word'" in error and error.count("neither OPENAI") <= 1
    sent = [early, *rest[:-1]]
    assert [line["frame"] for line in sent] == list(np.cumsum([0, *(line["frames"] for line in sent)]))[:-1]
    end, motion = rest[-1], read_npz(tmp_path / "out" / "follow.npz")
    assert end["kind"] == "end" and end["frames"] == motion.frames == 630 and end["heard_s"] == SECONDS and end["gestures"] >= 2
    assert end["realtime_factor"] > 0 and end["most_behind_s"] < first["latency_s"]
    np.testing.assert_allclose(np.concatenate([line["poses"] for line in sent]), motion.rotations.reshape(630, -1), atol=6e-6)
    trace = read_trace(tmp_path / "out" / "follow.trace.json")
    assert [w.text for w in trace.transcript.words][:2] == ["we", "saw"] and len(trace.transcript.words) == 20
    assert len(trace.placements) == end["gestures"] and not (tmp_path / "out" / "follow.follow").exists()


def test_a_pipe_that_stalls_ends_the_speech_if_told_so_and_an_interrupt_does(tmp_path: Path) -> None:
    words = tmp_path / "words.jsonl"
    words.write_text("".join(words_text()))
    stalled = started(tmp_path, "-", "--words", words, "--patience", "1", "--out", tmp_path / "stalled")
    assert stalled.stdin and stalled.stdout and stalled.stderr
    stalled.stdin.write(pcm(8.0))
    stalled.stdin.flush()
    out = lines_of(stalled.stdout.read())
    assert stalled.wait(200) == 0 and b"the speech is taken to be over" in stalled.stderr.read()
    assert out[-1]["frames"] == 240
    stopped = started(tmp_path, "-", "--words", words, "--out", tmp_path / "stopped")
    assert stopped.stdin and stopped.stdout
    stopped.stdin.write(pcm(8.0))
    stopped.stdin.flush()
    stopped.stdout.readline()
    stopped.stdout.readline()
    stopped.send_signal(signal.SIGINT)
    last = stopped.stdout.read().splitlines()[-1]
    assert stopped.wait(200) == 0 and json.loads(last)["frames"] == 240
    assert read_npz(tmp_path / "stopped" / "follow.npz").frames == 240


def test_silence_nothing_and_refusals(tmp_path: Path, call: Call) -> None:
    quiet = started(tmp_path, "-", "--words", tmp_path / "none.jsonl", "--out", tmp_path / "a")
    out, error = quiet.communicate(bytes(32_000 * 7), timeout=200)
    assert quiet.returncode == 3 and b"none.jsonl: cannot be read" in error
    (tmp_path / "empty.jsonl").touch()
    quiet = started(tmp_path, "-", "--words", tmp_path / "empty.jsonl", "--out", tmp_path / "b")
    out, error = quiet.communicate(bytes(32_000 * 7), timeout=200)
    assert quiet.returncode == 0, error
    assert lines_of(out)[-1]["frames"] == 210 and lines_of(out)[-1]["gestures"] == 0
    nothing = started(tmp_path, "-", "--words", tmp_path / "empty.jsonl", "--out", tmp_path / "c")
    out, error = nothing.communicate(b"", timeout=200)
    assert nothing.returncode == 3 and b"no sound came" in error and list((tmp_path / "c").iterdir()) == []
    assert call("longform", "a.wav", "b.wav", "--follow").code == 2
    for flag in (("--transcript", "x.txt"), ("--parallel", 2), ("--dry-run",)):
        found = call("longform", "-", "--follow", *flag)
        assert found.code == 2 and "do not go together" in found.error
    assert "at most 9" in call("longform", "-", "--follow", "--stride", 9, "--lookahead", 1, "--out", tmp_path / "d").error


@pytest.mark.parametrize(("rate", "channels", "bits"), [(44_100, 1, 16), (16_000, 2, 16), (16_000, 1, 24)])
def test_sound_of_another_kind_is_refused(rate: int, channels: int, bits: int) -> None:
    with pytest.raises(InputError, match=rf"{channels} channels, {rate} Hz, {bits} bits; expected 16-bit mono.*ffmpeg"):
        wave_data(wav_header(rate, channels, bits) + b"\0\0", "standard input")
    assert wave_data(wav_header() + b"\1\2", "x") == b"\1\2" and wave_data(b"\5\6", "x") == b"\5\6"


@pytest.mark.parametrize(
    "line",
    [
        "[1]",
        "{}",
        '{"word": 3, "start": 0, "end": 1}',
        '{"word": "a", "start": 2, "end": 1}',
        '{"word": "a", "start": "x", "end": 1}',
        '{"word": "a", "start": NaN, "end": 1}',
    ],
)
def test_lines_that_are_no_words(line: str) -> None:
    with pytest.raises(InputError, match=r"w: line 7: .*one word a line"):
        word_of_line(line, 7, "w")
    assert word_of_line("  \n", 1, "w") is None
    assert word_of_line('{"word": " huge ", "start": 1, "end": 2, "confidence": 0.3}', 1, "w") == Word("huge", 1.0, 2.0)


def test_what_a_run_that_was_killed_has_left_is_not_lost(tmp_path: Path) -> None:
    """A second run refuses, and with --no-resume begins anew."""
    words = tmp_path / "words.jsonl"
    words.write_text("".join(words_text()))
    killed = started(tmp_path, "-", "--words", words, "--out", tmp_path / "out")
    assert killed.stdin and killed.stdout
    killed.stdin.write(pcm(8.0))
    killed.stdin.flush()
    killed.stdout.readline()
    killed.stdout.readline()
    killed.send_signal(signal.SIGKILL)
    killed.wait(60)
    (piece, *_) = sorted((tmp_path / "out" / "follow.follow").glob("motion-*.npz"))
    assert read_npz(piece).frames > 30 and not (tmp_path / "out" / "follow.npz").exists()
    again = started(tmp_path, "-", "--words", words, "--out", tmp_path / "out")
    _, error = again.communicate(pcm(5.0), timeout=200)
    assert again.returncode == 2 and b"--no-resume" in error and piece.exists()
    anew = started(tmp_path, "-", "--words", words, "--out", tmp_path / "out", "--no-resume")
    out, error = anew.communicate(pcm(5.0), timeout=200)
    assert anew.returncode == 0, error
    assert lines_of(out)[-1]["frames"] == read_npz(tmp_path / "out" / "follow.npz").frames == 150
