"""How often retrieval finds the gesture that a speaker made: clips held out from an index ask it for their own gestures.

``python -m raggesture.training.retrieval_figures --data CORPUS --out DIR`` asks the packaged index (``--index`` for another) for every gesture of
meaning of a corpus that is no part of it, and writes ``retrieval.json`` and ``retrieval.md``. A hit is right where its gesture, by the corpus's lexicon, is
the one that was made. "given label" asks with the corpus's own word and kind; ``llm`` and ``gesture-type`` with what the built-in labeller chooses, of which
those that fall on a labelled gesture are counted; ``discourse`` with the relations whose connective carries a gesture of meaning.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from raggesture.clock import SAMPLE_RATE_HZ, frames_of_seconds, seconds_of_frame
from raggesture.corpus.beat2 import complete, read_corpus
from raggesture.corpus.clip import Clip, GestureLabel
from raggesture.errors import InputError, RaggestureError
from raggesture.metrics.retrieval import Found, found_of
from raggesture.outputs import new_files
from raggesture.resources import PACK_NAME, packaged_dir
from raggesture.retrieval import by_discourse, by_gesture_type
from raggesture.retrieval.index import Index
from raggesture.retrieval.rank import Weights
from raggesture.retrieval.released import Method
from raggesture.retrieval.weighting import Ranking, RankingOptions
from raggesture.types import Cues, Exemplar, Hit, Query, Speech

SCHEMA = 1
MEANING = ("iconic", "metaphoric", "deictic")
Rank = Callable[[Query, Index], Sequence[Hit]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A query and the gestures that would be right."""

    query: Query
    gestures: frozenset[str]


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one way to ask and to rank."""

    asked: str
    weighting: str
    found: Found


def _cues(clip: Clip) -> Cues:
    return Cues(clip.relations, clip.prominence, tuple((word.start + word.end) / 2 for word in clip.transcript.words))


def _speech(clip: Clip) -> Speech:
    """The clip as a speech; its voice is silence, since cues are given."""
    samples = round(seconds_of_frame(frames_of_seconds(clip.motion.duration_s, 15)) * SAMPLE_RATE_HZ)
    return Speech(clip.name, np.zeros(samples, np.float32), clip.transcript, clip.speaker)


def _meant(clip: Clip, start: float, end: float) -> frozenset[str]:
    """Gestures of meaning whose words overlap a span."""
    return frozenset(label.gesture for label in clip.labels if label.kind in MEANING and label.gesture and label.start < end and start < label.end)


def _prominence(clip: Clip, label: GestureLabel) -> float | None:
    """Mean prominence of the words whose middles a label holds."""
    held = [p for word, p in zip(clip.transcript.words, clip.prominence, strict=False) if label.start <= (word.start + word.end) / 2 <= label.end]
    return float(np.mean(held)) if held else None


def given_labels(clips: Sequence[Clip]) -> tuple[Asked, ...]:
    """Every gesture of meaning by its own word and kind."""
    return tuple(
        Asked(Query(label.word, label.kind, label.start, label.end, prominence=_prominence(clip, label), speaker=clip.speaker), frozenset({label.gesture}))
        for clip in clips
        for label in clip.labels
        if label.kind in MEANING and label.gesture
    )


def labelled_words(clips: Sequence[Clip]) -> tuple[tuple[Asked, ...], int]:
    """What the built-in labeller asks for, where a gesture of meaning was made; and how often it asked at all."""
    retriever = by_gesture_type.GestureTypeRetriever(by_gesture_type.GestureTypeOptions())
    every = [(clip, query) for clip in clips for query in retriever.queries(_speech(clip), _cues(clip))]
    asked = [Asked(query, _meant(clip, query.start, query.end)) for clip, query in every]
    return tuple(each for each in asked if each.gestures), len(every)


def relations(clips: Sequence[Clip]) -> tuple[Asked, ...]:
    """Relations whose connective carries a gesture of meaning."""
    retriever = by_discourse.DiscourseRetriever(by_discourse.DiscourseOptions())
    asked = [Asked(q, _meant(clip, q.start, q.end)) for clip in clips for q in retriever.queries(_speech(clip), _cues(clip))]
    return tuple(each for each in asked if each.gestures)


class _Gestures:
    """The gesture of an exemplar; of a connective's, those of meaning that its clip has at its words."""

    def __init__(self, index: Index) -> None:
        self._by_clip: dict[str, list[Exemplar]] = {}
        for exemplar in index.exemplars:
            if exemplar.gesture and exemplar.kind in MEANING:
                self._by_clip.setdefault(exemplar.clip, []).append(exemplar)

    def of(self, found: Exemplar) -> frozenset[str]:
        if found.gesture:
            return frozenset({found.gesture})
        return frozenset(e.gesture for e in self._by_clip.get(found.clip, ()) if e.start < found.end and found.start < e.end)


def left_out(weights: Weights) -> dict[str, Weights]:
    """The weights without each term that counts; without its own term the same word counts as the most similar one."""
    found = {}
    for name in ("word", "similarity", "speaker", "prominence"):
        if getattr(weights, name):
            found[f"without {name}"] = replace(weights, **{name: weights.similarity if name == "word" else 0.0})
    return found


def measure(index: Index, asked: Sequence[Asked], rank: Rank) -> Found:
    """Ask an index and count."""
    index.learn_words([each.query.word for each in asked])
    gestures = _Gestures(index)
    return found_of([[bool(gestures.of(hit.exemplar) & each.gestures) for hit in rank(each.query, index)] for each in asked])


def figures(index: Index, clips: Sequence[Clip]) -> tuple[tuple[Row, ...], int]:
    """All rows, and how often the labeller asked."""
    ours, released, bare = RankingOptions(), RankingOptions(weighting="released"), RankingOptions(lexicon=False)
    labels, (words, labelled), connectives = given_labels(clips), labelled_words(clips), relations(clips)
    general, of_type, of_relation = Weights(), by_gesture_type.WEIGHTS, by_discourse.WEIGHTS
    ways: tuple[tuple[str, Sequence[Asked], Method, Weights], ...] = (
        ("given label", labels, "llm", general),
        ("llm", words, "llm", general),
        ("gesture-type", words, "gesture-type", of_type),
        ("discourse", connectives, "discourse", of_relation),
    )
    plan: list[tuple[str, str, Sequence[Asked], Rank]] = []
    for name, asked, method, weights in ways:
        plan += [(name, "default", asked, Ranking(method, ours, weights)), (name, "released", asked, Ranking(method, released, weights))]
        if name != "discourse":  # a corpus that was made by the lexicon is no judge of it
            plan.append((name, "default without lexicon", asked, Ranking(method, bare, weights)))
        if name in ("given label", "discourse"):
            plan += [(name, f"default {less}", asked, Ranking(method, ours, fewer)) for less, fewer in left_out(weights).items()]
    return tuple(Row(name, weighting, measure(index, asked, rank)) for name, weighting, asked, rank in plan), labelled


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| asked by | weighting | queries | recall@1 | recall@5 | MRR |", "|---|---|---|---|---|---|"]
    for row in rows:
        f = row.found
        lines.append(f"| {row.asked} | {row.weighting} | {f.queries} | {f.recall_at_1:.3f} | {f.recall_at_5:.3f} | {f.mrr:.3f} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Parse the arguments, measure, write; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m raggesture.training.retrieval_figures", description="How often retrieval finds the gesture that was made.")
    parser.add_argument("--data", type=Path, required=True, help="corpus in BEAT2's layout with named gestures, no part of the index")
    parser.add_argument("--index", type=Path, default=None, help="folder of the index (default: the packaged one)")
    parser.add_argument("--out", type=Path, required=True, help="folder for retrieval.json and retrieval.md")
    options = parser.parse_args(arguments)
    try:
        index = Index.open(options.index or packaged_dir(PACK_NAME, "index"))
        clips = [complete(clip) for clip in read_corpus(options.data, None)]
        if not any(label.gesture for clip in clips for label in clip.labels):
            raise InputError(f"{options.data}: no gesture has a name; expected a corpus with a lexicon of gestures - write one with raggesture.corpus.starter")
        rows, labelled = figures(index, clips)
        options.out.mkdir(parents=True, exist_ok=True)
        facts = {"schema": SCHEMA, "clips": len(clips), "exemplars": len(index.exemplars), "labeller_asked": labelled, "rows": [asdict(row) for row in rows]}
        with new_files((options.out / "retrieval.json", options.out / "retrieval.md"), force=True) as (numbers, text):
            numbers.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
            text.write_text(table(rows), encoding="utf-8")
    except RaggestureError as fault:
        sys.stderr.write(f"error: {fault}\n")
        return fault.exit_code
    sys.stdout.write(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
