"""What a guidance schedule says for evenly crowded steps, carried over to a sampler whose steps lie at other levels.

A schedule speaks of shares of the steps. The *clock* of n rates is ``spaced(n)``, the published spacing, so that a share is a noise level; a sampler
with other levels gets at each of its steps what the clock says of the levels since its step before.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from raggesture.diffusion.noise import NoiseSchedule, spaced


def carried(rates: Tensor, schedule: NoiseSchedule) -> Tensor:
    """Rates (n, ...) of the clock for the levels of ``schedule``: (K, ...), noisiest step first. On the clock's own levels they stay as they are.

    Step k gets the mean of the clock's rates over the levels from step k - 1 (left out) to its own. So a border that lies between two steps, be it the
    schedule's or a weight's, leaves the second one a fraction of its rate, and moves evenly.
    """
    clock = spaced(rates.shape[0])
    if torch.equal(clock.timesteps, schedule.timesteps):
        return rates
    shares = torch.from_numpy(_shares(clock, schedule)).to(rates.device)
    found: Tensor = torch.tensordot(shares, rates.to(torch.float64), dims=1).to(rates.dtype)
    return found


def _shares(clock: NoiseSchedule, schedule: NoiseSchedule) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(K, n): how much of the levels that step k answers for belongs to each of the clock's steps; rows sum to 1.

    The clock's step j answers for the places (j - 1, j], counted from its noisiest level.
    """
    last = clock.n_steps - 1
    places = last - np.interp(schedule.timesteps.flip(0).numpy(), clock.timesteps.numpy(), np.arange(clock.n_steps, dtype=np.float64))  # (K,) rising
    before = np.concatenate([places[:1] - 1.0, places[:-1]])
    steps = np.arange(clock.n_steps, dtype=np.float64)
    overlap = np.minimum(places[:, None], steps) - np.maximum(before[:, None], steps - 1.0)
    found: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = np.clip(overlap, 0.0, None) / (places - before)[:, None]
    return found
