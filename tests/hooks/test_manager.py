"""The plugin manager: what loads when, and what a broken plugin can and cannot do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from raggesture.errors import ConfigError
from raggesture.plugins.hookspecs import HookSpecs
from raggesture.plugins.manager import BUILTINS, EXPORTERS, KINDS, RETRIEVERS, SCHEDULES, PluginManager, installed_entry_points

Install = Callable[[str], tuple[Path, Path]]


def _ours(plugin: str) -> Callable[[], Sequence[EntryPoint]]:
    return lambda: [point for point in installed_entry_points() if point.value.startswith(plugin.replace("-", "_"))]


@pytest.fixture
def broken(installed: Install) -> PluginManager:
    installed("raggesture-broken")
    return PluginManager(find=_ours("raggesture-broken"))


def test_every_hook_has_its_kind_and_its_builtins() -> None:
    hooks = {name for name in dir(HookSpecs) if name.startswith("raggesture_")}
    assert hooks == {kind.hook for kind in KINDS} == {kind.hook for kind in BUILTINS}


def test_builtins_load_and_none_is_faulty() -> None:
    manager = PluginManager(find=lambda: [])
    assert {"llm", "discourse", "gesture-type", "none"} <= set(manager.names(RETRIEVERS))
    assert {"npz", "html"} <= set(manager.names(EXPORTERS))
    published = {"decreasing", "increasing", "drop_decreasing_till_25", "step_increasing_from_25", "decreasing_till_25", "increasing_from_25"}
    assert published | {"hold"} <= set(manager.names(SCHEDULES))
    assert manager.faults == ()


def test_asking_for_a_builtin_imports_no_third_party() -> None:
    def explode() -> Sequence[EntryPoint]:
        raise AssertionError("third parties were looked for")

    manager = PluginManager(find=explode)
    assert manager.part(SCHEDULES, "hold").builtin
    assert manager.make(SCHEDULES, "hold").rates(10) == (1.0,) * 8 + (0.0,) * 2
    with pytest.raises(AssertionError):
        manager.part(SCHEDULES, "unheard-of")


def test_a_third_party_is_found_and_made(installed: Install) -> None:
    installed("raggesture-example")
    manager = PluginManager(find=_ours("raggesture-example"))
    part = manager.part(RETRIEVERS, "emphasis")
    assert (part.plugin, part.distribution, part.builtin) == ("example", "raggesture-example 0.1.0", False)
    assert manager.make(SCHEDULES, "ease").rates(4)[0] == 1.0
    assert manager.faults == ()


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        ("broken-import", "ImportError: this module needs a library that nobody has"),
        ("broken-exit", "SystemExit: no licence found"),
        ("broken-missing", "ModuleNotFoundError"),
        ("broken-hook", "raggesture_retrievers raised RuntimeError: the hook fell over"),
        ("broken-answer", "raggesture_exporters returned int; expected a list"),
        ("broken-misspelt", "unknown hook 'raggesture_retriever'"),
        ("broken-taken", "the guidance schedule name 'hold' is taken by the built-in of raggesture"),
    ],
)
def test_each_way_to_be_broken_is_one_fault(broken: PluginManager, plugin: str, reason: str) -> None:
    broken.load_third_parties()
    faults = [fault for fault in broken.faults if fault.plugin == plugin]
    assert len(faults) == 1 and reason in faults[0].reason
    assert faults[0].distribution == "raggesture-broken 0.2.0"
    assert "\n" not in str(faults[0]) and "not loaded" in str(faults[0])


def test_a_name_that_is_taken_names_both(broken: PluginManager) -> None:
    broken.load_third_parties()
    fault = next(str(fault) for fault in broken.faults if fault.plugin == "broken-taken")
    assert "raggesture-broken 0.2.0" in fault and "built-in of raggesture 0." in fault
    assert broken.part(SCHEDULES, "hold").builtin


def test_of_two_third_parties_with_one_name_the_first_stays_and_both_are_named(installed: Install) -> None:
    installed("raggesture-broken")
    installed("raggesture-example")
    ours = [point for point in installed_entry_points() if point.name == "example"]
    again = EntryPoint("second", ours[0].value, ours[0].group)._for(next(p.dist for p in installed_entry_points() if p.name == "broken-taken"))
    manager = PluginManager(find=lambda: [*ours, again])
    assert manager.part(RETRIEVERS, "emphasis").plugin == "example"
    told = [str(fault) for fault in manager.faults if fault.plugin == "second" and "'emphasis'" in fault.reason]
    assert len(told) == 1 and "plugin 'example' of raggesture-example 0.1.0" in told[0] and "raggesture-broken 0.2.0" in told[0]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("wrong-arguments", "rates cannot take 1 argument"),
        ("no-method", "no method rates"),
        ("loose-options", "extra="),
        ("needy-options", "no default for anything"),
        ("no-options", "no pydantic model"),
    ],
)
def test_asking_for_a_broken_part_repeats_its_fault(broken: PluginManager, name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        broken.part(SCHEDULES, name)
    assert "unknown" not in str(caught.value) and "raggesture-broken 0.2.0" in str(caught.value)


def test_a_good_part_beside_bad_ones_survives(broken: PluginManager) -> None:
    assert broken.make(SCHEDULES, "good").rates(3) == (0.0, 0.0, 0.0)
    rejected = [fault for fault in broken.faults if fault.plugin == "broken-signature"]
    assert len(rejected) == 7


def test_asking_for_a_plugin_that_could_not_say_its_names(broken: PluginManager) -> None:
    with pytest.raises(ConfigError, match="nobody has"):
        broken.part(RETRIEVERS, "broken-import")


def test_a_constructor_that_raises_is_the_plugins_fault(broken: PluginManager) -> None:
    with pytest.raises(ConfigError, match=r"raggesture-broken 0\.2\.0.*no weights here"):
        broken.make(RETRIEVERS, "unmakeable")


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'discourse'") as caught:
        PluginManager(find=lambda: []).part(RETRIEVERS, "discource")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("environ", "loads"),
    [({}, True), ({"RAGGESTURE_PLUGINS": ""}, False), ({"RAGGESTURE_PLUGINS": "other, example"}, True), ({"RAGGESTURE_PLUGINS": "other"}, False)],
)
def test_the_environment_turns_plugins_off(installed: Install, environ: dict[str, str], loads: bool) -> None:
    installed("raggesture-example")
    manager = PluginManager.from_environment(environ)
    assert ("emphasis" in manager.names(RETRIEVERS)) is loads
    if not loads:
        assert "raggesture_example" not in sys.modules
        assert [info.state for info in manager.plugins() if info.plugin == "example"] == ["off"]


def test_a_restricted_manager_loads_less(installed: Install) -> None:
    installed("raggesture-example")
    manager = PluginManager(find=_ours("raggesture-example"))
    assert manager.restricted_to(None) is manager
    assert "emphasis" not in manager.restricted_to(["nothing"]).names(RETRIEVERS)
    assert "emphasis" in manager.restricted_to(["example"]).names(RETRIEVERS)
    assert "emphasis" not in PluginManager(allowed=frozenset(), find=_ours("raggesture-example")).restricted_to(["example"]).names(RETRIEVERS)


def test_plugins_list_works_with_every_plugin_broken(broken: PluginManager) -> None:
    states = {info.plugin: info.state for info in broken.plugins()}
    assert states["schedules"] == "loaded" and states["broken-import"] == states["broken-signature"] == "faulty"


def test_schedules_are_found_without_torch() -> None:
    head = "import sys; from raggesture.plugins.manager import *; "
    code = head + "assert PluginManager(find=lambda: []).names(SCHEDULES, third_parties=False); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
