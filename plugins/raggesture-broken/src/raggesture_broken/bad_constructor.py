"""A part that looks well and cannot be made."""

from pydantic import BaseModel, ConfigDict

from raggesture.plugins.hookspecs import hookimpl


class Options(BaseModel):
    """Nothing."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Unmakeable:
    """Its constructor raises."""

    name = "unmakeable"
    Options = Options

    def __init__(self, options):
        raise RuntimeError("no weights here")

    def queries(self, speech, cues):
        """Return nothing."""
        return []

    def rank(self, query, index):
        """Return nothing."""
        return []


@hookimpl
def raggesture_retrievers():
    """Return it."""
    return [Unmakeable]
