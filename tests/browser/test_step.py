"""Voice and body in step over ten minutes: one clock, the same number of seconds, every sample in its place.

Drift needs two clocks. The page has one: what it draws is posed at the number that the audio element gave for that picture. That this holds,
at the start, in the middle and at the end of ten minutes, is what is tested, and that the voice's file is as long as the motion.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scenes
from pages import complaints, load, seek, wait_for

from raggesture.types import Speech, Transcript

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("small_window")]
TEN_MINUTES_S = 600.0
# Notes every instant that the audio element was asked for, and keeps the voice's file.
SPY = """
window.spied = { read: [], files: [] };
const clock = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, "currentTime");
Object.defineProperty(HTMLMediaElement.prototype, "currentTime", { ...clock, get() {
  const seconds = clock.get.call(this);
  window.spied.read.push(seconds);
  window.spied.voice = this;
  return seconds;
} });
const url = URL.createObjectURL;
URL.createObjectURL = (blob) => { window.spied.files.push(blob); return url.call(URL, blob); };
"""
# The pictures of some seconds of playing: the instant that was drawn, and whether the voice said it since the last picture.
SAMPLE = """
const [count, done] = arguments, seen = [];
const look = () => {
  const read = new Set(spied.read);
  seen.push([raggesture.shown, read.has(raggesture.shown)]);
  spied.read.length = 0;
  if (seen.length < count) requestAnimationFrame(look); else done(seen);
};
spied.read.length = 0;
requestAnimationFrame(() => requestAnimationFrame(look));
"""


@pytest.fixture(scope="module")
def spied(browser: Any) -> Iterator[Any]:
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": SPY})
    yield browser
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": added["identifier"]})


def pictures(page: Any, seconds: float, count: int) -> np.ndarray:
    """(count, 2): the instant drawn, whether it was the voice's own."""
    seek(page, seconds)
    page.find_element("id", "play").click()
    wait_for(lambda: page.execute_script("return raggesture.shown") > seconds + 0.2)
    seen = page.execute_async_script(SAMPLE, count)
    page.find_element("id", "play").click()
    return np.asarray(seen, np.float64)


def test_the_body_has_the_voice_s_own_clock_for_ten_minutes(spied: Any, tmp_path: Path) -> None:
    speech = Speech("long", scenes.humming(TEN_MINUTES_S), Transcript(()))
    load(spied, scenes.ShownScene("long", scenes.waving_motion(TEN_MINUTES_S, 30.0), speech), tmp_path)
    assert spied.execute_script("return [raggesture.duration, spied.voice.duration]") == [TEN_MINUTES_S, TEN_MINUTES_S]
    for seconds in (0.0, 300.0, 570.0):
        seen = pictures(spied, seconds, 12)
        assert seen[:, 1].all()  # what is drawn is an instant of the voice, not of another clock: there is none that could run away
        assert (np.diff(seen[:, 0]) > 0).sum() >= 8  # it did play
    assert complaints(spied) == []


@pytest.mark.parametrize("longer_s", [0.0, 1.2])
def test_each_sample_has_its_place_and_silence_follows_a_short_voice(spied: Any, tmp_path: Path, longer_s: float) -> None:
    scene = scenes.small_scene(4.0)
    scene = replace(scene, motion=scenes.waving_motion(4.0 + longer_s))
    load(spied, scene, tmp_path)
    script = """
    const done = arguments[0];
    spied.files[0].arrayBuffer().then((file) => crypto.subtle.digest("SHA-256", file.slice(44)).then((digest) =>
      done([file.byteLength, [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("")])));
    """
    length, digest = spied.execute_async_script(script)
    samples = np.pad(np.rint(scene.speech.wave.astype(np.float64) * 32767).astype("<i2"), (0, round(16_000 * longer_s)))
    assert length == 44 + 2 * samples.size
    assert digest == hashlib.sha256(samples.tobytes()).hexdigest()
    seek(spied, 3.9 + longer_s)  # the end of the motion can be reached, with and without a voice there
