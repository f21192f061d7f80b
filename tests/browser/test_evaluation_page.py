"""The page of ``eval --html`` in real headless Chromium: from disk, its own style and nothing else, light and dark, links that lead to the clips' pages."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from raggesture.metrics.page import report_page
from raggesture.metrics.report import About, Figure, Report, Row

pytestmark = pytest.mark.browser
NASTY = "a clip <script>document.title='run'</script>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (pip install '.[dev]')")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    if not (program and chromedriver):
        pytest.skip("no chromium or chromedriver on the path (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", f"--user-data-dir={tmp_path_factory.mktemp('p')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("a folder ü")
    (folder / "results").mkdir()
    (folder / "results" / "one.html").write_text("<title>the clip</title>")
    figure = Figure("l1div", "", 2.0, 1.5, 2.5, 3.0, 2.0, 4.0, "m", "reference", 3, "a <b>note</b>")
    nothing = Figure("fgd", "", *[math.nan] * 6, "1", "lower", 1, "no covariance")
    rows = tuple(Row(name, 300, {"l1div": value}, {"l1div": 3.0}, value, "l1div") for name, value in ((NASTY, 3.0), ("one", 2.0), ("two", 1.0)))
    report = Report({"name": "default", "clips": 3}, (figure, nothing), rows, ("left <i>out</i>",), (), (About("l1div", "m", "reference", "s", "meaning"),))
    path = folder / "page.html"
    path.write_text(report_page(report, folder / "results", folder), encoding="utf-8")
    browser.get(path.as_uri())
    return browser


def test_nothing_runs_and_nothing_is_refused(page: Any) -> None:
    assert page.title == "Evaluation of results"
    assert NASTY in page.find_element("tag name", "body").text and not page.find_elements("tag name", "script")
    assert [entry for entry in page.get_log("browser") if "favicon" not in entry["message"]] == []
    assert not page.execute_script("return performance.getEntriesByType('resource').filter(e => e.name.startsWith('http')).length")


def test_tables_and_drawings_are_there(page: Any) -> None:
    body = page.find_element("tag name", "body").text
    for text in ("1.5 to 2.5", "no covariance", "a <b>note</b>", "left <i>out</i>", "meaning"):
        assert text in body, text
    drawn = page.execute_script("return [...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect().width)")
    assert len(drawn) == 2 and min(drawn) > 50
    clips = [row.text.split(" ")[0] for row in page.find_elements("css selector", "table")[1].find_elements("css selector", "tbody tr")]
    assert clips == ["a", "one", "two"]


def test_light_and_dark(page: Any) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        colours[scheme] = page.execute_script("const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]")
    assert colours["light"] == ["rgb(251, 251, 250)", "rgb(28, 33, 38)"] and colours["dark"] == ["rgb(21, 24, 27)", "rgb(228, 230, 232)"]


def test_the_link_leads_to_the_clips_page(page: Any) -> None:
    page.find_element("link text", "one").click()
    assert page.title == "the clip"
