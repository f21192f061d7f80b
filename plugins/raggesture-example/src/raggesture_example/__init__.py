"""A raggesture plugin: the retrievers ``contour`` and ``emphasis``, the guidance schedule ``ease``, the metric ``reach``."""

from __future__ import annotations

from raggesture.plugins.hookspecs import hookimpl
from raggesture_example.contour import Contour
from raggesture_example.ease import Ease
from raggesture_example.emphasis import Emphasis
from raggesture_example.reach import Reach

__all__ = ["Contour", "Ease", "Emphasis", "Reach"]


@hookimpl
def raggesture_retrievers() -> list[type]:
    """The retrievers of this package."""
    return [Emphasis, Contour]


@hookimpl
def raggesture_guidance_schedules() -> list[type]:
    """The guidance schedules of this package."""
    return [Ease]


@hookimpl
def raggesture_metrics() -> list[type]:
    """The metrics of this package."""
    return [Reach]
