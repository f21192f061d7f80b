"""The training loss on predicted clean latents. Source: METHOD part I (b) "Training"."""

from __future__ import annotations

from torch import Tensor


def x0_loss(predicted: Tensor, x_0: Tensor, mask: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean squared error over channels, averaged over the tokens of the mask.

    Args:
        predicted, x_0: (B, T, D). mask: (B, T), 1 where a token counts (0 at separators). weight: (B,) factor of each sample
        (``Denoiser.loss_weight``), or None for 1.

    Returns: a scalar.
    """
    error = (predicted - x_0).square().mean(-1)  # (B, T)
    if weight is not None:
        error = error * weight[:, None]
    return (error * mask).sum() / mask.sum()
