"""The benchmark's plain procedure is the published one: held to the same goldens."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from golden_model import KEEP, MIXING, SMALL, arrays, assert_close, conditions, small_denoiser

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from plain_released import PlainDenoiser


@torch.no_grad()
@pytest.mark.parametrize("name", ["denoiser", "denoiser_qmfix"])
@pytest.mark.parametrize("t", [999, 101, 37])
def test_mixtures(goldens: Path, name: str, t: int) -> None:
    from dataclasses import replace

    data, denoiser = arrays(goldens, name), small_denoiser(goldens)
    config = SMALL if name == "denoiser" else replace(SMALL, masked_tokens=(10, 21, 32))
    given = conditions(data)
    for scale, mixing in MIXING.items():
        plain = PlainDenoiser(denoiser.state_dict(), config, mixing)
        rows = [
            plain(data["x"][k : k + 1], t, plain.encode(given.text[k : k + 1], given.audio[k : k + 1], given.speaker[k : k + 1])) for k in range(given.batch)
        ]
        assert_close(torch.cat(rows), data[f"cfg_{scale}_t{t}"], tokens=KEEP, bound=1e-5)
