"""The words as they are spoken: broken into lines, the current word on a coloured ground."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from raggesture.export.film.look import ACCENT, INK, PAPER, SOFT, font, tone
from raggesture.export.film.story import Said

PAUSE_S = 0.6
"""A longer silence begins a new line."""
STAYS_S, BEFORE_S = 1.2, 0.15
"""How long a line stays after its last word, and how much before its first it comes."""
_STOPS = (".", "?", "!")
_FEW, _MOST = 20, 56
_CACHED = 4
_HAIR_S = 1e-6
"""A word that begins with a picture is shown with it, however its time was rounded."""
_GAP = 1.35
"""Space between words, of the type's own: room for the ground of the current one."""


def fitted(text: str, typeface: ImageFont.FreeTypeFont, width_px: float) -> str:
    """``text``, with an ellipsis where it is cut to fit."""
    if typeface.getlength(text) <= width_px:
        return text
    cut = text
    while cut and typeface.getlength(cut + "…") > width_px:
        cut = cut[:-1]
    return cut + "…"


def lines_of(words: Sequence[Said], typeface: ImageFont.FreeTypeFont, width_px: float) -> tuple[tuple[Said, ...], ...]:
    """Words -> lines: a new one at a pause, after a full stop, and where the line is full."""
    lines: list[list[Said]] = []
    for word in words:
        line = lines[-1] if lines else []
        text = " ".join(before.text for before in line)
        full = len(text) + len(word.text) >= _MOST or typeface.getlength(f"{text} {word.text}") + _spread(len(line), typeface) > width_px
        ended = bool(line) and (word.start_s - line[-1].end_s > PAUSE_S or (line[-1].text.endswith(_STOPS) and len(text) > _FEW))
        if not line or full or ended:
            lines.append([word])
        else:
            line.append(word)
    return tuple(tuple(line) for line in lines)


def _spread(gaps: int, typeface: ImageFont.FreeTypeFont) -> float:
    """How much wider a line is for the space between its words."""
    return gaps * typeface.getlength(" ") * (_GAP - 1)


@dataclass(frozen=True, slots=True)
class Now:
    """What of the words is to be seen: ``line`` (-1: none) and the ``word`` in it that is being spoken (-1: none); ``begun`` words have begun."""

    line: int = -1
    word: int = -1
    begun: int = 0


class Caption:
    """A band of one line of words; drawn again only when the word changes.

    Args:
        words: in time order. size: of the band in pixels. type_px: size of the type.
    """

    def __init__(self, words: Sequence[Said], size: tuple[int, int], type_px: int) -> None:
        self._size, self._type_px = size, type_px
        self.lines = lines_of(words, font(type_px), size[0] - 2 * type_px)
        self._starts = [line[0].start_s - BEFORE_S for line in self.lines]
        self._drawn = lru_cache(_CACHED)(self._draw)

    def now(self, seconds: float) -> Now:
        """What is to be seen at an instant."""
        seconds += _HAIR_S
        row = bisect_right(self._starts, seconds) - 1
        if row < 0 or seconds > self.lines[row][-1].end_s + STAYS_S:
            return Now()
        begun = sum(word.start_s <= seconds for word in self.lines[row])
        speaking = begun and seconds < max(self.lines[row][begun - 1].end_s, self.lines[row][begun - 1].start_s + 0.04)
        return Now(row, begun - 1 if speaking else -1, begun)

    def band(self, seconds: float) -> NDArray[np.uint8]:
        """(height, width, 4)."""
        return self._drawn(self.now(seconds))

    def _draw(self, now: Now) -> NDArray[np.uint8]:
        width, height = self._size
        image = Image.new("RGBA", self._size, PAPER)
        if now.line < 0:
            return np.asarray(image)
        pen, typeface, px = ImageDraw.Draw(image), font(self._type_px), self._type_px
        line = self.lines[now.line]
        texts = [fitted(word.text, typeface, width - 2 * px) for word in line]
        gap = typeface.getlength(" ") * _GAP
        widths = [typeface.getlength(text) for text in texts]
        x, base = (width - sum(widths) - gap * (len(line) - 1)) / 2, height / 2 + 0.36 * px
        for k, (word, text, wide) in enumerate(zip(line, texts, widths, strict=True)):
            current = k == now.word
            if current:
                pen.rounded_rectangle((x - 0.17 * px, base - 1.05 * px, x + wide + 0.17 * px, base + 0.36 * px), 0.24 * px, fill=ACCENT)
            elif word.kind:
                pen.rectangle((x, base + 0.24 * px, x + wide, base + 0.24 * px + max(px // 10, 1)), fill=tone(word.kind))
            pen.text((x, base), text, fill=PAPER if current else INK if k < now.begun else SOFT, font=typeface, anchor="ls")
            x += wide + gap
        return np.asarray(image)
