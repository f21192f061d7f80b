"""The training loop that every network here shares: draw, step, average, measure, report, save; in one process or several.

Everything random comes from one generator on the CPU that belongs to the run's state, so that a resumed run goes on as if it had not stopped, and every
process draws the same global batch and computes its own rows.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from raggesture.errors import ConfigError, ModelError
from raggesture.training.curves import CurvePoint, append_point, drop_after, plot_curve, read_curve
from raggesture.training.ema import Ema, averaged, put_weights
from raggesture.training.memory import Usage, is_out_of_memory, largest_batch, peak_bytes
from raggesture.training.optimisation import Optimisation, Progress, in_steps, make_optimizer
from raggesture.training.processes import Processes
from raggesture.training.state import BestWeights, TrainingState, room_to_write

STATE_FILE = "state.safetensors"
CURVE_FILE = "curve.csv"
PLOT_FILE = "curve.png"
BEST_FILE = "best.safetensors"
Report = Callable[[CurvePoint, float], None]
"""Told each point of the curve and the share of the run that is done."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures on held-out data; see ``CurvePoint``."""

    held_out: float = math.nan
    noisy: float = math.nan
    reconstruction: float = math.nan


class Task(Protocol):
    """What is trained."""

    @property
    def name(self) -> str:
        """Shown on curves."""
        ...

    @property
    def objective(self) -> nn.Module:
        """(the tensors of ``draw``) -> the mean loss of these rows, a scalar."""
        ...

    @property
    def setting(self) -> Mapping[str, Any]:
        """What must be equal when a run is resumed, beside the options."""
        ...

    @property
    def samples_per_epoch(self) -> int:
        """Samples that count as once through the corpus."""
        ...

    def draw(self, count: int, rows: slice, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw a global batch of ``count`` and give its ``rows``, on the device. Every random number is drawn for all rows."""
        ...

    def measure(self) -> Measured:
        """Of the objective as it is, in eval mode."""
        ...

    def validate(self) -> float:
        """FGD of samples, or NaN."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished run can say of itself. ``samples_per_s``: over the whole run and all processes; ``peak_bytes``: of the main process."""

    name: str
    steps: int
    minutes: float
    samples_per_s: float
    loss: float
    peak_bytes: int
    device: str
    processes: int


class _Run:
    """One training run: its moving parts and its clock."""

    def __init__(self, task: Task, options: Optimisation, processes: Processes) -> None:
        if options.precision == "float16" and processes.device.type != "cuda":
            raise ConfigError("training.precision: float16 on a CPU; expected a GPU for it - use bfloat16 or float32")
        self.task, self.options, self.processes = task, in_steps(options, task.samples_per_epoch), processes
        self.rows = processes.rows(options.batch)
        self.objective = task.objective.to(processes.device).train()
        compiled = torch.compile(self.objective) if options.compile else self.objective
        self.forward = processes.wrap(compiled)  # type: ignore[arg-type]
        self.generator = torch.Generator().manual_seed(options.seed)
        self.ema = Ema(self.objective, options.ema_decay) if options.ema_decay else None
        self.optimizer = make_optimizer(self.objective, options)
        self.scaler = torch.amp.GradScaler(processes.device.type, enabled=options.precision == "float16")
        self.state = TrainingState(self.objective, self.ema, self.optimizer, self.generator, self.scaler)
        self.setting = json.dumps({**task.setting, **_of_the_curve(options)}, sort_keys=True, default=list)
        self.best: BestWeights | None = None
        self.progress = Progress()

    def share(self) -> float:
        """Share of the run that is done, the same in every process."""
        done = self.options.share_done(self.progress)
        return done if self.options.steps is not None else self.processes.of_main(done)

    def loss_of(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Forward pass, in the precision asked for; the network's own dropout is seeded by step and process."""
        device, options = self.processes.device, self.options
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(options.seed + self.progress.step + 1_000_003 * self.processes.rank)
            with torch.autocast(device.type, dtype=options.dtype, enabled=options.precision != "float32"):
                loss: Tensor = self.forward(*batch)
        return loss

    def step(self, share: float) -> tuple[Tensor, Tensor]:
        """One step of gradient descent: (loss, norm of the gradient), still on the device."""
        began = time.perf_counter()
        rate = self.options.rate_at(share)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch = self.task.draw(self.options.batch, self.rows, self.generator)
        loss = self.loss_of(batch)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.objective.parameters(), self.options.clip or math.inf)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        done = self.progress.step + 1
        if self.ema is not None:
            self.ema.update(self.objective, done)
        self.progress = Progress(done, self.progress.seconds + time.perf_counter() - began)
        return loss.detach(), norm

    def keep(self, held_out: float, folder: Path | None) -> None:
        """Remember the weights that are kept if no measurement was better."""
        if not self.options.keep_best or math.isnan(held_out) or (self.best is not None and held_out >= self.best.held_out):
            return
        weights = dict(self.objective.named_parameters()) if self.ema is None else self.ema.weights
        self.best = BestWeights(held_out, self.progress.step, {name: value.detach().clone() for name, value in weights.items()})
        if folder is not None and self.processes.is_main:
            self.best.save(folder / BEST_FILE, self.setting)

    def finish(self) -> None:
        """Put the weights that are kept into the objective, in eval mode."""
        if self.best is not None:
            put_weights(self.objective, self.best.weights)
        elif self.ema is not None:
            self.ema.copy_to(self.objective)
        self.objective.eval().requires_grad_(False)

    def too_big(self) -> ConfigError:
        """The error for a batch that does not fit, with one that would."""
        processes, batch = self.processes, self.options.batch
        device, generator = processes.device, torch.Generator().manual_seed(0)
        self.optimizer.zero_grad(set_to_none=True)

        def attempt(size: int) -> Usage | None:
            fixed = 0.0
            if device.type == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats(device)
                fixed = float(torch.cuda.memory_allocated(device))
            share = size // processes.count
            self.objective(*self.task.draw(share, slice(0, share), generator)).backward()
            self.optimizer.zero_grad(set_to_none=True)
            if device.type != "cuda":
                return None
            total = torch.cuda.get_device_properties(device).total_memory
            moments = 3.0 * sum(value.numel() * value.element_size() for value in self.objective.parameters()) * (not self.optimizer.state)
            return Usage(fixed + moments, torch.cuda.max_memory_allocated(device) + moments, float(total))

        fits = largest_batch(batch, attempt, processes.count)
        where = f"the memory of the {'GPU' if device.type == 'cuda' else 'computer'}"
        if fits is None:
            return ConfigError(f"training {self.task.name}: batch {batch} and every smaller one exceed {where}; expected some to fit - use a smaller model")
        return ConfigError(
            f"training {self.task.name}: batch {batch} exceeds {where}; expected at most about {fits} - use --batch {fits}, or --precision bfloat16"
        )


def _of_the_curve(options: Optimisation) -> dict[str, Any]:
    """The options that change what is learnt; how often is written or drawn does not."""
    return {key: value for key, value in asdict(options).items() if key not in ("report_every", "save_every", "validate_every")}


def train(
    task: Task, options: Optimisation, processes: Processes | None = None, *, folder: Path | None = None, resume: bool = False, progress: Report | None = None
) -> Outcome:
    """Train ``task.objective`` in place; its weights are those that are kept, in eval mode.

    Args:
        folder: where the state, the curve (CSV) and its plot are kept; nothing is written when None. resume: go on from the folder's state if there is one.
    Raises:
        ModelError: the folder's state belongs to another run, the loss is no longer finite, the disk is full.
        ConfigError: the batch does not fit the memory (names one that would), or cannot be shared among the processes.
    """
    run = _Run(task, options, processes or Processes())
    if folder is not None:
        _begin(run, folder, resume)
    first = clock = run.progress
    pending: list[Tensor] = []
    value = math.nan
    while (share := run.share()) < 1.0:
        try:
            loss, norm = run.step(share)
        except Exception as fault:
            if not is_out_of_memory(fault):
                raise
            full = True
        else:
            full = False
        if full:  # outside of the handler, whose traceback would keep the tensors alive
            raise run.too_big()
        pending.append(loss)
        at, last = run.progress.step, run.share() >= 1.0
        report, save = at % run.options.report_every == 0 or last, at % run.options.save_every == 0 or last
        if report or save:
            waiting = time.perf_counter()
            _check_finite(pending, at)  # waits for the device
            run.progress = Progress(at, run.progress.seconds + time.perf_counter() - waiting)
        if report:
            value = run.processes.mean(float(torch.stack(pending).mean()))
            _report(run, _point(run, value, float(norm), clock, folder, last), folder, progress)
            pending, clock = [], run.progress
        if folder is not None and save and run.processes.is_main:
            run.state.save(folder / STATE_FILE, run.progress, run.setting)
    run.finish()
    if folder is not None and run.processes.is_main:
        with room_to_write(folder / PLOT_FILE, "the run is complete"):
            plot_curve(read_curve(folder / CURVE_FILE), task.name, folder / PLOT_FILE)
    run.processes.wait()
    steps, seconds = run.progress.step - first.step, run.progress.seconds - first.seconds
    rate = steps * options.batch / seconds if steps else math.nan
    peak, device = peak_bytes(run.processes.device), str(run.processes.device)
    return Outcome(task.name, run.progress.step, run.progress.seconds / 60, rate, value, peak, device, run.processes.count)


def _check_finite(pending: list[Tensor], step: int) -> None:
    for k, value in enumerate(torch.stack(pending).tolist() if pending else []):
        if not math.isfinite(value):
            at = step - len(pending) + 1 + k
            raise ModelError(f"training: loss {value} at step {at}; expected a finite number - lower the learning rate")


def _point(run: _Run, loss: float, norm: float, clock: Progress, folder: Path | None, last: bool) -> CurvePoint:
    """Measure what is due and put the row together."""
    at, options = run.progress.step, run.options
    measured, fgd = Measured(), math.nan
    due, validated = at % options.measure_every == 0 or last, options.validate_every and (at % options.validate_every == 0 or last)
    if due or validated:
        with averaged(run.objective, run.ema):
            measured = run.task.measure() if due else measured
            fgd = run.task.validate() if validated and run.processes.is_main else fgd
        run.keep(measured.held_out, folder)
    rate, seconds = float(run.optimizer.param_groups[0]["lr"]), max(run.progress.seconds - clock.seconds, 1e-9)
    pace = (at - clock.step) / seconds
    figures = (measured.held_out, measured.noisy, pace, pace * options.batch, measured.reconstruction, fgd)
    return CurvePoint(at, run.progress.seconds / 60, loss, rate, norm, *figures)


def _report(run: _Run, point: CurvePoint, folder: Path | None, progress: Report | None) -> None:
    if not run.processes.is_main:
        return
    if folder is not None:
        with room_to_write(folder / CURVE_FILE, "the last checkpoint is still good"):
            append_point(folder / CURVE_FILE, point)
    if progress is not None:
        progress(point, run.options.share_done(run.progress))


def _begin(run: _Run, folder: Path, resume: bool) -> None:
    with room_to_write(folder, "nothing was begun"):
        folder.mkdir(parents=True, exist_ok=True)
    if resume and (folder / STATE_FILE).is_file():
        run.progress = run.state.restore(folder / STATE_FILE, run.setting)
        run.best = BestWeights.load(folder / BEST_FILE, run.setting, run.progress.step)
        run.processes.wait()
        if run.processes.is_main:
            drop_after(folder / CURVE_FILE, run.progress.step)
    elif run.processes.is_main:
        for name in (STATE_FILE, CURVE_FILE, BEST_FILE, PLOT_FILE):
            (folder / name).unlink(missing_ok=True)
