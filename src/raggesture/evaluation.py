"""``raggesture eval``: a folder of results against references, under a protocol, with the metrics that plugins bring.

Reads like this: find the clips, open what they are measured with, measure each, report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from raggesture.errors import ConfigError, InputError, did_you_mean
from raggesture.metrics.cache import ClipCache
from raggesture.metrics.kit import find_kit
from raggesture.metrics.measuring import ChosenMetric
from raggesture.metrics.protocols import EvaluationProtocol
from raggesture.metrics.report import Evaluation, Progress, evaluate_clips
from raggesture.metrics.results import Found, find_clips
from raggesture.metrics.running import Setup
from raggesture.plugins.locations import index_folder, scheme_of
from raggesture.plugins.manager import METRICS, Part, PluginManager
from raggesture.resources import PACK_NAME

_INDEX_NEEDS = frozenset({"index", "exemplar"})


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """How to evaluate. ``metrics``: names, empty for all that are not ``asked_only``. ``options``: metric -> its options, as plain values.

    ``kit``: file of the autoencoder (None: EMAGE's beside the corpus, else the packaged one). ``body``: the user's SMPL-X file. ``index``: a folder or
    ``starter``. ``seed``: of the intervals. ``cache``: whether what is measured is kept.
    """

    protocol: EvaluationProtocol = field(default_factory=EvaluationProtocol)
    metrics: tuple[str, ...] = ()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    kit: Path | None = None
    body: Path | None = None
    index: str = PACK_NAME
    workers: int = 1
    seed: int = 0
    cache: bool = True


def choose_metrics(parts: PluginManager, names: Sequence[str], options: Mapping[str, Mapping[str, Any]] | None = None) -> tuple[ChosenMetric, ...]:
    """The metrics of those names, each once, constructed with their options.

    Raises:
        ConfigError: an unknown name or option, or a metric of a broken plugin.
    """
    given = options or {}
    if names:
        chosen = [parts.part(METRICS, name) for name in dict.fromkeys(names)]
    else:
        chosen = [part for info in parts.plugins() for part in info.parts if part.kind == METRICS and not getattr(part.cls, "asked_only", False)]
    stray = set(given) - {part.name for part in chosen}
    if stray:
        name = min(stray)
        raise ConfigError(f"options of metric {name!r}: it is not measured; {did_you_mean(name, [part.name for part in chosen])} - name it with --metric")
    return tuple(_made(parts, part, given.get(part.name, {})) for part in chosen)


def _made(parts: PluginManager, part: Part, given: Mapping[str, Any]) -> ChosenMetric:
    try:
        options: BaseModel = part.cls.Options.model_validate(dict(given))
    except ValidationError as fault:
        first = fault.errors()[0]
        key = ".".join(str(step) for step in first["loc"])
        known = did_you_mean(key, part.cls.Options.model_fields) if key not in part.cls.Options.model_fields else "see 'raggesture plugins show'"
        raise ConfigError(f"metric {part.name}: option {key}: {first['msg']}; {known}") from fault
    return ChosenMetric(parts.make(METRICS, part.name, options), part.distribution, options.model_dump_json(), part.builtin)


def _index_of(options: EvaluationOptions, metrics: Sequence[ChosenMetric], found: Found) -> Path | None:
    """The folder of the index, where a metric needs one and a clip has anything that it could be asked about."""
    if not any(_INDEX_NEEDS & set(chosen.metric.needs) for chosen in metrics) or not any(clip.trace or clip.labels for clip in found.clips):
        return None
    if scheme_of(options.index):
        raise ConfigError(f"--index {options.index}: a server's; expected a folder or 'starter' - evaluate with the index's own folder")
    return index_folder(options.index)


def evaluate(
    results: Path, reference: Path | None = None, options: EvaluationOptions | None = None, *, parts: PluginManager | None = None,
    progress: Progress | None = None,
) -> Evaluation:  # fmt: skip
    """Evaluate a folder.

    Args:
        results: ``NAME.npz`` (with traces) or ``*/*/pred_motion.npz``. reference: references of the same names, or a corpus.

    Raises:
        InputError: nothing to evaluate. ConfigError: an unknown metric or option. ModelError: weights, a body or an index cannot be used.
    """
    options, parts = options or EvaluationOptions(), parts or PluginManager.from_environment()
    found = find_clips(results, reference, released=options.protocol.released)
    metrics = choose_metrics(parts, options.metrics, options.options)
    if not metrics:
        raise ConfigError("no metric; expected one - see 'raggesture plugins list'")
    setup = Setup(options.protocol, metrics, find_kit(options.kit, reference), options.body, _index_of(options, metrics, found))
    cache = ClipCache.of_user() if options.cache else ClipCache(None)
    try:
        return evaluate_clips(found, setup, setup.open(), cache=cache, workers=options.workers, seed=options.seed, progress=progress)
    except InputError as fault:
        raise InputError(f"{results}: {fault}") from fault
