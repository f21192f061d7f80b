"""The strip that runs along below the picture: a lane of gestures for each result, and the voice; and the bar of the whole film.

Drawn in tiles of some seconds, of which a few are kept, so that neither time nor memory grows with the film.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from raggesture.clock import SAMPLE_RATE_HZ, sample_of_seconds
from raggesture.export.film.caption import fitted
from raggesture.export.film.look import ACCENT, CARD, INK, LINE, PAPER, WAVE, font, mixed, tone
from raggesture.export.film.story import Shown, Story

TILE_S = 4
NEEDLE = 0.35
"""Where the present is, from the left."""
_PIXELS_PER_S = 120
_CACHED = 16


class Strip:
    """The running strip.

    Args:
        stories: of each result, each in a lane of its own. wave: (N,) at 16 kHz; empty for none. width, lane, voice: pixels (a lane's and the voice's height).
        scale: of a picture 720 pixels high. fps, seconds: of the film.
    """

    def __init__(
        self, stories: Sequence[Story], wave: NDArray[np.float32], width: int, heights: tuple[int, int], scale: float, fps: int, seconds: float
    ) -> None:
        self._stories, self._wave, self._width, self._seconds = stories, wave, width, seconds
        self._lane, self._voice = heights
        self._step = max(round(_PIXELS_PER_S * scale / fps), 1)
        self._rate = self._step * fps
        self._scale = scale
        self._loudest = max(float(np.abs(wave).max(initial=0.0)), 1e-4)
        self.height = self._lane * len(stories) + self._voice
        self._tiles = lru_cache(_CACHED)(self._tile)

    def draw(self, picture: int, into: NDArray[np.uint8]) -> None:
        """Draw the strip of one picture into (height, width, 4)."""
        needle = round(self._width * NEEDLE)
        left = picture * self._step - needle
        tile = TILE_S * self._rate
        for played, start, stop in ((True, 0, needle), (False, needle, self._width)):
            x = start
            while x < stop:
                row, at = divmod(left + x, tile)
                wide = min(stop - x, tile - at)
                into[:, x : x + wide] = self._tiles(row, played)[:, at : at + wide]
                x += wide
        thick = max(round(2 * self._scale), 1)
        into[:, needle : needle + thick] = (*ACCENT, 255)

    def _tile(self, row: int, played: bool) -> NDArray[np.uint8]:
        rate, start_s = self._rate, row * TILE_S
        image = Image.new("RGBA", (TILE_S * rate, self.height), CARD)
        pen = ImageDraw.Draw(image)
        for lane, story in enumerate(self._stories):
            for gesture in story.gestures:
                if gesture.end_s > start_s and gesture.start_s < start_s + TILE_S:
                    self._bar(pen, gesture, (gesture.start_s - start_s) * rate, lane * self._lane)
        self._levels(pen, row, ACCENT if played else WAVE)
        for edge_s in (0.0, self._seconds):  # nothing is there before the film and after it
            if edge_s == 0.0 and start_s < 0:
                pen.rectangle((0, 0, -start_s * rate - 1, self.height), fill=PAPER)
            if edge_s and start_s + TILE_S > edge_s:
                pen.rectangle((max((edge_s - start_s) * rate, 0), 0, TILE_S * rate, self.height), fill=PAPER)
        return np.asarray(image)

    def _bar(self, pen: ImageDraw.ImageDraw, gesture: Shown, x: float, y: float) -> None:
        colour, s = tone(gesture.kind), self._scale
        wide = (gesture.end_s - gesture.start_s) * self._rate
        box = (x + 1, y + 3 * s, x + wide - 2, y + self._lane - 2 * s)
        if box[2] <= box[0] or box[3] <= box[1]:
            return
        pen.rounded_rectangle(box, 4 * s, fill=mixed(CARD, colour, 0.12 + 0.3 * min(max(gesture.strength, 0), 1)), outline=colour, width=max(round(s), 1))
        bold, face = font(round(14 * s), bold=True), font(round(13 * s))
        word = fitted(gesture.word, bold, wide - 16 * s)
        middle = y + self._lane / 2 + 5 * s
        pen.text((x + 8 * s, middle), word, fill=INK, font=bold, anchor="ls")
        at = 8 * s + bold.getlength(word) + 7 * s
        if wide - at > 40 * s:
            pen.text((x + at, middle), fitted(gesture.kind, face, wide - at - 8 * s), fill=mixed(INK, colour, 0.6), font=face, anchor="ls")

    def _levels(self, pen: ImageDraw.ImageDraw, row: int, colour: tuple[int, int, int]) -> None:
        top, half = self._lane * len(self._stories), self._voice / 2
        step = max(round(3 * self._scale), 1)
        if not self._wave.size or not self._voice:
            return
        for x in range(0, TILE_S * self._rate, step):
            at_s = row * TILE_S + x / self._rate
            first = sample_of_seconds(max(at_s, 0.0))
            heard = self._wave[first : first + max(round(step / self._rate * SAMPLE_RATE_HZ), 1)]
            tall = float(np.abs(heard).max(initial=0.0)) / self._loudest * (half - 3 * self._scale)
            tall = max(tall, 0.5)
            pen.rectangle((x, top + half - tall, x + max(round(step * 0.6) - 1, 0), top + half + tall), fill=colour)


class Whole:
    """The bar of the whole film: what has been, what is to come, and every gesture on it."""

    def __init__(self, stories: Sequence[Story], width: int, height: int, seconds: float) -> None:
        self._width = width
        pictures = []
        for ground in (LINE, ACCENT):
            image = Image.new("RGBA", (width, height), PAPER)
            pen = ImageDraw.Draw(image)
            lane = height * 0.55
            pen.rectangle((0, lane, width, height), fill=ground)
            for row, story in enumerate(stories):
                for gesture in story.gestures:
                    left, right = gesture.start_s / seconds * width, gesture.end_s / seconds * width - 1
                    tall = lane / len(stories)
                    pen.rectangle((left, row * tall, max(right, left + 1), max((row + 1) * tall - 2, row * tall)), fill=tone(gesture.kind))
            pictures.append(np.asarray(image))
        self._ahead, self._behind = pictures

    def draw(self, share: float, into: NDArray[np.uint8]) -> None:
        """Draw it into (height, width, 4), ``share`` of the film being over."""
        at = round(self._width * min(max(share, 0.0), 1.0))
        into[:, :at], into[:, at:] = self._behind[:, :at], self._ahead[:, at:]
