"""One batch of windows: exemplars enter, clean latents come out. The windows may belong to one speech or to many.

Source: RAG-Gesture section 3.4; METHOD part I (c), (f). Everything random is drawn from generators named by seed and window, so that a
window is the same whichever were made before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from raggesture.anchoring import ExemplarLevels, brought_by
from raggesture.clock import CHUNK_FRAMES, frame_of_seconds
from raggesture.composing import Piece, composites
from raggesture.errors import ConfigError
from raggesture.models.conditions import Conditions
from raggesture.options import GenerateOptions
from raggesture.released_loop import released_injection
from raggesture.synthesis import INJECTED_PARTS, Held, Injection, Insertion, Synthesizer, inject
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
        rates: of the guidance schedule, as many as the sampler's ``clock`` has, noisiest step first.
    """
    noise = torch.cat([job.noise for job in jobs])
    conditions, held = Conditions.cat([job.conditions for job in jobs]), _held(jobs, noise)
    insertions, exemplars = _composed(synthesizer, jobs, _insertions(jobs, options), options, conditions, noise, held)
    injection = inject(synthesizer, options.inject, exemplars.levels, exemplars.clean, insertions, noise, rates)
    x_0 = synthesizer.sample(conditions, injection.start, injection.guide, held)
    return _parted(jobs, x_0, injection)


def make_released_window(synthesizer: Synthesizer, job: WindowJob, options: GenerateOptions, rng: torch.Generator) -> WindowMade:
    """Sample one window by the published loop, faults included; ``rng`` gives its noise in the published order."""
    insertions = _insertions([job], options)
    for placement, insertion in zip(job.placements, insertions, strict=True):
        if brought_by(placement, options).composite or set(insertion.parts) != set(INJECTED_PARTS):
            asked = f"gesture on {placement.hit.query.word!r}: parts {', '.join(placement.hit.query.parts)}"
            raise ConfigError(f"{asked}; expected {', '.join(INJECTED_PARTS)} with guided_loop 'released', which copies no others - leave them out")
    injection = released_injection(synthesizer, options.inject, job.exemplars.levels, job.exemplars.clean, insertions, job.noise, job.held, rng)
    return _parted([job], synthesizer.sample(job.conditions, injection.start, injection.guide), injection)[0]


def eased(placement: Placement, ease: float) -> tuple[float, ...]:
    """A factor on the weight of each chunk of a slot, so that preparation and retraction are the model's own: 1 where the stroke is, less away from it.

    A chunk whose middle lies up to half a second from the stroke keeps its weight; half a second further away it has lost the share ``ease``, and
    between the two it falls evenly. Since a weight moves the end of guidance, such chunks are freed earlier.
    """
    target, stroke = placement.target, frame_of_seconds(placement.hit.exemplar.stroke) - placement.source_frame
    stroke += CHUNK_FRAMES * (target.start - placement.source.start)
    away = [abs((chunk + 0.5) * CHUNK_FRAMES - stroke - 0.5) / CHUNK_FRAMES for chunk in range(target.start, target.stop)]
    return tuple(1.0 - ease * min(max(each - 0.5, 0.0), 1.0) for each in away)


def _insertions(jobs: Sequence[WindowJob], options: GenerateOptions) -> list[Insertion]:
    """Every placement as an insertion; exemplars are numbered through the batch."""
    placed = [(item, p) for item, job in enumerate(jobs) for p in job.placements]
    return [
        Insertion(row, item, p.target, p.hit.query.weight, brought_by(p, options).parts, eased(p, options.ease) if options.ease else (), p.source)
        for row, (item, p) in enumerate(placed)
    ]


def _joined(jobs: Sequence[WindowJob]) -> ExemplarLevels:
    """The exemplars of a batch, a row per placement; a job that has none of a kind adds zeros where others have some."""
    counts = [len(job.placements) for job in jobs]
    levels = [job.exemplars.levels for job in jobs]
    clean = [job.exemplars.clean for job in jobs]
    pieces = tuple(piece for job in jobs for piece in job.exemplars.pieces or (None,) * len(job.placements))
    return ExemplarLevels(_cat(levels, counts, 1), _cat(clean, counts, 0), pieces)


def _cat(rows: Sequence[Tensor | None], counts: Sequence[int], dim: int) -> Tensor | None:
    one = next((each for each in rows if each is not None), None)
    if one is None:
        return None
    empty = [one.new_zeros([count if k == dim else size for k, size in enumerate(one.shape)]) for count in counts]
    return torch.cat([gap if each is None else each for each, gap in zip(rows, empty, strict=True)], dim=dim)


def _composed(
    synthesizer: Synthesizer,
    jobs: Sequence[WindowJob],
    insertions: list[Insertion],
    options: GenerateOptions,
    conditions: Conditions,
    noise: Tensor,
    held: Held | None,
) -> tuple[list[Insertion], ExemplarLevels]:
    """Insertions and exemplars of a batch, those that bring less than whole parts composed into their windows' drafts: one more row for each such window."""
    joined = _joined(jobs)
    placements = [p for job in jobs for p in job.placements]
    pieces = [
        Piece(insertion, brought_by(placement, options), features)
        for insertion, placement, features in zip(insertions, placements, joined.pieces, strict=True)
        if features is not None and insertion.weight > 0
    ]
    if not pieces:
        return insertions, joined
    items = sorted({piece.insertion.item for piece in pieces})
    own = [replace(piece, insertion=replace(piece.insertion, item=items.index(piece.insertion.item))) for piece in pieces]
    there, drawn = conditions.take(torch.tensor(items, device=noise.device)), noise[items]
    clean = composites(synthesizer, there, drawn, None if held is None else Held(held.latents[items], held.mask[items]), own)
    levels = synthesizer.noised(clean, drawn) if options.inject in ("noised", "inpaint") else synthesizer.invert(clean, there)
    rows = {id(piece.insertion): len(placements) + items.index(piece.insertion.item) for piece in pieces}
    moved = [replace(each, exemplar=rows[id(each)], source=None, drafted=True) if id(each) in rows else each for each in insertions]
    all_levels = _cat([joined.levels, levels], [len(placements), len(items)], 1)
    return moved, ExemplarLevels(all_levels, _cat([joined.clean, clean], [len(placements), len(items)], 0))


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
