"""The index backend ``pgvector``: ``postgresql://host/database#library`` wherever an index's folder may stand."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from raggesture.errors import UsageError

if TYPE_CHECKING:
    from raggesture.plugins.hookspecs import Library
    from raggesture.retrieval.index import Index
    from raggesture.retrieval.product import Product


class PgVectorOptions(BaseModel):
    """How to reach the server."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    timeout_s: int = Field(10, ge=1, description="Seconds to wait for the server.")


class PgVector:
    """Indexes on a PostgreSQL server with pgvector: one library that grows, shared by many workers. The password comes from PGPASSWORD or PGPASSFILE."""

    name: ClassVar[str] = "pgvector"
    scheme: ClassVar[str] = "postgresql"
    Options: ClassVar[type[BaseModel]] = PgVectorOptions

    def __init__(self, options: PgVectorOptions) -> None:
        self._timeout_s = options.timeout_s

    def open(self, location: str) -> Index:
        """Open the library at ``location``."""
        from raggesture_pgvector.pgindex import PgIndex
        from raggesture_pgvector.schema import Address

        return PgIndex.at(Address.parse(location), timeout_s=self._timeout_s)

    def add(self, location: str, products: Iterable[Product], library: Library) -> tuple[str, ...]:
        """Put clips in, each in a transaction of its own. A clip that is there with the same content is passed over, so that an interrupted run goes on."""
        from raggesture_pgvector.pgindex import answering
        from raggesture_pgvector.schema import Address, connect
        from raggesture_pgvector.writer import add_product, drop_library, ensure_library, held_as, pack_tracks

        address = Address.parse(location)
        with answering(address), connect(address, self._timeout_s) as connection:
            if library.replace:
                drop_library(connection, address)
            facts = ensure_library(connection, address, library.text_encoder, library.audio_encoder, library.licence, library.grid)
            if facts.grid != library.grid:
                raise UsageError(f"{address.shown}: cut by {facts.grid!r}; expected {library.grid!r} - use the library's way or another library")
            added = []
            for product in products:
                if held_as(connection, address, product.name) != hashlib.sha256(pack_tracks(product)).hexdigest():
                    add_product(connection, address, product, library.text_encoder)
                    added.append(product.name)
                if library.progress is not None:
                    library.progress(product.name)
        return tuple(added)

    def remove(self, location: str, clips: Collection[str], speakers: Collection[str]) -> tuple[str, ...]:
        """Take clips out, by name or by speaker, all in one transaction; returns their names, sorted."""
        from raggesture_pgvector.pgindex import answering
        from raggesture_pgvector.schema import Address, connect
        from raggesture_pgvector.writer import read_facts, remove_clips

        address = Address.parse(location)
        with answering(address), connect(address, self._timeout_s) as connection:
            read_facts(connection, address)
            return remove_clips(connection, address, clips, speakers)

    def verify(self, location: str) -> tuple[str, ...]:
        """Hold every clip's tracks against their checksum, and every event against its clip."""
        from raggesture_pgvector.pgindex import answering
        from raggesture_pgvector.schema import Address, connect
        from raggesture_pgvector.writer import faults_of, read_facts

        address = Address.parse(location)
        with answering(address), connect(address, self._timeout_s) as connection:
            read_facts(connection, address)
            return faults_of(connection, address)
