"""What every test of the page does: write it, load it, wait for it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raggesture.body.skeleton import forward_kinematics
from raggesture.export.html import HtmlExporter, HtmlOptions
from raggesture.motion import Motion
from raggesture.plugins.hookspecs import Scene

SIZE = (900, 700)
SMALL = (500, 640)
FLAGS = ("--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking", "--disable-sync",
         "--no-first-run", "--mute-audio", "--window-size={},{}".format(*SIZE), "--force-device-scale-factor=1", "--force-color-profile=srgb")  # fmt: skip
TOLERANCE_M = 0.01


def chromium(profile: Path) -> Any:
    """A headless Chromium that draws in software."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (pip install '.[dev]')")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    if not (program and chromedriver):
        pytest.skip("no chromium or chromedriver on the path (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    driver.set_script_timeout(60)
    return driver


def load(browser: Any, scene: Scene, folder: Path) -> None:
    path = folder / "a page with spaces ü.html"
    HtmlExporter(HtmlOptions()).write(scene, path)
    browser.get_log("browser")
    browser.get(path.as_uri())
    done = browser.execute_async_script("const f = arguments[0]; raggesture.ready.then(() => f('shown'), (e) => f(String(e)))")
    assert done == "shown"


def complaints(page: Any) -> list[str]:
    """What the page wrote to the console since it was loaded, or since this was asked."""
    return [entry["message"] for entry in page.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def joints_at(motion: Motion, seconds: float) -> np.ndarray:
    """Forward kinematics at the frames around an instant, blended (enough within a centimetre)."""
    at = min(max(seconds * motion.fps, 0.0), motion.frames - 1.0)
    low, high = int(at), min(int(at) + 1, motion.frames - 1)
    positions, _ = forward_kinematics(torch.tensor(motion.rotations[[low, high]]), torch.tensor(motion.translation[[low, high]]))
    return (positions[0] * (1 - (at - low)) + positions[1] * (at - low)).numpy()


def wait_for(condition: Callable[[], Any], limit_s: float = 150.0) -> Any:
    end = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < end, "the page did not get there in time"
        time.sleep(0.1)
    return found


def seek(page: Any, seconds: float) -> None:
    page.execute_script("raggesture.seek(arguments[0])", seconds)
    wait_for(lambda: abs(page.execute_script("return raggesture.shown") - seconds) < 0.002)
