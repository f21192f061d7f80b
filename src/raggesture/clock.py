"""Seconds, samples, frames and chunks: the only module that multiplies or divides by a rate.

Conventions: seconds are floats from the start of the speech; a *frame* index at rate ``fps`` covers
``[frame / fps, (frame + 1) / fps)``; a *chunk* is one second of latent (15 frames at the model's 15 fps); a *window* is
ten chunks. Source: METHOD part I (a) and (b).
"""

from __future__ import annotations

import math

SAMPLE_RATE_HZ = 16_000
"""Rate of every wave inside the program."""
MODEL_FPS = 15
"""Frame rate the models work at."""
MOTION_FPS = 30
"""Frame rate of files written and of BEAT2."""
CHUNK_FRAMES = 15
"""Model frames in one latent token."""
WINDOW_CHUNKS = 10
"""Latent tokens of one body part in one window."""
WINDOW_FRAMES = CHUNK_FRAMES * WINDOW_CHUNKS
WINDOW_SECONDS = WINDOW_FRAMES / MODEL_FPS
WINDOW_SAMPLES = SAMPLE_RATE_HZ * WINDOW_FRAMES // MODEL_FPS


def seconds_of_samples(n_samples: int, rate_hz: int = SAMPLE_RATE_HZ) -> float:
    """Duration in seconds of ``n_samples`` at ``rate_hz``."""
    return n_samples / rate_hz


def sample_of_seconds(seconds: float, rate_hz: int = SAMPLE_RATE_HZ) -> int:
    """Index of the sample nearest to ``seconds``."""
    return round(seconds * rate_hz)


def sample_of_frame(frame: int, fps: int = MODEL_FPS) -> int:
    """First sample of ``frame``, rounded down as in the published data set; also the number of samples of ``frame`` frames."""
    return frame * SAMPLE_RATE_HZ // fps


def frames_of_seconds(seconds: float, fps: float = MOTION_FPS) -> int:
    """Number of frames that cover ``seconds``, rounded to the nearest (half up)."""
    return math.floor(seconds * fps + 0.5)


def frame_of_seconds(seconds: float, fps: float = MODEL_FPS) -> int:
    """Index of the frame that contains the instant ``seconds``.

    A hundred-thousandth of a frame is added so that a time that was computed from a frame falls into that frame.
    """
    return math.floor(seconds * fps + 1e-5)


def seconds_of_frame(frame: float, fps: float = MODEL_FPS) -> float:
    """Start of ``frame`` in seconds."""
    return frame / fps


def chunk_of_frame(frame: int) -> int:
    """Chunk that holds model frame ``frame``."""
    return frame // CHUNK_FRAMES


def chunks_of_frames(n_frames: int) -> int:
    """Number of chunks needed to hold ``n_frames`` model frames."""
    return -(-n_frames // CHUNK_FRAMES)
