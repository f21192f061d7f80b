"""What a denoiser is told about the speech: text, audio and speaker, already encoded. Source: METHOD part I (b) "Conditions"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from raggesture.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class Conditions:
    """``text`` (B, Nt, Ct) and ``audio`` (B, Na, Ca) float at their own rates (both 15 Hz, 150 frames, in the packaged model).

    ``speaker`` (B,) int64, or (B, N) with one id per frame as the published data has it.
    ``plan`` (B, F, G): chance of each gesture's stroke on each frame, for a model with a gesture planner; None: as its planner says.
    """

    text: Tensor
    audio: Tensor
    speaker: Tensor
    plan: Tensor | None = None

    def __post_init__(self) -> None:
        batch = {self.text.shape[0], self.audio.shape[0], self.speaker.shape[0]}
        if self.text.ndim != 3 or self.audio.ndim != 3 or self.speaker.ndim not in (1, 2) or len(batch) != 1:
            raise InputError(
                f"conditions: text {tuple(self.text.shape)}, audio {tuple(self.audio.shape)}, speaker {tuple(self.speaker.shape)}; "
                "expected (B, N, C), (B, N, C) and (B,) with one B - correct them"
            )
        if self.plan is not None and (self.plan.ndim != 3 or self.plan.shape[:2] != self.text.shape[:2]):
            raise InputError(
                f"conditions: plan {tuple(self.plan.shape)} for text {tuple(self.text.shape)}; expected (B, F, gestures) with their B and F - correct it"
            )

    @property
    def batch(self) -> int:
        """B, the number of samples."""
        return int(self.text.shape[0])

    def to(self, device: torch.device | str) -> Conditions:
        """The same conditions on another device."""
        return Conditions(self.text.to(device), self.audio.to(device), self.speaker.to(device), None if self.plan is None else self.plan.to(device))

    def take(self, rows: Tensor | slice) -> Conditions:
        """The samples named by ``rows``."""
        return Conditions(self.text[rows], self.audio[rows], self.speaker[rows], None if self.plan is None else self.plan[rows])

    @staticmethod
    def cat(parts: Sequence[Conditions]) -> Conditions:
        """Several conditions of equal lengths as one batch; planned if all are."""
        plans = [p.plan for p in parts if p.plan is not None]
        plan = torch.cat(plans) if plans and len(plans) == len(parts) else None
        return Conditions(torch.cat([p.text for p in parts]), torch.cat([p.audio for p in parts]), torch.cat([p.speaker for p in parts]), plan)
