"""A hook that raises."""

from raggesture.plugins.hookspecs import hookimpl


@hookimpl
def raggesture_retrievers():
    """Raise."""
    raise RuntimeError("the hook\nfell over")
