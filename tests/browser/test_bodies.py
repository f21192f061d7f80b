"""The ghost of the exemplar and the second result, as they are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scenes
import torch
from pages import complaints, joints_at, load, seek

from raggesture.body.skeleton import forward_kinematics
from raggesture.motion import Motion

pytestmark = pytest.mark.browser
PELVIS, HEAD, WRIST = 0, 15, 21


def frame_of(motion: Motion, frame: int) -> np.ndarray:
    joints, _ = forward_kinematics(torch.tensor(motion.rotations[[frame]]), torch.tensor(motion.translation[[frame]]))
    return joints[0].numpy()


def spread(joints: np.ndarray) -> np.ndarray:
    """Distances between all joints: the pose without where it stands and faces."""
    return np.linalg.norm(joints[:, None] - joints[None], axis=-1)


def ghost(page: Any) -> Any:
    return page.execute_script("return raggesture.ghost()")


@pytest.mark.usefixtures("small_window")
def test_ghost_is_the_exemplar_where_the_body_stands_and_only_in_its_slot(browser: Any, tmp_path: Path) -> None:
    scene = scenes.haunted_scene()
    load(browser, scene, tmp_path)
    button = browser.find_element("id", "ghost")
    places = scene.trace["placements"]
    seek(browser, places[1]["start_s"] + 0.5)
    assert ghost(browser) is None  # nothing haunts until it is asked for
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    for number, one in enumerate(scene.ghosts):
        place, step = places[one.placement], round(one.motion.fps / 15)
        middle = (place["end_s"] - place["start_s"]) / 2
        for frame in (15,) if number else (3, 15, 26):
            seek(browser, place["start_s"] + frame / 15)
            shown = ghost(browser)
            assert shown["placement"] == one.placement
            joints = np.asarray(shown["joints"])
            assert np.abs(spread(joints) - spread(frame_of(one.motion, frame * step))).max() < 2e-3
            body = np.asarray(browser.execute_script("return raggesture.joints()"))
            if frame / 15 == middle:
                assert np.abs(joints[PELVIS] - body[PELVIS]).max() < 2e-3
                across, ours = joints[16] - joints[17], body[16] - body[17]  # from shoulder to shoulder: how each faces
                assert abs(np.arctan2(across[0], across[2]) - np.arctan2(ours[0], ours[2])) < 0.05
    assert "12_ada_0_3_3" in browser.find_element("id", "haunting").text
    seek(browser, places[0]["start_s"] + 0.5)  # the first gesture's exemplar is not in the page
    assert ghost(browser) is None
    assert not browser.find_element("id", "haunting").is_displayed()
    seek(browser, places[1]["start_s"] + 0.5)
    browser.find_element("tag name", "body").send_keys("g")
    assert ghost(browser) is None
    assert complaints(browser) == []


def test_no_ghosts_no_button(browser: Any, tmp_path: Path) -> None:
    load(browser, scenes.small_scene(3.0), tmp_path)
    assert not browser.find_element("id", "ghost").is_displayed()
    browser.find_element("tag name", "body").send_keys("g")
    assert ghost(browser) is None


@pytest.mark.usefixtures("small_window")
def test_two_results_stand_side_by_side_in_step(browser: Any, tmp_path: Path) -> None:
    scene = scenes.pair_scene()
    load(browser, scene, tmp_path)
    assert browser.execute_script("return raggesture.duration") == scene.motion.duration_s > scene.second.motion.duration_s
    for seconds in (1.5, 5.5):
        seek(browser, seconds)
        first, second = (np.asarray(joints) for joints in browser.execute_script("return [raggesture.joints(), raggesture.secondJoints()]"))
        for joints, motion in ((first, scene.motion), (second, scene.second.motion)):
            wanted = joints_at(motion, seconds)
            assert np.abs((joints - joints[PELVIS]) - (wanted - wanted[PELVIS])).max() < 0.01
        assert 1.0 < second[PELVIS, 0] - first[PELVIS, 0] < 1.9  # though one of them is metres away in its own room
        assert abs(second[:, 1].min() - first[:, 1].min()) < 0.06  # on one floor
    labels = browser.execute_script(
        "return [...document.querySelectorAll('#labels span')].map((node) => [node.textContent, node.getBoundingClientRect().left])"
    )
    assert [text for text, _ in labels] == ["with retrieval", "<b>without</b>"]
    assert labels[0][1] < labels[1][1]
    browser.find_element("css selector", "[data-view=side]").click()
    first, second = (np.asarray(joints) for joints in browser.execute_script("return [raggesture.joints(), raggesture.secondJoints()]"))
    assert abs(second[PELVIS, 2] - first[PELVIS, 2]) > 1.0  # from the side too, one does not stand behind the other
    assert complaints(browser) == []


@pytest.mark.usefixtures("small_window")
def test_hands_view_holds_the_hands_in_the_middle(browser: Any, tmp_path: Path) -> None:
    load(browser, scenes.small_scene(4.0), tmp_path)
    for seconds in (1.0, 3.0):
        seek(browser, seconds)
        browser.find_element("css selector", "[data-view=hands]").click()
        x, y, wide, tall = browser.execute_script(
            "return [...raggesture.onScreen(20).map((v, k) => (v + raggesture.onScreen(21)[k]) / 2), innerWidth, innerHeight]"
        )
        box = browser.execute_script("const box = document.getElementById('view').getBoundingClientRect(); return [box.left, box.top, box.width, box.height]")
        assert abs(x - (box[0] + box[2] / 2)) < 0.08 * wide
        assert abs(y - (box[1] + box[3] / 2)) < 0.08 * tall


@pytest.mark.usefixtures("small_window")
def test_view_turns_by_keyboard(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver import Keys

    load(browser, scenes.small_scene(3.0), tmp_path)
    view = browser.find_element("id", "view")
    before = browser.execute_script("return [raggesture.time, raggesture.onScreen(16)[0] - raggesture.onScreen(17)[0]]")
    browser.execute_script("arguments[0].focus()", view)
    browser.switch_to.active_element.send_keys(*[Keys.ARROW_RIGHT] * 6)
    turned = browser.execute_script("return [raggesture.time, raggesture.onScreen(16)[0] - raggesture.onScreen(17)[0]]")
    assert turned[0] == before[0]  # arrows seek elsewhere, and turn here
    assert 0.65 < turned[1] / before[1] < 0.85  # six steps of 0.12 rad from the front: the cosine
    browser.switch_to.active_element.send_keys("+", "+")
    nearer = browser.execute_script("return [raggesture.onScreen(15), raggesture.onScreen(7)]")
    browser.switch_to.active_element.send_keys(*["-"] * 4)
    farther = browser.execute_script("return [raggesture.onScreen(15), raggesture.onScreen(7)]")
    assert nearer[1][1] - nearer[0][1] > 1.3 * (farther[1][1] - farther[0][1])
