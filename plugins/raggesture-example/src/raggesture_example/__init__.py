"""A raggesture plugin: the retrievers ``contour`` and ``emphasis``, and the guidance schedule ``ease``."""

from __future__ import annotations

from raggesture.plugins.hookspecs import hookimpl
from raggesture_example.contour import Contour
from raggesture_example.ease import Ease
from raggesture_example.emphasis import Emphasis

__all__ = ["Contour", "Ease", "Emphasis"]


@hookimpl
def raggesture_retrievers() -> list[type]:
    """The retrievers of this package."""
    return [Emphasis, Contour]


@hookimpl
def raggesture_guidance_schedules() -> list[type]:
    """The guidance schedules of this package."""
    return [Ease]
