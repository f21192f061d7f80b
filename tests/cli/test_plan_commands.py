"""``--plan-only`` and ``--plan`` with a tiny model: files, exit codes, and that a plan which was not edited changes no byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from helpers_plan import WORDS
from helpers_synthesis import toy_pipeline
from raggesture.pipeline import Pipeline
from raggesture.plan_file.reading import read_plan
from raggesture.planner import Planner
from raggesture.trace import read_trace

Call = Callable[..., Any]
LOOK = ("--retriever", "gesture-type", "-R", "max_words=4")
QUICK = ("--steps", 4, "--format", "npz")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return toy_pipeline(tmp_path_factory.mktemp("index") / "toy")


@pytest.fixture
def loads(tiny: Pipeline, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Both ways of loading give the tiny model; returns which were used."""
    used: list[str] = []

    def pipeline(*_: Any) -> Pipeline:
        used.append("model")
        return tiny

    def planner(*_: Any) -> Planner:
        used.append("index")
        return Planner(tiny.index, tiny.identities, tiny.model.manifest.speakers)

    monkeypatch.setattr(Pipeline, "load", pipeline)
    monkeypatch.setattr(Planner, "load", planner)
    return used


def hum(folder: Path, name: str = "talk", seconds: float = 11.0, hertz: int = 150) -> Path:
    """A hum with one word a second beside it."""
    path = folder / f"{name}.wav"
    soundfile.write(path, (0.1 * np.sin(2 * np.pi * hertz * np.arange(round(16000 * seconds)) / 16000)).astype(np.float32), 16000)
    spoken = [{"word": text, "start": k + 0.2, "end": k + 0.8} for k, text in enumerate(WORDS.split()) if k < seconds - 1]
    path.with_suffix(".json").write_text(json.dumps({"words": spoken}))
    return path


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    return hum(tmp_path)


@pytest.fixture
def plan(call: Call, talk: Path, loads: list[str], tmp_path: Path) -> Path:
    found = call("generate", talk, "--plan-only", "--out", tmp_path, *LOOK)
    assert found.code == 0, found.err
    return tmp_path / "talk.plan.toml"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def edited(plan: Path, old: str, new: str) -> Path:
    text = plan.read_text(encoding="utf-8")
    assert old in text
    changed = plan.with_name("edited.toml")
    changed.write_text(text.replace(old, new, 1), encoding="utf-8")
    return changed


def test_plan_only_writes_the_plan_and_nothing_else(call: Call, talk: Path, loads: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = call("generate", talk, "--plan-only", "--out", out, *LOOK)
    assert found.code == 0, found.err
    assert names(out) == ["talk.plan.toml"] and found.out.splitlines() == [str(out / "talk.plan.toml")] and loads == ["index"]
    file = read_plan(out / "talk.plan.toml").file
    assert len(file.gesture) >= 2 and file.made.retriever == "gesture-type" and file.made.model == "tiny" and file.speech.name == "talk"
    again = call("generate", talk, "--plan-only", "--out", out, *LOOK)
    assert again.code == 2 and "talk.plan.toml: exists" in again.error
    before = (out / "talk.plan.toml").read_bytes()
    assert call("generate", talk, "--plan-only", "--out", out, "--force", *LOOK).code == 0
    assert (out / "talk.plan.toml").read_bytes() == before


def test_plan_only_of_several_as_json(call: Call, talk: Path, loads: list[str], tmp_path: Path) -> None:
    other = hum(tmp_path, "other", 5.0)
    found = call("generate", talk, other, tmp_path / "none.wav", "--plan-only", "--out", tmp_path / "out", "--json", *LOOK)
    data = json.loads(found.out)
    assert found.code == 3 and names(tmp_path / "out") == ["other.plan.toml", "talk.plan.toml"] and loads == ["index"]
    assert data["results"][0]["outputs"] == [str(tmp_path / "out" / "talk.plan.toml")]
    assert data["results"][0]["gestures"] == len(read_plan(tmp_path / "out" / "talk.plan.toml").file.gesture)


@pytest.mark.parametrize("command", ["generate", "longform"])
def test_a_plan_that_was_not_edited_changes_no_byte(call: Call, talk: Path, plan: Path, loads: list[str], tmp_path: Path, command: str) -> None:
    for out, more in (("free", LOOK), ("planned", ("--plan", plan))):
        found = call(command, talk, "--out", tmp_path / out, *QUICK, *more)
        assert found.code == 0, found.err
    assert (tmp_path / "free" / "talk.npz").read_bytes() == (tmp_path / "planned" / "talk.npz").read_bytes()
    free, planned = (read_trace(tmp_path / out / "talk.trace.json") for out in ("free", "planned"))
    assert planned.placements == free.placements and planned.placements
    assert [note for note in planned.notes if note.startswith("followed the plan talk.plan.toml with ")] and free.notes == ()
    assert planned.settings["plan"].value == "talk.plan.toml" and planned.settings["plan"].origin == "command line --plan"
    assert [hit.exemplar for hit in planned.hits] == [h.exemplar for h in free.hits if h.query in {p.query for p in free.placements}]


def test_the_trace_of_an_edited_plan(call: Call, talk: Path, plan: Path, tmp_path: Path) -> None:
    changed = edited(plan, "weight = 1.0", "weight = 0.25")
    changed.write_text(
        changed.read_text(encoding="utf-8") + '\n[[gesture]]\nword = "you"\nkind = "deictic"\n[[gesture]]\nword = "had"\nkind = "beat"\nstart = 6.0\n'
    )
    found = call("generate", talk, "--plan", changed, "--out", tmp_path / "out", *QUICK)
    assert found.code == 0, found.err
    trace = read_trace(tmp_path / "out" / "talk.trace.json")
    asked = [query.word for query in trace.queries]
    assert asked[-2:] == ["you", "had"] and trace.queries[0].weight == 0.25
    assert len(trace.placements) + len(trace.drops) == len(asked) == len(read_plan(plan).file.gesture) + 2
    assert [p.weight for p in trace.placements if p.query == 0] == [0.25]
    dropped = {asked[drop.query] for drop in trace.drops}
    assert dropped == {word for word in asked if f"('{word}'): is not made" in found.err}


def test_a_plan_is_filled_in(call: Call, talk: Path, plan: Path, tmp_path: Path) -> None:
    """--plan with --plan-only: what is followed, written out."""
    text = plan.read_text(encoding="utf-8")
    short = tmp_path / "short.toml"
    short.write_text(text[: text.index("\n[[gesture]]")] + '\n[[gesture]]\nword = "mountain"\nkind = "iconic"\nshift_s = 0.2\n')
    assert call("generate", talk, "--plan", short, "--plan-only", "--out", tmp_path / "out").code == 0
    (gesture,) = read_plan(tmp_path / "out" / "talk.plan.toml").file.gesture
    assert gesture.exemplar is not None and gesture.slot is not None and gesture.start == 2.2 and gesture.shift_s == 0.0
    for out, given in (("a", short), ("b", tmp_path / "out" / "talk.plan.toml")):
        assert call("generate", talk, "--plan", given, "--out", tmp_path / out, *QUICK).code == 0
    assert (tmp_path / "a" / "talk.npz").read_bytes() == (tmp_path / "b" / "talk.npz").read_bytes()


def test_a_folder_of_plans(call: Call, talk: Path, plan: Path, loads: list[str], tmp_path: Path) -> None:
    other = hum(tmp_path, "other", 5.0)
    found = call("generate", talk, other, "--plan", plan, "--out", tmp_path / "out", *QUICK)
    assert found.code == 2 and "given with 2 recordings; expected one, or a folder with SPEECH.plan.toml of each" in found.error
    found = call("generate", talk, other, "--plan", tmp_path, "--out", tmp_path / "out", *QUICK)
    assert found.code == 3 and "other.plan.toml: cannot be read (No such file" in found.err and names(tmp_path / "out") == ["talk.npz", "talk.trace.json"]
    assert call("generate", other, "--plan-only", "--out", tmp_path, *LOOK).code == 0
    assert call("generate", talk, other, "--plan", tmp_path, "--out", tmp_path / "out", "--force", *QUICK).code == 0
    assert len(names(tmp_path / "out")) == 4


def test_dry_run_names_the_plan_that_would_be_written(call: Call, talk: Path, loads: list[str], tmp_path: Path) -> None:
    found = call("generate", talk, "--plan-only", "--dry-run", "--json", "--out", tmp_path / "out", *LOOK)
    assert json.loads(found.out)["jobs"] == [{"speech": str(talk), "outputs": [str(tmp_path / "out" / "talk.plan.toml")]}]
    assert loads == [] and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("weight = 1.0", "wieght = 1.0", "edited.toml: gesture 1: unknown key 'wieght'; did you mean 'weight'?"),
        ("weight = 1.0", "weight = 2.0", "edited.toml: gesture 1: weight 2.0; expected a number from 0 to 1"),
        ("start = 1.2", "start = 12.4\n#", "edited.toml: gesture 1: start 12.4 s is past the end of the speech, 11 s"),
        ('clip = "', 'clip = "x', "edited.toml: gesture 1: exemplar: clip 'x"),
        ("sha256 = ", 'sha256 = "0" #', "edited.toml: is for 'talk', 11 s, sha256 0...; expected a plan for 'talk'"),
        ("schema = 1", "schema = 2", "edited.toml: schema 2, written for a newer raggesture"),
        ("[speech]", "[speech", "edited.toml: is not TOML"),
    ],
)  # fmt: skip
def test_a_fault_in_a_plan_is_one_line_and_leaves_nothing(
    call: Call, talk: Path, plan: Path, loads: list[str], tmp_path: Path, old: str, new: str, message: str
) -> None:
    found = call("generate", talk, "--plan", edited(plan, old, new), "--out", tmp_path / "out", *QUICK)
    assert found.code == 3 and message in found.error, found.err
    assert len([line for line in found.err.splitlines() if line.startswith("error: ")]) == 1
    assert not (tmp_path / "out").exists() and found.out == ""


def test_a_plan_for_another_recording_loads_no_model(call: Call, plan: Path, loads: list[str], tmp_path: Path) -> None:
    other = hum(tmp_path, "other", hertz=151)
    found = call("generate", other, "--plan", plan, "--out", tmp_path / "out", *QUICK)
    assert found.code == 3 and "talk.plan.toml: is for 'talk', 11 s" in found.error and "expected a plan for 'other', 11 s" in found.error
    assert loads == ["index"]  # the plan's own making


def test_another_model_is_a_warning(call: Call, talk: Path, plan: Path, tmp_path: Path) -> None:
    found = call("generate", talk, "--plan", edited(plan, 'model_sha256 = "0"', 'model_sha256 = "9"'), "--out", tmp_path / "out", *QUICK)
    assert found.code == 0 and "warning: " in found.err and "made with another model, tiny (sha256 9...) instead of tiny (sha256 0...)" in found.err
    assert [note for note in read_trace(tmp_path / "out" / "talk.trace.json").notes if "another model" in note]


def test_an_empty_plan_is_the_ungrounded_motion(call: Call, talk: Path, plan: Path, tmp_path: Path) -> None:
    text = plan.read_text(encoding="utf-8")
    empty = tmp_path / "empty.toml"
    empty.write_text(text[: text.index("\n[[gesture]]")])
    assert call("generate", talk, "--plan", empty, "--out", tmp_path / "a", *QUICK).code == 0
    assert call("generate", talk, "--retriever", "none", "--out", tmp_path / "b", *QUICK).code == 0
    assert (tmp_path / "a" / "talk.npz").read_bytes() == (tmp_path / "b" / "talk.npz").read_bytes()
    assert "the plan holds no gesture: the motion is ungrounded" in read_trace(tmp_path / "a" / "talk.trace.json").notes


def test_an_unknown_speaker(call: Call, talk: Path, loads: list[str], tmp_path: Path) -> None:
    found = call("generate", talk, "--plan-only", "--speaker", "anne", "--out", tmp_path / "out", *LOOK)
    assert found.code == 4 and "speaker 'anne': the model has no such speaker; did you mean 'ann'" in found.error and not (tmp_path / "out").exists()
