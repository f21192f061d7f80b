"""Voice as the published model hears it: the last hidden state of wav2vec 2.0 base-960h, one window at a time.

A window is normalised by itself to mean 0 and variance 1 and goes through the network by itself, so a vector depends on
everything in its window and on nothing outside: an index cannot store the vectors of a clip, it keeps the way to its
recording. 160 000 samples (ten seconds) give (499, 768).
Source: METHOD part I (a) "Audio features".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import SAMPLE_RATE_HZ
from raggesture.encoders.pretrained import PretrainedEncoder, Published, load_network
from raggesture.errors import InputError, ModelError

WAV2VEC2 = Published("wav2vec2", ("facebook/wav2vec2-base-960h",), "wav2vec2")
_KERNELS = (10, 3, 3, 3, 3, 2, 2)
_STRIDES = (5, 2, 2, 2, 2, 2, 2)
_VARIANCE_FLOOR = 1e-7
_BATCH = 8
"""Windows at once; the first convolution alone makes 65 MB of each."""
_UNUSED = frozenset({"masked_spec_embed"})
"""Parameter of training only; older files lack it."""


def vectors_of_samples(samples: int, kernels: Sequence[int] = _KERNELS, strides: Sequence[int] = _STRIDES) -> int:
    """Number of vectors that unpadded convolutions make of ``samples``; 0 where there are too few.

    >>> vectors_of_samples(160_000), vectors_of_samples(400), vectors_of_samples(399)
    (499, 1, 0)
    """
    for kernel, stride in zip(kernels, strides, strict=True):
        samples = max((samples - kernel) // stride + 1, 0)
    return samples


def normalised(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """A wave (N,) at mean 0 and variance 1 as transformers' processor makes it; silence stays silence."""
    return np.asarray((wave - wave.mean()) / np.sqrt(wave.var() + _VARIANCE_FLOOR), np.float32)


class Wav2Vec2Encoder(PretrainedEncoder):
    """wav2vec 2.0. The configuration is read when a size is asked for, the weights at the first use.

    Args:
        folder: with ``config.json`` and the weights; None: see ``raggesture.encoders.pretrained``. device: where to compute.
    """

    name = WAV2VEC2.name
    per_window = True

    def __init__(self, folder: Path | None = None, device: str = "cpu") -> None:
        super().__init__(WAV2VEC2, folder, device)

    @property
    def rate_hz(self) -> float:
        """Vectors per second (50); a window has one less, for the convolutions are not padded."""
        return SAMPLE_RATE_HZ / float(np.prod(self._strides))

    @property
    def _kernels(self) -> tuple[int, ...]:
        return tuple(self._config.get("conv_kernel", _KERNELS))

    @property
    def _strides(self) -> tuple[int, ...]:
        return tuple(self._config.get("conv_stride", _STRIDES))

    @cached_property
    def _network(self) -> Any:
        from transformers import Wav2Vec2Model

        if self._config.get("feat_extract_norm", "group") != "group":
            raise ModelError(f"{self.folder}: feat_extract_norm 'layer'; expected 'group', as in base-960h - {WAV2VEC2.remedy}")
        return load_network(WAV2VEC2, Wav2Vec2Model, self.folder, spare=_UNUSED).to(self._device)

    def encode(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """Encode one window.

        Args:
            wave: (N,) float32 at 16 kHz; what the vectors may know of.

        Returns:
            (n, dim) float32, n = ``vectors_of_samples(N)``.

        Raises:
            InputError: not one-dimensional, not finite, or shorter than one vector's reach (400 samples, 25 ms).
            ModelError: the weights are not there or not these.
        """
        if wave.ndim != 1:
            raise InputError(f"wave: shape {wave.shape}; expected (N,) finite samples at 16 kHz - use load_audio")
        vectors: NDArray[np.float32] = self.encode_batch(wave[None])[0]
        return vectors

    def encode_batch(self, waves: NDArray[np.float32]) -> NDArray[np.float32]:
        """Encode windows (B, N) of one length, each by itself, to (B, n, dim); errors as ``encode``. Pays on a GPU."""
        if waves.ndim != 2 or not bool(np.isfinite(waves).all()):
            raise InputError(f"waves: shape {waves.shape}; expected (B, N) finite samples at 16 kHz - use load_audio")
        vectors = vectors_of_samples(waves.shape[1], self._kernels, self._strides)
        if vectors < 1:
            raise InputError(
                f"wave: {waves.shape[1]} samples; expected at least 400 (25 ms), the reach of one vector of wav2vec2 - pad the window with silence"
            )
        import torch

        found = np.zeros((len(waves), vectors, self.dim), np.float32)
        for first in range(0, len(waves), _BATCH):
            rows = np.stack([normalised(wave) for wave in waves[first : first + _BATCH]])
            with torch.inference_mode():
                hidden = self._network(torch.from_numpy(rows).to(self._device)).last_hidden_state
            found[first : first + len(rows)] = hidden.float().cpu().numpy()
        return found
