"""What to say of work that was cut off in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raggesture.errors import UsageError

if TYPE_CHECKING:
    from raggesture.longform_work import Work


GOES_ON = "make some and run the same command again, it goes on from there"
IS_OVER = "make some; what was said meanwhile cannot be heard again"


def cut_off(work: Work, fault: OSError, then: str = GOES_ON) -> UsageError:
    """What to say when a file cannot be written in the middle of the work, and what can be done then."""
    from raggesture.clock import MOTION_FPS
    from raggesture.longform_files import frames_of

    made_s = frames_of(work.motions()) / MOTION_FPS
    return UsageError(
        f"{work.folder}: cannot be written to ({fault.strerror or fault}) after {made_s:.0f} s of motion, which are kept there as motion-*.npz; "
        f"expected room to write - {then}"
    )
