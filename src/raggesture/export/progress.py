"""How far an exporter is, told to a scene that listens."""

from __future__ import annotations

from collections.abc import Callable

from raggesture.plugins.hookspecs import Scene, SceneWithProgress

Told = Callable[[str, float], None]
"""``(what, share)``: a few words for what is being made, and how much of the file is there, 0 to 1."""


def told_to(scene: Scene) -> Told:
    """The callback of a scene that listens; for another one that does nothing."""
    return scene.progress if isinstance(scene, SceneWithProgress) else _nobody


def _nobody(what: str, share: float) -> None:
    return None
