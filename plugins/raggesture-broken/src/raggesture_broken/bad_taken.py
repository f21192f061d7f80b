"""A schedule that would like to be the built-in ``hold``."""

from raggesture.plugins.hookspecs import hookimpl
from raggesture_broken.bad_signature import Good


class Usurper(Good):
    """Has a built-in's name."""

    name = "hold"


@hookimpl
def raggesture_guidance_schedules():
    """Return it."""
    return [Usurper]
