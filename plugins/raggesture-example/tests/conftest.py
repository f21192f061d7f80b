"""Where the toy corpus lies."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[3] / "tests"
if TESTS.is_dir():
    sys.path.insert(0, str(TESTS))  # the toy corpus of raggesture's own tests
