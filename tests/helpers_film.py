"""Films taken apart again, and small scenes to film."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from raggesture.export.film.camera import Camera
from raggesture.export.film.look import BACKDROP
from raggesture.motion import Motion
from raggesture.types import Speech, Transcript, Word

sys.path.insert(0, str(Path(__file__).parent / "browser"))
from scenes import HOSTILE, ShownScene, made_up_trace, small_scene, waving_motion

__all__ = ["HOSTILE", "ShownScene", "made_up_trace", "small_scene", "waving_motion"]
SMALL = 128
RATE_HZ = 16_000


@dataclass(frozen=True, eq=False)
class Film:
    """``pictures`` (N, H, W, 3); ``at_s`` (N,) when each is shown; ``sound`` (S,) from 0 s on at ``rate_hz``, empty if there is no stream."""

    pictures: NDArray[np.uint8]
    at_s: NDArray[np.float64]
    sound: NDArray[np.float32]
    rate_hz: int
    codecs: tuple[str, ...]
    pixel_format: str


def decoded(path: Path) -> Film:
    """The film as a player has it."""
    import av

    with av.open(str(path)) as container:
        codecs = tuple(stream.codec_context.name for stream in container.streams)
        pixels = container.streams.video[0].codec_context.pix_fmt
        shown = [(frame.to_ndarray(format="rgb24"), float(frame.pts * frame.time_base)) for frame in container.decode(video=0)]
    sound, rate = np.zeros(0, np.float32), 0
    if "aac" in codecs:
        with av.open(str(path)) as container:
            rate = container.streams.audio[0].rate
            heard = [(frame.to_ndarray()[0], round(float(frame.pts * frame.time_base) * rate)) for frame in container.decode(audio=0)]
        sound = np.zeros(max(start + len(part) for part, start in heard), np.float32)
        for part, start in heard:  # what comes before 0 is the encoder's run-up
            sound[max(start, 0) : start + len(part)] = part[max(-start, 0) :]
    return Film(np.stack([picture for picture, _ in shown]), np.array([at for _, at in shown]), sound, rate, codecs, pixels)


def still(frames: int, fps: float = 30.0) -> Motion:
    """A body that stands with its arms out."""
    return Motion(np.zeros((frames, 55, 3), np.float32), np.zeros((frames, 3), np.float32), np.zeros((frames, 100), np.float32), fps)


def spoken(seconds: float, texts: tuple[str, ...] = ("one", "two", "three", "four"), wave: NDArray[np.float32] | None = None) -> Speech:
    """Words of equal length, without gaps, in silence or in ``wave``."""
    step = seconds / len(texts)
    words = tuple(Word(text, k * step, (k + 1) * step) for k, text in enumerate(texts))
    return Speech("spoken", np.zeros(round(seconds * RATE_HZ), np.float32) if wave is None else wave, Transcript(words))


def scene(seconds: float = 0.4, name: str = "small", speech: Speech | None = None) -> ShownScene:
    """A waving body."""
    return ShownScene(name, waving_motion(seconds), speech)


def is_figure(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(..., H, W, 3) -> (..., H, W): where something is much browner than backdrop, floor and shadow, which are all but grey."""
    values = picture.astype(int)
    return (values[..., 0] - values[..., 2]) > (BACKDROP[0] - BACKDROP[2]) + 18


def pixel(camera: Camera, point: NDArray[np.floating]) -> tuple[int, int]:
    """Row and column of a point."""
    x, y = camera.pixels(np.asarray(point))
    return int(y), int(x)


def needs_stage() -> None:
    """Skip where no EGL is."""
    from raggesture.export.film.stage import NoStageError, Stage

    try:
        Stage((8, 8), 1).close()
    except NoStageError as fault:
        pytest.skip(str(fault))
