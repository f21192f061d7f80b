"""The options of the film: ``[export.mp4]`` of a profile."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

View = Literal["front", "side", "upper"]


class FilmOptions(BaseModel):
    """How the film is drawn and kept. Sizes are even, as the video's halved colour wants them."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    width: int = Field(default=720, ge=64, le=4096, multiple_of=2, description="Pixels; each of two results side by side has this width.")
    height: int = Field(default=720, ge=64, le=4096, multiple_of=2, description="Pixels, with the titles.")
    fps: int = Field(default=30, ge=1, le=120, description="Pictures a second; between the motion's frames it is interpolated.")
    camera: View = Field(default="front", description="front, side, or upper: the upper body from the front.")
    figure: Literal["mannequin", "skeleton"] = Field(default="mannequin", description="mannequin, or skeleton: lines in two dimensions, which need no OpenGL.")
    body: str = Field(default="", description="Path of your SMPL-X file (.npz): the real body with its face in the mannequin's place.")
    samples: Literal[1, 2, 4, 8] = Field(default=4, description="Samples per pixel at the edges; 1 is quickest.")
    crf: int = Field(default=18, ge=0, le=51, description="Quality of the video: less is better and larger.")
    titles: bool = Field(default=True, description="Burn in words, gestures and the timeline.")
