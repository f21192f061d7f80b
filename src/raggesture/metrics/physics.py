"""What a body cannot do: jerk, feet that slide, hands inside the body, a root that drifts.

Conventions: joints (F, 55, 3) metres; seconds; the floor is where the lower foot is in the lowest twentieth of the frames. Each says one thing only: a statue
passes all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.body.hands_out import HANDS, outward
from raggesture.errors import InputError

Floats = NDArray[np.float64]
WRISTS = (20, 21)
TOES = (10, 11)
FEWEST_FRAMES = 8
CONTACT_M = 0.05
DEEP_M = 0.01
_MOVES_M_S = 1e-3


def _checked(joints: NDArray[np.floating]) -> Floats:
    if joints.ndim != 3 or joints.shape[2] != 3 or len(joints) < FEWEST_FRAMES:
        raise InputError(f"joints {joints.shape}: expected (frames, joints, 3) with at least {FEWEST_FRAMES} frames - use a longer motion")
    return joints.astype(np.float64)


def log_dimensionless_jerk(joints: NDArray[np.floating], fps: float) -> float:
    """Mean over joints of -ln(T^3 / v_peak^2 * integral of |jerk|^2 dt): the higher (less negative), the smoother. Joints that stand still do not count.

    NaN where none moves. It falls with the motion's length: compare equal lengths only. Source: Hogan and Sternad 2009; Balasubramanian et al. 2015.

    Raises:
        InputError: no (F, J, 3), or under eight frames.
    """
    places = _checked(joints)
    speed = np.linalg.norm(np.diff(places, axis=0), axis=-1) * fps  # (F - 1, J)
    peak = speed.max(axis=0)
    jerk = np.linalg.norm(np.diff(places, n=3, axis=0), axis=-1) * fps**3  # (F - 3, J)
    moving = peak > _MOVES_M_S
    if not moving.any():
        return float("nan")
    seconds = len(jerk) / fps
    dimensionless = seconds**3 / peak[moving] ** 2 * (jerk[:, moving] ** 2).sum(axis=0) / fps
    return float(-np.log(np.maximum(dimensionless, 1e-12)).mean())


@dataclass(frozen=True, slots=True)
class Footing:
    """``contact``: share of frames in which a foot is on the floor. ``slide_m_s``: mean horizontal speed of feet on the floor, NaN if none ever is."""

    contact: float
    slide_m_s: float


def footing(joints: NDArray[np.floating], fps: float) -> Footing:
    """How feet stand, from joints with their translation.

    Raises:
        InputError: no (F, 55, 3), or under eight frames.
    """
    toes = _checked(joints)[:, list(TOES)]  # (F, 2, 3)
    floor = np.percentile(toes[..., 1].min(axis=1), 5)
    standing = toes[..., 1] < floor + CONTACT_M  # (F, 2)
    step = np.linalg.norm(np.diff(toes[..., [0, 2]], axis=0), axis=-1) * fps
    both = standing[1:] & standing[:-1]
    return Footing(float(standing.any(axis=1).mean()), float(step[both].mean()) if both.any() else float("nan"))


@dataclass(frozen=True, slots=True)
class Drift:
    """Horizontal distance of the root from where it began: at the end, and at the most."""

    end_m: float
    farthest_m: float


def root_drift(translation: NDArray[np.floating]) -> Drift:
    """Drift of a translation (F, 3).

    Raises:
        InputError: no frames, or no (F, 3).
    """
    if translation.ndim != 2 or translation.shape[1] != 3 or len(translation) == 0:
        raise InputError(f"translation {translation.shape}: expected (frames, 3) - check the file it came from")
    away = np.linalg.norm((translation - translation[0])[:, [0, 2]].astype(np.float64), axis=-1)
    return Drift(float(away[-1]), float(away.max()))


def hand_depth(joints: NDArray[np.floating]) -> Floats:
    """(F,) metres by which a hand is inside the trunk, the head, a thigh or the other arm and hand at the worst; 0 where it is not.

    Capsules around bones, narrower than a clothed person, stand for the skin; hands that are laid on the body are not inside it.

    Raises:
        InputError: no (F, 55, 3), or under eight frames.
    """
    j = _checked(joints)
    worst = np.maximum.reduce([outward(j, hand)[0] for hand in HANDS])
    depth: Floats = np.maximum(worst, 0.0)
    return depth
