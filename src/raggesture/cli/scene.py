"""What exporters are shown: plain data of a generation, or of a motion that was read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from raggesture.plugins.hookspecs import Ghost, Second

if TYPE_CHECKING:
    from raggesture.motion import Motion
    from raggesture.pipeline import Generation
    from raggesture.retrieval.index import Index
    from raggesture.trace import PlacementFact, Trace
    from raggesture.types import Speech


def _unheard(what: str, share: float) -> None:
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """See ``raggesture.plugins.hookspecs``; ``trace`` is plain JSON data, ``progress`` what an exporter may call with a few words and a share."""

    name: str
    motion: Motion
    speech: Speech | None
    trace: dict[str, Any] | None
    ghosts: tuple[Ghost, ...] = ()
    second: Second | None = None
    progress: Callable[[str, float], None] = _unheard

    @classmethod
    def of(cls, generation: Generation, index: Index | None = None) -> Scene:
        """The scene of a generation; with the index that its exemplars were found in, they are its ghosts."""
        ghosts = () if index is None else ghosts_of(generation.trace, index)
        return cls(generation.name, generation.motion, generation.speech, generation.trace.to_json(), ghosts)


def heard(scene: Scene, progress: Callable[[str, float], None], name: str, start: float = 0.0, part: float = 1.0) -> Scene:
    """The scene, so that its exporter moves a bar: from ``start``, by ``part`` of all of it, with ``name`` (of file and format) before what it says."""
    progress(name, start)
    return replace(scene, progress=lambda what, share: progress(f"{name}: {what}", start + part * min(max(share, 0.0), 1.0)))


def ghosts_of(trace: Trace, index: Index) -> tuple[Ghost, ...]:
    """The exemplars of the placements of ``trace``, cut to their slots, from the index that they were found in."""
    return tuple(_ghost(row, place, index) for row, place in enumerate(trace.placements))


def _ghost(row: int, place: PlacementFact, index: Index) -> Ghost:
    from raggesture.clock import CHUNK_FRAMES, MODEL_FPS
    from raggesture.motion import Motion

    first, stop = (chunk * CHUNK_FRAMES for chunk in place.source_chunks)
    cut = index.clip_window(place.clip, place.source_frame + first, stop - first, context=0)
    return Ghost(row, Motion(cut.rotations, cut.translation, cut.expression, float(MODEL_FPS)))
