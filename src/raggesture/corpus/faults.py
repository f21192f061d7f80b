"""What of a corpus was left out and why: one record a fault, handed to whoever reads the corpus; with ``strict`` the first one is an error."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from raggesture.errors import InputError

LOG = logging.getLogger("raggesture")


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something of a corpus that was left out.

    ``clip``: its id; ``path``: the file at fault; ``reason``: the whole message, naming file and row; ``row``: the row that was left out, None where
    the whole clip was.
    """

    clip: str
    path: Path
    reason: str
    row: int | None = None

    @property
    def whole(self) -> bool:
        """Whether the clip is gone, not a row of one of its files."""
        return self.row is None

    def __str__(self) -> str:
        return f"clip {self.clip}: left out{'' if self.whole else ' a row'}: {self.reason}"


Report = Callable[[Skipped], None]
"""Takes each thing left out, at once."""


def warn(skipped: Skipped) -> None:
    """A ``Report`` that logs a warning."""
    LOG.warning("%s", skipped)


@dataclass(frozen=True, slots=True)
class Sieve:
    """How faults of ``clip`` are taken: ``strict`` raises each, else each goes to ``report``.

    ``outside_is_fault`` off: also a strict sieve reports rows that are well-formed but lie outside the clip, and goes on.
    """

    strict: bool = False
    report: Report = warn
    clip: str = ""
    outside_is_fault: bool = True

    def of(self, clip: str) -> Sieve:
        """The same for another clip."""
        return replace(self, clip=clip)

    def leave_out(self, path: Path, reason: str, row: int | None = None, *, outside: bool = False) -> None:
        """Record one fault. Raises InputError with ``reason`` when strict."""
        if self.strict and not (outside and not self.outside_is_fault):
            raise InputError(reason)
        self.report(Skipped(self.clip, path, reason, row))


STRICT = Sieve(strict=True)
FIRM = Sieve(strict=True, outside_is_fault=False)
"""Malformed rows are errors, rows outside the clip are left out with a warning."""
