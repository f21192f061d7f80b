"""Editing the plan on the page, through its own controls, and the file that it saves, read by Python."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import scenes
from pages import complaints, load, seek, wait_for

pytestmark = pytest.mark.browser
Table = dict[str, Any]


@pytest.fixture(scope="module")
def scene() -> scenes.ShownScene:
    return scenes.plan_scene()


@pytest.fixture(scope="module")
def downloads(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("downloads")
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    return folder


@pytest.fixture(scope="module")
def loaded(browser: Any, scene: scenes.ShownScene, tmp_path_factory: pytest.TempPathFactory) -> Any:
    load(browser, scene, tmp_path_factory.mktemp("plan"))
    return browser


@pytest.fixture
def page(loaded: Any) -> Iterator[Any]:
    """The page with nothing edited: every edit of a test is undone after it."""
    yield loaded
    while loaded.find_element("id", "undo").is_enabled():
        loaded.find_element("id", "undo").click()
    assert loaded.find_elements("css selector", ".mark:not(:empty)") == []


def exemplar_of(found: Table) -> Table:
    keys = ("clip", "stroke", "start", "end", "word", "kind", "gesture", "speaker")
    return {**{key: found["exemplar"][key] for key in keys}, "score": found["score"]}


def planned(trace: Table) -> Table:
    """The plan that the trace is, as its file is read by Python."""
    gestures = []
    for place in sorted(trace["placements"], key=lambda place: place["start_s"]):
        query, hit = trace["queries"][place["query"]], {hit["query"]: hit for hit in trace["hits"]}.get(place["query"])
        gesture = {key: query[key] for key in ("word", "kind", "gesture", "start", "end", "stroke", "prominence")}
        gesture["stroke"] = (query["start"] + query["end"]) / 2 if query["stroke"] is None else query["stroke"]
        gesture |= {"shift_s": 0.0, "weight": place["weight"], "parts": query.get("parts"), "slot": [place["start_s"], place["end_s"]]}
        if hit is not None:
            gesture |= {"use": 0, "exemplar": exemplar_of(hit), "other": [exemplar_of(other) for other in hit["runners_up"]]}
        gestures.append({key: value for key, value in gesture.items() if value is not None and value != []})
    drops = [{**{key: trace["queries"][drop["query"]][key] for key in ("word", "kind", "start", "end")}, "reason": drop["reason"]} for drop in trace["drops"]]
    return {
        "schema": 1,
        "speech": {key: trace["speech"][key] for key in ("name", "duration_s", "sha256")},
        "made": {"retriever": "", "model": "starter", "model_sha256": "0" * 64, "index": "starter", "index_sha256": "1" * 64},
        "gesture": gestures,
        "dropped": drops,
    }


def saved(page: Any, downloads: Path) -> Table:
    """What "Save plan" saves, read by Python; numbers keep their types."""
    path = downloads / "plan.plan.toml"
    path.unlink(missing_ok=True)
    page.find_element("id", "save").click()
    wait_for(path.exists, 20)
    wait_for(lambda: not list(downloads.glob("*.crdownload")), 20)
    return tomllib.loads(path.read_bytes().decode("utf-8"))


def same(found: Any, wanted: Any) -> bool:
    """Equal to the last digit and in type: a whole number of seconds is a float in the file too."""
    return json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True)


def opened(page: Any, number: int) -> Any:
    """The row of the gesture, with its controls."""
    head = page.find_elements("css selector", "#gestures .head")[number]
    if head.get_attribute("aria-expanded") != "true":
        page.execute_script("arguments[0].scrollIntoView({ block: 'center' })", head)
        head.click()
    return page.find_element("css selector", "#gestures .item:has(.editor)")


def control(row: Any, label: str) -> Any:
    found = [node for node in row.find_elements("css selector", "input, button") if (node.get_attribute("aria-label") or "").startswith(label)]
    return found[0]


def type_number(field: Any, text: str) -> None:
    from selenium.webdriver import Keys

    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(text, Keys.TAB)


def click(page: Any, node: Any) -> None:
    page.execute_script("arguments[0].scrollIntoView({ block: 'center' })", node)
    node.click()


def mark(page: Any, number: int) -> str:
    return page.find_elements("css selector", "#gestures .mark")[number].text


def test_an_unedited_plan_is_the_trace_byte_for_byte_in_its_words(page: Any, scene: scenes.ShownScene, downloads: Path) -> None:
    wanted = planned(scene.trace)
    assert len(wanted["gesture"]) >= 4
    assert any(word in {g["word"] for g in wanted["gesture"]} for word in scenes.HARD_WORDS)
    assert {len(g.get("other", [])) for g in wanted["gesture"]} == {0, 1, 2, 3}
    found = saved(page, downloads)
    assert same(found, wanted)
    assert page.find_element("id", "edits").text == "As it was made. Saved."
    assert page.find_element("id", "command").text == "raggesture generate 'it'\\''s a speech.wav' --plan plan.plan.toml"


@pytest.mark.parametrize("how", ["slider", "number"])
def test_weight(page: Any, scene: scenes.ShownScene, downloads: Path, how: str) -> None:
    from selenium.webdriver import Keys

    row = opened(page, 1)
    weight = page.find_elements("css selector", ".editor input[type=range]" if how == "slider" else ".editor input[type=number]")[0]
    if how == "slider":
        weight.send_keys(Keys.HOME)  # to the left end: 0
        weight.send_keys(*[Keys.ARROW_RIGHT] * 5)
    else:
        type_number(weight, "0.25")
    wanted = planned(scene.trace)
    wanted["gesture"][1]["weight"] = 0.25
    assert same(saved(page, downloads), wanted)
    assert mark(page, 1) == "edited"
    assert page.find_element("id", "edits").text.startswith("1 gesture edited")
    assert row.find_element("tag name", "meter").get_attribute("value") == "0.25"


def test_shift_leaves_the_slot_to_be_found_anew_and_stays_inside_the_speech(page: Any, scene: scenes.ShownScene, downloads: Path) -> None:
    opened(page, 2)
    shift = page.find_elements("css selector", ".editor input[type=number]")[1]
    type_number(shift, "-0.2")
    wanted = planned(scene.trace)
    wanted["gesture"][2]["shift_s"] = -0.2
    del wanted["gesture"][2]["slot"]
    assert same(saved(page, downloads), wanted)
    assert "slot anew" in page.find_element("css selector", ".editor .note").text
    start = scene.trace["placements"][2]["start_s"] - 0.2
    bars = page.execute_script("return [...document.querySelectorAll('.bar.edited')].map((bar) => bar.getAttribute('aria-label'))")
    assert [f"{int(start // 60)}:{start % 60:04.1f}" in label for label in bars] == [True]
    type_number(shift, "-99")
    query = scene.trace["queries"][2]
    assert saved(page, downloads)["gesture"][2]["shift_s"] == pytest.approx(-query["stroke"], abs=1e-3)
    type_number(shift, "0")
    assert same(saved(page, downloads), planned(scene.trace))  # back where it was: its slot holds
    assert mark(page, 2) == ""


def test_a_runner_up_takes_over(page: Any, scene: scenes.ShownScene, downloads: Path) -> None:
    row = opened(page, 3)
    choices = row.find_elements("css selector", "input[type=radio]")
    assert len(choices) == 4
    label = choices[2].find_element("xpath", "./..").text
    other = scene.trace["hits"][3]["runners_up"][1]
    assert other["exemplar"]["clip"] in label
    assert f"{other['score']:.2f}" in label
    click(page, choices[2])
    wanted = planned(scene.trace)
    wanted["gesture"][3]["use"] = 2
    assert same(saved(page, downloads), wanted)
    assert other["exemplar"]["clip"] in row.find_element("css selector", ".about").text


def test_parts_are_those_asked_for_and_never_none(page: Any, scene: scenes.ShownScene, downloads: Path) -> None:
    def checked() -> list[str]:
        return [box.get_attribute("value") for box in page.find_elements("css selector", ".editor input[type=checkbox]") if box.is_selected()]

    opened(page, 1)
    assert checked() == ["upper", "head"]
    row = opened(page, 0)
    assert checked() == ["upper", "hands"]  # none in the trace: the settings'
    for part in ("hands", "face", "right-arm"):
        click(page, row.find_element("css selector", f"input[value={part}]"))
    wanted = planned(scene.trace)
    wanted["gesture"][0]["parts"] = ["upper", "face", "right-arm"]
    assert same(saved(page, downloads), wanted)
    for part in ("upper", "face", "right-arm"):
        click(page, row.find_element("css selector", f"input[value={part}]"))
    assert checked() == ["right-arm"]
    assert "at least one part" in page.find_element("css selector", ".editor .note").text


def test_removed_and_restored(page: Any, scene: scenes.ShownScene, downloads: Path) -> None:
    row = opened(page, 0)
    bars = len(page.find_elements("css selector", "#strip .bar"))
    click(page, control(row, "Remove"))
    wanted = planned(scene.trace)
    del wanted["gesture"][0]
    assert same(saved(page, downloads), wanted)
    assert mark(page, 0) == "removed"
    assert len(page.find_elements("css selector", "#strip .bar")) == bars - 1
    click(page, control(row, "Restore"))
    assert mark(page, 0) == ""
    assert same(saved(page, downloads), planned(scene.trace))


def test_added_by_pointing_at_a_word(page: Any, scene: scenes.ShownScene, downloads: Path) -> None:
    asked = {query["start"] for query in scene.trace["queries"]}
    (second,) = (word for word in scene.speech.transcript.words if word.text == "twice" and word.start not in asked)
    seek(page, second.start + 0.1)
    wait_for(lambda: page.find_elements("css selector", "#caption .now"))
    word = page.find_element("css selector", "#caption .now")
    assert word.text == "twice"
    word.click()
    page.find_element("css selector", "#adding-kind option[value=metaphoric]").click()
    page.find_element("id", "adding-done").click()
    row = page.find_element("css selector", "#gestures .item:has(.editor)")
    assert row.find_element("css selector", ".mark").text == "added"
    wanted = planned(scene.trace)
    new = {"word": "twice", "kind": "metaphoric", "gesture": "", "start": second.start, "end": second.end, "shift_s": 0.0, "weight": 1.0}
    k = scene.speech.transcript.words.index(second)
    wanted["gesture"] = sorted([*wanted["gesture"], {**new, "prominence": scene.trace["cues"]["prominence"][k]}], key=lambda gesture: gesture["start"])
    assert same(saved(page, downloads), wanted)
    word = page.find_element("css selector", "#caption .now")
    word.click()  # it has a gesture now: it is not given another
    assert "has a gesture already" in page.find_element("id", "adding-word").text
    page.find_element("id", "adding-close").click()


def test_added_by_keyboard_alone_with_a_sense_of_discourse(page: Any, scene: scenes.ShownScene, downloads: Path) -> None:
    from selenium.webdriver import Keys

    page.execute_script("document.activeElement.blur()")
    page.find_element("tag name", "body").send_keys("a")
    field = page.switch_to.active_element
    assert field.get_attribute("id") == "adding-find"
    field.send_keys("climb", Keys.ENTER)
    assert page.find_element("id", "adding-word").text.startswith("climbing at ")
    field.send_keys(Keys.TAB)
    page.switch_to.active_element.send_keys("Contingency.Cause", Keys.TAB)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    added = [gesture for gesture in saved(page, downloads)["gesture"] if gesture["word"] == "climbing" and "exemplar" not in gesture]
    assert [gesture["kind"] for gesture in added] == ["Contingency.Cause"]
    assert len(added) == 1
    click(page, control(opened(page, 0), "Remove"))
    page.find_element("tag name", "body").send_keys(Keys.CONTROL, "z")
    assert mark(page, 0) == ""


def test_undo_and_redo_go_step_by_step(page: Any, scene: scenes.ShownScene, downloads: Path) -> None:
    row = opened(page, 3)
    type_number(row.find_elements("css selector", "input[type=number]")[0], "0.4")
    click(page, row.find_elements("css selector", "input[type=radio]")[1])
    click(page, row.find_element("css selector", "input[value=head]"))
    type_number(row.find_elements("css selector", "input[type=number]")[1], "0.3")
    click(page, control(row, "Remove"))
    undo, redo = page.find_element("id", "undo"), page.find_element("id", "redo")
    steps = [saved(page, downloads)]
    while undo.is_enabled():
        click(page, undo)
        steps.append(saved(page, downloads))
    states = [json.dumps(step, sort_keys=True) for step in steps]
    assert len(set(states)) == len(states) == 6
    assert same(steps[-1], planned(scene.trace))
    for step in steps[-2::-1]:
        click(page, redo)
        assert same(saved(page, downloads), step)
    assert not redo.is_enabled()


def test_every_word_survives_the_file_of_a_plan(browser: Any, downloads: Path, tmp_path: Path, scene: scenes.ShownScene) -> None:
    """A gesture on each hard word, in the speech's name and in the reasons too; of the last, nobody says which exemplar it was."""
    trace = copy.deepcopy(scene.trace)
    query = trace["queries"][0]
    trace["queries"] = [{**query, "word": word, "gesture": word, "kind": word} for word in (*scenes.HARD_WORDS, scenes.HOSTILE, "")]
    trace["placements"] = [{**trace["placements"][0], "query": k, "start_s": 2.0 * k, "end_s": 2.0 * k + 2} for k in range(len(trace["queries"]))]
    trace["hits"] = [{**trace["hits"][0], "query": k, "exemplar": {**trace["hits"][0]["exemplar"], "clip": q["word"]}} for k, q in enumerate(trace["queries"])]
    del trace["hits"][-1]
    trace["drops"] = [{"query": k, "reason": q["word"]} for k, q in enumerate(trace["queries"])]
    trace["speech"]["name"] = "\n".join(scenes.HARD_WORDS)
    load(browser, scenes.ShownScene("plan", scene.motion, scene.speech, trace), tmp_path)
    assert same(saved(browser, downloads), planned(trace))
    assert complaints(browser) == []


def test_parts_that_the_settings_say_are_shown(browser: Any, downloads: Path, tmp_path: Path, scene: scenes.ShownScene) -> None:
    trace = copy.deepcopy(scene.trace)
    trace["settings"]["placement.parts"] = {"value": ["upper", "right-arm"], "origin": "command line --parts"}
    load(browser, scenes.ShownScene(scene.name, scene.motion, scene.speech, trace), tmp_path)
    opened(browser, 0)
    boxes = browser.find_elements("css selector", ".editor input[type=checkbox]")
    assert [box.get_attribute("value") for box in boxes if box.is_selected()] == ["upper", "right-arm"]
    assert "parts" not in saved(browser, downloads)["gesture"][0]
