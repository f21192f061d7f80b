"""Which codec a model has, as data: kind and sizes, to and from JSON, and the modules it describes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from torch import nn

from raggesture.body.joints import FEATURES_OF_PART, PARTS, Part
from raggesture.errors import ConfigError, ModelError, did_you_mean
from raggesture.models.codec import BodyCodec
from raggesture.models.conv import MAX_CONTEXT, ConvCodec, ConvCodecConfig
from raggesture.models.vae import TransformerVae, VaeConfig

CodecKind = Literal["conv", "transformer"]


@dataclass(frozen=True, slots=True)
class CodecConfig:
    """``kind`` conv: lapped PCA codec with ``context_frames`` of overlap; transformer: the published auto-encoder.

    ``vaes``: the transformers' settings in the order of the parts; none: the published ones at ``latent_dim``.
    """

    kind: CodecKind = "conv"
    latent_dim: int = 96
    context_frames: int = MAX_CONTEXT
    vaes: tuple[VaeConfig, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(CodecKind):
            raise ConfigError(f"codec kind {self.kind!r}: {did_you_mean(self.kind, get_args(CodecKind))}")
        if self.vaes and [vae.nfeats for vae in self.vaes] != [FEATURES_OF_PART[part] for part in PARTS]:
            found = [vae.nfeats for vae in self.vaes]
            raise ModelError(f"codec: transformers of {found} features; expected one for each part, {[FEATURES_OF_PART[p] for p in PARTS]} - correct them")

    def build(self) -> BodyCodec:
        """A codec with fresh weights (conv: zeros, to be fitted)."""
        return BodyCodec({part: self._part(part) for part in PARTS})

    def _part(self, part: Part) -> nn.Module:
        if self.kind == "transformer":
            return TransformerVae(self.vaes[PARTS.index(part)] if self.vaes else VaeConfig(FEATURES_OF_PART[part], self.latent_dim))
        return ConvCodec(ConvCodecConfig(FEATURES_OF_PART[part], self.latent_dim, self.context_frames))

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        vaes = [json.loads(vae.to_json()) for vae in self.vaes]
        return {"kind": self.kind, "latent_dim": self.latent_dim, "context_frames": self.context_frames, "vaes": vaes}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> CodecConfig:
        """The inverse of ``to_json``; raises KeyError, TypeError, ConfigError or ModelError."""
        vaes = tuple(VaeConfig.from_json(json.dumps(vae)) for vae in values["vaes"])
        return cls(cast(CodecKind, values["kind"]), int(values["latent_dim"]), int(values["context_frames"]), vaes)
