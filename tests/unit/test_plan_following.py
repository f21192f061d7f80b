"""What each edit of a plan does, and what is said of a plan that cannot be followed."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given as cases
from hypothesis import settings
from hypothesis import strategies as st

from helpers_plan import HUGE, IDEA, SMALL, WORDS, cues_of, gesture, given, speech_of
from helpers_synthesis import Asking, toy_index, toy_pipeline
from raggesture.clock import CHUNK_FRAMES, MODEL_FPS, chunk_of_frame, frame_of_seconds
from raggesture.diffusion.schedules import Hold, HoldOptions
from raggesture.errors import ConfigError, InputError, ModelError, RaggestureError
from raggesture.options import GenerateOptions
from raggesture.plan_file.data import GivenPlan, PlanFile, PlanGesture, PlanMade, PlanSpeech
from raggesture.plan_file.following import follow
from raggesture.plan_file.made import plan_file_of
from raggesture.plan_file.reading import parse_plan
from raggesture.plan_file.writing import plan_text
from raggesture.planner import Planner
from raggesture.planning import Plan, make_plan
from raggesture.retrieval.by_none import NoneOptions, NoneRetriever
from raggesture.retrieval.index import Index
from raggesture.types import Cues, Hit, Placement, Query, Speech
from raggesture.windows import window_starts

OPTIONS = GenerateOptions()
HERE = PlanMade("asking", "tiny", "0", "toy", "1")
SPEECH = speech_of()
NAME = "speech.plan.toml"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return toy_index(tmp_path_factory.mktemp("index") / "toy")


def followed(index: Index | None, *gestures: PlanGesture, speech: Speech = SPEECH, options: GenerateOptions = OPTIONS, retriever=None) -> Plan:
    starts = window_starts(speech.duration_s)
    return follow(given(gestures, speech), speech, cues_of(speech), options, retriever or Asking(), index, starts, HERE)


def refused(index: Index, *gestures: PlanGesture, speech: Speech = SPEECH, options: GenerateOptions = OPTIONS) -> str:
    with pytest.raises(InputError) as caught:
        followed(index, *gestures, speech=speech, options=options)
    assert caught.value.exit_code == 3
    return str(caught.value)


def slot_of(placement: Placement, speech: Speech = SPEECH) -> tuple[int, int]:
    first = chunk_of_frame(window_starts(speech.duration_s)[placement.window])
    return first + placement.target.start, first + placement.target.stop


# what is kept and what is found anew --------------------------------------------------------------------------------------------------------------------


def test_what_a_gesture_says_is_followed(index: Index) -> None:
    plan = followed(
        index,
        gesture(
            exemplar=HUGE, start=2.2, end=2.8, stroke=2.5, shift_s=0.2, weight=0.25, parts=("upper", "head"), slot=(2.0, 5.0), prominence=1.5, gesture="big"
        ),
    )
    (placement,) = plan.placements
    query, found = placement.hit.query, placement.hit.exemplar
    assert (query.word, query.kind, query.gesture, query.start, query.end) == ("mountain", "iconic", "big", 2.2, 2.8)
    assert (query.weight, query.parts, query.prominence) == (0.25, ("upper", "head"), 1.5) and query.stroke == pytest.approx(2.7)
    assert (found.clip, found.stroke, found.word) == ("1_ann_0_1_1", 1.5, "huge") and slot_of(placement) == (2, 5)
    assert placement.source_frame == frame_of_seconds(1.5) - frame_of_seconds(2.7) and plan.drops == ()
    assert plan.queries == (query,) and plan.hits == (placement.hit,)
    assert "followed the plan speech.plan.toml with 1 gesture, sha256 5a" in plan.notes


def test_a_shift_moves_the_stroke_by_its_frames(index: Index) -> None:
    moved = [followed(index, gesture(exemplar=HUGE, start=4.2, end=4.8, stroke=4.44, shift_s=shift)).placements[0] for shift in (-0.2, 0.0, 0.2)]
    assert [p.source_frame - moved[1].source_frame for p in moved] == [3, 0, -3]


def test_a_word_alone_is_enough(index: Index) -> None:
    plan = followed(index, gesture("mountain"), gesture("idea", "metaphoric"))
    assert [p.hit.exemplar.word for p in plan.placements] == ["mountainous", "idea"]
    cues = cues_of(SPEECH)
    for position, query in zip((2, 8), plan.queries, strict=True):
        word = SPEECH.transcript.words[position]
        assert (query.start, query.end, query.stroke) == (word.start, word.end, cues.stress_s[position]) and query.prominence == cues.prominence[position]


def test_several_words_are_one_gesture(index: Index) -> None:
    (query,) = followed(index, gesture("Over, there", "deictic")).queries
    words = SPEECH.transcript.words
    assert (query.start, query.end) == (words[3].start, words[4].end) and query.stroke == cues_of(SPEECH).stress_s[4]  # the more prominent one


@pytest.mark.parametrize(("start", "position"), [(1.0, 1), (1.9, 1), (9.0, 9), (9.2, 9)])
def test_a_start_says_which_of_the_same_words(index: Index, start: float, position: int) -> None:
    (query,) = followed(index, gesture("huge", start=start)).queries
    assert query.start == SPEECH.transcript.words[position].start


def test_a_runner_up_is_taken_by_its_number(index: Index) -> None:
    (first,) = followed(index, gesture("huge", start=1.2)).placements
    plan = followed(index, gesture("huge", start=1.2))
    others = plan.runners_up[plan.queries[0]]
    assert len(others) == 3 and first.hit.exemplar not in [hit.exemplar for hit in others]
    file = plan_file_of(plan, SPEECH, window_starts(SPEECH.duration_s), HERE)
    for use in (1, 2, 3):
        again = followed(index, replace(file.gesture[0], use=use, slot=None))
        assert again.placements[0].hit.exemplar == others[use - 1].exemplar
        assert first.hit.exemplar in [hit.exemplar for hit in again.runners_up[again.queries[0]]]


def test_without_an_exemplar_the_retriever_ranks(index: Index) -> None:
    class Last(Asking):
        def rank(self, query: Query, index: Index) -> Sequence[Hit]:
            return super().rank(query, index)[::-1]

    plain, turned = (followed(index, gesture("huge", start=1.2), retriever=each).hits[0] for each in (Asking(), Last()))
    assert plain is not None and turned is not None and plain.exemplar != turned.exemplar
    alone = followed(index, gesture("huge", start=1.2), retriever=NoneRetriever(NoneOptions())).hits[0]
    assert alone is not None and alone.exemplar == plain.exemplar  # it knows no gesture: the index is searched


def test_an_exemplar_that_the_retriever_would_not_find_has_a_score_with_terms(index: Index) -> None:
    (placement,) = followed(index, gesture("mountain", "iconic", IDEA)).placements
    assert placement.hit.exemplar.kind == "metaphoric" and placement.hit.score == pytest.approx(sum(placement.hit.terms.values()))


def test_one_gesture_by_name(index: Index) -> None:
    (hit,) = followed(index, gesture("mountain", "beat", gesture="tall")).hits
    assert hit is not None and hit.exemplar.gesture == "tall"


def test_gestures_without_slots_go_round_those_with(index: Index) -> None:
    free, fixed = gesture("huge", start=1.2), gesture("mountain", exemplar=SMALL, slot=(0.0, 3.0))
    plan = followed(index, free, fixed, gesture("over", "deictic"))
    assert [(p.hit.query.word, slot_of(p)) for p in plan.placements] == [("mountain", (0, 3)), ("over", (3, 5))]
    assert [d.query.word for d in plan.drops] == ["huge"] and plan.drops[0].reason.startswith("no second left: other words take the chunks around it")
    assert [(p.hit.query.word, slot_of(p)) for p in followed(index, free).placements] == [("huge", (0, 2))]


def test_what_is_not_made_is_said(index: Index, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "raggesture"):
        followed(index, gesture("huge", start=1.2), gesture("mountain", exemplar=SMALL, slot=(0.0, 3.0)))
    assert "speech.plan.toml: gesture 1 ('huge'): is not made: no second left" in caplog.text


def test_an_empty_plan_is_ungrounded_and_says_so(index: Index) -> None:
    plan = followed(index)
    assert (plan.queries, plan.placements, plan.drops) == ((), (), ()) and "the plan holds no gesture: the motion is ungrounded" in plan.notes


def test_without_an_index(index: Index) -> None:
    plan = followed(None, gesture())
    assert plan.placements == () and [drop.reason for drop in plan.drops] == ["there is no index"]


def test_the_retriever_is_not_asked_for_words(index: Index) -> None:
    class Never(Asking):
        def queries(self, speech: Speech, cues: Cues) -> Sequence[Query]:
            raise AssertionError("asked")

    assert followed(index, gesture(), retriever=Never()).placements


def test_the_weights_are_the_plans_own(index: Index, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "raggesture"):
        plan = followed(index, gesture(weight=0.75), options=replace(OPTIONS, weight=0.5))
    assert plan.queries[0].weight == 0.75 and "its own weights are followed; --weight 0.5 is not used" in caplog.text


def test_another_model_or_index_is_a_warning(index: Index, caplog: pytest.LogCaptureFixture) -> None:
    plan = given([gesture()], SPEECH)
    other = replace(plan, file=replace(plan.file, made=PlanMade("llm", "starter", "9" * 64, "mine", "8" * 64)))
    with caplog.at_level(logging.WARNING, "raggesture"):
        notes = follow(other, SPEECH, cues_of(SPEECH), OPTIONS, Asking(), index, (0, 135), HERE).notes
    warnings = [record.getMessage() for record in caplog.records]
    assert warnings == [
        f"{NAME}: made with another model, starter (sha256 999999999999...) instead of tiny (sha256 0...)",
        f"{NAME}: made with another index, mine (sha256 888888888888...) instead of toy (sha256 1...)",
    ]
    assert [note for note in notes if "another model" in note] and [note for note in notes if "another index" in note]


def test_a_word_that_is_not_what_is_said_then_is_a_warning(index: Index, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "raggesture"):
        plan = followed(
            index, gesture("enormous", start=1.2, end=1.8), gesture("MOUNTAIN!", start=2.2, end=2.8), gesture("over there", "deictic", start=3.2, end=4.8)
        )
    assert [record.getMessage() for record in caplog.records] == [
        f"{NAME}: gesture 1: from 1.2 s to 1.8 s 'huge' is spoken, not 'enormous'; the times are followed"
    ]
    assert plan.queries[0].word == "enormous" and len(plan.placements) == 3


# what is refused ----------------------------------------------------------------------------------------------------------------------------------------


def test_a_plan_for_another_speech(index: Index) -> None:
    plan = given([gesture()], speech_of(9.0))
    with pytest.raises(
        InputError, match=r"speech.plan.toml: is for 'toy', 9 s, sha256 [0-9a-f]{12}\.\.\.; expected a plan for 'toy', 10.5 s, sha256"
    ) as caught:
        follow(plan, SPEECH, cues_of(SPEECH), OPTIONS, Asking(), index, (0, 135), HERE)
    assert caught.value.exit_code == 3


TIMES = {"start": 1.2, "end": 1.8}


@pytest.mark.parametrize(
    ("edited", "message"),
    [
        (gesture("huge", start=12.4), "gesture 2: start 12.4 s is past the end of the speech, 10.5 s"),
        (gesture("huge", start=12.4, end=12.6), "gesture 2: start 12.4 s is past the end of the speech, 10.5 s"),
        (gesture("huge", start=12.4, end=1.8), "gesture 2: start 12.4 s is past the end of the speech, 10.5 s"),
        (gesture("huge", start=2.0, end=1.0), "gesture 2: end 1 s is before start 2 s"),
        (gesture("huge", start=9.2, end=19.0), "gesture 2: end 19 s is past the end of the speech, 10.5 s"),
        (gesture("huge", **TIMES, stroke=11.0), "gesture 2: stroke 11 s is past the end of the speech, 10.5 s"),
        (gesture("huge", **TIMES, stroke=1.5, shift_s=-2.0), "gesture 2: stroke 1.5 s with shift_s -2 is at -0.5 s; expected it inside the speech"),
        (gesture("huge", **TIMES, stroke=1.5, shift_s=9.0), "gesture 2: stroke 1.5 s with shift_s 9 is at 10.5 s; expected it inside the speech"),
        (gesture("mountan"), "gesture 2: word 'mountan' is not spoken; did you mean 'mountain'?"),
        (gesture("there over"), "gesture 2: word 'there over' is not spoken"),
        (gesture(""), "gesture 2: word '' is not spoken"),
        (gesture("huge"), "gesture 2: word 'huge' is spoken 2 times, at 1.2 s, 9.2 s; expected to be told which - add start"),
        (gesture("huge", start=4.0), "gesture 2: word 'huge' is not spoken near start 4 s; nearest at 1.2 s"),
        (gesture("mountain", "iconik"), "gesture 2: kind 'iconik': the index has none; did you mean 'iconic'?"),
        (gesture("mountain", gesture="bigg"), "gesture 2: gesture 'bigg': the index has none; did you mean 'big'?"),
        (gesture(exemplar={**HUGE, "clip": "1_ann_0_1_1x"}), "gesture 2: exemplar: clip '1_ann_0_1_1x' is not in the index; did you mean '1_ann_0_1_1'?"),
        (gesture(exemplar={**HUGE, "stroke": 1.52}), "gesture 2: exemplar: clip '1_ann_0_1_1' has no stroke at 1.52 s; nearest 1.5 s ('huge', iconic 'big')"),
        (gesture(slot=(1.5, 3.5)), "gesture 2: slot [1.5, 3.5]: is not in whole seconds"),
        (gesture(slot=(2.0, 3.0)), "gesture 2: slot [2.0, 3.0]: lasts 1 s; expected 2 to 3, of one second a gesture loses its stroke"),
        (gesture(slot=(0.0, 4.0)), "gesture 2: slot [0.0, 4.0]: lasts 4 s; expected 2 to 3"),
        (gesture(slot=(3.0, 1.0)), "gesture 2: slot [3.0, 1.0]: does not end after its start"),
        (gesture(slot=(3.0, 3.0)), "gesture 2: slot [3.0, 3.0]: does not end after its start"),
        (gesture(slot=(11.0, 13.0)), "gesture 2: slot [11.0, 13.0] is past the end of the speech, 10.5 s"),
        (gesture(slot=(3.0, 5.0)), "gesture 2: slot [3.0, 5.0]: does not hold its stroke at 2.4 s"),
        (gesture(slot=(1e18, 1e18)), "gesture 2: slot [1e+18, 1e+18]: does not end after its start"),
        (gesture("huge", start=9.2, slot=(9.0, 11.0)), "gesture 2: slot [9.0, 11.0]: crosses 10 s, where one window of the model gives way to the next"),
        (
            gesture(exemplar={**IDEA, "stroke": 0.5}, start=2.2, end=2.8, stroke=2.9, slot=(1.0, 4.0)),
            "gesture 2 ('mountain'): its exemplar in '1_ann_0_2_2' lies too close to the border of its clip",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_named(index: Index, edited: PlanGesture, message: str) -> None:
    found = refused(index, gesture("idea", "metaphoric"), edited)
    assert found.startswith(f"{NAME}: {message}"), found
    assert " - " in found and "\n" not in found


def test_overlapping_slots_name_both_gestures(index: Index) -> None:
    found = refused(index, gesture("idea", "metaphoric"), gesture("mountain", slot=(2.0, 4.0)), gesture("huge", start=1.2, slot=(0.0, 3.0)))
    assert found.startswith(f"{NAME}: gestures 2 ('mountain') and 3 ('huge'): slot [2.0, 4.0] and slot [0.0, 3.0] overlap")


def test_two_gestures_on_one_word(index: Index) -> None:
    found = refused(index, gesture("idea", "metaphoric"), gesture(), gesture(kind="beat"))
    assert found.startswith(f"{NAME}: gestures 2 and 3: both are on 'mountain' at 2.2 s; expected one for a word - remove one")


def test_a_speech_without_words(index: Index) -> None:
    silent = speech_of(4.0, "")
    assert "word 'mountain' is not spoken; no word was understood" in refused(index, gesture(), speech=silent)
    plan = followed(index, gesture(exemplar=HUGE, start=2.0, end=2.5), speech=silent)
    assert plan.placements[0].hit.query.stroke == 2.25


def test_slots_of_long_speech_know_its_windows(index: Index) -> None:
    speech = speech_of(28.0, " ".join([WORDS] * 3))
    (placement,) = followed(index, gesture("huge", exemplar=HUGE, start=21.2, slot=(20.0, 22.0)), speech=speech).placements
    assert (placement.window, placement.target) == (2, slice(2, 4))
    assert "crosses 19 s" in refused(index, gesture("huge", exemplar=HUGE, start=19.2, slot=(18.0, 20.0)), speech=speech)
    assert "goes on after the last window" in refused(index, gesture("one", "metaphoric", start=27.2, slot=(27.0, 29.0)), speech=speech)


# plans that were not edited -----------------------------------------------------------------------------------------------------------------------------


@st.composite
def speeches(draw: st.DrawFn) -> tuple[Speech, Asking, Cues, GenerateOptions]:
    """Words wherever, some of them asked for, their stressed vowels anywhere in them."""
    duration = draw(st.floats(2.0, 40.0))
    speech = speech_of(duration, " ".join([WORDS] * 4))
    words = speech.transcript.words
    wanted = draw(st.lists(st.integers(0, max(len(words) - 1, 0)), max_size=12, unique=True))
    stress = tuple(word.start + draw(st.floats(0, 0.6)) for word in words)
    kinds = st.sampled_from(["iconic", "metaphoric", "deictic", "beat", "sense nobody has"])
    options = replace(OPTIONS, chunks=draw(st.sampled_from([2, 3])), weight=draw(st.floats(0, 1)))
    return speech, _Stressed(stress, *((k, draw(kinds)) for k in sorted(wanted))), Cues((), tuple(1.0 for _ in words), stress), options


class _Stressed(Asking):
    """Asks with strokes that are no round numbers."""

    def __init__(self, stress: Sequence[float], *words: tuple[int, str]) -> None:
        super().__init__(*words)
        self._stress = stress

    def queries(self, speech: Speech, cues: Cues) -> Sequence[Query]:
        return [replace(query, stroke=self._stress[k], prominence=1.0) for query, (k, _) in zip(super().queries(speech, cues), self._words, strict=True)]


@settings(max_examples=60, deadline=None)
@cases(speeches())
def test_a_plan_that_was_not_edited_gives_the_same_placements(index: Index, case: tuple[Speech, Asking, Cues, GenerateOptions]) -> None:
    speech, retriever, cues, options = case
    starts = window_starts(speech.duration_s)
    made = make_plan(speech, cues, options, retriever, index, starts)
    if any(p.target.stop - p.target.start < 2 for p in made.placements):
        return  # one second, which placing crowded words may still give, is refused of a plan
    file = plan_file_of(made, speech, starts, HERE)
    read = parse_plan(plan_text(file, speech.transcript).encode(), "p")
    assert read == file and len(read.gesture) == len(made.placements) and len(read.dropped) == len(made.drops)
    again = follow(GivenPlan("p", read), speech, cues, options, retriever, index, starts, HERE)
    assert again.drops == ()
    for before, after in zip(made.placements, again.placements, strict=True):
        assert (before.window, before.target, before.source_frame, before.shift_frames) == (after.window, after.target, after.source_frame, after.shift_frames)
        assert before.hit.exemplar == after.hit.exemplar and before.hit.query.weight == after.hit.query.weight
        assert after.hit.query.stroke == pytest.approx(before.hit.query.stroke_s, abs=1e-3) and dict(before.hit.terms) == pytest.approx(
            dict(after.hit.terms), abs=1e-2
        )
    assert plan_file_of(again, speech, starts, HERE).gesture == read.gesture


@settings(max_examples=60, deadline=None)
@cases(speeches(), st.data())
def test_edits_leave_every_gesture_placed_or_said(index: Index, case: tuple[Speech, Asking, Cues, GenerateOptions], data: st.DataObject) -> None:
    """Whatever is shifted and freed: disjoint slots that hold their strokes, those that were fixed where they were; or one error with an address."""
    speech, retriever, cues, options = case
    starts = window_starts(speech.duration_s)
    file = plan_file_of(make_plan(speech, cues, options, retriever, index, starts), speech, starts, HERE)
    free = st.builds(lambda shift, weight: {"shift_s": shift, "slot": None, "weight": weight}, st.floats(-1, 1), st.floats(0, 1))
    edited = tuple(replace(each, **data.draw(st.one_of(st.just({}), free, st.fixed_dictionaries({"shift_s": st.floats(-0.5, 0.5)})))) for each in file.gesture)
    try:
        plan = follow(GivenPlan("p", replace(file, gesture=edited)), speech, cues, options, retriever, index, starts, HERE)
    except InputError as fault:
        assert str(fault).startswith("p: gesture")
        return
    assert len(plan.placements) + len(plan.drops) == len(edited) == len(plan.queries)
    by_word = {(each.start, each.end): each for each in edited}
    end = 0
    for placement in plan.placements:
        first, stop = slot_of(placement, speech)
        query = placement.hit.query
        assert end <= first <= chunk_of_frame(frame_of_seconds(query.stroke_s)) < stop
        stroke = frame_of_seconds(placement.hit.exemplar.stroke) - placement.source_frame
        assert stroke - (frame_of_seconds(query.stroke_s) - starts[placement.window]) == placement.shift_frames
        own = by_word[(query.start, query.end)]
        assert own.slot is None or own.slot == (first, stop)
        end = stop
    fixed = {(each.start, each.end) for each in edited if each.slot is not None}
    assert fixed <= {(p.hit.query.start, p.hit.query.end) for p in plan.placements}


def test_no_text_whatever_is_followed_to_anything_but_a_plan_or_our_error(index: Index) -> None:
    """A plan's text with values of other sizes and kinds put in: never another exception, never a gesture lost unsaid."""
    starts, cues = window_starts(SPEECH.duration_s), cues_of(SPEECH)
    plan = make_plan(SPEECH, cues, OPTIONS, Asking((1, "iconic"), (4, "deictic"), (8, "metaphoric")), index, starts)
    lines = plan_text(plan_file_of(plan, SPEECH, starts, HERE)).splitlines()
    values = (
        "0.0",
        "1",
        "-1",
        "1e308",
        "-1e308",
        "5e-324",
        "0.5",
        "3.0",
        '""',
        '"idea"',
        '"over there"',
        "[2.0, 4.0]",
        "[0, 3]",
        "[1e18, 2e18]",
        '["head", "head"]',
        "nan",
    )
    keys = [k for k, line in enumerate(lines) if " = " in line and not line.startswith(("#", "schema", "sha256"))]
    rng, done, refused_ = random.Random(3), 0, 0
    for _ in range(1500):
        edited = list(lines)
        for k in rng.sample(keys, rng.randint(1, 3)):
            edited[k] = f"{edited[k].split(' = ')[0]} = {rng.choice(values)}" if rng.random() < 0.8 else ""
        try:
            read = parse_plan("\n".join(edited).encode(), NAME)
            again = follow(GivenPlan(NAME, read), SPEECH, cues, OPTIONS, Asking(), index, starts, HERE)
        except RaggestureError as fault:
            refused_ += 1
            assert isinstance(fault, InputError) and str(fault).startswith(f"{NAME}: ")
        else:
            done += 1
            assert len(again.placements) + len(again.drops) == len(read.gesture)
    assert done > 100 and refused_ > 100


def test_the_pipeline_plans_and_follows(tmp_path: Path) -> None:
    pipeline = toy_pipeline(tmp_path / "toy")
    asking = Asking((1, "iconic"), (8, "metaphoric"))
    file = pipeline.plan(SPEECH, OPTIONS, retriever=asking)
    assert file == Planner(pipeline.index, pipeline.identities, ("ann", "bob")).plan(SPEECH, OPTIONS, asking)
    assert [each.word for each in file.gesture] == ["huge", "idea"]
    assert pipeline.plan(SPEECH, OPTIONS, retriever=asking, given=GivenPlan("p", file)) == file
    made = pipeline.generate(
        SPEECH, replace(OPTIONS, steps=3), retriever=asking, schedule=Hold(HoldOptions()), given=GivenPlan("p", replace(file, gesture=file.gesture[1:]))
    )
    assert [made.trace.queries[place.query].word for place in made.trace.placements] == ["idea"]
    with pytest.raises(ConfigError, match="speaker 'anne'"):
        pipeline.plan(SPEECH, replace(OPTIONS, speaker="anne"), retriever=asking)


def test_times_keep_their_frames(index: Index) -> None:
    """A stroke a tenth of a millisecond before a frame is written with more decimals."""
    speech = speech_of(4.0)
    stroke = 21 / MODEL_FPS - 1e-4
    plan = make_plan(speech, cues_of(speech), OPTIONS, _Stressed([0, stroke], (1, "iconic")), index, (0,))
    (made,) = plan_file_of(plan, speech, (0,), HERE).gesture
    assert frame_of_seconds(round(stroke, 3)) == 21 and made.stroke is not None and frame_of_seconds(made.stroke) == 20
    assert made.slot == (0.0, 2.0) and CHUNK_FRAMES == 15


def test_the_facts_of_a_file(index: Index) -> None:
    plan = make_plan(SPEECH, cues_of(SPEECH), OPTIONS, Asking((1, "iconic"), (2, "iconic"), (8, "metaphoric"), beyond=True), index, (0, 135))
    file = plan_file_of(plan, SPEECH, (0, 135), HERE)
    assert isinstance(file, PlanFile) and file.made == HERE and file.speech == PlanSpeech("toy", 10.5, given([], SPEECH).file.speech.sha256)
    assert [each.word for each in file.gesture] == ["huge", "mountain", "idea"] and all(len(each.other) <= 3 for each in file.gesture)
    assert [(each.word, "beyond" in each.reason) for each in file.dropped] == [("late", True)]


def test_load_reads_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from helpers_retrieval import ToyText
    from helpers_synthesis import tiny_model
    from raggesture.models.checkpoint import save_model

    monkeypatch.setattr("raggesture.planner.text_encoder", lambda *_: ToyText())
    model = tiny_model()
    save_model(model, tmp_path / "model")
    toy_index(tmp_path / "index")
    for weights in (tmp_path / "model").glob("*.safetensors"):
        weights.unlink()
    file = Planner.load(tmp_path / "model", tmp_path / "index").plan(SPEECH, OPTIONS, Asking((1, "iconic")))
    assert (
        [each.word for each in file.gesture] == ["huge"] and (file.made.retriever, file.made.model) == ("asking", "tiny") and len(file.made.index_sha256) == 64
    )
    save_model(replace(model, manifest=replace(model.manifest, audio_encoder="wavlm")), tmp_path / "alien")
    with pytest.raises(ModelError, match="index: its audio encoder is 'toy-audio'; expected 'wavlm'"):
        Planner.load(tmp_path / "alien", tmp_path / "index")
