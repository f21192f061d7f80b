"""The processes that train together (torchrun, accelerate launch, mpirun), or this one alone.

Every process draws the same batch from the same generator and computes its own rows of it; gradients are averaged, so that the number of processes does
not change the curve. Only the main process writes.

accelerate launch starts processes of its own for ``distributed_type: MULTI_GPU`` only (with ``use_cpu: true`` they compute on the CPU); for ``MULTI_CPU`` it
leaves that to mpirun, and without a host file for it starts one, whatever ``num_processes`` says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from raggesture.errors import ConfigError

COUNTS = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "WORLD_SIZE")
"""Where launchers say how many they started; accelerate reads the same ones in this order."""


def launched() -> int:
    """How many processes a launcher says that it started; 1 without one."""
    return next((int(value) for name in COUNTS if (value := os.environ.get(name, "")).isdecimal()), 1)


@dataclass(frozen=True, slots=True)
class Processes:
    """Which of how many this is, and where it computes."""

    rank: int = 0
    count: int = 1
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - immutable

    @classmethod
    def start(cls, device: torch.device | str = "cpu") -> Processes:
        """Join the others if a launcher started several; ``device`` is ``cpu`` or ``cuda`` (each process takes its own card)."""
        wanted = torch.device(device)
        count = launched()
        if count <= 1:
            return cls(device=wanted)
        from accelerate import PartialState

        state = PartialState(cpu=wanted.type == "cpu")
        if state.num_processes == 1:
            raise ConfigError(f"training: {count} processes that do not find each other; expected torchrun or accelerate launch - use one")
        return cls(state.process_index, state.num_processes, torch.device(state.device))

    @property
    def is_main(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def rows(self, batch: int) -> slice:
        """This process's rows of a batch. Raises ConfigError if they cannot be shared evenly."""
        share, rest = divmod(batch, self.count)
        if rest or not share:
            raise ConfigError(f"training: batch {batch} for {self.count} processes; expected a multiple of {self.count} - change --batch")
        return slice(self.rank * share, (self.rank + 1) * share)

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module, with gradients averaged over the processes."""
        if self.count == 1:
            return module
        on = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=on, static_graph=True)  # an unused table is found once

    def mean(self, value: float) -> float:
        """The mean of a number over the processes."""
        if self.count == 1:
            return value
        total = torch.tensor([value], dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(total)
        return float(total) / self.count

    def of_main(self, value: float) -> float:
        """The main process's number, for all (clocks differ)."""
        if self.count == 1:
            return value
        shared: Tensor = torch.tensor([value], dtype=torch.float64, device=self.device)
        torch.distributed.broadcast(shared, src=0)
        return float(shared)

    def wait(self) -> None:
        """Until all have come here."""
        if self.count > 1:
            torch.distributed.barrier()

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """What the main process makes (a cache) is there when the others look for it."""
        if not self.is_main:
            self.wait()
        yield
        if self.is_main:
            self.wait()
