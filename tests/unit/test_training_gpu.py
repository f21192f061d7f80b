"""Training on a GPU, where there is one: precisions, the same start as on the CPU, memory that runs out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers_training import OPTIONS, SMALL, small_codec, small_dataset
from raggesture.errors import ConfigError
from raggesture.training.curves import CurvePoint
from raggesture.training.denoiser import train_denoiser
from raggesture.training.processes import Processes

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


@pytest.mark.parametrize(("precision", "bound"), [("float32", 1e-3), ("bfloat16", 0.03), ("float16", 0.03)])
def test_a_gpu_gives_the_losses_of_the_cpu(precision: Any, bound: float, tmp_path: Path) -> None:
    data, losses = small_dataset(), []
    for device, chosen in (("cpu", "float32"), ("cuda", precision)):
        points: list[CurvePoint] = []
        options = replace(OPTIONS, precision=chosen)
        processes = Processes(device=torch.device(device))
        folder = tmp_path / device
        _, outcome = train_denoiser(
            data, small_codec(data), SMALL, options, folder=folder, processes=processes, progress=lambda point, share, points=points: points.append(point)
        )
        again, _ = train_denoiser(data, small_codec(data), SMALL, options, folder=folder, processes=processes, resume=True)
        losses.append([point.loss for point in points])
        assert outcome.device.startswith(device) and outcome.peak_bytes > 0 and next(again.parameters()).device.type == device
    assert losses[1] == pytest.approx(losses[0], rel=bound)


def test_a_batch_beyond_the_memory_names_one_that_fits() -> None:
    data = small_dataset()
    total = torch.cuda.get_device_properties(0).total_memory
    config = replace(SMALL, width=1024, ff_dim=4096, conditioning="frames")
    batch = total // (43 * 4096 * 4)  # its activations alone are more than there is
    with pytest.raises(ConfigError, match=r"exceeds the memory of the GPU; expected at most about \d+ - use --batch"):
        train_denoiser(data, small_codec(data), config, replace(OPTIONS, batch=batch, steps=1), processes=Processes(device=torch.device("cuda")))
