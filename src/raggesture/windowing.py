"""One batch of windows: exemplars enter, clean latents come out. The windows may belong to one speech or to many.

Source: RAG-Gesture section 3.4; METHOD part I (c), (f). Everything random is drawn from generators named by seed and window, so that a
window is the same whichever were made before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from raggesture.anchoring import ExemplarLevels
from raggesture.models.conditions import Conditions
from raggesture.options import GenerateOptions
from raggesture.released_loop import released_injection
from raggesture.synthesis import Held, Injection, Insertion, Synthesizer, inject
from raggesture.types import Placement


@dataclass(frozen=True, slots=True, eq=False)
class WindowJob:
    """A window ready to be sampled: ``conditions`` and ``noise`` of batch 1, ``exemplars`` with a row per placement, and what is ``held`` of its neighbours."""

    conditions: Conditions
    noise: Tensor
    placements: tuple[Placement, ...] = ()
    exemplars: ExemplarLevels = field(default_factory=ExemplarLevels)
    held: Held | None = None


@dataclass(frozen=True, slots=True, eq=False)
class WindowMade:
    """Clean latents (1, T, D) of a window, and the mean guidance rate of each of its placements."""

    latents: Tensor
    strengths: tuple[float, ...]


def generator_of(seed: int, number: int, what: str = "window") -> torch.Generator:
    """The generator of one window's random numbers; the first window's is seeded by ``seed`` itself."""
    own = seed if number == 0 and what == "window" else int.from_bytes(hashlib.sha256(f"{what}/{seed}/{number}".encode()).digest()[:7], "big")
    return torch.Generator().manual_seed(own)


def make_windows(synthesizer: Synthesizer, jobs: Sequence[WindowJob], options: GenerateOptions, rates: tuple[float, ...]) -> tuple[WindowMade, ...]:
    """Sample windows that do not depend on each other, in one batch.

    Args:
        rates: K rates of the guidance schedule, noisiest step first.
    """
    insertions = _insertions(jobs)
    exemplars = _joined([job.exemplars for job in jobs])
    noise = torch.cat([job.noise for job in jobs])
    injection = inject(synthesizer, options.inject, exemplars.levels, exemplars.clean, insertions, noise, rates)
    x_0 = synthesizer.sample(Conditions.cat([job.conditions for job in jobs]), injection.start, injection.guide, _held(jobs, noise))
    return _parted(jobs, x_0, injection)


def make_released_window(synthesizer: Synthesizer, job: WindowJob, options: GenerateOptions, rng: torch.Generator) -> WindowMade:
    """Sample one window by the published loop, faults included; ``rng`` gives its noise in the published order."""
    insertions = _insertions([job])
    injection = released_injection(synthesizer, options.inject, job.exemplars.levels, job.exemplars.clean, insertions, job.noise, job.held, rng)
    return _parted([job], synthesizer.sample(job.conditions, injection.start, injection.guide), injection)[0]


def _insertions(jobs: Sequence[WindowJob]) -> list[Insertion]:
    """Every placement as an insertion; exemplars are numbered through the batch."""
    placed = [(item, p) for item, job in enumerate(jobs) for p in job.placements]
    return [Insertion(row, item, p.target, p.hit.query.weight) for row, (item, p) in enumerate(placed)]


def _joined(parts: Sequence[ExemplarLevels]) -> ExemplarLevels:
    levels = [part.levels for part in parts if part.levels is not None]
    clean = [part.clean for part in parts if part.clean is not None]
    return ExemplarLevels(torch.cat(levels, dim=1) if levels else None, torch.cat(clean) if clean else None)


def _held(jobs: Sequence[WindowJob], noise: Tensor) -> Held | None:
    """What the windows of a batch hold; an item that holds nothing has an empty mask."""
    if all(job.held is None for job in jobs):
        return None
    latents, mask = torch.zeros_like(noise), torch.zeros(noise.shape[:2], dtype=torch.bool, device=noise.device)
    for item, job in enumerate(jobs):
        if job.held is not None:
            latents[item], mask[item] = job.held.latents[0], job.held.mask[0]
    return Held(latents, mask)


def _parted(jobs: Sequence[WindowJob], x_0: Tensor, injection: Injection) -> tuple[WindowMade, ...]:
    made, row = [], 0
    for item, job in enumerate(jobs):
        made.append(WindowMade(x_0[item : item + 1], injection.strengths[row : row + len(job.placements)]))
        row += len(job.placements)
    return tuple(made)
