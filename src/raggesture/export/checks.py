"""What every animation file asks of a motion."""

from __future__ import annotations

import math

from raggesture.errors import InputError
from raggesture.motion import Motion


def check_animated(motion: Motion) -> None:
    """Nothing, if ``motion`` can be an animation.

    Raises:
        InputError: it has no frames, or its rate is no rate.
    """
    if motion.frames == 0:
        raise InputError("motion: 0 frames; expected at least one - there is nothing to animate")
    if not (math.isfinite(motion.fps) and motion.fps > 0):
        raise InputError(f"motion: {motion.fps:g} frames a second; expected a rate above 0 - correct mocap_frame_rate in the file it came from")
