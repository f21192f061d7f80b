"""Encoders by the name that a model's manifest records."""

from __future__ import annotations

from raggesture.encoders.base import AudioEncoder, TextEncoder
from raggesture.encoders.minilm import MiniLmEncoder
from raggesture.encoders.prosody import ProsodyEncoder
from raggesture.errors import ConfigError, did_you_mean

AUDIO_ENCODERS: tuple[type[ProsodyEncoder], ...] = (ProsodyEncoder,)
TEXT_ENCODERS: tuple[type[MiniLmEncoder], ...] = (MiniLmEncoder,)


def audio_encoder(name: str) -> AudioEncoder:
    """Make the audio encoder called ``name``.

    Raises:
        ConfigError: no audio encoder has this name.
    """
    for encoder in AUDIO_ENCODERS:
        if encoder.name == name:
            return encoder()
    raise ConfigError(f"audio encoder {name!r}: unknown; {did_you_mean(name, [each.name for each in AUDIO_ENCODERS])} - correct the name")


def text_encoder(name: str) -> TextEncoder:
    """Make the text encoder called ``name``; its weights are read at the first use.

    Raises:
        ConfigError: no text encoder has this name.
    """
    for encoder in TEXT_ENCODERS:
        if encoder.name == name:
            return encoder()
    raise ConfigError(f"text encoder {name!r}: unknown; {did_you_mean(name, [each.name for each in TEXT_ENCODERS])} - correct the name")
