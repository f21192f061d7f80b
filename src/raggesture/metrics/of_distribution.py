"""Metrics of sets of motions: fgd, density-coverage, diversity, l1div, multimodality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from raggesture.body.joints import N_JOINTS
from raggesture.metrics.clip import EvaluatedClip
from raggesture.metrics.distribution import (
    NEIGHBOURS,
    ball_radii,
    distances,
    diversity,
    frechet_distance,
    frechet_of_moments,
    l1_divergence,
    pair_distances,
    weighted_moments,
)
from raggesture.metrics.measured import Array, Combined, Counts, Figures, Floats, Measurements, clip_values, means, nothing
from raggesture.plugins.hookspecs import Metric, hookimpl

_SIDES = ("result", "reference")
_STEP_M = 1e-4
_BLOCK = 64
_MOST_ROWS = 3000


class NoOptions(BaseModel):
    """There are none."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def _features(clip: EvaluatedClip) -> Mapping[str, Array]:
    """Feature rows of both sides, float32 as the autoencoder has them."""
    assert clip.reference is not None
    rows = [clip.kit.rows(motion).astype(np.float32) for motion in (clip.motion, clip.reference)]
    return dict(zip(_SIDES, rows, strict=True)) if all(map(len, rows)) else {}


class _Rows:
    """Feature rows of one side with the clip that each belongs to."""

    def __init__(self, measured: Measurements, side: str) -> None:
        found = [(clip, rows) for clip, rows in enumerate(measured.column(side)) if rows is not None]
        self.rows: Floats = np.concatenate([rows for _, rows in found]).astype(np.float64) if found else np.zeros((0, 0))
        self.clip = np.repeat([clip for clip, _ in found], [len(rows) for _, rows in found]).astype(int)

    def thinned(self, most: int, seed: int) -> _Rows:
        """At most so many rows, drawn."""
        if len(self.rows) > most:
            kept = np.sort(np.random.default_rng(seed).choice(len(self.rows), most, replace=False))
            self.rows, self.clip = self.rows[kept], self.clip[kept]
        return self


def _moments_distance(a: _Rows, b: _Rows, counts_a: Counts, counts_b: Counts) -> float:
    weights = (counts_a[a.clip], counts_b[b.clip])
    if any((w > 0).sum() < 2 for w in weights):
        return math.nan
    moments = [weighted_moments(side.rows[w > 0], w[w > 0]) for side, w in zip((a, b), weights, strict=True)]
    return frechet_of_moments(*moments[0], *moments[1])


class Fgd:
    """Frechet distance between the autoencoder's features of results and references."""

    name: ClassVar[str] = "fgd"
    unit: ClassVar[str] = "1"
    direction: ClassVar[str] = "lower"
    needs: ClassVar[tuple[str, ...]] = ("reference",)
    source: ClassVar[str] = "Yoon et al. 2020; the published evaluator's use of EMAGE's autoencoder"
    meaning: ClassVar[str] = (
        "How far the distribution of poses over a second is from the references'; nothing of speech, hardly anything of trembling, and it only compares under "
        "one autoencoder and scale."
    )
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """Feature rows of both sides."""
        return _features(clip)

    def combine(self, measured: Measurements) -> Combined:
        """The distance; the references' figure is that of their clips in two halves."""
        ours, truth = (_Rows(measured, side) for side in _SIDES)
        clips = len(set(ours.clip.tolist()))
        if clips < 2:
            return nothing(f"{clips} clip with 32 frames: no covariance, no number")
        halves = [np.arange(len(measured)) % 2 == side for side in (0, 1)]
        whole = frechet_distance(ours.rows, truth.rows)

        def figures(counts: Counts) -> Figures:
            floor = _moments_distance(truth, truth, counts * halves[0], counts * halves[1])
            now = whole if (counts == 1).all() else _moments_distance(ours, truth, counts, counts)
            return {"": (now, floor)}

        few = len(ours.rows) <= ours.rows.shape[1]
        note = f"{len(ours.rows)} rows of {ours.rows.shape[1]}; reference: its two halves"
        return Combined(figures, {}, f"{note}; fewer rows than dimensions: too high, rank deficient" if few else note, (0, math.inf), draws=100)


class DensityCoverageOptions(BaseModel):
    """How balls are made."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    neighbours: int = Field(NEIGHBOURS, ge=1, description="The k-th nearest reference row is on the edge of a row's ball.")
    seed: int = Field(0, ge=0, description=f"Of more than {_MOST_ROWS} rows a side, which are used.")


class DensityCoverage:
    """Density and Coverage of the results' features in balls around the references'."""

    name: ClassVar[str] = "density-coverage"
    unit: ClassVar[str] = "1"
    direction: ClassVar[str] = "higher"
    needs: ClassVar[tuple[str, ...]] = ("reference",)
    source: ClassVar[str] = "Naeem et al. 2020"
    meaning: ClassVar[str] = (
        "Density: do results lie where references are thick (over 1: in the thickest places only); coverage: the share of what references do that "
        "results do too. Nothing of speech."
    )
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = DensityCoverageOptions

    def __init__(self, options: DensityCoverageOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """Feature rows of both sides."""
        return _features(clip)

    def combine(self, measured: Measurements) -> Combined:
        """Both figures. Balls stay as they are when clips are drawn again."""
        ours, truth = (_Rows(measured, side).thinned(_MOST_ROWS, self._options.seed) for side in _SIDES)
        k = self._options.neighbours
        if len(truth.rows) <= k:
            return nothing(f"{len(truth.rows)} reference rows: too few for balls of {k} neighbours", ("density", "coverage"))
        inside = distances(truth.rows, ours.rows) < ball_radii(truth.rows, k)[:, None]  # (N, M)
        hits = np.zeros((len(truth.rows), len(measured)), bool)
        for clip in range(len(measured)):
            hits[:, clip] = inside[:, ours.clip == clip].any(axis=1)
        balls = inside.sum(axis=0) / k  # (M,)

        def figures(counts: Counts) -> Figures:
            mine, theirs = counts[ours.clip], counts[truth.clip]
            density = float(balls @ mine / mine.sum()) if mine.sum() else math.nan
            covered = (hits[:, counts > 0]).any(axis=1)
            coverage = float(covered @ theirs / theirs.sum()) if theirs.sum() else math.nan
            return {"density": (density, math.nan), "coverage": (coverage, math.nan)}

        return Combined(figures, {}, f"{len(ours.rows)} and {len(truth.rows)} rows", (0, math.inf), draws=300)


def _flat(joints: Array) -> Array:
    """(F * 165,) joints in tenths of a millimetre, 2 bytes a number where they fit: the error is a hundred-millionth of a distance between clips."""
    if np.abs(joints).max(initial=0) < 3.2:
        return np.round(joints.reshape(-1) / _STEP_M).astype(np.int16)
    return np.asarray(joints.reshape(-1), np.float32)


def _metres(flat: Array) -> Floats:
    return flat * _STEP_M if flat.dtype == np.int16 else flat.astype(np.float64)


class Diversity:
    """Mean distance between the joints of two clips of the set."""

    name: ClassVar[str] = "diversity"
    unit: ClassVar[str] = "m, summed as published"
    direction: ClassVar[str] = "reference"
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "the published evaluator (pred div)"
    meaning: ClassVar[str] = "How different the clips of a set are from each other; noise is diverse too, so nearer to the references is better, not more."
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """Joints of each side."""
        return {side: _flat(joints) for side, (_, joints) in zip(_SIDES, clip.sides, strict=False)}

    def combine(self, measured: Measurements) -> Combined:
        """The mean over pairs of clips of the full length; a clip drawn twice is no pair."""
        shapes = [shape for side in _SIDES for shape in measured.shapes(side) if shape]
        longest = max(shapes, default=(0,))
        whole = [k for k in range(len(measured)) if longest in (measured.shapes("result")[k],)]
        frames = longest[0] // (3 * N_JOINTS)
        if len(whole) < 2 or not frames:
            return nothing(f"{len(whole)} clip of the full length: no pair, no number")
        tables = [self._pairs(measured, side, whole, longest) for side in _SIDES]

        def figures(counts: Counts) -> Figures:
            pairs = np.outer(counts[whole], counts[whole])
            np.fill_diagonal(pairs, 0)
            total = pairs.sum()
            ours, theirs = (float((pairs * t).sum() / total / frames) if t is not None and total else math.nan for t in tables)
            return {"": (ours, theirs)}

        short = len(measured) - len(whole)
        return Combined(figures, {}, f"{short} shorter clips not counted" if short else "", (0, math.inf))

    def _pairs(self, measured: Measurements, side: str, whole: Sequence[int], longest: tuple[int, ...]) -> NDArray[np.floating] | None:
        shapes = measured.shapes(side)
        if any(shapes[k] != longest for k in whole):
            return None
        return pair_distances(_Blocks(measured, side, whole))


class _Blocks(Sequence[Floats]):
    """Rows of so many clips at a time, read when they are asked for."""

    def __init__(self, measured: Measurements, side: str, clips: Sequence[int]) -> None:
        self._measured, self._side = measured, side
        self._parts = [clips[k : k + _BLOCK] for k in range(0, len(clips), _BLOCK)]
        self._sizes = [len(part) for part in self._parts]

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, number):  # type: ignore[no-untyped-def]
        if number >= len(self._parts):
            raise IndexError(number)
        found = (self._measured.array(clip, self._side) for clip in self._parts[number])
        return np.stack([_metres(each) for each in found if each is not None])


class L1Divergence:
    """Mean distance of a frame from its clip's mean pose, summed over coordinates."""

    name: ClassVar[str] = "l1div"
    unit: ClassVar[str] = "m, summed over 165 coordinates"
    direction: ClassVar[str] = "reference"
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "the published evaluator (L1div)"
    meaning: ClassVar[str] = "How much a clip moves about its mean pose; trembling counts as much as gesturing, so nearer to the references is better."
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """The clip's own figure on each side."""
        found = [l1_divergence([joints.reshape(len(joints), -1)]) for _, joints in clip.sides]
        return clip_values(found[0], found[1] if len(found) > 1 else math.nan, clip.motion.frames)

    def combine(self, measured: Measurements) -> Combined:
        """Mean over frames."""
        return means(measured, limits=(0, math.inf))


class Multimodality:
    """Mean distance between takes of one clip with different seeds."""

    name: ClassVar[str] = "multimodality"
    unit: ClassVar[str] = "m, summed as published"
    direction: ClassVar[str] = "higher"
    needs: ClassVar[tuple[str, ...]] = ("takes",)
    source: ClassVar[str] = "the published evaluate_mm (which expects *_rep0..4)"
    meaning: ClassVar[str] = "How much the seed changes for one speech; what is random is not therefore good."
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """Mean over pairs of takes, each relative to its own first pelvis."""
        takes = [clip.joints, *(clip.body.joints(take) for take in clip.takes)]
        frames = min(map(len, takes))
        flat = [(joints[:frames] - joints[:1, :1]).reshape(frames, -1) for joints in takes]
        return clip_values(diversity(flat))

    def combine(self, measured: Measurements) -> Combined:
        """Mean over clips."""
        return means(measured, limits=(0, math.inf))


@hookimpl
def raggesture_metrics() -> list[type[Metric]]:
    """The metrics of this module."""
    return [Fgd, DensityCoverage, Diversity, L1Divergence, Multimodality]
