"""The performer: events and a style in, a moving body with labelled gestures out. Deterministic in its seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raggesture.body.joints import N_JOINTS
from raggesture.body.leg_ik import reachable_root, solve_leg
from raggesture.body.skeleton import rest_joints
from raggesture.body.turn import matrix_of
from raggesture.clock import MOTION_FPS, frames_of_seconds
from raggesture.corpus.starter.accents import accents_of
from raggesture.corpus.starter.events import GestureEvent, GestureLabel, Performance
from raggesture.corpus.starter.face import make_face
from raggesture.corpus.starter.guard import keep_apart, push_out
from raggesture.corpus.starter.hands import flexion_basis
from raggesture.corpus.starter.ik import MIRROR, ArmPose, Side, solve_arm
from raggesture.corpus.starter.legs import HEIGHT_M, draw_steps, stand_feet, stand_path
from raggesture.corpus.starter.lexicon import Lexicon
from raggesture.corpus.starter.lexicon_file import load_lexicon
from raggesture.corpus.starter.noise import smooth_noise
from raggesture.corpus.starter.path import sample_path, travel_s
from raggesture.corpus.starter.plan import Move, plan_moves
from raggesture.corpus.starter.rests import draw_rest
from raggesture.corpus.starter.style import Style
from raggesture.corpus.starter.tracks import HandTrack, hand_track
from raggesture.corpus.starter.trunk import Trunk, make_trunk
from raggesture.errors import InputError
from raggesture.motion import Motion

Floats = NDArray[np.float64]
_SIDES: tuple[Side, Side] = ("left", "right")
_WRIST_NOISE_M, _FINGER_NOISE, _WRIST_TURN_NOISE = 0.020, 0.19, 0.08
_ARM = {"left": (13, 16, 18, 20), "right": (14, 17, 19, 21)}
_LEG = {"left": (1, 4, 7, 10), "right": (2, 5, 8, 11)}
_FINGERS = {"left": slice(25, 40), "right": slice(40, 55)}
_GUARD_ROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class _Hand:
    """One hand over all frames: place (F, 3) m, turns (F, 3) twist/flexion/deviation rad, fingers (F, 45) rad, mirrored-left."""

    place: Floats
    turns: Floats
    fingers: Floats


def _tracks(moves: Sequence[Move], style: Style, duration_s: float, rng: np.random.Generator) -> dict[Side, HandTrack]:
    rests = [[draw_rest(rng, style) for _ in range(4)] for _ in range(len(moves) + 1)]
    wanders = rng.standard_normal((len(moves), 3)) * np.array([0.045, 0.04, 0.035])
    return {side: hand_track(moves, rests, wanders, side, duration_s, np.random.default_rng(int(rng.integers(1 << 31)))) for side in _SIDES}


def _hand(track: HandTrack, frames: int, style: Style, fps: float, rng: np.random.Generator) -> _Hand:
    path = sample_path(track.keys, frames, fps)
    live = style.liveliness
    place = path[:, :3] + smooth_noise(rng, frames, [_WRIST_NOISE_M * live] * 3, 0.55, 4.0, fps)
    place += 0.2 * smooth_noise(rng, frames, [_WRIST_NOISE_M * live] * 3, 1.2, 4.0, fps)
    turns = path[:, 3:6] + smooth_noise(rng, frames, np.array([1.6, 1.0, 1.0]) * _WRIST_TURN_NOISE * live, 0.6, 3.6, fps)
    common = smooth_noise(rng, frames, [0.7 * _FINGER_NOISE * live], 0.85, 3.4, fps)
    flexion = common + smooth_noise(rng, frames, [0.75 * _FINGER_NOISE * live] * 4, 0.85, 3.4, fps)
    still = np.clip(1.3 - np.abs(path[:, 6:]).mean(axis=1, keepdims=True) * 1.5, 0.35, 1.0)  # a closed fist quivers less
    return _Hand(place, turns, path[:, 6:] + (flexion * still) @ flexion_basis())


def _arms(hands: dict[Side, _Hand], trunk: Trunk, style: Style, fps: float) -> dict[Side, ArmPose]:
    """Solve both arms; three rounds of keeping the hands out of the body and apart."""
    rest = np.asarray(rest_joints(), np.float64)
    half = float(rest[16, 0] - rest[17, 0]) / 2
    spine = (trunk.spine1, trunk.spine2, trunk.spine3, trunk.neck)
    places = {side: hands[side].place for side in _SIDES}
    collars = {"left": trunk.left_collar, "right": trunk.right_collar}
    arms: dict[Side, ArmPose] = {}
    for _ in range(_GUARD_ROUNDS + 1):
        away = dict(zip(_SIDES, keep_apart(places["left"], places["right"], half, fps), strict=True))
        places = {side: places[side] + away[side] for side in _SIDES}
        for side in _SIDES:
            turns = hands[side].turns
            arms[side] = solve_arm(places[side], turns[:, 0], turns[:, 1], turns[:, 2], side, fps, style.elbow_out, collars[side])
        pushes = {side: push_out(arms[side], side, spine, fps) for side in _SIDES}
        if max(share for _, share in pushes.values()) == 0:
            break
        places = {side: places[side] + pushes[side][0] for side in _SIDES}
    return arms


def _labels(moves: Sequence[Move], tracks: dict[Side, HandTrack]) -> tuple[GestureLabel, ...]:
    labels = []
    for k, move in enumerate(moves):
        start = max(0.0, tracks[move.side].starts[k])
        after = tracks[move.side].starts[k + 1] if k + 1 < len(moves) else np.inf
        back = move.hold_end + travel_s(0.25) * 1.15
        labels.append(
            GestureLabel(
                word=move.event.word,
                kind=move.gesture.kind,
                gesture=move.gesture.name,
                start=move.event.word_start,
                end=move.event.word_end,
                stroke=move.stroke,
                hold_end=move.hold_end,
                prep_start=min(start, move.stroke),
                retract_end=float(max(min(back, after), move.hold_end)),
            )
        )
    return tuple(labels)


def _assembled(trunk: Trunk, arms: dict[Side, ArmPose], hands: dict[Side, _Hand], style: Style, fps: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Rotations (F, 55, 3) without the face, and translation (F, 3)."""
    frames = len(trunk.root)
    out = np.zeros((frames, N_JOINTS, 3))
    for joint, value in ((0, trunk.pelvis), (3, trunk.spine1), (6, trunk.spine2), (9, trunk.spine3), (12, trunk.neck), (15, trunk.head)):
        out[:, joint] = value
    turn = matrix_of(trunk.pelvis)
    steps = draw_steps(frames / fps, style.stance_s, rng)
    root = trunk.root + stand_path(steps, frames, fps) + np.array([0.0, HEIGHT_M, 0.0])
    feet = stand_feet(root, trunk.pelvis[:, 1], steps, fps, rng)
    root = reachable_root(root, turn, feet, fps)
    for side in _SIDES:
        arm = arms[side]
        for joint, value in zip(_ARM[side], (arm.collar, arm.shoulder, arm.elbow, arm.wrist), strict=True):
            out[:, joint] = value
        mirror = np.ones(3) if side == "left" else MIRROR
        out[:, _FINGERS[side]] = hands[side].fingers.reshape(frames, 15, 3) * mirror
        leg = solve_leg(root, turn, feet[side], side)
        for joint, value in zip(_LEG[side], (leg.hip, leg.knee, leg.ankle, leg.foot), strict=True):
            out[:, joint] = value
    return out, root


def perform(
    events: Sequence[GestureEvent],
    style: Style,
    duration_s: float,
    seed: int,
    envelope_30fps: NDArray[np.floating] | None = None,
    lexicon: Lexicon | None = None,
) -> Performance:
    """Perform the events.

    Args:
        events: what to make, any order; those without room (about 0.75 s between strokes, 0.45 s for beats) are left out.
        duration_s: length of the motion; its frames are ``frames_of_seconds(duration_s, 30)``.
        seed: same seed, same motion. envelope_30fps: loudness of the voice per frame, for the jaw.
        lexicon: another one than the packaged.
    Raises:
        ConfigError: an event's gesture is not in the lexicon. InputError: the duration is not positive.
    """
    fps = float(MOTION_FPS)
    frames = frames_of_seconds(duration_s, fps) if np.isfinite(duration_s) else 0
    if frames < 2:
        raise InputError(f"perform: duration {duration_s} s; expected at least two frames - give a longer speech")
    rng = np.random.default_rng(seed)
    moves = plan_moves(events, lexicon or load_lexicon(), style, duration_s, rng)
    tracks = _tracks(moves, style, duration_s, rng)
    hands = {side: _hand(tracks[side], frames, style, fps, rng) for side in _SIDES}
    starts = [min(tracks[move.side].starts[k], move.stroke) for k, move in enumerate(moves)]
    accents = accents_of(moves, starts, frames, fps)
    trunk = make_trunk(hands["left"].place, hands["right"].place, accents, style, fps, rng)
    arms = _arms(hands, trunk, style, fps)
    rotations, root = _assembled(trunk, arms, hands, style, fps, rng)
    envelope = np.zeros(frames) if envelope_30fps is None else np.resize(np.asarray(envelope_30fps, np.float64), frames)
    jaw, expression = make_face(envelope, fps, rng)
    rotations[:, 22] = jaw
    motion = Motion(rotations.astype(np.float32), root.astype(np.float32), expression.astype(np.float32), fps)
    return Performance(motion, _labels(moves, tracks))
