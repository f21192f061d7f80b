"""What of a corpus was left out and why: one record a fault, handed to whoever reads the corpus; with ``strict`` the first one is an error."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
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
        return f"{'clip' if self.whole else 'row of clip'} {self.clip} left out: {self.reason}"


Report = Callable[[Skipped], None]
"""Takes each thing left out, at once."""


def warn(skipped: Skipped) -> None:
    """A ``Report`` that logs a warning."""
    LOG.warning("%s", skipped)


@dataclass(frozen=True, slots=True)
class Sieve:
    """How faults are taken: ``strict`` raises each, else each goes to ``report``."""

    strict: bool = False
    report: Report = warn

    def leave_out(self, clip: str, path: Path, reason: str, row: int | None = None) -> None:
        """Record one fault. Raises InputError with ``reason`` when strict."""
        if self.strict:
            raise InputError(reason)
        self.report(Skipped(clip, path, reason, row))


STRICT = Sieve(strict=True)
