"""From a clip to its events: what can be retrieved, each with stroke, word, prominence, sentence and hand.

Events are gesture labels (beats too) and discourse relations with their sense as kind. Seconds in the clip.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import CHUNK_FRAMES, seconds_of_frame
from raggesture.corpus.clip import Clip, GestureLabel
from raggesture.retrieval.facts import derived_text
from raggesture.retrieval.sentences import sentence_at, sentence_spans
from raggesture.retrieval.stroke import hand_of_stroke, hand_speeds, stroke_from_speed
from raggesture.types import Exemplar, Relation

CONNECTIVE_BEFORE_S = 0.3
CONNECTIVE_AFTER_S = 0.6
"""Around a connective, the stretch in which its gesture is looked for."""
GRID_STRIDE_FRAMES = 75
GRID_FRAMES = 150
"""The published database: every fifteenth window of 150 frames of a grid with stride 5. Source: METHOD part I (d)."""
NO_WINDOW = -1


@dataclass(frozen=True, slots=True)
class Event:
    """An exemplar, the number of its sentence in the clip (-1: none), and the first frame of its grid window (``NO_WINDOW``: cut round the stroke)."""

    exemplar: Exemplar
    sentence: int
    window: int = NO_WINDOW


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """What the events of a clip are made from. ``middles`` of the words in seconds, ``derived`` pieces of the whole clip."""

    clip: Clip
    speeds: NDArray[np.float32]
    faster: NDArray[np.float32]
    middles: NDArray[np.float64]
    prominence: NDArray[np.float64]
    derived: frozenset[str]


def _prominence(scene: _Scene, start: float, end: float) -> float | None:
    """Mean prominence of the words whose middle lies in an interval, else of the word nearest to it; None without prominence."""
    if not scene.prominence.size:
        return None
    inside = scene.prominence[(scene.middles >= start) & (scene.middles <= end)]
    known = inside[np.isfinite(inside)]
    if known.size:
        return float(np.mean(known))
    value = float(scene.prominence[int(np.abs(scene.middles - (start + end) / 2).argmin())])
    return value if math.isfinite(value) else None


def _exemplar(scene: _Scene, word: str, kind: str, span: tuple[float, float], stroke: float, gesture: str, derived: Collection[str]) -> Exemplar:
    prominence = _prominence(scene, *span)
    pieces = {*derived, *(scene.derived & {"words", "hands"}), *(scene.derived & {"prominence"} if prominence is not None else ())}
    hand = hand_of_stroke(scene.speeds, scene.clip.motion.fps, stroke)
    return Exemplar(scene.clip.name, scene.clip.speaker, word, kind, *span, stroke, gesture, prominence, hand=hand, derived=derived_text(pieces))


def _of_label(scene: _Scene, label: GestureLabel) -> Exemplar:
    given = label.stroke is not None
    stroke = label.stroke if label.stroke is not None else stroke_from_speed(scene.faster, scene.clip.motion.fps, label.start, label.end)
    derived = {*(() if given else ("stroke",)), *(scene.derived & {"labels"})}
    return _exemplar(scene, label.word, label.kind, (label.start, label.end), stroke, label.gesture, derived)


def _of_relation(scene: _Scene, relation: Relation) -> Exemplar:
    clip = scene.clip
    first, last = relation.connective_start - CONNECTIVE_BEFORE_S, relation.connective_end + CONNECTIVE_AFTER_S
    near = [label for label in clip.labels if label.stroke is not None and first <= label.stroke <= last]
    middle = (relation.connective_start + relation.connective_end) / 2
    label = min(near, key=lambda each: abs((each.stroke or 0.0) - middle), default=None)
    derived = set(scene.derived & {"relations"})
    if label is not None and label.stroke is not None:
        stroke, gesture = label.stroke, label.gesture
    else:
        stroke, gesture = stroke_from_speed(scene.faster, clip.motion.fps, max(first, 0.0), min(last, clip.duration_s)), ""
        derived.add("stroke")
    return _exemplar(scene, relation.connective, relation.sense, (relation.connective_start, relation.connective_end), stroke, gesture, derived)


def exemplars_of(clip: Clip, speeds: NDArray[np.float32] | None = None) -> tuple[Exemplar, ...]:
    """The exemplars of a clip in time order: its labels (also beats), and its relations with their sense as kind.

    A stroke that is not annotated is taken from the hands' motion. Exemplars whose stroke lies outside the clip's motion are
    left out.

    Args:
        speeds: (F, 2) of ``hand_speeds``, computed when None.
    """
    moving = hand_speeds(clip.motion) if speeds is None else speeds
    middles = np.array([(word.start + word.end) / 2 for word in clip.transcript.words])
    derived = frozenset(clip.derived)
    scene = _Scene(clip, moving, moving.max(axis=-1), middles, np.array(clip.prominence, dtype=np.float64), derived)
    found = [_of_label(scene, label) for label in clip.labels]
    found += [_of_relation(scene, relation) for relation in clip.relations]
    return tuple(sorted((e for e in found if 0 <= e.stroke < clip.duration_s), key=lambda e: (e.stroke, e.kind, e.word)))


def grid_windows(frames: int) -> tuple[int, ...]:
    """First frames of the published database's windows of a clip: whole seconds only, every 75 frames."""
    usable = frames // CHUNK_FRAMES * CHUNK_FRAMES
    return tuple(range(0, usable - GRID_FRAMES + 1, GRID_STRIDE_FRAMES))


def _in_grid(exemplar: Exemplar, windows: tuple[int, ...]) -> tuple[int, ...]:
    """The windows that hold an exemplar fully, as the published code demands of annotations."""
    start, end = exemplar.start, exemplar.end
    return tuple(first for first in windows if start >= seconds_of_frame(first) and end <= seconds_of_frame(first + GRID_FRAMES))


def events_of(clip: Clip, speeds: NDArray[np.float32] | None = None, *, grid: str = "stroke") -> tuple[Event, ...]:
    """The events of a clip: with ``grid="stroke"`` one an exemplar, with ``"released"`` one for each published window that holds it.

    Differs from the released code: windows are counted by position, not by how many were kept before (METHOD part I (a)).
    """
    words, spans = clip.transcript.words, sentence_spans(clip.transcript.words)
    windows = grid_windows(clip.motion.frames)
    events = []
    for exemplar in exemplars_of(clip, speeds):
        sentence = sentence_at(spans, words, (exemplar.start + exemplar.end) / 2)
        places = _in_grid(exemplar, windows) if grid == "released" else (NO_WINDOW,)
        events += [Event(exemplar, sentence, place) for place in places]
    return tuple(sorted(events, key=lambda each: each.window)) if grid == "released" else tuple(events)
