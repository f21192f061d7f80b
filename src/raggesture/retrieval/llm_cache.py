"""Answers of language models kept on disk: one small JSON file each, named by a digest of what was asked.

Nothing but the answer is kept: no key, no address with a password. A file is written whole or not at all, so that several
processes may share the folder; one that cannot be read is asked again, one that cannot be written is no error.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raggesture.resources import cache_root

_LOG = logging.getLogger("raggesture")
_LARGEST_BYTES = 1_000_000


def cache_folder() -> Path:
    """Where answers are kept: ``$RAGGESTURE_CACHE/llm``, else below the user's cache folder."""
    return cache_root() / "llm"


def cache_file(model: str, address: str, messages: Sequence[Mapping[str, str]]) -> Path:
    """The file of one question: by model, server (without user, password or query), prompt and text."""
    key = json.dumps({"model": model, "server": address, "messages": list(messages)}, sort_keys=True, ensure_ascii=True)
    return cache_folder() / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


def read_answer(path: Path) -> Mapping[str, Any] | None:
    """What was kept; None where there is nothing, or nothing that can be read."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            return None
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def write_answer(path: Path, answer: Mapping[str, Any]) -> None:
    """Keep an answer."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(answer, stream, ensure_ascii=True)
            Path(partial).replace(path)
        finally:
            Path(partial).unlink(missing_ok=True)
    except OSError as fault:
        _LOG.debug("llm: the answer is not kept (%s)", fault)
