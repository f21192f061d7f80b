"""The tables of a shared gesture library on PostgreSQL with pgvector.

One library is one schema of a database: its name comes after ``#`` in the address (``postgresql://host/db#lectures``; default
``gestures``). What an embedded index keeps in files lies in tables: packed tracks as bytes that run no code (safetensors),
word and sentence vectors as pgvector's types.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from raggesture.errors import ConfigError, ModelError, ServiceError

SCHEMA = 1
DEFAULT_LIBRARY = "gestures"
SCHEMES = ("postgresql", "postgres")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")

TABLES = """
CREATE SCHEMA {lib};
CREATE TABLE {lib}.library (
  one boolean PRIMARY KEY DEFAULT true CHECK (one), schema integer NOT NULL, fps double precision NOT NULL,
  text_encoder text NOT NULL, text_dim integer NOT NULL, audio_encoder text NOT NULL, audio_dim integer NOT NULL,
  licence text NOT NULL, grid text NOT NULL, version bigint NOT NULL DEFAULT 0);
CREATE TABLE {lib}.clips (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, speaker text NOT NULL, frames integer NOT NULL,
  language text NOT NULL, source text NOT NULL, wave text NOT NULL, voice text NOT NULL, checksum text NOT NULL, tracks bytea NOT NULL);
ALTER TABLE {lib}.clips ALTER COLUMN tracks SET STORAGE EXTERNAL;
CREATE TABLE {lib}.words (
  clip bigint NOT NULL REFERENCES {lib}.clips ON DELETE CASCADE, position integer NOT NULL, text text NOT NULL,
  "start" double precision NOT NULL, "end" double precision NOT NULL, "after" text NOT NULL, prominence double precision,
  PRIMARY KEY (clip, position));
CREATE TABLE {lib}.vocabulary (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, word text NOT NULL UNIQUE, vector vector({dim}) NOT NULL);
CREATE TABLE {lib}.sentences (
  clip bigint NOT NULL REFERENCES {lib}.clips ON DELETE CASCADE, position integer NOT NULL, first integer NOT NULL, stop integer NOT NULL,
  vector halfvec({dim}) NOT NULL, PRIMARY KEY (clip, position));
CREATE TABLE {lib}.exemplars (
  row bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, clip bigint NOT NULL REFERENCES {lib}.clips ON DELETE CASCADE, speaker text NOT NULL,
  kind text NOT NULL, gesture text NOT NULL, word text NOT NULL, vocabulary bigint NOT NULL REFERENCES {lib}.vocabulary,
  "start" double precision NOT NULL, "end" double precision NOT NULL, stroke double precision NOT NULL, prominence double precision,
  hand text NOT NULL, derived text NOT NULL, sentence integer NOT NULL, "window" integer NOT NULL);
CREATE INDEX ON {lib}.exemplars (kind, vocabulary);
CREATE INDEX ON {lib}.exemplars (gesture) WHERE gesture <> '';
CREATE INDEX ON {lib}.exemplars (clip);
CREATE INDEX ON {lib}.vocabulary USING hnsw (vector vector_ip_ops);
"""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a library is. ``shown`` may be printed and kept in a trace: it never holds a password."""

    dsn: str
    library: str

    @property
    def shown(self) -> str:
        """The address as it was given."""
        return f"{self.dsn}#{self.library}"

    @classmethod
    def parse(cls, location: str) -> Address:
        """Take an address apart.

        Raises:
            ConfigError: a password in it (it would end up in traces and shell histories), or a library name that cannot be.
        """
        parts = urlsplit(location)
        secret = bool(parts.password) or any(key.lower() in ("password", "sslpassword") for key, _ in parse_qsl(parts.query))
        if secret:
            raise ConfigError(f"{parts.scheme}://{parts.hostname or ''}: the address holds a secret; expected none - set PGPASSWORD or PGPASSFILE instead")
        library = parts.fragment or DEFAULT_LIBRARY
        if not _NAME.fullmatch(library):
            raise ConfigError(f"{parts.scheme}://{parts.hostname or ''}: library {library!r}; expected a name like {_NAME.pattern} after '#' - choose another")
        return cls(urlunsplit((*parts[:4], "")), library)


def connect(address: Address, timeout_s: int) -> psycopg.Connection:
    """Open a connection with pgvector's types known.

    Raises:
        ServiceError: the server cannot be reached or refuses. ModelError: it has no pgvector.
    """
    from pgvector.psycopg import register_vector

    try:
        connection = psycopg.connect(address.dsn, connect_timeout=timeout_s, autocommit=True)
    except psycopg.Error as fault:
        reason = " ".join(str(fault).split())
        raise ServiceError(f"{address.shown}: cannot be reached ({reason}); expected a PostgreSQL server - start it or correct the address") from fault
    try:
        register_vector(connection)
    except psycopg.ProgrammingError:
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            register_vector(connection)
        except psycopg.Error as fault:
            connection.close()
            reason = " ".join(str(fault).split())
            raise ModelError(f"{address.shown}: the server has no pgvector ({reason}); expected the extension 'vector' - install it there") from fault
    return connection


def exists(connection: psycopg.Connection, address: Address) -> bool:
    """Whether the library is there."""
    return connection.execute("SELECT to_regclass(%s)", (f"{address.library}.library",)).fetchone() != (None,)


def create(connection: psycopg.Connection, address: Address, text_dim: int) -> None:
    """Make the tables of an empty library; the caller's transaction decides whether they stay."""
    connection.execute(sql.SQL(TABLES).format(lib=sql.Identifier(address.library), dim=sql.Literal(text_dim)))


def statement(text: str, address: Address) -> sql.Composed:
    """A statement with the library's name in the place of ``{lib}``."""
    return sql.SQL(text).format(lib=sql.Identifier(address.library))  # type: ignore[arg-type]
