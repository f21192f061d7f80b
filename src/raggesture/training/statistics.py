"""Does the motion look like a person's, by the numbers: generated motion, authored motion and three real takes, row by row.

The real ranges are summary statistics (not motion) of three takes of one BEAT2 speaker; ``widened`` is by a quarter of either end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from raggesture.corpus.beat2 import MOTION_DIR
from raggesture.metrics.motion_statistics import MotionStatistics, motion_statistics
from raggesture.motion import read_npz
from raggesture.pipeline import GenerateOptions, Pipeline
from raggesture.plugins.hookspecs import GuidanceSchedule, Retriever
from raggesture.speech.load import load_speech

Range = tuple[float, float]
REAL_TAKES: dict[str, tuple[Range, ...]] = {
    "left_wrist_speed_m_s": ((0.21, 0.44), (0.74, 1.12), (1.21, 2.00)),
    "right_wrist_speed_m_s": ((0.23, 0.41), (0.74, 1.11), (1.44, 1.89)),
    "wrist_acceleration_m_s2": ((2.2, 3.4), (5.3, 7.9), (9.9, 12.8)),
    "wrist_jerk_m_s3": ((28, 39), (69, 93), (139, 184)),
    "still_share": ((0.08, 0.20),),
    "peaks_per_min": ((49, 81),),
    "head_turn_rad_s": ((0.38, 0.43), (0.82, 0.85), (1.36, 1.45)),
    "pelvis_turn_rad_s": ((0.19, 0.30), (0.47, 0.67), (0.94, 1.12)),
    "spine_turn_rad_s": ((0.24, 0.36), (0.52, 0.76), (1.03, 1.16)),
    "root_speed_m_s": ((0.07, 0.11), (0.22, 0.34), (0.33, 0.58)),
    "feet_speed_m_s": ((0.01, 0.01), (0.08, 0.43), (1.07, 1.28)),
    "finger_turn_rad_s": ((0.57, 0.61), (1.64, 1.85)),
    "wrist_up_m": ((-0.14, -0.12), (0.04, 0.07), (0.18, 0.24)),
    "wrist_forward_m": ((-0.11, -0.04), (0.19, 0.22), (0.33, 0.39)),
    "wrist_side_m": ((-0.43, -0.30), (-0.26, -0.22), (-0.15, -0.13)),
    "wrist_distance_m": ((0.26, 0.31), (0.43, 0.53), (0.60, 0.83)),
    "jaw_opening_rad": ((0.02, 0.02), (0.04, 0.05)),
}
_SLACK = 0.25
STANDING = ("feet_speed_m_s", 0)
"""The one row that is not aimed at: real feet measure 1 cm/s half of the time, ours stand still (under 5 mm/s), as is asked of them too."""


@dataclass(frozen=True, slots=True)
class Row:
    """One percentile of one measure: medians over the clips, the real range, and the share of clips inside the widened one."""

    measure: str
    percentile: int
    generated: float
    authored: float
    real: Range
    generated_inside: float
    authored_inside: float


def widened(real: Range) -> Range:
    """The range that counts as a person's."""
    low, high = real
    return low - _SLACK * abs(low), high + _SLACK * abs(high)


def _values(found: Sequence[MotionStatistics], measure: str, percentile: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([float(np.atleast_1d(asdict(one)[measure])[percentile]) for one in found])


def compare(generated: Sequence[MotionStatistics], authored: Sequence[MotionStatistics]) -> list[Row]:
    """The table."""
    rows = []
    for measure, ranges in REAL_TAKES.items():
        for percentile, real in enumerate(ranges):
            low, high = widened(real)
            ours, theirs = _values(generated, measure, percentile), _values(authored, measure, percentile)
            shares = [float(((v >= low) & (v <= high)).mean()) for v in (ours, theirs)]
            rows.append(Row(measure, percentile, float(np.median(ours)), float(np.median(theirs)), real, *shares))
    return rows


def of_corpus(
    corpus: Path, clips: Sequence[str], pipeline: Pipeline, retriever: Retriever, schedule: GuidanceSchedule, progress: Callable[[str], None]
) -> list[Row]:
    """Generate for each clip's voice and words by the whole pipeline, and measure beside the clip's own motion."""
    generated: list[MotionStatistics] = []
    authored: list[MotionStatistics] = []
    for name in clips:
        speech = load_speech(corpus / "wave16k" / f"{name}.wav", corpus / "textgrid" / f"{name}.TextGrid")
        speaker = name.split("_")[1]
        options = GenerateOptions(speaker=speaker if speaker in pipeline.model.manifest.speakers else "", seed=len(generated))
        generated.append(motion_statistics(pipeline.generate(speech, options, retriever=retriever, schedule=schedule).motion))
        authored.append(motion_statistics(read_npz(corpus / MOTION_DIR / f"{name}.npz")))
        progress(name)
    return compare(generated, authored)
