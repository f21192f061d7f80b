"""Where an index lies: a folder, the packaged one, or a place that a plugin's index backend knows (``scheme://...``)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from raggesture.errors import ConfigError, ModelError, did_you_mean
from raggesture.plugins.manager import INDEX_BACKENDS, PluginManager
from raggesture.resources import PACK_NAME, packaged_dir

if TYPE_CHECKING:
    from raggesture.plugins.hookspecs import IndexBackend
    from raggesture.retrieval.index import Index

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://")


def scheme_of(location: str) -> str:
    """What stands before ``://``; empty for a folder."""
    found = _SCHEME.match(location)
    return found.group(1) if found else ""


def backend_of(location: str, parts: PluginManager) -> IndexBackend | None:
    """The backend that knows ``location``; None for a folder.

    Raises:
        ConfigError: no plugin knows the scheme.
    """
    scheme = scheme_of(location)
    if not scheme:
        return None
    schemes = {parts.part(INDEX_BACKENDS, name).cls.scheme: name for name in parts.names(INDEX_BACKENDS)}
    if scheme not in schemes:
        known = did_you_mean(scheme, schemes) if schemes else "expected a folder, or a plugin that brings an index backend (none is installed)"
        faults = f"; not loaded: {', '.join(sorted({fault.plugin for fault in parts.faults}))}, see 'raggesture plugins list'" if parts.faults else ""
        raise ConfigError(f"index {scheme}://...: nobody knows this scheme; {known}{faults}")
    backend: IndexBackend = parts.make(INDEX_BACKENDS, schemes[scheme])
    return backend


def index_folder(location: str) -> Path:
    """The folder of an index that is kept in one.

    Raises:
        ModelError: the packaged one is not there.
    """
    if location != PACK_NAME:
        return Path(location)
    path = packaged_dir(PACK_NAME, "index")
    if not path.is_dir():
        raise ModelError(f"{path}: not there; expected the packaged index - rebuild it (nox -s starter) or name a folder")
    return path


def open_index(location: str, parts: PluginManager) -> Index:
    """Open an index wherever it lies: ``starter``, a folder, or a location of a plugin's backend."""
    backend = backend_of(location, parts)
    if backend is not None:
        return backend.open(location)
    from raggesture.retrieval.index import Index

    return Index.open(index_folder(location))
