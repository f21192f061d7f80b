"""A raggesture plugin: indexes on PostgreSQL with pgvector, shared by many workers."""

from __future__ import annotations

from raggesture.plugins.hookspecs import hookimpl
from raggesture_pgvector.backend import PgVector

__all__ = ["PgVector"]


@hookimpl
def raggesture_index_backends() -> list[type]:
    """The index backends of this package."""
    return [PgVector]
