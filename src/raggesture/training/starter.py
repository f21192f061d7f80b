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
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console

from raggesture.corpus.beat2 import clip_ids, read_corpus
from raggesture.corpus.clip import Clip
from raggesture.diffusion.schedules import Hold, HoldOptions
from raggesture.encoders.registry import audio_encoder, text_encoder
from raggesture.errors import RaggestureError
from raggesture.models.checkpoint import load_model
from raggesture.models.codec_config import CodecConfig
from raggesture.models.denoiser import DenoiserConfig
from raggesture.pipeline import Pipeline
from raggesture.resources import PACK_NAME, packaged_dir
from raggesture.retrieval.by_llm import LlmOptions, LlmRetriever
from raggesture.retrieval.index import Index
from raggesture.synthesis import Inject
from raggesture.training.codecs import CodecTraining
from raggesture.training.curves import CurvePoint
from raggesture.training.denoiser import CURVE_FILE, DenoiserTraining
from raggesture.training.evaluation import train_kit
from raggesture.training.figures import Outcome, choose_events, classifier_accuracy, classifier_of, measure, retrieval_at_1, to_json
from raggesture.training.recipe import Recipe, read_data, train_model
from raggesture.training.statistics import of_corpus

INDEX_MINUTES = 26.0
STEPS = 50
TEMPERATURE = 1.15
"""Wrists' 90 % jerk, m/s3: 44 at 1 and 49 at 1.15 (medians of eight held-out clips), where real takes widened by half begin at 46."""
LICENCE = "Apache-2.0 (authored motion and speech made for this project)"
_CONSOLE = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Options:
    """Folders and bounds of a rebuild."""

    data: Path
    out: Path
    work: Path
    minutes: float
    events: int
    seed: int
    resume: bool


def starter_recipe(minutes: float, seed: int) -> Recipe:
    """The packaged model: lapped codecs, v-prediction, per-chunk conditions, softmax attention, adaptive norms."""
    denoiser = DenoiserConfig(
        latent_dim=128, text_dim=384, audio_dim=12, n_speakers=8, width=192, layers=6, heads=8, ff_dim=384, time_dim=192, condition_dim=64,
        attention="softmax", modulation="adaln", conditioning="chunks", prediction="v", dropout=0.1,
    )  # fmt: skip
    training = DenoiserTraining(minutes=minutes, batch=64, learning_rate=1e-3, seed=seed)
    provenance = f"trained by nox -s starter on the authored starter corpus, {minutes:g} minutes, seed {seed}"
    return Recipe(
        CodecTraining(CodecConfig(latent_dim=128), seed=seed),
        denoiser,
        training,
        name="starter",
        temperature=TEMPERATURE,
        provenance=provenance,
        licence=LICENCE,
    )


def choose_clips(clips: Sequence[Clip], minutes: float) -> list[Clip]:
    """Clips for the index: greedily those whose gestures are rarest so far for their speaker, until ``minutes`` are full."""
    have: Counter[tuple[str, str]] = Counter()
    left, chosen, seconds = list(clips), [], 0.0
    while left and seconds < 60 * minutes:
        best = max(left, key=lambda clip: sum(1.0 / (1 + have[clip.speaker, g.gesture]) for g in clip.labels if g.kind != "beat") / clip.duration_s)
        left.remove(best)
        chosen.append(best)
        seconds += best.duration_s
        have.update((best.speaker, label.gesture) for label in best.labels if label.kind != "beat")
    return sorted(chosen, key=lambda clip: clip.name)


def _say(text: str) -> None:
    _CONSOLE.print(text, markup=False, highlight=False, soft_wrap=True)


def _progress(point: CurvePoint, share: float) -> None:
    _say(f"step {point.step} {100 * share:.0f}% {point}")


def build_model(options: Options) -> None:
    """Arrays, codecs and denoiser; the curve goes beside the model."""
    recipe = starter_recipe(options.minutes, options.seed)
    data = read_data(options.data, options.work / "arrays", recipe)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    train_model(data, recipe, options.work, device=device, resume=options.resume, progress=_progress)
    target = options.out / "model"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(options.work / recipe.name, target)
    shutil.copyfile(options.work / "run" / CURVE_FILE, options.out / CURVE_FILE)


def build_indexes(options: Options) -> None:
    """The packaged index from training clips, and one of held-out clips for the figures."""
    text, audio = text_encoder("minilm"), audio_encoder("prosody")
    chosen = choose_clips(list(read_corpus(options.data, "train")), INDEX_MINUTES)
    Index.build(chosen, options.out / "index", text_encoder=text, audio_encoder=audio, licence=LICENCE, force=True)
    Index.build(read_corpus(options.data, "test"), options.work / "heldout", text_encoder=text, audio_encoder=audio, force=True)


def build_figures(options: Options) -> None:
    """Asked = made and the rest on held-out clips, with and without retrieval, and forced."""
    model = load_model(options.out / "model")
    text = text_encoder("minilm")
    index, heldout = Index.open(options.out / "index", text_encoder=text), Index.open(options.work / "heldout", text_encoder=text)
    classifier = classifier_of(index)
    accuracy = classifier_accuracy(classifier, heldout)
    _say(f"classifier's own accuracy on held-out authored gestures: {accuracy:.3f}")
    rates = Hold(HoldOptions()).rates(STEPS)
    found = retrieval_at_1(index, choose_events(heldout, options.events, options.seed, forced=False))
    _say(f"retrieval by word and kind alone finds the speaker's gesture first: {found:.3f}")
    outcomes: list[Outcome] = []
    ways: tuple[tuple[bool, tuple[Inject, ...]], ...] = ((False, ("inversion+guidance", "none")), (True, ("inversion+guidance", "inversion")))
    for forced, hows in ways:
        events = choose_events(heldout, options.events, options.seed, forced=forced)
        for how in hows:
            name = f"{how}{', forced' if forced else ''}"
            outcomes.append(measure(model, index, heldout, events, classifier, name=name, how=how, rates=rates, seed=options.seed))
            _say(str(outcomes[-1]))
    content = {
        "schema": 1,
        "guidance": "hold",
        "steps": STEPS,
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
    parser.add_argument("--minutes", type=float, default=39.0, help="minutes of denoiser training (default 39)")
    parser.add_argument("--events", type=int, default=320, help="held-out events per figure (default 320)")
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
                train_kit(options.data, "train", options.out / "evaluation.safetensors", steps=600, seed=options.seed, name="starter")
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
