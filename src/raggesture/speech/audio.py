"""Any audio file to a mono wave at 16 kHz: libsndfile first, ffmpeg for what it cannot read.

The sound decides, not the file's suffix: an MP3 called ``.wav`` is read. One good resampling (soxr, high quality).
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from raggesture.clock import SAMPLE_RATE_HZ, seconds_of_samples
from raggesture.errors import InputError

SHORTEST_S = 0.5
_SILENT_PEAK = 1e-3
_FFMPEG_LIMIT_S = 600
_DETOUR_RATE_HZ = 22_050
Samples = NDArray[np.float32]


def load_audio(path: Path) -> Samples:
    """Read an audio file.

    Args:
        path: anything that libsndfile or ffmpeg reads, any number of channels, any rate.

    Returns:
        (N,) float32 at 16 kHz in [-1, 1]. Louder float files are scaled down to a peak of one.

    Raises:
        InputError: no such file, a folder, empty, not audio, no samples, NaN samples, or shorter than half a second.
    """
    check_file(path)
    channels, rate_hz = _read(path)
    if channels.shape[0] == 0:
        raise InputError(f"{path}: holds no samples; expected at least {SHORTEST_S} s of speech - record it again")
    bad = ~np.isfinite(channels).all(axis=1)
    if bad.any():
        at = seconds_of_samples(int(np.argmax(bad)), rate_hz)
        raise InputError(f"{path}: {int(bad.sum())} samples are not finite (NaN), the first at {at:.3f} s; expected numbers - export the audio again")
    seconds = seconds_of_samples(channels.shape[0], rate_hz)
    if seconds < SHORTEST_S:
        raise InputError(f"{path}: {seconds:.3f} s long; expected at least {SHORTEST_S} s of speech - give a longer recording")
    wave = _mono(channels)
    if rate_hz != SAMPLE_RATE_HZ:
        wave = soxr.resample(wave, rate_hz, SAMPLE_RATE_HZ, quality="HQ")
    peak = float(np.abs(wave).max())
    return np.ascontiguousarray(wave / peak if peak > 1 else wave, dtype=np.float32)


def resample_there_and_back(wave: Samples) -> Samples:
    """A wave at 16 kHz through 22.05 kHz and back, as the published code hears its data (an oversight there). Same length.

    Source: METHOD part I (a) "Audio features", QUIRK.
    """
    through = soxr.resample(wave, SAMPLE_RATE_HZ, _DETOUR_RATE_HZ, quality="HQ")
    back = soxr.resample(through, _DETOUR_RATE_HZ, SAMPLE_RATE_HZ, quality="HQ")[: len(wave)]
    return np.ascontiguousarray(np.pad(back, (0, len(wave) - len(back))), dtype=np.float32)


def is_silent(wave: Samples) -> bool:
    """Whether nothing in the wave is louder than 60 dB below full scale."""
    return bool(np.abs(wave - wave.mean()).max(initial=0.0) < _SILENT_PEAK)


def check_file(path: Path) -> None:
    """Raise InputError unless ``path`` is a file with something in it that may be read."""
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder; expected an audio file - give the file itself")
        if not path.exists():
            raise InputError(f"{path}: no such file; expected an audio file - check the path")
        if not path.is_file():
            raise InputError(f"{path}: is not a regular file; expected an audio file - save it to a file first")
        if path.stat().st_size == 0:
            raise InputError(f"{path}: is empty (0 bytes); expected an audio file - record or copy it again")
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; expected a readable audio file - check the path and its permissions") from error


def _read(path: Path) -> tuple[Samples, int]:
    """All channels (N, C) and the rate of the file."""
    try:
        samples, rate_hz = soundfile.read(str(path), dtype="float32", always_2d=True)
        return samples, int(rate_hz)
    except (soundfile.SoundFileError, TypeError, ValueError, OSError):
        return _read_by_ffmpeg(path), SAMPLE_RATE_HZ


def _ffmpeg(path: Path) -> str:
    """The ffmpeg on the PATH, else the one of the imageio-ffmpeg package (an extra: the program in it is GPL)."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise InputError(
            f"{path}: libsndfile cannot read it and there is no ffmpeg; expected WAV, FLAC, OGG or MP3, or ffmpeg - pip install imageio-ffmpeg or convert it"
        ) from error
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def ffmpeg_command(path: Path) -> list[str]:
    """The command that decodes ``path`` to mono float32 at 16 kHz on its stdout (no shell, no network).

    Raises:
        InputError: there is no ffmpeg.
    """
    command = [_ffmpeg(path), "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-i", f"file:{path.absolute()}"]
    return [*command, "-map", "0:a:0", "-ac", "1", "-ar", str(SAMPLE_RATE_HZ), "-f", "f32le", "-"]


def no_audio(path: Path) -> InputError:
    """The error of a file in which nobody finds sound."""
    return InputError(f"{path}: neither libsndfile nor ffmpeg finds audio in it; expected a sound file such as WAV, FLAC, MP3 or M4A - convert it")


def _read_by_ffmpeg(path: Path) -> Samples:
    """Decode by a pipe from ffmpeg: (N, 1) at 16 kHz."""
    try:
        done = subprocess.run(ffmpeg_command(path), stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_FFMPEG_LIMIT_S)
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        raise no_audio(path) from error
    if done.returncode != 0:
        raise no_audio(path)
    whole = len(done.stdout) // 4 * 4
    return np.frombuffer(done.stdout[:whole], dtype="<f4").astype(np.float32)[:, None]


def _mono(channels: Samples) -> Samples:
    """Mean of the channels; the loudest channel where the mean cancels (channels of opposite phase, or one dead channel)."""
    if channels.shape[1] == 1:
        return channels[:, 0]
    mean = channels.mean(axis=1, dtype=np.float32)
    powers = (channels.astype(np.float64) ** 2).mean(axis=0)
    loudest = int(np.argmax(powers))
    if float((mean.astype(np.float64) ** 2).mean()) < 0.1 * float(powers[loudest]):
        return np.ascontiguousarray(channels[:, loudest])
    return np.asarray(mean, dtype=np.float32)
