"""A hook that nobody will ever call."""

from raggesture.plugins.hookspecs import hookimpl


@hookimpl
def raggesture_retriever():
    """Return nothing; the name lacks its s."""
    return []
