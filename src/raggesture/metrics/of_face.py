"""Metrics of the face: face-mse and face-lvd."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel

from raggesture.metrics.clip import EvaluatedClip
from raggesture.metrics.face import face_lvd, face_mse
from raggesture.metrics.measured import Array, Combined, Measurements, clip_values, means
from raggesture.metrics.of_distribution import NoOptions
from raggesture.plugins.hookspecs import Metric, hookimpl

_UNIT = "vertices in m with --body, else jaw (rad) and expression numbers"


class FaceMse:
    """Squared error of the face."""

    name: ClassVar[str] = "face-mse"
    unit: ClassVar[str] = f"square of: {_UNIT}"
    direction: ClassVar[str] = "lower"
    needs: ClassVar[tuple[str, ...]] = ("reference",)
    source: ClassVar[str] = "the published evaluator (l2)"
    meaning: ClassVar[str] = "How far the face is from the one face that was recorded; a face that hardly moves does well."
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """The clip's error, by its frames."""
        assert clip.reference is not None
        return clip_values(face_mse(clip.body.face(clip.motion), clip.body.face(clip.reference)), weight=clip.motion.frames)

    def combine(self, measured: Measurements) -> Combined:
        """Mean over frames."""
        return means(measured, limits=(0, math.inf))


class FaceLvd:
    """Difference of the face's velocity."""

    name: ClassVar[str] = "face-lvd"
    unit: ClassVar[str] = f"a frame: {_UNIT}"
    direction: ClassVar[str] = "lower"
    needs: ClassVar[tuple[str, ...]] = ("reference",)
    source: ClassVar[str] = "the published evaluator (lvel), with its first difference corrected by default"
    meaning: ClassVar[str] = "Whether the face moves when the recorded one does; a still face is hard to beat."
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """The clip's difference, by its frames."""
        assert clip.reference is not None
        faces = clip.body.face(clip.motion), clip.body.face(clip.reference)
        return clip_values(face_lvd(*faces, released=clip.protocol.released), weight=clip.motion.frames)

    def combine(self, measured: Measurements) -> Combined:
        """Mean over frames."""
        return means(measured, limits=(0, math.inf))


@hookimpl
def raggesture_metrics() -> list[type[Metric]]:
    """The metrics of this module."""
    return [FaceMse, FaceLvd]
