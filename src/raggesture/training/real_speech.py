"""Does generated motion belong to real voices? The mismatch test on recordings of people, cut into short pieces.

``python -m raggesture.training.real_speech VOICE... --out FILE.json`` makes motion for each recording with the packaged model, several times over, with what is
retrieved and from the words alone, cuts all of it into pieces, and counts in how many pairs of pieces a motion goes better with its own voice than with
another piece's (``metrics.timing.own_goes_better``). 50 % is chance. The interval draws pieces again, not recordings: it says nothing about other speakers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import MOTION_FPS, SAMPLE_RATE_HZ
from raggesture.diffusion.schedules import Hold, HoldOptions
from raggesture.errors import RaggestureError, UsageError
from raggesture.metrics.bodies import MannequinBody
from raggesture.metrics.timing import motion_envelope, own_goes_better, voice_envelope
from raggesture.outputs import new_files
from raggesture.pipeline import GenerateOptions, Pipeline
from raggesture.retrieval.by_llm import LlmOptions, LlmRetriever
from raggesture.speech.load import load_speech
from raggesture.synthesis import Inject
from raggesture.types import Speech

SCHEMA = 1
Floats = NDArray[np.floating]
WAYS: tuple[tuple[str, Inject], ...] = (("retrieved", "inversion+guidance"), ("words alone", "none"))
_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """``percent`` of pairs in which the own voice goes better, with a 95 % interval over pieces; ``pieces`` of ``seconds`` each, ``runs`` of each."""

    way: str
    percent: float
    low: float
    high: float
    pieces: int
    seconds: float
    runs: int


def cut(track: Floats, frames: int) -> list[Floats]:
    """As many pieces of ``frames`` as there are, from the middle of the track."""
    count = len(track) // frames
    first = (len(track) - count * frames) // 2
    return [track[first + k * frames : first + (k + 1) * frames] for k in range(count)]


def verdict(way: str, tables: Sequence[Floats], seconds: float, seed: int = 0) -> Verdict:
    """Of the tables (N, N) of several runs over the same pieces."""
    stack = np.stack(tables)
    known = np.isfinite(stack).sum(axis=0)
    mean = np.where(known > 0, np.nansum(stack, axis=0) / np.maximum(known, 1), np.nan)
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(_DRAWS):
        rows = rng.integers(len(mean), size=len(mean))
        some = mean[np.ix_(rows, rows)]
        some = some[rows[:, None] != rows[None]]
        drawn.append(float(np.nanmean(some)) if np.isfinite(some).any() else 50.0)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Verdict(way, float(np.nanmean(mean)), float(low), float(high), len(mean), seconds, len(tables))


def judge(pipeline: Pipeline, speeches: Sequence[Speech], seconds: float, runs: int, tell: Callable[[str], None]) -> list[Verdict]:
    """Make and judge every way. Raises: UsageError for fewer than two pieces."""
    frames = round(seconds * MOTION_FPS)
    lengths = [int(len(speech.wave) / SAMPLE_RATE_HZ * MOTION_FPS) for speech in speeches]
    voices = [piece for speech, length in zip(speeches, lengths, strict=True) for piece in cut(voice_envelope(speech.wave, length), frames)]
    if len(voices) < 2:
        raise UsageError(f"real speech: {len(voices)} piece of {seconds:g} s; expected at least two - name more recordings or shorter --seconds")
    retriever, schedule = LlmRetriever(LlmOptions(cache=False)), Hold(HoldOptions())
    found = []
    for way, inject in WAYS:
        tables = []
        for seed in range(runs):
            motions: list[Floats] = []
            for speech, length in zip(speeches, lengths, strict=True):
                made = pipeline.generate(speech, GenerateOptions(seed=seed, inject=inject), retriever=retriever, schedule=schedule)
                joints = MannequinBody().joints(made.motion)[:length]
                envelope = motion_envelope(joints)
                motions += cut(np.pad(envelope, (0, max(length - len(envelope), 0)), mode="edge"), frames)
            tables.append(own_goes_better(np.stack(motions), np.stack(voices)))
        found.append(verdict(way, tables, seconds))
        tell(str(found[-1]))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Parse the arguments, generate, judge, write; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m raggesture.training.real_speech", description="The mismatch test on recordings of people.")
    parser.add_argument("voices", nargs="+", type=Path, help="recordings; a transcript beside one is used")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a piece (default 8)")
    parser.add_argument("--runs", type=int, default=5, help="how often each is made (default 5)")
    options = parser.parse_args(arguments)

    def tell(line: str) -> None:
        sys.stderr.write(line + "\n")

    try:
        if options.runs < 1 or options.seconds < 2:
            raise UsageError("real speech: expected at least one run and two seconds - correct the options")
        speeches = [load_speech(path) for path in options.voices]
        verdicts = judge(Pipeline.load(), speeches, options.seconds, options.runs, tell)
        content = {"schema": SCHEMA, "voices": [path.name for path in options.voices], "verdicts": [asdict(each) for each in verdicts]}
        with new_files([options.out], force=True) as (target,):
            target.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except RaggestureError as fault:
        tell(f"error: {fault}")
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
