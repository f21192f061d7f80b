"""What the film tells beside the motion: words and injected gestures, made ready to be drawn as text and nothing else."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raggesture.plugins.hookspecs import Scene

_MOST_CHARACTERS = 200


def plain(text: object) -> str:
    """One line of characters that can be drawn: no control or format characters, no line breaks, no halves of surrogates."""
    cut = str(text)[:_MOST_CHARACTERS]
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in cut)
    return " ".join(kept.split())


@dataclass(frozen=True, slots=True)
class Said:
    """A word as it is shown; ``kind`` of the gesture on it, or ""."""

    text: str
    start_s: float
    end_s: float
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """An injected gesture as it is shown."""

    word: str
    kind: str
    what: str
    whence: str
    start_s: float
    end_s: float
    strength: float


@dataclass(frozen=True, slots=True)
class Story:
    """Words and gestures in time order."""

    words: tuple[Said, ...] = ()
    gestures: tuple[Shown, ...] = ()


def story_of(scene: Scene) -> Story:
    """The story of a scene; without speech the trace's own words, without a trace no gestures."""
    trace: Mapping[str, Any] = scene.trace or {}
    if scene.speech is not None and scene.speech.transcript.words:
        spoken = [(word.text + word.after, word.start, word.end) for word in scene.speech.transcript.words]
    else:
        spoken = [(word["text"] + word.get("after", ""), word["start"], word["end"]) for word in trace.get("transcript", {}).get("words", ())]
    queries: Sequence[Mapping[str, Any]] = trace.get("queries", ())
    placements: Sequence[Mapping[str, Any]] = trace.get("placements", ())
    asked = [queries[place["query"]] for place in placements]
    return Story(tuple(_words(spoken, asked)), tuple(_gestures(trace, placements)))


def _words(spoken: Iterable[tuple[str, float, float]], asked: Sequence[Mapping[str, Any]]) -> Iterable[Said]:
    slack_s = 1e-3
    for text, start, end in spoken:
        kinds = [query["kind"] for query in asked if start < query["end"] - slack_s and end > query["start"] + slack_s]
        if plain(text):
            yield Said(plain(text), start, end, kinds[0] if kinds else "")


def _gestures(trace: Mapping[str, Any], placements: Sequence[Mapping[str, Any]]) -> list[Shown]:
    found = {hit["query"]: hit["exemplar"] for hit in trace.get("hits", ())}
    shown = []
    for place in placements:
        query, exemplar = trace["queries"][place["query"]], found.get(place["query"], {})
        name = plain(exemplar.get("gesture", ""))
        what = plain(query["kind"]) + (f" “{name}”" if name else "")
        whence = f"{place['strength']:.0%} of {plain(place['clip'])}"
        shown.append(Shown(plain(query["word"]), query["kind"], what, whence, place["start_s"], place["end_s"], place["strength"]))
    return sorted(shown, key=lambda gesture: gesture.start_s)


def clock_text(seconds: float) -> str:
    """``m:ss``, from an hour on ``h:mm:ss``."""
    whole = math.floor(seconds + 1e-6)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
