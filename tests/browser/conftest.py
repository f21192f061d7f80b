"""One headless Chromium for all tests of the page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from pages import SIZE, SMALL, chromium


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
