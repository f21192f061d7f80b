"""From moves to the timed keys of one hand: preparation, hold, relaxation, rest, and the free hand's shadow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from raggesture.corpus.starter.hands import shape_rotations
from raggesture.corpus.starter.ik import Side, palm_angles
from raggesture.corpus.starter.lexicon import Grip, direction
from raggesture.corpus.starter.path import BULGE, Keys, travel_s
from raggesture.corpus.starter.plan import Move, beat_base
from raggesture.corpus.starter.rests import Rest

Floats = NDArray[np.float64]
_STRAIGHT_S, _RELAX_S = 0.9, 1.7


@dataclass(slots=True, eq=False)
class _Track:
    """Keys being collected for one hand."""

    side: Side
    rng: np.random.Generator
    t: list[float] = field(default_factory=list)
    place: list[Floats] = field(default_factory=list)
    palm: list[str] = field(default_factory=list)
    shape: list[str] = field(default_factory=list)
    finger: list[str] = field(default_factory=list)
    stop: list[float] = field(default_factory=list)
    bulge: list[float] = field(default_factory=list)

    def add(self, t: float, place: Floats, palm: str, shape: str, stop: float, *, finger: str = "", bulge: float = 0.0) -> None:
        """Append a key; one that is not later than the last by 40 ms is moved there."""
        if self.t and t < self.t[-1] + 0.04:
            t = self.t[-1] + 0.04
        self.t.append(t)
        self.place.append(np.asarray(place, np.float64))
        self.palm.append(palm)
        self.shape.append(shape)
        self.finger.append(finger)
        self.stop.append(stop)
        self.bulge.append(bulge)

    def keys(self) -> Keys:
        place = np.stack(self.place)
        palm = np.array([direction(name) for name in self.palm])
        finger = np.array([direction(name) for name in self.finger])
        fingers = np.stack([shape_rotations(name) for name in self.shape])
        values = np.concatenate([place, palm_angles(place, palm, finger, self.side), fingers], axis=1)
        return Keys(np.array(self.t), values, np.array(self.stop), self._bulges(place))

    def _bulges(self, place: Floats) -> Floats:
        """A sideways bow (K, 3) m on the way into each key: forward and up, across the chord."""
        out = np.zeros_like(place)
        chord = np.diff(place, axis=0)
        length = np.linalg.norm(chord, axis=1, keepdims=True)
        along = chord / np.maximum(length, 1e-6)
        lean = np.array([0.25, 0.35, 0.9]) + 0.35 * self.rng.standard_normal(chord.shape)
        across = lean - np.sum(lean * along, axis=1, keepdims=True) * along
        across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 0.3)
        out[1:] = across * length * BULGE * np.array(self.bulge)[1:, None]
        return out


def _idle(track: _Track, until: float, arrive: Floats, rests: Sequence[Rest]) -> None:
    """Fill the time from the track's last key to ``until`` (the start of the next preparation), by the length of the gap."""
    last_t, last = track.t[-1], track.place[-1]
    rest = rests[0]
    gap = until - last_t
    rng = track.rng
    if gap <= _STRAIGHT_S:
        return
    target = rest.place(track.side)
    if gap <= _RELAX_S:
        share = rng.uniform(0.40, 0.75)
        to = last + (target - last) * share
        leave = last_t + travel_s(float(np.linalg.norm(to - last))) * 1.25
        track.add(min(leave, until - 0.1), to, rest.palm, rest.shape, 0.6, bulge=1.0)
        if until - leave > 0.5:
            track.add(until, to + 0.025 * rng.standard_normal(3), rest.palm, rest.shape, 0.5)
        return
    at = last_t + travel_s(float(np.linalg.norm(target - last))) * 1.3
    track.add(at, target, rest.palm, rest.shape, 0.85, bulge=1.0)
    place, k = target, 1
    while until - track.t[-1] > 2.4:
        pause = rng.uniform(0.8, 1.6)
        change = rests[k % len(rests)] if until - track.t[-1] > 4.5 else rest
        to = change.place(track.side) + 0.025 * rng.standard_normal(3)
        begin = track.t[-1] + pause
        track.add(begin, place + 0.02 * rng.standard_normal(3), rest.palm, rest.shape, 0.6)
        track.add(begin + 1.4 * travel_s(float(np.linalg.norm(to - place))), to, change.palm, change.shape, 0.8, bulge=0.7)
        place, rest, k = to, change, k + 1
    if until - track.t[-1] > 0.3:
        track.add(until, place + 0.02 * rng.standard_normal(3), rest.palm, rest.shape, 0.6)


def _places(track: _Track, move: Move, rest: Rest, wander: Floats) -> tuple[Floats, bool]:
    """Places (K, 3) of this hand during a move, and whether it is the free hand."""
    last, gap = track.place[-1], float(move.t[0]) - track.t[-1]
    leads = track.side == move.side
    home = rest.place(track.side)
    if move.gesture.additive:
        base = beat_base(home, last, gap, wander if leads else wander * np.array([0.5, 1.0, 1.0]))
        if leads or move.other is not None:
            return base + (move.lead if leads or move.other is None else move.other), False
        free = last + 0.35 * (base - last)
        return free + move.gesture.free_hand * move.lead, True
    if leads:
        return move.lead, False
    if move.other is not None:
        return move.other, False
    stay = 0.5 if gap < _STRAIGHT_S else 0.9
    free = last + stay * (home - last)
    shadow = move.gesture.free_hand * (move.lead - move.lead.mean(axis=0)) + 0.1 * (move.lead.mean(axis=0) - free)
    shadow[:, 0] = np.maximum(shadow[:, 0], -0.04)
    return free + shadow, True


def _perform(track: _Track, move: Move, rests: Sequence[Rest], wander: Floats) -> float:
    """Append a move's keys; returns when its preparation began."""
    places, free = _places(track, move, rests[-1], wander)
    lag = 0.05 if free else (0.0 if track.side == move.side else 0.015)
    distance = float(np.linalg.norm(places[0] - track.place[-1]))
    start = max(track.t[-1], float(move.t[0]) + lag - max(0.28, 1.05 * travel_s(distance)))
    _idle(track, start, places[0], rests)
    start = max(start, track.t[-1])
    for k, t in enumerate(move.t):
        grip = Grip(rests[-1].palm, "relaxed") if free else (move.grips if track.side == move.side else move.other_grips)[k]
        bulge = 1.0 if k == 0 else 0.5
        track.add(float(t) + lag, places[k], grip.palm, grip.shape, float(move.stop[k]) * (0.6 if free else 1.0), finger=grip.finger, bulge=bulge)
    if move.hold_end > track.t[-1] + 0.12:
        settle = places[-1] + 0.014 * track.rng.standard_normal(3) - np.array([0.0, 0.012, 0.0])
        palm, shape, finger = track.palm[-1], track.shape[-1], track.finger[-1]
        track.add(move.hold_end, settle, palm, shape, 0.7, finger=finger)
    return start


@dataclass(frozen=True, slots=True, eq=False)
class HandTrack:
    """One hand's keys over the whole performance, and the preparation's start (s) of every move."""

    keys: Keys
    starts: tuple[float, ...]


def hand_track(moves: Sequence[Move], rests: Sequence[Sequence[Rest]], wanders: Floats, side: Side, duration_s: float, rng: np.random.Generator) -> HandTrack:
    """Build one hand's keys. ``rests[k]`` are the rest poses of the gap before move k (one more at the end); ``wanders`` (moves, 3) m shift beats."""
    track = _Track(side, rng)
    first = rests[0][0]
    track.add(-0.6, first.place(side), first.palm, first.shape, 0.8)
    starts = []
    for k, move in enumerate(moves):
        starts.append(_perform(track, move, rests[k], wanders[k]))
    _idle(track, max(duration_s + 0.3, track.t[-1] + 2.3), track.place[-1], rests[-1])
    if track.t[-1] < duration_s + 0.3:
        track.add(duration_s + 0.3, track.place[-1] + 0.01 * rng.standard_normal(3), track.palm[-1], track.shape[-1], 0.8)
    return HandTrack(track.keys(), tuple(starts))
