"""Does generated motion belong to real voices? The mismatch test on recordings of people, cut into short pieces.

``python -m raggesture.training.real_speech VOICE... --out FILE.json`` makes motion for each recording with the packaged model, several times over, with what is
retrieved and from the words alone, cuts all of it into pieces, and counts in how many pairs of pieces a motion goes better with its own voice than with
another piece's (``metrics.mismatch``). 50 % is chance. The interval draws pieces again, not recordings: it says nothing about other speakers.
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
from raggesture.metrics.mismatch import JUDGES, Judge
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


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """The ``judge``'s envelopes of everything that was made one way: ``motions[run][recording]`` and ``voices[recording]``, each (F,) at 30 fps."""

    way: str
    judge: Judge
    voices: tuple[Floats, ...]
    motions: tuple[tuple[Floats, ...], ...]


def make(pipeline: Pipeline, speeches: Sequence[Speech], by: Judge, runs: int, tell: Callable[[str], None]) -> list[Made]:
    """Motion for every recording, ``runs`` times each way."""
    lengths = [int(len(speech.wave) / SAMPLE_RATE_HZ * MOTION_FPS) for speech in speeches]
    voices = tuple(by.of_voice(speech.wave, length) for speech, length in zip(speeches, lengths, strict=True))
    retriever, schedule = LlmRetriever(LlmOptions(cache=False)), Hold(HoldOptions())
    made = []
    for way, inject in WAYS:
        of_runs = []
        for seed in range(runs):
            motions: list[Floats] = []
            for speech, length in zip(speeches, lengths, strict=True):
                motion = pipeline.generate(speech, GenerateOptions(seed=seed, inject=inject), retriever=retriever, schedule=schedule).motion
                envelope = by.of_motion(MannequinBody().joints(motion)[:length])
                motions.append(np.pad(envelope, (0, max(length - len(envelope), 0)), mode="edge"))
            of_runs.append(tuple(motions))
            tell(f"{way}: {seed + 1} of {runs}")
        made.append(Made(way, by, voices, tuple(of_runs)))
    return made


def judge(made: Made, seconds: float) -> Verdict:
    """Cut into pieces of ``seconds`` and hold every motion against every voice. Raises: UsageError for fewer than two pieces."""
    frames = round(seconds * MOTION_FPS)
    voices = [piece for track in made.voices for piece in cut(track, frames)]
    if len(voices) < 2:
        raise UsageError(f"real speech: {len(voices)} piece of {seconds:g} s; expected at least two - name more recordings or shorter --seconds")
    tables = [made.judge.table(np.stack([piece for track in run for piece in cut(track, frames)]), np.stack(voices)) for run in made.motions]
    return verdict(made.way, tables, seconds)


def main(arguments: list[str] | None = None) -> int:
    """Parse the arguments, generate, judge, write; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m raggesture.training.real_speech", description="The mismatch test on recordings of people.")
    parser.add_argument("voices", nargs="+", type=Path, help="recordings; a transcript beside one is used")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0, 5.0], help="length of a piece; several are judged one by one (default 10 5)")
    parser.add_argument("--runs", type=int, default=5, help="how often each is made (default 5)")
    parser.add_argument("--judge", choices=tuple(JUDGES), default="accents", help="what of motion and voice is held together (default accents)")
    options = parser.parse_args(arguments)

    def tell(line: str) -> None:
        sys.stderr.write(line + "\n")

    try:
        if options.runs < 1 or min(options.seconds) < 2:
            raise UsageError("real speech: expected at least one run and two seconds - correct the options")
        speeches = [load_speech(path) for path in options.voices]
        made = make(Pipeline.load(), speeches, JUDGES[options.judge], options.runs, tell)
        verdicts = [judge(each, seconds) for seconds in options.seconds for each in made]
        for each in verdicts:
            tell(str(each))
        content = {"schema": SCHEMA, "judge": options.judge, "voices": [path.name for path in options.voices], "verdicts": [asdict(each) for each in verdicts]}
        with new_files([options.out], force=True) as (target,):
            target.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except RaggestureError as fault:
        tell(f"error: {fault}")
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
