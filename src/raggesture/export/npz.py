"""The ``npz`` exporter: SMPL-X motion with BEAT2's keys, which Blender's SMPL-X add-on and BEAT2's own tools read."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from raggesture.motion import write_npz
from raggesture.plugins.hookspecs import Exporter, Scene, hookimpl


class NpzOptions(BaseModel):
    """``npz`` has no options."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class NpzExporter:
    """Writes the motion; the same motion gives the same bytes."""

    name: ClassVar[str] = "npz"
    suffix: ClassVar[str] = ".npz"
    Options: ClassVar[type[BaseModel]] = NpzOptions

    def __init__(self, options: NpzOptions) -> None:
        self._options = options

    def write(self, scene: Scene, path: Path) -> None:
        """Write ``scene.motion`` to ``path``."""
        write_npz(scene.motion, path)


@hookimpl
def raggesture_exporters() -> list[type[Exporter]]:
    """The exporter of this module."""
    return [NpzExporter]
