"""A speech that is followed while it is spoken: frames in time, gestures on words that come late, nothing given twice."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers_synthesis import Asking, toy_pipeline
from raggesture.body.skeleton import forward_kinematics
from raggesture.diffusion.schedules import Hold, HoldOptions
from raggesture.errors import ConfigError
from raggesture.follow import LATE, Follower, FollowOptions, seen_from
from raggesture.motion import Motion, concatenated
from raggesture.options import GenerateOptions
from raggesture.pipeline import Pipeline
from raggesture.types import Cues, Exemplar, Hit, Placement, Query, Speech, Word

OPTIONS = GenerateOptions(steps=6)
HOLD = Hold(HoldOptions())
SHAPE = FollowOptions()
KINDS = {"huge": "iconic", "mountain": "iconic", "there": "deictic", "idea": "metaphoric"}
SAID = ["a", "huge", "mountain", "over", "there", "you", "had", "one", "idea"]
SECONDS = 47.3
WORDS = [Word(SAID[k % len(SAID)], k + 0.1, k + 0.7) for k in range(int(SECONDS))]


class Everything:
    """A gesture for every word that has one."""

    name = "everything"

    def queries(self, speech: Speech, cues: Cues) -> list[Query]:
        return [Query(w.text, KINDS[w.text], w.start, w.end) for w in speech.transcript.words if w.text in KINDS]

    def rank(self, query, index):
        return Asking().rank(query, index)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return toy_pipeline(tmp_path_factory.mktemp("index") / "toy")


def wave() -> np.ndarray:
    t = np.arange(round(SECONDS * 16_000)) / 16_000
    return (0.2 * np.sin(2 * np.pi * 150 * t) * np.clip(np.sin(2 * np.pi * t), 0, 1)).astype(np.float32)


def followed(pipeline: Pipeline, shape: FollowOptions = SHAPE, options: GenerateOptions = OPTIONS, *, late_s: float = 0.4, piece: int = 1600):
    """The motion, the account, and for each piece of it (seconds heard, frames given so far)."""
    follower = Follower(pipeline, options, Everything(), HOLD, shape)
    parts: list[Motion] = []
    seen: list[tuple[float, int]] = []
    words = list(WORDS)
    samples = wave()
    for at in range(0, len(samples), piece):
        follower.hear(samples[at : at + piece])
        while words and words[0].end + late_s <= follower.heard_s:
            follower.say([words.pop(0)])
        while follower.ready:
            parts.append(follower.step())
            seen.append((follower.heard_s, sum(part.frames for part in parts)))
    follower.say(words)
    parts += follower.finish()
    return concatenated(parts), follower, seen


@pytest.fixture(scope="module")
def usual(pipeline: Pipeline):
    return followed(pipeline)


def test_every_frame_comes_once_and_in_time(usual) -> None:
    motion, _, seen = usual
    assert motion.frames == round(SECONDS * 30)
    latency_s = SHAPE.latency_s(OPTIONS)
    assert 4.0 < latency_s < 6.0
    assert len(seen) >= 14
    for heard_s, given in seen:  # a frame is given when a step is made: up to a stride before the next one
        assert heard_s - given / 30 <= latency_s - SHAPE.stride_chunks + 0.11
    assert all(a[1] <= b[1] for a, b in pairwise(seen))


def test_gestures_are_made_on_their_words_and_carried_over_steps(usual, pipeline: Pipeline) -> None:
    motion, follower, _ = usual
    told = follower.told
    wanted = [w.text for w in WORDS if w.text in KINDS]
    assert [q.word for q in told.queries] == wanted and len(told.inserted) + len(told.drops) == len(wanted)
    assert len(told.inserted) >= 9 and not any(drop.reason == LATE for drop in told.drops)
    assert [w.text for w in told.words] == [w.text for w in WORDS]
    crossing = 0
    spans = []
    for each in told.inserted:
        begin = each.window_start_s + each.placement.target.start
        spans.append((begin, begin + each.placement.target.stop - each.placement.target.start))
        stroke = each.placement.hit.query.stroke_s
        assert begin <= stroke < spans[-1][1]
        crossing += int(begin // 3 != (spans[-1][1] - 1) // 3)
    assert all(a[1] <= b[0] for a, b in pairwise(spans)) and crossing
    ungrounded, _, _ = followed(pipeline, options=replace(OPTIONS, inject="none"))
    begin = spans[0][0]
    inside = slice(round(30 * (begin + 0.5)), round(30 * (spans[0][1] - 0.5)))
    assert np.abs(motion.rotations[inside, 16:22] - ungrounded.rotations[inside, 16:22]).max() > 0.01


def test_steps_are_joined_without_a_jump(usual) -> None:
    motion, _, _ = usual
    places = forward_kinematics(torch.from_numpy(motion.rotations.copy()), torch.from_numpy(motion.translation.copy()))[0].numpy()
    steps = np.linalg.norm(np.diff(places[:, [20, 21]], axis=0), axis=-1)
    borders = [frame for k in range(1, 15) for frame in range(90 * k - 9, 90 * k + 2)]
    assert steps[borders].max() <= 1.2 * np.delete(steps, borders, axis=0).max()
    ground = np.linalg.norm(np.diff(motion.translation[:, [0, 2]], axis=0), axis=-1)
    assert ground[borders].max() <= 1.2 * np.delete(ground, borders).max()


def test_the_size_of_pieces_changes_nothing(usual, pipeline: Pipeline) -> None:
    motion, _, _ = followed(pipeline, piece=16_000)
    np.testing.assert_array_equal(motion.rotations, usual[0].rotations)


def test_words_that_come_too_late_are_said_to(pipeline: Pipeline) -> None:
    motion, follower, _ = followed(pipeline, late_s=8.0)
    late = [drop for drop in follower.told.drops if drop.reason == LATE]
    assert late and motion.frames == round(SECONDS * 30)
    assert len(follower.told.inserted) + len(follower.told.drops) == len(follower.told.queries)


@pytest.mark.parametrize("shape", [FollowOptions(1, 1), FollowOptions(2, 2), FollowOptions(9, 0)])
def test_other_shapes(pipeline: Pipeline, shape: FollowOptions) -> None:
    motion, follower, _ = followed(pipeline, shape, replace(OPTIONS, plant_feet=False))
    assert motion.frames == round(SECONDS * 30) and follower.told.inserted
    assert shape.latency_s(OPTIONS) == pytest.approx(shape.stride_chunks + shape.lookahead_chunks + (4 + 4 + 4) / 15 + 0.5)


def test_memory_stays(pipeline: Pipeline) -> None:
    follower = Follower(pipeline, replace(OPTIONS, inject="none"), Everything(), HOLD, SHAPE)
    kept = []
    for _ in range(8):
        follower.hear(wave()[: 16_000 * 9])
        while follower.ready:
            follower.step()
        kept.append(len(follower._wave))
    assert kept[-1] == kept[-2] <= 16_000 * 20.2


def test_a_placement_is_seen_from_a_later_window() -> None:
    query = Query("huge", "iconic", 10.2, 10.8)
    hit = Hit(query, Exemplar("clip", "ann", "huge", "iconic", 1.0, 2.0, 1.5), 1.0)
    placement = Placement(hit, 9, slice(1, 3), slice(1, 3), 40)
    same = seen_from(placement, 9, 9)
    assert same == placement
    later = seen_from(placement, 5, 11)
    assert later is not None and later.target == slice(6, 7) and later.source == slice(2, 3) and later.source_frame == 40
    assert seen_from(placement, 5, 12) is None


def test_nothing_silence_and_refusals(pipeline: Pipeline, tmp_path: Path) -> None:
    nobody = Follower(pipeline, OPTIONS, Everything(), HOLD, SHAPE)
    assert concatenated(list(nobody.finish())).frames == 0
    quiet = Follower(pipeline, OPTIONS, Everything(), HOLD, SHAPE)
    quiet.hear(np.zeros(16_000 * 7, np.float32))
    assert sum(part.frames for part in quiet.finish()) == 210
    with pytest.raises(ConfigError, match="follow: steps of 9 s with 1 s ahead"):
        FollowOptions(9, 1)
    with pytest.raises(ConfigError, match="released"):
        Follower(pipeline, replace(OPTIONS, guided_loop="released"), Everything(), HOLD, SHAPE)
