"""One headless Chromium for all tests of the page."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

SIZE = (900, 700)
SMALL = (500, 480)
FLAGS = ("--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking", "--disable-sync",
         "--no-first-run", "--mute-audio", "--window-size={},{}".format(*SIZE), "--force-device-scale-factor=1", "--force-color-profile=srgb")  # fmt: skip


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


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver = chromium(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def small_window(browser: Any) -> Iterator[None]:
    """For what is measured and not looked at: drawing in software is slow."""
    browser.set_window_size(*SMALL)
    yield
    browser.set_window_size(*SIZE)
