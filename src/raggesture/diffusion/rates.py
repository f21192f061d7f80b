"""How strongly a number of gradient steps pulls, in closed form. No torch, so that schedules load quickly."""

from __future__ import annotations

from raggesture.errors import ConfigError


def closed_form_rate(lr: float, n: int) -> float:
    """Fraction of the gap to the anchor closed by ``n`` gradient steps of size ``lr`` on the per-token sum of squares.

    ``1 - (1 - 2 lr)**n``: one step on ``sum((x - a)**2)`` moves x by ``2 lr (a - x)``, and the loss does not pass through the denoiser.

    Source: METHOD part III "guidance". Differs from the released code: there the mean over all elements of the batch is taken, so that
    one iteration closes about 1e-5 of the gap.

    >>> closed_form_rate(0.1, 2)
    0.36
    """
    if not 0.0 < lr <= 0.5:
        raise ConfigError(f"lr: {lr}; expected a number in (0, 0.5] - above it the pull would overshoot the anchor")
    if n < 0:
        raise ConfigError(f"iterations: {n}; expected at least 0 - correct it")
    return round(1.0 - (1.0 - 2.0 * lr) ** n, 15)
