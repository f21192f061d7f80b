"""What a gesture brings along: whole parts, one arm, the head, the legs. The arithmetic by itself, then the packaged model."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from raggesture.anchoring import Anchorer
from raggesture.body.features import PartFeatures, features_of, motion_of
from raggesture.body.joints import JOINT_NAMES, JOINTS_OF_PART
from raggesture.clock import CHUNK_FRAMES, MODEL_FPS, WINDOW_FRAMES, frame_of_seconds
from raggesture.composing import Brought, Piece, put_in, soft_slot
from raggesture.diffusion.schedules import Hold, HoldOptions
from raggesture.errors import ConfigError
from raggesture.metrics.gesture_made import hand_paths
from raggesture.models.checkpoint import load_model
from raggesture.motion import Motion
from raggesture.options import GenerateOptions, check_options
from raggesture.resources import PACK_NAME, packaged_dir
from raggesture.retrieval.index import Index
from raggesture.synthesis import Insertion, Synthesizer
from raggesture.trace import Identity
from raggesture.types import BRINGABLE, Bringable, Hit, Placement, Query
from raggesture.windowing import WindowJob, make_released_window, make_windows

SLOT = slice(4, 6)
INSIDE = slice(4 * CHUNK_FRAMES + 7, 6 * CHUNK_FRAMES - 7)
STEPS, COUNT = 16, 4
RATES = Hold(HoldOptions()).rates(STEPS)
HEAD = [JOINT_NAMES.index("neck"), JOINT_NAMES.index("head")]


def test_names_add_up() -> None:
    assert Brought.of(("upper", "hands")) == Brought(frozenset([*JOINTS_OF_PART["upper"], *JOINTS_OF_PART["hands"]]), ("upper", "hands"), False)
    assert Brought.of(("hands", "face")).parts == ("hands", "face") and not Brought.of(("face",)).composite
    for name in ("head", "left-arm", "right-arm", "lower"):
        assert Brought.of((name,)).composite, name  # type: ignore[arg-type]
    assert Brought.of(("head",)).parts == ("upper",) and Brought.of(("right-arm",)).parts == ("upper", "hands")
    left, right = (Brought.of((f"{side}-arm",)).joints for side in ("left", "right"))  # type: ignore[arg-type]
    assert not left & right and len(left) == len(right) == 4 + 15
    assert {JOINT_NAMES[k].split("_")[0] for k in left} == {"left"}
    assert not Brought.of(("upper", "hands", "head", "left-arm")).composite, "what is whole anyway is not composed"
    assert Brought.of(("upper", "left-arm")).composite and Brought.of(BRINGABLE).parts == ("upper", "hands", "face", "lower")


def test_a_slot_has_soft_edges() -> None:
    share = soft_slot(slice(60, 90))
    assert share.shape == (WINDOW_FRAMES,) and float(share.max()) == 1.0
    assert not share[:60].any() and not share[90:].any() and bool((share[67:83] == 1).all())
    assert torch.allclose(share[60:90], share[60:90].flip(0), atol=1e-6)
    assert bool((share[60:75].diff() >= 0).all()) and float(share.diff().abs().max()) < 0.25


def standing(turn_rad: float = 0.0, step_m: float = 0.0, seed: int = 0) -> Motion:
    """A body that is turned, walks straight ahead from where it stands, and moves its joints a little."""
    rng = np.random.default_rng(seed)
    rotations = 0.2 * rng.standard_normal((1, 55, 3)).repeat(WINDOW_FRAMES, 0)
    rotations[:, 0] = [0.0, turn_rad, 0.0]
    along = step_m * np.arange(WINDOW_FRAMES)
    translation = np.stack([1.0 + along * math.sin(turn_rad), np.full(WINDOW_FRAMES, 1.3), -2.0 + along * math.cos(turn_rad)], axis=1)
    return Motion(rotations.astype(np.float32), translation.astype(np.float32), np.zeros((WINDOW_FRAMES, 100), np.float32), float(MODEL_FPS))


def put(names: tuple[Bringable, ...], draft: Motion, exemplar: Motion) -> tuple[Motion, PartFeatures]:
    features = features_of(draft)
    put_in(features, Piece(Insertion(0, 0, SLOT), Brought.of(names), features_of(exemplar)))
    return motion_of(features), features


@pytest.mark.parametrize("names", [("head",), ("left-arm",), ("right-arm",), ("upper",), ("hands", "head"), ("face",)])
def test_only_the_joints_that_were_asked_for_change(names: tuple[Bringable, ...]) -> None:
    draft, exemplar = standing(seed=1), standing(seed=2)
    found, _ = put(names, draft, exemplar)
    joints = sorted(Brought.of(names).joints)
    others = [k for k in range(55) if k not in joints and k not in (23, 24)]
    np.testing.assert_allclose(found.rotations[INSIDE][:, joints], exemplar.rotations[INSIDE][:, joints], atol=1e-5)
    np.testing.assert_allclose(found.rotations[:, others], draft.rotations[:, others], atol=1e-5)
    np.testing.assert_allclose(found.rotations[: 4 * CHUNK_FRAMES], np.where(np.isin(np.arange(55), (23, 24))[:, None], 0, draft.rotations[:60]), atol=1e-5)
    np.testing.assert_allclose(found.translation, draft.translation, atol=1e-6)


def test_legs_walk_from_where_the_body_stands_the_way_it_looks() -> None:
    draft, exemplar = standing(turn_rad=1.0), standing(turn_rad=-0.6, step_m=0.02, seed=3)
    found, _ = put(("lower",), draft, exemplar)
    np.testing.assert_allclose(found.rotations[INSIDE, 0], np.broadcast_to([0, 1.0, 0], found.rotations[INSIDE, 0].shape), atol=1e-5)
    legs = [1, 2, 4, 5]
    np.testing.assert_allclose(found.rotations[INSIDE][:, legs], exemplar.rotations[INSIDE][:, legs], atol=1e-5)
    walked = found.translation[INSIDE] - draft.translation[INSIDE]
    frames = np.arange(INSIDE.start, INSIDE.stop) - 4 * CHUNK_FRAMES
    np.testing.assert_allclose(walked[:, [0, 2]], 0.02 * frames[:, None] * np.array([math.sin(1.0), math.cos(1.0)]), atol=1e-4)
    np.testing.assert_allclose(found.translation[: 4 * CHUNK_FRAMES], draft.translation[: 4 * CHUNK_FRAMES], atol=1e-6)
    np.testing.assert_allclose(found.translation[6 * CHUNK_FRAMES :], draft.translation[6 * CHUNK_FRAMES :], atol=1e-6)


# --- the packaged model


@pytest.fixture(scope="module")
def index() -> Index:
    return Index.open(packaged_dir(PACK_NAME, "index"))


@pytest.fixture(scope="module")
def synthesizer() -> Synthesizer:
    return Synthesizer(load_model(packaged_dir(PACK_NAME, "model")), STEPS)


def placements_of(index: Index, parts: tuple[Bringable, ...] = (), weight: float = 1.0) -> list[Placement]:
    """Gestures of both hands, each in its own window, their strokes in the middle of the slot."""
    stroke_frame = 5 * CHUNK_FRAMES
    chosen, clips = [], set()
    for exemplar in index.exemplars:
        first = frame_of_seconds(exemplar.stroke) - stroke_frame
        if (
            exemplar.hand == "both"
            and exemplar.kind == "iconic"
            and exemplar.clip not in clips
            and 0 <= first < index.clip_frames[exemplar.clip] - WINDOW_FRAMES
        ):
            clips.add(exemplar.clip)
            query = Query(exemplar.word, exemplar.kind, 5.0, 5.2, weight, parts=parts)
            chosen.append(Placement(Hit(query, exemplar, 1.0, {}), 0, SLOT, SLOT, first))
    return chosen[:: max(len(chosen) // COUNT, 1)][:COUNT]


def made(synthesizer: Synthesizer, index: Index, parts: tuple[Bringable, ...], weight: float = 1.0, options: GenerateOptions | None = None) -> list[Motion]:
    options = options or GenerateOptions(steps=STEPS)
    rng = torch.Generator().manual_seed(0)
    placements = placements_of(index, parts, weight)
    anchorer = Anchorer(index, (None, None), (Identity("m"), Identity("i")))  # type: ignore[arg-type]
    jobs = []
    for placement in placements:
        scene = synthesizer.conditions([index.clip_window(placement.hit.exemplar.clip, max(placement.source_frame - 75, 0))])
        jobs.append(WindowJob(scene, synthesizer.noise(1, rng), (placement,), anchorer.levels(synthesizer, [placement], options, rng)))
    return [synthesizer.decode(window.latents)[0] for window in make_windows(synthesizer, jobs, options, RATES)]


@pytest.fixture(scope="module")
def free(synthesizer: Synthesizer, index: Index) -> list[Motion]:
    return made(synthesizer, index, ("head",), weight=0.0)


def exemplars(index: Index) -> list[Motion]:
    cuts = [index.clip_window(p.hit.exemplar.clip, p.source_frame, context=0) for p in placements_of(index)]
    return [Motion(cut.rotations, cut.translation, cut.expression, float(MODEL_FPS)) for cut in cuts]


def apart(ours: list[Motion], theirs: list[Motion], side: int) -> float:
    """Mean distance in metres of one wrist in the chest's frame, inside the slot."""
    return float(
        np.mean([np.linalg.norm((hand_paths(a).wrists - hand_paths(b).wrists)[INSIDE, side], axis=-1).mean() for a, b in zip(ours, theirs, strict=True)])
    )


def turned(ours: list[Motion], theirs: list[Motion], joints: list[int]) -> float:
    """Mean difference in radians of some joints' rotations, inside the slot."""
    return float(np.mean([np.linalg.norm((a.rotations - b.rotations)[INSIDE][:, joints], axis=-1).mean() for a, b in zip(ours, theirs, strict=True)]))


@pytest.mark.parametrize(("name", "side"), [("left-arm", 0), ("right-arm", 1)])
def test_one_arm_comes_and_the_other_stays(synthesizer: Synthesizer, index: Index, free: list[Motion], name: Bringable, side: int) -> None:
    found, wanted = made(synthesizer, index, (name,)), exemplars(index)
    assert apart(found, wanted, side) < 0.4 * apart(free, wanted, side), "the arm that was asked for goes to the exemplar"
    assert apart(found, free, 1 - side) < 0.02, "the other arm stays within two centimetres of the ungrounded motion"
    assert turned(found, free, HEAD) < 0.06 < turned(found, free, [16 + side, 18 + side])


def test_the_head_comes_alone(synthesizer: Synthesizer, index: Index, free: list[Motion]) -> None:
    found, wanted = made(synthesizer, index, ("head",)), exemplars(index)
    assert turned(found, wanted, HEAD) < 0.65 * turned(free, wanted, HEAD), "most of the way; the codec keeps a head to a few degrees"
    assert max(apart(found, free, 0), apart(found, free, 1)) < 0.02


def test_the_legs_come_alone_and_the_ground_stays(synthesizer: Synthesizer, index: Index, free: list[Motion]) -> None:
    found, wanted = made(synthesizer, index, ("lower",)), exemplars(index)
    legs = [1, 2, 4, 5]
    assert turned(found, wanted, legs) < 0.6 * turned(free, wanted, legs)
    assert max(apart(found, free, 0), apart(found, free, 1)) < 0.02
    for ours, theirs in zip(found, free, strict=True):
        assert np.abs(ours.translation - theirs.translation)[4 * CHUNK_FRAMES].max() < 0.15  # the way there may be another
        assert np.linalg.norm(np.diff(ours.translation, axis=0), axis=-1).max() < 0.1, "no jump over the ground"


def test_composites_obey_the_weight(synthesizer: Synthesizer, index: Index, free: list[Motion]) -> None:
    wanted = exemplars(index)
    distances = [apart(motions, wanted, 1) for motions in (free, made(synthesizer, index, ("right-arm",), 0.6), made(synthesizer, index, ("right-arm",)))]
    assert distances[0] > distances[1] > distances[2]


def test_every_way_can_bring_one_arm(synthesizer: Synthesizer, index: Index, free: list[Motion]) -> None:
    wanted = exemplars(index)
    for how in ("noised", "inpaint"):
        found = made(synthesizer, index, ("right-arm",), options=GenerateOptions(steps=STEPS, inject=how))  # type: ignore[arg-type]
        assert apart(found, wanted, 1) < 0.5 * apart(free, wanted, 1), how


def test_the_released_loop_brings_what_it_copies(synthesizer: Synthesizer, index: Index) -> None:
    options = GenerateOptions(sampler="ddim", steps=STEPS, guided_loop="released")
    placement = placements_of(index, ("head",))[0]
    job = WindowJob(synthesizer.conditions([index.clip_window(placement.hit.exemplar.clip, 0)]), synthesizer.noise(1, torch.Generator()), (placement,))
    with pytest.raises(ConfigError, match=r"gesture on '.*': parts head; expected upper, hands with guided_loop 'released'"):
        make_released_window(synthesizer, job, options, torch.Generator())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": ()}, "parts: none; expected one or more of upper"),
        ({"parts": ("arm",)}, "parts: 'arm' is unknown; did you mean"),
        ({"parts": ("head",), "guided_loop": "released", "sampler": "ddim"}, "parts: head; expected upper, hands with guided_loop"),
        ({"ease": 1.5}, r"ease: 1\.5; expected a number in \[0, 1\]"),
    ],
)
def test_wrong_parts_are_refused(synthesizer: Synthesizer, change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_options(replace(GenerateOptions(), **change), synthesizer.model)  # type: ignore[arg-type]
