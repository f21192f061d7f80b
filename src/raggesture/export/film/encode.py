"""Pictures and voice to an MP4 file, in one pass, as they come: x264 (yuv420p) and AAC, by PyAV.

PyAV rather than a pipe to ffmpeg: as quick per picture (it is the same x264), and a full disk is an exception with its cause.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from raggesture.clock import SAMPLE_RATE_HZ
from raggesture.errors import ConfigError

T = TypeVar("T")
AUDIO_RATE_HZ = 48_000
_AUDIO_BITS_PER_S = 128_000
_WAITING = 4
"""So many pictures wait for the encoder before the next is drawn."""
_X264 = {"preset": "veryfast", "x264-params": "subme=1", "threads": "2"}
"""Motion is sought a little more coarsely than ``veryfast`` does: two thirds of its time, a twentieth more bytes, no worse a picture (measured)."""
_BT709, _LIMITED = 1, 1
_HELP = "pip install -c constraints.txt 'raggesture[film]'"


def check_encoder() -> None:
    """Raise ConfigError unless PyAV is installed: cheap, before the work."""
    if find_spec("av") is None:
        raise ConfigError(f"mp4: PyAV is not installed; expected it for films - {_HELP}")


def _check_codecs(av: Any) -> None:
    for name in ("libx264", "aac"):
        if name not in av.codecs_available:
            raise ConfigError(f"mp4: PyAV {av.__version__} was built without the codec {name}; expected PyAV's own wheel - {_HELP}")


def _pixels(frame: Any) -> NDArray[np.uint8]:
    """(height, width, 4): the memory of a frame; its lines may be longer than the picture is wide."""
    lines = np.frombuffer(frame.planes[0], np.uint8).reshape(frame.height, -1)
    return lines[:, : 4 * frame.width].reshape(frame.height, frame.width, 4)


class Encoder:
    """Writes one film; a context manager. On a fault, an interrupt or a full disk the file is removed.

    Args:
        path: the file. size: width and height in pixels, even. fps: pictures a second. crf: x264's quality. voice: whether there is one.

    Raises:
        ConfigError: PyAV or a codec is missing.
        OSError: the file cannot be written; its ``filename`` is ``path``.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: int, crf: int, *, voice: bool) -> None:
        check_encoder()
        import av

        _check_codecs(av)
        self._path, self._av = path, av
        self._added = self._pictures = self._samples = 0
        self._broken = False
        self._queue: deque[Future[None]] = deque()
        self._frames = [av.VideoFrame(*size, "rgba") for _ in range(_WAITING + 1)]
        self._reformatter: Any = av.video.reformatter.VideoReformatter()
        self._thread = ThreadPoolExecutor(1, "film")
        self._container = self._guarded(lambda: av.open(str(path), "w", format="mp4", container_options={"movflags": "faststart"}))
        video = self._container.add_stream("libx264", rate=fps, options={"crf": str(crf), **_X264})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        context = video.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        self._video: Any = video
        self._audio: Any = None
        self._resampler = av.AudioResampler("fltp", "mono", AUDIO_RATE_HZ)
        if voice:
            self._audio = self._container.add_stream("aac", rate=AUDIO_RATE_HZ, layout="mono")
            self._audio.codec_context.bit_rate = _AUDIO_BITS_PER_S

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._thread.submit(self._end).result()
        except BaseException as late:
            kind = type(late)
            raise self._named(late) from late
        finally:
            self._thread.shutdown(cancel_futures=True)
            with suppress(Exception):  # a container that has failed fails again on closing
                self._container.close()
            if kind is not None:
                self._path.unlink(missing_ok=True)

    def add(self, picture: NDArray[np.uint8], samples: NDArray[np.float32]) -> None:
        """Take the next picture (height, width, 4) and the voice (N,) at 16 kHz that goes with it; both are copied."""
        while len(self._queue) >= _WAITING:
            self._guarded(self._queue.popleft().result)
        frame = self._frames[self._added % len(self._frames)]  # the one written longest ago: new memory for each costs more than the copy
        self._added += 1
        np.copyto(_pixels(frame), picture)
        self._queue.append(self._thread.submit(self._write, frame, samples.copy()))

    def _write(self, frame: Any, samples: NDArray[np.float32]) -> None:
        """Encode one picture and its sound; after a fault nothing more: a container whose header failed must not be written to again."""
        if self._broken:
            return
        self._broken = True
        self._put(frame, samples)
        self._broken = False

    def _put(self, frame: Any, samples: NDArray[np.float32]) -> None:
        frame = self._reformatter.reformat(frame, format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.pts = self._pictures
        self._pictures += 1
        self._container.mux(self._video.encode(frame))
        if self._audio is not None and samples.size:
            sound = self._av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
            sound.sample_rate, sound.time_base, sound.pts = SAMPLE_RATE_HZ, Fraction(1, SAMPLE_RATE_HZ), self._samples  # else the encoder's run-up is heard
            self._samples += samples.size
            self._sound(sound)

    def _sound(self, sound: Any) -> None:
        for part in self._resampler.resample(sound):
            self._container.mux(self._audio.encode(part))

    def _end(self) -> None:
        """Let out what the encoders still hold, and close the file."""
        self._container.mux(self._video.encode(None))
        if self._audio is not None:
            self._sound(None)
            self._container.mux(self._audio.encode(None))
        self._container.close()

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except OSError as fault:
            raise self._named(fault) from fault

    def _named(self, fault: BaseException) -> BaseException:
        """A system's fault with the name of our file, as ``raggesture.outputs`` wants it."""
        if isinstance(fault, OSError) and fault.errno:
            return OSError(fault.errno, fault.strerror or str(fault), str(self._path))
        return fault
