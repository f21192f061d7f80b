"""The other commands, and the command line as a process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Call = Callable[..., Any]
PROGRAM = "import sys; from raggesture.cli.app import main; sys.argv[0] = 'raggesture'; main()"
Install = Callable[[str], tuple[Path, Path]]


def process(*arguments: str, code: str = PROGRAM, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=120, env={**os.environ, "COLUMNS": "160", **environment}
    )


def test_help_is_quick_and_light() -> None:
    heavy = "{'torch', 'pydantic', 'librosa', 'scipy'} & set(sys.modules)"
    code = f"import sys, time; from raggesture.cli.app import run; run(['--help']); print(len({heavy}), time.process_time(), file=sys.stderr)"
    found = [process(code=code).stderr.split() for _ in range(2)]
    assert [count for count, _ in found] == ["0", "0"]
    assert min(float(seconds) for _, seconds in found) < 1.0  # CPU time: other work on the machine does not count


def test_help_names_every_command_in_its_panel() -> None:
    text = process("--help").stdout
    first, _, second = text.partition("More")
    for command in ("generate", "longform", "index", "train", "eval"):
        assert re.search(rf"\b{command}\b", first), command
    for command in ("plugins", "model", "export"):
        assert re.search(rf"\b{command}\b", second), command


COMMANDS = ["generate", "longform", "index", "index build", "index search", "train", "train all", "eval", "export", "model", "plugins"]


@pytest.mark.parametrize("command", [name.split() for name in COMMANDS])
def test_every_command_has_help(call: Call, command: list[str]) -> None:
    found = call(*command, "--help")
    assert found.code == 0 and "Usage: raggesture" in found.out


def test_help_of_settings_names_their_tables(call: Call) -> None:
    """Words in square brackets would be taken for markup and left out of the page."""
    text = " ".join(call("train", "denoiser", "--help").out.replace("│", " ").split())
    assert "table model.denoiser" in text and "Of table training" in text


def test_the_package_runs_as_a_module() -> None:
    found = subprocess.run([sys.executable, "-m", "raggesture", "--version"], capture_output=True, text=True, check=False, timeout=120)
    assert found.returncode == 0 and found.stdout.startswith("raggesture ")


def test_version_and_no_arguments(call: Call) -> None:
    assert re.fullmatch(r"raggesture \d+\.\d+\.\d+\n", call("--version").out)
    found = call()
    assert found.code in (0, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["genrate"], "No such command 'genrate'"), (["generate"], "Missing argument 'SPEECH"), (["index", "build", "x"], "Missing option '--out'")],
)
def test_usage_errors_are_one_line(call: Call, arguments: list[str], message: str) -> None:
    found = call(*arguments)
    assert found.code == 2 and message in found.error and found.err.count("\n") == 1


def _hears_interrupts() -> None:
    """A shell's background job ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_process_exits_130_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    code = (
        "import sys, time, pathlib; from raggesture.cli import worker, app\n"
        "from raggesture.outputs import new_files\n"
        "def work(self, job, progress):\n"
        "    with new_files(job.outputs) as partial:\n"
        "        partial[0].write_text('half'); print('ready', flush=True); time.sleep(60)\n"
        "worker.Worker._work = work\n"
        "app.main()"
    )
    arguments = ["generate", "x.wav", "--out", str(tmp_path / "out"), "--retriever", "none"]
    child = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_hears_interrupts)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(number)
    _, err = child.communicate(timeout=240)
    assert child.returncode == 130 and err.splitlines()[-1].startswith("error: interrupted")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_is_no_error() -> None:
    child = subprocess.Popen([sys.executable, "-c", PROGRAM, "plugins", "list", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.stdout.close()
    assert child.stderr is not None
    err = child.stderr.read()
    assert child.wait(240) == 0 and "Traceback" not in err and "BrokenPipe" not in err


# plugins --------------------------------------------------------------------------------------------------------------


def test_plugins_list_names_builtins(call: Call) -> None:
    data = json.loads(call("plugins", "list", "--json").out)
    parts = {part["name"] for plugin in data["plugins"] for part in plugin["parts"]}
    assert data["schema"] == 1 and {"llm", "discourse", "gesture-type", "none", "hold", "npz", "html"} <= parts
    assert "hold" in call("plugins", "list").out


def test_plugins_show(call: Call) -> None:
    part = json.loads(call("plugins", "show", "hold", "--json").out)["parts"][0]
    assert part["options"]["stop"]["default"] == 0.8 and part["builtin"] is True
    assert "stop = 0.8" in call("plugins", "show", "hold").out
    found = call("plugins", "show", "hodl")
    assert found.code == 4 and "did you mean 'hold'" in found.error


def test_plugins_check(call: Call) -> None:
    found = call("plugins", "check", "hold")
    assert found.code == 0 and "ok" in found.out


def test_a_broken_plugin_warns_once_and_the_work_goes_on(call: Call, installed: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    installed("raggesture-broken")
    monkeypatch.setenv("RAGGESTURE_PLUGINS", "broken-import,broken-signature")
    found = call("generate", "x.wav", "--dry-run", "--retriever", "none")
    assert found.code == 0 and found.err == "", "a built-in must not even look at third parties"
    found = call("generate", "x.wav", "--dry-run", "--guidance", "good")
    warnings = [line for line in found.err.splitlines() if "broken-import" in line]
    reason = "ImportError: this module needs a library that nobody has"
    assert found.code == 0
    assert warnings == [f"warning: plugin 'broken-import' (raggesture-broken 0.2.0) not loaded: {reason} - see 'raggesture plugins list'"]


def test_plugins_list_and_check_with_everything_broken(call: Call, installed: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    installed("raggesture-broken")
    kinds = ("import", "exit", "hook", "answer", "misspelt", "signature", "taken", "missing", "constructor")
    monkeypatch.setenv("RAGGESTURE_PLUGINS", ",".join(f"broken-{kind}" for kind in kinds))
    found = call("plugins", "list", "--json")
    states = {plugin["plugin"]: plugin["state"] for plugin in json.loads(found.out)["plugins"]}
    assert found.code == 0 and states["broken-exit"] == "faulty" and states["npz"] == "loaded"
    found = call("plugins", "check")
    assert found.code == 4 and "no weights here" in found.out
    found = call("plugins", "show", "wrong-arguments")
    assert found.code == 4 and "rates cannot take 1 argument" in found.error


@pytest.mark.parametrize("kind", ["import", "exit", "hook", "answer", "misspelt", "signature", "taken", "missing"])
def test_show_and_check_of_each_broken_plugin_tell_its_fault(call: Call, installed: Install, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    installed("raggesture-broken")
    monkeypatch.setenv("RAGGESTURE_PLUGINS", f"broken-{kind}")
    found = call("plugins", "show", f"broken-{kind}")
    assert found.code == 4 and f"broken-{kind}" in found.error and "raggesture-broken 0.2.0" in found.error
    found = call("plugins", "check", f"broken-{kind}")
    assert found.code == 4 and f"broken-{kind}\t" in found.out
    assert call("plugins", "show", "hold").code == 0


def test_the_example_plugin_is_found_and_passes_its_check(call: Call, installed: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    installed("raggesture-example")
    monkeypatch.setenv("RAGGESTURE_PLUGINS", "example")
    found = call("plugins", "check", "example")
    assert found.code == 0, found.out + found.err
    assert "emphasis\tok" in found.out and "ease\tok" in found.out
    found = call("generate", "x.wav", "--dry-run", "--json", "--retriever", "emphasis", "-R", "spacing_s=2")
    assert json.loads(found.out)["settings"]["retriever.emphasis.spacing_s"] == {"value": 2.0, "origin": "command line -R"}
    monkeypatch.setenv("RAGGESTURE_PLUGINS", "")
    found = call("generate", "x.wav", "--dry-run", "--retriever", "emphasis")
    assert found.code == 4 and "retriever 'emphasis': unknown" in found.error


# index, eval, export, model, train ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def index_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from raggesture.testing import sample_index

    folder = tmp_path_factory.mktemp("made")
    sample_index(folder)
    return folder / "index"


def test_index_info_verify_search(call: Call, index_folder: Path, tmp_path: Path) -> None:
    data = json.loads(call("index", "info", index_folder, "--json").out)
    assert data["manifest"]["exemplars"] == sum(count for _, count in data["kinds"]) > 0
    assert "exemplars" in call("index", "info", index_folder).out
    assert call("index", "verify", index_folder).code == 0
    hits = json.loads(call("index", "search", index_folder, "--word", "huge", "--limit", 3, "--json").out)["hits"]
    assert len(hits) == 3 and hits[0]["exemplar"]["word"] == "huge"
    assert all(abs(sum(hit["terms"].values()) - hit["score"]) < 1e-6 for hit in hits)
    assert "huge" in call("index", "search", index_folder, "--word", "huge").out
    assert json.loads(call("index", "search", index_folder, "--gesture", "sample_big", "--json").out)["hits"][0]["exemplar"]["gesture"] == "sample_big"


def test_index_search_needs_something_to_search(call: Call, index_folder: Path) -> None:
    found = call("index", "search", index_folder)
    assert found.code == 2 and "nothing to search for" in found.error


def test_an_altered_index_is_found(call: Call, index_folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(index_folder, copy)
    victim = max(copy.iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    found = call("index", "verify", copy)
    assert found.code == 5 and victim.name in found.error


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["index", "info", "NOWHERE"], 5),
        (["index", "build", "NOWHERE", "--out", "OUT"], 3),
        (["index", "build", "NOWHERE", "--out", "OUT", "--text-encoder", "minilmm"], 4),
        (["eval", "NOWHERE"], 3),
        (["eval", "NOWHERE", "--protocol", "papr"], 2),
        (["export", "NOWHERE.npz", "--out", "OUT"], 3),
        (["export", "NOWHERE.npz", "--out", "OUT", "--format", "hmtl"], 4),
        (["model", "info", "NOWHERE"], 5),
        (["train", "denoiser", "--data", "NOWHERE", "--out", "OUT"], 3),
        (["train", "denoiser", "--data", "NOWHERE", "--out", "OUT", "-D", "lyers=3"], 4),
        (["train", "denoiser", "--data", "NOWHERE", "--out", "OUT", "--steps", "1", "--minutes", "1"], 2),
        (["train", "fgd", "--data", "NOWHERE", "--out", "OUT"], 3),
    ],
)
def test_what_is_not_there(call: Call, tmp_path: Path, arguments: list[str], code: int) -> None:
    places = {"NOWHERE": tmp_path / "nowhere", "NOWHERE.npz": tmp_path / "nowhere.npz", "OUT": tmp_path / "out"}
    found = call(*(places.get(each, each) for each in arguments))
    assert found.code == code, found.err
    assert len(found.err.splitlines()) == 1 and found.error and not (tmp_path / "out").exists()


def test_index_build_refuses_a_folder_that_is_in_use(call: Call, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("mine")
    found = call("index", "build", tmp_path, "--out", tmp_path / "out")
    assert found.code == 2 and (tmp_path / "out" / "precious").exists()


def test_export_writes_a_page_of_a_motion(call: Call, tmp_path: Path) -> None:
    from raggesture.motion import Motion, write_npz

    write_npz(Motion(np.zeros((30, 55, 3)), np.zeros((30, 3)), np.zeros((30, 100)), 30.0), tmp_path / "m.npz")  # type: ignore[arg-type]
    found = call("export", tmp_path / "m.npz", "--format", "html", "--out", tmp_path / "out")
    assert found.code == 0, found.err
    assert (tmp_path / "out" / "m.html").stat().st_size > 1000
    assert call("export", tmp_path / "m.npz", "--out", tmp_path / "out").code == 2
