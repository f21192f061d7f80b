"""An hour: nine thousand words and eight hundred gestures, of which the page shows what there is room for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scenes
from pages import complaints, load, seek, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("small_window")]
HOUR_S = 3600.0
MOST_NODES = 700


@pytest.fixture(scope="module")
def scene() -> scenes.ShownScene:
    return scenes.hour_scene()


@pytest.fixture(scope="module")
def page(browser: Any, scene: scenes.ShownScene, tmp_path_factory: pytest.TempPathFactory) -> Any:
    load(browser, scene, tmp_path_factory.mktemp("long"))
    return browser


def nodes(page: Any) -> int:
    return page.execute_script("return document.querySelectorAll('*').length")


def rows(page: Any, selector: str) -> list[str]:
    return page.execute_script("return [...document.querySelectorAll(arguments[0])].map((node) => node.textContent)", selector)


def test_only_what_is_in_sight_is_in_the_document(page: Any, scene: scenes.ShownScene) -> None:
    assert len(scene.speech.transcript.words) == 9000
    assert len(scene.trace["placements"]) == 800
    assert len(scene.trace["drops"]) == 400
    counts = []
    for seconds in (1799.0, 3590.0):
        seek(page, seconds)
        counts.append(nodes(page))
        for _ in range(10):
            page.find_element("tag name", "body").send_keys("-")
            counts.append(nodes(page))
        page.find_element("tag name", "body").send_keys(*["+"] * 10)
        counts.append(nodes(page))
    assert max(counts) < MOST_NODES
    assert complaints(page) == []


def test_the_list_goes_to_the_last_gesture_and_the_last_drop(page: Any, scene: scenes.ShownScene) -> None:
    panel = page.find_element("id", "panel")
    page.execute_script("arguments[0].scrollTop = document.getElementById('dropped').offsetTop - arguments[0].clientHeight", panel)
    last = scene.trace["queries"][scene.trace["placements"][-1]["query"]]
    wait_for(lambda: any(last["word"] in text for text in rows(page, "#gestures .head")))
    assert nodes(page) < MOST_NODES
    page.execute_script("arguments[0].scrollTop = arguments[0].scrollHeight", panel)
    reason = scene.trace["drops"][-1]["reason"]
    wait_for(lambda: any(reason in text for text in rows(page, ".drop")))
    page.execute_script("arguments[0].scrollTop = 0", panel)
    wait_for(lambda: scene.trace["queries"][0]["word"] in "".join(rows(page, "#gestures .head")[:1]))
    sizes = page.execute_script("return [...document.querySelectorAll('#gestures li')].map((node) => node.getAttribute('aria-setsize'))")
    assert set(sizes) == {"800"}


def test_from_far_away_gestures_are_counted_together_and_a_click_comes_closer(page: Any, scene: scenes.ShownScene) -> None:
    seek(page, 1800.0)
    page.execute_script("for (let k = 0; k < 14; k++) document.getElementById('farther').click()")
    starts = np.asarray([place["start_s"] for place in scene.trace["placements"]])
    clusters = page.execute_script(
        "return [...document.querySelectorAll('.cluster')].map((node) => [node.style.left, node.style.width, node.textContent].map(parseFloat))"
    )
    assert len(clusters) > 3
    for left, width, count in clusters:
        cell = (left - 1) / 2  # two pixels a second, from where on a cell begins
        assert count == ((starts >= cell) & (starts < cell + (width + 4) / 2)).sum()
    assert page.find_elements("css selector", "#strip .word") == []
    cluster = page.find_elements("css selector", ".cluster")[2]
    page.execute_script("arguments[0].click()", cluster)
    wait_for(lambda: page.find_elements("css selector", "#strip .word"))
    assert len(page.find_elements("css selector", "#strip .bar:not(.cluster)")) >= 1
    assert page.execute_script("return raggesture.time") in starts


def test_a_word_is_found_and_given_a_gesture_in_the_middle_of_an_hour(page: Any) -> None:
    from selenium.webdriver import Keys

    page.find_element("id", "add").click()
    field = page.find_element("id", "adding-find")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys("word5002", Keys.ENTER)
    assert page.execute_script("return raggesture.time") == pytest.approx(5002 * 0.4, abs=0.1)
    page.execute_script("document.getElementById('adding-done').click()")
    assert page.find_element("id", "count").get_attribute("textContent") == "801"
    opened = page.execute_script("return document.querySelector('.item:has(.editor) b').textContent")
    assert opened == "word5002"
    assert nodes(page) < MOST_NODES
    page.find_element("tag name", "body").send_keys(Keys.CONTROL, "z")
    assert page.find_element("id", "count").get_attribute("textContent") == "800"


def test_seeks_at_once_from_end_to_end(page: Any) -> None:
    from selenium.webdriver import Keys

    body = page.find_element("tag name", "body")
    body.send_keys(Keys.END)
    assert page.execute_script("return raggesture.time") == HOUR_S
    body.send_keys(Keys.PAGE_UP)
    assert page.execute_script("return raggesture.time") == HOUR_S - 30
    body.send_keys(Keys.HOME)
    assert page.execute_script("return raggesture.time") == 0
    assert page.find_element("id", "clock").text == "0:00.0 / 1:00:00.0"
