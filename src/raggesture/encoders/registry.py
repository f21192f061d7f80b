"""Encoders by the name that a model's manifest records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from raggesture.encoders.base import AudioEncoder, TextEncoder
from raggesture.encoders.bert import BertEncoder
from raggesture.encoders.minilm import MiniLmEncoder
from raggesture.encoders.prosody import AccentEncoder, ProsodyEncoder
from raggesture.encoders.wav2vec2 import Wav2Vec2Encoder
from raggesture.errors import ConfigError, did_you_mean

AUDIO_ENCODERS: Mapping[str, Callable[[Path | None, str], AudioEncoder]] = {
    ProsodyEncoder.name: lambda folder, device: ProsodyEncoder(),
    AccentEncoder.name: lambda folder, device: AccentEncoder(),
    Wav2Vec2Encoder.name: Wav2Vec2Encoder,
}
TEXT_ENCODERS: Mapping[str, Callable[[Path | None, str], TextEncoder]] = {
    MiniLmEncoder.name: lambda folder, device: MiniLmEncoder(folder),
    BertEncoder.name: BertEncoder,
}


def audio_encoder(name: str, folder: Path | None = None, device: str = "cpu") -> AudioEncoder:
    """Make the audio encoder called ``name``; weights are read at the first use.

    Args:
        folder: its weights; None: where they are looked for without being told. device: where its network computes.

    Raises:
        ConfigError: no audio encoder has this name.
    """
    if name not in AUDIO_ENCODERS:
        raise ConfigError(f"audio encoder {name!r}: unknown; {did_you_mean(name, AUDIO_ENCODERS)} - correct the name")
    return AUDIO_ENCODERS[name](folder, device)


def text_encoder(name: str, folder: Path | None = None, device: str = "cpu") -> TextEncoder:
    """Make the text encoder called ``name``; arguments and errors as ``audio_encoder``."""
    if name not in TEXT_ENCODERS:
        raise ConfigError(f"text encoder {name!r}: unknown; {did_you_mean(name, TEXT_ENCODERS)} - correct the name")
    return TEXT_ENCODERS[name](folder, device)
