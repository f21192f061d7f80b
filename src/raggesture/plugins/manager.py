"""Finds the parts that plugins bring, loads them, keeps the faults of one plugin from the others.

A *part* is a class that a hook returned: a retriever, a guidance schedule, an exporter, a metric. Built-ins come through the same
hooks as everybody else's, but are named here module by module (``BUILTINS``), so that asking for one imports no third
party. pluggy isolates nothing, hence every entry point is imported, registered, checked and called in a guard of its own;
what goes wrong becomes a :class:`Fault` (data, for the command line to show), never an exception of somebody else's plugin.

Source: DESIGN section 5.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Any

import pluggy

from raggesture.errors import ConfigError, did_you_mean
from raggesture.plugins import hookspecs
from raggesture.plugins.checks import EXPORTERS, INDEX_BACKENDS, KINDS, METRICS, RETRIEVERS, SCHEDULES, PartKind, fault_of_part

__all__ = ["BUILTINS", "EXPORTERS", "INDEX_BACKENDS", "KINDS", "METRICS", "RETRIEVERS", "SCHEDULES", "Fault", "Part", "PartKind", "PluginInfo", "PluginManager"]

ENVIRONMENT = "RAGGESTURE_PLUGINS"
"""Unset: every installed plugin. Empty: none. Otherwise a comma list of the entry-point names that may load."""

BUILTINS: Mapping[PartKind, tuple[str, ...]] = {
    RETRIEVERS: ("raggesture.retrieval.by_llm", "raggesture.retrieval.by_discourse", "raggesture.retrieval.by_gesture_type", "raggesture.retrieval.by_none"),
    SCHEDULES: ("raggesture.diffusion.schedules",),
    EXPORTERS: (
        *("raggesture.export.npz", "raggesture.export.html", "raggesture.export.mp4"),
        *("raggesture.export.bvh", "raggesture.export.glb", "raggesture.export.face_csv"),
    ),
    INDEX_BACKENDS: (),
    METRICS: (
        "raggesture.metrics.of_distribution",
        "raggesture.metrics.of_timing",
        "raggesture.metrics.of_semantics",
        "raggesture.metrics.of_physics",
        "raggesture.metrics.of_face",
        "raggesture.metrics.of_movement",
    ),
}
"""The modules of this package that end in a ``@hookimpl``, by what they bring."""

OWN_DISTRIBUTION = "raggesture"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a plugin, or one part of it, was not loaded. ``part`` is the name of the part where it is known, else empty."""

    plugin: str
    distribution: str
    reason: str
    part: str = ""

    def __str__(self) -> str:
        whose = f" ({self.distribution})" if self.distribution else ""
        what = f"part {self.part!r} of plugin {self.plugin!r}" if self.part else f"plugin {self.plugin!r}"
        return f"{what}{whose} not loaded: {self.reason}"


@dataclass(frozen=True, slots=True)
class Part:
    """A class that a plugin brought, and who brought it."""

    kind: PartKind
    name: str
    cls: Any
    plugin: str
    distribution: str
    builtin: bool


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One row of ``plugins list``. ``state``: loaded, faulty or off."""

    plugin: str
    distribution: str
    state: str
    builtin: bool
    parts: tuple[Part, ...]
    faults: tuple[Fault, ...]


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _distribution_of(entry_point: metadata.EntryPoint) -> str:
    try:
        return f"{entry_point.dist.name} {entry_point.dist.version}" if entry_point.dist is not None else ""
    except Exception:  # metadata of a foreign package may be broken in any way
        return ""


def _own_distribution() -> str:
    try:
        return f"{OWN_DISTRIBUTION} {metadata.version(OWN_DISTRIBUTION)}"
    except metadata.PackageNotFoundError:
        return OWN_DISTRIBUTION


def _bare(name: str) -> str:
    """Name without the differences that people do not hear: ``raggesture-foo_bar`` -> ``foobar``."""
    return re.sub(r"[-_.\s]", "", name.lower().removeprefix(OWN_DISTRIBUTION))


def installed_entry_points() -> Sequence[metadata.EntryPoint]:
    """Entry points of the group ``raggesture``, in a stable order."""
    return sorted(metadata.entry_points(group=hookspecs.GROUP), key=lambda point: (point.name, _distribution_of(point)))


class PluginManager:
    """Names of parts -> classes. Built-in modules load by kind on first use, third parties only when they are needed.

    Args:
        allowed: entry-point names that may load; None for all, empty for none.
        find: where entry points come from (tests pass their own).
        builtins: built-in modules by kind.
    """

    def __init__(
        self,
        *,
        allowed: frozenset[str] | None = None,
        find: Callable[[], Sequence[metadata.EntryPoint]] = installed_entry_points,
        builtins: Mapping[PartKind, tuple[str, ...]] = BUILTINS,
    ) -> None:
        self._allowed = allowed
        self._find = find
        self._builtins = builtins
        self._parts: dict[tuple[PartKind, str], Part] = {}
        self._faults: list[Fault] = []
        self._loaded: list[tuple[str, str, str, bool]] = []  # plugin, distribution, state, built in
        self._kinds_done: set[PartKind] = set()
        self._third_party_done = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> PluginManager:
        """A manager that obeys ``RAGGESTURE_PLUGINS``."""
        return cls(allowed=allowed_plugins(os.environ if environ is None else environ))

    def restricted_to(self, names: Iterable[str] | None) -> PluginManager:
        """A fresh manager that loads none but ``names`` (and of these only what this one may load); itself for None."""
        if names is None:
            return self
        allowed = frozenset(names)
        return PluginManager(allowed=allowed if self._allowed is None else allowed & self._allowed, find=self._find, builtins=self._builtins)

    # -- asking -------------------------------------------------------------------------------------------------------

    def part(self, kind: PartKind, name: str) -> Part:
        """The part called ``name``; third parties are loaded only if no built-in has that name.

        Raises:
            ConfigError: unknown name (with the nearest one), or a name of a plugin that is broken (with its fault).
        """
        self._load_builtins(kind)
        if (kind, name) not in self._parts:
            self.load_third_parties()
        found = self._parts.get((kind, name))
        if found is not None:
            return found
        faults = [fault for fault in self._faults if name == fault.part or (not fault.part and self._belongs(name, fault))]
        if faults:
            raise ConfigError(f"{kind.label} {name!r}: {faults[0]}; expected a working plugin - see 'raggesture plugins list'")
        others = f"; not loaded: {', '.join(sorted({fault.plugin for fault in self._faults}))}, see 'raggesture plugins list'" if self._faults else ""
        raise ConfigError(f"{kind.label} {name!r}: unknown; {did_you_mean(name, self.names(kind))}{others}")

    def make(self, kind: PartKind, name: str, options: Any = None) -> Any:
        """The part called ``name``, constructed with ``options`` (an instance of its ``Options``; None for the defaults)."""
        part = self.part(kind, name)
        try:
            return part.cls(part.cls.Options() if options is None else options)
        except Exception as error:
            if part.builtin:
                raise
            fault = Fault(part.plugin, part.distribution, _one_line(error), part.name)
            raise ConfigError(f"{kind.label} {name!r}: {fault}; expected a constructor that takes its options - ask its author") from error

    def names(self, kind: PartKind, *, third_parties: bool = True) -> tuple[str, ...]:
        """Known names of one kind, sorted."""
        self._load_builtins(kind)
        if third_parties:
            self.load_third_parties()
        return tuple(sorted(name for (of, name) in self._parts if of == kind))

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What went wrong so far, in the order it was met."""
        return tuple(self._faults)

    def plugins(self) -> tuple[PluginInfo, ...]:
        """Every plugin, built-ins first, with its parts and faults. Loads all of them."""
        for kind in self._builtins:
            self._load_builtins(kind)
        self.load_third_parties()
        return tuple(
            PluginInfo(
                plugin,
                distribution,
                "faulty" if state == "loaded" and self._faults_of(plugin, distribution) else state,
                builtin,
                tuple(part for part in self._parts.values() if (part.plugin, part.distribution) == (plugin, distribution)),
                self._faults_of(plugin, distribution),
            )
            for plugin, distribution, state, builtin in self._loaded
        )

    def _faults_of(self, plugin: str, distribution: str) -> tuple[Fault, ...]:
        return tuple(fault for fault in self._faults if (fault.plugin, fault.distribution) == (plugin, distribution))

    def _belongs(self, name: str, fault: Fault) -> bool:
        """Whether a part called ``name`` was probably to come from the plugin of ``fault``, which did not get as far as saying so."""
        return _bare(name) in {_bare(fault.plugin), _bare(fault.plugin).removeprefix("by"), _bare(fault.distribution.split(" ")[0])}

    # -- loading ------------------------------------------------------------------------------------------------------

    def _load_builtins(self, kind: PartKind) -> None:
        if kind in self._kinds_done:
            return
        self._kinds_done.add(kind)
        for module in self._builtins.get(kind, ()):
            self._load(module.rpartition(".")[2], _own_distribution(), partial(importlib.import_module, module), builtin=True)

    def load_third_parties(self) -> None:
        """Load every installed plugin that ``RAGGESTURE_PLUGINS`` allows, once."""
        if self._third_party_done:
            return
        self._third_party_done = True
        for kind in self._builtins:
            self._load_builtins(kind)  # so that a built-in has its name first
        for entry_point in self._find():
            distribution = _distribution_of(entry_point)
            if self._allowed is not None and entry_point.name not in self._allowed:
                self._loaded.append((entry_point.name, distribution, "off", False))
                continue
            self._load(entry_point.name, distribution, entry_point.load, builtin=False)

    def _load(self, plugin: str, distribution: str, load: Callable[[], object], *, builtin: bool) -> None:
        """Import one plugin, register it alone, call each of its hooks, take each of its parts: a guard around each."""
        self._loaded.append((plugin, distribution, "loaded", builtin))
        try:
            classes = _classes_of(plugin, load)
        except (Exception, SystemExit) as error:  # a third party may raise anything, and some modules call sys.exit
            self._faults.append(Fault(plugin, distribution, _one_line(error)))
            return
        for kind, found in classes:
            if isinstance(found, _HookFault):
                self._faults.append(Fault(plugin, distribution, found.reason))
                continue
            self._take(kind, found, plugin, distribution, builtin=builtin)

    def _take(self, kind: PartKind, cls: object, plugin: str, distribution: str, *, builtin: bool) -> None:
        name = getattr(cls, "name", "")
        known_name = name if isinstance(name, str) else ""
        try:
            reason = fault_of_part(kind, cls)
        except Exception as error:  # looking at a foreign class may run its code
            reason = _one_line(error)
        if reason:
            self._faults.append(Fault(plugin, distribution, reason, known_name))
            return
        taken = self._parts.get((kind, known_name))
        if taken is not None:
            who = "the built-in of " if taken.builtin else f"plugin {taken.plugin!r} of "
            reason = f"the {kind.label} name {name!r} is taken by {who}{taken.distribution or 'this program'}, which stays"
            self._faults.append(Fault(plugin, distribution, f"{reason}; {distribution or plugin} must choose another", ""))
            return
        self._parts[(kind, known_name)] = Part(kind, known_name, cls, plugin, distribution, builtin)


@dataclass(frozen=True, slots=True)
class _HookFault:
    reason: str


def _classes_of(plugin: str, load: Callable[[], object]) -> list[tuple[PartKind, object]]:
    """Everything that one plugin's hooks return, each with its kind; a hook that fails gives a ``_HookFault`` in its place."""
    own = pluggy.PluginManager(hookspecs.GROUP)  # one per plugin: nobody's registration can disturb another's
    own.add_hookspecs(hookspecs.HookSpecs)
    own.register(load(), name=plugin)
    own.check_pending()
    found: list[tuple[PartKind, object]] = []
    for kind in KINDS:
        for implementation in getattr(own.hook, kind.hook).get_hookimpls():
            try:
                answer = implementation.function()
            except (Exception, SystemExit) as error:
                found.append((kind, _HookFault(f"{kind.hook} raised {_one_line(error)}")))
                continue
            if isinstance(answer, str | bytes) or not isinstance(answer, Iterable):
                found.append((kind, _HookFault(f"{kind.hook} returned {type(answer).__name__}; expected a list of classes")))
                continue
            found.extend((kind, cls) for cls in answer)
    if not found and not any(getattr(own.hook, kind.hook).get_hookimpls() for kind in KINDS):
        raise ConfigError(f"no hook found; expected one of {', '.join(kind.hook for kind in KINDS)} marked with @hookimpl")
    return found


def allowed_plugins(environ: Mapping[str, str]) -> frozenset[str] | None:
    """What ``RAGGESTURE_PLUGINS`` allows: None for all."""
    listed = environ.get(ENVIRONMENT)
    return None if listed is None else frozenset(name.strip() for name in listed.split(",") if name.strip())
