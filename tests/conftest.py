"""Fixtures shared by all tests: where goldens and real recordings lie, when they are there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
SHARED = Path(__file__).resolve().parents[2] / "shared"


def _shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{name}: not beside this checkout (goldens and recordings are not part of the project)")
    return folder


@pytest.fixture(scope="session")
def goldens() -> Path:
    return _shared("goldens")


@pytest.fixture(scope="session")
def real_speech() -> Path:
    return _shared("speech")


@pytest.fixture(scope="session")
def beat2_mini() -> Path:
    return _shared("beat2-mini")
