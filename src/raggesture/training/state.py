"""The state of a denoiser's training in one safetensors file: weights, averages, AdamW's moments, the generator, the clock. Atomic, no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from raggesture.errors import ModelError
from raggesture.training.ema import Ema

SCHEMA = "raggesture.training"
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True)
class Progress:
    """Steps done and seconds spent on them."""

    step: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class TrainingState:
    """The moving parts of a run."""

    module: nn.Module
    ema: Ema
    optimizer: torch.optim.Optimizer
    generator: torch.Generator

    def save(self, path: Path, progress: Progress, setting: str) -> None:
        """Write everything under a temporary name, then rename. ``setting`` must be equal when the run is resumed."""
        tensors: dict[str, Tensor] = {"generator": self.generator.get_state()}
        for name, value in self.module.named_parameters():
            tensors[f"model.{name}"] = value.detach()
            tensors[f"ema.{name}"] = self.ema.weights[name]
            for moment in _MOMENTS:
                if value in self.optimizer.state:
                    tensors[f"{moment}.{name}"] = self.optimizer.state[value][moment]
        meta = {"schema": SCHEMA, "step": str(progress.step), "seconds": repr(progress.seconds), "setting": setting}
        path.parent.mkdir(parents=True, exist_ok=True)
        work = path.with_name(f".{path.name}.tmp")
        try:
            save_file({key: value.detach().to("cpu").contiguous() for key, value in tensors.items()}, work, metadata=meta)
            work.replace(path)
        finally:
            work.unlink(missing_ok=True)

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
                self.ema.weights[name].copy_(tensors[f"ema.{name}"])
                if f"{_MOMENTS[0]}.{name}" in tensors:
                    self.optimizer.state[value] = {"step": torch.tensor(float(step), device=value.device)} | {
                        moment: tensors[f"{moment}.{name}"].to(value.device) for moment in _MOMENTS
                    }
            self.generator.set_state(tensors["generator"])
        except (KeyError, RuntimeError) as fault:
            raise ModelError(f"{path}: {fault} does not fit; expected the state of this model's training - delete it and start again") from fault


@dataclass(frozen=True, slots=True, eq=False)
class BestWeights:
    """The averaged weights after ``step``, whose loss on the held-out corpus was the lowest."""

    held_out: float
    step: int
    weights: dict[str, Tensor]

    def save(self, path: Path, setting: str) -> None:
        """Write under a temporary name, then rename."""
        work = path.with_name(f".{path.name}.tmp")
        meta = {"schema": SCHEMA, "held_out": repr(self.held_out), "step": str(self.step), "setting": setting}
        try:
            save_file({name: value.detach().to("cpu").contiguous() for name, value in self.weights.items()}, work, metadata=meta)
            work.replace(path)
        finally:
            work.unlink(missing_ok=True)

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
