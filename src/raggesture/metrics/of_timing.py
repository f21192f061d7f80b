"""Metrics of timing: beat-align as published, and mismatch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from raggesture.metrics.clip import EvaluatedClip
from raggesture.metrics.measured import Array, Combined, Counts, Figures, Floats, Measurements, clip_values, means, nothing
from raggesture.metrics.mismatch import JUDGES, Judge, JudgeName
from raggesture.metrics.of_distribution import NoOptions
from raggesture.metrics.timing import MARGIN_FRAMES, beat_align
from raggesture.plugins.hookspecs import Metric, hookimpl
from raggesture.speech.audio import resample_there_and_back


class BeatAlign:
    """How near the onsets of the voice are to beats of the upper joints."""

    name: ClassVar[str] = "beat-align"
    unit: ClassVar[str] = "0 to 1"
    direction: ClassVar[str] = "reference"
    needs: ClassVar[tuple[str, ...]] = ("voice",)
    source: ClassVar[str] = "the published evaluator; Li et al. 2021, BEAT"
    meaning: ClassVar[str] = (
        "Whether something moves near each onset; timing only, not quality: trembling has a beat near every onset, and people's ratings go against it."
    )
    version: ClassVar[int] = 1
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: NoOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """Both sides against the clip's voice; nothing where no onset is heard."""
        assert clip.wave is not None
        wave = resample_there_and_back(clip.wave) if clip.protocol.released else clip.wave
        found = [beat_align(joints, wave, clip.kit.mean_speed, released_threshold=clip.protocol.released) for _, joints in clip.sides]
        if math.isnan(found[0]):
            return {}
        return clip_values(found[0], found[1] if len(found) > 1 else math.nan, clip.motion.frames - 2 * MARGIN_FRAMES)

    def combine(self, measured: Measurements) -> Combined:
        """Mean over frames."""
        silent = sum(shape is None for shape in measured.shapes("value"))
        return means(measured, note=f"timing only, not quality{f'; {silent} clips without onsets' if silent else ''}", limits=(0, 1))


class MismatchOptions(BaseModel):
    """How much of a clip is compared."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    judge: JudgeName = Field("accents", description="accents: strokes arrive on prominent syllables; energy: wrists move when the voice is loud.")
    least_frames: int = Field(120, ge=30, description="Shorter clips are left out; all others are cut to the shortest of them.")


class Mismatch:
    """How often a motion goes better with its own speech than with another clip's."""

    name: ClassVar[str] = "mismatch"
    unit: ClassVar[str] = "% of pairs; 50 is chance"
    direction: ClassVar[str] = "higher"
    needs: ClassVar[tuple[str, ...]] = ("voice",)
    source: ClassVar[str] = "ours, after GENEA's test with people; the judge is the correlation of the wrists' deceleration with accents"
    meaning: ClassVar[str] = (
        "Whether strokes arrive on prominent syllables, told apart from any other speech; a judge of one thing: 50 does not prove that nothing fits."
    )
    version: ClassVar[int] = 2
    asked_only: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = MismatchOptions

    def __init__(self, options: MismatchOptions) -> None:
        self._options = options

    def measure(self, clip: EvaluatedClip) -> Mapping[str, Array]:
        """Envelopes of the voice and of each side's wrists, 2 bytes a number."""
        assert clip.wave is not None
        frames = clip.motion.frames
        if frames < self._options.least_frames:
            return {}
        judge = JUDGES[self._options.judge]
        envelopes = {side: judge.of_motion(joints) for side, (_, joints) in zip(("result", "reference"), clip.sides, strict=False)}
        return {key: value.astype(np.float16) for key, value in {**envelopes, "voice": judge.of_voice(clip.wave, frames)}.items()}

    def combine(self, measured: Measurements) -> Combined:
        """The share of (clip, other clip) in which the own speech goes better; ties count half."""
        lengths = [shape[0] for shape in measured.shapes("voice") if shape]
        if len(lengths) < 2:
            return nothing(f"{len(lengths)} clip with a voice: nobody else's speech to compare with")
        judge = JUDGES[self._options.judge]
        tables = [_better(measured, judge, side, min(lengths)) for side in ("result", "reference")]

        def figures(counts: Counts) -> Figures:
            pairs = np.outer(counts, counts)
            np.fill_diagonal(pairs, 0)
            ours, theirs = (_share(table, pairs) for table in tables)
            return {"": (ours, theirs)}

        rows = {"": (_each(tables[0]), _each(tables[1]))}
        still = int(np.isnan(tables[0]).all(axis=1).sum() - (len(measured) - len(lengths)))
        note = f"by {judge.name}, {min(lengths)} frames of each clip" + (f"; {still} clips that do not move are not counted" if still > 0 else "")
        return Combined(figures, rows, note, (0, 100), draws=300)


def _better(measured: Measurements, judge: Judge, side: str, frames: int) -> Floats:
    """(N, N): 100 where motion i goes better with its own voice than with k's, 50 where equally, 0 where worse; NaN on the diagonal and where unknown."""
    out = np.full((len(measured), len(measured)), np.nan)
    clips = [k for k in range(len(measured)) if measured.array(k, side) is not None and measured.array(k, "voice") is not None]
    if len(clips) < 2:
        return out
    motions, voices = (np.stack([np.asarray(measured.array(k, key), np.float64)[:frames] for k in clips]) for key in (side, "voice"))
    out[np.ix_(clips, clips)] = judge.table(motions, voices)
    return out


def _share(table: Floats, pairs: Floats) -> float:
    known = np.isfinite(table) & (pairs > 0)
    return float((table[known] * pairs[known]).sum() / pairs[known].sum()) if known.any() else math.nan


def _each(table: Floats) -> Floats:
    known = np.isfinite(table)
    total = known.sum(axis=1)
    return np.where(total > 0, np.where(known, table, 0).sum(axis=1) / np.maximum(total, 1), np.nan)


@hookimpl
def raggesture_metrics() -> list[type[Metric]]:
    """The metrics of this module."""
    return [BeatAlign, Mismatch]
