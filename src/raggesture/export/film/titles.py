"""The titles: a panel below the picture, and on the picture each result's name with the gesture that is going on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from raggesture.export.film.caption import Caption, fitted
from raggesture.export.film.look import CARD, INK, LINE, PAPER, SOFT, font, mixed, tone
from raggesture.export.film.story import Shown, Story, clock_text, plain
from raggesture.export.film.strip import Strip, Whole

FADE_S = 0.2
_CHIP = 0.32
"""Share of a picture's width that the gesture going on may take."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The film's measures: ``columns`` results side by side, each ``width`` pixels wide; ``height`` with the panel; ``fps``; ``seconds`` long."""

    columns: int
    width: int
    height: int
    fps: int
    seconds: float

    @property
    def scale(self) -> float:
        """Against a picture of 720 by 720."""
        return min(self.width, self.height) / 720


@dataclass(frozen=True, slots=True)
class _Patch:
    """Something to lay over the picture: (h, w, 4), opaque, and how much of it (h, w, 1), both uint16."""

    colour: NDArray[np.uint16]
    cover: NDArray[np.uint16]

    def onto(self, picture: NDArray[np.uint8], x: int, y: int, share: float) -> None:
        height, width = self.cover.shape[:2]
        under = picture[y : y + height, x : x + width]
        cover = (self.cover[: under.shape[0], : under.shape[1]] * round(share * 256)) >> 8
        under[:] = (under * (255 - cover) + self.colour[: under.shape[0], : under.shape[1]] * cover) // 255


class Titles:
    """Draws the titles of one film. ``panel_px``: how much of the height they take below the picture.

    Args:
        frame: the film's measures. names: of each result. stories: of each result; the first that has words gives the caption. wave: (N,) at 16 kHz.
    """

    def __init__(self, frame: Frame, names: Sequence[str], stories: Sequence[Story], wave: NDArray[np.float32]) -> None:
        s = frame.scale
        self._frame, self._names, self._stories = frame, [plain(name) for name in names], stories
        width = frame.columns * frame.width
        self._pad = round(24 * s)
        words = next((story.words for story in stories if story.words), ())
        gestures = any(story.gestures for story in stories)
        self._caption_px = round(62 * s) if words else round(12 * s)
        self._caption = Caption(words, (width, self._caption_px), max(round(25 * s), 4))
        heights = (round(29 * s) if gestures else 0, round(44 * s) if wave.size else 0)
        self._strip = Strip(stories, wave, width, heights, s, frame.fps, frame.seconds)
        self._clock_px, self._whole_px = round(112 * s), max(round(12 * s), 2)
        self._whole = Whole(stories, max(width - 2 * self._pad - self._clock_px, 1), self._whole_px, frame.seconds)
        self.panel_px = self._caption_px + self._strip.height + round(40 * s)
        self._clock = lru_cache(2)(self._clock_of)
        self._patch = lru_cache(8)(self._chip)

    def draw(self, picture: int, onto: NDArray[np.uint8]) -> None:
        """Draw the titles of one picture onto (height, width, 4)."""
        seconds = picture / self._frame.fps
        panel = onto[onto.shape[0] - self.panel_px :]
        caption, strip = self._caption_px, self._strip.height
        panel[:caption] = self._caption.band(seconds)
        self._strip.draw(picture, panel[caption : caption + strip])
        below = panel[caption + strip :]
        below[:] = (*PAPER, 255)
        top = (below.shape[0] - self._whole_px) // 2
        wide = panel.shape[1] - 2 * self._pad - self._clock_px
        if wide > 0:
            self._whole.draw((picture + 1) / (self._frame.fps * self._frame.seconds), below[top : top + self._whole_px, self._pad : self._pad + wide])
        below[:, panel.shape[1] - self._pad - self._clock_px :] = self._clock(int(seconds + 1e-6), below.shape[0])
        for column, story in enumerate(self._stories):
            self._over(onto[: onto.shape[0] - self.panel_px], column, story, seconds)

    def _over(self, onto: NDArray[np.uint8], column: int, story: Story, seconds: float) -> None:
        left, pad = column * self._frame.width, self._pad
        if self._names[column]:
            self._patch(column, None).onto(onto[:, left : left + self._frame.width], pad, pad, 1.0)
        active = [gesture for gesture in story.gestures if gesture.start_s <= seconds < gesture.end_s]
        if active:
            gesture = active[-1]
            share = min(1.0, (seconds - gesture.start_s) / FADE_S, (gesture.end_s - seconds) / FADE_S)
            self._patch(column, gesture).onto(onto[:, left : left + self._frame.width], pad, pad + round(36 * self._frame.scale), max(share, 0.0))

    def _clock_of(self, seconds: int, height: int) -> NDArray[np.uint8]:
        image = Image.new("RGBA", (self._clock_px + self._pad, height), PAPER)
        typeface = font(round(15 * self._frame.scale))
        text = f"{clock_text(seconds)} / {clock_text(self._frame.seconds)}"
        ImageDraw.Draw(image).text((self._clock_px, height / 2), text, fill=SOFT, font=typeface, anchor="rm")
        return np.asarray(image)

    def _chip(self, column: int, gesture: Shown | None) -> _Patch:
        """The name of a result, or the gesture that is going on in it."""
        s = self._frame.scale
        room = self._frame.width - 2 * self._pad
        if gesture is None:
            typeface = font(round(17 * s), bold=True)
            text = fitted(self._names[column], typeface, room)
            image = Image.new("RGBA", (max(round(typeface.getlength(text)), 1) + 2, max(round(24 * s), 1)), (*INK, 0))
            ImageDraw.Draw(image).text((0, 18 * s), text, fill=(*INK, 215), font=typeface, anchor="ls")
            return _patch(image)
        bold, face, colour = font(round(19 * s), bold=True), font(round(14 * s)), tone(gesture.kind)
        across = room * _CHIP - 42 * s
        texts = ((gesture.word, bold, INK, 27), (gesture.what, face, mixed(INK, colour, 0.75), 49), (gesture.whence, face, SOFT, 69))
        rows = [(fitted(text, typeface, across), typeface, ink, base) for text, typeface, ink, base in texts]
        width = max(round(max(typeface.getlength(text) for text, typeface, _, _ in rows) + 42 * s), 2)
        height = max(round(82 * s), 2)
        image = Image.new("RGBA", (width, height), (*CARD, 0))
        pen = ImageDraw.Draw(image)
        pen.rounded_rectangle((0, 0, width - 1, height - 1), 9 * s, fill=(*CARD, 225), outline=(*LINE, 255), width=max(round(s), 1))
        pen.rounded_rectangle((11 * s, 12 * s, 15 * s, height - 12 * s), 2 * s, fill=(*colour, 255))
        for text, typeface, ink, base in rows:
            pen.text((26 * s, base * s), text, fill=(*ink, 255), font=typeface, anchor="ls")
        return _patch(image)


def _patch(image: Image.Image) -> _Patch:
    values = np.asarray(image).astype(np.uint16)
    cover = values[..., 3:].copy()
    values[..., 3] = 255  # the picture's own fourth channel stays what it is
    return _Patch(values, cover)
