"""``raggesture index search``: what an index answers, and why, term by term."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raggesture.cli import options as o
from raggesture.cli.console import LOGGER, result_json, table
from raggesture.errors import UsageError

if TYPE_CHECKING:
    from raggesture.plugins.hookspecs import IndexBackend
    from raggesture.retrieval.index import Index
    from raggesture.types import Hit, Query

SCHEMA = 1
_SECONDS_A_WORD = 0.4

Folder = Annotated[str, typer.Argument(metavar="DIR|starter", help="Folder of the index, or 'starter' for the packaged one.")]


def index_path(location: str) -> Path:
    """Folder of an index by its path, or of the packaged one.

    Raises:
        UsageError: it lies with a plugin's backend, not in a folder.
    """
    from raggesture.plugins.locations import index_folder, scheme_of

    if scheme := scheme_of(location):
        raise UsageError(f"index {scheme}://...: kept by a plugin; expected a folder - this command is for folders")
    return index_folder(location)


def check_own(location: str) -> None:
    """Raise UsageError for the packaged index, which belongs to the installation."""
    from raggesture.resources import PACK_NAME

    if location == PACK_NAME:
        raise UsageError(
            f"index {PACK_NAME}: is the packaged one; expected one of your own - 'index add {PACK_NAME} CORPUS --out DIR' writes a copy with yours"
        )


def backend_at(location: str) -> IndexBackend | None:
    """The plugin's backend that keeps an index, None for a folder."""
    from raggesture.plugins.locations import backend_of, scheme_of

    if not scheme_of(location):
        return None
    from raggesture.plugins.manager import PluginManager

    return backend_of(location, PluginManager.from_environment())


def open_location(location: str) -> Index:
    """Open an index: a folder, the packaged one, or a place that a plugin's backend knows."""
    from raggesture.plugins.locations import open_index, scheme_of
    from raggesture.retrieval.index import Index

    if not scheme_of(location):
        return Index.open(index_path(location))
    from raggesture.plugins.manager import PluginManager

    return open_index(location, PluginManager.from_environment())


def search(
    folder: Folder,
    word: Annotated[str, typer.Option("--word", metavar="WORD", help="The word the gesture goes with.")] = "",
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="beat, deictic, iconic, metaphoric, or a discourse sense; default: all four.")] = "",
    gesture: Annotated[str, typer.Option("--gesture", metavar="NAME", help="Exactly this gesture.")] = "",
    text: Annotated[
        str,
        typer.Option("--text", metavar="TEXT", help="The gestures of the sentences nearest to this one; with --retriever, what that one asks for it."),
    ] = "",
    speaker: Annotated[str, typer.Option("--speaker", metavar="NAME", help="Only exemplars of this speaker.")] = "",
    hand: Annotated[str, typer.Option("--hand", metavar="HAND", help="Only exemplars made with the left hand, the right hand, or both.")] = "",
    retriever: Annotated[str, typer.Option("--retriever", metavar="NAME", help="Rank as this retriever does: see 'plugins list'.")] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="So many at most.")] = 10,
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Search an index as a retriever does; every score is explained term by term."""
    with o.command(verbose=verbose, quiet=quiet):
        if not (word or kind or gesture or text):
            raise UsageError("index search: nothing to search for; expected --word, --kind, --gesture or --text - give one")
        opened = _narrowed(open_location(folder), speaker, hand)
        if retriever and text and not word:
            hits = _asked_by(retriever, text, opened)
        elif text and not (word or gesture):
            hits = _nearest_sentences(text, kind, opened, limit)
        else:
            hits = _ranked(opened, word, kind, gesture, retriever, limit)
        best = sorted(hits, key=lambda hit: -hit.score)[:limit] if not (retriever and text) else hits
        if not best and kind:
            LOGGER.warning("nothing of kind %r; the index holds %s", kind, ", ".join(name for name, _ in opened.info().kinds))
        if as_json:
            result_json({"schema": SCHEMA, "hits": [_as_json(hit, opened) for hit in best]})
        else:
            table(("score", "for", "word", "kind", "gesture", "hand", "clip", "stroke s", "terms"), [_row(hit) for hit in best])


def _narrowed(index: Index, speaker: str, hand: str) -> Index:
    """The index with the exemplars of one speaker, or of one handedness, alone."""
    from raggesture.errors import did_you_mean
    from raggesture.retrieval.facts import HANDS

    events = index.events
    for option, asked, known, column in (("--speaker", speaker, events.speakers, events.speaker), ("--hand", hand, HANDS, events.hand)):
        if asked and asked not in known:
            raise UsageError(f"{option} {asked!r}: not in the index; {did_you_mean(asked, [name for name in known if name])} - name one of its own")
        if asked:
            index = index.only(column == known.index(asked))
    return index


def _query(word: str, kind: str, gesture: str = "") -> Query:
    from raggesture.types import Query

    return Query(word, kind, 0.0, 0.0, gesture=gesture)


def _retriever(name: str) -> Any:
    from raggesture.config import Overrides, load_settings

    return load_settings(None, overrides=Overrides({"retriever": (name, "--retriever")})).retriever()


def _ranked(index: Index, word: str, kind: str, gesture: str, retriever: str, limit: int) -> list[Hit]:
    """Hits for a word, a kind or a gesture."""
    from raggesture.types import GESTURE_KINDS

    kinds = (kind,) if kind else GESTURE_KINDS[:1] if gesture else GESTURE_KINDS
    queries = [_query(word, each, gesture) for each in kinds]
    if retriever:
        ranking = _retriever(retriever)
        return [hit for query in queries for hit in list(ranking.rank(query, index))[:limit]]
    return [hit for query in queries for hit in index.search(query, limit=limit)]


def _nearest_sentences(text: str, kind: str, index: Index, limit: int) -> list[Hit]:
    """Exemplars whose sentence is nearest to a text, by the cosine of their vectors."""
    import numpy as np

    from raggesture.types import Hit

    events, wanted = index.events, index.allowed & (index.events.sentence >= 0)
    if kind:
        wanted = wanted & (events.kind == (events.kinds.index(kind) if kind in events.kinds else -1))
    rows = np.flatnonzero(wanted)
    near = index.sentence_similarities(text)[events.sentence[rows]]
    best = rows[np.argsort(-near, kind="stable")[:limit]]
    scores = {int(row): float(value) for row, value in zip(rows, near, strict=True)} if len(rows) <= limit else None
    hits = []
    for row in best.tolist():
        score = scores[row] if scores else float(near[np.searchsorted(rows, row)])
        found = index.exemplars[row]
        hits.append(Hit(_query(text, found.kind), found, score, {"sentence": score}))
    return hits


def _asked_by(retriever: str, text: str, index: Index) -> list[Hit]:
    """What a retriever asks for a text spoken evenly, and the best hit of each question."""
    import numpy as np

    from raggesture.clock import sample_of_seconds
    from raggesture.speech.discourse import find_relations
    from raggesture.speech.transcript import split_words
    from raggesture.types import Cues, Speech, Transcript, Word

    pieces = split_words(text)
    words = tuple(Word(piece, k * _SECONDS_A_WORD, (k + 0.9) * _SECONDS_A_WORD, after) for k, (piece, after) in enumerate(pieces))
    transcript = Transcript(words)
    speech = Speech("text", np.zeros(sample_of_seconds(len(words) * _SECONDS_A_WORD), np.float32), transcript)
    cues = Cues(find_relations(transcript), tuple(1.0 for _ in words), tuple((word.start + word.end) / 2 for word in words))
    ranking = _retriever(retriever)
    ranked: Sequence[Sequence[Hit]] = [ranking.rank(query, index) for query in ranking.queries(speech, cues)]
    return [hits[0] for hits in ranked if hits]


def _as_json(hit: Hit, index: Index) -> dict[str, Any]:
    facts = {"exemplar": asdict(hit.exemplar), "sentence": index.sentence(hit.exemplar.row)}
    return {"query": {"word": hit.query.word, "kind": hit.query.kind}, **facts, "score": hit.score, "terms": dict(hit.terms)}


def _row(hit: Hit) -> tuple[str, ...]:
    found = hit.exemplar
    terms = " + ".join(f"{name} {value:.2f}" for name, value in hit.terms.items())
    return f"{hit.score:.2f}", hit.query.word, found.word, found.kind, found.gesture, found.hand, found.clip, f"{found.stroke:.2f}", terms
