"""Changing a library: each clip goes in, or goes, in a transaction of its own, so that many writers work at once and a killed one leaves nothing half.

Two writers may bring the same new words; both insert them in one order (sorted) and take what is there already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray
from safetensors.numpy import load, save

from raggesture.clock import MODEL_FPS
from raggesture.encoders.base import AudioEncoder, TextEncoder
from raggesture.errors import InputError, ModelError
from raggesture.retrieval.product import Product
from raggesture.retrieval.words import clean_word
from raggesture_pgvector.schema import SCHEMA, Address, create, exists, statement

_LOCK = 0x67657374


@dataclass(frozen=True, slots=True)
class LibraryFacts:
    """What a library says of itself. ``version`` grows with every change."""

    text_encoder: str
    text_dim: int
    audio_encoder: str
    audio_dim: int
    licence: str
    grid: str
    version: int


def read_facts(connection: psycopg.Connection, address: Address) -> LibraryFacts:
    """The library's own row.

    Raises:
        ModelError: no library there, or one of another schema or frame rate.
    """
    if not exists(connection, address):
        raise ModelError(f"{address.shown}: no library there; expected one - build it with 'raggesture index build CORPUS --out {address.shown}'")
    text = "SELECT schema, fps, text_encoder, text_dim, audio_encoder, audio_dim, licence, grid, version FROM {lib}.library"
    found = connection.execute(statement(text, address)).fetchone()
    if found is None or found[0] != SCHEMA:
        raise ModelError(f"{address.shown}: schema {found and found[0]!r}; expected {SCHEMA} - build the library again with this version")
    if found[1] != MODEL_FPS:
        raise ModelError(f"{address.shown}: {found[1]} fps; expected {MODEL_FPS} - build the library again")
    return LibraryFacts(*found[2:])


def ensure_library(
    connection: psycopg.Connection, address: Address, text: TextEncoder, audio: AudioEncoder, licence: str, grid: str = "stroke"
) -> LibraryFacts:
    """The library, made if it is not there.

    Raises:
        ModelError: it was built with other encoders.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, address.library))  # two makers at once: the second finds it made
        if not exists(connection, address):
            create(connection, address, text.dim)
            values = (SCHEMA, float(MODEL_FPS), text.name, text.dim, audio.name, audio.dim, licence, grid)
            columns = "schema, fps, text_encoder, text_dim, audio_encoder, audio_dim, licence, grid"
            connection.execute(statement(f"INSERT INTO {{lib}}.library ({columns}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", address), values)
    facts = read_facts(connection, address)
    for what, ours, theirs in (("text", text.name, facts.text_encoder), ("audio", audio.name, facts.audio_encoder)):
        if ours != theirs:
            raise ModelError(f"{address.shown}: its {what} encoder is {theirs!r}; expected {ours!r} - use the library's encoders or another library")
    return facts


def drop_library(connection: psycopg.Connection, address: Address) -> None:
    """Remove a library and all it holds."""
    connection.execute(statement("DROP SCHEMA IF EXISTS {lib} CASCADE", address))


def _vocabulary(connection: psycopg.Connection, address: Address, words: Sequence[str], encoder: TextEncoder) -> dict[str, int]:
    """Numbers of words, which are put in where they are new."""
    wanted = sorted(set(words))
    select = statement("SELECT word, number FROM {lib}.vocabulary WHERE word = ANY(%s)", address)
    known = dict(connection.execute(select, (wanted,)).fetchall())
    new = [word for word in wanted if word not in known]
    if new:
        spoken = [word for word in new if word]
        vectors = dict(zip(spoken, np.asarray(encoder.sentences(spoken), np.float16).astype(np.float32), strict=True)) if spoken else {}
        silent = np.zeros(encoder.dim, np.float32)
        insert = statement("INSERT INTO {lib}.vocabulary (word, vector) VALUES (%s, %s) ON CONFLICT (word) DO NOTHING", address)
        with connection.cursor() as cursor:
            cursor.executemany(insert, [(word, vectors.get(word, silent)) for word in new])
        known = dict(connection.execute(select, (wanted,)).fetchall())
    return known


def pack_tracks(product: Product) -> bytes:
    """A clip's arrays as safetensors."""
    return save({name: np.ascontiguousarray(array) for name, array in product.arrays.items()})


def unpack_tracks(data: bytes, checksum: str, name: str) -> dict[str, NDArray[np.generic]]:
    """Inverse of ``pack_tracks``.

    Raises:
        ModelError: the bytes are not those that were written.
    """
    if hashlib.sha256(data).hexdigest() != checksum:
        raise ModelError(f"library: clip {name!r}: its tracks do not match their checksum; expected what was written - remove the clip and add it again")
    return dict(load(data))


def add_product(connection: psycopg.Connection, address: Address, product: Product, encoder: TextEncoder) -> None:
    """Put one clip in, in one transaction.

    Raises:
        InputError: a clip of that name is there.
    """
    words = [clean_word(event.exemplar.word) for event in product.events]
    tracks = pack_tracks(product)
    with connection.transaction():
        numbers = _vocabulary(connection, address, words, encoder)
        row = (product.name, product.speaker, product.frames, product.transcript.language, product.transcript.source, product.wave, product.voice)
        columns = "name, speaker, frames, language, source, wave, voice, checksum, tracks"
        insert = f"INSERT INTO {{lib}}.clips ({columns}) VALUES ({', '.join(['%s'] * 9)}) ON CONFLICT (name) DO NOTHING RETURNING number"
        made = connection.execute(statement(insert, address), (*row, hashlib.sha256(tracks).hexdigest(), tracks)).fetchone()
        if made is None:
            raise InputError(f"clip {product.name}: the library holds one of that name; expected a new name - remove it first ('raggesture index remove')")
        clip = int(made[0])
        _copy_words(connection, address, clip, product)
        _copy_sentences(connection, address, clip, product)
        _copy_events(connection, address, clip, product, [numbers[word] for word in words])
        connection.execute(statement("UPDATE {lib}.library SET version = version + 1", address))  # last: other writers wait only from here


def _copy_words(connection: psycopg.Connection, address: Address, clip: int, product: Product) -> None:
    padded = product.prominence or (None,) * len(product.transcript.words)
    text = 'COPY {lib}.words (clip, position, text, "start", "end", "after", prominence) FROM STDIN'
    with connection.cursor() as cursor, cursor.copy(statement(text, address)) as copy:
        for k, (word, prominence) in enumerate(zip(product.transcript.words, padded, strict=True)):
            copy.write_row((clip, k, word.text, word.start, word.end, word.after, prominence))


def _copy_sentences(connection: psycopg.Connection, address: Address, clip: int, product: Product) -> None:
    from pgvector import HalfVector

    text = "COPY {lib}.sentences (clip, position, first, stop, vector) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(statement(text, address)) as copy:
        for k, ((first, stop), vector) in enumerate(zip(product.spans, product.sentences, strict=True)):
            copy.write_row((clip, k, first, stop, HalfVector(vector)))


def _copy_events(connection: psycopg.Connection, address: Address, clip: int, product: Product, numbers: Sequence[int]) -> None:
    columns = 'clip, speaker, kind, gesture, word, vocabulary, "start", "end", stroke, prominence, hand, derived, sentence, "window"'
    with connection.cursor() as cursor, cursor.copy(statement(f"COPY {{lib}}.exemplars ({columns}) FROM STDIN", address)) as copy:
        for event, number in zip(product.events, numbers, strict=True):
            e = event.exemplar
            times = (e.start, e.end, e.stroke, e.prominence)
            copy.write_row((clip, e.speaker, e.kind, e.gesture, e.word, number, *times, e.hand, e.derived, event.sentence, event.window))


def remove_clips(connection: psycopg.Connection, address: Address, names: Collection[str], speakers: Collection[str]) -> tuple[str, ...]:
    """Take clips out, by name or by speaker; their names, sorted. Words that nobody says any more stay in the vocabulary."""
    text = "DELETE FROM {lib}.clips WHERE name = ANY(%s) OR speaker = ANY(%s) RETURNING name"
    with connection.transaction():
        gone = connection.execute(statement(text, address), (sorted(names), sorted(speakers))).fetchall()
        if gone:
            connection.execute(statement("UPDATE {lib}.library SET version = version + 1", address))
    return tuple(sorted(name for (name,) in gone))


def held_as(connection: psycopg.Connection, address: Address, name: str) -> str:
    """Checksum of a clip's tracks as the library holds them; empty where it holds no clip of that name."""
    found = connection.execute(statement("SELECT checksum FROM {lib}.clips WHERE name = %s", address), (name,)).fetchone()
    return str(found[0]) if found else ""


def faults_of(connection: psycopg.Connection, address: Address) -> tuple[str, ...]:
    """What is wrong with a library: tracks that do not match their checksum, events outside their clip, vectors that are no unit vectors."""
    faults = []
    with connection.transaction(), connection.cursor(name="verify") as cursor:  # a server-side cursor: one clip in memory at a time
        cursor.itersize = 16
        cursor.execute(statement("SELECT name, checksum, tracks FROM {lib}.clips ORDER BY number", address))
        for name, checksum, tracks in cursor:
            if hashlib.sha256(tracks).hexdigest() != checksum:
                faults.append(f"clip {name!r}: its tracks do not match their checksum")
    outside = "SELECT e.row, c.name FROM {lib}.exemplars e JOIN {lib}.clips c ON c.number = e.clip WHERE NOT (e.stroke >= 0 AND e.stroke < c.frames / %s)"
    faults += [f"event {row}: its stroke lies outside clip {name!r}" for row, name in connection.execute(statement(outside, address), (float(MODEL_FPS),))]
    crooked = "SELECT word FROM {lib}.vocabulary WHERE word <> '' AND abs(vector_norm(vector) - 1) > 0.01"
    faults += [f"word {word!r}: its vector has another length than 1" for (word,) in connection.execute(statement(crooked, address))]
    return tuple(faults)
