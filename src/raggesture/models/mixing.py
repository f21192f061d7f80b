"""How the predictions with and without the speech are mixed while sampling. Source: METHOD part I (b) "Mixing at test time"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from raggesture.body.joints import PARTS, LatentLayout
from raggesture.diffusion.ddim import Denoise
from raggesture.errors import ModelError
from raggesture.models.conditions import Conditions
from raggesture.models.denoiser import Denoiser
from raggesture.models.folded import Fold
from raggesture.models.numerics import FLOAT32, Numerics, Predict

SMALL_TIMESTEP = 100
"""Up to here the published mixing is constant."""


@dataclass(frozen=True, slots=True)
class Mixing:
    """``constant``: scale * c + (1 - scale) * u. ``published``: the scale falls with the timestep, as the released model was sampled.

    ``guided_scale``: of ``constant``, the scale at tokens that an exemplar guides (None: as elsewhere). A scale above 1 moves away from what the model would do
    without the speech; where an exemplar is put whose gesture is another than the words suggest, it would move away from the exemplar.
    ``coarse``, ``text``, ``none``: the published coefficients (6.5, .52351, -.28419). ``per_part_scale``: one factor J per part (upper, hands, face,
    lower); c is multiplied by J and u divided by it. Differs from the released code: no random choice between equal mixtures is made, and J is 1 where
    the checkpoint says nothing (there a missing attribute).
    """

    kind: Literal["constant", "published"] = "constant"
    scale: float = 1.0
    coarse: float = 6.5
    text: float = 0.52351
    none: float = -0.28419
    per_part_scale: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    guided_scale: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("constant", "published"):
            raise ModelError(f"mixing.kind: {self.kind!r}; expected 'constant' or 'published' - correct the model's manifest")
        if self.guided_scale is not None and not (isinstance(self.guided_scale, (int, float)) and math.isfinite(self.guided_scale)):
            raise ModelError(f"mixing.guided_scale: {self.guided_scale!r}; expected a finite number or none - correct the model's manifest")
        if len(self.per_part_scale) != len(PARTS) or any(factor <= 0 for factor in self.per_part_scale):
            raise ModelError(f"mixing.per_part_scale: {self.per_part_scale}; expected {len(PARTS)} numbers above 0 - correct the model's manifest")

    def weight(self, t: int) -> float:
        """The weight of the conditioned prediction at original timestep ``t``; the other one's is 1 minus it."""
        if self.kind == "constant":
            return self.scale
        return self.coarse * t / 1000 + 1.0 if t > SMALL_TIMESTEP else self.text + self.none

    def guided_weight(self, guided: Tensor | None) -> Tensor | None:
        """(B, T, 1) weight of the conditioned prediction at each token, None where it is ``weight`` everywhere.

        ``guided`` (B, T) in [0, 1]: so much of the way to ``guided_scale``. In [-1, 0]: to 1, where the anchor is the window's own draft, inverted so.
        """
        if guided is None or self.guided_scale is None or self.kind != "constant" or not bool(guided.any()):
            return None
        wanted = torch.where(guided < 0, torch.ones_like(guided), torch.full_like(guided, self.guided_scale))
        return (self.scale + (wanted - self.scale) * guided.abs())[..., None]

    def token_scale(self, layout: LatentLayout) -> Tensor | None:
        """(T, 1) factor J of each token, 1 at separators; None where all are 1."""
        if all(factor == 1.0 for factor in self.per_part_scale):
            return None
        scale = torch.ones(layout.tokens, 1)
        for part, factor in zip(PARTS, self.per_part_scale, strict=True):
            scale[layout.span(part)] = factor
        return scale


CONDITION_ONLY = Mixing("constant", 1.0)
"""The conditioned prediction alone: half the cost, and what inversion of a small model wants (TRAINING)."""


def bind(
    denoiser: Denoiser,
    conditions: Conditions,
    mixing: Mixing = CONDITION_ONLY,
    *,
    timesteps: Tensor | None = None,
    fold: Fold | None = None,
    numerics: Numerics = FLOAT32,
    guided: Tensor | None = None,
) -> Denoise:
    """Make the callable a sampler wants: (x_t (B, T, D), original timestep) -> mixed x_0.

    Both branches run as one batch; the unconditioned one is left out at timesteps where its weight is 0.

    Args:
        denoiser: in eval mode. conditions: for B samples. mixing: see above. timesteps: those the sampler will visit (``schedule.timesteps``), so
        that their time projections are computed once. fold: the denoiser folded for these timesteps, where it folds (``folded.foldable``).
        numerics: how the calls are computed (a ``fold`` is made with the same). guided: (B, T) how much each token is guided, see ``guided_scale``.
    """
    device = denoiser.keep.device
    conditions = conditions.to(device)
    folded = fold.bind(conditions) if fold is not None else None
    predict = numerics.within(_plain(denoiser, conditions, mixing, timesteps, numerics) if folded is None else folded, device)
    scale = mixing.token_scale(denoiser.layout)
    scale = None if scale is None else scale.to(device)
    batch = conditions.batch
    by_token = mixing.guided_weight(guided)

    @torch.no_grad()
    def denoise(x: Tensor, t: int) -> Tensor:
        weight: float | Tensor = mixing.weight(t) if by_token is None else by_token
        if by_token is None and weight == 1.0:
            x_0 = predict(x, t, both=False)
            return x_0 if scale is None else scale * x_0
        twice = predict(x, t, both=True)
        with_speech, without = twice[:batch], twice[batch:]
        if scale is None:
            return weight * with_speech + (1.0 - weight) * without
        return scale * weight * with_speech + (1.0 - weight) / scale * without

    return denoise


def _plain(denoiser: Denoiser, conditions: Conditions, mixing: Mixing, timesteps: Tensor | None, numerics: Numerics) -> Predict:
    """The denoiser as it stands, with what does not depend on x computed once."""
    with torch.no_grad():
        one = denoiser.prepare(conditions, timesteps)
        two = one if mixing == CONDITION_ONLY else one.two_branches()
    call = numerics.compile(denoiser.forward, denoiser.keep.device)

    def predict(x: Tensor, t: int, *, both: bool) -> Tensor:
        batch = x.shape[0] * (2 if both else 1)
        x_0: Tensor = call(torch.cat((x, x)) if both else x, torch.full((batch,), t, device=x.device), two if both else one)
        return x_0

    return predict
