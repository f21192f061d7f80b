"""FGD while a denoiser trains: samples for held-out speech, without retrieval, against the motion that belongs to it.

The figure is on the scale of its evaluation weights, and from few windows: it shows the course of one run. ``raggesture eval`` measures results.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.features import PartFeatures, motion_of
from raggesture.body.joints import LatentLayout
from raggesture.clock import WINDOW_FRAMES
from raggesture.diffusion.ddim import sample
from raggesture.diffusion.noise import spaced
from raggesture.metrics.distribution import frechet_distance
from raggesture.metrics.fgd import EvaluationKit, fgd_features
from raggesture.models.codec import BodyCodec
from raggesture.models.denoiser import Denoiser
from raggesture.models.mixing import Mixing, bind
from raggesture.motion import double_rate
from raggesture.training.dataset import MotionDataset

_BATCH = 16


@dataclass(frozen=True, slots=True, eq=False)
class SampledFgd:
    """Measures a denoiser: ``windows`` fixed windows of ``held_out``, fixed noise, ``steps`` steps of DDIM."""

    kit: EvaluationKit
    held_out: MotionDataset
    codec: BodyCodec
    mixing: Mixing
    windows: int = 32
    steps: int = 50

    @torch.no_grad()
    def __call__(self, denoiser: Denoiser) -> float:
        """The distance. The denoiser must be in eval mode; nothing of it is changed."""
        generator = torch.Generator().manual_seed(20_260_102)
        clip, start = self.held_out.draw(self.windows, generator)
        noise = torch.randn((self.windows, LatentLayout().tokens, self.codec.latent_dim), generator=generator)
        device, schedule = self.codec.latent_mean.device, spaced(self.steps)
        made: list[NDArray[np.float64]] = []
        real: list[NDArray[np.float64]] = []
        for at in range(0, self.windows, _BATCH):
            rows = slice(at, at + _BATCH)
            conditions = self.held_out.conditions(clip[rows], start[rows]).to(device)
            x_0 = sample(bind(denoiser, conditions, self.mixing, timesteps=schedule.timesteps), noise[rows].to(device), schedule)
            made += self._rows(self.codec.decode(x_0))
            real += self._rows(self.held_out.motion_windows(clip[rows], start[rows], 0))
        return frechet_distance(np.concatenate(made), np.concatenate(real))

    def _rows(self, features: PartFeatures) -> list[NDArray[np.float64]]:
        motions = [double_rate(motion_of(features, item), 2 * WINDOW_FRAMES) for item in range(features.batch)]
        return [fgd_features(self.kit.autoencoder, motion) for motion in motions]
