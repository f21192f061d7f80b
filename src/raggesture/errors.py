"""The error tree of raggesture and the exit code of each class.

A message reads *subject: what was found; what was expected - what to do* and names a path or an address. The library
raises; only ``raggesture.cli.app`` prints and exits. Exit code 1 is left for bugs (an exception that is not ours).
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class RaggestureError(Exception):
    """Base of every error a user can meet; ``exit_code`` is what the command line returns for it."""

    exit_code: ClassVar[int] = 1


class UsageError(RaggestureError):
    """The command was put together wrongly (an option that contradicts another, an output that exists)."""

    exit_code = 2


class InputError(RaggestureError):
    """A file given as input cannot be used as it is."""

    exit_code = 3


class ConfigError(RaggestureError):
    """A profile, an option of a part or a plugin is wrong."""

    exit_code = 4


class ModelError(RaggestureError):
    """A model, index or packaged weight is missing, truncated, altered or does not fit."""

    exit_code = 5


class ServiceError(RaggestureError):
    """A service that was asked (a language model) did not give a usable answer."""

    exit_code = 6


class Interrupted(RaggestureError):  # noqa: N818 - it is not a fault
    """The user stopped the work; nothing half-written is left behind."""

    exit_code = 130


MOST_NAMES = 40
"""So many known names are listed in a message."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the tail of a message for an unknown ``name``: the nearest known name, then all of them (of many, the first).

    >>> did_you_mean("discource", ["llm", "discourse"])
    "did you mean 'discourse'? (known: discourse, llm)"
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    listed = f"known: {', '.join(names[:MOST_NAMES])}{more}" if names else "none is known"
    return f"did you mean {near[0]!r}? ({listed})" if near else listed
