"""A hook that returns something else than a list of classes."""

from raggesture.plugins.hookspecs import hookimpl


@hookimpl
def raggesture_exporters():
    """Return one thing."""
    return 42
