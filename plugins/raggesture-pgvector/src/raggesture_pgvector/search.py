"""Searching on the server: the rows that can be among the best for a query, by the same terms as the embedded index.

The server adds up kind, word, similarity (pgvector's inner product), speaker and prominence and sends back the best few hundred rows; the shared
ranking then scores those rows again, so that scores, terms and their order are the embedded index's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray

from raggesture.retrieval.rank import Weights
from raggesture.retrieval.words import clean_word
from raggesture.types import Query
from raggesture_pgvector.schema import Address, statement

SPARE = 4
"""Rows fetched for each hit wanted: the server's sums differ in the last bits, and the best hit may need another with more room in its clip."""
LEAST = 200

_SCORED = """
WITH said AS MATERIALIZED (
  SELECT number, word, greatest(0, least(1, -(vector <#> %(vector)s))) AS alike FROM {lib}.vocabulary)
SELECT e.row FROM {lib}.exemplars e JOIN said ON said.number = e.vocabulary
WHERE {wanted} AND NOT e.clip IN (SELECT number FROM {lib}.clips WHERE name = ANY(%(without)s))
ORDER BY %(w_kind)s * (e.kind = %(kind)s)::int
  + CASE WHEN said.word = %(word)s AND %(word)s <> '' THEN %(w_word)s ELSE %(w_similarity)s * said.alike END
  + %(w_speaker)s * (e.speaker = %(speaker)s AND %(speaker)s <> '')::int
  + CASE WHEN %(prominence)s::float8 IS NULL OR e.prominence IS NULL THEN 0
         ELSE %(w_prominence)s / (1 + 2 * abs(e.prominence - %(prominence)s::float8)) END DESC, e.row
LIMIT %(limit)s
"""
_NEAR = """
WITH near AS MATERIALIZED (SELECT number FROM {lib}.vocabulary ORDER BY vector <#> %(vector)s LIMIT %(limit)s)
SELECT word, -(vector <#> %(vector)s) FROM {lib}.vocabulary JOIN near USING (number) ORDER BY 2 DESC, number
"""


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What to look for. ``without``: names of clips that are not to be used; ``limit``: hits wanted."""

    query: Query
    weights: Weights
    without: tuple[str, ...]
    limit: int


def best_rows(connection: psycopg.Connection, address: Address, wanted: Narrowing, vector: NDArray[np.float32]) -> tuple[int, ...]:
    """Numbers of the rows that hold the best hits, in the order of the library.

    Args:
        vector: (D,) unit vector of the query's word.
    """
    query, weights = wanted.query, wanted.weights
    condition = "e.gesture = %(gesture)s" if query.gesture else "e.kind = %(kind)s"
    values = {
        "vector": vector,
        "kind": query.kind,
        "gesture": query.gesture,
        "word": clean_word(query.word),
        "speaker": query.speaker,
        "prominence": query.prominence,
        "without": list(wanted.without),
        "limit": max(SPARE * wanted.limit, LEAST),
        "w_kind": weights.kind,
        "w_word": weights.word,
        "w_similarity": weights.similarity,
        "w_speaker": weights.speaker,
        "w_prominence": weights.prominence,
    }
    found = connection.execute(statement(_SCORED.replace("{wanted}", condition), address), values).fetchall()
    return tuple(sorted(int(row) for (row,) in found))


def nearest_words(connection: psycopg.Connection, address: Address, vector: NDArray[np.float32], k: int) -> tuple[tuple[str, float], ...]:
    """The ``k`` words nearest to ``vector`` with their cosine, by pgvector's neighbour graph."""
    with connection.transaction():
        connection.execute("SELECT set_config('hnsw.ef_search', %s, true)", (str(min(max(2 * k, 64), 1000)),))
        found = connection.execute(statement(_NEAR, address), {"vector": vector, "limit": k}).fetchall()
    return tuple((str(word), float(cosine)) for word, cosine in found)


def missing_clips(connection: psycopg.Connection, address: Address, names: Collection[str]) -> tuple[str, ...]:
    """Those of ``names`` that the library does not hold."""
    found = connection.execute(statement("SELECT name FROM {lib}.clips WHERE name = ANY(%s)", address), (list(names),)).fetchall()
    return tuple(sorted(set(names) - {name for (name,) in found}))
