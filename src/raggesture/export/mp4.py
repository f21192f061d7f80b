"""The ``mp4`` exporter: a film of the body with the voice, its words and the injected gestures burnt in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from raggesture.export.film.encode import check_encoder
from raggesture.export.film.options import FilmOptions
from raggesture.plugins.hookspecs import Exporter, Scene, hookimpl


class Mp4Exporter:
    """Writes the film.

    Raises:
        ConfigError: PyAV is not installed. ModelError: ``body`` is no file. Both are said before the work, not after it.
    """

    name: ClassVar[str] = "mp4"
    suffix: ClassVar[str] = ".mp4"
    Options: ClassVar[type[BaseModel]] = FilmOptions

    def __init__(self, options: FilmOptions) -> None:
        check_encoder()
        if options.body and options.figure == "mannequin":
            from raggesture.body.smplx_file import check_there

            check_there(Path(options.body))
        self._options = options

    def write(self, scene: Scene, path: Path) -> None:
        """Write the film of ``scene`` to ``path``; see ``raggesture.export.film.film.film_of``."""
        self.write_together([scene], path)

    def write_together(self, scenes: Sequence[Scene], path: Path) -> None:
        """Write one film of several results side by side, each under its name, with the voice of the first that has one."""
        from raggesture.export.film.film import film_of

        film_of(scenes, path, self._options)


@hookimpl
def raggesture_exporters() -> list[type[Exporter]]:
    """The exporter of this module."""
    return [Mp4Exporter]
