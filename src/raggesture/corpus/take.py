"""Write one take in BEAT2's folder layout (plus ``strokes/``, ours). The counterpart of ``beat2.read_clip``.

Files get their name only when they are complete; a take exists when all of its files do. Source: METHOD part I (a).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import SAMPLE_RATE_HZ, seconds_of_samples
from raggesture.corpus.clip import GestureLabel
from raggesture.motion import Motion, write_npz
from raggesture.types import Relation, Transcript, Word

_DEGREE = {"beat": ("01", 0.1), "deictic": ("03", 0.3), "iconic": ("06", 0.6), "metaphoric": ("09", 0.9)}
"""BEAT2's number and score of each kind, at its middle degree."""
_SENTENCE_END = frozenset(".!?")


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """What is written. ``motion`` at 30 fps, ``wave`` (N,) float32 at 16 kHz; ``prominence[i]`` belongs to word i."""

    name: str
    motion: Motion
    wave: NDArray[np.float32]
    transcript: Transcript
    relations: tuple[Relation, ...]
    labels: tuple[GestureLabel, ...]
    prominence: tuple[float, ...]


def take_files(root: Path, name: str) -> dict[str, Path]:
    """Kind of file -> its path, for one take."""
    return {
        "motion": root / "smplxflame_30" / f"{name}.npz",
        "wave": root / "wave16k" / f"{name}.wav",
        "words": root / "textgrid" / f"{name}.TextGrid",
        "labels": root / "sem" / f"{name}.txt",
        "discourse": root / "discourse_rels" / f"{name}_whisper_relations.json",
        "prominence": root / "prom" / f"{name}.prom",
        "strokes": root / "strokes" / f"{name}.tsv",
    }


def take_exists(root: Path, name: str) -> bool:
    """All files of the take are there."""
    return all(path.is_file() for path in take_files(root, name).values())


def write_take(root: Path, take: Take) -> None:
    """Write all files of a take, each under a temporary name first."""
    files = take_files(root, take.name)
    writers: dict[str, Callable[[Path], None]] = {
        "motion": lambda path: write_npz(take.motion, path),
        "wave": lambda path: _write_wave(path, take.wave),
        "words": lambda path: _write_textgrid(path, take.transcript, seconds_of_samples(len(take.wave))),
        "labels": lambda path: _write_text(path, _sem(take.labels)),
        "discourse": lambda path: _write_text(path, json.dumps(discourse_of(take.transcript, take.relations), ensure_ascii=False)),
        "prominence": lambda path: _write_text(path, _prom(take)),
        "strokes": lambda path: _write_text(path, _strokes(take.labels)),
    }
    for kind, write in writers.items():
        path = files[kind]
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            write(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def write_split(root: Path, rows: Sequence[tuple[str, str]]) -> None:
    """Write ``train_test_split.csv`` from (id, type)."""
    path = root / "train_test_split.csv"
    partial = path.with_name(f".{path.name}.part")
    _write_text(partial, ["id,type", *(f"{name},{kind}" for name, kind in rows)])
    partial.replace(path)


def _write_text(path: Path, text: str | Sequence[str]) -> None:
    path.write_text(text if isinstance(text, str) else "".join(f"{line}\n" for line in text), encoding="utf-8", newline="\n")


def _write_wave(path: Path, wave: NDArray[np.float32]) -> None:
    import soundfile

    soundfile.write(path, wave, SAMPLE_RATE_HZ, subtype="PCM_16", format="WAV")


def _write_textgrid(path: Path, transcript: Transcript, duration_s: float) -> None:
    from praatio import textgrid

    entries = [(round(word.start, 3), round(min(word.end, duration_s), 3), word.text.lower()) for word in transcript.words if word.end - word.start >= 0.001]
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.IntervalTier("words", entries, 0, duration_s))
    grid.save(str(path), format="long_textgrid", includeBlankSpaces=True)


def sem_name(label: GestureLabel) -> str:
    """First column of a ``sem`` row: ``06_iconic_big``."""
    return f"{_DEGREE[label.kind][0]}_{label.kind}_{label.gesture or 'm'}"


def _sem(labels: Sequence[GestureLabel]) -> list[str]:
    return [f"{sem_name(label)}\t{label.start:.3f}\t{label.end:.3f}\t{label.end - label.start:.3f}\t{_DEGREE[label.kind][1]}\t{label.word}" for label in labels]


def _strokes(labels: Sequence[GestureLabel]) -> list[str]:
    rows = []
    for row, label in enumerate(labels, start=1):
        if label.phases is not None:
            rows.append("\t".join([str(row), label.gesture, *(f"{time:.3f}" for time in label.phases)]))
    return rows


def _prom(take: Take) -> list[str]:
    words = take.transcript.words
    starts = [word.start for word in words[1:]] + [seconds_of_samples(len(take.wave))]
    return [
        f"{take.name}\t{word.start:.3f}\t{word.end:.3f}\t{word.text.lower()}\t{value:.3f}\t{min(2.0, max(0.0, following - word.end) / 0.3):.3f}"
        for word, value, following in zip(words, take.prominence, starts, strict=True)
    ]


def _sentences(words: Sequence[Word]) -> list[dict[str, Any]]:
    sentences: list[dict[str, Any]] = []
    tokens: list[dict[str, Any]] = []
    for word in words:
        token: dict[str, Any] = {"surface": word.text, "startSec": round(word.start, 3), "endSec": round(word.end, 3)}
        tokens.append({**token, "after": word.after} if word.after else token)
        if _SENTENCE_END & set(word.after):
            sentences.append({"tokens": tokens})
            tokens = []
    return [*sentences, {"tokens": tokens}] if tokens else sentences


def _run_of(words: Sequence[Word], text: str, start: float, end: float) -> list[int]:
    """Indices of the contiguous words inside [start, end] that read ``text``; empty if there are none."""
    wanted = text.lower().split()
    inside = [index for index, word in enumerate(words) if word.start >= start - 1e-3 and word.end <= end + 1e-3]
    for at in range(len(inside) - len(wanted) + 1 if wanted else 0):
        run = inside[at : at + len(wanted)]
        if [words[index].text.lower() for index in run] == wanted:
            return run
    return []


def _between(words: Sequence[Word], start: float, end: float) -> list[int]:
    return [index for index, word in enumerate(words) if word.start >= start - 1e-3 and word.end <= end + 1e-3]


def discourse_of(transcript: Transcript, relations: Sequence[Relation]) -> dict[str, Any]:
    """The discourse file's content: ``sentences`` with tokens and ``relations`` with token lists.

    ``after`` (punctuation) is ours; readers of BEAT2 ignore it.
    """
    words = transcript.words
    raw = []
    for relation in relations:
        connective = _between(words, relation.connective_start, relation.connective_end)
        arg1 = _run_of(words, relation.arg1, relation.start, relation.end) or _between(words, relation.start, relation.connective_start)
        arg2 = _run_of(words, relation.arg2, relation.connective_end, relation.end) or _run_of(words, relation.arg2, relation.start, relation.end)
        if connective:
            raw.append(
                {
                    "Connective": {"RawText": relation.connective, "TokenList": connective},
                    "Arg1": {"RawText": relation.arg1, "TokenList": arg1},
                    "Arg2": {"RawText": relation.arg2, "TokenList": arg2},
                    "Sense": [relation.sense],
                    "Type": "Explicit",
                }
            )
    return {"sentences": _sentences(words), "relations": raw}
