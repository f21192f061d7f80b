"""What is seen, held against stored pictures of the body (64 x 64, no text in them).

Software rendering gives the same picture on one machine, but fonts, anti-aliasing and drivers differ between machines. So the
stored pictures hold the three-dimensional view alone, in a frame of fixed size, so small that edges are averaged out; the
twentieth of the picture that differs most may differ by some shades. What text and layout look like is tested by their
properties (``test_access.py``). That the tolerance can tell is a test too: each picture is farther from every other one than
it may be from its own. ``python tests/browser/test_pictures.py`` writes the stored pictures anew.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import scenes
from pages import chromium, load, seek, wait_for

pytestmark = pytest.mark.browser
STORED = Path(__file__).parent / "pictures"
SIDE = 64
TOLERANCE = 25.0
"""Shades of 255, on average over the twentieth of the picture that differs most."""
VIEWS = {
    "front-light": ("small", "light", "front", 2.5),
    "front-dark": ("small", "dark", "front", 2.5),
    "side-light": ("small", "light", "side", 2.5),
    "hands-light": ("small", "light", "hands", 2.5),
    "ghost-light": ("haunted", "light", "front", 2.9),
    "pair-light": ("pair", "light", "front", 2.5),
}
SCENES = {"small": scenes.small_scene, "haunted": scenes.haunted_scene, "pair": scenes.pair_scene}
# The view alone in a square of a size that no font changes.
ONLY_THE_VIEW = """
for (const node of document.querySelectorAll("#stage > :not(#view)")) node.style.visibility = "hidden";
Object.assign(document.getElementById("stage").style, { position: "fixed", left: 0, top: 0, width: "448px", height: "448px", zIndex: 99 });
"""
SQUARE = "const { width, height } = document.getElementById('view'); return width === height"


def picture(page: Any, scheme: str, view: str, seconds: float, ghost: bool) -> np.ndarray:
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    seek(page, seconds)
    page.execute_script(ONLY_THE_VIEW)
    wait_for(lambda: page.execute_script(SQUARE))
    page.execute_script(f"document.querySelector('[data-view={view}]').click()")
    if ghost and page.execute_script("return raggesture.ghost() === null"):
        page.execute_script("document.getElementById('ghost').click()")
    page.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)))")
    png = page.find_element("id", "view").screenshot_as_png
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)


def stored(name: str) -> np.ndarray:
    return np.asarray(Image.open(STORED / f"{name}.png").convert("RGB"), np.float64)


def shades_apart(one: np.ndarray, other: np.ndarray) -> float:
    apart = np.sort(np.abs(one - other).max(axis=-1), axis=None)
    return float(apart[-apart.size // 20 :].mean())


@pytest.fixture(scope="module", params=list(SCENES))
def shown(request: pytest.FixtureRequest, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    load(browser, SCENES[request.param](), tmp_path_factory.mktemp("picture"))
    yield request.param, browser
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_view_is_as_it_was(shown: tuple[str, Any]) -> None:
    scene, page = shown
    mine = {name: view for name, view in VIEWS.items() if view[0] == scene}
    found = {name: picture(page, scheme, view, seconds, "ghost" in name) for name, (_, scheme, view, seconds) in mine.items()}
    apart = {name: round(shades_apart(picture, stored(name)), 2) for name, picture in found.items()}
    assert {name: shades for name, shades in apart.items() if shades > TOLERANCE} == {}


def test_the_tolerance_tells_the_pictures_apart() -> None:
    pictures = {name: stored(name) for name in VIEWS}
    for name, one in pictures.items():
        for other, two in pictures.items():
            assert name == other or shades_apart(one, two) > 2 * TOLERANCE, f"{name} and {other} look alike"


def write_anew(browser: Any, folder: Path) -> None:
    STORED.mkdir(exist_ok=True)
    for scene, make in SCENES.items():
        load(browser, make(), folder)
        for name, (of, scheme, view, seconds) in VIEWS.items():
            if of == scene:
                Image.fromarray(picture(browser, scheme, view, seconds, "ghost" in name).round().astype(np.uint8)).save(STORED / f"{name}.png", optimize=True)


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        browser = chromium(Path(folder) / "profile")
        write_anew(browser, Path(folder))
        browser.quit()
