"""The trace: what was heard, understood, asked, found, placed and with which settings, as plain data.

The dataclasses here *are* the JSON schema (``schema`` 1): ``Trace.of`` builds them from the program's own types,
``write_trace`` writes strict JSON (no NaN, no infinity), ``read_trace`` reads it back and refuses what does not fit.
Seconds are from the start of the speech, except ``source_*`` and an exemplar's times, which are seconds in its clip.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from raggesture.clock import CHUNK_FRAMES, SAMPLE_RATE_HZ, seconds_of_frame
from raggesture.errors import InputError, did_you_mean
from raggesture.types import Cues, Drop, Exemplar, Hit, Placement, Query, Relation, Speech, Transcript, Word

SCHEMA = 1
SettingValue = bool | int | float | str | list[Any] | dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class SpeechFact:
    """The voice: ``file`` is a file name without its folder; ``sha256`` is of the 16 kHz float32 samples, little-endian."""

    name: str
    file: str
    duration_s: float
    sample_rate_hz: int
    sha256: str
    speaker: str = ""

    @classmethod
    def of(cls, speech: Speech, file: Path | None = None) -> SpeechFact:
        """Facts of ``speech``, read from ``file``."""
        digest = hashlib.sha256(np.ascontiguousarray(speech.wave, dtype="<f4").tobytes()).hexdigest()
        return cls(speech.name, file.name if file else "", speech.duration_s, SAMPLE_RATE_HZ, digest, speech.speaker)


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate that did not win, with its score."""

    exemplar: Exemplar
    score: float
    terms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HitFact:
    """The exemplar chosen for ``queries[query]``; ``terms`` sum to ``score``."""

    query: int
    exemplar: Exemplar
    score: float
    terms: dict[str, float] = field(default_factory=dict)
    runners_up: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True)
class PlacementFact:
    """One injected gesture.

    ``start_s`` to ``end_s``: the injected chunks in the speech. ``source_start_s`` to ``source_end_s``: the same chunks in
    ``clip``; ``source_frame``: first model frame of the exemplar's window there. ``weight``: what was asked for;
    ``strength``: mean guidance rate over the sampling steps, 0 to 1.
    """

    query: int
    window: int
    target_chunks: tuple[int, int]
    start_s: float
    end_s: float
    clip: str
    source_chunks: tuple[int, int]
    source_frame: int
    source_start_s: float
    source_end_s: float
    shift_frames: int
    weight: float
    strength: float


@dataclass(frozen=True, slots=True)
class DropFact:
    """``queries[query]`` got no gesture."""

    query: int
    reason: str


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting's value and where it came from (``default``, ``profile paper.toml``, ``environment``, ``command line``)."""

    value: SettingValue
    origin: str = "default"


@dataclass(frozen=True, slots=True)
class Identity:
    """A model or an index: name and digest of its manifest."""

    name: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Inserted:
    """A placement as it was carried out: ``window_start_s`` is where its window starts in the speech."""

    placement: Placement
    window_start_s: float
    strength: float

    def fact(self, query: int) -> PlacementFact:
        """The row of the trace."""
        place, start = self.placement, self.window_start_s
        return PlacementFact(
            query=query,
            window=place.window,
            target_chunks=(place.target.start, place.target.stop),
            start_s=start + _seconds_of_chunk(place.target.start),
            end_s=start + _seconds_of_chunk(place.target.stop),
            clip=place.hit.exemplar.clip,
            source_chunks=(place.source.start, place.source.stop),
            source_frame=place.source_frame,
            source_start_s=seconds_of_frame(place.source_frame) + _seconds_of_chunk(place.source.start),
            source_end_s=seconds_of_frame(place.source_frame) + _seconds_of_chunk(place.source.stop),
            shift_frames=place.shift_frames,
            weight=place.hit.query.weight,
            strength=self.strength,
        )


def _seconds_of_chunk(chunk: int) -> float:
    return seconds_of_frame(chunk * CHUNK_FRAMES)


@dataclass(frozen=True, slots=True)
class Trace:
    """How one motion came about. Build it with ``Trace.of``; every field is plain data."""

    speech: SpeechFact
    transcript: Transcript
    cues: Cues = field(default_factory=Cues)
    queries: tuple[Query, ...] = ()
    hits: tuple[HitFact, ...] = ()
    placements: tuple[PlacementFact, ...] = ()
    drops: tuple[DropFact, ...] = ()
    settings: dict[str, Setting] = field(default_factory=dict)
    seed: int = 0
    model: Identity | None = None
    index: Identity | None = None
    timings_s: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What was done otherwise than asked, and why (a service that did not answer)."""
    schema: int = SCHEMA

    @classmethod
    def of(
        cls,
        *,
        speech: Speech,
        file: Path | None = None,
        cues: Cues | None = None,
        queries: Sequence[Query] = (),
        hits: Sequence[Hit] = (),
        runners_up: Mapping[Query, Sequence[Hit]] | None = None,
        placements: Sequence[Inserted] = (),
        drops: Sequence[Drop] = (),
        settings: Mapping[str, Setting] | None = None,
        seed: int = 0,
        model: Identity | None = None,
        index: Identity | None = None,
        timings_s: Mapping[str, float] | None = None,
        versions: Mapping[str, str] | None = None,
        notes: Sequence[str] = (),
    ) -> Trace:
        """Build a trace from the program's types. Queries met only in hits, placements or drops are added to ``queries``."""
        every = _union(queries, (h.query for h in hits), (p.placement.hit.query for p in placements), (d.query for d in drops))
        row = {query: k for k, query in reversed(list(enumerate(every)))}
        others = runners_up or {}
        return cls(
            speech=SpeechFact.of(speech, file),
            transcript=speech.transcript,
            cues=cues or Cues(),
            queries=every,
            hits=tuple(_hit_fact(hit, row[hit.query], others.get(hit.query, ())) for hit in hits),
            placements=tuple(done.fact(row[done.placement.hit.query]) for done in placements),
            drops=tuple(DropFact(row[drop.query], drop.reason) for drop in drops),
            settings=dict(settings or {}),
            seed=seed,
            model=model,
            index=index,
            timings_s={name: round(seconds, 4) for name, seconds in (timings_s or {}).items()},
            versions=dict(versions or found_versions()),
            notes=tuple(notes),
        )

    def to_json(self) -> dict[str, Any]:
        """The trace as JSON data: dicts, lists, strings, numbers."""
        data: dict[str, Any] = json.loads(self._dumps())
        return data

    def _dumps(self) -> str:
        plain = asdict(self)
        text = json.dumps({"schema": plain.pop("schema"), **plain}, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
        return text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate is not text: it becomes "?"


def _union(first: Sequence[Query], *more: Iterable[Query]) -> tuple[Query, ...]:
    every = list(first)
    for queries in more:
        every += [query for query in dict.fromkeys(queries) if query not in every]
    return tuple(every)


def _hit_fact(hit: Hit, query: int, others: Sequence[Hit]) -> HitFact:
    runners_up = tuple(Found(other.exemplar, other.score, dict(other.terms)) for other in others)
    return HitFact(query, hit.exemplar, hit.score, dict(hit.terms), runners_up)


def found_versions() -> dict[str, str]:
    """Versions that decide a motion's bytes: raggesture, torch, numpy, Python, platform."""
    versions = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    for name in ("raggesture", "torch", "numpy"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "unknown"
    return versions


def write_trace(trace: Trace, path: Path) -> None:
    """Write strict JSON, complete or not at all.

    Raises:
        ValueError: a number is not finite.
    """
    text = trace._dumps()
    beside = path.with_name(path.name + ".partial")
    try:
        beside.write_bytes(text.encode("utf-8"))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def trace_from_json(data: Any, where: str = "trace") -> Trace:
    """Check plain data against the schema.

    Raises:
        InputError: another schema number, a field that is missing, unknown or of a wrong type; the first fault is named by its address.
    """
    from pydantic import TypeAdapter, ValidationError

    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise InputError(f"{where}: schema {found!r}; expected a trace with schema {SCHEMA} - write it with this version of raggesture")
    unknown = sorted(set(data) - set(Trace.__dataclass_fields__))
    if unknown:
        raise InputError(f"{where}: unknown field {unknown[0]!r}; {did_you_mean(unknown[0], Trace.__dataclass_fields__)} - remove it")
    try:
        trace = TypeAdapter(Trace).validate_json(json.dumps(data, allow_nan=False), strict=True)
    except ValidationError as fault:
        first = fault.errors()[0]
        address = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{where}: {address}: {first['msg']}; expected the schema of raggesture.trace - correct it") from fault
    except InputError as fault:
        raise InputError(f"{where}: {fault}") from fault
    rows = [(f"hits.{k}", hit.query) for k, hit in enumerate(trace.hits)]
    rows += [(f"placements.{k}", place.query) for k, place in enumerate(trace.placements)]
    rows += [(f"drops.{k}", drop.query) for k, drop in enumerate(trace.drops)]
    for address, row in rows:
        if not 0 <= row < len(trace.queries):
            raise InputError(f"{where}: {address}.query: {row}; expected a row of the {len(trace.queries)} queries - correct it")
    return trace


def read_trace(path: Path) -> Trace:
    """Read what ``write_trace`` wrote.

    Raises:
        InputError: no such file, not JSON, or not this schema.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (OSError, ValueError, RecursionError) as fault:
        raise InputError(f"{path}: cannot be read as JSON ({fault}); expected a .trace.json of raggesture - generate it again") from fault
    return trace_from_json(data, str(path))


__all__ = [
    "SCHEMA",
    "DropFact",
    "Found",
    "HitFact",
    "Identity",
    "Inserted",
    "PlacementFact",
    "Relation",
    "Setting",
    "SpeechFact",
    "Trace",
    "Word",
    "found_versions",
    "read_trace",
    "trace_from_json",
    "write_trace",
]
