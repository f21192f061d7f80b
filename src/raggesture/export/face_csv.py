"""The ``csv`` exporter: what the face of a motion holds, as named channels like ARKit's, one row a frame.

Only channels that are in the motion are written, each with the joint or the coefficient it is read from:

- ``jaw_pitch_rad``: the jaw joint's turn around x, positive is open. As it is.
- ``jawOpen``: the same over ``jaw_open_rad``, between 0 and 1.
- ``eyeLookUpLeft``, ``eyeLookInLeft`` ...: the eyes' turn over ``eye_look_rad``, between 0 and 1; only where an eye moves.
- ``eyeBlinkLeft``, ``eyeBlinkRight``: only for motion of the packaged model, whose authored faces blink with coefficient 8
  (``raggesture.corpus.starter.face``); both eyes alike, because they always blink together.

The other expression coefficients have no name: they are components of SMPL-X's own face space, which no fixed table turns into ARKit's
shapes, and the packaged model's stand for activity only. They are in the npz (``expressions``), and in a ``glb`` with a SMPL-X body.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from raggesture.body.joints import EYE_JOINTS, JOINTS_OF_PART
from raggesture.export.checks import check_animated
from raggesture.motion import Motion
from raggesture.plugins.hookspecs import Exporter, Scene, hookimpl
from raggesture.resources import PACK_NAME, packaged_dir, sha256_of

BLINK_COLUMN = 8
BLINK_GAIN = 1.1
"""What the authored face writes into that coefficient when the eyes are shut."""
_BLOCK_FRAMES = 8192

Floats = NDArray[np.float64]


class CsvOptions(BaseModel):
    """How channels are scaled, and whether there are blinks."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    jaw_open_rad: float = Field(0.35, gt=0, description="Turn of the jaw that counts as jawOpen = 1 (0.35 rad are 20 degrees; a talker reaches some 0.06).")
    eye_look_rad: float = Field(0.5, gt=0, description="Turn of an eye that counts as eyeLook... = 1.")
    blinks: Literal["auto", "always", "never"] = Field("auto", description="Blink channels: auto (where the trace names the packaged model), always or never.")


def _unit(values: Floats) -> Floats:
    return np.clip(values, 0.0, 1.0)


def _eye_channels(motion: Motion, eye_look_rad: float) -> dict[str, Floats]:
    """Four channels an eye. SMPL-X: turning around x lowers the look, around y turns it to the character's left."""
    found: dict[str, Floats] = {}
    for joint, side, outward in zip(EYE_JOINTS, ("Left", "Right"), (1, -1), strict=True):
        if motion.rotations[:, joint].any():
            turns = motion.rotations[:, joint].astype(np.float64) / eye_look_rad
            found |= {f"eyeLookUp{side}": _unit(-turns[:, 0]), f"eyeLookDown{side}": _unit(turns[:, 0])}
            found |= {f"eyeLookIn{side}": _unit(-outward * turns[:, 1]), f"eyeLookOut{side}": _unit(outward * turns[:, 1])}
    return found


def face_channels(motion: Motion, options: CsvOptions, *, blinks: bool) -> dict[str, Floats]:
    """Name -> (F,) in the order they are written."""
    pitch = motion.rotations[:, JOINTS_OF_PART["face"][0], 0].astype(np.float64)
    channels = {"jaw_pitch_rad": pitch, "jawOpen": _unit(pitch / options.jaw_open_rad)}
    if blinks:
        shut = _unit(motion.expression[:, BLINK_COLUMN].astype(np.float64) / BLINK_GAIN)
        channels |= {"eyeBlinkLeft": shut, "eyeBlinkRight": shut}
    return channels | _eye_channels(motion, options.eye_look_rad)


def is_packaged_face(trace: Any) -> bool:
    """Whether a trace (plain JSON data, or None) says that the packaged model made the motion, by the digest of its manifest."""
    model = trace.get("model") if isinstance(trace, Mapping) else None
    return isinstance(model, Mapping) and model.get("sha256") == sha256_of(packaged_dir(PACK_NAME, "model") / "manifest.json")


class CsvExporter:
    """Writes the face's channels; the same motion gives the same bytes."""

    name: ClassVar[str] = "csv"
    suffix: ClassVar[str] = ".face.csv"
    Options: ClassVar[type[BaseModel]] = CsvOptions

    def __init__(self, options: CsvOptions) -> None:
        self._options = options

    def write(self, scene: Scene, path: Path) -> None:
        """Write the channels of ``scene.motion`` to ``path``: frame, time_s, then the channels.

        Raises:
            InputError: the motion has no frames or no rate.
        """
        motion = scene.motion
        check_animated(motion)
        blinks = self._options.blinks == "always" or (self._options.blinks == "auto" and is_packaged_face(scene.trace))
        channels = face_channels(motion, self._options, blinks=blinks)
        line = ",".join(["%d", "%.6f", *["%.5f"] * len(channels)]) + "\n"
        columns = np.stack([np.arange(motion.frames), np.arange(motion.frames) / motion.fps, *channels.values()], axis=1).round(6) + 0.0
        with path.open("w", encoding="ascii", newline="\n") as stream:
            stream.write(",".join(("frame", "time_s", *channels)) + "\n")
            for start in range(0, motion.frames, _BLOCK_FRAMES):
                stream.writelines(line % tuple(row) for row in columns[start : start + _BLOCK_FRAMES].tolist())


@hookimpl
def raggesture_exporters() -> list[type[Exporter]]:
    """The exporter of this module."""
    return [CsvExporter]
