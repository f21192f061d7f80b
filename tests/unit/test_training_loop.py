"""The shared loop: several processes, kills, full disks, memory that runs out, precision, curves."""

from __future__ import annotations

import errno
import math
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from helpers_training import OPTIONS, SMALL, small_codec, small_dataset
from raggesture.errors import ConfigError, ModelError
from raggesture.training import memory, state
from raggesture.training.curves import COLUMNS, CurvePoint, append_point, drop_after, plot_curve, read_curve
from raggesture.training.denoiser import train_denoiser
from raggesture.training.loop import BEST_FILE, CURVE_FILE, PLOT_FILE, STATE_FILE, Measured, train
from raggesture.training.memory import Usage, estimate, fitting_batch, largest_batch
from raggesture.training.optimisation import Optimisation, in_steps, make_optimizer
from raggesture.training.processes import COUNTS, Processes, launched
from raggesture.training.state import saved_step

TESTS = Path(__file__).parents[1]
TIMEOUT_S = 300


def run_script(text: str, folder: Path, *arguments: str, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """A script of its own process, which finds the helpers and the package as this one does."""
    script = folder / "script.py"
    script.write_text(text)
    paths = os.pathsep.join([str(TESTS), *sys.path])
    threads = str(torch.get_num_threads())
    return subprocess.run(
        [sys.executable, *launcher, str(script), *arguments], capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": threads},
    )  # fmt: skip


# several processes -----------------------------------------------------------------------------------------------------

TOGETHER = """
import sys
from dataclasses import replace
from pathlib import Path

from helpers_training import OPTIONS, SMALL, small_codec, small_dataset
from raggesture.models.vae import VaeConfig
from raggesture.training.denoiser import train_denoiser
from raggesture.training.processes import COUNTS, Processes, launched
from raggesture.training.vae import VaeTraining, train_vae

processes, folder = Processes.start("cpu"), Path(sys.argv[1])
data = small_dataset()
options = replace(OPTIONS, steps=12, report_every=1, measure_every=6, condition_noise=0.3, condition_dropout=0.25, learning_rate=5e-3)
train_denoiser(data, small_codec(data), SMALL, options, held_out=data, folder=folder / "denoiser", processes=processes)
config = VaeConfig(78, latent_dim=16, num_layers=1, num_heads=1, ff_size=16, dropout=0.0, decoder_arch="all_encoder")  # leaves a table unused
train_vae(data, "upper", config, VaeTraining(steps=6, batch=4, report_every=1, learning_rate=1e-3), folder=folder / "vae", processes=processes)
(folder / f"{processes.rank} of {processes.count}").touch()  # what two processes print may run together
"""


def test_two_processes_give_the_curve_of_one(tmp_path: Path) -> None:
    """With the same global batch: losses, gradients and held-out figures agree to 1e-4, and one process alone has written."""
    launch = ("-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1", "--nproc-per-node=2")
    found = run_script(TOGETHER, tmp_path, str(tmp_path / "two"), launcher=launch)
    assert found.returncode == 0, found.stderr[-2000:]
    assert sorted(path.name for path in (tmp_path / "two").glob("* of *")) == ["0 of 2", "1 of 2"]
    alone = run_script(TOGETHER, tmp_path, str(tmp_path / "one"))
    assert alone.returncode == 0 and (tmp_path / "one" / "0 of 1").exists(), alone.stderr[-2000:]
    for stage, steps in (("denoiser", 12), ("vae", 6)):
        one, two = (read_curve(tmp_path / name / stage / CURVE_FILE) for name in ("one", "two"))
        assert [point.step for point in one] == [point.step for point in two] == list(range(1, steps + 1))
        for single, shared in zip(one, two, strict=True):
            assert shared.loss == pytest.approx(single.loss, rel=1e-4) and shared.gradient == pytest.approx(single.gradient, rel=1e-3)
            assert shared.held_out == pytest.approx(single.held_out, rel=1e-4, nan_ok=True)
        assert one[0].loss != pytest.approx(one[-1].loss, rel=1e-3)
    assert saved_step(tmp_path / "two" / "denoiser" / STATE_FILE) == 12


@pytest.mark.parametrize("name", COUNTS)
def test_each_launcher_is_heard(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Under mpirun WORLD_SIZE is not set, and two processes that each think themselves alone would write the same files."""
    for each in COUNTS:
        monkeypatch.delenv(each, raising=False)
    assert launched() == 1 and Processes.start("cpu").count == 1
    monkeypatch.setenv(name, "2")
    assert launched() == 2


def test_a_batch_is_shared_evenly_or_not_at_all() -> None:
    rows = [Processes(rank, 3).rows(12) for rank in range(3)]
    assert [index for part in rows for index in range(12)[part]] == list(range(12))
    with pytest.raises(ConfigError, match="batch 4 for 3 processes; expected a multiple of 3"):
        Processes(0, 3).rows(4)


# kills and full disks --------------------------------------------------------------------------------------------------

KILLED = """
import os, resource, signal, sys
from pathlib import Path

from helpers_training import OPTIONS, SMALL, small_codec, small_dataset
from raggesture.training import state
from raggesture.training.denoiser import train_denoiser

how, folder = sys.argv[1], Path(sys.argv[2])
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
if how == "saving":
    real, calls = state.save_file, []
    def half(tensors, path, metadata=None):
        real(tensors, path, metadata=metadata)
        calls.append(path)
        if len(calls) == 2:
            os.truncate(path, os.path.getsize(path) // 2)
            die()
    state.save_file = half
if how == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
data = small_dataset()
stop = lambda point, share: die() if how == "between" and point.step == 6 else None
try:
    train_denoiser(data, small_codec(data), SMALL, OPTIONS, held_out=data, folder=folder, progress=stop)
except Exception as fault:
    print(f"{type(fault).__name__} {fault.exit_code}: {fault}")
"""


def curve(folder: Path) -> list[tuple[float, ...]]:
    """What a resumed run must repeat; times differ."""
    return [(p.step, p.loss, p.learning_rate, p.gradient, p.held_out if math.isfinite(p.held_out) else -1.0) for p in read_curve(folder / CURVE_FILE)]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, data = tmp_path_factory.mktemp("whole"), small_dataset()
    train_denoiser(data, small_codec(data), SMALL, OPTIONS, held_out=data, folder=folder)
    return folder


@pytest.mark.parametrize("how", ["between", "saving"])
def test_killed_and_resumed_to_the_same_curve(how: str, uninterrupted: Path, tmp_path: Path) -> None:
    """SIGKILL after step 6, or in the middle of writing the checkpoint of step 8: the one of step 4 is good."""
    folder = tmp_path / "run"
    found = run_script(KILLED, tmp_path, how, str(folder))
    assert found.returncode == -signal.SIGKILL, found.stderr[-2000:]
    assert saved_step(folder / STATE_FILE) == 4 and len(read_curve(folder / CURVE_FILE)) in (3, 4)
    data = small_dataset()
    train_denoiser(data, small_codec(data), SMALL, OPTIONS, held_out=data, folder=folder, resume=True)
    assert curve(folder) == curve(uninterrupted) and len(curve(folder)) == 4
    ours, theirs = (load_file(place / STATE_FILE) for place in (folder, uninterrupted))
    assert ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_file_size_limit_is_one_line(tmp_path: Path) -> None:
    found = run_script(KILLED, tmp_path, "limit", str(tmp_path / "run"))
    line = found.stdout.strip()
    assert line.startswith("ModelError 5: ") and "state.safetensors: cannot be written (" in line and "nothing was saved before" in line, found
    assert [path.name for path in (tmp_path / "run").iterdir()] == [CURVE_FILE]


def test_a_full_disk_leaves_the_last_checkpoint(uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, real, calls = small_dataset(), state.save_file, []

    def full(tensors: Any, path: Path, metadata: Any = None) -> None:
        calls.append(path)
        if len(calls) == 2:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(tensors, path, metadata=metadata)

    monkeypatch.setattr(state, "save_file", full)
    with pytest.raises(ModelError, match=r"cannot be written \(No space left on device\).*the checkpoint of step 4 is still good.*--resume"):
        train_denoiser(data, small_codec(data), SMALL, OPTIONS, held_out=data, folder=tmp_path)
    assert saved_step(tmp_path / STATE_FILE) == 4 and not list(tmp_path.glob(".*"))
    train_denoiser(data, small_codec(data), SMALL, OPTIONS, held_out=data, folder=tmp_path, resume=True)
    assert curve(tmp_path) == curve(uninterrupted)


# memory ----------------------------------------------------------------------------------------------------------------


class Limited(nn.Module):
    """Its memory runs out above ``room`` rows."""

    def __init__(self, room: int, fault: BaseException) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.room, self.fault = room, fault

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.room:
            raise self.fault
        return self.layer(x).square().mean()


@dataclass
class Stub:
    objective: nn.Module
    bad_step: int = 0
    name: str = "stub"
    setting: Mapping[str, Any] = field(default_factory=dict)
    samples_per_epoch: int = 40
    drawn: int = 0

    def draw(self, count: int, rows: slice, generator: torch.Generator) -> tuple[Tensor, ...]:
        self.drawn += 1
        x = torch.randn((count, 3), generator=generator)[rows]
        return (x * math.nan if self.drawn == self.bad_step else x,)

    def measure(self) -> Measured:
        return Measured(1.0 + self.drawn)

    def validate(self) -> float:
        return float(self.drawn)


@pytest.mark.parametrize(
    "fault", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), MemoryError()]
)
def test_out_of_memory_names_the_batch_that_fits(fault: BaseException) -> None:
    with pytest.raises(ConfigError, match=r"training stub: batch 32 exceeds the memory .* at most about 4 - use --batch 4, or --precision bfloat16"):
        train(Stub(Limited(5, fault)), Optimisation(steps=3, batch=32))
    with pytest.raises(ConfigError, match="batch 32 and every smaller one"):
        train(Stub(Limited(0, fault)), Optimisation(steps=3, batch=32))


def test_other_faults_are_not_about_memory() -> None:
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(Stub(Limited(1, RuntimeError("shapes differ"))), Optimisation(steps=3, batch=32))
    with pytest.raises(ZeroDivisionError):
        largest_batch(8, lambda batch: 1 / 0)  # type: ignore[arg-type, return-value]


def test_the_batch_is_estimated_from_what_a_smaller_one_took() -> None:
    tried: list[int] = []

    def attempt(batch: int) -> Usage:
        tried.append(batch)
        if 10 + 2 * batch > 0.95 * 100:
            raise torch.OutOfMemoryError
        return Usage(10.0, 10.0 + 2 * batch, 100.0)

    assert largest_batch(128, attempt) == 42 and tried == [64, 32]  # 10 + 2 * 42 = 94 of 95
    assert largest_batch(128, attempt, step=4) == 40
    assert fitting_batch(Usage(10.0, 12.0, 1000.0), 1, 16) == 15  # never what has failed
    assert not memory.is_out_of_memory(ValueError("can't allocate memory"))


def test_memory_is_estimated_by_what_backward_keeps() -> None:
    """Linear(3 -> 1), squared: the input (B, 3) and the product (B, 1) are kept; 4 parameters with gradient and two moments."""
    module = Limited(100, MemoryError())
    found = estimate(module, (torch.ones(10, 3),), averaged=False)
    assert (found.parameters, found.fixed) == (4, 4 * 4 * 4)
    assert 12 <= found.per_sample <= 20 and found.total(10) == found.fixed + 10 * found.per_sample
    assert estimate(module, (torch.ones(10, 3),), averaged=True).fixed == 4 * 5 * 4


# the loop itself -------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_stops_before_it_is_saved(tmp_path: Path) -> None:
    options = Optimisation(steps=8, batch=4, report_every=8, save_every=2)
    with pytest.raises(ModelError, match="loss nan at step 5"):
        train(Stub(Limited(9, MemoryError()), bad_step=5), options, folder=tmp_path)
    assert saved_step(tmp_path / STATE_FILE) == 4


def test_epochs_count_the_corpus() -> None:
    assert in_steps(Optimisation(epochs=3.0, batch=16), 40).steps == 8  # 120 samples
    done = train(Stub(Limited(99, MemoryError())), Optimisation(epochs=2.0, batch=16))
    assert done.steps == 5 and done.processes == 1 and done.samples_per_s > 0 and done.peak_bytes > 2**20


def test_measures_and_validates_when_due(tmp_path: Path) -> None:
    options = Optimisation(steps=6, batch=2, report_every=1, measure_every=3, validate_every=2)
    train(Stub(Limited(9, MemoryError())), options, folder=tmp_path)
    points = read_curve(tmp_path / CURVE_FILE)
    assert [p.step for p in points if math.isfinite(p.held_out)] == [3, 6] and [p.fgd for p in points if math.isfinite(p.fgd)] == [2.0, 4.0, 6.0]
    assert points[0].samples_per_s == pytest.approx(2 * points[0].steps_per_s, rel=1e-4)
    assert sorted(path.name for path in tmp_path.iterdir()) == [CURVE_FILE, PLOT_FILE, STATE_FILE]
    assert (tmp_path / PLOT_FILE).read_bytes().startswith(b"\x89PNG") and not (tmp_path / BEST_FILE).exists()


def test_published_optimiser_is_the_default() -> None:
    options = Optimisation(steps=1000)
    optimizer = make_optimizer(nn.Linear(3, 2), options)
    assert type(optimizer) is torch.optim.Adam
    assert all(group["lr"] == 1e-4 and group["weight_decay"] == 0 and group["betas"] == (0.9, 0.999) for group in optimizer.param_groups)
    plain = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-4)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(plain, 1000, eta_min=1e-10)
    for step in range(1000):
        assert options.rate_at(step / 1000) == pytest.approx(plain.param_groups[0]["lr"], rel=1e-4, abs=1e-12)
        plain.step()
        reference.step()
    assert options.rate_at(1.0) == pytest.approx(1e-10, rel=1e-6)
    assert options.clip == options.ema_decay == 0


def test_precision() -> None:
    data = small_dataset()
    losses = []
    for precision in ("float32", "bfloat16"):
        points: list[CurvePoint] = []
        options = replace(OPTIONS, steps=4, precision=precision)  # type: ignore[arg-type]
        denoiser, _ = train_denoiser(data, small_codec(data), SMALL, options, progress=lambda point, share, points=points: points.append(point))
        assert next(denoiser.parameters()).dtype == torch.float32
        losses.append(points[-1].loss)
    assert losses[0] != losses[1] and losses[1] == pytest.approx(losses[0], rel=0.02)
    with pytest.raises(ConfigError, match="float16 on a CPU"):
        train(Stub(nn.Linear(3, 1)), Optimisation(steps=1, precision="float16"))
    with pytest.raises(ConfigError, match="did you mean 'float16'"):
        Optimisation(steps=1, precision="fp16")  # type: ignore[arg-type]


# curves ----------------------------------------------------------------------------------------------------------------


def test_a_row_that_a_kill_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    for step in (10, 20):
        append_point(path, CurvePoint(step, 0.5, 1.0, 1e-3, 0.1))
    whole = path.read_bytes()
    path.write_bytes(whole + b"30,0.75,0.9")
    assert [point.step for point in read_curve(path)] == [10, 20]
    drop_after(path, 20)
    assert path.read_bytes() == whole
    path.write_text("step,minutes,loss,learning_rate,gradient,held_out,held_out_noisy,steps_per_s\n5,1,2,3,4,5,6,7\n")
    (old,) = read_curve(path)  # written before there were more columns
    assert old.steps_per_s == 7 and math.isnan(old.fgd) and len(COLUMNS) == 11


@pytest.mark.filterwarnings("error")
def test_a_curve_without_points_is_drawn_without_a_word(tmp_path: Path) -> None:
    plot_curve([], "x", tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 0


def test_plot_without_matplotlib_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match="pip install"):
        plot_curve([CurvePoint(1, 0, 1, 1, 1)], "x", tmp_path / "x.png")
