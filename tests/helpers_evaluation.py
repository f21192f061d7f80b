"""Folders of results made in code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from raggesture.body.joints import N_JOINTS
from raggesture.metrics.samples import sample_speech, swinging
from raggesture.motion import Motion, write_npz

FRAMES = 150


def lay_corpus(folder: Path, count: int = 5, frames: int = FRAMES) -> list[str]:
    """References of ``count`` clips in BEAT2's layout: motion, voice, labels with strokes."""
    for name in ("smplxflame_30", "wave16k", "sem", "strokes"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    names = [f"1_ada_0_{k}_{k}" for k in range(1, count + 1)]
    for k, name in enumerate(names):
        write_npz(swinging(k, frames), folder / "smplxflame_30" / f"{name}.npz")
        soundfile.write(folder / "wave16k" / f"{name}.wav", sample_speech(name, frames / 30, 1.1 + 0.3 * k).wave, 16_000)
        (folder / "sem" / f"{name}.txt").write_text("01_beat_align\t0\t1\t1\t0.1\n06_iconic_big\t1.2\t2.2\t1\t0.7\tbig\n")
        (folder / "strokes" / f"{name}.tsv").write_text("2\tbig\t1.3\t1.7\t1.9\t2.2\n")
    return names


def lay_results(folder: Path, names: list[str], seed: int = 50, frames: int = FRAMES) -> Path:
    """A result for each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(names):
        write_npz(swinging(seed + k, frames), folder / f"{name}.npz")
    return folder


def lay_published(folder: Path, count: int = 3, frames: int = 40) -> Path:
    """Results as the published tools write them, with something pasted."""
    for k in range(count):
        place = folder / "run" / f"1_ada_0_{k}_{k}" / "0"
        place.mkdir(parents=True)
        write_npz(swinging(50 + k, frames), place / "pred_motion.npz")
        write_npz(swinging(k, frames), place / "gt_motion.npz")
        pasted = np.zeros((frames, N_JOINTS, 3), np.float32)
        pasted[10:20, 16:22] = swinging(70 + k, frames).rotations[10:20, 16:22]
        write_npz(Motion(pasted, np.zeros((frames, 3), np.float32), np.zeros((frames, 100), np.float32)), place / "retrieval_0.npz")
    return folder / "run"
