"""A recording in pieces is the recording at once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raggesture.errors import InputError
from raggesture.retrieval.product import voice_of
from raggesture.speech.audio import load_audio
from raggesture.speech.voice_file import VoiceFile


def tone(seconds: float, rate: int, channels: int = 1, level: float = 0.4) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    wave = level * np.sin(2 * np.pi * 220 * t) * (1 + 0.5 * np.sin(2 * np.pi * 0.7 * t))
    return np.stack([wave * (0.5 + 0.5 * k) for k in range(channels)], axis=1)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 8_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_pieces_are_the_whole(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(47.3, rate, channels), rate, subtype="FLOAT")
    voice, whole = VoiceFile(path), load_audio(path)
    pieces = list(voice.blocks())
    assert len(pieces) > 2
    wave = np.concatenate(pieces)
    assert wave.dtype == np.float32 and len(wave) == len(whole) == voice.facts.samples
    np.testing.assert_allclose(wave, whole, atol=2e-6)
    assert voice.facts.sha256 == hashlib.sha256(wave.astype("<f4").tobytes()).hexdigest()
    assert voice.facts.duration_s == len(whole) / 16_000
    if rate == 16_000:
        assert voice.facts.voice == voice_of(whole)


def test_a_loud_file_is_scaled_and_opposite_channels_do_not_cancel(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    wave = tone(30.0, 16_000, level=2.0)
    soundfile.write(path, np.concatenate([wave, -wave], axis=1), 16_000, subtype="FLOAT")
    made = np.concatenate(list(VoiceFile(path).blocks()))
    np.testing.assert_allclose(made, load_audio(path), atol=1e-6)
    assert 0.999 < np.abs(made).max() <= 1.0


def test_what_libsndfile_cannot_read_is_decoded(tmp_path: Path) -> None:
    import subprocess

    from raggesture.speech.audio import _ffmpeg

    source, path = tmp_path / "a.wav", tmp_path / "a.m4a"
    soundfile.write(source, tone(41.0, 16_000), 16_000)
    subprocess.run([_ffmpeg(source), "-v", "error", "-i", str(source), str(path)], check=True)
    made = np.concatenate(list(VoiceFile(path).blocks()))
    np.testing.assert_allclose(made, load_audio(path), atol=1e-6)


def test_refusals(tmp_path: Path) -> None:
    short, broken, text = tmp_path / "s.wav", tmp_path / "n.wav", tmp_path / "t.wav"
    soundfile.write(short, tone(0.3, 16_000), 16_000)
    wave = tone(30.0, 16_000)
    wave[16_000 * 25] = np.nan
    soundfile.write(broken, wave, 16_000, subtype="FLOAT")
    text.write_text("not audio")
    for path, words in ((short, "0.300 s long"), (broken, "at 25.000 s is not finite"), (text, "neither"), (tmp_path / "none.wav", "no such file")):
        with pytest.raises(InputError, match=words):
            VoiceFile(path)
