"""The state of a training run in one safetensors file: weights, averages, Adam's moments, the generator, the clock. Atomic, no pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from raggesture.errors import ModelError
from raggesture.training.ema import Ema
from raggesture.training.optimisation import Progress

SCHEMA = "raggesture.training"
_MOMENTS = ("exp_avg", "exp_avg_sq")
_SCALER = "scaler"


@contextmanager
def room_to_write(path: Path, kept: str) -> Iterator[None]:
    """A disk that is full (or goes away) becomes one line that says what is left: ``kept``."""
    try:
        yield
    except (OSError, SafetensorError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
        raise ModelError(f"{path}: cannot be written ({reason}); expected room and rights to write - {kept}; make room and go on with --resume") from fault


def write_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str], kept: str) -> None:
    """Write a file under a temporary name, flush it to the disk, then rename: what stood there is replaced by the whole file or stays.

    Raises: ModelError if it cannot be written, ending in ``kept``.
    """
    work = path.with_name(f".{path.name}.tmp")
    try:
        with room_to_write(path, kept):
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file({key: value.detach().to("cpu").contiguous() for key, value in tensors.items()}, work, metadata=dict(metadata))
            with work.open("rb") as stream:
                os.fsync(stream.fileno())
            work.replace(path)
    finally:
        work.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, eq=False)
class TrainingState:
    """The moving parts of a run. ``ema`` None: no average is kept."""

    module: nn.Module
    ema: Ema | None
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    scaler: torch.amp.GradScaler

    def save(self, path: Path, progress: Progress, setting: str) -> None:
        """Write everything in one step. ``setting`` must be equal when the run is resumed. Raises: ModelError on a full disk; the last file stays."""
        tensors: dict[str, Tensor] = {"generator": self.generator.get_state()}
        if self.scaler.is_enabled():
            values = self.scaler.state_dict()
            tensors[_SCALER] = torch.tensor([values["scale"], values["_growth_tracker"]], dtype=torch.float64)
        for name, value in self.module.named_parameters():
            tensors[f"model.{name}"] = value.detach()
            if self.ema is not None:
                tensors[f"ema.{name}"] = self.ema.weights[name]
            for moment in _MOMENTS:
                if value in self.optimizer.state:
                    tensors[f"{moment}.{name}"] = self.optimizer.state[value][moment]
        meta = {"schema": SCHEMA, "step": str(progress.step), "seconds": repr(progress.seconds), "setting": setting}
        last = saved_step(path)
        kept = "nothing was saved before" if last is None else f"the checkpoint of step {last} is still good"
        write_tensors(tensors, path, meta, kept)

    def restore(self, path: Path, setting: str) -> Progress:
        """Fill the moving parts from a file. Raises ModelError if it is damaged or of another run."""
        try:
            with safe_open(path, framework="pt") as file:
                meta = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as fault:
            raise ModelError(f"{path}: cannot be read ({fault}); expected the state of a training run - delete it and start again") from fault
        if meta.get("schema") != SCHEMA or meta.get("setting") != setting:
            raise ModelError(
                f"{path}: the state of another training run ({_difference(meta, setting)}); expected the same settings and data - use another folder"
            )
        self._fill(tensors, int(meta["step"]), path)
        return Progress(int(meta["step"]), float(meta["seconds"]))

    @torch.no_grad()
    def _fill(self, tensors: Mapping[str, Tensor], step: int, path: Path) -> None:
        try:
            for name, value in self.module.named_parameters():
                value.copy_(tensors[f"model.{name}"])
                if self.ema is not None:
                    self.ema.weights[name].copy_(tensors[f"ema.{name}"])
                if f"{_MOMENTS[0]}.{name}" in tensors:
                    self.optimizer.state[value] = {"step": torch.tensor(float(step), device=value.device)} | {
                        moment: tensors[f"{moment}.{name}"].to(value.device) for moment in _MOMENTS
                    }
            self.generator.set_state(tensors["generator"])
            if self.scaler.is_enabled():
                scale, tracker = tensors[_SCALER].tolist()
                self.scaler.load_state_dict(self.scaler.state_dict() | {"scale": scale, "_growth_tracker": int(tracker)})
        except (KeyError, RuntimeError) as fault:
            raise ModelError(f"{path}: {fault} does not fit; expected the state of this model's training - delete it and start again") from fault


def saved_step(path: Path) -> int | None:
    """The step of a state file, or None if there is no readable one."""
    try:
        with safe_open(path, framework="pt") as file:
            return int((file.metadata() or {})["step"])
    except (SafetensorError, OSError, KeyError, ValueError):
        return None


@dataclass(frozen=True, slots=True, eq=False)
class BestWeights:
    """The weights after ``step``, whose loss on the held-out corpus was the lowest."""

    held_out: float
    step: int
    weights: dict[str, Tensor]

    def save(self, path: Path, setting: str) -> None:
        """Write in one step. Raises: ModelError on a full disk."""
        meta = {"schema": SCHEMA, "held_out": repr(self.held_out), "step": str(self.step), "setting": setting}
        write_tensors(self.weights, path, meta, "the last checkpoint is still good")

    @classmethod
    def load(cls, path: Path, setting: str, until: int) -> BestWeights | None:
        """Read them back, unless there are none, they are of another run, or they come after step ``until``."""
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                meta = file.metadata() or {}
                if meta.get("setting") != setting or int(meta["step"]) > until:
                    return None
                return cls(float(meta["held_out"]), int(meta["step"]), {key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
        except (SafetensorError, OSError, KeyError, ValueError):
            return None


def _difference(meta: Mapping[str, str], setting: str) -> str:
    try:
        old, new = json.loads(meta.get("setting", "{}")), json.loads(setting)
        changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    except (ValueError, AttributeError):
        changed = []
    return f"it differs in {', '.join(changed)}" if changed else "unknown"
