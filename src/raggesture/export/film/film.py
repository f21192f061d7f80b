"""The film of one result, or of several side by side: pictures drawn one after the other, straight into the file."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import SAMPLE_RATE_HZ, frames_of_seconds, sample_of_seconds
from raggesture.errors import InputError
from raggesture.export.film.body import BodySkin, read_body_file
from raggesture.export.film.camera import Camera, pixel_m
from raggesture.export.film.encode import Encoder
from raggesture.export.film.lines import draw_lines
from raggesture.export.film.options import FilmOptions, View
from raggesture.export.film.poses import Poses
from raggesture.export.film.shape import wooden
from raggesture.export.film.skins import BonesSkin, Skin
from raggesture.export.film.stage import NoStageError, Stage
from raggesture.export.film.story import story_of
from raggesture.export.film.titles import Frame, Titles
from raggesture.export.progress import told_to
from raggesture.plugins.hookspecs import Scene

_LOG = logging.getLogger("raggesture")
_UNLIKE_S = 0.1


class _Artist(Protocol):
    """Draws one result's pictures, in order."""

    def draw(self, picture: int) -> NDArray[np.uint8]:
        """(height, width, 3 or 4)."""
        ...


class _OnStage:
    """Draws a body by OpenGL."""

    def __init__(self, stage: Stage, skin: Skin, poses: Poses, view: View, size: tuple[int, int]) -> None:
        self._stage, self._skin, self._poses, self._view, self._size = stage, skin, poses, view, size

    def draw(self, picture: int) -> NDArray[np.uint8]:
        pose, floor_m = self._poses.pose(picture), self._poses.floor_m
        return self._stage.draw(self._skin, pose, picture, Camera.of(self._view, self._size, floor_m, pose.centre), floor_m)


class _Lines:
    """Draws a skeleton of lines."""

    def __init__(self, poses: Poses, view: View, size: tuple[int, int]) -> None:
        self._poses, self._view, self._size = poses, view, size

    def draw(self, picture: int) -> NDArray[np.uint8]:
        pose, floor_m = self._poses.pose(picture), self._poses.floor_m
        return draw_lines(pose, Camera.of(self._view, self._size, floor_m, pose.centre), floor_m)


def film_of(scenes: Sequence[Scene], path: Path, options: FilmOptions | None = None) -> None:
    """Write the film of ``scenes`` to ``path``, side by side from the left, each with its name, with the voice of the first that has one.

    The film is as long as the longest motion; the others hold their last pose. The voice is cut or filled with silence to that length.
    The same scenes give the same pictures on the same driver (the file's bytes may differ with the encoder's version).
    The first scene is told of each picture, if it listens.

    Raises:
        InputError: no scene, or a motion without frames.
        ModelError: ``body`` is missing or is not SMPL-X's.
        ConfigError: PyAV or a codec of it is missing.
        OSError: the file cannot be written (its ``filename`` is ``path``); nothing is left of it.
    """
    options = options or FilmOptions()
    if not scenes:
        raise InputError("film: no result; expected at least one motion - name one")
    poses = [Poses(scene.motion, options.fps) for scene in scenes]
    pictures = max(frames_of_seconds(max(scene.motion.duration_s for scene in scenes), options.fps), 1)
    frame = Frame(len(scenes), options.width, options.height, options.fps, pictures / options.fps)
    wave = _voice(scenes, frame.seconds)
    titles = Titles(frame, [scene.name for scene in scenes], [story_of(scene) for scene in scenes], wave) if options.titles else None
    size = (options.width, options.height - (titles.panel_px if titles else 0))
    with (
        _artists(poses, size, options) as artists,
        Encoder(path, (frame.columns * frame.width, frame.height), options.fps, options.crf, voice=wave.size > 0) as out,
    ):
        told = told_to(scenes[0])
        whole = np.full((frame.height, frame.columns * frame.width, 4), 255, np.uint8)
        for picture in range(pictures):
            for column, artist in enumerate(artists):
                drawn = artist.draw(picture)
                whole[: size[1], column * size[0] : (column + 1) * size[0], : drawn.shape[2]] = drawn
            if titles:
                titles.draw(picture, whole)
            out.add(whole, _between(wave, picture, options.fps))
            told(f"picture {picture + 1} of {pictures}", (picture + 1) / pictures)


def _between(wave: NDArray[np.float32], picture: int, fps: int) -> NDArray[np.float32]:
    """The samples of one picture."""
    return wave[picture * SAMPLE_RATE_HZ // fps : (picture + 1) * SAMPLE_RATE_HZ // fps]


def _voice(scenes: Sequence[Scene], seconds: float) -> NDArray[np.float32]:
    """(N,) at 16 kHz, as long as the film; empty if there is none."""
    wave = next((scene.speech.wave for scene in scenes if scene.speech is not None and scene.speech.wave.size), np.zeros(0, np.float32))
    if not wave.size:
        return wave
    wanted = sample_of_seconds(seconds)
    if abs(wave.size - wanted) > _UNLIKE_S * SAMPLE_RATE_HZ:
        _LOG.warning("film: the voice lasts %.1f s, the motion %.1f s; the film is as long as the motion", wave.size / SAMPLE_RATE_HZ, seconds)
    return np.pad(wave[:wanted], (0, max(wanted - wave.size, 0)))


@contextmanager
def _artists(poses: Sequence[Poses], size: tuple[int, int], options: FilmOptions) -> Iterator[list[_Artist]]:
    """Who draws each result: on a stage, or with lines where there is none."""
    stage = _stage(size, options)
    if stage is None:
        yield [_Lines(each, options.camera, size) for each in poses]
        return
    try:
        skins = _skins(stage, poses, size, options)
        yield [_OnStage(stage, skin, each, options.camera, size) for skin, each in zip(skins, poses, strict=True)]
    finally:
        stage.close()


def _skins(stage: Stage, poses: Sequence[Poses], size: tuple[int, int], options: FilmOptions) -> list[Skin]:
    """The body of each result: the mannequin, or the user's."""
    if not options.body:
        return [BonesSkin(stage.context, wooden(pixel_m(options.camera, size))) for _ in poses]
    body = read_body_file(Path(options.body))
    return [BodySkin(stage.context, body, each) for each in poses]


def _stage(size: tuple[int, int], options: FilmOptions) -> Stage | None:
    if options.figure == "skeleton":
        return None
    try:
        return Stage(size, options.samples)
    except NoStageError as fault:
        _LOG.warning("%s; the film shows a skeleton of lines", fault)
        return None
