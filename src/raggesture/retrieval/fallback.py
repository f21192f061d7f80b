"""What is done when a retriever cannot ask the service that it needs: let the labeller choose, make no gesture, or fail.

The default is the labeller: a motion was asked for, the labeller needs no service, and the change is said (a warning, and a note in the
trace). Who would rather have no motion than one that was planned otherwise says ``fail``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from raggesture.errors import ConfigError, ServiceError, did_you_mean
from raggesture.plugins.hookspecs import Retriever
from raggesture.retrieval.labels import choose, label_words
from raggesture.retrieval.query import query_of_word
from raggesture.types import Cues, Query, Speech

Fallback = Literal["labeller", "none", "fail"]
_LOG = logging.getLogger("raggesture")
_DONE = {"labeller": "the built-in labeller chose the words", "none": "no gesture was asked for"}


@dataclass(frozen=True, slots=True)
class Asked:
    """The queries of a speech, and what had to be done instead of asking the service ("" where it answered)."""

    queries: tuple[Query, ...]
    note: str = ""


def ask(retriever: Retriever, speech: Speech, cues: Cues, fallback: Fallback = "labeller") -> Asked:
    """Ask a retriever for its queries; where its service does not answer, do what ``fallback`` says.

    A retriever may have a method ``unavailable() -> str`` that says beforehand why its service cannot be asked.

    Raises:
        ServiceError: the service does not answer and ``fallback`` is ``fail``. ConfigError: no such fallback. ModelError: the labeller is not installed.
    """
    if fallback not in get_args(Fallback):
        raise ConfigError(f"retriever_fallback {fallback!r}: unknown; {did_you_mean(fallback, get_args(Fallback))} - name one of these")
    try:
        why = _unavailable(retriever)
        if not why:
            return Asked(tuple(retriever.queries(speech, cues)))
        if fallback == "fail":
            raise ServiceError(f"{why}, or use --retriever gesture-type")
        _LOG.info("%s; %s", why, _DONE[fallback])
    except ServiceError as fault:
        if fallback == "fail":
            raise ServiceError(f"{fault}, or --retriever-fallback labeller") from fault
        why = str(fault)
        _LOG.warning("%s: %s; %s", retriever.name, why, _DONE[fallback])
    queries = _labelled(retriever, speech, cues) if fallback == "labeller" else ()
    return Asked(queries, f"{why}; {_DONE[fallback]}")


def _unavailable(retriever: Retriever) -> str:
    asked = getattr(retriever, "unavailable", None)
    return str(asked()) if callable(asked) else ""


def _labelled(retriever: Retriever, speech: Speech, cues: Cues) -> tuple[Query, ...]:
    """The labeller's queries, as many and of the kinds that the retriever's options ask for, where they do."""
    options = getattr(retriever, "options", None)
    most = int(getattr(options, "max_words", 2))
    window_s, weight = float(getattr(options, "window_s", 10.0)), float(getattr(options, "weight", 1.0))
    kinds: Sequence[str] = getattr(options, "kinds", ())
    labels = [label for label in label_words(speech.transcript, cues.prominence) if not kinds or label.kind in kinds]
    return tuple(query_of_word(speech, cues, label.position, label.kind, weight) for label in choose(labels, speech.transcript, most, window_s))
