"""``raggesture index agreement``: how well retrievers agree with a corpus's own gesture labels about words and kinds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raggesture.cli import options as o
from raggesture.cli.console import LOGGER, progress_bar, result_json, table
from raggesture.errors import InputError

if TYPE_CHECKING:
    from raggesture.corpus.clip import Clip, GestureLabel
    from raggesture.metrics.agreement import Agreement, TakePicks
    from raggesture.types import Cues, Speech, Transcript

SCHEMA = 1
_NEAR_S = 0.5
"""A label's keyword is looked for so far outside its span."""


def agreement(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A folder in BEAT2's layout, with its gesture labels (sem).")],
    retrievers: Annotated[list[str] | None, typer.Option("--retriever", metavar="NAME", help="Repeatable. (default: gesture-type; llm with a server)")] = None,
    retriever_options: o.RetrieverOption = None,
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="train, val, test, or all.")] = "all",
    speakers: Annotated[list[str] | None, typer.Option("--speaker", metavar="NAME", help="Only this speaker; repeatable.")] = None,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Hold the words that retrievers choose against the labels of CORPUS: precision, recall, F1, beside chance."""
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.metrics.agreement import agreement as agree
        from raggesture.retrieval.labels import KINDS

        names = retrievers or _default_retrievers()
        made = {name: _retriever(name, retriever_options or ()) for name in names}
        heard = _takes(corpus, None if split == "all" else split, speakers, quiet)
        rows: dict[str, tuple[Agreement, ...]] = {}
        with progress_bar(quiet=quiet) as show:
            for number, (name, retriever) in enumerate(made.items()):
                show(name, number / len(made))
                rows[name] = agree([_picked(retriever, *each) for each in heard], KINDS)
        if as_json:
            result_json({"schema": SCHEMA, "takes": [clip.name for clip, _, _ in heard], "rows": [_plain(name, row) for name in rows for row in rows[name]]})
            return
        headings = ("retriever", "agree by", "kind", "labels", "picks", "right", "precision", "recall", "F1", "95 %", "chance F1", "chance as good")
        table(headings, [_row(name, row) for name in rows for row in rows[name]])
        LOGGER.info("%d take(s): %s", len(heard), ", ".join(clip.name for clip, _, _ in heard))


def _default_retrievers() -> list[str]:
    from raggesture.retrieval.llm_client import is_configured

    return ["gesture-type", "llm"] if is_configured() else ["gesture-type"]


def _retriever(name: str, options: Sequence[str]) -> Any:
    from raggesture.config import Overrides, load_settings

    return load_settings(None, overrides=Overrides({"retriever": (name, "--retriever")}, options)).retriever()


def _takes(corpus: Path, split: str | None, speakers: Sequence[str] | None, quiet: bool) -> list[tuple[Clip, Speech, Cues]]:
    """The labelled takes with their voices and cues."""
    from raggesture.corpus.beat2 import clip_ids, read_clip
    from raggesture.speech.cues import find_cues

    ids = clip_ids(corpus, split, speakers)
    found = []
    with progress_bar(quiet=quiet) as show:
        for number, clip_id in enumerate(ids):
            show(clip_id, number / len(ids))
            clip = read_clip(corpus, clip_id)
            if clip.labels:
                speech = _speech(clip)
                found.append((clip, speech, find_cues(speech)))
    if not found:
        raise InputError(f"{corpus}: no take has gesture labels; expected a folder 'sem' with labels in BEAT2's form - check the path and --split")
    return found


def _speech(clip: Clip) -> Speech:
    import numpy as np

    from raggesture.clock import sample_of_seconds
    from raggesture.speech.audio import load_audio
    from raggesture.types import Speech

    wave = load_audio(clip.wave_path) if clip.wave_path is not None else np.zeros(sample_of_seconds(clip.motion.duration_s), np.float32)
    return Speech(clip.name, wave, clip.transcript, clip.speaker)


def _picked(retriever: Any, clip: Clip, speech: Speech, cues: Cues) -> TakePicks:
    from raggesture.metrics.agreement import Labelled, Pick, TakePicks

    words = clip.transcript.words
    place = {(word.start, word.end, word.text): k for k, word in reversed(list(enumerate(words)))}
    picks = []
    for query in retriever.queries(speech, cues):
        at = place.get((query.start, query.end, query.word))
        if at is not None:
            picks.append(Pick(at, query.start, query.end, query.kind))
    labels = [Labelled(each.start, each.end, each.kind, words_of(each, clip.transcript)) for each in clip.labels if each.kind != "beat"]
    return TakePicks(tuple(labels), tuple(picks), tuple((word.start, word.end) for word in words))


def words_of(label: GestureLabel, transcript: Transcript) -> frozenset[int]:
    """Positions of the words that a label is on: those of its keyword in or near its span; if none is, all whose middle it holds."""
    from raggesture.retrieval.words import clean_word

    wanted = set(clean_word(label.word).split())
    near = [k for k, word in enumerate(transcript.words) if word.end > label.start - _NEAR_S and word.start < label.end + _NEAR_S]
    named = [k for k in near if clean_word(transcript.words[k].text) in wanted]
    held = [k for k in near if label.start <= (transcript.words[k].start + transcript.words[k].end) / 2 <= label.end]
    return frozenset(named or held)


def _plain(name: str, row: Agreement) -> dict[str, Any]:
    values = {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(row).items()}
    return {"retriever": name, **values}


def _row(name: str, row: Agreement) -> tuple[str, ...]:
    interval = f"{row.f1_low:.2f}-{row.f1_high:.2f}"
    scores = tuple("-" if math.isnan(value) else f"{value:.2f}" for value in (row.precision, row.recall, row.f1))
    chance = tuple("-" if math.isnan(value) else f"{value:.2f}" for value in (row.chance_f1, row.chance_as_good))
    return (name, row.way, row.kind, str(row.labels), str(row.picks), str(row.right), *scores, "-" if "nan" in interval else interval, *chance)
