"""What the page carries beside its program: motion, mannequin, waveform and voice, quantised and packed.

Packed means: int16 values, differences along time (modulo 2^16), low bytes before high bytes, gzip, base64. The page undoes it
with the browser's own ``DecompressionStream``. Everything here is deterministic: the same motion gives the same text.
"""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.joints import N_JOINTS, PARENTS
from raggesture.body.skeleton import forward_kinematics, rest_joints
from raggesture.clock import SAMPLE_RATE_HZ
from raggesture.errors import InputError
from raggesture.export.wooden import wooden
from raggesture.motion import Motion

ROTATION_QUANTUM_RAD = 1 / 2048
TRANSLATION_QUANTUM_M = 1 / 4096
_INT16_MAX = 32767
_PEAKS_PER_SECOND = 100
_MAX_PEAKS = 120_000
_FLOOR_SAMPLES = 2000
_MU = 255
_SOLE_BELOW_FOOT_M = 0.0155
"""How far the mannequin's sole lies below its lower foot joint in the rest pose."""


def base64_text(data: bytes) -> str:
    """Base64 without line breaks."""
    return base64.b64encode(data).decode("ascii")


def packed(values: NDArray[np.int16]) -> str:
    """(C, F) int16 -> base64 text, small where the rows are smooth."""
    steps = np.diff(values.astype(np.int32), axis=1, prepend=0).astype(np.uint16)  # (C, F), wraps as int16 does
    planes = np.concatenate(((steps & 255).astype(np.uint8).ravel(), (steps >> 8).astype(np.uint8).ravel()))
    return base64_text(gzip.compress(planes.tobytes(), 6, mtime=0))


@dataclass(frozen=True, slots=True)
class Track:
    """Rows of int16 in packed form; value = int16 * ``quantum``."""

    rows: int
    columns: int
    quantum: float
    data: str


def quantised(values: NDArray[np.float32], quantum: float) -> Track:
    """(F, C) floats -> Track of C rows; the quantum grows where int16 would not reach."""
    peak = float(np.abs(values).max(initial=0.0))
    quantum = max(quantum, peak / _INT16_MAX)
    integers = np.rint(values.astype(np.float64).T / quantum).clip(-_INT16_MAX, _INT16_MAX).astype(np.int16)
    return Track(integers.shape[0], integers.shape[1], quantum, packed(integers))


def motion_tracks(motion: Motion) -> dict[str, Track]:
    """Rotations (165 rows, rad) and translation (3 rows, m) at the motion's own rate."""
    if motion.frames == 0:
        raise InputError("motion: 0 frames; expected at least one - there is nothing to show")
    return {
        "rotations": quantised(motion.rotations.reshape(motion.frames, 3 * N_JOINTS), ROTATION_QUANTUM_RAD),
        "translation": quantised(motion.translation, TRANSLATION_QUANTUM_M),
    }


def floor_height_m(motion: Motion) -> float:
    """Height of the ground: where the lower foot is nearly all of the time (2nd percentile of the lowest foot joint), less the sole."""
    every = slice(None, None, max(1, motion.frames // _FLOOR_SAMPLES))
    joints, _ = forward_kinematics(torch.from_numpy(motion.rotations[every].copy()), torch.from_numpy(motion.translation[every].copy()))
    lowest = joints[:, (10, 11), 1].amin(dim=1).numpy()
    return float(np.percentile(lowest, 2)) - _SOLE_BELOW_FOOT_M


@dataclass(frozen=True, slots=True)
class Mannequin:
    """The wooden mannequin in SMPL-X's rest pose, packed. ``parts`` are (joint ball?, first vertex, vertices)."""

    vertices: int
    faces: int
    low: tuple[float, ...]
    span: tuple[float, ...]
    parts: tuple[tuple[bool, int, int], ...]
    data: str


@cache
def mannequin() -> Mannequin:
    """mannequin-x's wooden body with flat hands: positions uint16 in its box, four joints and weights per vertex.

    Byte order of the packed block: positions (3, V) and faces (3, N) as ``packed`` writes them, then joints (V, 4) and
    weights (V, 4), one byte each (a vertex's weights sum to 255).
    """
    body = wooden()
    vertices = body.vertices
    low, span = vertices.min(axis=0), np.ptp(vertices, axis=0)
    places = np.rint((vertices - low) / span * 65535).astype(np.uint16).view(np.int16)
    faces = body.faces.astype(np.uint16).view(np.int16)  # (N, 3)
    blocks = [_planes(places.T), _planes(faces.T), body.joints.tobytes(), body.weights.tobytes()]
    data = base64_text(gzip.compress(b"".join(blocks), 9, mtime=0))
    return Mannequin(len(vertices), len(faces), tuple(low.tolist()), tuple(span.tolist()), body.parts, data)


def _planes(values: NDArray[np.int16]) -> bytes:
    steps = np.diff(values.astype(np.int32), axis=1, prepend=0).astype(np.uint16)
    return (steps & 255).astype(np.uint8).tobytes() + (steps >> 8).astype(np.uint8).tobytes()


def skeleton_data() -> dict[str, object]:
    """Parents and rest offsets (m) of the 55 joints, as the page's bones."""
    rest = rest_joints().astype(np.float64)
    offsets = rest.copy()
    offsets[1:] -= rest[list(PARENTS[1:])]
    return {"parents": list(PARENTS), "offsets": np.round(offsets, 6).tolist()}


def peaks(wave: NDArray[np.float32]) -> tuple[str, float]:
    """Absolute peaks of the wave as base64 bytes (loudest = 255), and how many there are per second."""
    if wave.size == 0:
        return "", 0.0
    per_peak = max(SAMPLE_RATE_HZ // _PEAKS_PER_SECOND, -(-wave.size // _MAX_PEAKS))
    padded = np.pad(np.abs(wave), (0, -wave.size % per_peak)).reshape(-1, per_peak).max(axis=1)
    loudest = float(padded.max())
    levels = np.rint(padded / loudest * 255) if loudest > 0 else padded
    return base64_text(levels.astype(np.uint8).tobytes()), SAMPLE_RATE_HZ / per_peak


def voice_track(wave: NDArray[np.float32]) -> Track:
    """The wave as 16-bit samples in packed form, from which the page makes a WAV: exact to the sample when seeking.

    Compressed formats are smaller, but browsers seek in them to places of their own choice, or not at all near the end.
    """
    return quantised(np.clip(wave, -1.0, 1.0)[:, None], 1 / _INT16_MAX)


def companded_track(wave: NDArray[np.float32]) -> Track:
    """A long wave as 8-bit mu-law codes (differences modulo 2^8, gzip, base64): half the size, 38 dB between voice and noise.

    Source: ITU-T G.711's compression law, mu = 255, in its continuous form, rounded to codes from -127 to 127.
    """
    level = np.clip(wave, -1.0, 1.0)
    codes = np.rint(np.sign(level) * np.log1p(_MU * np.abs(level)) / np.log1p(_MU) * 127).astype(np.int16)
    steps = np.diff(codes, prepend=0).astype(np.uint8)  # wraps as bytes do
    return Track(1, codes.size, 1 / 127, base64_text(gzip.compress(steps.tobytes(), 6, mtime=0)))
