"""From events to moves: which hand, how large, how fast, and when each move may begin and must end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.corpus.starter.events import GestureEvent
from raggesture.corpus.starter.ik import ARM_M, Side
from raggesture.corpus.starter.lexicon import Form, Gesture, Grip, Lexicon
from raggesture.corpus.starter.style import Style

Floats = NDArray[np.float64]
_MIN_GAP_S, _MIN_BEAT_GAP_S, _MIN_PREP_S = 0.75, 0.45, 0.22
_BEAT_HOME = np.array([0.09, -0.345, 0.25])
_ACROSS, _ACROSS_SHARE = -0.06, 0.55
"""One hand alone goes across the body only so far: beyond -0.06 arm lengths half of what the lexicon says (people hardly cross their middle)."""


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """One gesture in time. ``t`` (K,) s; ``lead`` (K, 3) m places of the leading hand, ``other`` (K, 3) of the second one (None: it shadows).

    For beats (``gesture.additive``) the places are displacements. ``hold_end``: when the hands may leave.
    """

    event: GestureEvent
    gesture: Gesture
    side: Side
    t: Floats
    lead: Floats
    other: Floats | None
    grips: tuple[Grip, ...]
    other_grips: tuple[Grip, ...]
    stop: Floats
    hold_end: float

    @property
    def stroke(self) -> float:
        """Instant of the apex."""
        return self.event.stroke_s

    @property
    def stroke_key(self) -> int:
        """Index of the key at (or nearest to) the apex."""
        return int(np.argmin(np.abs(self.t - self.stroke)))


def _lead_side(event: GestureEvent, form: Form, style: Style, rng: np.random.Generator) -> Side:
    draw = rng.random()
    if form.hands in ("left", "right"):
        return "left" if form.hands == "left" else "right"
    if event.hand in ("left", "right"):
        return "left" if event.hand == "left" else "right"
    return "right" if draw < style.handedness else "left"


def _scaled(form: Form, gesture: Gesture, size: float, offset: Floats, *, other: bool) -> Floats:
    raw = np.array([(key.other if other and key.other is not None else key.pos) for key in form.keys]) * ARM_M
    if gesture.additive:
        return raw * size
    if not form.two_handed:
        across = _ACROSS * ARM_M
        raw[:, 0] = np.where(raw[:, 0] < across, across + _ACROSS_SHARE * (raw[:, 0] - across), raw[:, 0])
    centre = raw.mean(axis=0)
    power = 0.5 if gesture.kind == "deictic" else 0.8
    return np.asarray(centre + (raw - centre) * size**power + offset, np.float64)


def _move(event: GestureEvent, gesture: Gesture, style: Style, rng: np.random.Generator) -> Move:
    form = gesture.form(event.variant)
    side = _lead_side(event, form, style, rng)
    draws = rng.standard_normal(5)
    tempo = float(np.clip(event.tempo * style.tempo * (1 + gesture.vary_tempo * np.clip(draws[0], -1.5, 1.5)), 0.75, 1.3))
    size = event.size * style.size * (1 + gesture.vary_size * np.clip(draws[1], -1.5, 1.5)) * (1 + 0.08 * (min(event.prominence, 2.5) - 1))
    size = float(np.clip(size, 0.65, 1.4))
    offset = np.clip(draws[2:], -1.5, 1.5) * gesture.vary_offset * ARM_M
    keys = form.keys
    t = event.stroke_s + np.array([key.t for key in keys]) / tempo
    return Move(
        event,
        gesture,
        side,
        t,
        _scaled(form, gesture, size, offset, other=False),
        _other_hand(form, gesture, size, offset),
        tuple(key.grip for key in keys),
        tuple(key.other_grip or key.grip for key in keys),
        np.array([key.stop for key in keys]),
        float(t[-1] + np.clip(event.hold_s, *form.hold)),
    )


def _other_hand(form: Form, gesture: Gesture, size: float, offset: Floats) -> Floats | None:
    """Places (K, 3) of the second hand; None where it only shadows."""
    if form.hands == "alternate" or (form.two_handed and any(key.other is not None for key in form.keys)):
        return _scaled(form, gesture, size, offset, other=True)
    lead = _scaled(form, gesture, size, offset, other=False)
    if form.hands == "parallel" and gesture.additive:
        return np.asarray(lead * np.array([-1.0, 1.0, 1.0]))
    return lead if form.two_handed else None


def _keep(moves: Sequence[Move], duration_s: float) -> list[Move]:
    """Moves that have room: beats give way to gestures, a later gesture to an earlier one."""
    kept: list[Move] = []
    for k, move in enumerate(moves):
        if move.stroke > duration_s - 0.05:
            continue
        beat = move.gesture.additive
        if kept:
            last = kept[-1]
            needed = _MIN_BEAT_GAP_S if beat else _MIN_GAP_S
            if move.stroke - max(last.stroke, last.t[-1] if beat and not last.gesture.additive else last.stroke) < needed:
                if not beat and last.gesture.additive and (len(kept) < 2 or move.stroke - kept[-2].stroke >= _MIN_GAP_S):
                    kept.pop()
                else:
                    continue
        ahead = next((m for m in moves[k + 1 :] if not m.gesture.additive), None)
        if beat and ahead is not None and move.stroke > ahead.t[0] - 0.3:
            continue
        kept.append(move)
    return kept


def _trimmed(move: Move, after: Move | None) -> Move:
    """End a move early enough for the next one."""
    if after is None:
        return move
    latest = float(after.t[0]) - 0.30  # the last instant at which the hands may leave
    hold_end = max(min(move.hold_end, latest), move.stroke + 0.06)
    count = max(move.stroke_key + 1, int(np.sum(move.t <= hold_end)))
    return _with_keys(move, slice(0, count), max(hold_end, float(move.t[count - 1])))


def _with_keys(move: Move, keys: slice, hold_end: float) -> Move:
    other = None if move.other is None else move.other[keys]
    return Move(
        move.event,
        move.gesture,
        move.side,
        move.t[keys],
        move.lead[keys],
        other,
        move.grips[keys],
        move.other_grips[keys],
        move.stop[keys],
        hold_end,
    )


def _begun(move: Move, before_end: float) -> Move:
    """Start a move late enough for the one before: its first keys are dropped or moved towards the stroke."""
    earliest = before_end + _MIN_PREP_S
    first = 0
    while first < move.stroke_key and move.t[first] < earliest and move.t[first + 1] - earliest < 0.12 and first + 1 < move.stroke_key:
        first += 1
    move = _with_keys(move, slice(first, len(move.t)), move.hold_end)
    if move.t[0] < earliest and move.stroke_key > 0:
        t = move.t.copy()
        t[0] = min(earliest, float(t[1]) - 0.15)
        move = Move(move.event, move.gesture, move.side, t, move.lead, move.other, move.grips, move.other_grips, move.stop, move.hold_end)
    return move


def plan_moves(events: Sequence[GestureEvent], lexicon: Lexicon, style: Style, duration_s: float, rng: np.random.Generator) -> list[Move]:
    """Moves in time order that fit one after another; events without room are left out.

    Raises:
        ConfigError: an event names a gesture that the lexicon does not have.
    """
    drawn = []
    for event in sorted(events, key=lambda e: e.stroke_s):
        child = np.random.default_rng([int(rng.integers(1 << 31)), event.variant])
        drawn.append(_move(event, lexicon[event.gesture], style, child))
    kept = _keep(drawn, duration_s)
    out: list[Move] = []
    for k, move in enumerate(kept):
        trimmed = _trimmed(move, kept[k + 1] if k + 1 < len(kept) else None)
        out.append(_begun(trimmed, out[-1].hold_end) if out else trimmed)
    return out


def beat_base(rest: Floats, last: Floats, gap_s: float, wander: Floats) -> Floats:
    """Where a beat is made: near where the hand is if it was just gesturing, else at home in front of the waist."""
    home = _BEAT_HOME + wander
    share = 0.35 if gap_s < 1.2 else 0.75
    base: Floats = last + (home - last) * share
    return base + 0.1 * (rest - base)
