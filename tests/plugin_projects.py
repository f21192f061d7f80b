"""The plugin projects of this repository as installed distributions: sources and metadata on a path, without pip."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tomli

PLUGINS = Path(__file__).resolve().parents[1] / "plugins"


def lay_metadata(plugin: str, folder: Path) -> tuple[Path, Path]:
    """Write the dist-info of a plugin project into ``folder``; returns the two entries for sys.path."""
    project = tomli.loads((PLUGINS / plugin / "pyproject.toml").read_text())["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "\n".join(f"{name} = {value}" for name, value in project["entry-points"]["raggesture"].items())
    (info / "entry_points.txt").write_text(f"[raggesture]\n{points}\n")
    return folder, PLUGINS / plugin / "src"


@pytest.fixture
def installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], tuple[Path, Path]]]:
    """A function that makes a plugin project importable and discoverable; everything is undone afterwards."""

    def forget() -> None:
        for name in [each for each in sys.modules if each.startswith(("raggesture_broken", "raggesture_example"))]:
            monkeypatch.delitem(sys.modules, name)

    def install(plugin: str) -> tuple[Path, Path]:
        entries = lay_metadata(plugin, tmp_path_factory.mktemp("site"))
        for entry in entries:
            monkeypatch.syspath_prepend(str(entry))
        return entries

    forget()
    yield install
    forget()
