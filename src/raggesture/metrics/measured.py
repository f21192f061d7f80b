"""What metrics measured of each clip, kept so that memory does not grow with their motion, and what becomes of all of it.

A metric's ``measure`` gives a few named arrays a clip. Small ones stay in memory; larger ones lie in one scratch file and are read where they are
used. ``Combined`` is a metric's answer: its figures as a function of how often each clip counts (1 everywhere for the figure itself, a bootstrap's draw
otherwise), and each clip's own values.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]
Counts = NDArray[np.float64]
Figures = Mapping[str, tuple[float, float]]
"""Label ("" for a metric's only figure) -> the results' figure and the references' own (NaN where it has none)."""

_SPILL_BYTES = 2048


@dataclass(frozen=True, slots=True)
class _Spilled:
    """Where an array lies in the scratch file."""

    offset: int
    shape: tuple[int, ...]
    dtype: str


class Measurements(Sequence[Mapping[str, Array]]):
    """What one metric measured, a mapping a clip in the order of ``names``; an empty one where there was nothing to measure.

    Iterate over it, or take a column; large arrays are read from disk each time.
    """

    def __init__(self, names: Sequence[str] = (), measured: Iterable[Mapping[str, Array]] = ()) -> None:
        self.names: list[str] = []
        self._rows: list[dict[str, Array | _Spilled]] = []
        self._scratch: IO[bytes] | None = None
        for name, arrays in zip(names, measured, strict=True):
            self.add(name, arrays)

    def add(self, name: str, arrays: Mapping[str, Array]) -> None:
        """Put a clip at the end."""
        self.names.append(name)
        self._rows.append({key: self._keep(np.asarray(value)) for key, value in arrays.items()})

    def _keep(self, array: Array) -> Array | _Spilled:
        if array.nbytes <= _SPILL_BYTES:
            return np.array(array)
        if self._scratch is None:
            self._scratch = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this object
        offset = self._scratch.seek(0, 2)
        self._scratch.write(np.ascontiguousarray(array).tobytes())
        return _Spilled(offset, array.shape, array.dtype.str)

    def _read(self, kept: Array | _Spilled) -> Array:
        if not isinstance(kept, _Spilled):
            return kept
        assert self._scratch is not None
        self._scratch.seek(kept.offset)
        dtype = np.dtype(kept.dtype)
        raw = self._scratch.read(dtype.itemsize * math.prod(kept.shape))
        return np.frombuffer(raw, dtype).reshape(kept.shape)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, slice):
            return [self[k] for k in range(*item.indices(len(self)))]
        return {key: self._read(kept) for key, kept in self._rows[item].items()}

    def subset(self, clips: Sequence[int]) -> Measurements:
        """Some of the clips, in the order given, from the same scratch file."""
        part = Measurements()
        part.names = [self.names[clip] for clip in clips]
        part._rows = [self._rows[clip] for clip in clips]
        part._scratch = self._scratch
        return part

    def arrays_of(self, clip: int) -> tuple[str, ...]:
        """Names of what was measured of a clip; none where there was nothing."""
        return tuple(self._rows[clip])

    def array(self, clip: int, key: str) -> Array | None:
        """One array of one clip; None where it was not measured."""
        kept = self._rows[clip].get(key)
        return None if kept is None else self._read(kept)

    def column(self, key: str) -> Iterator[Array | None]:
        """One array of every clip, read one after the other."""
        return (self.array(clip, key) for clip in range(len(self)))

    def shapes(self, key: str) -> list[tuple[int, ...] | None]:
        """The shape of one array of every clip, without reading it."""
        kept = [row.get(key) for row in self._rows]
        return [None if each is None else each.shape for each in kept]

    def table(self, key: str, width: int) -> Floats:
        """(N, width) of a small array of at most ``width`` numbers; NaN where a clip lacks it."""
        out = np.full((len(self), width), np.nan)
        for clip, array in enumerate(self.column(key)):
            if array is not None:
                out[clip] = np.broadcast_to(np.asarray(array, np.float64).reshape(-1), (width,))
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Combined:
    """A metric's answer over all clips.

    ``figures``: see ``Figures``; called with (N,) counts, once for the figure and ``draws`` times for its interval. ``rows``: label -> (N,) values of the
    clips and (N,) of their references, where single clips have one. ``note``: what a reader must know. ``limits``: what a figure can be at all.
    ``interval``: whether resampling clips means anything for these figures.
    """

    figures: Callable[[Counts], Figures]
    rows: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)
    note: str = ""
    limits: tuple[float, float] = (-math.inf, math.inf)
    draws: int = 500
    interval: bool = True


def nothing(note: str, labels: Sequence[str] = ("",)) -> Combined:
    """The answer of a metric that has none; ``note`` says why."""
    figures = dict.fromkeys(labels, (math.nan, math.nan))
    return Combined(lambda counts: figures, note=note, interval=False)


def clip_values(value: float | Array, reference: float | Array = math.nan, weight: float = 1.0) -> dict[str, Array]:
    """What a metric measures that has a number (or a few) for each clip, for ``means``. A weight is the clip's, or each number's own."""
    return {
        "value": np.atleast_1d(np.asarray(value, np.float64)),
        "reference": np.atleast_1d(np.asarray(reference, np.float64)),
        "weight": np.asarray(weight, np.float64),
    }


def _mean(values: Floats, weights: Floats) -> float:
    known = np.isfinite(values) & (weights > 0)
    total = float(weights[known].sum())
    return float((values[known] * weights[known]).sum() / total) if total > 0 else math.nan


def means(measured: Measurements, labels: Sequence[str] = ("",), *, note: str = "", limits: tuple[float, float] = (-math.inf, math.inf)) -> Combined:
    """Weighted means over the clips of what ``clip_values`` gave, a figure for each of ``labels``."""
    width = len(labels)
    values, references = measured.table("value", width), measured.table("reference", width)
    weights = np.nan_to_num(measured.table("weight", width), nan=0.0)

    def figures(counts: Counts) -> Figures:
        now = weights * counts[:, None]
        return {label: (_mean(values[:, k], now[:, k]), _mean(references[:, k], now[:, k])) for k, label in enumerate(labels)}

    rows = {label: (values[:, k], references[:, k]) for k, label in enumerate(labels)}
    return Combined(figures, rows, note, limits)
