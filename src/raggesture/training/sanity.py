"""Does each metric move the way its sentence says: a take against itself, two seconds late, frozen, and with white noise on its joints.

``python -m raggesture.training.sanity --data CORPUS --clip ID`` cuts the take into pieces of ten seconds (results need more than one clip), spoils them, and
prints a table. Noise: 0.05 rad on every joint, 1 cm on the root, 0.05 on the expression.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import soundfile

from raggesture.clock import MOTION_FPS, SAMPLE_RATE_HZ
from raggesture.corpus.annotations import label_rows
from raggesture.corpus.beat2 import MOTION_DIR
from raggesture.errors import InputError, RaggestureError
from raggesture.evaluation import EvaluationOptions, evaluate
from raggesture.motion import Motion, read_npz, write_npz
from raggesture.plugins.manager import PluginManager
from raggesture.speech.audio import load_audio

PIECE_S, LATE_S = 10, 2
NOISE = (0.05, 0.01, 0.05)
Ways = Mapping[str, Callable[[int], Motion]]


def _frozen(motion: Motion) -> Motion:
    first = [np.repeat(track[:1], motion.frames, axis=0) for track in (motion.rotations, motion.translation, motion.expression)]
    return Motion(first[0], first[1], first[2], motion.fps)


def _shaken(motion: Motion, seed: int) -> Motion:
    rng = np.random.default_rng(seed)
    tracks = (motion.rotations, motion.translation, motion.expression)
    noisy = [(track + rng.normal(0, size, track.shape)).astype(np.float32) for track, size in zip(tracks, NOISE, strict=True)]
    return Motion(noisy[0], noisy[1], noisy[2], motion.fps)


def _ways(take: Motion) -> Ways:
    """What is made of each piece, by its number. Late motion is what the take did two seconds before."""
    length = PIECE_S * MOTION_FPS

    def piece(number: int, late: int = 0) -> Motion:
        first = LATE_S * MOTION_FPS + number * length - late
        return take.cut(slice(first, first + length))

    return {
        "itself": piece,
        "2 s late": lambda number: piece(number, LATE_S * MOTION_FPS),
        "frozen": lambda number: _frozen(piece(number)),
        "noise": lambda number: _shaken(piece(number), number),
    }


def _lay_reference(corpus: Path, clip: str, take: Motion, pieces: int, folder: Path) -> None:
    """The pieces as a corpus: motion, voice, labels."""
    for name in (MOTION_DIR, "wave16k", "sem"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    wave, labels = load_audio(corpus / "wave16k" / f"{clip}.wav"), corpus / "sem" / f"{clip}.txt"
    rows = label_rows(labels) if labels.is_file() else ()
    for number in range(pieces):
        start = LATE_S + number * PIECE_S
        write_npz(_ways(take)["itself"](number), folder / MOTION_DIR / f"{clip}-{number}.npz")
        soundfile.write(folder / "wave16k" / f"{clip}-{number}.wav", wave[start * SAMPLE_RATE_HZ : (start + PIECE_S) * SAMPLE_RATE_HZ], SAMPLE_RATE_HZ)
        inside = [row for row in rows if row.end > start and row.start < start + PIECE_S]
        lines = (f"01_{row.kind}\t{max(row.start - start, 0):.3f}\t{row.end - start:.3f}\t0\t{row.score}\t{row.word}\n" for row in inside)
        (folder / "sem" / f"{clip}-{number}.txt").write_text("".join(lines), encoding="utf-8")


def figures_of_take(corpus: Path, clip: str, work: Path) -> dict[str, dict[str, float]]:
    """Way -> figure -> value; ``references`` has the references' own. ``work``: a folder for the pieces.

    Raises:
        InputError: the take is too short for two pieces, or cannot be read.
    """
    take = read_npz(corpus / MOTION_DIR / f"{clip}.npz")
    pieces = int((take.duration_s - LATE_S) // PIECE_S)
    if pieces < 2:
        raise InputError(f"{clip}: {take.duration_s:.1f} s; expected at least {LATE_S + 2 * PIECE_S} s - take a longer one")
    _lay_reference(corpus, clip, take, pieces, work / "reference")
    found: dict[str, dict[str, float]] = {}
    for way, make in _ways(take).items():
        folder = work / way.replace(" ", "-")
        folder.mkdir()
        for number in range(pieces):
            write_npz(make(number), folder / f"{clip}-{number}.npz")
        report = evaluate(folder, work / "reference", EvaluationOptions(cache=False), parts=PluginManager(allowed=frozenset())).report
        found[way] = {figure.name: figure.value for figure in report.figures}
        found.setdefault("references", {figure.name: figure.reference for figure in report.figures})
    return found


def table(found: Mapping[str, Mapping[str, float]]) -> str:
    """Markdown: figures down, ways across; figures that no way has are left out."""
    ways = [way for way in found if way != "references"]
    lines = ["| | " + " | ".join(ways) + " |", "|---" * (len(ways) + 1) + "|"]
    for name in found[ways[0]]:
        values = [found[way].get(name, math.nan) for way in ways]
        if any(map(math.isfinite, values)):
            lines.append(f"| {name} | " + " | ".join(f"{value:.3g}" if math.isfinite(value) else "-" for value in values) + " |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Parse the arguments, measure, print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m raggesture.training.sanity", description="How each metric moves when a take is spoilt.")
    parser.add_argument("--data", type=Path, required=True, help="corpus in BEAT2's layout")
    parser.add_argument("--clip", required=True, help="id of a take of 22 s or more")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as work:
            found = figures_of_take(options.data, options.clip, Path(work))
    except RaggestureError as fault:
        sys.stderr.write(f"error: {fault}\n")
        return fault.exit_code
    sys.stdout.write(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
