"""Memory of training: what a run will need, and which batch fits when it was too much."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

HEADROOM = 0.95
"""Share of a device's memory that is counted on."""
_ON_CPU = re.compile(r"can't allocate memory|not enough memory", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes: what is there without a batch (weights, gradients, moments), the highest point with one, and what the device has."""

    fixed: float
    peak: float
    total: float


def is_out_of_memory(fault: BaseException) -> bool:
    """Whether a fault says that memory ran out, on a GPU or not."""
    return isinstance(fault, torch.OutOfMemoryError | MemoryError) or (isinstance(fault, RuntimeError) and bool(_ON_CPU.search(str(fault))))


def fitting_batch(usage: Usage, batch: int, below: int) -> int:
    """The largest batch that fits, by the straight line through nothing and ``batch`` samples; at least ``batch`` and less than ``below``."""
    each = max(usage.peak - usage.fixed, 1.0) / batch
    return max(batch, min(int((HEADROOM * usage.total - usage.fixed) / each), below - 1))


def largest_batch(asked: int, attempt: Callable[[int], Usage | None], step: int = 1) -> int | None:
    """The batch that would have fitted where ``asked`` did not: halved until one fits, then estimated from the memory that one took.

    Args:
        attempt: tries a batch; gives what it took (None where that cannot be told), or raises what ``is_out_of_memory`` knows.
        step: batches must be a multiple of it (the number of processes).

    Returns: None if not even the smallest fits.
    """
    failed = asked
    while (batch := failed // 2 // step * step) >= step:
        try:
            usage = attempt(batch)
        except Exception as fault:
            if not is_out_of_memory(fault):
                raise
            failed = batch
            continue
        return batch if usage is None else fitting_batch(usage, batch, failed) // step * step
    return None


def peak_bytes(device: torch.device) -> int:
    """The most memory so far: of the GPU, or of the whole process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@dataclass(frozen=True, slots=True)
class Estimate:
    """Parameters, and bytes that training them is estimated to take: ``fixed`` and ``per_sample``."""

    parameters: int
    fixed: int
    per_sample: int

    def total(self, batch: int) -> int:
        """Bytes with a batch."""
        return self.fixed + batch * self.per_sample


def estimate(objective: nn.Module, inputs: tuple[Tensor, ...], *, averaged: bool, dtype: torch.dtype = torch.float32) -> Estimate:
    """Count what a forward pass keeps for the backward pass, for ``inputs`` and for twice them: what does not double is fixed (weights in another precision).

    Kernels' own work space and the gradients on the way back are not in it.
    """
    parameters = sum(value.numel() for value in objective.parameters())
    rows = max(int(inputs[0].shape[0]), 1)
    once, twice = _kept(objective, inputs, dtype), _kept(objective, tuple(torch.cat((each, each)) for each in inputs), dtype)
    copies = 5 if averaged else 4  # weights, gradients, two moments, the average
    return Estimate(parameters, 4 * copies * parameters + max(2 * once - twice, 0), max(twice - once, 0) // rows)


def _kept(objective: nn.Module, inputs: tuple[Tensor, ...], dtype: torch.dtype) -> int:
    """Bytes that the backward pass of one forward pass needs beside the module's own tensors."""
    own = {value.untyped_storage().data_ptr() for value in (*objective.parameters(), *objective.buffers())}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []  # a storage must live, or its address is used again

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    mixed = torch.autocast(inputs[0].device.type, dtype=dtype, enabled=dtype != torch.float32)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), mixed:
        objective(*inputs)
    return sum(kept.values())
