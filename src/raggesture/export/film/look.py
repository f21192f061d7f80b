"""Colours and type of the film: those of the page in its light dress, so that a result looks the same in both."""

from __future__ import annotations

from functools import cache

from PIL import ImageFont

from raggesture.resources import wheel_file

Colour = tuple[int, int, int]
PAPER: Colour = (246, 243, 238)
CARD: Colour = (255, 255, 255)
INK: Colour = (37, 33, 29)
SOFT: Colour = (109, 101, 92)
LINE: Colour = (221, 213, 202)
BACKDROP: Colour = (236, 230, 221)
GROUND: Colour = (222, 213, 200)
WAVE: Colour = (185, 174, 160)
ACCENT: Colour = (180, 86, 28)
WOOD: Colour = (217, 160, 102)
BALL: Colour = (138, 90, 52)
NOSE: Colour = (201, 139, 82)
DARK: Colour = (43, 26, 16)
CLAY: Colour = (184, 132, 104)

FAMILIES: dict[str, Colour] = {"beat": (163, 86, 140), "deictic": (8, 117, 90), "iconic": (178, 106, 0), "metaphoric": (43, 116, 184)}
DISCOURSE: Colour = (90, 90, 194)
"""Of every kind that is none of ``FAMILIES``: the senses of discourse relations."""


def tone(kind: str) -> Colour:
    """The colour of a gesture's kind."""
    return FAMILIES.get(kind, DISCOURSE)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """``share`` of ``second`` in ``first``."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


@cache
def font(size_px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings with it (a free licence; Latin, Greek, Cyrillic and more, no Chinese, Japanese or Korean)."""
    file = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(wheel_file("matplotlib", f"mpl-data/fonts/ttf/{file}", distribution="matplotlib")), max(size_px, 1))
