"""Where settings are written: TOML profiles with one parent each, the environment, the command line. All become leaves.

A leaf is one value with its place in the tree and the place it was written. Secrets are refused wherever they are written:
settings go into traces.

Source: DESIGN section 6.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli

from raggesture.errors import ConfigError, did_you_mean
from raggesture.resources import packaged_dir

SCHEMA = 1
ENVIRONMENT_PREFIX = "RAGGESTURE_"
_HEAD = ("schema", "extends")
_SECRET_KEY = re.compile(r"api[_-]?key|secret|password|passwd|credential|(^|[_-])token$", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"(sk-|ghp_|hf_)[A-Za-z0-9_-]{16,}")

Where = tuple[str, ...]
"""Place in the tree of settings, such as ``("retriever", "llm", "max_words")``."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value, its origin (for the trace), its address (for errors), and whether it is text whose type is still to be found."""

    value: Any
    origin: str
    address: str
    text: bool = False


def profile_names() -> tuple[str, ...]:
    """Names of the packaged profiles."""
    return tuple(sorted(path.stem for path in packaged_dir("profiles").glob("*.toml")))


def find_profile(name: str, *, beside: Path | None = None) -> Path:
    """The file of a profile: a path (anything that ends in .toml or has a folder in it), or the name of a packaged one.

    ``beside``: file of the child that ``extends`` it; its folder is searched first.
    """
    if beside is not None and (sibling := beside.parent / (name if name.endswith(".toml") else f"{name}.toml")).is_file() and sibling != beside:
        return sibling
    if name.endswith(".toml") or Path(name).name != name:
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"{path}: no such file; expected a profile (TOML) - check the path")
        return path
    packaged = packaged_dir("profiles") / f"{name}.toml"
    if not packaged.is_file():
        raise ConfigError(f"profile {name!r}: unknown; {did_you_mean(name, profile_names())}; a file of your own needs its .toml")
    return packaged


def _shown(path: Path) -> str:
    return path.name if path.parent == packaged_dir("profiles") else str(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        table = tomli.loads(path.read_text(encoding="utf-8"))
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ConfigError(f"{_shown(path)}: not TOML ({fault}); expected a profile - correct it at that place") from fault
    except OSError as fault:
        raise ConfigError(f"{_shown(path)}: cannot be read ({fault.strerror or fault}); expected a profile - check its rights") from fault
    schema = table.get("schema")
    if schema != SCHEMA:
        found = "no schema" if schema is None else f"schema {schema!r}"
        raise ConfigError(f"{_shown(path)}: {found}; expected 'schema = {SCHEMA}' on its first line - add it, or update this program")
    parent = table.get("extends")
    if parent is not None and not isinstance(parent, str):
        raise ConfigError(f"{_shown(path)}: extends: expected str, got {type(parent).__name__} {parent!r}; a profile has at most one parent - name one")
    return table


def profile_leaves(name: str) -> list[dict[Where, Leaf]]:
    """Leaves of a profile and its ancestors, eldest first.

    Raises:
        ConfigError: a file that is missing or wrong, a circle of parents, a secret.
    """
    layers: list[dict[Where, Leaf]] = []
    path: Path | None = find_profile(name)
    seen: list[Path] = []
    while path is not None:
        if path.resolve() in seen:
            circle = " -> ".join(_shown(each) for each in (*seen, path))
            raise ConfigError(f"{_shown(path)}: extends itself ({circle}); expected a parent that comes to an end - cut the circle")
        seen.append(path.resolve())
        table = _read(path)
        file = _shown(path)
        origin = f"profile {file}"
        tree = {key: value for key, value in table.items() if key not in _HEAD}
        layers.append({where: Leaf(value, origin, f"{file}: {'.'.join(where)}") for where, value in _walk(tree)})
        path = find_profile(table["extends"], beside=path) if "extends" in table else None
    for layer in layers:
        refuse_secrets(layer)
    return layers[::-1]


def _walk(tree: Mapping[str, Any], at: Where = ()) -> Iterator[tuple[Where, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _walk(value, (*at, key))
        else:
            yield (*at, key), value


def refuse_secrets(layer: Mapping[Where, Leaf]) -> None:
    """Raise ConfigError where a leaf looks like a secret. Its value is not repeated."""
    for where, leaf in layer.items():
        if any(looks_secret(key, leaf.value) for key in where):
            raise ConfigError(f"{leaf.address}: looks like a secret; expected none in settings, which are written into traces - set OPENAI_API_KEY instead")


def looks_secret(key: str, value: Any) -> bool:
    """Whether a key's name or a value looks like a secret."""
    return bool(_SECRET_KEY.search(key)) or (isinstance(value, str) and bool(_SECRET_VALUE.search(value)))


def environment_leaves(environ: Mapping[str, str]) -> dict[Where, Leaf]:
    """Leaves of ``RAGGESTURE_SECTION__KEY`` variables; variables without a double underscore are none of ours to read."""
    leaves: dict[Where, Leaf] = {}
    for variable in sorted(environ):
        if not variable.startswith(ENVIRONMENT_PREFIX) or "__" not in variable:
            continue
        where = tuple(part.lower() for part in variable.removeprefix(ENVIRONMENT_PREFIX).split("__"))
        leaves[where] = Leaf(environ[variable], f"environment {variable}", variable, text=True)
    refuse_secrets(leaves)
    return leaves


def option_leaves(section: str, part: str, flag: str, given: Sequence[str]) -> dict[Where, Leaf]:
    """Leaves of ``-R key=value`` (or -G); a key may have dots."""
    leaves: dict[Where, Leaf] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"{flag} {text!r}: no '='; expected {flag} key=value - name the option and its value")
        where = (section, part, *(each.strip().replace("-", "_") for each in key.split(".")))
        leaves[where] = Leaf(value.strip(), f"command line {flag}", f"{flag} {key.strip()}", text=True)
    refuse_secrets(leaves)
    return leaves


def readings(text: str) -> list[Any]:
    """What a text from the environment or the command line may mean, the likeliest first: a TOML value, itself, a comma list."""
    found: list[Any] = []
    with suppress(tomli.TOMLDecodeError):
        found.append(tomli.loads(f"value = {text}")["value"] if "\n" not in text else text)
    return [*found, text, [each.strip() for each in text.split(",") if each.strip()]]
