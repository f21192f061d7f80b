"""Audio and words from pipes: read by threads, so that the work waits for neither longer than it wants to."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from raggesture.cli.console import LOGGER
from raggesture.clock import SAMPLE_RATE_HZ
from raggesture.errors import InputError

if TYPE_CHECKING:
    from raggesture.speech.audio import Samples
    from raggesture.types import Word

STDIN = "-"
_BLOCK_BYTES = 3200
"""A tenth of a second."""
_HEADER_BYTES = 4096
_COMPLAIN_S = 10.0


class AudioPipe:
    """Mono samples at 16 kHz, 16 bit little-endian, bare or behind a WAV header.

    Args:
        source: ``-`` for standard input, a FIFO or a file. patience_s: end the speech if nothing has come for so long; 0: wait for ever.
    """

    def __init__(self, source: Path, patience_s: float) -> None:
        self._name = "standard input" if str(source) == STDIN else str(source)
        self._source, self._patience_s = source, patience_s
        self._blocks: queue.Queue[bytes | Exception | None] = queue.Queue()
        self._stopped = False
        threading.Thread(target=self._read, daemon=True).start()

    def stop(self) -> None:
        """The speech is over with what has come."""
        self._stopped = True

    def samples(self) -> Iterator[Samples]:
        """Blocks (n,) as they come, until the pipe ends or has stalled for too long.

        Raises:
            InputError: it cannot be read, or holds sound of another kind.
        """
        import numpy as np

        left, header = b"", True
        for block in self._waited():
            left += block
            if header:
                if len(left) < 4 or (left[:4] == b"RIFF" and b"data" not in left and len(left) < _HEADER_BYTES):
                    continue
                left, header = wave_data(left, self._name), False
            whole = len(left) // 2 * 2
            if whole:
                yield np.frombuffer(left[:whole], "<i2").astype(np.float32) / 32768.0
            left = left[whole:]

    def _waited(self) -> Iterator[bytes]:
        since = told = time.monotonic()
        while True:
            try:
                block = self._blocks.get_nowait() if self._stopped else self._blocks.get(timeout=0.2)
            except queue.Empty:
                if self._stopped:
                    return
                now = time.monotonic()
                if self._patience_s and now - since > self._patience_s:
                    LOGGER.warning("%s: no sound for %.0f s; the speech is taken to be over", self._name, now - since)
                    return
                if now - told > _COMPLAIN_S:
                    LOGGER.warning("%s: no sound for %.0f s; still waiting", self._name, now - since)
                    told = now
                continue
            since = told = time.monotonic()
            if block is None:
                return
            if isinstance(block, Exception):
                raise InputError(f"{self._name}: cannot be read ({block}); expected 16-bit mono sound at 16 kHz - check the pipe") from block
            yield block

    def _read(self) -> None:
        try:
            with _opened(self._source) as stream:
                while block := stream.read(_BLOCK_BYTES):
                    self._blocks.put(block)
        except Exception as fault:  # told where it is waited for
            self._blocks.put(fault)
        self._blocks.put(None)


def _opened(source: Path) -> IO[bytes]:
    return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) if str(source) == STDIN else source.open("rb", buffering=0)


def wave_data(head: bytes, name: str) -> bytes:
    """What follows a WAV header; the bytes as they are where there is none.

    Raises:
        InputError: the header says something else than 16-bit mono at 16 kHz.
    """
    if head[:4] != b"RIFF":
        return head
    at, kind = 12, (0, 0, 0, 0)
    while at + 8 <= len(head):
        chunk, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        body = head[at + 8 : at + 8 + size]
        if chunk == b"fmt ":
            number = int.from_bytes
            kind = (number(body[0:2], "little"), number(body[2:4], "little"), number(body[4:8], "little"), number(body[14:16], "little"))
        if chunk == b"data":
            codec, channels, rate_hz, bits = kind
            if (codec not in (1, 0xFFFE), channels, rate_hz, bits) != (False, 1, SAMPLE_RATE_HZ, 16):
                break
            return head[at + 8 :]
        at += 8 + size + size % 2
    raise InputError(
        f"{name}: a WAV of {kind[1]} channels, {kind[2]} Hz, {kind[3]} bits; expected 16-bit mono PCM at 16000 Hz - "
        "send it through: ffmpeg -i INPUT -ar 16000 -ac 1 -f s16le -"
    )


class WordPipe:
    """Words, one JSON object a line, as they come. A line that is none is said and left out."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._words: list[Word] = []
        self._fault = ""
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def new(self) -> list[Word]:
        """The words that have come since the last time.

        Raises:
            InputError: the pipe cannot be read.
        """
        with self._lock:
            words, self._words = self._words, []
        if self._fault:
            raise InputError(f"{self._source}: cannot be read ({self._fault}); expected words, one JSON object a line - check the pipe")
        return words

    def _read(self) -> None:
        from raggesture.speech.live import word_of_line

        try:
            with self._source.open(encoding="utf-8") as stream:
                for number, line in enumerate(stream, 1):
                    try:
                        word = word_of_line(line, number, str(self._source))
                    except InputError as fault:
                        LOGGER.warning("%s", fault)
                        continue
                    if word is not None:
                        with self._lock:
                            self._words.append(word)
        except (OSError, UnicodeDecodeError) as fault:
            self._fault = str(fault)
        self.ended.set()
