"""docs/library.md, done as it says: its commands in its order, in a folder of ten takes made here, to a motion with one of the takes in it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tomli

from helpers_takes import SPEECH, SPEECH_TEXT, TEN, make_takes
from raggesture.motion import read_npz
from raggesture.retarget.names import load_skeleton, packaged

Call = Callable[..., Any]
GUIDE = (Path(__file__).parents[2] / "docs" / "library.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(bash|toml)\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
TAKES = {said.gesture for said in TEN}
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Folder:
    """What the commands of the guide left, and what each of them said."""

    path: Path
    said: dict[str, str]

    def placed(self, name: str) -> list[tuple[str, str]]:
        """Clip and speaker of each placement of a result, in time order."""
        trace = json.loads((self.path / name / "talk.trace.json").read_text(encoding="utf-8"))
        speakers = {hit["query"]: hit["exemplar"]["speaker"] for hit in trace["hits"]}
        assert read_npz(self.path / name / "talk.npz").duration_s == pytest.approx(trace["speech"]["duration_s"], abs=0.05)
        return [(each["clip"], speakers[each["query"]]) for each in sorted(trace["placements"], key=lambda each: each["start_s"])]


def _write_toml(text: str) -> None:
    """Put a block where the guide says that it goes."""
    data = tomli.loads(text)
    if "like" in data:
        Path("studio.toml").write_text(text, encoding="utf-8")
    elif "name" in data["gesture"][0]:
        Path("takes/mia/big.gestures.toml").write_text(text, encoding="utf-8")
    else:
        with Path("talk.plan.toml").open("a", encoding="utf-8") as stream:
            stream.write(f"\n{text}")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """All blocks of the guide, one after the other; ours in this process, so that the models are loaded once."""
    import contextlib
    import io

    from raggesture.cli.app import run

    folder = tmp_path_factory.mktemp("guide")
    make_takes(folder / "takes")
    shutil.copy(SPEECH, folder / "talk.wav")
    (folder / "talk.txt").write_text(SPEECH_TEXT, encoding="utf-8")
    said = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RAGGESTURE_PLUGINS", "")
        patch.setenv("RAGGESTURE_GENERATE__STEPS", "12")  # a fast test needs no fine motion
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
            patch.delenv(name, raising=False)
        for language, text in BLOCKS:
            if language == "toml":
                _write_toml(text)
                continue
            for line in text.strip().splitlines():
                program, *arguments = shlex.split(line)
                if program == "raggesture":
                    out = io.StringIO()
                    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                        code = run(arguments)
                    said[line] = out.getvalue()
                    assert code == 0, f"{line}\n{said[line]}"
                else:
                    found = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True)
                    said[line] = found.stdout
    return Folder(folder, said)


def test_every_step_was_done(done: Folder) -> None:
    assert len([line for line in done.said if line.startswith("raggesture")]) >= 11
    assert {"export", "index", "generate"} == {line.split()[1] for line in done.said if line.startswith("raggesture")}
    assert {path.name for path in done.path.iterdir() if path.is_dir()} == {"takes", "look", "my-index", "mine", "both", "both-ways", "only-mia", "planned"}


def test_a_take_was_looked_at(done: Folder) -> None:
    (line,) = (line for line in done.said if line.startswith("raggesture export"))
    example = re.search(r"`(skeleton mixamo[^`]*)`", GUIDE)
    assert example is not None
    said, shown = (re.sub(r"-?\d+ degrees", "N degrees", " ".join(text.split())) for text in (done.said[line], example[1]))
    assert shown in said
    assert {path.name for path in (done.path / "look").iterdir()} == {"big.npz", "big.html"}


def test_the_index_holds_the_takes_and_the_gesture_by_its_name(done: Folder) -> None:
    infos = [text for line, text in done.said.items() if line.startswith("raggesture index info")]
    assert "in 10 clips" in infos[0] and "ours, all rights reserved" in infos[0] and "wide_arms" in infos[0]
    assert re.search(r"mia\s", infos[1]) and re.search(r"ben\s", infos[1]) and "Apache-2.0" in infos[1] and "ours" in infos[1]
    by_name = next(text for line, text in done.said.items() if "--gesture wide_arms" in line)
    assert re.search(r"wide_arms\s.*\bbig\b.*2\.23", by_name)


def test_the_takes_are_in_the_motion(done: Folder) -> None:
    mine = done.placed("mine")
    assert mine and {clip for clip, _ in mine} <= TAKES
    listed = done.said["grep -E '^   \"(start_s|clip)\"' mine/talk.trace.json"]
    assert re.findall(r'"clip": "(\w+)"', listed) == [clip for clip, _ in mine]
    only = done.placed("only-mia")
    assert only and {speaker for _, speaker in only} == {"mia"}
    assert done.placed("both-ways")


def test_a_gesture_of_a_plan_is_where_it_was_wanted(done: Folder) -> None:
    trace = json.loads((done.path / "planned" / "talk.trace.json").read_text(encoding="utf-8"))
    number = next(k for k, query in enumerate(trace["queries"]) if query["word"] == "storm")
    (placement,) = (each for each in trace["placements"] if each["query"] == number)
    assert placement["clip"] == "big" and placement["start_s"] <= trace["queries"][number]["stroke"] < placement["end_s"]
    assert '"clip": "big"' in done.said["grep -E '^   \"(start_s|clip)\"' planned/talk.trace.json"]


def test_the_table_of_the_guide_is_one(done: Folder) -> None:
    skeleton = load_skeleton(str(done.path / "studio.toml"))
    assert skeleton.joints["left_shoulder"] == (("L_UpperArm",),)
    listed = re.search(r"start from a packaged table: ([\w, ]+)", GUIDE)
    assert listed is not None and set(listed[1].split(", ")) == set(packaged())


def test_what_the_guide_says_of_the_packaged_index_is_so() -> None:
    from raggesture.cli.index_search import open_location

    index = open_location("starter")
    listed = re.search(r"the packaged index has (.*?)\.\n", GUIDE)
    assert listed is not None and re.findall(r"`(\w+)`", listed[1]) == sorted(index.manifest.speakers)
    assert index.manifest.licence.startswith("Apache-2.0")
