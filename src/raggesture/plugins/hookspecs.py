"""Hook markers, hook specifications and the protocols of the parts that plugins bring. Types only.

Every hook takes no arguments and returns a **list of classes**, so that a broken plugin's answer can be attributed and
dropped whole. A class names itself (``name``: ``[a-z][a-z0-9_-]*``) and its options (``Options``: a pydantic model, frozen,
strict, ``extra="forbid"``, a default for every field). Source: DESIGN section 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import pluggy

if TYPE_CHECKING:
    from pydantic import BaseModel

    from raggesture.motion import Motion
    from raggesture.retrieval.index import Index
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
