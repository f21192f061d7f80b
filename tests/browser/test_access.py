"""The page for everybody: all of it by keyboard, with names, legible in light and dark, in wide and narrow windows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import scenes
from pages import complaints, load, seek

pytestmark = pytest.mark.browser
# What can be worked with: shown and not switched off. Of radio buttons of one name, Tab stops at one.
CONTROLS = """
const groups = new Set();
return [...document.querySelectorAll("button, input, select, summary, [tabindex='0']")].filter((node) => {
  if (node.disabled || !node.checkVisibility() || node.closest("[inert]")) return false;
  if (node.type !== "radio") return true;
  const first = !groups.has(node.name);
  groups.add(node.name);
  return first;
}).map((node) => node.type === "radio" ? node.name : (node.id || node.getAttribute("aria-label") || node.textContent));
"""
FOCUSED = """
const node = document.activeElement;
return node.type === "radio" ? node.name : (node.id || node.getAttribute("aria-label") || node.textContent);
"""
# Colours of a text and of what lies under it, and its size; both colours as the canvas reads them, so that every notation is understood.
TEXTS = """
const pen = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
const rgba = (colour) => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); return [...pen.getImageData(0, 0, 1, 1).data]; };
const under = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const colour = rgba(getComputedStyle(at).backgroundColor);
    if (colour[3] === 255) return colour;
  }
  return [255, 255, 255, 255];
};
const found = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const node = walk.currentNode.parentElement;
  if (!walk.currentNode.textContent.trim() || !node.checkVisibility() || node.closest("script, style, noscript, :disabled")) continue;
  found.push([walk.currentNode.textContent.trim().slice(0, 30), rgba(getComputedStyle(node).color), under(node)]);
}
return found;
"""


@pytest.fixture(scope="module")
def page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    load(browser, scenes.haunted_scene(), tmp_path_factory.mktemp("access"))
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.fixture(scope="module")
def opened(page: Any) -> Any:
    """The page with everything open that opens: a gesture's controls, the form to add one, the keys, how it was made."""
    seek(page, 2.5)
    page.find_elements("css selector", "#gestures .head")[1].click()
    page.find_element("id", "add").click()
    page.execute_script("document.querySelectorAll('details').forEach((node) => (node.open = true))")
    return page


def test_tab_reaches_every_control_once(opened: Any) -> None:
    from selenium.webdriver import Keys

    wanted = opened.execute_script(CONTROLS)
    assert {"view", "ghost", "add", "save", "overview", "play", "speed", "loop", "volume", "nearer", "farther", "adding-find", "adding-kind"} <= set(wanted)
    opened.execute_script("document.activeElement.blur(); document.getElementById('view').focus()")
    reached = [opened.execute_script(FOCUSED)]
    for _ in range(len(wanted) + 3):
        opened.switch_to.active_element.send_keys(Keys.TAB)
        name = opened.execute_script(FOCUSED)
        if name == reached[0] or opened.execute_script("return document.activeElement === document.body"):
            break
        reached.append(name)
    assert sorted(reached) == sorted(wanted)
    assert reached.index("ghost") < reached.index("save") < reached.index("overview") < reached.index("play")  # in the order that is seen


def test_everything_that_takes_the_focus_says_what_it_is(opened: Any) -> None:
    nodes = opened.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    focusable = [node for node in nodes if any(p["name"] == "focusable" and p["value"].get("value") for p in node.get("properties", []))]
    named = {node["role"]["value"]: node.get("name", {}).get("value", "") for node in focusable}
    assert {"button", "slider", "spinbutton", "radio", "checkbox", "combobox", "searchbox"} <= set(named)
    nameless = [node["role"]["value"] for node in focusable if not node.get("name", {}).get("value", "").strip()]
    assert nameless in ([], ["RootWebArea"])


def luminance(rgb: list[int]) -> float:
    parts = [value / 255 for value in rgb[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: list[int], other: list[int]) -> float:
    """WCAG 2's contrast ratio."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible(opened: Any, scheme: str) -> None:
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    texts = opened.execute_script(TEXTS)
    assert len(texts) > 60
    faint = [(text, round(contrast(ink, paper), 2)) for text, ink, paper in texts if contrast(ink, paper) < 4.5]
    assert faint == []
    paper = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) > 600) == (scheme == "light")


@pytest.mark.parametrize(("width", "height"), [(360, 740), (760, 600), (1600, 900)])
def test_nothing_sticks_out_or_lies_over_the_controls(opened: Any, width: int, height: int) -> None:
    opened.execute_script("document.querySelectorAll('details').forEach((node) => (node.open = false))")
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
    boxes = opened.execute_script(
        "return Object.fromEntries(['view', 'panel', 'detail', 'overview', 'controls', 'play'].map((id) => {"
        "const box = document.getElementById(id).getBoundingClientRect(); return [id, [box.left, box.top, box.right, box.bottom]]; }))"
    )
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    for left, top, right, bottom in boxes.values():
        assert left >= 0
        assert top >= 0
        assert right <= width
        assert bottom <= height
    assert boxes["detail"][1] >= boxes["view"][3]
    assert boxes["overview"][1] >= boxes["detail"][3]
    assert boxes["controls"][1] >= boxes["overview"][3]
    assert boxes["view"][3] - boxes["view"][1] > 0.24 * height
    assert complaints(opened) == []
