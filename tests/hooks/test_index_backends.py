"""Indexes that lie elsewhere than in a folder: found by their scheme, asked like any other."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict

from raggesture.errors import ConfigError
from raggesture.plugins.hookspecs import GROUP, hookimpl
from raggesture.plugins.locations import backend_of, index_folder, open_index, scheme_of
from raggesture.plugins.manager import INDEX_BACKENDS, PluginManager
from raggesture.retrieval.index import Index
from raggesture.testing import problems_of_part, sample_index


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Drawer:
    """Indexes in the drawer: folders under another name."""

    name: ClassVar[str] = "drawer"
    scheme: ClassVar[str] = "drawer"
    Options: ClassVar[type[BaseModel]] = _Options

    def __init__(self, options: object) -> None: ...

    def open(self, location):
        return Index.open(Path(location.removeprefix("drawer://")))

    def add(self, location, products, library):
        return ()

    def remove(self, location, clips, speakers):
        return ()

    def verify(self, location):
        return ()


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> PluginManager:
    module = ModuleType("a_drawer")

    @hookimpl
    def raggesture_index_backends():
        return [Drawer]

    module.raggesture_index_backends = raggesture_index_backends  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_drawer", module)
    return PluginManager(find=lambda: [metadata.EntryPoint(name="drawer", value="a_drawer", group=GROUP)])


@pytest.mark.parametrize(
    ("location", "scheme"),
    [("starter", ""), ("a/folder", ""), ("/a/folder", ""), ("C:\\folder", ""), ("drawer://x", "drawer"), ("postgresql://h/d#l", "postgresql")],
)
def test_a_scheme_is_what_stands_before_the_slashes(location: str, scheme: str) -> None:
    assert scheme_of(location) == scheme


def test_a_backend_opens_what_has_its_scheme(parts: PluginManager, tmp_path: Path) -> None:
    made = sample_index(tmp_path)
    opened = open_index(f"drawer://{made.path}", parts)
    assert opened.manifest == made.manifest
    assert opened.identity == made.identity
    assert problems_of_part(INDEX_BACKENDS, Drawer) == ()


def test_folders_need_no_backend(parts: PluginManager, tmp_path: Path) -> None:
    made = sample_index(tmp_path)
    assert backend_of(str(made.path), parts) is None
    assert open_index(str(made.path), parts).manifest == made.manifest
    assert index_folder("starter").is_dir()


def test_an_unknown_scheme_names_the_nearest(parts: PluginManager) -> None:
    with pytest.raises(ConfigError, match=r"nobody knows this scheme; .*drawer"):
        open_index("drawr://x", parts)
    with pytest.raises(ConfigError, match="none is installed"):
        open_index("drawer://x", PluginManager(allowed=frozenset()))
