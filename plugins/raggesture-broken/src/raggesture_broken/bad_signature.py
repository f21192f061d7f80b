"""Classes that are no parts, beside one that is: the good one must survive."""

from pydantic import BaseModel, ConfigDict

from raggesture.plugins.hookspecs import hookimpl


class Options(BaseModel):
    """Nothing."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Loose(BaseModel):
    """Takes anything."""

    anything: int = 0


class Needy(BaseModel):
    """Has a field without a default."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    anything: int


class Good:
    """A schedule as it should be."""

    name = "good"
    Options = Options

    def __init__(self, options):
        self.options = options

    def rates(self, n_steps):
        """Return nothing but zeros."""
        return (0.0,) * n_steps


class WrongArguments(Good):
    """``rates`` takes no steps."""

    name = "wrong-arguments"

    def rates(self):
        """Return nothing."""
        return ()


class NoMethod:
    """Has no ``rates``."""

    name = "no-method"
    Options = Options

    def __init__(self, options):
        self.options = options


class BadName(Good):
    """Has a name nobody can type."""

    name = "Bad Name!"


class LooseOptions(Good):
    """Its options take anything."""

    name = "loose-options"
    Options = Loose


class NeedyOptions(Good):
    """Its options have no default."""

    name = "needy-options"
    Options = Needy


class NoOptions(Good):
    """Its options are no model."""

    name = "no-options"
    Options = dict


@hookimpl
def raggesture_guidance_schedules():
    """Return all of them, and something that is no class."""
    return [WrongArguments, NoMethod, BadName, LooseOptions, NeedyOptions, NoOptions, "a string", Good]
