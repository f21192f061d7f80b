"""How a denoiser's calls are computed while sampling: number format and compilation. The weights and everything outside the calls stay float32.

``bfloat16``: products in bfloat16, sums, normalisations and the residual stream in float32. ``compiled``: by ``torch.compile``; on a GPU its calls
are replayed as CUDA graphs. Both are off unless asked for: the goldens hold for float32. Nothing of this is in the released code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, cast, get_args

import torch
from torch import Tensor

from raggesture.errors import ConfigError

Precision = Literal["float32", "bfloat16"]
F = TypeVar("F", bound=Callable[..., Tensor])


class Predict(Protocol):
    """A denoiser bound to conditions."""

    def __call__(self, x: Tensor, t: int, *, both: bool) -> Tensor:
        """x (B, T, D) -> x_0 (B, T, D) with the conditions; with ``both`` (2 B, T, D), the second half without."""
        ...


@dataclass(frozen=True, slots=True)
class Numerics:
    """``precision``: of the products. ``compiled``: whether calls go through ``torch.compile`` (the first ones then take a minute)."""

    precision: Precision = "float32"
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise ConfigError(f"precision {self.precision!r}: unknown; expected one of {', '.join(get_args(Precision))} - correct it")

    @property
    def dtype(self) -> torch.dtype:
        """Format of the weights of products."""
        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32

    @property
    def key(self) -> str:
        """As one short text, for whoever keeps something that depends on it."""
        return f"{self.precision}{'/compiled' if self.compiled else ''}"

    def compile(self, function: F, device: torch.device) -> F:
        """``function``, compiled if that was asked for."""
        if not self.compiled:
            return function
        return cast(F, torch.compile(function, dynamic=False, mode="reduce-overhead" if device.type == "cuda" else None))

    def within(self, predict: Predict, device: torch.device) -> Predict:
        """``predict`` in this precision, its result in float32."""
        if self.precision == "float32":
            return predict

        def rounded(x: Tensor, t: int, *, both: bool) -> Tensor:
            with torch.autocast(device.type, self.dtype):
                return predict(x, t, both=both).float()

        return rounded


FLOAT32 = Numerics()
