"""From the first schema of an index to the present one: sentence vectors, handedness, derived pieces, one file of columns.

Motion, conditions and the words' vectors are taken over as they were packed. What the first schema did not record stays
unknown: recordings have no path, and strokes of labels count as annotated.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from raggesture.body.joints import N_JOINTS
from raggesture.body.skeleton import forward_kinematics
from raggesture.clock import MODEL_FPS
from raggesture.errors import ModelError
from raggesture.resources import verify_sha256
from raggesture.retrieval.arrays import MappedArrays
from raggesture.retrieval.build import About, Segments, manifest_of, put_in, word_vectors, write_tables
from raggesture.retrieval.events import Event
from raggesture.retrieval.packing import ROTATION_STEP_RAD, unpack_track
from raggesture.retrieval.product import TRACKS, Product
from raggesture.retrieval.rows import RowsReader, writing_rows
from raggesture.retrieval.sentences import sentence_at, sentence_spans, sentence_text
from raggesture.retrieval.store import MANIFEST, swap_manifest, writing
from raggesture.retrieval.stroke import hand_of_stroke, speeds_of_wrists
from raggesture.types import GESTURE_KINDS, Exemplar, Transcript, Word

if TYPE_CHECKING:
    from raggesture.encoders.base import TextEncoder

_ROWS, _MOTION, _CONDITIONS = "rows.sqlite", "motion.safetensors", "conditions.safetensors"
_IN_MOTION = frozenset(("rotations", "translation", "expression", "expression_columns", "contacts"))


@dataclass(frozen=True, slots=True, eq=False)
class _Old:
    rows: sqlite3.Connection
    motion: MappedArrays
    conditions: MappedArrays


def schema_of(folder: Path) -> int:
    """Schema number of the index in ``folder``.

    Raises:
        ModelError: no index there.
    """
    try:
        data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return int(data["schema"])
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise ModelError(f"{folder / MANIFEST}: cannot be read ({fault}); expected the manifest of an index - give the folder of an index") from fault


def _arrays(old: _Old, clip: int) -> dict[str, NDArray[Any]]:
    return {name: (old.motion if name in _IN_MOTION else old.conditions).get(f"{clip:06d}.{name}") for name in TRACKS}


def _speeds(packed: NDArray[np.uint8], frames: int) -> NDArray[np.float32]:
    rotations = unpack_track(packed, frames, 3 * N_JOINTS, ROTATION_STEP_RAD).reshape(-1, N_JOINTS, 3)
    with torch.no_grad():
        positions, _ = forward_kinematics(torch.from_numpy(rotations))
    return speeds_of_wrists(positions.numpy(), MODEL_FPS)


def _events(rows: list[tuple[Any, ...]], name: str, speaker: str, words: tuple[Word, ...], speeds: NDArray[np.float32]) -> Iterator[Event]:
    """Events of a clip. A relation whose stroke is no label's had none annotated near it."""
    annotated = {row[5] for row in rows if row[1] in GESTURE_KINDS}
    spans = sentence_spans(words)
    for word, kind, gesture, start, end, stroke, prominence in rows:
        derived = "" if kind in GESTURE_KINDS or stroke in annotated else "stroke"
        hand = hand_of_stroke(speeds, MODEL_FPS, stroke)
        exemplar = Exemplar(name, speaker, word, kind, start, end, stroke, gesture, prominence, hand=hand, derived=derived)
        yield Event(exemplar, sentence_at(spans, words, (start + end) / 2))


def _products(old: _Old, encoder: TextEncoder) -> Iterator[Product]:
    run = old.rows.execute
    for number, name, speaker, frames, language, source in run("SELECT * FROM clips ORDER BY number").fetchall():
        spoken = run("SELECT text, start, end, after, prominence FROM words WHERE clip = ? ORDER BY position", (number,)).fetchall()
        words = tuple(Word(*row[:4]) for row in spoken)
        statement = "SELECT word, kind, gesture, start, end, stroke, prominence FROM exemplars WHERE clip = ? ORDER BY row"
        arrays, spans = _arrays(old, number), sentence_spans(words)
        speeds = _speeds(arrays["rotations"], frames)
        sentences = encoder.sentences([sentence_text(words[first:stop]) for first, stop in spans])
        yield Product(
            name=name,
            speaker=speaker,
            frames=frames,
            wave="",
            voice="",
            transcript=Transcript(words, language, source),
            prominence=tuple(row[4] for row in spoken) if spoken and spoken[0][4] is not None else (),
            spans=spans,
            events=tuple(_events(run(statement, (number,)).fetchall(), name, speaker, words, speeds)),
            arrays=arrays,
            sentences=np.asarray(sentences, np.float16).reshape(len(spans), encoder.dim),
        )


def _old_vectors(old: _Old, words: tuple[str, ...], encoder: TextEncoder) -> NDArray[np.float16]:
    """The words' vectors in the order of the new vocabulary."""
    stored = old.conditions.get("vocabulary")
    place = {word: number for number, word in old.rows.execute("SELECT number, word FROM vocabulary")}
    if not set(words) <= set(place):
        return word_vectors(words, encoder)
    vectors: NDArray[np.float16] = stored[[place[word] for word in words]]
    return vectors


def upgrade_index(folder: Path, *, text_encoder: TextEncoder) -> None:
    """Bring the index in ``folder`` from schema 1 to the present one, in its place; a fault leaves it as it was.

    Raises:
        ModelError: no index of schema 1 there, a file is truncated or altered, or the encoder is not the one that built it.
    """
    path = folder / MANIFEST
    if schema_of(folder) != 1:
        raise ModelError(f"{path}: schema {schema_of(folder)}; expected 1 - this index needs no upgrade")
    data = json.loads(path.read_text(encoding="utf-8"))
    if data["text_dim"] != text_encoder.dim:
        raise ModelError(f"{path}: built with {data['text_encoder']} ({data['text_dim']}); expected {text_encoder.name} ({text_encoder.dim}) - give it")
    for name, digest in data["files"].items():
        verify_sha256(folder / name, digest)
    partial = folder / f".upgrade.{os.getpid()}.partial"
    partial.mkdir()
    try:
        with closing(sqlite3.connect(f"{(folder / _ROWS).resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as database, writing(folder):
            old = _Old(database, MappedArrays(folder / _MOTION), MappedArrays(folder / _CONDITIONS))
            rows, segments = partial / "rows", Segments(partial)
            with writing_rows(rows) as writer:
                sentences = put_in(writer, segments, _products(old, text_encoder), None)
            reader = RowsReader(rows)
            words = reader.words()
            reader.close()
            tables = {"words": _old_vectors(old, words, text_encoder), "sentences": np.concatenate(sentences)}
            files = [*write_tables(partial, rows, tables), *segments.files]
            encoders = (data["text_encoder"], data["text_dim"], data["audio_encoder"], data["audio_dim"])
            manifest = manifest_of(About(folder.name, *encoders, data["licence"]), partial / files[0].name, files)
            for each in files:
                (partial / each.name).replace(folder / each.name)
            swap_manifest(folder, manifest)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
