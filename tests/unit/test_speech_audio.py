"""Audio: every kind that must work, and one clear line for every kind that cannot."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile

from raggesture.errors import InputError
from raggesture.speech.audio import is_silent, load_audio


def tone(rate_hz: int, seconds: float = 1.0, hz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate_hz * seconds)) / rate_hz)).astype(np.float32)


def main_hz(wave: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(wave * np.hanning(wave.size)))) * 16000 / wave.size)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100, 48000])
def test_sample_formats_and_rates(tmp_path: Path, subtype: str, rate_hz: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(rate_hz), rate_hz, subtype=subtype)
    wave = load_audio(path)
    assert wave.dtype == np.float32
    assert wave.shape == (16000,)
    assert abs(main_hz(wave) - 440) < 2
    assert 0.45 < np.abs(wave[200:-200]).max() < 0.55


def test_stereo_is_averaged_and_opposite_phase_does_not_cancel(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    left, right = tone(16000), tone(16000, hz=1000)
    soundfile.write(path, np.stack([left, right], 1), 16000, subtype="FLOAT")
    np.testing.assert_allclose(load_audio(path), (left + right) / 2, atol=1e-6)
    soundfile.write(path, np.stack([left, -left], 1), 16000, subtype="FLOAT")
    assert np.abs(load_audio(path)).max() > 0.4


def test_loud_floats_are_scaled_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, 6 * tone(16000), 16000, subtype="FLOAT")
    wave = load_audio(path)
    np.testing.assert_allclose(wave, 2 * tone(16000), atol=1e-3)


def test_resampling_keeps_aliases_out(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(44100, hz=12000), 44100, subtype="FLOAT")
    assert np.abs(load_audio(path)[500:-500]).max() < 1e-3


def test_mp3_called_wav_and_a_kind_only_ffmpeg_reads(tmp_path: Path) -> None:
    source = tmp_path / "s.wav"
    soundfile.write(source, tone(44100), 44100)
    for name, options in (("a b.wav", ["-f", "mp3"]), ("-odd;name.m4a", ["-c:a", "aac", "-f", "mp4"])):
        path = tmp_path / name
        subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", source, *options, f"file:{path}"], check=True)
        wave = load_audio(path)
        assert abs(wave.size - 16000) < 2000
        assert abs(main_hz(wave) - 440) < 3


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    files = {name: folder / f"{name}.wav" for name in ("empty", "text", "none", "nan", "short", "zero_bytes_of_sound")}
    files["empty"].write_bytes(b"")
    files["text"].write_text("hello, I am not a sound\n" * 50)
    soundfile.write(files["none"], np.zeros(0, np.float32), 16000)
    holes = tone(16000)
    holes[8000] = np.nan
    soundfile.write(files["nan"], holes, 16000, subtype="FLOAT")
    soundfile.write(files["short"], tone(16000, 0.49), 16000)
    files["zero_bytes_of_sound"].write_bytes(b"RIFF\x00\x00\x00\x00WAVE")
    says = {"empty": "empty", "text": "neither", "none": "no samples", "nan": "0.500 s", "short": "0.490 s", "zero_bytes_of_sound": "expected"}
    return {name: (path, says[name]) for name, path in files.items()}


@pytest.mark.parametrize("kind", ["empty", "text", "none", "nan", "short", "zero_bytes_of_sound"])
def test_bad_files_say_so_in_one_line(tmp_path: Path, kind: str) -> None:
    path, says = bad_files(tmp_path)[kind]
    with pytest.raises(InputError) as caught:
        load_audio(path)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line and says in line and "expected" in line


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_audio(tmp_path / "nothing.wav")
    with pytest.raises(InputError, match="is a folder"):
        load_audio(tmp_path)


def test_silence_is_loaded_and_recognised(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(16000), 16000)
    assert is_silent(load_audio(path))
    assert is_silent(np.full(16000, 0.2, np.float32))
    assert not is_silent(tone(16000))
