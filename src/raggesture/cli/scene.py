"""What exporters are shown: plain data of a generation, or of a motion that was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raggesture.motion import Motion
    from raggesture.pipeline import Generation
    from raggesture.types import Speech


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """See ``raggesture.plugins.hookspecs.Scene``; ``trace`` is plain JSON data."""

    name: str
    motion: Motion
    speech: Speech | None
    trace: dict[str, Any] | None

    @classmethod
    def of(cls, generation: Generation) -> Scene:
        """The scene of a generation."""
        return cls(generation.name, generation.motion, generation.speech, generation.trace.to_json())
