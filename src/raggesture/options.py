"""How to generate: the options of the pipeline, checked. Source: DESIGN section 6; METHOD part III for the published choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from raggesture.diffusion.sampler_names import DEFAULT_SAMPLER, SamplerName
from raggesture.diffusion.samplers import Sampler, sampler_named
from raggesture.encoders.conditioning import OUR_RULES, ConditionRules
from raggesture.errors import ConfigError, did_you_mean
from raggesture.inversions import MODES, CacheMode
from raggesture.models.checkpoint import Model
from raggesture.models.numerics import FLOAT32, Numerics
from raggesture.released_loop import WAYS
from raggesture.retrieval.fallback import Fallback
from raggesture.retrieval.place import MAX_CHUNKS, MIN_CHUNKS
from raggesture.synthesis import INJECTED_PARTS, Inject
from raggesture.types import BRINGABLE, PUBLISHED_BRINGS, Bringable
from raggesture.windows import GroundTrack

Posterior = Literal["mean", "sample"]
GuidedLoop = Literal["anchored", "released"]
PlacementRule = Literal["stroke", "released"]
Interpolation = Literal["spline", "linear"]


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """How to generate.

    ``sampler``: how noise becomes motion (``raggesture.diffusion.samplers``), in ``steps`` steps; None: its own number.

    ``weight`` multiplies every query's. ``speaker``: one of the model's ("" = its first). ``chunks``: seconds per gesture.

    ``parts``: what of the body a gesture brings along, unless its query says (``raggesture.composing``). ``ease``: how much earlier the chunks of a slot
    away from its stroke are freed (``raggesture.windowing.eased``); 0 is not at all.

    ``plant_feet``: let feet stand still between steps (``raggesture.body.feet``) instead of leaving them as decoded.
    ``hands_out``: keep hands out of the body (``raggesture.body.hands_out``). ``steady_arms``: let arms rest and strike (``raggesture.body.steady``).

    The rest is how the published code does it or how we do (METHOD part III). ``conditions``: words and voice to conditions. ``posterior``: an exemplar's
    latents are the auto-encoder's ``mean``, or a ``sample`` of it (the packaged codec has no spread, it gives the same). ``translation``: a window's
    translation goes on where the last one ended (``anchored``), or is blended back to the origin (``origin``). ``interpolation``: 15 to 30 fps by a
    ``spline``, or ``linear`` and half a frame late. ``guided_loop``: ``anchored``, or ``released`` (``raggesture.released_loop``).
    ``placement``: the ``stroke`` on its word, or the ``released`` rule.

    ``retriever_fallback``: what to do if the retriever's service does not answer (``raggesture.retrieval.fallback``). ``cache``: whether inverted exemplars
    are kept, up to ``cache_mb`` megabytes (``raggesture.inversions``); a ``sample`` of the posterior is never kept.
    ``numerics``: how the denoiser's calls are computed.
    """

    sampler: SamplerName = DEFAULT_SAMPLER
    steps: int | None = None
    seed: int = 0
    inject: Inject = "inversion+guidance"
    weight: float = 1.0
    speaker: str = ""
    chunks: int = 2
    parts: tuple[Bringable, ...] = PUBLISHED_BRINGS
    ease: float = 0.0
    plant_feet: bool = True
    hands_out: bool = True
    steady_arms: bool = True
    conditions: ConditionRules = OUR_RULES
    posterior: Posterior = "mean"
    translation: GroundTrack = "anchored"
    interpolation: Interpolation = "spline"
    guided_loop: GuidedLoop = "anchored"
    placement: PlacementRule = "stroke"
    retriever_fallback: Fallback = "labeller"
    cache: CacheMode = "off"
    cache_mb: int = 1000
    numerics: Numerics = FLOAT32


def sampler_of(options: GenerateOptions) -> Sampler:
    """The sampler of the options.

    Raises:
        ConfigError: no such sampler, or a number of steps that it cannot make.
    """
    return sampler_named(options.sampler, options.steps)


def check_speaker(name: str, speakers: Sequence[str]) -> None:
    """Raise ConfigError for a speaker that is none of a model's; "" is its first."""
    if name and name not in speakers:
        raise ConfigError(f"speaker {name!r}: the model has no such speaker; {did_you_mean(name, speakers)}")


def check_options(options: GenerateOptions, model: Model) -> None:
    """Hold options against each other and against the model.

    Raises:
        ConfigError: a speaker the model does not know, an unknown way, a number out of range.
    """
    check_speaker(options.speaker, model.manifest.speakers)
    if options.inject not in get_args(Inject):
        raise ConfigError(f"inject {options.inject!r}: unknown; {did_you_mean(options.inject, get_args(Inject))}")
    if options.guided_loop == "released" and options.inject not in WAYS:
        raise ConfigError(f"inject {options.inject!r}: the released loop has no such way; expected one of {', '.join(WAYS)} - or guided_loop 'anchored'")
    if options.guided_loop == "released" and options.sampler != "ddim":
        raise ConfigError(
            f"sampler {options.sampler!r}: the released loop is written for DDIM alone; expected 'ddim' - use --sampler ddim, or guided_loop 'anchored'"
        )
    if not 0.0 <= options.weight <= 1.0:
        raise ConfigError(f"weight: {options.weight}; expected a number in [0, 1] - correct it")
    if options.cache not in MODES or options.cache_mb < 1:
        raise ConfigError(f"cache {options.cache!r}, {options.cache_mb} MB: expected one of {', '.join(MODES)} and at least 1 MB - correct it")
    if not MIN_CHUNKS <= options.chunks <= MAX_CHUNKS:
        raise ConfigError(
            f"chunks: {options.chunks}; expected {MIN_CHUNKS} or {MAX_CHUNKS} seconds per gesture (one puts only half of the strokes on their word)"
        )
    if not options.parts:
        raise ConfigError(f"parts: none; expected one or more of {', '.join(BRINGABLE)} - choose what a gesture brings along, or --inject none")
    for part in options.parts:
        if part not in BRINGABLE:
            raise ConfigError(f"parts: {part!r} is unknown; {did_you_mean(part, BRINGABLE)}")
    if options.guided_loop == "released" and set(options.parts) != set(INJECTED_PARTS):
        raise ConfigError(f"parts: {', '.join(options.parts)}; expected {', '.join(INJECTED_PARTS)} with guided_loop 'released', which copies no others")
    if not 0.0 <= options.ease <= 1.0:
        raise ConfigError(f"ease: {options.ease}; expected a number in [0, 1] - correct it")
