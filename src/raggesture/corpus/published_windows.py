"""The windows that the published data set cuts a clip into, with all that it stores of their words and annotations; and the same cut with care.

Modes: ``train`` (150 frames every 5), ``test`` (150 every 150), ``full`` (the whole clip). Frames are at 15 fps, seconds in a window count from its start.
Source: METHOD part I (a) "Windows", "Words and BERT", "Discourse json", "Prominence", "Gesture annotations"; held by goldens/retrieval/windows.json.
Differs from the released code, by ``OUR_CUT``: a window owns what has its middle inside it, so nothing is lost at a border; a window without words is a
window; a window is named by its place, also when one before it was left out. ``RELEASED_CUT`` is the published way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import MODEL_FPS, SAMPLE_RATE_HZ, WINDOW_FRAMES, seconds_of_frame
from raggesture.corpus.annotations import LabelRow, ProminenceRow, TokenRelation, label_rows, prominence_rows, read_tokens
from raggesture.corpus.faults import FIRM, Sieve
from raggesture.types import Word

Mode = Literal["train", "test", "full"]
STRIDE_OF_MODE = {"train": 5, "test": WINDOW_FRAMES}
BERT_TOKENS = 512


@dataclass(frozen=True, slots=True)
class CutRules:
    """``border``: a window holds what lies wholly ``inside``, or what has its ``midpoint`` there (times are cut at the border).

    ``empty``: what a window without words costs: the ``clip``, or nothing (``keep``). ``numbered``: windows are numbered by ``place``, or as they are
    ``kept`` (they differ where one is left out).
    """

    border: Literal["inside", "midpoint"] = "midpoint"
    empty: Literal["clip", "keep"] = "keep"
    numbered: Literal["place", "kept"] = "place"


OUR_CUT = CutRules()
RELEASED_CUT = CutRules("inside", "clip", "kept")


@dataclass(frozen=True, slots=True)
class Annotations:
    """A clip's annotation files as they are written; ``tokens`` hold None where one was left out."""

    tokens: tuple[Word | None, ...]
    relations: tuple[TokenRelation, ...] = ()
    prominence: tuple[ProminenceRow, ...] = ()
    labels: tuple[LabelRow, ...] = ()


class Discourse(NamedTuple):
    """The published tuple of a relation."""

    connective: str
    sense: str
    arg1: str
    arg2: str
    start: float
    end: float
    connective_start: float
    connective_end: float


@dataclass(frozen=True, slots=True, eq=False)
class PublishedWindow:
    """One window. ``key`` is its place in the store, ``name`` ``<clip>/<k>``.

    ``word_of_frame`` (n,) is the 1-based number of the word of ``sentence`` that each frame hears, 0 for none; ``segments`` are the tokens
    (start, end, text), ``prominence`` (word, start, end, value), ``labels`` (kind, start, end, word), ``score`` (n,) the semantic score of each frame.
    """

    key: str
    name: str
    first_frame: int
    frames: int
    audio_first: int
    audio_samples: int
    sentence: str
    word_of_frame: NDArray[np.int64]
    discourse: tuple[Discourse, ...]
    segments: tuple[tuple[float, float, str], ...]
    prominence: tuple[tuple[str, float, float, float], ...]
    labels: tuple[tuple[str, float, float, str], ...]
    score: NDArray[np.float32]


def read_annotations(root: Path, clip: str, sieve: Sieve = FIRM) -> Annotations:
    """Read a clip's files; a missing sem or prom file is empty.

    Raises:
        InputError: there is no discourse file, or a file is not what it should be.
    """
    mine = sieve.of(clip)
    tokens, relations = read_tokens(root / "discourse_rels" / f"{clip}_whisper_relations.json", mine)
    prom, sem = root / "prom" / f"{clip}.prom", root / "sem" / f"{clip}.txt"
    return Annotations(tokens, relations, prominence_rows(prom, mine) if prom.is_file() else (), label_rows(sem, mine) if sem.is_file() else ())


def usable_frames(frames: int, samples: int, expression_frames: int | None = None) -> int:
    """15 times the whole seconds that motion, recording and expressions have in common."""
    seconds = min(frames // MODEL_FPS, samples // SAMPLE_RATE_HZ, (frames if expression_frames is None else expression_frames) // MODEL_FPS)
    return MODEL_FPS * seconds


def window_places(usable: int, mode: Mode) -> tuple[tuple[int, int], ...]:
    """(first frame, frames) of every window of a clip of ``usable`` frames; none where it is too short."""
    if mode == "full":
        return ((0, usable),) if usable > 0 else ()
    stride = STRIDE_OF_MODE[mode]
    return tuple((stride * k, WINDOW_FRAMES) for k in range((usable - WINDOW_FRAMES) // stride + 1)) if usable >= WINDOW_FRAMES else ()


def cut_clip(
    clip: str,
    annotations: Annotations,
    frames: int,
    samples: int,
    mode: Mode = "train",
    rules: CutRules = OUR_CUT,
    *,
    first_key: int = 0,
    count_tokens: Callable[[str], int] | None = None,
) -> tuple[PublishedWindow, ...]:
    """Cut a clip into windows.

    Args:
        frames: of motion, at 15 fps. samples: of its recording. first_key: number of windows stored before. count_tokens: of BERT, with [CLS] and [SEP];
            a window of more than 512 is left out (None: none is).

    Returns:
        The windows in order; none at all, by the published rules, where one of them has no words.
    """
    windows: list[PublishedWindow] = []
    labels = _clipped(annotations.labels, frames)
    for place, (first, count) in enumerate(window_places(usable_frames(frames, samples), mode)):
        span = _Span(seconds_of_frame(first), seconds_of_frame(first + count), rules.border)
        tokens = [(token, *span.relative(token.start, token.end)) for token in annotations.tokens if token is not None and span.holds(token.start, token.end)]
        words = _glued([(start, end, token.text) for token, start, end in tokens])
        sentence = " ".join(text for _, _, text in words)
        if not sentence and rules.empty == "clip":
            return ()
        if count_tokens is not None and count_tokens(sentence) > BERT_TOKENS:
            continue
        number = len(windows) if rules.numbered == "kept" else place
        windows.append(
            PublishedWindow(
                key=f"{first_key + len(windows):05d}",
                name=f"{clip}/{number}",
                first_frame=first,
                frames=count,
                audio_first=first * SAMPLE_RATE_HZ // MODEL_FPS,
                audio_samples=count * SAMPLE_RATE_HZ // MODEL_FPS,
                sentence=sentence,
                word_of_frame=_on_frames(words, count),
                discourse=tuple(_discourse(annotations, span)),
                segments=tuple((start, end, token.text) for token, start, end in tokens),
                prominence=tuple(
                    (row.word, *span.relative(row.start, row.end), row.prominence) for row in annotations.prominence if span.holds(row.start, row.end)
                ),
                labels=tuple((row.kind, *span.relative(row.start, row.end), row.word) for row in labels if span.holds(row.start, row.end)),
                score=_scores(labels, first, count),
            )
        )
    return tuple(windows)


@dataclass(frozen=True, slots=True)
class _Span:
    """A window in seconds of its clip, and what belongs to it."""

    start: float
    end: float
    border: Literal["inside", "midpoint"]

    def holds(self, start: float, end: float) -> bool:
        if self.border == "inside":
            return start >= self.start and end <= self.end
        return self.start <= (start + end) / 2 < self.end

    def relative(self, start: float, end: float) -> tuple[float, float]:
        return max(start, self.start) - self.start, min(end, self.end) - self.start


def _glued(tokens: Sequence[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """Neighbours with exactly equal times are one word ("do" + "n't")."""
    words: list[tuple[float, float, str]] = []
    for start, end, text in tokens:
        if words and words[-1][:2] == (start, end):
            words[-1] = (start, end, words[-1][2] + text)
        else:
            words.append((start, end, text))
    return words


def _on_frames(words: Sequence[tuple[float, float, str]], frames: int) -> NDArray[np.int64]:
    owner = np.zeros(frames, np.int64)
    for number, (start, end, _) in enumerate(words, start=1):
        owner[int(start * MODEL_FPS) : int(end * MODEL_FPS)] = number
    return owner


def _discourse(annotations: Annotations, span: _Span) -> list[Discourse]:
    found = []
    for relation in annotations.relations:
        said = [[annotations.tokens[index] for index in part] for part in relation.tokens]
        connective = [token for token in said[0] if token is not None]
        if not connective or len(connective) < len(said[0]):
            continue
        low, high = min(token.start for token in connective), max(token.end for token in connective)
        if not span.holds(low, high):
            continue
        every = [token for part in said for token in part if token is not None]
        texts = [" ".join(token.text for token in part if token is not None and span.holds(token.start, token.end)) for part in said[1:]]
        whole = span.relative(min(token.start for token in every), max(token.end for token in every))
        found.append(Discourse(relation.connective, relation.sense, texts[0], texts[1], *whole, *span.relative(low, high)))
    return found


def _clipped(labels: Sequence[LabelRow], frames: int) -> tuple[LabelRow, ...]:
    """Label rows cut to the clip; those that touch no frame are dropped."""
    end_s = seconds_of_frame(frames)
    kept = []
    for row in labels:
        start, end = max(row.start, 0.0), min(row.end, end_s)
        if end >= start and math.ceil(start * MODEL_FPS) <= min(end * MODEL_FPS, frames - 1):
            kept.append(row._replace(start=start, end=end))
    return tuple(kept)


def _scores(labels: Sequence[LabelRow], first: int, frames: int) -> NDArray[np.float32]:
    """(frames,) the score of the first row whose time each frame lies in, else 0."""
    at = np.array([seconds_of_frame(frame) for frame in range(first, first + frames)])
    scores = np.zeros(frames, np.float32)
    for row in reversed(labels):
        scores[(row.start <= at) & (at <= row.end)] = row.score
    return scores
