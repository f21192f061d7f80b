"""How well words that were chosen for gestures agree with a corpus's own gesture labels.

A label is a span of time with a kind and, where its keyword is among the words said in or near it, the words it is on. A pick is a
word with a kind. Two ways to agree, each matching one pick with one label: ``word`` (the pick is one of the label's words) and
``time`` (the pick's word overlaps the label). Both for each kind, and for all kinds as one (``any``: is there a gesture that means
something, whatever its kind).

Conventions: seconds; precision, recall and F1 in [0, 1], NaN where there is nothing to divide by. Intervals: 95 %, percentile
bootstrap over blocks of ``BLOCK_S`` seconds. Chance: the same number of picks of the same kinds on words drawn at random.
Source: precision, recall, F1: van Rijsbergen 1979; bootstrap: Efron and Tibshirani 1993. The definitions of a match are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

ANY = "any"
WAYS = ("word", "time")
BLOCK_S = 10.0
_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Labelled:
    """A label: its span, its kind, the positions of the words it may be on."""

    start: float
    end: float
    kind: str
    words: frozenset[int]


@dataclass(frozen=True, slots=True)
class Pick:
    """A word that was chosen, by its position in the transcript, with its times and the kind of gesture."""

    word: int
    start: float
    end: float
    kind: str


@dataclass(frozen=True, slots=True)
class TakePicks:
    """One take: the labels of the corpus, what was chosen, and the times of all its words [(start, end), ...]."""

    labels: tuple[Labelled, ...]
    picks: tuple[Pick, ...]
    words: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """One row: counts, scores with the bootstrap interval of F1, mean F1 of chance and how often chance was as good (0 to 1)."""

    way: str
    kind: str
    labels: int
    picks: int
    right: int
    precision: float
    recall: float
    f1: float
    f1_low: float
    f1_high: float
    chance_f1: float
    chance_as_good: float


def _matches(way: str, kind: str, pick: Pick, label: Labelled) -> bool:
    if kind != ANY and not pick.kind == label.kind == kind:
        return False
    return pick.word in label.words if way == "word" else pick.start < label.end and label.start < pick.end


def _right(take: TakePicks, way: str, kind: str) -> list[tuple[int, int]]:
    """(pick, label) pairs, each pick and each label once: as many as can be (augmenting paths)."""
    partner: dict[int, int] = {}

    def assign(number: int, seen: set[int]) -> bool:
        for k, label in enumerate(take.labels):
            if k not in seen and _matches(way, kind, take.picks[number], label):
                seen.add(k)
                if k not in partner or assign(partner[k], seen):
                    partner[k] = number
                    return True
        return False

    for number in range(len(take.picks)):
        assign(number, set())
    return [(number, label) for label, number in partner.items()]


def _counts(take: TakePicks, way: str, kind: str) -> NDArray[np.int64]:
    """(blocks, 3): picks, labels and right ones in each block of the take; a right one belongs to its label's block."""
    last = max([end for _, end in take.words] + [label.end for label in take.labels] + [0.0])
    counts = np.zeros((int(last // BLOCK_S) + 1, 3), np.int64)
    for pick in take.picks:
        counts[int(pick.start // BLOCK_S), 0] += kind in (ANY, pick.kind)
    for label in take.labels:
        counts[int(label.start // BLOCK_S), 1] += kind in (ANY, label.kind)
    for _, number in _right(take, way, kind):
        counts[int(take.labels[number].start // BLOCK_S), 2] += 1
    return counts


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _f1(picks: float, labels: float, right: float) -> float:
    return _ratio(2 * right, picks + labels)


def _interval(counts: NDArray[np.int64], rng: np.random.Generator) -> tuple[float, float]:
    drawn = counts[rng.integers(0, len(counts), (_DRAWS, len(counts)))].sum(axis=1).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = 2 * drawn[:, 2] / (drawn[:, 0] + drawn[:, 1])
    values = values[np.isfinite(values)]
    return (float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))) if len(values) else (float("nan"), float("nan"))


def _shuffled(take: TakePicks, rng: np.random.Generator) -> TakePicks:
    """The same kinds on other words."""
    count = min(len(take.picks), len(take.words))
    places: list[int] = rng.choice(len(take.words), count, replace=False).tolist() if count else []
    picks = (replace(pick, word=k, start=take.words[k][0], end=take.words[k][1]) for pick, k in zip(take.picks, places, strict=False))
    return replace(take, picks=tuple(picks))


def agreement(takes: Sequence[TakePicks], kinds: Sequence[str], *, seed: int = 0, draws: int = 200) -> tuple[Agreement, ...]:
    """Rows for each way and each of ``kinds`` and ``any``.

    Args:
        takes: what was labelled and chosen. seed: of the bootstrap and of chance. draws: how often chance chooses.
    """
    rng = np.random.default_rng(seed)
    random = [[_shuffled(take, rng) for take in takes] for _ in range(draws)]
    rows = []
    for way in WAYS:
        for kind in (*kinds, ANY):
            counts = np.concatenate([_counts(take, way, kind) for take in takes]) if takes else np.zeros((1, 3), np.int64)
            picks, labels, right = (int(value) for value in counts.sum(axis=0))
            low, high = _interval(counts, rng)
            f1 = _f1(picks, labels, right)
            chance = np.array([_f1(picks, labels, sum(len(_right(take, way, kind)) for take in drawn)) for drawn in random])
            as_good = float(np.mean(chance >= f1 - 1e-12)) if np.isfinite(f1) and draws else float("nan")
            mean = float(chance.mean()) if draws else float("nan")
            rows.append(Agreement(way, kind, labels, picks, right, _ratio(right, picks), _ratio(right, labels), f1, low, high, mean, as_good))
    return tuple(rows)
