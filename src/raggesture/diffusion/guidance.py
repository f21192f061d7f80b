"""Anchors pull latents towards exemplars: ``x + rate * (anchor - x)`` before the denoiser, at the anchors' own noise level.

Source: RAG-Gesture section 3.4 (retrieval-guided generation); METHOD part III. Differs from the released code: there the guided
positions are overwritten by re-noised inverted latents, one level off, whatever the schedule says (``raggesture.diffusion.released``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from raggesture.diffusion.ddim import Guide
from raggesture.diffusion.rates import closed_form_rate
from raggesture.errors import ConfigError

__all__ = ["DIAL", "AnchorGuide", "Anchors", "Dial", "chain", "closed_form_rate", "mixed_start", "rates_per_token"]


@dataclass(frozen=True, slots=True, eq=False)
class Anchors:
    """``latents``: (K, B, T, D), entry k at the noise level of step k (step 0 noisiest). ``mask``: (B, T) bool, tokens that are anchored."""

    latents: Tensor
    mask: Tensor

    def __post_init__(self) -> None:
        if self.latents.ndim != 4 or self.mask.shape != self.latents.shape[1:3] or self.mask.dtype != torch.bool:
            raise ConfigError(
                f"anchors: latents {tuple(self.latents.shape)}, mask {tuple(self.mask.shape)} {self.mask.dtype}; "
                "expected (K, B, T, D) and bool (B, T) - correct them"
            )


@dataclass(frozen=True, slots=True)
class Dial:
    """What a weight in [0, 1] does, so that the distance to the exemplar falls evenly with it.

    Up to the first knot it turns the start latents from free noise to the exemplar's, and nothing is guided; from there on the start is the exemplar's
    and the weight moves the step at which guidance ends. ``knots``: (weight, share of the guided steps that are kept), straight between them.

    Source: TRAINING "The dial": scaling the rates saturates at a quarter, because a pull repeated forty times compounds; moving the end is even.
    That holds for start latents that count for little. The packaged model's make half of a gesture that the word itself suggests and a seventh of another,
    and its early steps count for more than its late ones: the default knots are read off both curves' mean (``python -m raggesture.training.dial``).
    """

    knots: tuple[tuple[float, float], ...] = ((0.32, 0.0), (0.41, 0.125), (0.53, 0.25), (0.8, 0.5), (0.9, 0.75), (1.0, 1.0))

    def __post_init__(self) -> None:
        weights, shares = zip(*self.knots, strict=True)
        rising = all(a < b for column in (weights, shares) for a, b in pairwise(column))
        if not rising or not 0.0 <= weights[0] < 1.0 or (weights[-1], shares[0], shares[-1]) != (1.0, 0.0, 1.0):
            raise ConfigError(f"dial: knots {self.knots}; expected rising pairs from (w, 0) to (1, 1) - correct them")

    def start(self, weights: Tensor) -> Tensor:
        """How far the start latents are the exemplar's: 0 at weight 0, 1 from the first knot on."""
        first = self.knots[0][0]
        return (weights / first).clamp(0.0, 1.0) if first > 0 else (weights > 0).to(weights.dtype)

    def guided(self, weights: Tensor) -> Tensor:
        """Share of the guided steps that are kept: 0 up to the first knot, 1 at weight 1."""
        kept = torch.zeros_like(weights)
        for (low, a), (high, b) in pairwise(self.knots):
            kept = kept + (b - a) * ((weights - low) / (high - low)).clamp(0.0, 1.0)
        return kept


DIAL = Dial()


def mixed_start(free: Tensor, anchor: Tensor, share: Tensor) -> Tensor:
    """Start latents (B, T, D) between ``free`` noise and an anchor's noisiest level: ``cos(a) free + sin(a) anchor`` with a quarter turn at ``share`` 1.

    The variance is kept, so that every start is one the model knows. ``share`` (B, T) in [0, 1]; 0 and 1 are exactly ``free`` and ``anchor``.
    """
    angle = (share * (math.pi / 2)).to(free.dtype)[..., None]
    mixed = torch.cos(angle) * free + torch.sin(angle) * anchor
    return torch.where(share[..., None] <= 0, free, torch.where(share[..., None] >= 1, anchor, mixed))


def rates_per_token(rates: tuple[float, ...], weights: Tensor, dial: Dial = DIAL) -> Tensor:
    """Rates for every step and token: a token's weight moves the step at which its guidance ends.

    With the schedule's guidance lasting from step ``s`` to ``e``, weight w lets it end at ``s + dial.guided(w) (e - s)``; the step that is cut in two
    keeps that share of its rate. Weight 0 is exactly no guidance, weight 1 exactly ``rates``. A pull at step 0 moves nothing where the start is the
    anchor's: guidance that begins there is counted from step 1.

    Args:
        rates: K rates in [0, 1], noisiest step first. weights: (B, T) in [0, 1].

    Returns: (K, B, T) float32.
    """
    if any(not 0.0 <= rate <= 1.0 for rate in rates):
        raise ConfigError(f"rates: {min(rates)} to {max(rates)}; expected numbers in [0, 1] - correct the guidance schedule")
    if bool(((weights < 0) | (weights > 1)).any()):
        raise ConfigError(f"weights: {float(weights.min())} to {float(weights.max())}; expected numbers in [0, 1] - correct them")
    active = [k for k, rate in enumerate(rates) if rate > 0]
    start, end = (active[0], active[-1] + 1) if active else (0, 0)
    kept = dial.guided(weights.to(torch.float64))  # (B, T)
    first = min(max(start, 1), end)
    until = torch.where(kept > 0, first + kept * (end - first), start)
    steps = torch.arange(len(rates), dtype=torch.float64, device=weights.device)[:, None, None]
    share = (until - steps).clamp(0.0, 1.0)  # (K, B, T)
    per_step = torch.tensor(rates, dtype=torch.float64, device=weights.device)[:, None, None]
    return (per_step * share).to(torch.float32)


class AnchorGuide:
    """The guide that pulls x towards the anchors; a token without an anchor keeps its bits."""

    def __init__(self, anchors: Anchors, rates: Tensor, share: Tensor | None = None) -> None:
        """``rates``: (K, B, T) as ``rates_per_token`` gives them, for the K levels of ``anchors``. ``share``: see there; default: the strongest rate."""
        if rates.shape != anchors.latents.shape[:3]:
            raise ConfigError(f"rates: {tuple(rates.shape)}; expected {tuple(anchors.latents.shape[:3])} as the anchors - use the same number of steps")
        self._latents = anchors.latents
        self._rates = torch.where(anchors.mask, rates, torch.zeros_like(rates))[..., None]
        self.share = torch.where(anchors.mask, rates.amax(dim=0) if share is None else share, torch.zeros_like(rates[0]))
        """(B, T) how much of a token's way is guided, 0 to 1: of the schedule's guided steps, those that its weight keeps.

        Negative: the anchor is the window's own draft.
        """
        self._works = [bool(rate.any()) for rate in self._rates]

    def __call__(self, step: int, x: Tensor) -> Tensor:
        """Return x (B, T, D) moved towards the anchors of ``step``."""
        if not self._works[step]:
            return x
        rate = self._rates[step].to(x.dtype)
        return torch.lerp(x, self._latents[step].to(x.dtype), rate)


def chain(*guides: Guide) -> Guide:
    """One guide out of several, applied in the order given."""

    def together(step: int, x: Tensor) -> Tensor:
        for guide in guides:
            x = guide(step, x)
        return x

    return together
