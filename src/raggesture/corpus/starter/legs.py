"""Feet that stay where they stand, and steps now and then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.body.leg_ik import ANKLE_HEIGHT_M, Stand
from raggesture.body.smoothing import gaussian_smooth

Floats = NDArray[np.float64]
_HALF_STANCE_M, _TOE_OUT = 0.145, 0.36
_STEP_S, _LIFT_M = (0.34, 0.46), 0.06
_STAND_M, _SHIFT_S = (0.12, 0.15), 0.90
HEIGHT_M = 1.318
"""Mean height of the root's translation above the floor."""


def _wanted(root: Floats, yaw: Floats, side: str) -> tuple[Floats, Floats]:
    """Place (F, 2) x/z and heading (F,) that a foot would choose under the body."""
    sign = 1.0 if side == "left" else -1.0
    heading = yaw * 0.6
    out = np.stack([np.cos(heading), -np.sin(heading)], axis=-1) * (sign * _HALF_STANCE_M)
    ahead = np.stack([np.sin(heading), np.cos(heading)], axis=-1) * (-0.02)
    return root[:, [0, 2]] + out + ahead, heading + sign * _TOE_OUT


@dataclass(frozen=True, slots=True)
class Steps:
    """When the speaker steps (s), and where the stand then is: (x, z) m from the first one."""

    times: tuple[float, ...]
    stands: tuple[tuple[float, float], ...]


def draw_steps(duration_s: float, stance_s: float, rng: np.random.Generator) -> Steps:
    """Steps about every ``stance_s`` seconds; the stand wanders but does not run away."""
    times, stands = [], [(0.0, 0.0)]
    t = float(rng.uniform(0.4, 1.0)) * stance_s
    while t < duration_s - 1.2:
        times.append(t)
        x, z = stands[-1]
        move = np.clip(rng.standard_normal(2), -1.3, 1.3) * np.array(_STAND_M)
        stands.append((0.75 * x + float(move[0]), 0.75 * z + float(move[1])))
        t += max(2.0, float(rng.exponential(stance_s * 0.5)) + stance_s * 0.5)
    return Steps(tuple(times), tuple(stands))


def stand_path(steps: Steps, frames: int, fps: float) -> Floats:
    """(F, 3) m: the body's shift with every step."""
    out = np.zeros((frames, 3))
    time = np.arange(frames) / fps
    for t, before, after in zip(steps.times, steps.stands[:-1], steps.stands[1:], strict=True):
        u = np.clip((time - t + 0.15) / _SHIFT_S, 0, 1)[:, None]
        out[:, [0, 2]] += (np.array(after) - np.array(before)) * u**3 * (10 - 15 * u + 6 * u**2)
    return out


def stand_feet(root: Floats, yaw: Floats, steps: Steps, fps: float, rng: np.random.Generator) -> dict[str, Stand]:
    """Plant both feet; at each step one foot after the other goes to where the body will be, the one on the way first.

    Args:
        root: (F, 3) m, the root's path; yaw: (F,) rad, the pelvis' heading.
    """
    frames = len(root)
    slow_root, slow_yaw = gaussian_smooth(root, 0.6 * fps), gaussian_smooth(yaw[:, None], 0.8 * fps)[:, 0]
    order = [("left", "right") if b[0] > a[0] else ("right", "left") for a, b in zip(steps.stands[:-1], steps.stands[1:], strict=True)]
    durations = rng.uniform(*_STEP_S, size=(len(steps.times), 2))
    nudges = rng.standard_normal((len(steps.times), 2, 2)) * 0.03
    feet = {}
    for side in ("left", "right"):
        place, heading = _wanted(slow_root, slow_yaw, side)
        ankle = np.empty((frames, 3))
        ankle[:, [0, 2]], ankle[:, 1] = place[min(frames - 1, int(1.5 * fps))], ANKLE_HEIGHT_M
        turned = np.full(frames, heading[min(frames - 1, int(1.5 * fps))])
        for k, t in enumerate(steps.times):
            which = order[k].index(side)
            length = durations[k, which]
            start = t + which * (durations[k, 0] + 0.12)
            first = int(start * fps)
            ahead = min(frames - 1, int((t + 1.6) * fps))
            u = np.clip((np.arange(frames - first) / fps) / length, 0, 1)
            rise = u**3 * (10 - 15 * u + 6 * u**2)
            goal = place[ahead] + nudges[k, which]
            here = ankle[first, [0, 2]].copy()
            ankle[first:, [0, 2]] = here + (goal - here) * rise[:, None]
            ankle[first:, 1] = ANKLE_HEIGHT_M + _LIFT_M * 16 * (u * (1 - u)) ** 2
            turned[first:] = turned[first] + (heading[ahead] - turned[first]) * rise
        feet[side] = Stand(ankle, turned)
    return feet
