"""``--plan`` and ``--plan-only``: which file is whose plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from raggesture.errors import UsageError

if TYPE_CHECKING:
    from raggesture.plan_file.data import GivenPlan

PLAN_SUFFIX = ".plan.toml"


def check_plan(plan: Path | None, speeches: Sequence[Path]) -> None:
    """Raise UsageError for one plan with several recordings: a plan is for one."""
    if plan is not None and len(speeches) > 1 and not plan.is_dir():
        raise UsageError(
            f"--plan {plan}: given with {len(speeches)} recordings; expected one, or a folder with SPEECH{PLAN_SUFFIX} of each - run them one by one"
        )


def given_plan(plan: Path | None, speech: Path) -> GivenPlan | None:
    """The plan of a recording, read; from a folder the one with the recording's name.

    Raises:
        InputError: it cannot be read, or a key of it is wrong.
    """
    if plan is None:
        return None
    from raggesture.plan_file.reading import read_plan

    return read_plan(plan / f"{speech.stem}{PLAN_SUFFIX}" if plan.is_dir() else plan)
