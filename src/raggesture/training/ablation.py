"""Which choice makes a small denoiser obey its words? Conditioning per chunk, softmax attention and adaptive norms, one at a time.

``python -m raggesture.training.ablation --data CORPUS``: every variant is trained for the same number of steps on the same
arrays with the same codec and seed, and asked for the words' own gestures without retrieval. Source: the open question of
TRAINING "The whole chain in miniature" (86 % against 3 %, three things changed together).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console

from raggesture.diffusion.schedules import Hold, HoldOptions
from raggesture.encoders.registry import text_encoder
from raggesture.errors import RaggestureError
from raggesture.metrics.indexed_gestures import classifier_of
from raggesture.models.checkpoint import load_model
from raggesture.models.denoiser import DenoiserConfig
from raggesture.retrieval.index import Index
from raggesture.training.curves import read_curve
from raggesture.training.figures import choose_events, measure, to_json
from raggesture.training.loop import CURVE_FILE
from raggesture.training.recipe import DENOISER_RUN, Place, read_data, train_model
from raggesture.training.starter import starter_recipe

SAMPLER_STEPS = 20


@dataclass(frozen=True, slots=True)
class Variant:
    """A row of the table."""

    name: str
    denoiser: DenoiserConfig


def variants(base: DenoiserConfig) -> tuple[Variant, ...]:
    """The published kind (linear attention, stylisation, conditions by frames), each single change, chunks with one of the others, all three."""
    published = replace(base, attention="linear", modulation="stylization", conditioning="frames")
    return (
        Variant("published kind", published),
        Variant("+ chunks", replace(published, conditioning="chunks")),
        Variant("+ softmax", replace(published, attention="softmax")),
        Variant("+ adaln", replace(published, modulation="adaln")),
        Variant("chunks + softmax", replace(published, conditioning="chunks", attention="softmax")),
        Variant("chunks + adaln", replace(published, conditioning="chunks", modulation="adaln")),
        Variant("all three", replace(published, conditioning="chunks", attention="softmax", modulation="adaln")),
    )


@dataclass(frozen=True, slots=True)
class Options:
    """Folders and bounds. ``pack`` holds the index that the classifier learns from; ``work`` the arrays and the held-out index."""

    data: Path
    pack: Path
    work: Path
    steps: int
    events: int
    seed: int
    only: tuple[str, ...]


def run(options: Options, console: Console) -> list[dict[str, object]]:
    """Train and measure every variant; the rows are written after each, so that a stopped run keeps what it has."""
    text = text_encoder("minilm")
    index, heldout = Index.open(options.pack / "index", text_encoder=text), Index.open(options.work / "heldout", text_encoder=text)
    classifier = classifier_of(index)
    events = choose_events(heldout, options.events, options.seed, forced=False)
    recipe = starter_recipe(1.0, options.seed)
    small = replace(recipe.denoiser, width=128, layers=4, heads=8, ff_dim=256, time_dim=128)
    data = read_data(options.data, options.work / "arrays", recipe)
    rates = Hold(HoldOptions()).rates(SAMPLER_STEPS)
    rows: list[dict[str, object]] = []
    for variant in variants(small):
        if options.only and variant.name not in options.only:
            continue
        training = replace(recipe.training, minutes=None, steps=options.steps, batch=32, measure_every=options.steps, save_every=10 * options.steps)
        folder = options.work / "ablation" / variant.name.replace(" ", "-").replace("+", "plus")
        began = time.perf_counter()
        train_model(data, replace(recipe, name="model", denoiser=variant.denoiser, training=training), Place(folder))
        minutes = (time.perf_counter() - began) / 60
        model = load_model(folder / "model")
        outcome = measure(model, index, heldout, events, classifier, name=variant.name, how="none", rates=rates, seed=options.seed)
        parameters = sum(p.numel() for p in model.denoiser.parameters())
        last = read_curve(Place(folder).run(DENOISER_RUN) / CURVE_FILE)[-1]
        row = {"variant": variant.name, "parameters": parameters, "steps": last.step, "minutes": round(minutes, 2)}
        rows.append({**row, "held_out": last.held_out, "held_out_noisy": last.held_out_noisy, **to_json([outcome])[0]})
        console.print(json.dumps(rows[-1]), markup=False, soft_wrap=True)
        target = options.work / "ablation" / f"rows-{'-'.join(options.only).replace(' ', '_') or 'all'}.json"
        target.write_text(json.dumps({"options": {k: str(v) for k, v in asdict(options).items()}, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Parse and run; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m raggesture.training.ablation", description="Which choice makes a small denoiser obey its words?")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pack", type=Path, required=True, help="folder with the packaged index")
    parser.add_argument("--work", type=Path, default=Path("work-starter"))
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--events", type=int, default=160)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], help="a variant's name; may be repeated")
    given = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        run(Options(given.data, given.pack, given.work, given.steps, given.events, given.seed, tuple(given.only)), console)
    except RaggestureError as fault:
        console.print(f"error: {fault}", style="red", markup=False, soft_wrap=True)
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
