"""What a part must look like: checked when it is loaded, before anything is asked of it.

Source: DESIGN section 5.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

from pydantic import BaseModel

NAME = re.compile(r"[a-z][a-z0-9_-]*")
"""What a part may be called."""


@dataclass(frozen=True, slots=True)
class PartKind:
    """A kind of part: what people call it, the hook that brings it, the methods it needs with their positional arguments."""

    label: str
    hook: str
    methods: tuple[tuple[str, int], ...]
    attributes: tuple[str, ...] = ()


RETRIEVERS = PartKind("retriever", "raggesture_retrievers", (("queries", 2), ("rank", 2)))
SCHEDULES = PartKind("guidance schedule", "raggesture_guidance_schedules", (("rates", 1),))
EXPORTERS = PartKind("format", "raggesture_exporters", (("write", 2),), ("suffix",))
INDEX_BACKENDS = PartKind("index backend", "raggesture_index_backends", (("open", 1), ("add", 3), ("remove", 3), ("verify", 1)), ("scheme",))
METRICS = PartKind("metric", "raggesture_metrics", (("measure", 1), ("combine", 1)), ("unit", "direction", "source", "meaning"))
KINDS = (RETRIEVERS, SCHEDULES, EXPORTERS, INDEX_BACKENDS, METRICS)


def _fault_of_options(options: object) -> str:
    if not (isinstance(options, type) and issubclass(options, BaseModel)):
        return "Options is missing or no pydantic model; expected a pydantic BaseModel (frozen, strict, extra='forbid')"
    wanted = {"frozen": True, "strict": True, "extra": "forbid"}
    wrong = [f"{key}={options.model_config.get(key)!r}" for key, value in wanted.items() if options.model_config.get(key) != value]
    if wrong:
        return f"Options has {', '.join(wrong)}; expected model_config = ConfigDict(frozen=True, strict=True, extra='forbid')"
    without = [name for name, field in options.model_fields.items() if field.is_required()]
    if without:
        return f"Options has no default for {', '.join(without)}; expected a default for every field"
    try:
        options()
    except Exception as error:
        return f"Options() raised {type(error).__name__}; expected valid defaults"
    return ""


def _fault_of_signature(cls: type, method: str, arguments: int) -> str:
    function = getattr(cls, method, None)
    if not callable(function):
        return f"has no method {method}; expected one that takes {arguments} argument(s)"
    try:
        inspect.signature(function).bind(None, *(None for _ in range(arguments)))
    except TypeError as error:
        return f"method {method} cannot take {arguments} argument(s) ({error}); expected the signature of the protocol"
    except ValueError:
        pass  # written in C: no signature to look at
    return ""


def fault_of_part(kind: PartKind, cls: object) -> str:
    """Why ``cls`` cannot be a part of ``kind``; empty when it can."""
    if not isinstance(cls, type):
        return f"{kind.hook} returned {cls!r}; expected a class"
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return f"{cls.__qualname__}.name is {name!r}; expected a string like my-{kind.label.split()[0]} ({NAME.pattern})"
    for attribute in kind.attributes:
        if not isinstance(getattr(cls, attribute, None), str):
            return f"{cls.__qualname__}.{attribute} is missing; expected a string"
    reason = _fault_of_options(getattr(cls, "Options", None))
    for method, arguments in (*kind.methods, ("__init__", 1)):
        reason = reason or _fault_of_signature(cls, method, arguments)
    return f"{cls.__qualname__}: {reason}" if reason else ""
