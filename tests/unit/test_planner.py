"""The gesture planner: strokes on frames, what it learns from them, and the denoiser that sees its plan."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers_training import LATENTS, OPTIONS, SMALL, FakeAudio, FakeText, make_clip, small_codec, small_dataset
from raggesture.clock import MODEL_FPS
from raggesture.corpus.clip import Clip, GestureLabel
from raggesture.errors import InputError, ModelError
from raggesture.models.checkpoint import ModelManifest, load_model
from raggesture.models.codec_config import CodecConfig
from raggesture.models.conditions import Conditions
from raggesture.models.deciding import decided
from raggesture.models.mixing import CONDITION_ONLY
from raggesture.models.planner import GesturePlanner, PlannedConditions
from raggesture.synthesis import Synthesizer
from raggesture.training.codecs import CodecTraining
from raggesture.training.dataset import MotionDataset, build_dataset
from raggesture.training.denoiser import denoiser_task
from raggesture.training.planner import PlannerTraining, TaughtFrom, named, plan_loss, train_planner
from raggesture.training.recipe import UNNAMED_GESTURES, Place, Recipe, TrainingData, read_data, train_model
from raggesture.training.strokes import Strokes, strokes_of
from raggesture.types import Transcript, Word

PLANNED = replace(SMALL, conditioning="planned-chunks", planner_dim=16, gestures=2)
LEXICON = {"big": "large", "far": "point"}


def label(word: str, gesture: str, stroke: float | None, kind: str = "iconic") -> GestureLabel:
    return GestureLabel(word, kind, gesture, 1.0, 1.4, stroke)


class VectorText(FakeText):
    """Words that differ in a small direction beside a large one that all share, as real vectors do."""

    def words(self, transcript: Transcript) -> np.ndarray:
        return np.array([[5.0, 0.1 * (word.text == "big"), 0.1 * (word.text == "far"), 0.1] for word in transcript.words], np.float32)


def spoken_clip(name: str, seed: int) -> tuple[Clip, tuple[GestureLabel, ...]]:
    """40 s of a word every second, of which big and far want gestures on their first third."""
    rng = np.random.default_rng(seed)
    words, labels = [], []
    for second in range(1, 39):
        text = str(rng.choice(["big", "far", "and", "the"]))
        start = second + float(rng.uniform(0, 0.3))
        words.append(Word(text, start, start + 0.5))
        if text in LEXICON:
            labels.append(GestureLabel(text, "iconic", LEXICON[text], start, start + 0.5, start + 0.15, start + 0.3, start - 0.3, start + 0.6))
    return replace(make_clip(name, 600, seed), transcript=Transcript(tuple(words))), tuple(labels)


def taught_from(names: str, gestures: tuple[str, ...] | None = None) -> TaughtFrom:
    clips = [spoken_clip(name, ord(name)) for name in names]
    dataset = build_dataset([clip for clip, _ in clips], VectorText(), FakeAudio())
    return TaughtFrom(dataset, strokes_of(dataset, {clip.name: labels for clip, labels in clips}, gestures))


# strokes on frames ---------------------------------------------------------------------------------------------------


def test_a_stroke_is_shared_by_the_two_frames_around_it() -> None:
    dataset = small_dataset()
    at = (30 + 0.5 + 0.25) / MODEL_FPS  # a quarter of a frame after the middle of frame 30
    found = strokes_of(dataset, {"c": (label("big", "large", at), label("x", "", 0.0, "beat"), label("y", "odd", None))})
    assert found.gestures == ("beat", "large", "odd")
    first = int(dataset.bounds[2])
    assert found.share[first + 30 : first + 32].tolist() == pytest.approx([0.75, 0.25])
    assert found.gesture[first + 30 : first + 32].tolist() == [1, 1]
    assert float(found.share[first]) == 1 and int(found.gesture[first]) == 0  # before the first frame's middle: all of it there
    middle = round(1.2 * MODEL_FPS - 0.5)  # no stroke: the middle of the word
    assert int(found.gesture[first + middle]) == 2
    assert float(found.share.sum()) == pytest.approx(3.0) and not found.share[:first].any()
    known = strokes_of(dataset, {"c": (label("big", "large", at),)}, ("point",))
    assert not known.share.any()


def test_windows_of_strokes_end_with_the_clip() -> None:
    dataset = small_dataset()
    found = strokes_of(dataset, {"a": (label("big", "large", 5.0),), "b": (label("far", "point", 0.0),)})
    gesture, share = found.windows(dataset, torch.tensor([0, 0]), torch.tensor([0, 60]), 150)
    assert gesture.shape == share.shape == (2, 150)
    assert float(share[0].sum()) == pytest.approx(1) == float(share[1].sum())
    assert not share[1, 100:].any() and int(share[1].argmax()) in (14, 15)  # clip a has 200 frames; b's first stroke is not its


# learning ------------------------------------------------------------------------------------------------------------


def test_loss_of_perfect_and_of_ignorant_plans() -> None:
    gesture, share = torch.tensor([[0, 2]]), torch.tensor([[0.0, 1.0]])
    perfect = torch.full((1, 2, 4), -40.0)
    perfect[0, 0, 0] = perfect[0, 1, 3] = 40.0
    assert float(plan_loss(perfect, gesture, share)) == pytest.approx(0, abs=1e-6)
    assert float(plan_loss(torch.zeros(1, 2, 4), gesture, share)) == pytest.approx(np.log(4))
    assert named(perfect, gesture, share) == (1, 1)
    assert named(perfect, torch.tensor([[0, 1]]), share) == (0, 1)
    assert named(perfect, gesture, torch.zeros(1, 2)) == (0, 0)
    half = torch.tensor([[[0.0, 0.0]]])
    assert float(plan_loss(half, torch.zeros(1, 1, dtype=torch.int64), torch.full((1, 1), 0.5))) == pytest.approx(np.log(2))


def test_words_that_differ_little_are_told_apart() -> None:
    """Held-out clips: nearly every stroke gets its gesture, near its frame, and nothing is planned where nobody gestures."""
    train, held = taught_from("abcd"), taught_from("xy", ("large", "point"))
    torch.manual_seed(0)
    planner = GesturePlanner(4, 3, 2, 16)
    outcome = train_planner(planner, train, PlannerTraining(steps=250, batch=8, learning_rate=5e-3, measure_every=50, held_out_windows=8), held_out=held)
    assert outcome.steps == 250 and not planner.training
    clip, start = held.dataset.draw(8, torch.Generator().manual_seed(3))
    text, audio, gesture, share = held.windows(clip, start, torch.device("cpu"))
    logits = planner(text, audio)
    right, count = named(logits, gesture, share)
    assert count > 20 and right / count > 0.95
    planned = logits.softmax(-1)[..., 1:].sum(-1)
    quiet = torch.nn.functional.max_pool1d(share[:, None], 9, 1, 4)[:, 0] == 0
    assert float(planned[quiet].mean()) < 0.02
    assert float(planned.sum() / share.sum()) == pytest.approx(1, abs=0.2)


def test_a_killed_run_goes_on_to_the_same_planner(tmp_path: Path) -> None:
    train = taught_from("ab")

    def taught(folder: Path, *, stop: int | None = None, resume: bool = False) -> GesturePlanner:
        torch.manual_seed(0)
        planner = GesturePlanner(4, 3, 2, 8)

        def watch(point: object, share: float) -> None:
            if stop is not None and getattr(point, "step", 0) >= stop:
                raise KeyboardInterrupt

        options = PlannerTraining(steps=8, batch=4, report_every=2, measure_every=4, save_every=2, held_out_windows=4)
        try:
            train_planner(planner, train, options, held_out=train, folder=folder, resume=resume, progress=watch)
        except KeyboardInterrupt:
            assert stop is not None
        return planner

    whole = taught(tmp_path / "whole")
    taught(tmp_path / "cut", stop=6)
    again = taught(tmp_path / "cut", resume=True)
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True))


# the denoiser --------------------------------------------------------------------------------------------------------


def test_a_plan_is_a_chance_of_every_gesture_on_every_frame() -> None:
    conditions = PlannedConditions(4, 3, 2, 5, 8, 8, 16)
    given = Conditions(torch.randn(2, 150, 4), torch.randn(2, 150, 3), torch.tensor([0, 1]))
    plan = conditions.plan(given)
    assert plan.shape == (2, 150, 5) and bool((plan >= 0).all()) and bool((plan.sum(-1) < 1).all())
    with pytest.raises(ModelError, match="planned chunks need features at 15 Hz"):
        conditions.plan(Conditions(torch.zeros(1, 150, 4), torch.zeros(1, 499, 3), torch.tensor([0])))
    with pytest.raises(ModelError, match="expected a multiple of 15"):
        conditions.plan(Conditions(torch.zeros(1, 151, 4), torch.zeros(1, 151, 3), torch.tensor([0])))


def test_the_denoiser_learns_while_its_planner_stays(tmp_path: Path) -> None:
    taught = taught_from("ab")
    torch.manual_seed(5)
    planner = GesturePlanner(4, 3, 2, 16)
    task = denoiser_task(taught.dataset, small_codec(taught.dataset), PLANNED, replace(OPTIONS, steps=2), planner=planner)
    own = task.objective.denoiser.planned_conditions
    assert all(torch.equal(a, b) for a, b in zip(own.planner.state_dict().values(), planner.state_dict().values(), strict=True))
    task.objective.train()
    assert own.training and not own.planner.training
    free = denoiser_task(taught.dataset, small_codec(taught.dataset), PLANNED, replace(OPTIONS, steps=2)).objective.denoiser.planned_conditions
    assert free.planner.training and all(value.requires_grad for value in free.planner.parameters())


def planned_recipe() -> Recipe:
    codec = CodecTraining(CodecConfig(latent_dim=LATENTS), fit_windows=20, statistics_windows=20)
    planner = PlannerTraining(steps=3, batch=4, report_every=1, measure_every=3, save_every=3, held_out_windows=4)
    return Recipe(codec, PLANNED, replace(OPTIONS, steps=2), planner=planner, name="tiny", storage="float32")


def test_whole_recipe_with_a_planner(tmp_path: Path) -> None:
    taught = taught_from("ab")
    data = TrainingData(taught.dataset, taught.dataset, taught.strokes, taught.strokes)
    _, runs = train_model(data, replace(planned_recipe(), decides=True), Place(tmp_path))
    assert [(run.name, run.steps) for run in runs] == [("planner", 3), ("denoiser", 2)]
    assert (tmp_path / "run" / "planner" / "curve.csv").is_file() and (tmp_path / "run" / "denoiser" / "curve.csv").is_file()
    model = load_model(tmp_path / "tiny")
    assert model.manifest.decides
    assert model.manifest.denoiser.gestures == 2 and model.manifest.denoiser.conditioning == "planned-chunks"
    assert float(model.denoiser.planned_conditions.planner.text_std.min()) < 0.1  # the words' own spread is part of the model


def test_without_labels_the_plan_is_free(tmp_path: Path) -> None:
    dataset: MotionDataset = small_dataset()
    _, runs = train_model(TrainingData(dataset, dataset), replace(planned_recipe(), decides=True), Place(tmp_path))
    assert [run.name for run in runs] == ["denoiser"]
    assert not (tmp_path / "run" / "planner").exists()
    manifest = load_model(tmp_path / "tiny").manifest
    assert manifest.denoiser.gestures == UNNAMED_GESTURES and not manifest.decides, "a plan that nobody taught has nothing to decide"


def test_the_synthesizer_decides_where_the_manifest_says_so(tmp_path: Path) -> None:
    taught = taught_from("ab")
    model, _ = train_model(TrainingData(taught.dataset, None, taught.strokes), replace(planned_recipe(), decides=True), Place(tmp_path))
    conditions = taught.dataset.conditions(torch.tensor([0, 1]), torch.tensor([0, 0]))
    synthesizer = Synthesizer(model, 2)
    planned = synthesizer.planned(conditions)
    assert planned.plan is not None
    torch.testing.assert_close(planned.plan, decided(model.denoiser.planned_conditions.plan(conditions)))
    assert synthesizer.planned(planned) is planned, "a plan that is given is followed"
    as_likely = Synthesizer(replace(model, manifest=replace(model.manifest, decides=False)), 2)
    assert as_likely.planned(conditions) is conditions
    x_t = torch.randn(2, 43, LATENTS, generator=torch.Generator().manual_seed(0))
    own, given, other = (s.bind(c, CONDITION_ONLY)(x_t, 500) for s, c in ((synthesizer, conditions), (as_likely, planned), (as_likely, conditions)))
    torch.testing.assert_close(own, given)
    assert not torch.equal(own, other)


def test_a_plan_of_another_length_is_refused() -> None:
    with pytest.raises(InputError, match="plan"):
        Conditions(torch.zeros(1, 30, 4), torch.zeros(1, 30, 3), torch.zeros(1, dtype=torch.int64), torch.zeros(1, 15, 2))


def test_a_model_without_a_planner_decides_nothing() -> None:
    with pytest.raises(ModelError, match="expected 'planned-chunks'"):
        ModelManifest("m", "minilm", "accents", ("a",), replace(PLANNED, conditioning="chunks"), CodecConfig(latent_dim=LATENTS), decides=True)


def test_labels_of_a_corpus_are_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The corpus's own files: names, phases, and a warning where there are none."""
    from raggesture.corpus.take import Take, write_split, write_take

    rows = []
    for name in ("1_ann_0_1_1", "1_ann_0_2_2"):
        clip, labels = spoken_clip("a", len(rows))
        write_take(tmp_path, Take(name, clip.motion, np.zeros(40 * 16000, np.float32), clip.transcript, (), labels, (1.0,) * len(clip.transcript.words)))
        rows.append((name, "train" if not rows else "test"))
    write_split(tmp_path, rows)
    recipe = replace(planned_recipe(), audio_encoder="prosody")
    data = read_data(tmp_path, tmp_path / "cache", recipe)
    assert isinstance(data.strokes, Strokes) and data.strokes.gestures == ("large", "point") and data.held_out_strokes is not None
    wanted = [label.stroke for label in spoken_clip("a", 0)[1]]
    found = (data.strokes.share * (torch.arange(600) + 0.5) / MODEL_FPS).view(-1)
    assert float(data.strokes.share.sum()) == pytest.approx(len(wanted)) and float(found.sum()) == pytest.approx(sum(wanted), rel=1e-4)
    for path in (tmp_path / "sem").iterdir():
        path.unlink()
    with caplog.at_level(logging.WARNING, "raggesture"):
        assert read_data(tmp_path, tmp_path / "cache", recipe).strokes is None
    assert "no gesture labels" in caplog.text
