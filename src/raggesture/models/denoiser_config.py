"""The settings of a denoiser, checked, and their JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from raggesture.clock import WINDOW_CHUNKS
from raggesture.errors import ModelError, did_you_mean
from raggesture.models.attention import ATTENTION_KINDS, MODULATION_KINDS, AttentionKind, ModulationKind

OUR_SEPARATORS = (10, 21, 32)
RELEASED_MASK = (10, 20, 30)
_CHOICES: dict[str, tuple[str, ...]] = {
    "attention": ATTENTION_KINDS,
    "modulation": MODULATION_KINDS,
    "conditioning": ("frames", "chunks", "joint-chunks", "planned-chunks"),
    "prediction": ("x0", "v"),
}


@dataclass(frozen=True, slots=True)
class DenoiserConfig:
    """Sizes and choices. ``latent_dim``: channels of a token in and out; ``width``: inside. ``masked_tokens``: tokens the cross attention's query mask
    marks, data of a checkpoint ((10, 20, 30) released). ``condition_dim``: width at which chunk conditions are gathered. ``planner_dim``, ``gestures``: width
    of the gesture planner and how many gestures it tells apart (planned chunks only).
    """  # fmt: skip

    latent_dim: int
    text_dim: int
    audio_dim: int
    n_speakers: int
    width: int = 192
    layers: int = 8
    heads: int = 8
    ff_dim: int = 384
    time_dim: int = 192
    condition_dim: int = 64
    planner_dim: int = 128
    gestures: int = 1
    chunks: int = WINDOW_CHUNKS
    attention: AttentionKind = "linear"
    modulation: ModulationKind = "stylization"
    conditioning: Literal["frames", "chunks", "joint-chunks", "planned-chunks"] = "frames"
    prediction: Literal["x0", "v"] = "v"
    masked_tokens: tuple[int, ...] = OUR_SEPARATORS
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ModelError(f"denoiser.{name}: {getattr(self, name)!r}; {did_you_mean(str(getattr(self, name)), known)} - correct the model's manifest")
        sizes = (
            "latent_dim",
            "text_dim",
            "audio_dim",
            "n_speakers",
            "width",
            "layers",
            "heads",
            "ff_dim",
            "time_dim",
            "condition_dim",
            "planner_dim",
            "gestures",
            "chunks",
        )
        for name in sizes:
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ModelError(f"denoiser.{name}: {getattr(self, name)!r}; expected a whole number above 0 - correct the model's manifest")
        if self.width % self.heads:
            raise ModelError(f"denoiser.heads: {self.heads}; expected a divisor of the width {self.width} - correct the model's manifest")

    @classmethod
    def published(cls) -> DenoiserConfig:
        """The published model's settings."""
        return cls(
            latent_dim=512, text_dim=768, audio_dim=768, n_speakers=25, width=512, layers=8, heads=16, ff_dim=1024, time_dim=2048,
            prediction="x0", masked_tokens=RELEASED_MASK,
        )  # fmt: skip

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> DenoiserConfig:
        """Read what ``to_json`` wrote. Raises: ModelError for what is not a denoiser's settings."""
        try:
            values: dict[str, Any] = json.loads(text)
            known = {field.name for field in fields(cls)}
            unknown = sorted(set(values) - known)
            if unknown:
                raise ModelError(f"denoiser.{unknown[0]}: unknown setting; {did_you_mean(unknown[0], known)} - correct the model's manifest")
            if "masked_tokens" in values:
                values["masked_tokens"] = tuple(values["masked_tokens"])
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise ModelError(f"denoiser settings: {error}; expected JSON written by DenoiserConfig.to_json - install or copy the model again") from error
