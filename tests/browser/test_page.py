"""The page in real headless Chromium, through its own controls."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scenes
from pages import TOLERANCE_M, complaints, joints_at, load, seek, wait_for

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def scene() -> scenes.ShownScene:
    return scenes.small_scene()


@pytest.fixture(scope="module")
def page(browser: Any, scene: scenes.ShownScene, tmp_path_factory: pytest.TempPathFactory) -> Any:
    load(browser, scene, tmp_path_factory.mktemp("page"))
    return browser


@pytest.mark.parametrize("seconds", [0.0, 1.7, 3.35, 7.9])
def test_drawn_skeleton_is_the_motion(page: Any, scene: scenes.ShownScene, seconds: float) -> None:
    seek(page, seconds)
    shown, joints = page.execute_script("return [raggesture.shown, raggesture.joints()]")
    error = np.linalg.norm(np.asarray(joints) - joints_at(scene.motion, shown), axis=1)
    assert error.max() < TOLERANCE_M
    elsewhere = np.linalg.norm(np.asarray(joints) - joints_at(scene.motion, shown + 2 if shown < 5 else shown - 2), axis=1)
    assert elsewhere.max() > 5 * TOLERANCE_M  # the comparison can tell


def test_play_button_plays_voice_and_body_in_step(page: Any, scene: scenes.ShownScene) -> None:
    seek(page, 0.5)
    before = np.asarray(page.execute_script("return raggesture.joints()"))
    button = page.find_element("id", "play")
    assert button.get_attribute("aria-label") == "Play"
    page.find_element("id", "loop").click()  # a slow machine shows few pictures: the end must not come before the check
    button.click()
    wait_for(lambda: page.execute_script("return raggesture.shown") > 1.2)
    assert page.execute_script("return raggesture.playing")
    assert button.get_attribute("aria-label") == "Pause"
    shown, joints = page.execute_script("return [raggesture.shown, raggesture.joints()]")
    button.click()
    page.find_element("id", "loop").click()
    assert not page.execute_script("return raggesture.playing")
    assert np.abs(np.asarray(joints) - before).max() > 0.02
    assert np.abs(np.asarray(joints) - joints_at(scene.motion, shown)).max() < TOLERANCE_M
    stopped = page.execute_script("return raggesture.time")
    time.sleep(0.3)
    assert page.execute_script("return raggesture.time") == stopped


def test_keys_and_timeline_seek(page: Any) -> None:
    from selenium.webdriver import ActionChains, Keys

    seek(page, 2.0)
    body = page.find_element("tag name", "body")
    body.send_keys(Keys.ARROW_RIGHT)
    wait_for(lambda: abs(page.execute_script("return raggesture.time") - 3.0) < 0.01)
    body.send_keys(Keys.HOME)
    wait_for(lambda: page.execute_script("return raggesture.time") == 0)
    overview = page.find_element("id", "overview")
    ActionChains(page).move_to_element(overview).click().perform()  # its middle
    wait_for(lambda: abs(page.execute_script("return raggesture.time") - 4.0) < 0.1)
    wait_for(lambda: abs(float(overview.get_attribute("aria-valuenow")) - 4.0) < 0.2)


def test_it_stops_at_the_end_and_loops_when_asked(page: Any) -> None:
    seek(page, 7.6)
    page.find_element("id", "play").click()
    wait_for(lambda: page.execute_script("return raggesture.time > 7.9 && !raggesture.playing"))  # a click is followed by playing only a moment later
    page.find_element("id", "loop").click()
    page.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert not page.execute_script("return raggesture.playing")  # to ask for loops is not to play
    seek(page, 7.6)
    page.find_element("id", "play").click()
    wait_for(lambda: page.execute_script("return raggesture.playing && raggesture.time < 5"))
    page.find_element("id", "loop").click()
    page.find_element("id", "play").click()
    wait_for(lambda: not page.execute_script("return raggesture.playing"))


def test_words_and_gestures_of_the_trace_are_shown_as_text(page: Any, scene: scenes.ShownScene) -> None:
    from selenium.webdriver import Keys

    body = page.find_element("tag name", "body")
    hostile = next(word for word in scene.speech.transcript.words if word.text == scenes.HOSTILE)
    seek(page, (hostile.start + hostile.end) / 2)
    wait_for(lambda: page.execute_script("return document.querySelector('#caption .now')?.textContent") == scenes.HOSTILE)
    listed = page.execute_script("return [...document.querySelectorAll('#gestures b')].map((node) => node.textContent)")
    wanted = [scene.trace["queries"][place["query"]]["word"] for place in scene.trace["placements"]]
    assert listed == wanted
    assert len(listed) >= 3
    assert page.find_element("css selector", "#dropped li").text.endswith(scenes.HOSTILE)
    bar = page.find_element("css selector", "#strip .bar")
    place = next(
        p for p in scene.trace["placements"] if scene.trace["queries"][p["query"]]["word"] == bar.find_element("tag name", "b").get_attribute("textContent")
    )
    assert f"strength {round(100 * place['strength'])} %" in bar.get_attribute("aria-label")
    assert place["clip"] in bar.get_attribute("aria-label")
    page.execute_script("arguments[0].dispatchEvent(new PointerEvent('pointerenter'))", bar)
    card = page.find_element("id", "card")
    assert all(term in card.text for term in scene.trace["hits"][0]["terms"])
    body.send_keys(Keys.ESCAPE)
    assert not card.is_displayed()
    assert page.title == "small - raggesture"
    assert page.execute_script("return document.images.length") == 0


def test_prominence_and_what_was_not_served_are_on_the_timeline(page: Any, scene: scenes.ShownScene) -> None:
    seek(page, 6.0)
    script = "return [...document.querySelectorAll('#strip .word')].map((node) => [node.firstChild.data, node.title, node.querySelector('i').offsetHeight])"
    shown = {text: (title, tall) for text, title, tall in page.execute_script(script)}
    texts = [word.text for word in scene.speech.transcript.words]
    pairs = [(scene.trace["cues"]["prominence"][texts.index(text)], title, tall) for text, (title, tall) in shown.items()]
    assert len(pairs) >= 6
    assert all(f"prominence {value:.2f}" in title for value, title, _ in pairs)
    assert [tall for _, _, tall in sorted(pairs)] == sorted(tall for _, _, tall in pairs)  # the more prominent, the taller
    assert min(pairs)[2] < max(pairs)[2]
    drop = scene.trace["drops"][0]
    word = scene.trace["queries"][drop["query"]]["word"]
    assert [text for text, (title, _) in shown.items() if "not served" in title] == [word]
    assert drop["reason"] in shown[word][0]


def test_nothing_is_fetched_and_nothing_complains(page: Any) -> None:
    fetched = page.execute_script("return performance.getEntriesByType('resource').map((r) => r.name)")
    assert [name for name in fetched if not name.startswith("blob:")] == []
    assert complaints(page) == []


def pixels(page: Any) -> np.ndarray:
    """The body's surroundings on the screen, (N, 3) RGB."""
    import imageio_ffmpeg

    png = page.find_element("id", "stage").screenshot_as_png
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "png_pipe", "-i", "-", "-vf", "scale=160:120", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    return np.frombuffer(subprocess.run(command, input=png, capture_output=True, check=True).stdout, np.uint8).reshape(-1, 3).astype(int)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_wooden_body_is_on_the_screen(page: Any, scheme: str) -> None:
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    seek(page, 2.5)

    def share_of_wood() -> float:
        image = pixels(page)
        return float(np.mean((image[:, 0] - image[:, 2] > 60) & (image[:, 0] > image[:, 1])))

    wait_for(lambda: 0.02 < share_of_wood() < 0.5)
    background = np.median(pixels(page), axis=0).mean()
    assert background > 180 if scheme == "light" else background < 80


def test_motion_alone_plays_without_voice_and_trace(browser: Any, tmp_path: Path) -> None:
    load(browser, scenes.ShownScene("alone", scenes.waving_motion(2.0)), tmp_path)
    browser.find_element("id", "play").click()
    wait_for(lambda: browser.execute_script("return raggesture.shown") > 0.3)
    shown, joints = browser.execute_script("return [raggesture.shown, raggesture.joints()]")
    assert np.abs(np.asarray(joints) - joints_at(scenes.waving_motion(2.0), shown)).max() < TOLERANCE_M
    wait_for(lambda: not browser.execute_script("return raggesture.playing"))
    assert browser.find_element("id", "none").is_displayed()
    assert not browser.find_element("id", "plan").is_displayed()  # there is no speech to write a plan for
    assert complaints(browser) == []
