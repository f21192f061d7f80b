"""``raggesture plugins``: what is installed, what works, what is wrong. Works with every plugin broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from raggesture.cli import options as o
from raggesture.cli.console import result, result_json, table
from raggesture.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from raggesture.plugins.manager import Part, PluginInfo

SCHEMA = 1
_FACTS = ("meaning", "unit", "direction", "needs", "source")
"""What a metric says of itself."""
app = typer.Typer(no_args_is_help=True, help="Retrievers, guidance schedules, formats and metrics: built-in and installed.")


def _all() -> tuple[PluginInfo, ...]:
    from raggesture.plugins.manager import PluginManager

    return PluginManager.from_environment().plugins()


def _info_json(info: PluginInfo) -> dict[str, Any]:
    return {
        "plugin": info.plugin,
        "distribution": info.distribution,
        "state": info.state,
        "parts": [{"kind": part.kind.label, "name": part.name, "builtin": part.builtin} for part in info.parts],
        "faults": [{"part": fault.part, "reason": fault.reason} for fault in info.faults],
    }


@app.command("list")
def list_plugins(as_json: o.Json = False, verbose: o.Verbose = False, quiet: o.Quiet = False) -> None:
    """List every plugin with its parts, and what is wrong with it."""
    with o.command(verbose=verbose, quiet=quiet):
        found = _all()
        if as_json:
            result_json({"schema": SCHEMA, "plugins": [_info_json(info) for info in found]})
            return
        rows = []
        for info in found:
            parts = ", ".join(f"{part.name}" for part in info.parts)
            rows.append((info.plugin, info.distribution, info.state, parts or "-", "; ".join(fault.reason for fault in info.faults)))
        table(("plugin", "from", "state", "parts", "fault"), rows)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A retriever, guidance schedule, format or metric.")],
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Show a part: who brings it, what it does, its options."""
    with o.command(verbose=verbose, quiet=quiet):
        found = _all()
        parts = [part for info in found for part in info.parts if part.name == name]
        if not parts:
            faults = [fault for info in found for fault in info.faults if name in (fault.part, fault.plugin)]
            if faults:
                raise ConfigError(f"{name!r}: {faults[0]}; expected a working plugin - ask its author")
            raise ConfigError(f"part {name!r}: unknown; {did_you_mean(name, {part.name for info in found for part in info.parts})}")
        if as_json:
            result_json({"schema": SCHEMA, "parts": [_part_json(part) for part in parts]})
            return
        for part in parts:
            _show_part(_part_json(part))


def _part_json(part: Part) -> dict[str, Any]:
    fields = part.cls.Options.model_json_schema()["properties"] if part.cls.Options.model_fields else {}
    defaults = part.cls.Options().model_dump(mode="json")
    return {
        "kind": part.kind.label,
        "name": part.name,
        "plugin": part.plugin,
        "distribution": part.distribution,
        "builtin": part.builtin,
        "facts": {key: _fact(getattr(part.cls, key)) for key in _FACTS if part.kind.label == "metric" and hasattr(part.cls, key)},
        "about": " ".join((part.cls.__doc__ or "").strip().split("\n\n")[0].split()),
        "options": {key: {"default": defaults[key], "about": fields[key].get("description", ""), "type": _type_name(fields[key])} for key in defaults},
    }


def _fact(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _type_name(field: dict[str, Any]) -> str:
    if "enum" in field:
        return "|".join(str(each) for each in field["enum"])
    return str(field.get("type") or "|".join(_type_name(each) for each in field.get("anyOf", [])) or "value")


def _show_part(part: dict[str, Any]) -> None:
    result(f"{part['name']}: {part['kind']} of {part['plugin']} ({part['distribution'] or 'unknown distribution'})")
    if part["about"]:
        result(f"  {part['about']}")
    for key, fact in part["facts"].items():
        result(f"  {key}: {fact or 'nothing'}")
    for key, option in part["options"].items():
        result(f"  {key} = {option['default']!r}  ({option['type']})  {option['about']}".rstrip())


@app.command()
def check(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="A plugin or a part; default: all that are not built in.")] = "",
    as_json: o.Json = False,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> None:
    """Run the contract tests on the parts of plugins; exit code 4 if one fails."""
    with o.command(verbose=verbose, quiet=quiet):
        from raggesture.testing import problems_of_part

        every = _all()
        named = [info for info in every if name == info.plugin or name in (part.name for part in info.parts)]
        if name and not named:
            raise ConfigError(f"plugin {name!r}: unknown; {did_you_mean(name, {info.plugin for info in every})}")
        found = named or [info for info in every if not info.builtin]
        rows = []
        for info in found:
            rows += [(info.plugin, fault.part or "-", fault.reason) for fault in info.faults]
            for part in info.parts:
                if name in ("", info.plugin, part.name):
                    rows += [(info.plugin, part.name, problem) for problem in problems_of_part(part.kind, part.cls) or ("",)]
        if as_json:
            result_json({"schema": SCHEMA, "checks": [{"plugin": plugin, "part": part, "problem": problem} for plugin, part, problem in rows]})
        else:
            table(("plugin", "part", "result"), [(plugin, part, problem or "ok") for plugin, part, problem in rows])
        if any(problem for *_, problem in rows):
            raise typer.Exit(ConfigError.exit_code)
