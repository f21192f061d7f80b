"""The guide for authors of plugins says what the code says, and the plugin in it works."""

from __future__ import annotations

import inspect
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

from raggesture.plugins import hookspecs
from raggesture.plugins.manager import KINDS, RETRIEVERS, SCHEDULES, PluginManager
from raggesture.testing import problems_of_part

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "plugins.md"
PROTOCOLS = tuple(
    cls for cls in vars(hookspecs).values() if inspect.isclass(cls) and getattr(cls, "_is_protocol", False) and getattr(cls, "_is_runtime_protocol", False)
)


@pytest.fixture(scope="module")
def guide() -> str:
    return GUIDE.read_text(encoding="utf-8")


def _signature(function: object) -> str:
    return str(inspect.signature(function)).replace("'", "")  # type: ignore[arg-type]


def test_every_hook_stands_in_the_table_with_its_signature(guide: str) -> None:
    hooks = {name: function for name, function in vars(hookspecs.HookSpecs).items() if name.startswith("raggesture_")}
    listed = re.findall(r"^\| `(raggesture_\w+)(\(\) -> [^`]+)` \|", guide, flags=re.MULTILINE)
    assert dict(listed) == {name: _signature(function).replace("(self)", "()") for name, function in hooks.items()}
    assert set(hooks) == {kind.hook for kind in KINDS}


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda cls: cls.__name__)
def test_every_protocol_stands_there_whole(guide: str, protocol: type) -> None:
    block = re.search(rf"^class {protocol.__name__}\(Protocol\):\n((?:    .*\n|\n)+)", guide, flags=re.MULTILINE)
    assert block, f"{protocol.__name__} is not in the guide"
    lines = {line.strip() for line in block.group(1).splitlines() if line.strip()}
    methods = {name: function for name, function in vars(protocol).items() if inspect.isfunction(function) and (name == "__init__" or name[0] != "_")}
    wanted = {f"def {name}{_signature(function)}: ..." for name, function in methods.items() if function.__name__ != "_no_init_or_replace_init"}
    attributes = {f"{name}: {annotation}" for name, annotation in protocol.__annotations__.items()}
    assert lines == wanted | attributes


def test_the_plugin_of_the_guide_works(guide: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^`(?P<path>[\w./-]+)`.*?```\w+\n(?P<text>.*?)```", guide, flags=re.MULTILINE | re.DOTALL)
    files = {path: text for path, text in blocks if path.endswith((".py", ".toml"))}
    assert set(files) == {"pyproject.toml", "src/raggesture_loud/__init__.py", "tests/test_contract.py"}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    point = metadata.EntryPoint(name="loud", value="raggesture_loud", group=hookspecs.GROUP)
    assert 'loud = "raggesture_loud"' in files["pyproject.toml"]
    try:
        manager = PluginManager(find=lambda: [point])
        part = manager.part(RETRIEVERS, "loud")
        assert manager.faults == ()
        assert problems_of_part(RETRIEVERS, part.cls) == ()
        contract: dict[str, type] = {}
        exec(compile(files["tests/test_contract.py"], "guide", "exec"), contract)  # our own text
        assert contract["TestLoud"].part is part.cls  # type: ignore[attr-defined]
    finally:
        sys.modules.pop("raggesture_loud", None)


def test_every_schedule_stands_in_its_table(guide: str) -> None:
    table = guide.split("<!-- schedules: held against the code by a test -->")[1].split("\n\n")[0]
    rows = [line.split("|") for line in table.strip().splitlines()[2:]]
    listed = {name: re.findall(r"`(\w+)`", row[3].replace("`stop`", "")) for row in rows for name in re.findall(r"`(\w+)`", row[1])}
    manager = PluginManager(find=lambda: [])
    shared = {"start", "stop", "rate"}
    assert set(listed) == set(manager.names(SCHEDULES))
    for name, options in listed.items():
        assert set(manager.part(SCHEDULES, name).cls.Options.model_fields) == shared | set(options), name
