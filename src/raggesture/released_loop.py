"""The published guided loop around a whole model, faults included: how ``[compat] guided_loop = "released"`` inverts and injects.

Exemplars are inverted under the sampling mixture to entries one level off, the last of them pure predicted noise; guided positions are
overwritten by re-noised entries at every step but the first; what the last window left is pasted at every step, or with guidance in
the first only. The arithmetic is ``raggesture.diffusion.released``, held by the goldens.
Source: METHOD part I (c) and (f), part II 1-3. Entries run clean to noisy, as there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from raggesture.body.joints import PARTS, LatentLayout
from raggesture.diffusion import released
from raggesture.diffusion.ddim import Guide
from raggesture.models.conditions import Conditions
from raggesture.synthesis import INVERSION_BATCH, Held, Inject, Injection, Insertion, Synthesizer

WAYS: tuple[Inject, ...] = ("inversion+guidance", "inversion", "inpaint", "none")
"""What the published tools can do; ``noised`` is ours."""
_LAYOUT = LatentLayout()


@torch.no_grad()
def released_entries(synthesizer: Synthesizer, latents: Tensor, conditions: Conditions) -> Tensor:
    """(K, P, T, D) of exemplars (P, T, D) under their own conditions and the model's mixing, in batches."""
    entries = []
    for first in range(0, len(latents), INVERSION_BATCH):
        rows = slice(first, first + INVERSION_BATCH)
        denoise = synthesizer.bind(conditions.take(rows), synthesizer.model.manifest.mixing)
        entries.append(released.invert(denoise, latents[rows], synthesizer.schedule))
    return torch.cat(entries, dim=1)


def released_injection(
    synthesizer: Synthesizer,
    how: Inject,
    entries: Tensor | None,
    clean: Tensor | None,
    insertions: Sequence[Insertion],
    noise: Tensor,
    held: Held | None,
    generator: torch.Generator,
) -> Injection:
    """Start latents and guide of one batch; the guide also pastes what is ``held``.

    Args:
        how: one of ``WAYS``. entries: of ``released_entries``, or None where nothing is inverted; clean: (P, T, D), ``inpaint`` only. noise: (B, T, D).
        generator: gives the noise of the pastes, in the published order. A weight above 0 counts as 1.
    """
    free = noise * synthesizer.model.manifest.temperature
    known = None if held is None else torch.where(held.mask[..., None], held.latents, 0.0)
    used = [k for k in insertions if k.weight > 0]
    if how == "inpaint" and used and clean is not None:
        placed, _ = synthesizer.anchors(clean[None], used, noise.shape[0])
        pasted = placed.latents[0] if known is None or held is None else torch.where(held.mask[..., None], known, placed.latents[0])
        return Injection(free, _pasting(synthesizer, pasted, noise, generator), tuple(float(k.weight > 0) for k in insertions))
    if not used or how in ("none", "inpaint") or entries is None:
        return Injection(free, _pasting(synthesizer, known, noise, generator), tuple(0.0 for _ in insertions))
    anchors, _ = synthesizer.anchors(entries, used, noise.shape[0])
    start = torch.where(anchors.mask[..., None], anchors.latents[-1], free)
    if how == "inversion":
        return Injection(start, _pasting(synthesizer, known, noise, generator), tuple(0.0 for _ in insertions))
    guided = anchors.latents
    if known is not None:
        guided = guided.clone()
        for part in PARTS:
            guided[:, :, _LAYOUT.tokens_of(part, slice(0, 1))] = 0.0
    steps = synthesizer.schedule.n_steps
    # The iterations act on positions that are then overwritten: whatever their number, the result is the same.
    drawn = _noises(synthesizer, noise, generator, from_first=known is not None)
    guide = released.ReleasedGuidance(synthesizer.schedule, guided, (0,) * steps, 0.0, drawn, first=known)
    share = (steps - 1) / steps
    return Injection(start, guide, tuple(share if k.weight > 0 else 0.0 for k in insertions))


def _pasting(synthesizer: Synthesizer, known: Tensor | None, noise: Tensor, generator: torch.Generator) -> Guide | None:
    return None if known is None else released.outpaint(synthesizer.schedule, known, _noises(synthesizer, noise, generator))


def _noises(synthesizer: Synthesizer, like: Tensor, generator: torch.Generator, *, from_first: bool = True) -> Tensor:
    """(K, B, T, D) by spaced step, in the order in which the published loop draws: at each step the paste's noise, then one draw that it does not use.

    ``from_first`` off: nothing is pasted, and nothing drawn for it, at the noisiest step. Source: METHOD "Order of random draws at inference".
    """
    batch, drawn = like.shape[0], list[Tensor]()
    for step in range(synthesizer.schedule.n_steps):
        drawn.append(synthesizer.noise(batch, generator) if step or from_first else torch.zeros_like(like))
        synthesizer.noise(batch, generator)
    return torch.stack(drawn[::-1])
