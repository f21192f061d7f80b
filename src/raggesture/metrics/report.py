"""``raggesture eval``: match results with references, measure, report under a stated protocol.

Reads a folder as ``generate`` writes it (``NAME.npz`` beside ``--reference``) or as the published tools write theirs
(``*/*/pred_motion.npz`` with ``gt_motion.npz`` and ``gt_audio.wav``). What cannot be matched or read is named and counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.joints import N_JOINTS
from raggesture.body.skeleton import forward_kinematics
from raggesture.clock import MOTION_FPS
from raggesture.errors import InputError, RaggestureError
from raggesture.metrics.distribution import diversity, frechet_distance, l1_divergence
from raggesture.metrics.fgd import EvaluationKit, fgd_features
from raggesture.metrics.timing import beat_align
from raggesture.motion import Motion, read_npz
from raggesture.speech.audio import load_audio

Protocol = Literal["default", "paper"]
PAPER_FRAMES = 300
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """One result with what it is held against; ``audio`` may be missing."""

    name: str
    predicted: Path
    reference: Path
    audio: Path | None


@dataclass(frozen=True, slots=True)
class Row:
    """One clip's figures."""

    name: str
    frames: int
    beat_align: float
    beat_align_reference: float
    l1_divergence: float
    l1_divergence_reference: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric over all clips: of the results, and of the references themselves (NaN where it has no meaning)."""

    name: str
    value: float
    reference: float
    better: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Figures under a protocol, rows per clip, and what was left out and why."""

    protocol: dict[str, Any]
    figures: tuple[Figure, ...]
    rows: tuple[Row, ...]
    left_out: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Plain data; NaN becomes null."""
        return {
            "schema": 1,
            "protocol": self.protocol,
            "figures": [{k: _plain(getattr(f, k)) for k in Figure.__slots__} for f in self.figures],
            "rows": [{k: _plain(getattr(r, k)) for k in Row.__slots__} for r in self.rows],
            "left_out": list(self.left_out),
        }


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _reference_of(folder: Path, name: str) -> Path | None:
    for candidate in (folder / f"{name}.npz", folder / "smplxflame_30" / f"{name}.npz"):
        if candidate.is_file():
            return candidate
    return None


def _audio_of(folders: tuple[Path, ...], name: str) -> Path | None:
    for folder in folders:
        for candidate in (folder / f"{name}.wav", folder / "wave16k" / f"{name}.wav"):
            if candidate.is_file():
                return candidate
    return None


def find_pairs(results: Path, reference: Path | None) -> tuple[list[Pair], list[str]]:
    """Match results with references by name; returns the pairs and a line for each result that has none."""
    if not results.is_dir():
        raise InputError(f"{results}: no such folder; expected a folder of results - check the path")
    published = sorted(results.glob("**/pred_motion.npz"))
    pairs, left_out = [], []
    for path in published:
        name = path.parent.relative_to(results).as_posix()
        truth, audio = path.with_name("gt_motion.npz"), path.with_name("gt_audio.wav")
        if truth.is_file():
            pairs.append(Pair(name, path, truth, audio if audio.is_file() else None))
        else:
            left_out.append(f"{path}: no gt_motion.npz beside it")
    for path in [] if published else sorted(results.glob("*.npz")):
        found = _reference_of(reference, path.stem) if reference else None
        if found and reference:
            pairs.append(Pair(path.stem, path, found, _audio_of((reference, results), path.stem)))
        else:
            left_out.append(f"{path}: no reference of that name{'' if reference else ' (no --reference given)'}")
    if not pairs:
        detail = f"; {left_out[0]}" if left_out else ""
        raise InputError(f"{results}: nothing to evaluate{detail}; expected NAME.npz with --reference DIR, or */*/pred_motion.npz - see raggesture eval --help")
    return pairs, left_out


def _joints(motion: Motion) -> NDArray[np.float32]:
    """(F, 55, 3) metres, mean body, no translation, as the published evaluator has it."""
    positions, _ = forward_kinematics(torch.from_numpy(np.array(motion.rotations)))
    joints: NDArray[np.float32] = positions.numpy()
    return joints


def _same_length(pair: Pair) -> tuple[Motion, Motion]:
    predicted, truth = read_npz(pair.predicted), read_npz(pair.reference)
    for path, motion in ((pair.predicted, predicted), (pair.reference, truth)):
        if motion.fps != MOTION_FPS:
            raise InputError(f"{path}: {motion.fps} fps; expected {MOTION_FPS} fps - resample it")
        if motion.frames < 2:
            raise InputError(f"{path}: {motion.frames} frames; expected at least two - leave it out")
    frames = min(predicted.frames, truth.frames, PAPER_FRAMES)
    return predicted.cut(slice(0, frames)), truth.cut(slice(0, frames))


@dataclass(slots=True)
class _Tally:
    rows: list[Row] = field(default_factory=list)
    features: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = field(default_factory=lambda: ([], []))
    joints: tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]] = field(default_factory=lambda: ([], []))

    def add(self, pair: Pair, kit: EvaluationKit, released: bool) -> None:
        motions = _same_length(pair)
        joints = tuple(_joints(m) for m in motions)
        flat = [j.reshape(len(j), 3 * N_JOINTS) for j in joints]
        wave = load_audio(pair.audio) if pair.audio else None
        align = [math.nan if wave is None else beat_align(j, wave, kit.mean_speed, released_threshold=released) for j in joints]
        spread = [l1_divergence([f]) for f in flat]
        for side in (0, 1):
            self.features[side].append(fgd_features(kit.autoencoder, motions[side]))
            self.joints[side].append(flat[side])
        self.rows.append(Row(pair.name, motions[0].frames, align[0], align[1], spread[0], spread[1]))


def _fgd(tally: _Tally) -> Figure:
    ours, truth = (np.concatenate(side) for side in tally.features)
    if min(len(ours), len(truth)) < 2:
        return Figure("FGD", math.nan, math.nan, "lower", "fewer than two feature rows: no covariance, no number")
    half = len(tally.features[1]) // 2
    floor = frechet_distance(np.concatenate(tally.features[1][:half]), np.concatenate(tally.features[1][half:])) if half else math.nan
    few = "" if len(ours) > ours.shape[1] else f"only {len(ours)} rows for {ours.shape[1]} dimensions: rank deficient, too high"
    return Figure("FGD", frechet_distance(ours, truth), floor, "lower", few or "reference = distance of its two halves")


def _diversity(motions: list[NDArray[np.float32]]) -> float:
    whole = [m for m in motions if len(m) == max(map(len, motions))]
    return diversity(whole) if len(whole) > 1 else math.nan


def _beat_note(rows: list[Row]) -> str:
    """What to know about BeatAlign: which voices it could be measured against."""
    heard = sum(math.isfinite(row.beat_align) for row in rows)
    lacking = "" if heard == len(rows) else f"; {len(rows) - heard} of {len(rows)} clips without: no .wav of their name, or no onsets in it"
    return f"timing only, not quality{lacking}"


def _weighted(rows: list[Row], attribute: str) -> float:
    pairs = [(getattr(r, attribute), r.frames) for r in rows if math.isfinite(getattr(r, attribute))]
    return sum(v * w for v, w in pairs) / sum(w for _, w in pairs) if pairs else math.nan


def evaluate(results: Path, reference: Path | None, kit: EvaluationKit, *, protocol: Protocol = "default", progress: Progress | None = None) -> Report:
    """Evaluate a folder.

    ``default``: the first 300 frames at 30 fps, corrected BeatAlign. ``paper``: the same with the published BeatAlign threshold.
    FGD is on the packaged autoencoder's scale under both and says so.

    Raises:
        InputError: no clip could be evaluated.
    """
    pairs, left_out = find_pairs(results, reference)
    tally = _Tally()
    for k, pair in enumerate(pairs):
        try:
            tally.add(pair, kit, protocol == "paper")
        except RaggestureError as fault:
            left_out.append(str(fault))
        if progress:
            progress(pair.name, (k + 1) / len(pairs))
    if not tally.rows:
        raise InputError(f"{results}: none of {len(pairs)} clips could be read; {left_out[0]}")
    closer = "closer to reference"
    figures = (
        _fgd(tally),
        Figure("BeatAlign", _weighted(tally.rows, "beat_align"), _weighted(tally.rows, "beat_align_reference"), closer, _beat_note(tally.rows)),
        Figure("L1Div", l1_divergence(tally.joints[0]), l1_divergence(tally.joints[1]), closer, "sum over 165 coordinates, m"),
        Figure("Diversity", _diversity(tally.joints[0]), _diversity(tally.joints[1]), closer, "clips of the full length only"),
    )
    heading = {
        "name": protocol,
        "fps": MOTION_FPS,
        "frames_per_clip": PAPER_FRAMES,
        "clips": len(tally.rows),
        "body": "mannequin-x mean",
        "autoencoder": kit.name,
        "autoencoder_sha256": kit.sha256,
        "beat_align_threshold": "released" if protocol == "paper" else "corrected",
    }
    return Report(heading, figures, tuple(tally.rows), tuple(left_out))
