"""The method end to end with a tiny model: bytes, lengths, trace, refusals."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers_synthesis import Asking, Rates, tiny_model, toy_index, toy_pipeline, toy_speech
from raggesture.clock import CHUNK_FRAMES, MODEL_FPS, MOTION_FPS, WINDOW_CHUNKS, frames_of_seconds
from raggesture.diffusion.guidance import DIAL
from raggesture.diffusion.schedules import Decreasing, Hold, HoldOptions, IterationOptions
from raggesture.errors import ConfigError, ModelError
from raggesture.models.checkpoint import save_model
from raggesture.motion import write_npz
from raggesture.pipeline import GenerateOptions, Generation, Pipeline
from raggesture.plugins.rates import checked_rates
from raggesture.retrieval.by_none import NoneOptions, NoneRetriever
from raggesture.synthesis import Synthesizer
from raggesture.trace import Setting, read_trace, write_trace
from raggesture.types import Speech, Transcript
from raggesture.windows import window_starts

STEPS = 8
OPTIONS = GenerateOptions(steps=STEPS)
HOLD = Hold(HoldOptions())
NOTHING = NoneRetriever(NoneOptions())
HUGE_AND_IDEA = Asking((1, "iconic"), (8, "metaphoric"))
INJECT = ("inversion+guidance", "inversion", "noised", "inpaint", "none")
LONG = " ".join(["a huge mountain over there you had one idea"] * 3)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return toy_pipeline(tmp_path_factory.mktemp("index") / "toy")


def npz(generation: Generation, folder: Path) -> bytes:
    path = folder / "motion.npz"
    write_npz(generation.motion, path)
    return path.read_bytes()


def made(pipeline: Pipeline, speech: Speech, options: GenerateOptions = OPTIONS, retriever=HUGE_AND_IDEA, schedule=HOLD) -> Generation:
    return pipeline.generate(speech, options, retriever=retriever, schedule=schedule)


def test_the_same_seed_gives_the_same_bytes(pipeline: Pipeline, tmp_path: Path) -> None:
    speech = toy_speech(12.0)
    first = npz(made(pipeline, speech), tmp_path)
    assert npz(made(pipeline, speech), tmp_path) == first
    changed = {
        "seed": made(pipeline, speech, replace(OPTIONS, seed=1)),
        "schedule": made(pipeline, speech, schedule=Decreasing(IterationOptions())),
        "steps": made(pipeline, speech, replace(OPTIONS, steps=STEPS + 1)),
        "sampler": made(pipeline, speech, replace(OPTIONS, sampler="ddim")),
        "weight": made(pipeline, speech, replace(OPTIONS, weight=0.4)),
        "parts": made(pipeline, speech, replace(OPTIONS, parts=("upper",))),
        "ease": made(pipeline, speech, replace(OPTIONS, ease=1.0)),
        "speaker": made(pipeline, speech, replace(OPTIONS, speaker="bob")),
        "retriever": made(pipeline, speech, retriever=NOTHING),
        "words": made(pipeline, toy_speech(12.0, "a round mountain over there you had one idea")),
    }
    changed |= {how: made(pipeline, speech, replace(OPTIONS, inject=how)) for how in INJECT[1:4]}  # type: ignore[arg-type]
    others = {name: npz(generation, tmp_path) for name, generation in changed.items()}
    assert len({first, *others.values()}) == len(others) + 1


@pytest.mark.parametrize("how", INJECT)
def test_weight_zero_is_the_ungrounded_motion(pipeline: Pipeline, tmp_path: Path, how: str) -> None:
    speech = toy_speech(11.0)
    alone = npz(made(pipeline, speech, retriever=NOTHING), tmp_path)
    nothing = made(pipeline, speech, replace(OPTIONS, inject=how, weight=0.0))  # type: ignore[arg-type]
    assert npz(nothing, tmp_path) == alone
    assert [p.strength for p in nothing.trace.placements] == [0.0, 0.0]


@pytest.mark.parametrize("how", ["inversion+guidance", "noised", "inpaint"])
def test_a_gesture_changes_the_motion_around_its_word_only_in_what_it_brings(pipeline: Pipeline, how: str) -> None:
    """The rest of the window starts from the same noise whatever is injected."""
    speech = toy_speech(22.0, LONG)
    options = replace(OPTIONS, inject=how)  # type: ignore[arg-type]
    one = made(pipeline, speech, options, Asking((19, "iconic")))  # the second "huge", in the last window
    alone = made(pipeline, speech, options, NOTHING)
    (place,) = one.trace.placements
    assert place.window == 2
    before = window_starts(22.0)[2] / MODEL_FPS
    frames = slice(0, round((before - 0.5) * MOTION_FPS))
    np.testing.assert_array_equal(one.motion.rotations[frames], alone.motion.rotations[frames])
    inside = slice(round(place.start_s * MOTION_FPS), round(place.end_s * MOTION_FPS))
    assert np.abs(one.motion.rotations[inside] - alone.motion.rotations[inside]).max() > 0.01


@pytest.mark.parametrize("duration_s", [0.5, 0.51, 3.333, 9.99, 10.0, 10.01, 10.04, 19.0, 23.4])
def test_length_to_the_frame(pipeline: Pipeline, duration_s: float) -> None:
    speech = toy_speech(duration_s, LONG)
    motion = made(pipeline, speech, GenerateOptions(steps=3)).motion
    assert motion.frames == frames_of_seconds(speech.duration_s, MOTION_FPS) and motion.fps == MOTION_FPS
    assert motion.frames == round(duration_s * 30)
    assert np.abs(np.diff(motion.rotations[-4:], axis=0)).max() < 0.5


def test_trace(pipeline: Pipeline, tmp_path: Path) -> None:
    speech = toy_speech(21.0, LONG)
    asking = Asking((1, "iconic"), (2, "sense nobody has"), (4, "deictic"), (10, "iconic"), (17, "metaphoric"), weight=0.8, beyond=True)
    seen: list[tuple[str, float]] = []
    generation = pipeline.generate(
        speech, replace(OPTIONS, weight=0.5, seed=3), retriever=asking, schedule=HOLD, file=tmp_path / "deep" / "toy.wav",
        settings={"generate.seed": Setting(3, "command line --seed")}, progress=lambda stage, done: seen.append((stage, done)),
    )  # fmt: skip
    trace = generation.trace
    assert [q.word for q in trace.queries] == ["huge", "mountain", "there", "huge", "idea", "late"] and trace.seed == 3
    assert {q.weight for q in trace.queries} == {0.4}
    assert {trace.queries[p.query].word for p in trace.placements} == {"huge", "there", "idea"} and len(trace.placements) == 4
    dropped = {trace.queries[d.query].word: d.reason for d in trace.drops}
    assert set(dropped) == {"mountain", "late"} and "no exemplar" in dropped["mountain"] and "beyond" in dropped["late"]
    assert [h.query for h in trace.hits] == [0, 2, 3, 4, 5] and all(h.score == pytest.approx(sum(h.terms.values())) for h in trace.hits)
    assert len(trace.hits[0].runners_up) >= 1 and trace.hits[0].exemplar not in [r.exemplar for r in trace.hits[0].runners_up]
    starts = window_starts(speech.duration_s)
    taken: list[tuple[float, float]] = []
    for place in trace.placements:
        query, hit = trace.queries[place.query], next(h for h in trace.hits if h.query == place.query)
        assert 0 <= place.target_chunks[0] < place.target_chunks[1] <= WINDOW_CHUNKS and place.target_chunks == place.source_chunks
        assert place.start_s == starts[place.window] / MODEL_FPS + place.target_chunks[0] * CHUNK_FRAMES / MODEL_FPS
        assert place.start_s <= query.stroke_s < place.end_s and place.weight == 0.4
        assert abs((hit.exemplar.stroke - place.source_start_s) - (query.stroke_s - place.start_s) - place.shift_frames / MODEL_FPS) < 1.01 / MODEL_FPS
        taken.append((place.start_s, place.end_s))
    assert all(before[1] <= after[0] for before, after in zip(sorted(taken), sorted(taken)[1:], strict=False))
    # hold: full rate on 40 of the fifty steps by which schedules speak; weight .4 keeps a share of them (the dial's)
    kept = float(DIAL.guided(torch.tensor(0.4)))
    assert 0.05 < kept < 0.2 and [p.strength for p in trace.placements] == pytest.approx([(1 + 39 * kept) / 50] * 4)
    assert trace.speech.file == "toy.wav" and trace.settings["generate.seed"].value == 3
    assert (trace.model, trace.index) == pipeline.identities
    assert set(trace.timings_s) == {"understand", "encode", "retrieve", "invert", "sample", "decode"}
    assert [done for _, done in seen] == sorted(done for _, done in seen) and seen[-1][1] == 1.0
    write_trace(trace, tmp_path / "t.json")
    assert read_trace(tmp_path / "t.json") == trace


def test_each_window_continues_the_last(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    sample = Synthesizer.sample

    def spy(self, conditions, noise, guide=None, held=None):
        result = sample(self, conditions, noise, guide, held)
        calls.append((conditions, held, result))
        return result

    monkeypatch.setattr(Synthesizer, "sample", spy)
    made(pipeline, toy_speech(23.4, LONG))
    assert len(calls) == 3 and calls[0][1] is None
    for (before, _, last), (now, held, result) in pairwise(calls):
        expected = Synthesizer(pipeline.model, STEPS).continuation(last)
        assert torch.equal(held.latents, expected.latents) and torch.equal(held.mask, expected.mask)
        assert torch.equal(result[held.mask], held.latents[held.mask])
        assert torch.equal(before.text[:, -CHUNK_FRAMES:], now.text[:, :CHUNK_FRAMES]) and torch.equal(
            before.audio[:, -CHUNK_FRAMES:], now.audio[:, :CHUNK_FRAMES]
        )


def test_the_injected_hands_are_the_exemplars(pipeline: Pipeline) -> None:
    speech = toy_speech(9.0)
    generation = made(pipeline, speech, replace(OPTIONS, steps=12), Asking((8, "metaphoric")), Rates(1.0))
    (place,) = generation.trace.placements
    assert place.strength == 1.0 and pipeline.index is not None
    middle = place.start_s + 1.0  # the border of the two chunks: both are the exemplar's
    source = pipeline.index.clip_window(place.clip, place.source_frame, context=0)
    at = round((middle - place.window) * MODEL_FPS)
    wrists = [20, 21, *range(25, 55)]
    far = np.abs(generation.motion.rotations[2 * at : 2 * at + 1] - source.rotations[at : at + 1])[:, wrists].max()
    alone = made(pipeline, speech, replace(OPTIONS, steps=12), NOTHING)
    assert far < 0.01 < np.abs(alone.motion.rotations[2 * at : 2 * at + 1] - source.rotations[at : at + 1])[:, wrists].max()


def test_random_states_are_left_alone(pipeline: Pipeline) -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    before = (torch.random.get_rng_state().clone(), np.random.get_state()[1].copy(), random.getstate())
    first = made(pipeline, toy_speech(4.0), replace(OPTIONS, inject="noised"))
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1]) and before[2] == random.getstate()
    torch.manual_seed(99)
    np.testing.assert_array_equal(made(pipeline, toy_speech(4.0), replace(OPTIONS, inject="noised")).motion.rotations, first.motion.rotations)


@pytest.mark.parametrize("rates", [(1.0,) * (STEPS - 1), (1.0,) * (STEPS + 1), (), (1.5,) * STEPS, (-0.1,) * STEPS, (float("nan"),) * STEPS])
def test_a_schedule_that_breaks_its_contract_is_named(pipeline: Pipeline, rates: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=rf"guidance schedule 'given' .*expected {STEPS} rates in \[0, 1\]"):
        made(pipeline, toy_speech(2.0), replace(OPTIONS, sampler="ddim"), schedule=Rates(rates))
    with pytest.raises(ConfigError, match=r"guidance schedule 'given' .*expected 50 rates in \[0, 1\]"):
        made(pipeline, toy_speech(2.0), schedule=Rates(rates))
    assert checked_rates(Rates([0.5] * STEPS), STEPS) == (0.5,) * STEPS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speaker": "anne"}, r"speaker 'anne': .*did you mean 'ann'"),
        ({"inject": "noise"}, r"inject 'noise': .*did you mean 'noised'"),
        ({"weight": 1.5}, r"weight: 1.5; expected a number in \[0, 1\]"),
        ({"chunks": 1}, "chunks: 1; expected 2 or 3 seconds per gesture"),
        ({"chunks": 4}, "chunks: 4; expected 2 or 3"),
        ({"steps": 1}, "steps: 1; expected a whole number from 2 to 1000"),
        ({"sampler": "dpm"}, r"sampler 'dpm': unknown; did you mean 'dpm\+\+'"),
        ({"guided_loop": "released"}, r"sampler 'dpm\+\+': the released loop is written for DDIM alone; expected 'ddim' - use --sampler ddim"),
    ],
)
def test_wrong_options_are_refused_before_any_work(pipeline: Pipeline, options: dict[str, object], message: str) -> None:
    class Never(Asking):
        def queries(self, speech, cues):
            raise AssertionError("the work was begun")

    with pytest.raises(ConfigError, match=message):
        made(pipeline, toy_speech(2.0), replace(OPTIONS, **options), Never())  # type: ignore[arg-type]


def test_a_speech_by_somebody_else_takes_the_first_speaker(pipeline: Pipeline) -> None:
    stranger, first = toy_speech(3.0, speaker="zoe"), toy_speech(3.0, speaker="ann")
    a, b = (made(pipeline, speech, retriever=NOTHING).motion.rotations for speech in (stranger, first))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("duration_s", [0.5, 11.0])
def test_silence_without_words(pipeline: Pipeline, duration_s: float) -> None:
    silent = Speech("quiet", np.zeros(round(duration_s * 16000), np.float32), Transcript(()))
    generation = made(pipeline, silent)
    assert generation.motion.frames == round(duration_s * 30) and generation.trace.queries == ()


def test_a_clip_never_retrieves_itself(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    speech = toy_speech(11.0)
    own = {hit.exemplar.clip for hit in made(pipeline, speech).trace.hits}
    monkeypatch.setattr("raggesture.retrieval.index.Index.clips_of_voice", lambda self, voice: tuple(sorted(own)))
    again = made(pipeline, speech).trace
    assert own and not own & {hit.exemplar.clip for hit in again.hits}
    assert [note for note in again.notes if "never retrieves itself" in note]


def test_without_an_index_everything_is_dropped_and_said(pipeline: Pipeline) -> None:
    bare = Pipeline(pipeline.model, None, (pipeline.identities[0], None), (pipeline._text, pipeline._audio))
    trace = made(bare, toy_speech(9.0)).trace
    assert [d.reason for d in trace.drops] == ["there is no index"] * 2 and trace.placements == () and trace.index is None


def test_load_holds_model_and_index_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from helpers_retrieval import ToyAudio, ToyText

    monkeypatch.setattr("raggesture.pipeline.text_encoder", lambda *_: ToyText())
    monkeypatch.setattr("raggesture.pipeline.audio_encoder", lambda *_: ToyAudio())
    save_model(tiny_model(), tmp_path / "model", storage="float32")
    toy_index(tmp_path / "index")
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    loaded = Pipeline.load(tmp_path / "model", tmp_path / "index", "cpu")
    assert torch.equal(state, torch.random.get_rng_state())
    motion = made(loaded, toy_speech(3.0)).motion
    again = made(Pipeline.load(tmp_path / "model", tmp_path / "index", "cpu"), toy_speech(3.0)).motion
    np.testing.assert_array_equal(motion.rotations, again.rotations)
    alien = tiny_model()
    save_model(replace(alien, manifest=replace(alien.manifest, audio_encoder="wavlm")), tmp_path / "alien")
    with pytest.raises(ModelError, match=r"index: its audio encoder is 'toy-audio'; expected 'wavlm'"):
        Pipeline.load(tmp_path / "alien", tmp_path / "index", "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="device: 'cuda'"):
            Pipeline.load(tmp_path / "model", tmp_path / "index", "cuda")


def test_speeches_side_by_side_are_what_each_is_alone(pipeline: Pipeline) -> None:
    """Of different lengths, with and without gestures, one of them silent at once: sums differ in the last bit alone."""
    speeches = [toy_speech(31.0, LONG), toy_speech(4.2), toy_speech(12.0, speaker="bob"), toy_speech(81.0, LONG * 3)]
    retrievers = (HUGE_AND_IDEA, NOTHING, HUGE_AND_IDEA, HUGE_AND_IDEA)
    understood = [pipeline.understand(each, OPTIONS, retriever=retriever) for each, retriever in zip(speeches, retrievers, strict=True)]
    together = pipeline.generate_together(understood, OPTIONS, schedule=HOLD)
    for generation, speech, retriever in zip(together, speeches, retrievers, strict=True):
        alone = made(pipeline, speech, retriever=retriever)
        assert generation.motion.frames == alone.motion.frames
        np.testing.assert_allclose(generation.motion.rotations, alone.motion.rotations, atol=2e-3)
        np.testing.assert_allclose(generation.motion.translation, alone.motion.translation, atol=1e-4)
        assert replace(generation.trace, timings_s={}) == replace(alone.trace, timings_s={})
        assert generation.trace.timings_s["sample"] > 0
    assert pipeline.generate_together([], OPTIONS, schedule=HOLD) == []
    with pytest.raises(ConfigError, match="one speech at a time"):
        pipeline.generate_together(understood, replace(OPTIONS, guided_loop="released"), schedule=HOLD)
