"""The folder of an embedded index: its files, its rows in SQLite, its manifest with checksums.

``manifest.json`` (schema, frame rate, encoders, speakers, licence, counts, sha256 of every other file), ``rows.sqlite``
(clips, words, exemplars), ``motion.safetensors`` (packed tracks per clip), ``conditions.safetensors`` (text and audio
features per clip, vectors of the exemplars' words).
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from raggesture.clock import MODEL_FPS
from raggesture.errors import ModelError
from raggesture.resources import verify_sha256
from raggesture.types import Exemplar, Transcript, Word

SCHEMA = 1
MANIFEST = "manifest.json"
ROWS = "rows.sqlite"
MOTION = "motion.safetensors"
CONDITIONS = "conditions.safetensors"
FILES = (ROWS, MOTION, CONDITIONS)

TABLES = """
CREATE TABLE clips (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, speaker TEXT NOT NULL, frames INTEGER NOT NULL,
                    language TEXT NOT NULL, source TEXT NOT NULL);
CREATE TABLE recordings (clip INTEGER PRIMARY KEY REFERENCES clips, wave TEXT NOT NULL);
CREATE TABLE words (clip INTEGER NOT NULL REFERENCES clips, position INTEGER NOT NULL, text TEXT NOT NULL,
                    start REAL NOT NULL, end REAL NOT NULL, after TEXT NOT NULL, prominence REAL,
                    PRIMARY KEY (clip, position)) WITHOUT ROWID;
CREATE TABLE vocabulary (number INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE);
CREATE TABLE exemplars (row INTEGER PRIMARY KEY, clip INTEGER NOT NULL REFERENCES clips, kind TEXT NOT NULL, gesture TEXT NOT NULL,
                        word TEXT NOT NULL, vocabulary INTEGER NOT NULL REFERENCES vocabulary, start REAL NOT NULL, end REAL NOT NULL,
                        stroke REAL NOT NULL, prominence REAL);
"""


@dataclass(frozen=True, slots=True)
class IndexManifest:
    """What an index says of itself. ``text_dim`` and ``audio_dim`` are the widths of the encoders' features."""

    name: str
    fps: float
    text_encoder: str
    text_dim: int
    audio_encoder: str
    audio_dim: int
    speakers: tuple[str, ...]
    licence: str
    clips: int
    frames: int
    words: int
    exemplars: int
    files: dict[str, str]

    def to_json(self) -> str:
        """JSON text with the schema number first."""
        return json.dumps({"schema": SCHEMA, "kind": "index", **asdict(self)}, indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A clip of the index without its arrays. ``number`` names its tensors; ``wave`` is the path of its recording ("": unknown)."""

    number: int
    name: str
    speaker: str
    frames: int
    transcript: Transcript
    wave: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """Everything that lies in SQLite. ``word_numbers[i]`` is the place of exemplar i's word in ``vocabulary``."""

    clips: tuple[ClipRow, ...]
    exemplars: tuple[Exemplar, ...]
    vocabulary: tuple[str, ...]
    word_numbers: tuple[int, ...]


def _manifest_of(path: Path, data: Any) -> IndexManifest:
    if not isinstance(data, dict) or data.pop("kind", None) != "index":
        raise ModelError(f'{path}: not the manifest of an index; expected "kind": "index" - give the folder that \'raggesture index build\' wrote')
    schema = data.pop("schema", None)
    if schema != SCHEMA:
        raise ModelError(f"{path}: schema {schema!r}; expected {SCHEMA} - build the index again with this version")
    try:
        data["speakers"] = tuple(data["speakers"])
        manifest = IndexManifest(**data)
    except (KeyError, TypeError) as fault:
        raise ModelError(f"{path}: incomplete ({fault}); expected what 'raggesture index build' writes - build the index again") from fault
    if manifest.fps != MODEL_FPS:
        raise ModelError(f"{path}: {manifest.fps} fps; expected {MODEL_FPS} - build the index again")
    if set(manifest.files) != set(FILES):
        raise ModelError(f"{path}: lists the files {sorted(manifest.files)}; expected {sorted(FILES)} - build the index again")
    return manifest


def read_manifest(folder: Path) -> IndexManifest:
    """Read the manifest of ``folder`` and hold every file against its checksum.

    Raises:
        ModelError: no index there, another schema, or a file that is missing, truncated or altered.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ModelError(f"{folder}: no {MANIFEST} there; expected the folder of an index - build one with 'raggesture index build CORPUS --out DIR'")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as fault:
        raise ModelError(f"{path}: cannot be read as JSON ({fault}); expected the manifest of an index - build the index again") from fault
    manifest = _manifest_of(path, data)
    for name, digest in manifest.files.items():
        verify_sha256(folder / name, digest)
    return manifest


def write_rows(path: Path, rows: Rows, prominence: tuple[tuple[float, ...], ...]) -> None:
    """Write the SQLite file. ``prominence[k]`` holds one value per word of clip k, or nothing."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(TABLES)
        database.executemany(
            "INSERT INTO clips VALUES (?, ?, ?, ?, ?, ?)",
            [(c.number, c.name, c.speaker, c.frames, c.transcript.language, c.transcript.source) for c in rows.clips],
        )
        database.executemany("INSERT INTO recordings VALUES (?, ?)", [(c.number, c.wave) for c in rows.clips if c.wave])
        for clip, values in zip(rows.clips, prominence, strict=True):
            padded = values or (None,) * len(clip.transcript.words)
            database.executemany(
                "INSERT INTO words VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(clip.number, k, w.text, w.start, w.end, w.after, p) for k, (w, p) in enumerate(zip(clip.transcript.words, padded, strict=True))],
            )
        database.executemany("INSERT INTO vocabulary VALUES (?, ?)", list(enumerate(rows.vocabulary)))
        numbers = {clip.name: clip.number for clip in rows.clips}
        database.executemany(
            "INSERT INTO exemplars VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (e.row, numbers[e.clip], e.kind, e.gesture, e.word, number, e.start, e.end, e.stroke, e.prominence)
                for e, number in zip(rows.exemplars, rows.word_numbers, strict=True)
            ],
        )
        database.commit()
        database.execute("VACUUM")


def read_rows(path: Path) -> Rows:
    """Read the SQLite file (opened immutable: nothing is written beside it)."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
            words: dict[int, list[Word]] = {}
            for clip, text, start, end, after in database.execute("SELECT clip, text, start, end, after FROM words ORDER BY clip, position"):
                words.setdefault(clip, []).append(Word(text, start, end, after))
            has_waves = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'recordings'").fetchone()
            waves = dict(database.execute("SELECT clip, wave FROM recordings").fetchall()) if has_waves else {}
            clips = tuple(
                ClipRow(number, name, speaker, frames, Transcript(tuple(words.get(number, ())), language, source), waves.get(number, ""))
                for number, name, speaker, frames, language, source in database.execute("SELECT * FROM clips ORDER BY number")
            )
            vocabulary = tuple(word for (word,) in database.execute("SELECT word FROM vocabulary ORDER BY number"))
            found = database.execute(
                "SELECT c.name, c.speaker, e.word, e.kind, e.start, e.end, e.stroke, e.gesture, e.prominence, e.row, e.vocabulary "
                "FROM exemplars e JOIN clips c ON c.number = e.clip ORDER BY e.row"
            ).fetchall()
    except sqlite3.Error as fault:
        raise ModelError(f"{path}: cannot be read ({fault}); expected the rows of an index - build the index again") from fault
    return Rows(clips, tuple(Exemplar(*row[:-1]) for row in found), vocabulary, tuple(row[-1] for row in found))
