"""Hook markers, hook specifications and the protocols of the parts that plugins bring. Types only.

Every hook takes no arguments and returns a **list of classes**, so that a broken plugin's answer can be attributed and
dropped whole. A class names itself (``name``: ``[a-z][a-z0-9_-]*``) and its options (``Options``: a pydantic model, frozen,
strict, ``extra="forbid"``, a default for every field). Source: DESIGN section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import pluggy

if TYPE_CHECKING:
    from pydantic import BaseModel

    from raggesture.encoders.base import AudioEncoder, TextEncoder
    from raggesture.metrics.clip import EvaluatedClip
    from raggesture.metrics.measured import Array, Combined, Measurements
    from raggesture.motion import Motion
    from raggesture.retrieval.index import Index
    from raggesture.retrieval.product import Product
    from raggesture.types import Cues, Hit, Query, Speech

GROUP = "raggesture"
"""Entry-point group and pluggy project name."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@runtime_checkable
class Retriever(Protocol):
    """Decides which words want which gesture, and ranks the exemplars of an index for each."""

    name: ClassVar[str]
    Options: ClassVar[type[BaseModel]]

    def __init__(self, options: Any) -> None: ...

    def queries(self, speech: Speech, cues: Cues) -> Sequence[Query]:
        """Return the queries of ``speech`` in time order, each inside the speech."""
        ...

    def rank(self, query: Query, index: Index) -> Sequence[Hit]:
        """Return hits for ``query``, best first; each hit's terms sum to its score."""
        ...


@runtime_checkable
class GuidanceSchedule(Protocol):
    """How strongly the anchors pull at each sampling step."""

    name: ClassVar[str]
    Options: ClassVar[type[BaseModel]]

    def __init__(self, options: Any) -> None: ...

    def rates(self, n_steps: int) -> tuple[float, ...]:
        """Return ``n_steps`` rates in [0, 1], noisiest step first: the fraction of the gap to the anchor that is closed."""
        ...


@runtime_checkable
class Exporter(Protocol):
    """Writes one generation in one format."""

    name: ClassVar[str]
    suffix: ClassVar[str]
    Options: ClassVar[type[BaseModel]]

    def __init__(self, options: Any) -> None: ...

    def write(self, scene: Scene, path: Path) -> None:
        """Write ``scene`` to ``path`` (a temporary name that the caller renames)."""
        ...


@runtime_checkable
class IndexBackend(Protocol):
    """Keeps indexes somewhere else than in a folder: every location that begins with ``scheme`` and ``://`` is its own."""

    name: ClassVar[str]
    scheme: ClassVar[str]
    Options: ClassVar[type[BaseModel]]

    def __init__(self, options: Any) -> None: ...

    def open(self, location: str) -> Index:
        """Open the index at ``location``."""
        ...

    def add(self, location: str, products: Iterable[Product], library: Library) -> tuple[str, ...]:
        """Put clips in, each whole or not at all; an index that is not there is made. Returns the names of the clips put in."""
        ...

    def remove(self, location: str, clips: Collection[str], speakers: Collection[str]) -> tuple[str, ...]:
        """Take clips out, by name or by speaker; returns their names, sorted."""
        ...

    def verify(self, location: str) -> tuple[str, ...]:
        """Hold all that is kept against its checksums; returns a line for each fault."""
        ...


@runtime_checkable
class Metric(Protocol):
    """Measures results: each clip by itself, and then all of them together.

    ``direction`` says what is better: ``lower``, ``higher``, or ``reference`` (nearer to the references' own figure). ``needs``: what a clip must have
    beside its motion (see ``raggesture.metrics.clip.NEEDS``). ``meaning``: a sentence on what the figure says and does not say. ``version`` goes up when
    the same clip would be measured otherwise. ``asked_only``: not in the table unless it is asked for by name.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    direction: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    source: ClassVar[str]
    meaning: ClassVar[str]
    version: ClassVar[int]
    asked_only: ClassVar[bool]
    Options: ClassVar[type[BaseModel]]

    def __init__(self, options: Any) -> None: ...

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """Measure one clip: named arrays of numbers, small enough to be kept. Empty where there is nothing to measure."""
        ...

    def combine(self, measured: Measurements) -> Combined:
        """Make the figures of what was measured, and the value of each clip where it has one."""
        ...


@dataclass(frozen=True, slots=True)
class Library:
    """What clips are put in with. ``replace``: empty the index first. ``progress``: told each clip's name.

    ``grid``: as in ``raggesture.retrieval.store.IndexManifest``.
    """

    text_encoder: TextEncoder
    audio_encoder: AudioEncoder
    licence: str = ""
    grid: str = "stroke"
    replace: bool = False
    progress: Callable[[str], None] | None = None


class Scene(Protocol):
    """What an exporter may show: the motion, and where there is one, the voice and the trace of how it came about."""

    @property
    def name(self) -> str:
        """Name of the result, without a suffix."""
        ...

    @property
    def motion(self) -> Motion:
        """The motion to show."""
        ...

    @property
    def speech(self) -> Speech | None:
        """The voice and its words, if there are any."""
        ...

    @property
    def trace(self) -> Any:
        """The trace as plain JSON data (schema in ``raggesture.trace``), or None."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Ghost:
    """The retrieved exemplar of row ``placement`` of the trace's placements, as it was recorded.

    ``motion`` is cut to the slot: its first frame belongs to the placement's ``start_s`` (in its clip, to ``source_start_s``),
    its last lies before ``end_s``; 15 or 30 fps. Where the clip does not reach, the clip's first or last frame is repeated.
    """

    placement: int
    motion: Motion


@dataclass(frozen=True, slots=True, eq=False)
class Second:
    """A second result of the same speech, shown beside the scene's own motion. ``labels``: of the scene's motion, of this one."""

    motion: Motion
    labels: tuple[str, str]


@runtime_checkable
class SceneWithGhosts(Protocol):
    """A scene that also holds the exemplars that were injected, at most one for each placement. Exporters ask with ``isinstance``."""

    ghosts: Sequence[Ghost]


@runtime_checkable
class SceneOfTwo(Protocol):
    """A scene that may hold a second result to compare with. Exporters ask with ``isinstance``."""

    second: Second | None


@runtime_checkable
class SceneWithProgress(Protocol):
    """A scene that is told how far its file is: ``progress(what, share)``, a few words and 0 to 1. Exporters ask with ``isinstance``, or do not."""

    progress: Callable[[str, float], None]


class HookSpecs:
    """The hooks of raggesture. Each returns a list of classes."""

    @hookspec
    def raggesture_retrievers(self) -> list[type[Retriever]]:
        """Return retriever classes."""
        raise AssertionError("a hook specification is never called")

    @hookspec
    def raggesture_guidance_schedules(self) -> list[type[GuidanceSchedule]]:
        """Return guidance schedule classes."""
        raise AssertionError("a hook specification is never called")

    @hookspec
    def raggesture_exporters(self) -> list[type[Exporter]]:
        """Return exporter classes."""
        raise AssertionError("a hook specification is never called")

    @hookspec
    def raggesture_index_backends(self) -> list[type[IndexBackend]]:
        """Return index backend classes."""
        raise AssertionError("a hook specification is never called")

    @hookspec
    def raggesture_metrics(self) -> list[type[Metric]]:
        """Return metric classes."""
        raise AssertionError("a hook specification is never called")
