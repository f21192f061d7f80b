"""A recording of any length, read piece by piece: mono at 16 kHz, as ``load_audio`` reads it, without ever holding it whole.

The file is read twice before its first piece is given: what is one voice in several channels, how loud it is and how long are
properties of the whole. Level: files and numbers only.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from raggesture.clock import SAMPLE_RATE_HZ, seconds_of_samples
from raggesture.errors import InputError
from raggesture.speech.audio import SHORTEST_S, Samples, check_file, ffmpeg_command, no_audio

_BLOCK_S = 20
_CANCELLED = 0.1
"""Share of the loudest channel's power under which the mean of the channels counts as cancelled."""


@dataclass(frozen=True, slots=True)
class VoiceFacts:
    """``samples`` at 16 kHz; ``sha256`` of them as little-endian float32, ``voice`` of them at 16 bits (``retrieval.product.voice_of``)."""

    samples: int
    sha256: str
    voice: str

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return seconds_of_samples(self.samples, SAMPLE_RATE_HZ)


class VoiceFile:
    """A recording in pieces.

    Raises:
        InputError: as ``load_audio``: no such file, not audio, no samples, NaN samples, or shorter than half a second.
    """

    def __init__(self, path: Path) -> None:
        check_file(path)
        self.path = path
        self._decoded = not _libsndfile_reads(path)
        self._channel = self._choose_channel()
        self._gain = 1.0
        facts, peak = self._measure()
        if peak > 1:
            self._gain = 1.0 / peak
            facts, _ = self._measure()
        self.facts = facts

    def blocks(self) -> Iterator[Samples]:
        """The wave in pieces of any size, (n,) float32 in [-1, 1]."""
        stream: soxr.ResampleStream | None = None
        for channels, rate_hz in self._raw():
            mono = channels.mean(axis=1, dtype=np.float32) if self._channel is None else channels[:, self._channel]
            if rate_hz != SAMPLE_RATE_HZ:
                stream = stream or soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
                mono = stream.resample_chunk(np.ascontiguousarray(mono))
            if len(mono):
                yield self._scaled(mono)
        if stream is not None:
            rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)
            if len(rest):
                yield self._scaled(rest)

    def _scaled(self, mono: Samples) -> Samples:
        return np.ascontiguousarray(mono if self._gain == 1.0 else mono * np.float32(self._gain), dtype=np.float32)

    def _raw(self) -> Iterator[tuple[Samples, int]]:
        """All channels (n, C) and their rate."""
        if self._decoded:
            yield from _decoded_blocks(self.path)
            return
        try:
            with soundfile.SoundFile(str(self.path)) as sound:
                for block in sound.blocks(blocksize=_BLOCK_S * sound.samplerate, dtype="float32", always_2d=True):
                    yield block, int(sound.samplerate)
        except (soundfile.SoundFileError, OSError) as fault:
            raise InputError(f"{self.path}: cannot be read to its end ({fault}); expected a whole recording - export it again") from fault

    def _choose_channel(self) -> int | None:
        """The channel that is listened to: None for the mean of all, the loudest where the mean cancels."""
        mean_power, powers, at = 0.0, np.zeros(1), 0
        for channels, rate_hz in self._raw():
            bad = ~np.isfinite(channels).all(axis=1)
            if bad.any():
                second = seconds_of_samples(at + int(np.argmax(bad)), rate_hz)
                raise InputError(f"{self.path}: a sample at {second:.3f} s is not finite (NaN); expected numbers - export the audio again")
            powers = powers + (channels.astype(np.float64) ** 2).sum(axis=0)
            mean_power += float((channels.mean(axis=1, dtype=np.float64) ** 2).sum())
            at += len(channels)
        if len(powers) == 1:
            return 0
        loudest = int(np.argmax(powers))
        return loudest if mean_power < _CANCELLED * float(powers[loudest]) else None

    def _measure(self) -> tuple[VoiceFacts, float]:
        exact, coarse = hashlib.sha256(), hashlib.sha256()
        samples, peak = 0, 0.0
        for block in self.blocks():
            samples += len(block)
            peak = max(peak, float(np.abs(block).max()))
            exact.update(block.astype("<f4").tobytes())
            coarse.update(np.round(np.clip(block, -1, 1) * 32767).astype("<i2").tobytes())
        seconds = seconds_of_samples(samples, SAMPLE_RATE_HZ)
        if seconds < SHORTEST_S:
            raise InputError(f"{self.path}: {seconds:.3f} s long; expected at least {SHORTEST_S} s of speech - give a longer recording")
        return VoiceFacts(samples, exact.hexdigest(), coarse.hexdigest()[:32]), peak


def _libsndfile_reads(path: Path) -> bool:
    try:
        with soundfile.SoundFile(str(path)) as sound:
            return bool(sound.samplerate > 0)
    except (soundfile.SoundFileError, TypeError, ValueError, OSError):
        return False


def _decoded_blocks(path: Path) -> Iterator[tuple[Samples, int]]:
    """Decode by a pipe from ffmpeg (no shell, no network), a piece at a time."""
    size = 4 * _BLOCK_S * SAMPLE_RATE_HZ
    try:
        process = subprocess.Popen(ffmpeg_command(path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError as fault:
        raise no_audio(path) from fault
    assert process.stdout is not None
    try:
        while data := process.stdout.read(size):
            yield np.frombuffer(data[: len(data) // 4 * 4], dtype="<f4").astype(np.float32)[:, None], SAMPLE_RATE_HZ
        if process.wait() != 0:
            raise no_audio(path)
    finally:
        with suppress(OSError):
            process.stdout.close()
            process.kill()
        process.wait()
