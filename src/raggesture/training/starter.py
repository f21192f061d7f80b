"""Rebuild what is packaged: ``python -m raggesture.training.starter --data CORPUS``.

Stages, each skipped when its result is there: arrays, model (codecs and denoiser), index, evaluation kit, figures. The
training run itself resumes after a kill. Source: TRAINING "A recipe that fits two hours on two cores".
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from rich.console import Console

from raggesture.config import load_settings
from raggesture.corpus.beat2 import clip_ids, read_corpus
from raggesture.corpus.clip import Clip
from raggesture.diffusion.sampler_names import DEFAULT_SAMPLER
from raggesture.diffusion.samplers import sampler_named
from raggesture.diffusion.schedules import Hold, HoldOptions
from raggesture.encoders.registry import audio_encoder, text_encoder
from raggesture.errors import RaggestureError
from raggesture.metrics.fgd import load_kit
from raggesture.metrics.indexed_gestures import classifier_of
from raggesture.models.checkpoint import load_model
from raggesture.pipeline import Pipeline
from raggesture.resources import PACK_NAME, packaged_dir
from raggesture.retrieval.by_llm import LlmOptions, LlmRetriever
from raggesture.retrieval.index import Index
from raggesture.synthesis import Inject
from raggesture.training.curves import CurvePoint
from raggesture.training.evaluation import train_kit
from raggesture.training.figures import Outcome, choose_events, classifier_accuracy, measure, retrieval_at_1, to_json
from raggesture.training.loop import CURVE_FILE
from raggesture.training.processes import Processes
from raggesture.training.recipe import DENOISER_RUN, PLANNER_RUN, Place, Recipe, read_data, train_model
from raggesture.training.settings import kit_of, recipe_of
from raggesture.training.statistics import of_corpus

INDEX_MINUTES, KNOWN_MINUTES = 40.0, 150.0
"""Of motion in the packaged index, and in the one that the classifier learns from: with 200 gestures a few renditions each are too few to tell them."""
_NEW_GESTURE = 8.0
"""What a gesture that the index does not have yet is worth, in renditions of one that it has."""
LICENCE = "Apache-2.0 (authored motion and speech made for this project)"
EVALUATION_FILE, PLANNER_CURVE_FILE = "evaluation.safetensors", "planner.csv"
_CONSOLE = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Options:
    """Folders and bounds of a rebuild."""

    data: Path
    out: Path
    work: Path
    minutes: float | None
    events: int
    seed: int
    resume: bool


def starter_recipe(minutes: float | None = None, seed: int | None = None) -> Recipe:
    """The packaged model: the profile ``starter``, with another length or seed where one is given."""
    recipe = recipe_of(load_settings("starter"), name="starter", licence=LICENCE)
    training = recipe.training
    if minutes is not None:
        training = replace(training, minutes=minutes, steps=None, epochs=None)
    if seed is not None:
        training = replace(training, seed=seed)
    length = f"{training.steps} steps" if training.minutes is None else f"{training.minutes:g} minutes"
    provenance = f"trained by nox -s starter on the authored starter corpus, {length}, seed {training.seed}"
    return replace(recipe, training=training, codec=replace(recipe.codec, seed=training.seed), provenance=provenance)


def choose_clips(clips: Sequence[Clip], minutes: float) -> list[Clip]:
    """Clips for the index: greedily those whose gestures are rarest so far, above all those that no speaker makes yet, then for their speaker, until

    ``minutes`` are full.
    """
    have: Counter[tuple[str, str]] = Counter()
    known: set[str] = set()

    def worth(clip: Clip) -> float:
        names = [label.gesture for label in clip.labels if label.kind != "beat"]
        return (sum(1.0 / (1 + have[clip.speaker, name]) for name in names) + _NEW_GESTURE * len(set(names) - known)) / clip.duration_s

    left, chosen, seconds = list(clips), [], 0.0
    while left and seconds < 60 * minutes:
        best = max(left, key=worth)
        left.remove(best)
        chosen.append(best)
        seconds += best.duration_s
        have.update((best.speaker, label.gesture) for label in best.labels if label.kind != "beat")
        known.update(label.gesture for label in best.labels if label.kind != "beat")
    return sorted(chosen, key=lambda clip: clip.name)


def _say(text: str) -> None:
    _CONSOLE.print(text, markup=False, highlight=False, soft_wrap=True)


def _progress(point: CurvePoint, share: float) -> None:
    _say(f"step {point.step} {100 * share:.0f}% {point}")


def build_model(options: Options) -> None:
    """Arrays, codecs, planner and denoiser; the curves go beside the model."""
    recipe = starter_recipe(options.minutes, options.seed)
    data = read_data(options.data, options.work / "arrays", recipe)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    place = Place(options.work, Processes.start(device), options.resume, _progress)
    train_model(data, recipe, place)
    target = options.out / "model"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(options.work / recipe.name, target)
    shutil.copyfile(place.run(DENOISER_RUN) / CURVE_FILE, options.out / CURVE_FILE)
    if recipe.plans:
        shutil.copyfile(place.run(PLANNER_RUN) / CURVE_FILE, options.out / PLANNER_CURVE_FILE)


def build_indexes(options: Options) -> None:
    """The packaged index from training clips, one of held-out clips for the figures, and one that the classifier learns from."""
    recipe = starter_recipe()
    text, audio = text_encoder(recipe.text_encoder), audio_encoder(recipe.audio_encoder)
    train = list(read_corpus(options.data, "train"))
    for where, minutes in ((options.out / "index", INDEX_MINUTES), (options.work / "known", KNOWN_MINUTES)):
        Index.build(choose_clips(train, minutes), where, text_encoder=text, audio_encoder=audio, licence=LICENCE, force=True)
    Index.build(read_corpus(options.data, "test"), options.work / "heldout", text_encoder=text, audio_encoder=audio, force=True)


def build_figures(options: Options) -> None:
    """Asked = made and the rest on held-out clips, with and without retrieval, and forced."""
    model = load_model(options.out / "model")
    text = text_encoder("minilm")
    index, heldout = Index.open(options.out / "index", text_encoder=text), Index.open(options.work / "heldout", text_encoder=text)
    classifier = classifier_of(Index.open(options.work / "known", text_encoder=text))
    accuracy = classifier_accuracy(classifier, heldout)
    _say(f"classifier's own accuracy on held-out authored gestures: {accuracy:.3f}")
    sampler, kit = sampler_named(DEFAULT_SAMPLER), load_kit(options.out / EVALUATION_FILE)
    rates = Hold(HoldOptions()).rates(sampler.clock)
    found = retrieval_at_1(index, choose_events(heldout, options.events, options.seed, forced=False))
    _say(f"retrieval by word and kind alone finds the speaker's gesture first: {found:.3f}")
    outcomes: list[Outcome] = []
    ways: tuple[tuple[bool, tuple[Inject, ...]], ...] = ((False, ("inversion+guidance", "none")), (True, ("inversion+guidance", "inversion")))
    for forced, hows in ways:
        events = choose_events(heldout, options.events, options.seed, forced=forced)
        for how in hows:
            name = f"{how}{', forced' if forced else ''}"
            outcomes.append(measure(model, index, heldout, events, classifier, name=name, how=how, rates=rates, seed=options.seed, sampler=sampler, kit=kit))
            _say(str(outcomes[-1]))
    content = {
        "schema": 1,
        "guidance": "hold",
        "sampler": sampler.name,
        "steps": sampler.schedule.n_steps,
        "seed": options.seed,
        "classifier_accuracy": accuracy,
        "retrieval_at_1": found,
        "outcomes": to_json(outcomes),
    }
    (options.out / "figures.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def build_statistics(options: Options) -> None:
    """How generated motion moves, beside authored motion and real takes: one held-out clip of each speaker through the whole pipeline."""
    pipeline = Pipeline.load(options.out / "model", options.out / "index", "cpu")
    first: dict[str, str] = {}
    for name in sorted(clip_ids(options.data, "test")):
        first.setdefault(name.split("_")[1], name)
    retriever, schedule = LlmRetriever(LlmOptions(cache=False)), Hold(HoldOptions())
    rows = of_corpus(options.data, list(first.values()), pipeline, retriever, schedule, _say)
    for row in rows:
        _say(str(row))
    content = {"schema": 1, "clips": list(first.values()), "rows": [asdict(row) for row in rows]}
    (options.out / "statistics.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run the stages that are missing; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m raggesture.training.starter", description="Rebuild the packaged model, index and figures.")
    parser.add_argument("--data", type=Path, required=True, help="corpus written by python -m raggesture.corpus.starter")
    parser.add_argument("--out", type=Path, default=packaged_dir(PACK_NAME), help="folder of the pack")
    parser.add_argument("--work", type=Path, default=Path("work-starter"), help="folder for what is not packaged")
    parser.add_argument("--minutes", type=float, help="minutes of denoiser training (default: the profile's)")
    parser.add_argument("--events", type=int, default=1000, help="held-out events per figure (default 1000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on with a training run that was killed")
    parser.add_argument("--stages", default="model,index,kit,figures,statistics", help="stages to run, by commas")
    given = parser.parse_args(arguments)
    options = Options(given.data, given.out, given.work, given.minutes, given.events, given.seed, given.resume)
    options.out.mkdir(parents=True, exist_ok=True)
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        for stage in given.stages.split(","):
            _say(f"stage {stage}")
            if stage == "model":
                build_model(options)
            elif stage == "index":
                build_indexes(options)
            elif stage == "kit":
                kit = replace(kit_of(load_settings("starter")), seed=options.seed)
                train_kit(options.data, "train", options.out / EVALUATION_FILE, kit, name="starter")
            elif stage == "figures":
                build_figures(options)
            elif stage == "statistics":
                build_statistics(options)
    except RaggestureError as fault:
        _say(f"error: {fault}")
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
