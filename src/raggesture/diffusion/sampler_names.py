"""The samplers' names and how many steps each takes unless told otherwise. No torch, so that settings load quickly."""

from __future__ import annotations

from typing import Literal, get_args

from raggesture.errors import ConfigError, did_you_mean

SamplerName = Literal["dpm++", "ddim"]
SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)
DEFAULT_SAMPLER: SamplerName = "dpm++"


def own_steps(name: str) -> int:
    """Steps of a sampler that was given none: the fifty of the published configuration, or the twelve that are as good.

    Raises: ConfigError for a name that is no sampler's.
    """
    if name not in SAMPLERS:
        raise ConfigError(f"sampler {name!r}: unknown; {did_you_mean(name, SAMPLERS)}")
    return 12 if name == "dpm++" else 50
